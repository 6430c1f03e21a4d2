"""Links: forward and back is where we were, the slope is the derivative, and only defined links are offered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.symbolic.expression import Variable
from kansym.symbolic.links import LINKS, NEGATED_SQUARE, Link, free, usable, weights_under

ALL = (*LINKS, NEGATED_SQUARE)
BY_NAME = {link.name: link for link in ALL}
TARGETS = {
    "positive": np.linspace(0.2, 1.4, 40),
    "large": np.linspace(2.0, 9.0, 40),
    "negative": np.linspace(-1.4, -0.2, 40),
    "mixed": np.linspace(-0.9, 0.9, 40),
}
DEFINED = [(name, link.name) for name, target in TARGETS.items() for link, _ in usable(target)]


@pytest.mark.parametrize(("target", "name"), DEFINED)
def test_the_inverse_undoes_the_link(target: str, name: str) -> None:
    y, link = TARGETS[target], BY_NAME[name]
    back = link.inverse(Variable(0)).evaluate(link.forward(y)[:, None])
    np.testing.assert_allclose(back, y, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("target", "name"), DEFINED)
def test_the_slope_is_the_derivative(target: str, name: str) -> None:
    y, link, step = TARGETS[target], BY_NAME[name], 1e-6
    numeric = (link.forward(y + step) - link.forward(y - step)) / (2 * step)
    np.testing.assert_allclose(link.slope(y), numeric, rtol=1e-6, atol=1e-8)


def test_every_link_is_tried_by_these_tests() -> None:
    assert {name for _, name in DEFINED} == set(BY_NAME)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=30))
def test_usable_links_are_finite_and_go_back(values: list[float]) -> None:
    y = np.array(values)
    for link, changed in usable(y):
        assert np.all(np.isfinite(changed))
        assert np.ptp(changed) > 0
        if np.min(np.abs(y)) > 1e-3 and np.max(np.abs(y)) < 1e3:
            back = link.inverse(Variable(0)).evaluate(changed[:, None])
            np.testing.assert_allclose(back, y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_targets_are_only_given_links_that_stay_finite(scale: float) -> None:
    names = [link.name for link, _ in usable(scale * np.linspace(1, 2, 10))]
    assert {"y", "1/y", "sqrt y", "log y"} <= set(names)
    assert "y^2" not in names or scale < 1


def test_a_target_that_changes_sign_has_no_logarithm() -> None:
    names = [link.name for link, _ in usable(np.linspace(-1, 1, 11))]
    assert "y" in names
    assert not {"log y", "y^2", "sqrt y", "1/y", "1/y^2"} & set(names)


def test_a_constant_target_has_no_link() -> None:
    assert usable(np.ones(5)) == []


def test_negative_targets_have_the_negative_root() -> None:
    y = np.array([-3.0, -2.0, -0.5])
    assert NEGATED_SQUARE.allowed(y) and not BY_NAME["y^2"].allowed(y)


def test_a_link_is_a_value() -> None:
    assert isinstance(LINKS[0], Link)
    assert free(2).label is None and free(2).value == 2.0


@pytest.mark.parametrize("smallest", [1e-60, 1e-120, 1e-300])
def test_weights_under_a_link_are_finite_where_the_target_falls_to_nothing(smallest: float) -> None:
    target = np.append(np.linspace(0.1, 2.0, 30), smallest)
    assert len(usable(target)) > 3
    for link, changed in usable(target):
        weights = weights_under(link, target, None)
        assert np.all(np.isfinite(changed)) and (weights is None or np.all(np.isfinite(weights)))
