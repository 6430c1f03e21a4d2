"""The native population functions equal the plain torch objective."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from kansym.kernels.native import library
from kansym.kernels.network import (
    FIRST_LAYER_BYTES,
    AdamMoments,
    LayerPlan,
    NativeNetwork,
    PopulationPlan,
    native_network,
    serves,
)
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training.objective import Objective, Rows
from kansym.training.penalties import Penalty

pytestmark = pytest.mark.skipif(library("network") is None, reason="no C compiler")
TOLERANCE = {"float64": 1e-10, "float32": 2e-5}


@dataclass(frozen=True)
class Case:
    """A population and its rows; `spread` > 1 puts many of them outside the grids."""

    widths: tuple
    members: int = 2
    rows: int = 130
    dtype: str = "float64"
    intervals: int = 5
    degree: int = 3
    base: str = "silu"
    arity: int = 2
    spread: float = 1.0
    even: bool = False
    own_rows: bool = False
    pruned: bool = False


def shapes() -> list[Case]:
    plain = [
        Case((4, 8, 8, 1), 3, 1000),
        Case((1, 1), 1, 1),
        Case((3, 2, 2), 4, 3),
        Case((2, (3, 2), (1, 1)), 2, 300),
        Case((2, (1, 2), 2), arity=3),
        Case((3, (0, 2), 1), arity=2),
        Case((2, 7, 5, 3), 2, 257),
        Case((2, 13, 1), 1, 64),
        Case((2, 3, 1), even=True),
        Case((2, 3, 1), spread=3.0),
        Case((2, 3, 2), own_rows=True),
        Case((3, 4, 2), pruned=True),
        Case((3, (2, 2), 1), members=5, pruned=True, own_rows=True, spread=2.0),
    ]
    grids = [Case((2, 3, 1), intervals=count) for count in (1, 2, 8, 9, 16, 17, 33, 40)]
    degrees = [Case((2, 3, 1), degree=degree, intervals=count) for degree in range(6) for count in (4, 40)]
    bases = [Case((2, 3, 1), base=base) for base in ("none", "identity", "tanh")]
    return plain + grids + degrees + bases


def both_types() -> list[Case]:
    return [replace(case, dtype=dtype) for case in shapes() for dtype in TOLERANCE]


def random(case: Case, *shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers, the same in both number types."""
    draw = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draw.to(getattr(torch, case.dtype))


def model_of(case: Case) -> KAN:
    layer = LayerOptions(intervals=case.intervals, degree=case.degree, base=case.base)
    model = KAN(case.widths, case.members, 0, KANOptions(layer=layer, arity=case.arity, dtype=case.dtype))
    if not case.even:
        model = model.adapt_grids(random(case, 50, model.widths[0].nodes), 0.3)
    if not case.pruned:
        return model
    masks = [random(case, *layer.mask.shape, seed=7) > -0.5 for layer in model.stack]
    for mask in masks:
        mask[:, 0, 0] = False  # an edge that no member has
        mask[:, -1, -1] = True
    return model.with_masks(masks)


def rows_of(case: Case, model: KAN) -> Rows:
    front = (case.members,) if case.own_rows else ()
    x = case.spread * random(case, *front, case.rows, model.widths[0].nodes, seed=1)
    y = random(case, *front, case.rows, model.widths[-1].nodes, seed=2)
    return Rows(x, y, random(case, case.rows, seed=3).square() + 0.1)


def reference(model: KAN, rows: Rows, penalty: Penalty) -> Objective:
    """The objective in torch alone."""
    objective = Objective(model, rows, penalty)
    objective.native = None
    return objective


def plan_of(model: KAN, objective: Objective) -> PopulationPlan:
    layers = [
        LayerPlan(layer.grid, width.sum, width.product, edges)
        for layer, width, edges in zip(model.stack, model.widths[1:], objective.packing.edges, strict=True)
    ]
    options = model.options
    mask = objective.packing.mask
    return PopulationPlan(tuple(layers), options.layer.degree, options.layer.base, options.arity, mask)


def pair(case: Case, penalty: Penalty | None = None) -> tuple[NativeNetwork, Objective, Tensor]:
    """The native functions, the reference, and parameters to try them at."""
    model = model_of(case)
    rows = rows_of(case, model)
    objective = reference(model, rows, penalty or Penalty(base=case.base != "none"))
    native = native_network(plan_of(model, objective), rows.x, rows.y, rows.weights)
    assert native is not None
    start = objective.start.detach()
    return native, objective, start + 0.1 * random(case, *start.shape, seed=4) * objective.packing.mask


def far(found: Tensor, wanted: Tensor) -> float:
    """The largest difference relative to the largest number, 0 for equal zeros."""
    largest = wanted.detach().abs().max().clamp_min(torch.finfo(wanted.dtype).tiny)
    return float((found - wanted.detach()).abs().max() / largest)


def check_all(native: NativeNetwork, objective: Objective, theta: Tensor, tolerance: float) -> None:
    assert far(native.value(theta), objective.value(theta)) < tolerance
    for found, wanted in zip(native.gradient(theta), objective.gradient(theta), strict=True):
        assert far(found, wanted) < tolerance
    for found, wanted in zip(native.normal_equations(theta), objective.normal_equations(theta), strict=True):
        assert far(found, wanted) < tolerance
    assert far(native.outputs(theta), objective.outputs(theta)) < tolerance


@pytest.mark.parametrize("case", both_types(), ids=str)
def test_value_gradient_and_normal_equations_equal_the_reference(case: Case) -> None:
    native, objective, theta = pair(case)
    check_all(native, objective, theta, TOLERANCE[case.dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ["l1", "entropy", "smoothness", "ridge", "group"])
@pytest.mark.parametrize("base", ["silu", "none"])
def test_every_penalty_equals_the_reference(name: str, base: str, dtype: str) -> None:
    case = Case((2, 3, 2), 3, dtype=dtype, base=base, pruned=True)
    strengths = torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64)
    native, objective, theta = pair(case, Penalty(**{name: strengths, "base": base != "none"}))
    native.penalise(**{name: strengths})
    check_all(native, objective, theta, TOLERANCE[dtype])
    assert far(native.errors(theta), objective.errors(theta)) < TOLERANCE[dtype]
    assert not torch.equal(native.errors(theta), native.value(theta))


def test_all_penalties_together_equal_the_reference() -> None:
    native, objective, theta = pair(Case((2, 3, 1)), Penalty(0.1, 0.2, 0.3, 0.4, True, 0.5))
    native.penalise(0.1, 0.2, 0.3, 0.4, 0.5)
    check_all(native, objective, theta, 1e-10)


def test_the_gradient_is_that_of_autograd() -> None:
    native, objective, theta = pair(Case((2, (2, 1), 2), spread=2.0))
    parameter = theta.clone().requires_grad_()
    objective.value(parameter).sum().backward()
    assert parameter.grad is not None
    assert far(native.gradient(theta)[1], parameter.grad) < 1e-10


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("own_rows", [False, True])
def test_predictions_on_other_rows_equal_the_reference(dtype: str, own_rows: bool) -> None:
    case = Case((2, (2, 1), 2), 3, dtype=dtype, own_rows=own_rows)
    native, objective, theta = pair(case)
    x = 2 * random(case, *((3,) if own_rows else ()), 77, 2, seed=9)
    assert native.predict(theta, x).shape == (3, 77, 2)
    assert far(native.predict(theta, x), objective.model_at(theta)(x)) < TOLERANCE[dtype]


def test_a_weight_that_is_no_number_stays_in_its_member() -> None:
    native, _, theta = pair(Case((2, 3, 1)))
    theta[0, 0] = float("nan")
    value, gradient = native.gradient(theta)
    assert value[0].isnan() and value[1].isfinite()
    assert gradient[1].isfinite().all()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_adam_takes_the_steps_of_the_algorithm(dtype: str) -> None:
    case = Case((2, 3, 1), 3, dtype=dtype)
    native, objective, theta = pair(case, Penalty(l1=torch.tensor([0.1, 0.0, 0.3]), ridge=0.01, base=True))
    native.penalise(l1=torch.tensor([0.1, 0.0, 0.3]), ridge=0.01)
    rates, falls = torch.tensor([0.01, 0.02, 0.03], dtype=torch.float64), torch.linspace(1, 0.1, 12).double()
    moments = AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    moved = theta.clone()
    first, moments = native.adam(moved, moments, rates, falls[:5])
    second, moments = native.adam(moved, moments, rates, falls[5:])
    values, wanted = adam_by_hand(objective, theta, rates.to(theta), falls)
    assert moments.age == 12
    assert far(torch.cat([first, second]), values) < TOLERANCE[dtype]
    assert far(moved, wanted) < TOLERANCE[dtype]


def adam_by_hand(objective: Objective, theta: Tensor, rates: Tensor, falls: Tensor) -> tuple[Tensor, Tensor]:
    """Adam as its authors write it."""
    first, second, values = torch.zeros_like(theta), torch.zeros_like(theta), []
    for age, fall in enumerate(falls.tolist(), 1):
        value, slope = objective.gradient(theta)
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        mean, spread = first / (1 - 0.9**age), (second / (1 - 0.999**age)).sqrt()
        theta = theta - (rates * fall).unsqueeze(1) * mean / (spread + 1e-8)
        values.append(value.detach())
    return torch.stack(values), theta.detach()


def test_members_that_are_not_active_are_left_alone() -> None:
    native, _, theta = pair(Case((2, 3, 1), 3))
    active = torch.tensor([True, False, True])
    value, gradient = native.gradient(theta, active)
    whole = native.gradient(theta)
    assert torch.equal(value, whole[0] * active) and torch.equal(gradient[active], whole[1][active])
    assert not gradient[1].any() and not native.value(theta, active)[1]
    moved, moments = theta.clone(), AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    native.adam(moved, moments, torch.full((3,), 0.1), torch.ones(3), active)
    assert torch.equal(moved[1], theta[1]) and not torch.equal(moved[0], theta[0])


@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_two_threads_repeat_bit_by_bit_and_agree_with_one(members: int, dtype: str, monkeypatch) -> None:
    monkeypatch.setattr("kansym.kernels.network.LEAST_FOR_THREADS", 0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        native, objective, theta = pair(Case((3, (4, 1), 2), members, 700, dtype))
        found = [native.normal_equations(theta) for _ in range(5)]
        assert all(torch.equal(a, b) for other in found for a, b in zip(found[0], other, strict=True))
        check_all(native, objective, theta, TOLERANCE[dtype])
        steps = [adam_steps(native, theta) for _ in range(3)]
        assert all(torch.equal(steps[0], other) for other in steps)
        torch.set_num_threads(1)
        check_all(native, objective, theta, TOLERANCE[dtype])
        assert far(adam_steps(native, theta), steps[0]) < TOLERANCE[dtype]
    finally:
        torch.set_num_threads(before)


def adam_steps(native: NativeNetwork, theta: Tensor) -> Tensor:
    moved = theta.clone()
    moments = AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta))
    native.adam(moved, moments, torch.full((theta.shape[0],), 0.01), torch.ones(4))
    return moved


@pytest.mark.parametrize("own_rows", [False, True])
def test_a_first_layer_that_is_not_remembered_gives_the_same_bits(own_rows: bool, monkeypatch) -> None:
    case = Case((2, 3, 1), own_rows=own_rows)
    native, _, theta = pair(case)
    monkeypatch.setattr("kansym.kernels.network.FIRST_LAYER_BYTES", 0)
    other, _, _ = pair(case)
    assert native.memory() > other.memory() and FIRST_LAYER_BYTES > 0
    for found, wanted in zip(other.normal_equations(theta), native.normal_equations(theta), strict=True):
        assert torch.equal(found, wanted)


def test_a_population_serves_other_rows_with_the_same_penalties() -> None:
    case = Case((2, 3, 1))
    native, objective, theta = pair(case, Penalty(ridge=0.1, base=True))
    native.penalise(ridge=0.1)
    index = torch.arange(0, case.rows, 3)
    part = objective.rows.take(index)
    found = native.on(part.x, part.y, part.weights).gradient(theta)
    for one, other in zip(found, objective.gradient(theta, index), strict=True):
        assert far(one, other) < 1e-10


def test_rows_may_begin_anywhere_in_memory() -> None:
    native, objective, theta = pair(Case((1, 2, 1), rows=256))
    longer = torch.cat([objective.rows.x[:1], objective.rows.x])
    assert longer[1:].data_ptr() % 64
    found = native.on(longer[1:], objective.rows.y, objective.rows.weights).value(theta)
    assert torch.equal(found, native.value(theta))


def test_weights_of_rows_may_differ_between_members() -> None:
    native, objective, theta = pair(Case((2, 3, 1), 2))
    weights = torch.stack([objective.rows.weights, objective.rows.weights.flip(0)])
    found = native.on(objective.rows.x, objective.rows.y, weights).gradient(theta)[1]
    assert far(found[0], objective.gradient(theta)[1][0]) < 1e-10
    assert not torch.allclose(found[1], objective.gradient(theta)[1][1])


def test_ten_thousand_rows_need_little_memory() -> None:
    native, _, _ = pair(Case((4, 8, 8, 1), 1, 10_000, "float32"))
    assert native.memory(2) < 5_000_000


def test_what_the_native_path_cannot_do_is_left_to_others(monkeypatch) -> None:
    model = model_of(Case((2, 3, 1)))
    plan = plan_of(model, reference(model, rows_of(Case((2, 3, 1)), model), Penalty()))
    x, y = torch.zeros(5, 2), torch.zeros(5, 1)
    assert serves(plan, x)
    assert not serves(replace(plan, degree=6), x)
    assert not serves(replace(plan, base="another"), x)
    assert not serves(plan, x[:0])
    assert not serves(plan, x.to("meta"))
    assert native_network(replace(plan, base="another"), x, y) is None
    monkeypatch.setenv("KANSYM_NATIVE", "0")
    assert native_network(plan, x, y) is None


def test_shapes_that_do_not_fit_are_refused() -> None:
    native, objective, theta = pair(Case((2, 3, 1), 2))
    rows = objective.rows
    with pytest.raises(ValueError, match="not contiguous"):
        native.value(theta[:, :-1])
    with pytest.raises(ValueError, match="float32"):
        native.value(theta.float())
    with pytest.raises(ValueError, match="do not fit 2 inputs"):
        native.on(rows.x[:, :1], rows.y)
    with pytest.raises(ValueError, match="do not fit"):
        native.on(rows.x.expand(3, -1, -1), rows.y)
    with pytest.raises(ValueError, match="do not fit"):
        native.on(rows.x, rows.y, rows.weights[1:])
