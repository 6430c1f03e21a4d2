"""The penalties' derivatives against autograd, their bounds, and the activations that they are compared with."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kansym.nn import KAN
from kansym.training import Penalty
from kansym.training.penalties import ROUNDING, activation_entropy, activation_l1, group_norms

STRENGTHS = ("l1", "entropy", "smoothness", "ridge", "group")
# Terms whose second-order model is a bound everywhere; entropy is not convex and has none.
BOUNDED = ("l1", "smoothness", "ridge", "group")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def blocks_of(members: int = 3, seed: int = 0) -> list[Tensor]:
    """Two layers of unequal size, with an edge that is 0 and one near the rounding."""
    first, last = normal(members, 5, 9, seed=seed), normal(members, 2, 9, seed=seed + 1)
    first[:, 1] = 0
    first[:, 2] *= ROUNDING
    return [first, last]


def per_member(name: str, members: int = 3) -> Tensor:
    return 0.1 * (1 + torch.arange(members, dtype=torch.float64)) * (1 + STRENGTHS.index(name))


def second_order(penalty: Penalty, blocks: list[Tensor], steps: list[Tensor]) -> Tensor:
    """The penalty's model around the blocks at a step, (E,)."""
    total = penalty.value(blocks)
    for step, slope, bend in zip(steps, penalty.gradient(blocks), penalty.curvature(blocks), strict=True):
        total = total + (slope * step).sum((1, 2)) + 0.5 * torch.einsum("eqf,eqfg,eqg->e", step, bend, step)
    return total


@pytest.mark.parametrize("names", [*((name,) for name in STRENGTHS), STRENGTHS])
@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("base", [False, True])
def test_the_gradient_equals_that_of_autograd(names: tuple[str, ...], tensors: bool, base: bool) -> None:
    penalty = Penalty(base=base, **{name: per_member(name) if tensors else 0.3 for name in names})
    blocks = [block.requires_grad_() for block in blocks_of()]
    expected = torch.autograd.grad(penalty.value(blocks).sum(), blocks)
    for slope, wanted in zip(penalty.gradient(blocks), expected, strict=True):
        torch.testing.assert_close(slope, wanted, rtol=1e-11, atol=1e-12)


@given(st.integers(0, 10_000), st.floats(-5, 3), st.sampled_from([*BOUNDED, "all"]))
def test_the_second_order_model_lies_above_the_penalty_and_touches_it(seed: int, length: float, name: str) -> None:
    chosen = BOUNDED if name == "all" else (name,)
    penalty = Penalty(base=True, **{part: per_member(part) for part in chosen})
    blocks = blocks_of(seed=seed)
    steps = [10**length * normal(*block.shape, seed=seed + 7) for block in blocks]
    moved = penalty.value([block + step for block, step in zip(blocks, steps, strict=True)])
    bound = second_order(penalty, blocks, steps)
    assert bool((moved <= bound + 1e-12 * bound.abs()).all())


@given(st.integers(0, 10_000), st.lists(st.floats(0, 2), min_size=5, max_size=5))
def test_the_curvature_is_positive_semidefinite(seed: int, strengths: list[float]) -> None:
    penalty = Penalty(base=True, **dict(zip(STRENGTHS, strengths, strict=True)))
    for bend in penalty.curvature(blocks_of(seed=seed)):
        torch.testing.assert_close(bend, bend.mT)
        least, most = torch.linalg.eigvalsh(bend).aminmax()
        assert float(least) >= -1e-12 * float(most)


def test_strengths_per_member_equal_single_runs() -> None:
    penalty = Penalty(base=True, **{name: per_member(name) for name in STRENGTHS})
    blocks = blocks_of()
    for member in range(3):
        alone = Penalty(base=True, **{name: float(per_member(name)[member]) for name in STRENGTHS})
        own = [block[member : member + 1] for block in blocks]
        torch.testing.assert_close(penalty.value(blocks)[member], alone.value(own)[0], rtol=1e-13, atol=0)
        for everyone, single in (
            (penalty.gradient(blocks), alone.gradient(own)),
            (penalty.curvature(blocks), alone.curvature(own)),
        ):
            for whole, part in zip(everyone, single, strict=True):
                torch.testing.assert_close(whole[member], part[0], rtol=1e-13, atol=1e-15)


def test_a_member_with_strength_0_has_no_penalty_beside_one_that_has() -> None:
    some = torch.tensor([0.5, 0.0], dtype=torch.float64)
    penalty = Penalty(**dict.fromkeys(STRENGTHS, some))
    blocks = blocks_of(2)
    assert float(penalty.value(blocks)[1]) == 0 < float(penalty.value(blocks)[0])
    assert all(not bool(slope[1].any()) and bool(slope[0].any()) for slope in penalty.gradient(blocks))
    assert all(not bool(bend[1].any()) and bool(bend[0].any()) for bend in penalty.curvature(blocks))


def test_selected_members_keep_their_strengths() -> None:
    penalty = Penalty(l1=per_member("l1"), group=0.2, base=True)
    blocks = blocks_of()
    chosen = [block[[2, 0]] for block in blocks]
    torch.testing.assert_close(penalty.select([2, 0]).value(chosen), penalty.value(blocks)[[2, 0]])


def test_each_value_is_what_its_formula_says() -> None:
    block = blocks_of(1)[1]
    weights = block[0]
    spline = weights[:, :-1]
    share = weights.abs().mean(1) / weights.abs().mean(1).sum()
    expected = {
        "l1": weights.abs().mean(1).sum(),
        "entropy": -(share * share.log()).sum(),
        "smoothness": (spline[:, 2:] - 2 * spline[:, 1:-1] + spline[:, :-2]).square().sum(),
        "ridge": weights.square().sum(),
        "group": weights.square().mean(1).sqrt().sum(),
    }
    for name, value in expected.items():
        found = Penalty(base=True, **{name: 0.7}).value([block])[0]
        torch.testing.assert_close(found, 0.7 * value, rtol=1e-3 if name in ("l1", "entropy") else 1e-6, atol=0)


def closest(penalty: Penalty, target: Tensor) -> Tensor:
    """Minimise |w - target|^2 + penalty by the bounds that the curvature gives."""
    weights, identity = target.clone(), torch.eye(target.shape[-1], dtype=target.dtype)
    for _ in range(200):
        (slope,), (bend,) = penalty.gradient([weights]), penalty.curvature([weights])
        pull = slope + 2 * (weights - target)
        weights = weights - torch.linalg.solve(bend + 2 * identity, pull.unsqueeze(-1)).squeeze(-1)
    return weights


def test_the_group_term_removes_whole_edges_and_l1_single_weights() -> None:
    target = torch.ones(1, 3, 8, dtype=torch.float64)
    target[:, 0] = 0.05  # a weak edge
    target[:, 1, 0] = 0.05  # a weak weight of a strong edge
    by_group, by_l1 = closest(Penalty(group=0.8), target)[0], closest(Penalty(l1=0.8), target)[0]
    assert float(group_norms(by_group.unsqueeze(0))[0, 0]) < 10 * ROUNDING
    assert float(by_group[1, 0]) > 0.02
    assert float(by_l1[1, 0]) < 10 * ROUNDING
    assert float(by_group[2].min()) > 0.5


def loops(outputs: list[Tensor]) -> list[list[float]]:
    """The mean absolute output of every edge of member 0, edge by edge."""
    norms = []
    for layer in outputs:
        _, rows, inputs, subs = layer.shape
        norms.append(
            [
                math.fsum(abs(float(layer[0, n, i, o])) for n in range(rows)) / rows
                for i in range(inputs)
                for o in range(subs)
            ]
        )
    return norms


def test_activation_penalties_equal_loops_over_edges_and_rows() -> None:
    model = KAN([3, (2, 1), 1], members=2, seed=4)
    samples = model.edge_samples(2 * torch.rand(20, 3, dtype=torch.float64) - 1)
    norms = loops([layer.outputs for layer in samples.layers])
    assert float(activation_l1(samples)[0]) == pytest.approx(sum(map(sum, norms)), rel=1e-12)
    entropy = -sum(v / sum(layer) * math.log(v / sum(layer)) for layer in norms for v in layer)
    assert float(activation_entropy(samples)[0]) == pytest.approx(entropy, rel=1e-12)


def test_activation_penalties_have_the_gradient_of_differences() -> None:
    outputs = (normal(2, 6, 3, 2), normal(2, 6, 2, 1, seed=1))
    for penalty in (activation_l1, activation_entropy):
        inputs = tuple(layer.clone().requires_grad_() for layer in outputs)
        assert torch.autograd.gradcheck(lambda *layers, penalty=penalty: penalty(layers), inputs)


def test_a_masked_edge_has_no_activation_penalty_and_spoils_no_gradient() -> None:
    model = KAN([2, 2, 1], seed=1)
    model.stack[0].mask[0, 1] = False
    x = model.expand(2 * torch.rand(30, 2, dtype=torch.float64) - 1)
    outputs = [model.stack[0].edge_outputs(x)]
    outputs.append(model.stack[1].edge_outputs(model.combine(outputs[0].sum(2), 0)))
    total = activation_l1(outputs) + activation_entropy(outputs)
    slopes = torch.autograd.grad(total.sum(), [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    assert all(slope is None or bool(slope.isfinite().all()) for slope in slopes)
    assert float(activation_entropy([torch.zeros(1, 5, 2, 2)])[0]) == 0


@given(st.integers(1, 6), st.integers(0, 1000))
def test_the_activation_entropy_lies_between_one_edge_and_all_alike(inputs: int, seed: int) -> None:
    outputs = normal(2, 7, inputs, 2, seed=seed)
    entropy = activation_entropy([outputs])
    assert bool((entropy >= 0).all()) and bool((entropy <= math.log(2 * inputs) + 1e-12).all())
    alike = activation_entropy([torch.ones(1, 7, inputs, 2, dtype=torch.float64)])
    assert float(alike[0]) == pytest.approx(math.log(2 * inputs))
