"""Every option of a layer: equal members, right derivatives, kept functions, honest first values, equal paths."""

import json

import pytest
import torch
from torch import Tensor

from kansym.bases import BASES, PARAMETERISATIONS
from kansym.errors import ConfigError
from kansym.kernels.products import rows_times_rows
from kansym.kernels.tiled import tiled_sum
from kansym.nn import KAN, NORMALISATIONS, PATHS, KANLayer, KANOptions, LayerOptions, choose

CASES = {
    **{f"basis {name}": LayerOptions(basis=name) for name in BASES.names()},
    **{f"normalisation {name}": LayerOptions(normalisation=name) for name in NORMALISATIONS.names()},
    **{f"parameterisation {name}": LayerOptions(parameterisation=name) for name in PARAMETERISATIONS.names()},
    "scale and parameterisation": LayerOptions(spline_scale=True, parameterisation="dct"),
    **{f"trained grid of {name}": LayerOptions(basis=name, learn_grid=True) for name in BASES.names()},
    "local": LayerOptions(local=True),
}
# Tracing takes a second each; an untrained grid is a part of a trained one.
TRACED = {name: options for name, options in CASES.items() if not name.startswith("basis ")}


def rows(count: int = 30, inputs: int = 3, seed: int = 5) -> Tensor:
    return 2.4 * torch.rand(count, inputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1.2


def network(options: LayerOptions, members: int = 1, dtype: str = "float64") -> KAN:
    """A network whose trained numbers are all different from their first values."""
    model = KAN([3, (2, 1), 2], members, 3, KANOptions(options, dtype=dtype))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in model.stack:
            for tensor in (layer.gain, layer.shift, layer.spline_scale):
                if tensor is not None:
                    tensor += 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return model


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_member_equals_the_single_network(options: LayerOptions) -> None:
    population = network(options, 3)
    for member in range(3):
        alone = population.member(member)(rows())[0]
        torch.testing.assert_close(population(rows())[member], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_the_analytic_gradient_is_the_one_of_autograd(options: LayerOptions) -> None:
    model = network(options, 2)
    x = rows().expand(2, -1, -1).clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(x)[..., 0].sum(), x)
    torch.testing.assert_close(model.gradient(rows()), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_tensors_and_structure_rebuild_the_network_bit_by_bit(options: LayerOptions) -> None:
    model = network(options, 2)
    again = KAN.from_tensors(json.loads(json.dumps(model.structure())), model.tensors())
    assert torch.equal(again(rows()), model(rows()))


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_refining_keeps_the_function(options: LayerOptions) -> None:
    model = network(options, 2)
    finer = model.refine(11)
    assert finer.stack[0].basis.intervals >= 11
    assert float((finer(rows()) - model(rows())).detach().abs().max()) < 1e-8


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_weights_that_are_read_can_be_stored_again(options: LayerOptions) -> None:
    model, other = network(options), network(options)
    for layer, source in zip(other.stack, model.stack, strict=True):
        layer.set_weights(torch.zeros_like(source.weights()))
        layer.set_weights(source.weights())
    torch.testing.assert_close(other(rows()), model(rows()), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_every_number_that_is_trained_gets_a_gradient(options: LayerOptions) -> None:
    model = network(options)
    (model(rows()) - rows(inputs=2, seed=8)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool((parameter.grad != 0).any()), name


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_constant_is_added_to_one_edge_alone(options: LayerOptions) -> None:
    layer = network(options).stack[0]
    x = 0.5 * rows().unsqueeze(0)
    before = layer.edge_outputs(x).detach()
    layer.add_constant(0, 1, 2, 0.7)
    change = layer.edge_outputs(x).detach() - before
    wanted = torch.zeros_like(change)
    wanted[0, :, 1, 2] = 0.7
    if options.basis in ("bspline", "linear", "chebyshev", "legendre", "fourier"):
        torch.testing.assert_close(change, wanted, rtol=0, atol=1e-7)
    else:  # these can only come near a constant
        assert float((change - wanted).abs().mean()) < 0.1 * 0.7


@pytest.mark.parametrize("name", NORMALISATIONS.names())
def test_a_normalisation_pulls_derivatives_back_as_autograd_does(name: str) -> None:
    layer = network(LayerOptions(normalisation=name), 2).stack[0]
    x = rows().expand(2, -1, -1).clone().requires_grad_()
    delta = torch.randn(2, 30, 4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    seen = layer.normalise(x)
    pulls = [torch.autograd.grad(seen, x, delta[:, :, each], retain_graph=True)[0] for each in range(4)]
    torch.testing.assert_close(layer.pull(x, delta), torch.stack(pulls, 2), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(layer.pull(x, delta[:, :, 0]), pulls[0], rtol=1e-11, atol=1e-12)


def test_layer_norm_is_the_one_of_torch() -> None:
    layer = network(LayerOptions(normalisation="layernorm")).stack[0]
    assert layer.gain is not None and layer.shift is not None
    expected = torch.nn.functional.layer_norm(rows(), [3], layer.gain[0], layer.shift[0])
    torch.testing.assert_close(layer.normalise(rows().unsqueeze(0))[0], expected)


def test_kaiming_sums_have_a_variance_of_about_one() -> None:
    for base, basis in (("silu", "bspline"), ("none", "bspline"), ("silu", "linear")):
        layer = KANLayer(40, 200, 2, LayerOptions(basis=basis, base=base, initialisation="kaiming"))
        layer.initialise(torch.Generator().manual_seed(0))
        x = 2 * torch.rand(2, 500, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
        assert 0.8 < float(layer(x).detach().var()) < 1.2


@pytest.mark.parametrize("name", ["layernorm", "tanh", "affine"])
def test_kaiming_is_as_large_behind_a_normalisation(name: str) -> None:
    layer = KANLayer(40, 200, 1, LayerOptions(normalisation=name, initialisation="kaiming", domain=(-2.0, 2.0)))
    layer.initialise(torch.Generator().manual_seed(0))
    x = torch.randn(1, 500, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert 0.3 < float(layer(x).detach().var()) < 2.0


def test_the_identity_passes_its_inputs_on() -> None:
    layer = KANLayer(3, 3, 2, LayerOptions(initialisation="identity"))
    layer.initialise(torch.Generator().manual_seed(0))
    x = rows().expand(2, -1, -1)
    torch.testing.assert_close(layer(x).detach(), x, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="as many outputs as inputs"):
        KAN([3, 2], options=KANOptions(LayerOptions(initialisation="identity")))


def test_zero_starts_with_nothing() -> None:
    assert (KAN([3, 2], options=KANOptions(LayerOptions(initialisation="zero")))(rows()) == 0).all()


def test_a_local_layer_changes_only_where_it_is_taught() -> None:
    model = KAN([1, 1], options=KANOptions(LayerOptions(intervals=20, local=True, base="silu", spline_scale=True)))
    layer = model.stack[0]
    assert layer.base_weight is None and layer.spline_scale is None
    far, near = torch.linspace(-1, 0, 50).unsqueeze(1).double(), torch.tensor([[0.8]], dtype=torch.float64)
    before = model(far).detach()
    model(near).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= parameter.grad  # type: ignore[operator]
    assert torch.equal(model(far), before)


@pytest.mark.parametrize("option", ["basis", "base", "normalisation", "parameterisation", "initialisation", "path"])
def test_an_unknown_choice_is_refused_with_the_known_ones(option: str) -> None:
    with pytest.raises(ConfigError, match="unknown"):
        LayerOptions(**{option: "nothing like that"})


def test_a_parameterisation_made_for_one_grid_refuses_a_trained_one() -> None:
    with pytest.raises(ConfigError, match="demmler-reinsch"):
        LayerOptions(parameterisation="demmler-reinsch", learn_grid=True)


@pytest.mark.parametrize("path", PATHS.names())
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 2), (300, 20, 17), (64, 70, 130)])
@pytest.mark.parametrize("basis", ["bspline", "linear"])
def test_every_path_gives_the_sums_and_gradients_of_the_reference(path: str, shape: tuple, basis: str) -> None:
    count, inputs, outputs = shape
    found = []
    for name in ("reference", path):
        layer = KANLayer(inputs, outputs, 2, LayerOptions(basis=basis, path=name, initialisation="kaiming"))
        layer.initialise(torch.Generator().manual_seed(4))
        x = rows(count, inputs).expand(2, -1, -1).clone().requires_grad_()
        if PATHS.get(name).obstacle(layer, x):
            pytest.skip(str(PATHS.get(name).obstacle(layer, x)))
        sums = layer(x)
        found.append((sums, *torch.autograd.grad(sums.sin().sum(), (x, layer.weight))))
    for first, second in zip(*found, strict=True):
        torch.testing.assert_close(second, first, rtol=1e-11, atol=1e-11)


def test_tiles_have_right_second_derivatives() -> None:
    layer = KANLayer(2, 3, 1, LayerOptions())
    layer.initialise(torch.Generator().manual_seed(4))
    x, weight = rows(5, 2).requires_grad_(), layer.weight[0].detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda *given: tiled_sum(*given, layer.member_features(0)), (x, weight))
    assert torch.autograd.gradgradcheck(lambda *given: tiled_sum(*given, layer.member_features(0)), (x, weight))


def test_a_path_that_cannot_serve_is_refused_with_the_reason() -> None:
    layer = KANLayer(2, 2, 1, LayerOptions(path="tiled", learn_grid=True))
    with pytest.raises(ConfigError, match="its grid is trained"):
        layer(rows(inputs=2).unsqueeze(0))


def test_the_choice_of_a_path_says_why() -> None:
    small, wide = KANLayer(2, 2, 8, LayerOptions()), KANLayer(200, 200, 1, LayerOptions())
    assert choose(small, torch.zeros(8, 10, 2)).name == "reference"
    choice = choose(wide, torch.zeros(1, 4000, 200, dtype=torch.float64))
    assert choice.name != "reference" and len(choice.reason) > 10


def test_a_large_product_equals_the_one_of_torch() -> None:
    left, right = (torch.randn(300, 200, generator=torch.Generator().manual_seed(each)) for each in (1, 2))
    exact = (left.double() @ right.double().mT).float()
    torch.testing.assert_close(rows_times_rows(left, right), exact, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(rows_times_rows(left, right.mT.contiguous().mT), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_lower_precision_comes_near_double(dtype: str, tolerance: float) -> None:
    exact = network(LayerOptions())
    rough = KAN.from_tensors(
        exact.structure() | {"options": {**exact.structure()["options"], "dtype": dtype}},
        {
            name: tensor.to(getattr(torch, dtype)) if tensor.is_floating_point() else tensor
            for name, tensor in exact.tensors().items()
        },
    )
    difference = (rough(rows()).double() - exact(rows())).detach().abs().max()
    assert rough(rows()).dtype == getattr(torch, dtype)
    assert float(difference) < tolerance * float(exact(rows()).detach().std())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's compiler still uses it itself
@pytest.mark.parametrize("options", TRACED.values(), ids=TRACED)
def test_a_traced_network_gives_the_same(options: LayerOptions) -> None:
    model = network(options, 2)
    model.stack[0].mask[0, 1, 1] = False
    torch.compiler.reset()  # what was traced for other options counts against a limit
    traced = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(traced(rows()), model(rows()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("basis", ["bspline", "rswaf", "chebyshev"])
def test_an_exported_network_gives_the_same_for_any_number_of_rows(basis: str) -> None:
    model = network(LayerOptions(basis=basis))
    exported = torch.export.export(model, (rows(),), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},))
    torch.testing.assert_close(exported.module()(rows()), model(rows()), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(exported.module()(rows(11)), model(rows(11)), rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's compiler still uses it itself
def test_a_compiled_network_gives_the_same() -> None:
    model = network(LayerOptions())
    torch.testing.assert_close(torch.compile(model)(rows()), model(rows()), rtol=1e-10, atol=1e-10)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_cuda_equals_the_processor(options: LayerOptions) -> None:
    model = network(options, 2)
    torch.testing.assert_close(
        model.to("cuda")(rows().cuda()).cpu(), network(options, 2)(rows()), rtol=1e-10, atol=1e-10
    )
