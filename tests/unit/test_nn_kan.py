"""Layers and networks: exact masks, equal members, kept functions, honest state."""

import json

import pytest
import torch
from torch import Tensor

from kansym.errors import ConfigError
from kansym.nn import KAN, KANLayer, KANOptions, LayerOptions, Width
from kansym.nn.kan import trace

SHAPES = [[3, 4, 1], [3, (2, 2), 2], [3, (1, 2), (0, 1), 1]]


def rows(count: int = 40, inputs: int = 3) -> Tensor:
    return 2.4 * torch.rand(count, inputs, generator=torch.Generator().manual_seed(5), dtype=torch.float64) - 1.2


def options(base: str = "silu", scale: bool = False, arity: int = 2) -> KANOptions:
    return KANOptions(LayerOptions(base=base, spline_scale=scale), arity)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("base", ["silu", "identity", "tanh", "none"])
def test_a_member_equals_the_single_network(shape: list, base: str) -> None:
    population = KAN(shape, 3, 1, options(base, True))
    for member in range(3):
        alone = population.member(member)(rows())[0]
        torch.testing.assert_close(population(rows())[member], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("arity", [2, 3])
def test_the_analytic_gradient_is_the_one_of_autograd(shape: list, arity: int) -> None:
    model = KAN(shape, 2, 1, options(arity=arity))
    x = rows().expand(2, -1, -1).clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(x)[..., 0].sum(), x)
    torch.testing.assert_close(model.gradient(rows()), expected, rtol=1e-11, atol=1e-12)


def test_a_masked_edge_gives_exactly_nothing_and_has_no_gradient() -> None:
    layer = KANLayer(2, 3, 1, LayerOptions(spline_scale=True))
    layer.initialise(torch.Generator().manual_seed(0))
    layer.mask[0, 1, 2] = False
    with torch.no_grad():
        layer.coefficients[0, 1, 2] = float("nan")
    x = rows(inputs=2).unsqueeze(0)
    assert (layer.edge_outputs(x)[0, :, 1, 2] == 0).all()
    layer(x).square().sum().backward()
    for parameter, edge in ((layer.weight, (0, 1, slice(None), 2)), (layer.spline_scale, (0, 1, 2))):
        assert parameter is not None and parameter.grad is not None
        assert (parameter.grad[edge] == 0).all()
        assert (parameter.grad[0, 0, ..., 2] != 0).any()


def test_forward_is_pure() -> None:
    model = KAN([3, (2, 1), 1], 2)
    before = {name: tensor.clone() for name, tensor in model.tensors().items()}
    first = model(rows())
    model(5 * rows())
    assert torch.equal(model(rows()), first)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.tensors().items())


@pytest.mark.parametrize("intervals", [5, 7, 10, 23])
@pytest.mark.parametrize("adapted", [True, False])
def test_refining_keeps_the_function(intervals: int, adapted: bool) -> None:
    model = KAN([3, (2, 1), 1], 2, 4, options(scale=True))
    model = model.adapt_grids(rows(), 0.1) if adapted else model
    finer = model.refine(intervals)
    assert finer.stack[0].basis.intervals == intervals
    assert float((finer(rows()) - model(rows())).detach().abs().max()) < 1e-8


def test_adapted_grids_cover_what_the_nodes_see_and_nearly_keep_the_function() -> None:
    model = KAN([3, 4, 1], 2, 4).refine(20)
    adapted = model.adapt_grids(rows(), 0.8)
    for layer, seen in zip(adapted.stack, adapted.edge_samples(rows()).layers, strict=True):
        low, high = layer.basis.domain
        assert (seen.inputs >= low.unsqueeze(1)).all() and (seen.inputs <= high.unsqueeze(1)).all()
    before = model(rows()).detach()
    difference = (adapted(rows()).detach() - before).abs().max()
    assert float(difference) < 0.05 * float(before.std())


def test_edge_samples_add_up_to_the_output() -> None:
    model = KAN([3, 4, 2], 2)
    samples = model.edge_samples(rows())
    assert [seen.outputs.shape for seen in samples.layers] == [(2, 40, 3, 4), (2, 40, 4, 2)]
    torch.testing.assert_close(samples.layers[1].outputs.sum(2), model(rows()).detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(samples.output, model(rows()).detach(), rtol=1e-12, atol=1e-12)


def test_a_product_node_multiplies_its_sums() -> None:
    model = KAN([3, (0, 1), 1], 1, 2, options(arity=3))
    first = trace(model, rows())[0]
    torch.testing.assert_close(first.nodes[..., 0], first.sums[..., 0] * first.sums[..., 1] * first.sums[..., 2])


@pytest.mark.parametrize("shape", SHAPES)
def test_tensors_and_structure_rebuild_the_network_bit_by_bit(shape: list) -> None:
    model = KAN(shape, 2, 3, options(scale=True)).refine(9)
    again = KAN.from_tensors(json.loads(json.dumps(model.structure())), model.tensors())
    assert torch.equal(again(rows()), model(rows()))


@pytest.mark.parametrize("harm", ["missing", "shape", "nan"])
def test_damaged_tensors_are_refused(harm: str) -> None:
    model = KAN([3, 2, 1])
    tensors = {name: tensor.clone() for name, tensor in model.tensors().items()}
    if harm == "missing":
        del tensors["layers.1.mask"]
    elif harm == "shape":
        tensors["layers.0.weight"] = tensors["layers.0.weight"][:, :2]
    else:
        tensors["layers.0.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="model tensor"):
        KAN.from_tensors(model.structure(), tensors)


def test_the_same_seed_gives_the_same_bits() -> None:
    assert torch.equal(KAN([3, 4, 1], 2, 7)(rows()), KAN([3, 4, 1], 2, 7)(rows()))
    assert not torch.equal(KAN([3, 4, 1], 2, 7)(rows()), KAN([3, 4, 1], 2, 8)(rows()))


def test_a_copy_shares_no_memory() -> None:
    model = KAN([3, 4, 1])
    before, twin = model(rows()), model.copy()
    with torch.no_grad():
        twin.stack[0].coefficients.zero_()
        twin.stack[0].mask.zero_()
    assert torch.equal(model(rows()), before)


@pytest.mark.parametrize("widths", [[3], [3, 0, 1], [(2, 1), 1], [3, (-1, 2), 1]])
def test_widths_that_describe_no_network_are_refused(widths: list) -> None:
    with pytest.raises(ValueError, match="network|product nodes"):
        KAN(widths)


def test_an_unknown_base_activation_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="silu"):
        LayerOptions(base="silo")


def test_widths_are_read_from_numbers_and_pairs() -> None:
    assert [Width.of(3), Width.of((3, 2)), Width.of([1, 1])] == [Width(3), Width(3, 2), Width(1, 1)]
