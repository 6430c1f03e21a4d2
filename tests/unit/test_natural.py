"""Laws with no inner numbers are found among all pairs of short expressions, also in noise."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import Call
from kansym.symbolic.natural import call_nats, loosened, natural
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import PRIMITIVES
from kansym.symbolic.table import EXACT, Table

Array = np.ndarray


def tables(law: Callable[..., Array], low: float, high: float, columns: int, noise: float) -> tuple[Table, Rows]:
    """Noisy rows to search, and clean ones to judge by."""
    random = np.random.default_rng(5)
    x = random.uniform(low, high, (1000, columns))
    clean = law(*x.T)
    y = clean + noise * np.sqrt(np.mean(clean**2)) * random.standard_normal(len(x))
    goal = 1.2 * noise * float(np.sqrt(np.mean(clean**2)) / y.std()) if noise else EXACT
    return Table(Rows(x[:800], y[:800]), Rows(x[800:], y[800:]), goal), Rows(x, clean)


@pytest.mark.parametrize(
    ("law", "low", "high", "columns", "noise"),
    [
        (lambda g: 1 / np.sqrt(1 - g**2), 0.1, 0.9, 1, 0.05),
        (lambda g: 1 / np.sqrt(1 - g**-2), 1.1, 9.0, 1, 0.0),
        (lambda g: g / (np.exp(g) - 1), 0.3, 5.0, 1, 0.05),
        (lambda a, b: (a + b) / (1 + a * b), 0.2, 2.0, 2, 0.02),
        (lambda a, b: np.sqrt(1 + a**2 + b**2), 0.3, 3.0, 2, 0.0),
    ],
)
def test_a_law_without_inner_numbers_is_found(
    law: Callable[..., Array], low: float, high: float, columns: int, noise: float
) -> None:
    table, clean = tables(law, low, high, columns, noise)
    found = natural(table, Budget(60), PRIMITIVES)
    fits = [polish(candidate.expression, clean, 100) for candidate in found]
    assert min(fit.mean_square for fit in fits) < 1e-16 * clean.target.var()


def test_left_out_primitives_are_not_used() -> None:
    table, _ = tables(lambda g: np.tanh(g) * g, 0.2, 3.0, 1, 0.0)
    library = PRIMITIVES.without("tanh")
    for candidate in natural(table, Budget(60), library):
        assert all(node.name != "tanh" for node in candidate.expression.walk() if isinstance(node, Call))


def test_a_price_moves_a_formula_down() -> None:
    table, _ = tables(lambda g: np.tanh(g) * g, 0.2, 3.0, 1, 0.0)

    def dear(expression: object) -> float:
        return 1e9 * ("tanh" in repr(expression))

    assert "tanh" in repr(natural(table, Budget(60), PRIMITIVES)[0].expression)
    assert "tanh" not in repr(natural(table, Budget(60), PRIMITIVES, dear)[0].expression)


def test_functions_of_functions_cost_more() -> None:
    plain, nested = (call_nats(parse(text, ["x"])) for text in ("cos(2*x) + x", "cos(x**3) + x"))
    assert 0 < plain < nested


def test_a_scaled_argument_is_found_after_loosening() -> None:
    x = np.linspace(0.2, 3, 200)[:, None]
    rows = Rows(x, np.tanh(1.7 * x[:, 0]))
    fitted = polish(loosened(parse("tanh(x)", ["x"])), rows).expression
    assert mean_square(fitted, rows) < 1e-20
