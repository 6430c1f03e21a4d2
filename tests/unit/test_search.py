"""The search without a network: laws that look like physics are found in their own columns, and lifted back right."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.structure.rows import Rows as JudgedRows
from kansym.structure.symmetry import Combination, Scaling
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Variable, call, multiply
from kansym.symbolic.search import Reduced, describe, lifted, reduce_table, search
from kansym.symbolic.table import EXACT, Candidate, Table, price_of

Array = np.ndarray
Box = tuple[tuple[float, float], ...]

# Name, law, the range of every column, and the greatest complexity that still counts as the law.
LAWS: tuple[tuple[str, Callable[..., Array], Box, int], ...] = (
    ("drag", lambda c, d, v: 0.5 * c * d * v**2, ((0.1, 0.9), (0.8, 1.3), (2, 30)), 9),
    ("pendulum", lambda s, g: 2 * np.pi * np.sqrt(s / g), ((0.2, 3), (1.5, 12)), 8),
    ("capacitor", lambda u, r: u * np.exp(-r), ((1, 9), (0.1, 3)), 7),
    ("lens", lambda a, b: a * b / (a + b), ((1, 4), (2, 7)), 9),
    ("saturation", lambda v, k, s: v * s / (k + s), ((1, 4), (0.5, 2), (0.3, 5)), 9),
    ("distance", lambda x, y: np.sqrt(x**2 + y**2), ((0.5, 4), (0.5, 4)), 8),
    ("interference", lambda a, d: a * np.cos(d) ** 2, ((1, 5), (-1.4, 1.4)), 9),
    ("cooling", lambda t, r: 20 + 65 * np.exp(-0.31 * t) + 2.5 * r, ((0, 9), (0, 3)), 15),
    ("fall", lambda h, v, t: h + v * t - 4.9 * t**2, ((1, 9), (-5, 5), (0.1, 2)), 14),
    (
        "pressure",
        lambda n, t, v, b: n * t / (v - b),
        ((1, 4), (200, 400), (5, 9), (0.1, 1.5)),
        16,  # as 1/(v/(n t) - b/(n t)); the final stage writes it shorter
    ),
    ("torque", lambda f, r, s: f * r * np.sin(s), ((1, 9), (0.2, 1.2), (-3, 3)), 10),
    ("doppler", lambda f, v, c: f / (1 - v / c), ((1, 5), (1, 3), (5, 20)), 13),
)


def table_of(law: Callable[..., Array], box: Box, rows: int = 240) -> Table:
    low, high = np.array(box, dtype=float).T
    inputs = np.random.default_rng(11).uniform(low, high, (rows, len(box)))
    whole = Rows(inputs, law(*inputs.T))
    held = np.arange(rows) % 4 == 0
    return Table(whole.take(~held), whole.take(held))


@pytest.mark.parametrize(("law", "box", "most"), [law[1:] for law in LAWS], ids=[law[0] for law in LAWS])
def test_an_invented_law_is_found(law: Callable[..., Array], box: Box, most: int) -> None:
    table = table_of(law, box)
    found = search(table, Budget(60))
    good = [candidate for candidate in found if candidate.error < 10 * EXACT]
    assert good, f"the best error is {found[0].error:.2g}"
    assert min(candidate.expression.complexity for candidate in good) <= most


def test_candidates_are_ranked_and_their_errors_are_their_own() -> None:
    table = table_of(lambda a, b: a * b / (a + b), ((1, 4), (2, 7)), 120)
    found = search(table, Budget(30))
    costs = [candidate.cost(price_of(len(table.fit))) for candidate in found]
    assert costs == sorted(costs)
    for candidate in found:
        if candidate.origin != "constant":
            assert candidate.error == table.error(candidate.expression)


def test_noise_does_not_hide_a_law() -> None:
    clean = table_of(lambda m, v: 0.5 * m * v**2, ((1, 4), (2, 9)))
    noise = 0.01 * np.std(clean.fit.target) * np.random.default_rng(2).normal(size=len(clean.fit))
    table = Table(Rows(clean.fit.inputs, clean.fit.target + noise), clean.held, 0.0115)
    best = search(table, Budget(30))[0]
    assert best.expression.complexity <= 7 and best.expression.variables == (0, 1)
    assert best.error < 0.003


def test_two_searches_find_the_same() -> None:
    table = table_of(lambda a, b: a / (1 + b), ((1, 4), (1, 5)), 120)
    assert search(table, Budget(60)) == search(table, Budget(60))


def test_a_search_without_time_still_has_a_candidate() -> None:
    table = table_of(lambda a, b: np.sin(a) * b, ((1, 4), (1, 5)))
    found = search(table, Budget(0.0))
    assert found and all(np.isfinite(candidate.error) for candidate in found)


def test_a_formula_of_a_scaled_table_becomes_one_of_the_raw_columns() -> None:
    table = table_of(lambda a, b: a**2 * np.sin(a / b), ((1, 3), (1, 3)), 100)
    step = Scaling((Fraction(2), Fraction(0)), ((Fraction(1), Fraction(-1)),))
    chain = Reduced(symmetry_rows(table), lambda expression: expression, ())
    reduced = Reduced(step.apply(chain.rows), lift_of(step), (describe(step),))
    found = lifted(Candidate(call("sin", Variable(0)), 0.0, "curve"), reduced, table)
    assert found.error < 1e-12
    assert found.origin == "scaling law: 2 variables act as 1; curve"


def test_a_formula_of_a_combined_table_becomes_one_of_the_raw_columns() -> None:
    table = table_of(lambda x, y, z: y * np.cos(x - 3 * z), ((1, 3), (1, 3), (1, 2)), 100)
    step = Combination(0, 2, "x", -3.0)
    reduced = Reduced(step.apply(symmetry_rows(table)), lift_of(step), (describe(step),))
    found = lifted(Candidate(multiply(Variable(1), call("cos", Variable(0))), 0.0, "product"), reduced, table)
    assert found.error < 1e-12


def test_a_table_is_reduced_to_its_invariants() -> None:
    table = table_of(lambda m, v, c: m / np.sqrt(1 - v**2 / c**2), ((1, 5), (1, 2), (3, 10)))
    chain = reduce_table(symmetry_rows(table), Budget(30))
    assert chain[0].rows.inputs.shape[1] == 3
    assert chain[-1].rows.inputs.shape[1] == 1
    assert chain[-1].steps == ("scaling law: 3 variables act as 1",)


def test_no_time_means_no_reduction() -> None:
    table = table_of(lambda a, b: a * b, ((1, 5), (1, 2)))
    assert len(reduce_table(symmetry_rows(table), Budget(0.0))) == 1


def symmetry_rows(table: Table) -> JudgedRows:
    return table.judged


def lift_of(step: Scaling | Combination) -> Callable:
    from kansym.symbolic.search import _lifted

    return _lifted(lambda expression: expression, step)
