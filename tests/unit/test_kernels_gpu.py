"""Triton kernels against the library's bases in float64: through triton's interpreter, and on a GPU where there is one.

The interpreter must be chosen before triton is imported, so this file runs itself in a process of its own, once, and
the tests look at what that process measured.
"""

import functools
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from torch.utils._python_dispatch import TorchDispatchMode

from kansym.bases import BASES, BSpline
from kansym.kernels.gpu import Features, Kind, StaticStep, fused_sum, obstacle, spline_sum_gpu
from kansym.kernels.gpu.blocks import Blocks, Shape, input_blocks, sum_blocks, weight_blocks
from kansym.kernels.gpu.launch import (
    counters,
    kernels,
    launch_input_gradient,
    launch_sum,
    launch_weight_gradient,
    own_counters,
)
from kansym.kernels.gpu.plain import plain_sum

ROOT = Path(__file__).parents[2]
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Largest error over the largest number: rounding of a sum of some hundred terms, in the number format of the operands.
TOLERANCES = {"float64": 1e-13, "float32": 5e-6, "bfloat16": 3e-2, "float16": 4e-3}
BASIS_NAMES = {Kind.EVEN_SPLINE: "bspline", Kind.KNOT_SPLINE: "bspline", Kind.RSWAF: "rswaf", Kind.GAUSSIAN: "rbf"}


@dataclass(frozen=True)
class Case:
    """One layer: E members, N rows, I inputs, O outputs, G grid intervals, and how its numbers are made."""

    name: str
    kind: Kind = Kind.EVEN_SPLINE
    degree: int = 3
    base: bool = True
    dtype: str = "float64"
    sizes: tuple[int, int, int, int, int] = (2, 37, 5, 3, 5)
    precision: str = "ieee"

    @property
    def features(self) -> Features:
        return Features(self.kind, self.degree, self.base)


WIDE = (1, 40, 36, 19, 5)
CASES = [
    *(Case(f"even degree {k}", degree=k) for k in (1, 2, 3, 5)),
    *(Case(f"uneven degree {k}", Kind.KNOT_SPLINE, degree=k) for k in (1, 3)),
    Case("reflectional switches", Kind.RSWAF),
    Case("gaussians", Kind.GAUSSIAN, base=False),
    Case("one row, one input, one output", sizes=(1, 1, 1, 1, 4)),
    Case("members of the tiny network", dtype="float32", sizes=(6, 20, 4, 8, 5)),
    Case("wide without base", base=False, sizes=WIDE),
    Case("wide and uneven in single precision", Kind.KNOT_SPLINE, dtype="float32", sizes=WIDE),
    Case("outputs beyond one block", dtype="float32", sizes=(1, 33, 34, 70, 4)),
    Case("wide in bfloat16", dtype="bfloat16", sizes=(1, 20, 70, 19, 6)),
    Case("products rounded to bfloat16", dtype="float32", precision="bf16", sizes=WIDE),
]
PARTS = ((2, True), (5, True), (3, False))  # how many, and whether blocks are flat


@dataclass
class Problem:
    """Tensors of a case in its dtype; the grid stays in single precision where that is below."""

    x: Tensor
    weight: Tensor
    grid: Tensor
    slope: Tensor


def make(case: Case, device: str = "cpu") -> Problem:
    members, rows, inputs, outputs, intervals = case.sizes
    generator = torch.Generator().manual_seed(7)
    uniform = functools.partial(torch.rand, generator=generator, dtype=torch.float64)
    normal = functools.partial(torch.randn, generator=generator, dtype=torch.float64)
    low, high = -1 - uniform(members, inputs), 1 + uniform(members, inputs)
    grid = BASES.get(BASIS_NAMES[case.kind]).create(low, high, intervals, case.degree).grid
    if case.kind is Kind.KNOT_SPLINE:
        breaks = BSpline(grid, case.degree).breaks
        shaken = breaks + 0.6 * (uniform(breaks.shape) - 0.5) * breaks.diff(dim=-1)[..., :1]
        grid = BSpline.from_breaks(shaken, case.degree).grid
    x = 1.3 * normal(members, rows, inputs)  # a good part of them lies outside the grid
    size = BASES.get(BASIS_NAMES[case.kind])(grid, case.degree).size
    weight = normal(members, inputs, size + case.base, outputs)
    dtype = DTYPES[case.dtype]
    tensors = [tensor.to(dtype).to(device) for tensor in (x, weight, normal(members, rows, outputs))]
    return Problem(tensors[0], tensors[1], grid.to(torch.promote_types(dtype, torch.float32)).to(device), tensors[2])


def reference(case: Case, problem: Problem) -> tuple[Tensor, Tensor, Tensor]:
    """Return result, gradient of x and gradient of the weight in float64, by the library's own basis."""
    x, weight, grid, slope = (
        t.detach().double().cpu() for t in (problem.x, problem.weight, problem.grid, problem.slope)
    )
    basis = BASES.get(BASIS_NAMES[case.kind])(grid.unsqueeze(1), case.degree)
    features, slopes = basis.evaluate(x), basis.derivative(x, 1)
    if case.base:
        gate = torch.sigmoid(x)
        features = torch.cat([features, silu(x).unsqueeze(-1)], -1)
        slopes = torch.cat([slopes, (gate * (1 + x * (1 - gate))).unsqueeze(-1)], -1)
    return (
        torch.einsum("enif,eifo->eno", features, weight),
        torch.einsum("eno,eifo,enif->eni", slope, weight, slopes),
        torch.einsum("enif,eno->eifo", features, slope),
    )


def deviation(found: Tensor, wanted: Tensor) -> float:
    """Return the largest error over the largest number; infinite where something is not a number."""
    error = float((found.detach().double().cpu() - wanted).abs().max() / wanted.abs().max())
    return error if error == error else float("inf")


def measured(case: Case, device: str = "cpu") -> list[float]:
    problem = make(case, device)
    if why := obstacle(problem.x, problem.weight, problem.grid, case.features):
        raise RuntimeError(f"the kernels were not used: {why}")
    x, weight = problem.x.requires_grad_(), problem.weight.requires_grad_()
    result = fused_sum(x, weight, problem.grid, case.features, case.precision)  # type: ignore[arg-type]
    result.backward(problem.slope)
    found = (result, x.grad, weight.grad)
    assert all(tensor is not None and tensor.dtype == x.dtype for tensor in found)
    return [deviation(a, b) for a, b in zip(found, reference(case, problem), strict=True)]  # type: ignore[arg-type]


def parts_deviation(parts: int, flat: bool) -> list[float]:
    """Return the errors of one layer whose long sums are cut, run twice so that counters are used again."""
    case = Case("parts", sizes=(2, 20, 5, 3, 5) if flat else (1, 18, 20, 17, 2))
    problem = make(case)
    asked = (problem.x, problem.weight, problem.grid)
    blocks = Blocks(16, 16, 16, flat, parts)
    for _ in range(2):
        found = (
            launch_sum(*asked, case.features, "fp64", blocks),
            launch_input_gradient(*asked, problem.slope, case.features, "fp64"),
            launch_weight_gradient(*asked, problem.slope, case.features, "fp64", blocks),
        )
    return [deviation(a, b) for a, b in zip(found, reference(case, problem), strict=True)]


def strided_deviation() -> float:
    """Return the error on transposed points, a shared row of knots and the expanded gradient that a sum gives."""
    case = Case("strided", sizes=(1, 40, 6, 4, 5))
    problem = make(case)
    knots = problem.grid[0, 0].clone()
    problem.grid = knots.expand(1, 6, -1)
    x = problem.x[0].T.contiguous().T.requires_grad_()
    weight = problem.weight[0].requires_grad_()
    spline_sum_gpu(x, weight, knots, 3, even=True).sum().backward()
    problem.slope = torch.ones_like(problem.slope)
    _, inner, outer = reference(case, problem)
    assert x.grad is not None and weight.grad is not None
    return max(deviation(x.grad, inner[0]), deviation(weight.grad, outer[0]))


def second_derivative_deviation() -> float:
    """Return the error of the gradient of a gradient's square, which physics-informed training asks for."""
    case = Case("twice", sizes=(1, 12, 3, 2, 4))
    gradients = []
    for run in (fused_sum, plain_sum):
        problem = make(case)
        x, weight = problem.x.requires_grad_(), problem.weight.requires_grad_()
        result = run(x, weight, problem.grid, case.features)
        (inner,) = torch.autograd.grad(result, x, problem.slope, create_graph=True)
        inner.square().sum().backward()
        gradients += [x.grad, weight.grad]
    return max(deviation(gradients[0], gradients[2]), deviation(gradients[1], gradients[3]))


class Launches(TorchDispatchMode):
    """Counts every operation of torch that starts a kernel: all but those that only allocate or look differently."""

    FREE = ("empty", "expand", "view", "detach", "unsqueeze", "squeeze", "select", "alias", "t.default", "new_empty")

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = str(func).removeprefix("aten.")
        if not name.startswith(self.FREE):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


class Counted:
    """In place of a kernel: counts its launches and does nothing."""

    def __init__(self, counts: Counter[str], name: str) -> None:
        self.counts, self.name = counts, name

    def __getitem__(self, grid: tuple[int, ...]):  # type: ignore[no-untyped-def]
        self.counts[self.name] += 1
        return lambda *tensors, **options: None


def launches_of_two_layers() -> tuple[dict[str, int], dict[str, int]]:
    """Return what is launched by forward, and by forward and backward, of [20, 16, 10] on 8 rows (any size will do)."""
    first, second = make(Case("1", sizes=(1, 8, 20, 16, 5))), make(Case("2", sizes=(1, 8, 16, 10, 5)))
    weights = first.weight[0].requires_grad_(), second.weight[0].requires_grad_()
    module, found = kernels(), []
    originals = {
        name: getattr(module, name) for name in ("sum_kernel", "weight_gradient_kernel", "input_gradient_kernel")
    }
    for backward in (False, True):
        with Launches() as torch_launches:
            counts = torch_launches.counts
            for name in originals:
                setattr(module, name, Counted(counts, name))
            hidden = spline_sum_gpu(first.x[0], weights[0], first.grid[0], 3, even=True)
            result = spline_sum_gpu(hidden, weights[1], second.grid[0], 3, even=True)
            if backward:
                result.backward(second.slope[0])
        found.append(dict(counts))
    for name, kernel in originals.items():
        setattr(module, name, kernel)
    return found[0], found[1]


def everything() -> dict[str, object]:
    return {
        "cases": {case.name: measured(case) for case in CASES},
        "parts": {str(how): parts_deviation(*how) for how in PARTS},
        "strided": strided_deviation(),
        "second": second_derivative_deviation(),
        "launches": launches_of_two_layers(),
    }


@functools.cache
def interpreter_run() -> subprocess.CompletedProcess[str]:
    """Run this file with triton's interpreter, once."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", __file__]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)


def interpreted() -> dict:
    """Return what was measured through the interpreter."""
    pytest.importorskip("triton")
    done = interpreter_run()
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_interpreted_kernels_equal_the_basis_of_the_library(case: Case):
    tolerance = TOLERANCES["bfloat16" if case.precision == "bf16" else case.dtype]
    assert max(interpreted()["cases"][case.name]) < tolerance, interpreted()["cases"][case.name]


def test_a_sum_cut_into_parts_is_the_same_sum():
    assert len(interpreted()["parts"]) == len(PARTS)
    for name, errors in interpreted()["parts"].items():
        assert max(errors) < 1e-13, (name, errors)


def test_strides_of_points_knots_and_gradients_are_respected():
    assert interpreted()["strided"] < 1e-13


def test_second_derivatives_go_through_the_kernels_results():
    assert interpreted()["second"] < 1e-12


def test_two_layers_take_two_launches_forward_and_five_in_all():
    forward, both = interpreted()["launches"]
    assert forward == {"sum_kernel": 2}
    assert both == {"sum_kernel": 2, "weight_gradient_kernel": 2, "input_gradient_kernel": 1}


# ---- what needs neither triton nor a device ----


def dense_case(kind: Kind, degree: int = 3) -> Case:
    return Case("dense", kind, degree, sizes=(2, 9, 3, 2, 4))


@pytest.mark.parametrize(
    "case",
    [dense_case(kind) for kind in Kind] + [dense_case(Kind.EVEN_SPLINE, degree) for degree in (0, 1, 2, 6)],
    ids=str,
)
def test_the_plain_form_equals_the_basis_of_the_library(case: Case):
    problem = make(case)
    x, weight = problem.x.requires_grad_(), problem.weight.requires_grad_()
    result = fused_sum(x, weight, problem.grid, case.features)
    result.backward(problem.slope)
    assert x.grad is not None and weight.grad is not None
    found = (result, x.grad, weight.grad)
    errors = [deviation(a, b) for a, b in zip(found, reference(case, problem), strict=True)]
    assert max(errors) < 1e-13, errors


@pytest.mark.parametrize("kind", list(Kind))
def test_the_plain_form_passes_gradcheck_twice(kind: Kind):
    case = Case("check", kind, sizes=(1, 4, 2, 2, 3))
    problem = make(case)
    inputs = (problem.x.requires_grad_(), problem.weight.requires_grad_(), problem.grid)

    def run(x: Tensor, weight: Tensor, grid: Tensor) -> Tensor:
        return plain_sum(x, weight, grid, case.features)

    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


def test_a_grid_that_is_learned_gets_its_gradient():
    problem = make(Case("learned", Kind.RSWAF))
    grid = problem.grid.requires_grad_()
    fused_sum(problem.x, problem.weight, grid, Features(Kind.RSWAF)).sum().backward()
    assert grid.grad is not None and float(grid.grad.abs().max()) > 0


def test_members_of_the_weights_share_points_and_knots():
    problem = make(Case("shared", sizes=(3, 8, 2, 2, 4)))
    knots = problem.grid[0]
    together = spline_sum_gpu(problem.x[0], problem.weight, knots, 3, even=True)
    assert together.shape == (3, 8, 2)
    alone = spline_sum_gpu(problem.x[0], problem.weight[1], knots, 3, even=True)
    assert alone.shape == (8, 2)
    torch.testing.assert_close(together[1], alone, rtol=0, atol=1e-12)


def test_numbers_that_are_not_numbers_are_passed_on():
    problem = make(Case("nan", base=False, sizes=(1, 4, 2, 2, 4)))
    problem.x[0, 1, 0] = float("nan")
    result = fused_sum(problem.x, problem.weight, problem.grid, Features(Kind.EVEN_SPLINE, base=False))
    assert result[0, 1].isnan().all() and result[0, 0].isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: setattr(p, "x", p.x.float()), "give both one floating type"),
        (lambda p: setattr(p, "weight", p.weight[:, :, 1:]), r"need \(..., 5, F, outputs\) with F = 9"),
        (lambda p: setattr(p, "x", p.x[0, 0]), "each with a leading axis of members or without"),
        (lambda p: setattr(p, "weight", p.weight.to("meta")), "move them together"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message: str):
    problem = make(Case("wrong"))
    change(problem)
    with pytest.raises(ValueError, match=message):
        fused_sum(problem.x, problem.weight, problem.grid, Features(Kind.EVEN_SPLINE))


def test_an_unknown_precision_is_refused():
    problem = make(Case("wrong", dtype="float32"))
    with pytest.raises(ValueError, match="choose one of ieee, tf32, tf32x3, bf16"):
        fused_sum(problem.x, problem.weight, problem.grid, Features(Kind.EVEN_SPLINE), "fp8")  # type: ignore[arg-type]


def test_the_plain_form_says_why_it_is_used():
    problem = make(Case("why"))
    reason = obstacle(problem.x, problem.weight, problem.grid, Features(Kind.EVEN_SPLINE))
    assert reason in ("triton is not installed", "the tensors are not on a CUDA device")


def test_importing_the_kernels_package_imports_no_triton():
    code = "import sys, kansym.kernels.gpu; sys.exit(bool({'triton', 'kansym.kernels.gpu.kernels'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


SHAPES = [
    Shape(1, 64, 784, 256, 8),
    Shape(1, 65536, 784, 256, 35),
    Shape(1, 16384, 1024, 1024, 8),
    Shape(1000, 1000, 4, 8, 8),
    Shape(1, 1, 1, 1, 2),
]


@pytest.mark.parametrize("precision", ["ieee", "tf32", "tf32x3", "bf16", "fp16", "fp64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tiles_are_powers_of_two_that_tensor_cores_take(shape: Shape, precision):
    for blocks in (
        sum_blocks(shape, precision, 132),
        weight_blocks(shape, precision, 132),
        input_blocks(shape, precision),
    ):
        for side in (blocks.rows, blocks.outputs, blocks.features):
            assert side >= 16 and side & (side - 1) == 0
        assert blocks.parts >= 1


def test_counters_of_a_graph_are_given_to_its_stream_only():
    device = torch.device("cpu")
    ordinary = counters(3, device)
    assert counters(3, device) is ordinary and int(ordinary.abs().max()) == 0
    with own_counters(device, 0) as own:
        assert counters(3, device) is own and own is not ordinary
        assert counters(10**6, device).shape == (10**6,)
    assert counters(3, device) is ordinary
    with own_counters(device, 1) as own:
        assert counters(3, device) is ordinary


def test_few_tiles_are_cut_into_parts_and_many_are_not():
    assert sum_blocks(SHAPES[0], "tf32", 132).parts > 8
    assert sum_blocks(SHAPES[1], "tf32", 132).parts == 1
    assert sum_blocks(SHAPES[3], "tf32", 132).parts == 1
    assert sum_blocks(SHAPES[0], "tf32", 1).parts == 1


# ---- a step that is recorded where there is a device ----


class Small(nn.Module):
    """A layer of splines, as small as they come."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        problem = make(Case("small", sizes=(1, 16, 2, 1, 4)), device)
        self.weight = nn.Parameter(problem.weight[0])
        self.register_buffer("knots", problem.grid[0])

    def forward(self, x: Tensor) -> Tensor:
        return spline_sum_gpu(x, self.weight, self.knots, 3, even=True)  # type: ignore[arg-type]


def batch(rows: int = 16, device: str = "cpu") -> tuple[Tensor, Tensor]:
    x = torch.linspace(-1, 1, 2 * rows, dtype=torch.float64).view(rows, 2).to(device)
    return x, x.prod(-1, keepdim=True)


def adam_losses(model: nn.Module, x: Tensor, y: Tensor, rates: list[float]) -> list[float]:
    optimizer = torch.optim.Adam(model.parameters())
    losses = []
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def static_losses(device: str) -> tuple[list[float], list[float]]:
    """Return the losses of plain Adam and of a static step whose rate is changed on the way."""
    x, y = batch(device=device)
    rates = [2.0**-5] * 3 + [2.0**-7] * 3
    step = StaticStep(Small(device), nn.functional.mse_loss, x, y, learning_rate=rates[0])
    losses = []
    for rate in rates:
        step.learning_rate = rate
        losses.append(float(step(x, y)))
    return adam_losses(Small(device), x, y, rates), losses


def test_a_static_step_is_a_step_of_adam():
    wanted, found = static_losses("cpu")
    assert wanted[-1] < 0.9 * wanted[0]
    assert found == pytest.approx(wanted, rel=1e-10)


def test_a_static_step_is_recorded_on_cuda_devices_only():
    assert not StaticStep(Small(), nn.functional.mse_loss, *batch()).is_recorded


def test_a_static_step_refuses_other_shapes_and_types():
    step = StaticStep(Small(), nn.functional.mse_loss, *batch())
    with pytest.raises(ValueError, match="make another step for other batches"):
        step(*batch(rows=8))
    with pytest.raises(ValueError, match="y has shape"):
        step(batch()[0], batch()[1].float())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warm_up": 0}, "give at least 1"),
        ({"learning_rate": 0.0}, "positive"),
        ({"learning_rate": float("nan")}, "positive"),
    ],
)
def test_a_static_step_refuses_numbers_out_of_range(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        StaticStep(Small(), nn.functional.mse_loss, *batch(), **options)


def test_a_static_step_refuses_a_model_without_parameters_and_several_devices():
    with pytest.raises(ValueError, match="nothing to train"):
        StaticStep(nn.Identity(), nn.functional.mse_loss, *batch())
    with pytest.raises(ValueError, match="several devices"):
        StaticStep(Small(), nn.functional.mse_loss, batch()[0].to("meta"), batch()[1])


# ---- on a GPU ----

ON_GPU = [
    *CASES,
    Case("half precision", dtype="float16", sizes=(1, 20, 70, 19, 6)),
    Case("large", dtype="float32", sizes=(1, 1500, 784, 256, 5)),
    Case("large, nearly single precision", dtype="float32", precision="tf32x3", sizes=(1, 1500, 784, 256, 5)),
    Case("large in bfloat16", dtype="bfloat16", sizes=(1, 1500, 784, 256, 5)),
    Case("batch 64", dtype="float32", sizes=(1, 64, 784, 256, 32)),
    Case("population", dtype="float32", sizes=(1000, 100, 4, 8, 5)),
    Case("population in double precision", sizes=(1000, 100, 4, 8, 5)),
]


@pytest.mark.gpu
@pytest.mark.parametrize("case", ON_GPU, ids=lambda case: case.name)
def test_kernels_on_the_device_equal_the_basis_of_the_library(case: Case):
    tolerance = TOLERANCES["bfloat16" if case.precision == "bf16" else case.dtype]
    assert max(measured(case, "cuda")) < 4 * tolerance


@pytest.mark.gpu
def test_tf32_is_as_exact_as_its_mantissa():
    case = Case("tf32", dtype="float32", precision="tf32", sizes=(1, 1500, 784, 256, 5))
    assert max(measured(case, "cuda")) < 4e-3


@pytest.mark.gpu
def test_sums_in_parts_are_the_same_in_every_run():
    case = Case("again", dtype="float32", sizes=(1, 64, 784, 256, 5))
    problem = make(case, "cuda")
    runs = [launch_sum(problem.x, problem.weight, problem.grid, case.features, "tf32").clone() for _ in range(50)]
    assert all(torch.equal(runs[0], run) for run in runs[1:])


@pytest.mark.gpu
def test_a_recorded_step_is_a_step_of_adam():
    x, y = batch(device="cuda")
    assert StaticStep(Small("cuda"), nn.functional.mse_loss, x, y).is_recorded
    wanted, found = static_losses("cuda")
    assert found == pytest.approx(wanted, rel=1e-8)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(everything()) + "\n")
