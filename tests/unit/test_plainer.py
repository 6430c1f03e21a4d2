"""Plainer readings: what is left of a formula where a small effect comes on top of a law."""

import numpy as np
import pytest

from kansym.symbolic.canonical import canonical
from kansym.symbolic.parser import parse
from kansym.symbolic.plainer import plainer

X = np.linspace(0.5, 3.0, 40)[:, None]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("2.5*exp(1.995*log(x))", ["2.5*x**2"]),
        ("2.5*exp(-0.503*log(x))", ["2.5/sqrt(x)"]),
        ("exp(2.01*log(x) - 3.7*x)", ["x**2*exp(-3.7*x)"]),
        ("1/(3.1 + 0.00001*x - 1.7/x**2)", ["1/(3.1 - 1.7/x**2)"]),
        (
            "exp(3.001*log(x)) + 0.000001*x",
            ["x**3 + 1e-06*x", "exp(3.001*log(x))", "x**3"],
        ),
    ],
)
def test_exponents_become_plain_and_faint_terms_go(text: str, readings: list[str]) -> None:
    found, wanted = list(plainer(parse(text, ("x",)), X)), [parse(reading, ("x",)) for reading in readings]
    assert [form.complexity for form in found] == [canonical(form).complexity for form in wanted]
    for form, other in zip(found, wanted, strict=True):
        assert form.evaluate(X) == pytest.approx(other.evaluate(X), rel=1e-12)


@pytest.mark.parametrize(
    "text", ["2.5*exp(1.3*log(x))", "x**2 + 0.01*x", "sin(1.999*x)", "exp(1.9*x)", "3.7", "x - x**3"]
)
def test_others_have_no_plainer_reading(text: str) -> None:
    assert not list(plainer(parse(text, ("x",)), X))


def test_a_term_that_counts_at_one_row_alone_stays() -> None:
    rows = np.array([[1.0], [1.0], [1e5]])
    assert not list(plainer(parse("7.5 + 0.00002*x", ("x",)), rows))


def test_a_power_next_to_none_is_the_logarithm_that_it_stands_for() -> None:
    found = next(plainer(parse("7.5 - 4.1*exp(0.0002*log(x + 3.3))", ("x",)), X))
    assert found == canonical(parse("7.5 - 4.1*0.0002*log(x + 3.3)", ("x",)))
