"""Two numbers that the rows tell badly one by one become exact together, and numbers that stand for nothing do not."""

import math

import numpy as np
import pytest

from kansym.symbolic import exact
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Fit, Rows, polish
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Call, Constant, Variable, add, multiply, real_powers
from kansym.symbolic.parser import parse
from kansym.symbolic.tied import CHANCE, ties

RATE = 1.0 / (2.0 * math.pi)
BOSE = f"{RATE}*x*y/(exp({RATE}*x*y/(s*t)) - 1)"  # 1 where the exponent is small, whatever the rate


def fitted(text: str, noise: float, count: int = 1600, seed: int = 0) -> tuple[Fit, Rows]:
    generator = np.random.default_rng(seed)
    x = generator.uniform(1.0, 5.0, (count, 4))
    formula = canonical(parse(text, ("x", "y", "s", "t")))
    clean = formula.evaluate(x)
    rows = Rows(x, clean + noise * float(np.std(clean)) * generator.standard_normal(count))
    return polish(formula, rows), rows


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_a_quotient_are_known_together(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, rows = fitted(BOSE, 0.01, seed=seed)
    tie = ties(fit)[0]
    assert [form.label for form in tie.forms] == ["1/(2*pi)", "1/(2*pi)"]
    assert tie.chance <= CHANCE
    assert tidy(fit.expression, rows).expression.free_constants == ()
    monkeypatch.setattr(exact, "ties", lambda fit: [])
    assert len(tidy(fit.expression, rows).expression.free_constants) == 2


def test_the_sign_of_a_number_stays() -> None:
    fit, _ = fitted(f"-{BOSE}", 0.01)
    tie = ties(fit)[0]
    values = [fit.expression.free_constants[place].value for place in tie.places]
    assert np.allclose([form.value for form in tie.forms], values, rtol=0.02)


def drawn(count: int, errors: float, joined: float, generator: np.random.Generator) -> Fit:
    """A fit with random numbers whose ratios are known better than they are."""
    values = np.exp(generator.uniform(-1.5, 1.5, count))
    covariance = errors**2 * np.ones((count, count)) + np.diag(np.full(count, joined**2 / 2.0))
    expression = add(*(multiply(Constant(float(value)), Variable(i)) for i, value in enumerate(values)))
    found = [constant.value for constant in expression.free_constants]
    scaled = covariance * np.outer(found, found)
    return Fit(expression, 1.0, np.sqrt(np.diag(scaled)), 1.0, scaled)


@pytest.mark.parametrize(("count", "errors"), [(2, 0.01), (2, 0.005), (3, 0.005), (4, 0.005)])
def test_numbers_that_stand_for_nothing_are_seldom_taken_for_plain_ones(count: int, errors: float) -> None:
    generator = np.random.default_rng(count)
    taken = sum(bool(ties(drawn(count, errors, 0.1 * errors, generator))) for _ in range(400))
    assert taken <= 400 * CHANCE


def test_numbers_that_do_not_hang_together_are_left_to_themselves() -> None:
    generator = np.random.default_rng(1)
    assert not any(ties(drawn(2, 0.0, 0.004, generator)) for _ in range(100))


def test_exponents_are_fractions_or_free() -> None:
    """Whatever else a number may be taken for."""
    for seed in range(60):
        generator = np.random.default_rng(seed)
        a, p, c = np.exp(generator.uniform(-0.5, 1.0, 3))
        fit, rows = fitted(f"{a}*x**{p}*exp(-{c / 4}*y)", 0.02, 600, seed)
        for node in tidy(fit.expression, rows).expression.walk():
            powers = [power for _, power in real_powers(node)[0]] if isinstance(node, Call) else []
            assert not any(
                each.label and each.label.strip("-0123456789/") for each in powers if isinstance(each, Constant)
            )


def test_without_errors_of_the_numbers_there_is_nothing_to_say() -> None:
    expression = parse("2.5*x + 1.5*y", ("x", "y"))
    assert ties(Fit(expression, 0.0, np.full(2, np.nan))) == []
