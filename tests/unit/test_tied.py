"""Two numbers that the rows tell badly one by one become exact together, and numbers that stand for nothing do not."""

import math

import numpy as np
import pytest

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Fit, Rows, polish
from kansym.symbolic.exact import tidy
from kansym.symbolic.parser import parse
from kansym.symbolic.tied import CHANCE, ties

RATE = 1.0 / (2.0 * math.pi)


def fitted(text: str, noise: float, count: int = 1600, seed: int = 0) -> tuple[Fit, Rows]:
    generator = np.random.default_rng(seed)
    x = generator.uniform(1.0, 5.0, (count, 2))
    formula = canonical(parse(text, ("x", "y")))
    clean = formula.evaluate(x)
    rows = Rows(x, clean + noise * float(np.std(clean)) * generator.standard_normal(count))
    return polish(formula, rows), rows


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_a_quotient_are_known_together(seed: int) -> None:
    fit, rows = fitted(f"{RATE}*x*y/(exp({RATE}*x*y) - 1)", 0.01, seed=seed)
    tie = ties(fit)[0]
    assert [form.label for form in tie.forms] == ["1/(2*pi)", "1/(2*pi)"]
    assert tie.chance <= CHANCE
    assert tidy(fit.expression, rows).expression.free_constants == ()


def test_numbers_of_a_product_are_known_together() -> None:
    """Of a*sin(b*x) at small b*x the rows tell a*b."""
    fit, rows = fitted("6.0*x*sin(0.1666666667*y)*2", 0.002)
    free = tidy(fit.expression, rows).expression.free_constants
    assert free == ()


def test_the_sign_of_a_number_stays() -> None:
    fit, _ = fitted(f"-{RATE}*x*y/(exp({RATE}*x*y) - 1)", 0.005)
    tie = ties(fit)[0]
    values = [fit.expression.free_constants[place].value for place in tie.places]
    assert np.allclose([form.value for form in tie.forms], values, rtol=0.02)


def test_other_numbers_stay_free() -> None:
    taken = 0
    for seed in range(30):
        generator = np.random.default_rng(100 + seed)
        a, b = np.exp(generator.uniform(-1.0, 0.5, 2))
        fit, _ = fitted(f"{a}*x*y/(exp({b}*x*y) - 1)", 0.01, 400, seed)
        taken += bool(ties(fit))
    assert taken <= 3


def test_without_errors_of_the_numbers_there_is_nothing_to_say() -> None:
    expression = parse("2.5*x + 1.5*y", ("x", "y"))
    assert ties(Fit(expression, 0.0, np.full(2, np.nan))) == []
