"""How far every fast path is from the same network in double precision, in units of its own rounding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kansym.bench.engine import why
from kansym.bench.jobs import paths_on
from kansym.bench.tables import Column, Record, Table, number
from kansym.errors import ConfigError
from kansym.nn import KAN, KANOptions, LayerOptions

# Smooth, steep, kinked and large; all finite on [-1, 1].
FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "x": lambda x: x,
    "x^2": lambda x: x**2,
    "x^5": lambda x: x**5,
    "sin(pi x)": lambda x: torch.sin(torch.pi * x),
    "cos(9 x)": lambda x: torch.cos(9 * x),
    "exp(3 x)": lambda x: torch.exp(3 * x),
    "log(x + 1.1)": lambda x: torch.log(x + 1.1),
    "sqrt(x + 1)": lambda x: torch.sqrt(x + 1),
    "1/(x + 1.5)": lambda x: 1 / (x + 1.5),
    "tanh(8 x)": lambda x: torch.tanh(8 * x),
    "|x|": torch.abs,
    "exp(-20 x^2)": lambda x: torch.exp(-20 * x**2),
}
INPUTS, ROWS = 8, 4096
GRIDS = (5, 32)
PARTS = ("values", "input gradient", "weight gradient")


def accuracy_table(device: str = "cpu") -> Table:
    """Compare the paths of `kansym.nn.paths` with the reference in float64 on a layer whose edges are 12 functions.

    Output o of the layer is the sum over the inputs of function o and of a random multiple of the base activation. The
    reference gets the path's own, rounded numbers. A unit is the spacing of the path's floating-point numbers at the
    largest entry of what is compared; in float64 the reference is rounded as well.

    Args:
        device: where the paths run.
    """
    columns = [Column("path", "path"), Column("dtype", "type"), Column("basis", "basis"), Column("intervals", "G")]
    columns += [Column(part, f"{part}, units", number) for part in PARTS]
    columns += [Column("worst", "worst function"), Column("note", "note")]
    records = tuple(
        _compared(path, dtype, LayerOptions(intervals=intervals, basis=basis, degree=3, path=path), device)
        for basis in ("bspline", "linear")
        for intervals in GRIDS
        for dtype in ("float32", "float64")
        for path in paths_on(device)
    )
    title = "Largest error of every path against float64, on 12 functions"
    return Table("accuracy", title, tuple(columns), records)


def _compared(path: str, dtype: str, options: LayerOptions, device: str) -> Record:
    facts = {"path": path, "dtype": dtype, "basis": options.basis, "intervals": options.intervals}
    try:
        return facts | errors(options, dtype, device)
    except (ConfigError, RuntimeError) as error:
        return facts | {"note": why(error)}


def errors(options: LayerOptions, dtype: str, device: str) -> dict[str, float | str]:
    """Return the largest error of the values and of both gradients, in units of rounding, and where it is worst.

    Args:
        options: of the layer, with the path to be tried.
        dtype: "float32" or "float64".
        device: where it runs.
    """
    model = twelve_functions(options, dtype).to(device)
    exact = KAN(model.widths, 1, 0, KANOptions(replace(options, path="reference"))).to(device)
    exact.load_state_dict(model.state_dict())
    generator = torch.Generator().manual_seed(1)
    x = (2 * torch.rand(ROWS, INPUTS, generator=generator, dtype=torch.float64) - 1).to(getattr(torch, dtype))
    slope = torch.randn(ROWS, len(FUNCTIONS), generator=generator, dtype=torch.float64).to(x)
    found = _outcome(model, x.to(device), slope.to(device))
    wanted = _outcome(exact, x.double().to(device), slope.double().to(device))
    rounding = torch.finfo(x.dtype).eps
    distances = [_distance(own, other) / rounding for own, other in zip(found, wanted, strict=True)]
    values = (found[0].double() - wanted[0]).abs().amax(0) / wanted[0].abs().amax(0)
    worst = list(FUNCTIONS)[int(values.argmax())]
    return {**dict(zip(PARTS, distances, strict=True)), "worst": worst}


def twelve_functions(options: LayerOptions, dtype: str) -> KAN:
    """Return a network [8, 12] whose splines into output o are all function o, as well as the grid can hold it."""
    model = KAN([INPUTS, len(FUNCTIONS)], 1, 0, KANOptions(options, dtype=dtype))
    double = KAN(model.widths, 1, 0, KANOptions(replace(options, path="reference")))
    layer = double.stack[0]
    points = layer.basis.even_points(4 * (options.degree + 1))  # (1, I, S)
    values = torch.stack([function(points) for function in FUNCTIONS.values()], -1)  # (1, I, S, O)
    filled = layer.with_tensors(layer.basis.grid, layer.basis.fit(points, values))
    model.load_state_dict(double.with_layers([filled]).state_dict())
    return model


def _outcome(model: KAN, x: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs (N, O), and the gradients of their product with `slope` to inputs (N, I) and weights."""
    x = x.clone().requires_grad_()
    out = model(x)[0]
    inner, weights = torch.autograd.grad((out * slope).sum(), (x, model.stack[0].weight))
    return out.detach(), inner, weights


def _distance(own: Tensor, other: Tensor) -> float:
    return float((own.double() - other).abs().max() / other.abs().max())
