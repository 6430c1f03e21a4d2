"""Formulas and networks as ONNX models and torch programs give the same values when other programs run them."""

import io
import math
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import kansym
from kansym.config import Config
from kansym.errors import ConfigError, FormulaError
from kansym.export import export_file
from kansym.export.network_form import network_onnx, network_torch, raw_network
from kansym.export.onnx_form import formula_onnx
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.nn.raw import RawNetwork
from kansym.result import Result
from kansym.symbolic.formula import Formula
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import CALLS, Primitive, register
from tests.contract.test_languages import formulas, points
from tests.results import result_of

Array = np.ndarray
CLOSE = 1e-12
needs_onnx = pytest.mark.skipif(
    find_spec("onnx") is None or find_spec("onnxruntime") is None, reason="needs onnx and onnxruntime"
)


def values_of(model: bytes, rows: Array) -> Array:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    return runtime.InferenceSession(model).run(None, {"rows": rows})[0]


def network_result(widths: list, columns: int = 3, adapted: bool = True, seed: int = 0, **options: object) -> Result:
    """A result whose network has random weights, uneven grids and a pruned edge, and reads columns 0 and 2."""
    kan = KAN(widths, 1, seed, KANOptions(layer=LayerOptions(**options)))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in kan.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        if adapted:
            seen = [torch.randn((1, 60, layer.inputs), generator=generator, dtype=torch.float64) for layer in kan.stack]
            kan = kan.with_layers(
                [layer.with_basis(layer.basis.adapt(rows.mT, 0.2)) for layer, rows in zip(kan.stack, seen, strict=True)]
            )
        kan.stack[0].mask[0, 0, 0] = False
    structure = {
        "kan": kan.structure(), "input_shift": [0.5, -1.0], "input_scale": [2.0, 0.25], "target_shift": [3.0],
        "target_scale": [1.5], "input_powers": [1.0, 1e-3], "target_power": 1e4, "columns": [0, 2],
    }  # fmt: skip
    tensors = {name: tensor.numpy().copy() for name, tensor in kan.tensors().items()}
    return replace(result_of(tuple("abc"[:columns])), network=(structure, tensors))


def rows_of(count: int = 50) -> Array:
    """Rows within the grids and far outside of them."""
    random = np.random.default_rng(1)
    return np.column_stack(
        [random.normal(0.5, 3.0, count), random.normal(size=count), random.normal(-1e-3, 5e-4, count)]
    )


@needs_onnx
@pytest.mark.slow
def test_a_hundred_formulas_have_the_same_values_in_onnxruntime() -> None:
    wrong = []
    for formula in formulas():
        expected, found = formula(points(formula)), values_of(formula_onnx(formula), points(formula))
        size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        for value, truth in zip(found.tolist(), expected.tolist(), strict=True):
            same = not math.isfinite(value) if not math.isfinite(truth) else abs(value - truth) <= CLOSE * size
            if not same:
                wrong.append(f"{formula.text()}: {value!r} for {truth!r}")
    assert not wrong, "\n".join(wrong)


@needs_onnx
@pytest.mark.parametrize("name", CALLS)
def test_a_primitive_is_right_over_all_of_its_domain(name: str) -> None:
    low, high = CALLS[name].domain
    x = np.linspace(max(low, -30.0), min(high, 30.0), 1001)[1:-1]
    x = np.concatenate([x, np.geomspace(1e-8, 1e-2, 20) + max(low, 0.0) * (low > 0)])
    x = x[(x > low) & (x < high)]
    found = values_of(formula_onnx(Formula(parse(f"{name}(x)", ("x",)), ("x",), "y")), x[:, None])
    np.testing.assert_allclose(found, CALLS[name].value(x), rtol=1e-11, atol=1e-13)


@needs_onnx
def test_a_constant_has_one_value_for_every_row_and_columns_keep_their_order() -> None:
    names = ("x_1", "omega", "a")
    rows = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert values_of(formula_onnx(Formula(parse("3.5", names), names, "y")), rows).tolist() == [3.5, 3.5]
    found = values_of(formula_onnx(Formula(parse("x_1 + 10*omega + 100*a", names), names, "y")), rows)
    assert found.tolist() == [321.0, 654.0]


def test_a_model_says_which_column_is_which() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(formula_onnx(Formula(parse("x", ("x",)), ("x",), "T [K]")))
    assert {item.key: item.value for item in model.metadata_props} == {"column 0": "x", "target": "T [K]"}


def test_a_primitive_of_the_users_own_is_refused_by_name() -> None:
    pytest.importorskip("onnx")
    if "onnx_test_cube" not in CALLS:
        register(Primitive("onnx_test_cube", lambda x: x**3, lambda x: 3 * x**2))
    try:
        with pytest.raises(FormulaError, match="no form of the primitive 'onnx_test_cube'"):
            formula_onnx(Formula(parse("onnx_test_cube(x)", ("x",)), ("x",), "y"))
    finally:
        del CALLS["onnx_test_cube"]


@needs_onnx
@pytest.mark.parametrize("widths", [[2, 1], [2, (2, 1), 1], [2, 3, 2, 1]])
@pytest.mark.parametrize("options", [{}, {"basis": "linear"}, {"base": "none", "degree": 2}, {"spline_scale": True}])
def test_a_network_of_splines_has_the_same_values_in_onnxruntime(widths: list, options: dict) -> None:
    result = network_result(widths, **options)
    expected = raw_network(result)(torch.from_numpy(rows_of())).detach().numpy()
    found = values_of(network_onnx(result), rows_of())
    assert np.max(np.abs(found - expected)) <= CLOSE * np.max(np.abs(expected))


def test_other_bases_are_refused_with_what_to_choose() -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ConfigError, match="choose network-torch"):
        network_onnx(network_result([2, 1], adapted=False, basis="fourier"))


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["bspline", "fourier", "rational"])
def test_a_program_of_torch_has_the_same_values_for_any_number_of_rows(basis: str) -> None:
    result = network_result([2, (2, 1), 1], adapted=basis == "bspline", basis=basis)
    program = torch.export.load(io.BytesIO(network_torch(result)))
    for count in (2, 50):
        rows = torch.from_numpy(rows_of(count))
        expected = raw_network(result)(rows).detach()
        assert float((program.module()(rows).detach() - expected).abs().max()) <= CLOSE * float(expected.abs().max())


def test_the_network_of_a_fit_has_the_errors_that_the_result_tells() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(1, 3, (200, 3)) * [1e-7, 1.0, 1.0]  # a column that is scaled, and one that carries nothing
    table = kansym.Dataset.from_arrays(x, 1e9 * x[:, 0] * np.sin(x[:, 1]), names=("a", "b", "c"))
    result = kansym.fit(table, Config(preset="fast", without=("simplification",)))
    assert result.model is not None
    predicted = result.model(torch.from_numpy(x)).detach().numpy()
    spread = float(np.std(table.targets))
    assert np.sqrt(np.mean((predicted - table.targets[:, 0]) ** 2)) < 3 * result.network_errors["train"].nrmse * spread


def test_a_network_that_cannot_be_rebuilt_says_why() -> None:
    structure, tensors = network_result([2, 1]).network or ({}, {})
    with pytest.raises(ConfigError, match="fixed by hand"):
        RawNetwork.of(structure | {"fixed": 2}, tensors)
    with pytest.raises(ConfigError, match="fit it again"):
        RawNetwork.of({key: value for key, value in structure.items() if key != "input_powers"}, tensors)
    with pytest.raises(ConfigError, match="no network"):
        export_file(result_of(), "network-torch")
