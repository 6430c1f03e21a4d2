"""Hidden sums: the functions of two columns that act together are found whatever is done to their sum."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.structure.hidden_sums import KINDS, HiddenSum, Inner, find_hidden_sum
from kansym.structure.rows import Rows
from kansym.symbolic.search import hidden_sum

Array = np.ndarray
INNER = [
    *(Inner(kind, 0.7) for kind in KINDS),
    Inner("power", 1.5, 0.4),
    Inner("power", -0.5, 3.0, ahead=True),
    Inner("logarithm", 1.0, -0.1, squared=True),
    Inner("power", 0.5, 4.0, ahead=True, squared=True),
]
POINTS = np.linspace(0.4, 1.4, 41)


def table(law: Callable[..., Array], box: tuple[tuple[float, float], ...], rows: int = 500, noise: float = 0.0) -> Rows:
    rng = np.random.default_rng(3)
    inputs = rng.uniform(*np.array(box).T, (rows, len(box)))
    target = law(*inputs.T)
    target = target + noise * np.std(target) * rng.standard_normal(rows)
    return Rows(inputs[:-125], target[:-125], inputs[-125:], target[-125:])


def follows(values: Array, sums: Array) -> bool:
    """Whether values always rise, or always fall, with the sums."""
    steps = np.diff(values[np.argsort(sums)])
    return bool(np.all(steps >= 0) or np.all(steps <= 0))


@pytest.mark.parametrize("inner", INNER, ids=str)
def test_the_slope_of_a_function_is_that_of_its_values(inner: Inner) -> None:
    step = 1e-6
    difference = (inner.value(POINTS + step) - inner.value(POINTS - step)) / (2.0 * step)
    assert np.allclose(inner.slope(POINTS), difference, rtol=1e-6)


@pytest.mark.parametrize("first", INNER, ids=str)
@pytest.mark.parametrize("second", INNER[::3], ids=str)
@pytest.mark.parametrize("factor", [None, (1, Fraction(-2))], ids=["alone", "with a factor"])
def test_the_formula_of_a_sum_has_its_values(first: Inner, second: Inner, factor: tuple[int, Fraction] | None) -> None:
    step = HiddenSum(0, 2, (first, second), -1.3, factor)
    inputs = np.column_stack([POINTS, POINTS[::-1] + 1.0, np.roll(POINTS, 7)])
    if factor is None or not step.is_product:
        assert np.allclose(hidden_sum(step).evaluate(inputs), step.value(inputs))


LAWS: list[tuple[Callable[..., Array], tuple[tuple[float, float], ...], Callable[..., Array]]] = [
    (lambda e, r: 1 / np.log(e**1.11 + 0.3 / r) ** 2, ((0.001, 0.05), (1, 9)), lambda e, r: e**1.11 + 0.3 / r),
    (lambda k, t: (1 - np.exp(-k * (t + 0.8))) ** 3.06, ((0.1, 0.5), (0.5, 9)), lambda k, t: k * (t + 0.8)),
    (lambda a, b: np.arcsin(np.sqrt(1.2 - b**2) / a), ((4, 9), (0.1, 0.9)), lambda a, b: (1.2 - b**2) / a**2),
    (lambda x, y: np.sqrt(np.log(2 + x**2 + np.exp(-y))), ((0.2, 3), (0.2, 2)), lambda x, y: x**2 + np.exp(-y)),
    (lambda x, y: np.tanh(np.sin(x) + 0.3 * y), ((0.1, 1.3), (0.5, 2)), lambda x, y: np.sin(x) + 0.3 * y),
]


@pytest.mark.parametrize(("law", "box", "number"), LAWS)
def test_the_sum_is_a_function_of_the_one_that_the_law_holds(law, box, number) -> None:
    rows = table(law, box)
    found = find_hidden_sum(rows)
    assert found is not None and found.factor is None
    assert follows(number(*rows.inputs.T), found.value(rows.inputs))
    assert found.apply(rows).inputs.shape[1] == 1


def test_numbers_of_two_columns_are_trained_to_many_digits() -> None:
    law, box, _ = LAWS[0]
    found = find_hidden_sum(table(law, box))
    assert found is not None
    assert found.inner[0].number == pytest.approx(1.11, abs=1e-4)
    assert found.inner[1].number == pytest.approx(-1.0, abs=1e-4)
    assert found.coefficient == pytest.approx(0.3, rel=1e-3)


def test_a_travelling_wave_acts_through_its_phase_though_the_speed_is_a_column() -> None:
    rows = table(lambda x, v, t: (1 + v) * np.exp(-((x - v * t) ** 2)), ((1, 3), (0.5, 1), (0.1, 1)), 600)
    found = find_hidden_sum(rows)
    assert found is not None and found.factor is not None
    phase, own = rows.inputs[:, 0] - rows.inputs[:, 1] * rows.inputs[:, 2], found.value(rows.inputs)
    assert abs(np.corrcoef(phase, own)[0, 1]) > 1 - 1e-9 or follows(phase, own)


@pytest.mark.parametrize(
    ("law", "noise"),
    [
        (lambda x, y: np.sin(3 * x * y) + x / (1 + y**3), 0.0),  # no such sum
        (lambda x, y: np.log(x**1.5 + 2 * y), 0.1),  # too much noise to see one
    ],
)
def test_no_sum_is_invented(law: Callable[..., Array], noise: float) -> None:
    assert find_hidden_sum(table(law, ((0.3, 2.0), (0.4, 2.0)), noise=noise)) is None


def test_columns_of_few_values_are_no_obstacle() -> None:
    rows = table(lambda a, b, c: np.log(a + b**2) * (1 + c), ((0.3, 2), (0.4, 2), (1, 2)))
    coarse = Rows(np.round(rows.inputs), rows.target, np.round(rows.held_inputs), rows.held_target)
    rare = [np.where(np.arange(len(x)) % 60 == 0, x, 1.0) for x in (rows.inputs[:, 2], rows.held_inputs[:, 2])]
    same = [np.column_stack([x[:, :2], c]) for x, c in zip((rows.inputs, rows.held_inputs), rare, strict=True)]
    targets = [np.log(x[:, 0] + x[:, 1] ** 2) * (1 + x[:, 2]) for x in same]
    for each in (coarse, Rows(same[0], targets[0], same[1], targets[1])):
        found = find_hidden_sum(each)
        assert found is None or np.all(np.isfinite(found.value(each.inputs)))


def test_one_column_or_a_constant_gives_nothing() -> None:
    assert find_hidden_sum(table(lambda x: np.exp(x), ((0, 1),))) is None
    assert find_hidden_sum(table(lambda x, y: np.ones_like(x + y), ((0, 1), (0, 1)))) is None
