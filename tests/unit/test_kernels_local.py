"""The local-tap kernel equals the dense torch form in values and in derivatives of every order that it has."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import grad, gradcheck, gradgradcheck

from kansym.bases import BSpline
from kansym.kernels import local, native
from kansym.kernels.local import plain_spline_sum, spline_sum

HAS_KERNEL = local.is_available(torch.zeros(1), 3)
needs_kernel = pytest.mark.skipif(not HAS_KERNEL, reason="the native kernel cannot be compiled here")
ROUNDING = {torch.float64: 1e-12, torch.float32: 2e-5}
EVEN = pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def _basis(inputs: int, intervals: int, degree: int, even: bool, seed: int = 0) -> BSpline:
    """Splines of float64 on an own domain for every input."""
    generator = torch.Generator().manual_seed(seed)
    low = -1 - torch.rand(inputs, generator=generator, dtype=torch.float64)
    if even:
        return BSpline.create(low, -low + 0.5, intervals, degree)
    widths = 0.3 + torch.rand(inputs, intervals, generator=generator, dtype=torch.float64)
    steps = torch.cat([torch.zeros(inputs, 1, dtype=torch.float64), widths.cumsum(-1)], -1)
    return BSpline.from_breaks(low.unsqueeze(-1) + 2.5 * steps / steps[:, -1:], degree)


def _points(rows: int, basis: BSpline, seed: int = 1) -> Tensor:
    """Points inside and outside the domain, and where there are rows enough on its ends and on a knot."""
    generator = torch.Generator().manual_seed(seed)
    x = 1.2 * torch.randn(rows, basis.grid.shape[0], generator=generator, dtype=torch.float64)
    marks = [basis.domain[0], basis.domain[1], basis.breaks[:, basis.intervals // 2]]
    for row, mark in zip(range(3, rows), marks, strict=False):
        x[row] = mark
    return x


def _case(
    shape: tuple[int, int, int], intervals: int, degree: int, base: bool, even: bool
) -> tuple[BSpline, Tensor, Tensor, Tensor]:
    """A basis, points (N, I), weights (I, F, O) and a gradient of the outputs (N, O), in float64."""
    rows, inputs, outputs = shape
    basis = _basis(inputs, intervals, degree, even)
    generator = torch.Generator().manual_seed(2)
    features = basis.size + int(base)
    weight = torch.randn(inputs, features, outputs, generator=generator, dtype=torch.float64)
    gradient = torch.randn(rows, outputs, generator=generator, dtype=torch.float64)
    return basis, _points(rows, basis), weight, gradient


def _reference(basis: BSpline, x: Tensor, base: bool, order: int) -> Tensor:
    """The features or their slopes (N, I, F), by the dense form."""
    values = basis.derivative(x, order)
    if not base:
        return values
    gate = torch.sigmoid(x)
    branch = x * gate if order == 0 else gate * (1 + x * (1 - gate))
    return torch.cat([values, branch.unsqueeze(-1)], -1)


def _assert_close(found: Tensor, expected: Tensor, intervals: int) -> None:
    """A point's place is rounded relative to the whole domain, so the error in its piece grows with their number."""
    scale = (1 + expected.abs().max()) * max(1, intervals / 32)
    assert ((found.double() - expected).abs().max() / scale).item() < ROUNDING[found.dtype]


def _assert_equals_reference(
    shape: tuple[int, int, int], intervals: int, degree: int, base: bool, even: bool, dtype: torch.dtype
) -> None:
    basis, x, weight, gradient = _case(shape, intervals, degree, base, even)
    # the numbers are rounded first, so that only the arithmetic is compared
    basis = basis.to(dtype)
    x, weight, gradient = (tensor.to(dtype) for tensor in (x, weight, gradient))
    points, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
    sums = spline_sum(points, weights, basis.grid, degree, base, even)
    by_x, by_weight = grad(sums, (points, weights), gradient)
    wide = basis.to(torch.float64)
    values, slopes = (_reference(wide, x.double(), base, order) for order in (0, 1))
    _assert_close(sums, torch.einsum("nif,ifo->no", values, weight.double()), intervals)
    _assert_close(by_weight, torch.einsum("nif,no->ifo", values, gradient.double()), intervals)
    kept = _away_from_knots(basis, x)
    expected = torch.einsum("nif,ifo,no->ni", slopes, weight.double(), gradient.double())
    _assert_close(by_x[kept], expected[kept], intervals)


def _away_from_knots(basis: BSpline, x: Tensor) -> Tensor:
    """Where a rounding does not move a point to the next piece, on which the slope may be another."""
    distance = (x.unsqueeze(-1) - basis.breaks).abs().min(-1).values
    return distance > 1e3 * torch.finfo(x.dtype).eps if basis.degree == 1 else torch.ones_like(x, dtype=torch.bool)


@needs_kernel
@DTYPES
@EVEN
@pytest.mark.parametrize("base", [True, False], ids=["base", "bare"])
@pytest.mark.parametrize("degree", range(1, 6))
def test_values_and_gradients_equal_the_dense_form_for_every_degree(
    degree: int, base: bool, even: bool, dtype: torch.dtype
) -> None:
    for intervals in (1, 5):
        _assert_equals_reference((150, 3, 10), intervals, degree, base, even, dtype)


@needs_kernel
@DTYPES
@EVEN
@pytest.mark.parametrize("intervals", [1, 2, 5, 32, 128])
def test_values_and_gradients_equal_the_dense_form_on_every_grid(
    intervals: int, even: bool, dtype: torch.dtype
) -> None:
    _assert_equals_reference((150, 3, 10), intervals, 3, True, even, dtype)


@needs_kernel
@DTYPES
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 40, 7), (17, 5, 10), (129, 2, 65), (300, 3, 300), (2500, 20, 24), (40, 18, 128)]
)
def test_values_and_gradients_equal_the_dense_form_for_odd_shapes(
    shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    _assert_equals_reference(shape, 5, 3, True, True, dtype)
    _assert_equals_reference(shape, 2, 1, False, False, dtype)


@needs_kernel
@EVEN
def test_steps_of_degree_zero_equal_the_weight_of_their_piece(even: bool) -> None:
    basis = _basis(2, 5, 0, even)
    weight = torch.arange(10, dtype=torch.float64).reshape(2, 5, 1)
    middles = 0.5 * (basis.breaks[:, 1:] + basis.breaks[:, :-1])  # (I, G)
    x = torch.cat([middles[:, :1] - 9, middles, middles[:, -1:] + 9], 1).mT.contiguous()
    sums = spline_sum(x, weight, basis.grid, 0, False, even)
    expected = torch.tensor([5, 5, 7, 9, 11, 13, 13], dtype=torch.float64)
    torch.testing.assert_close(sums[:, 0], expected, rtol=0, atol=0)


@needs_kernel
def test_silu_is_exact_far_out() -> None:
    x = torch.linspace(-1000, 1000, 4001, dtype=torch.float64).unsqueeze(1).requires_grad_()
    weight = torch.zeros(1, 5, 1, dtype=torch.float64)
    weight[0, -1] = 1
    sums = spline_sum(x, weight, _basis(1, 1, 3, True).grid, 3, True, True)
    torch.testing.assert_close(sums, torch.nn.functional.silu(x), rtol=2e-15, atol=1e-300)


@needs_kernel
@EVEN
@pytest.mark.parametrize("degree", [1, 3])
def test_first_and_second_derivatives_pass_finite_differences(degree: int, even: bool) -> None:
    basis, x, weight, _ = _case((4, 3, 5), 3, degree, True, even)
    x = (x + 0.01).requires_grad_()
    weight.requires_grad_()

    def run(points: Tensor, weights: Tensor) -> Tensor:
        return spline_sum(points, weights, basis.grid, degree, True, even)

    assert gradcheck(run, (x, weight))
    assert gradgradcheck(run, (x, weight))


@needs_kernel
@EVEN
@pytest.mark.parametrize("base", [True, False], ids=["base", "bare"])
def test_the_loss_of_a_differential_equation_has_the_gradient_of_the_dense_form(base: bool, even: bool) -> None:
    basis, x, weight, _ = _case((20, 2, 3), 4, 5, base, even)
    found, expected = (
        _equation_gradients(function, x, weight, basis, base, even) for function in (spline_sum, plain_spline_sum)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def _equation_gradients(
    function, x: Tensor, weight: Tensor, basis: BSpline, base: bool, even: bool
) -> tuple[Tensor, ...]:
    """Gradients of the mean square of u'' + u u' by points and weights."""
    points, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
    field = function(points, weights, basis.grid, basis.degree, base, even)
    first = grad(field.sum(), points, create_graph=True)[0]
    second = grad((first**2).sum(), points, create_graph=True)[0]
    return grad(((second + field.sum(1, keepdim=True) * first) ** 2).mean(), (points, weights))


@needs_kernel
def test_a_fifth_derivative_is_refused_in_words() -> None:
    basis = _basis(1, 3, 5, True)
    value = x = torch.full((1, 1), 0.1, dtype=torch.float64, requires_grad=True)
    value = spline_sum(x, torch.ones(1, 9, 1, dtype=torch.float64), basis.grid, 5, True, True)
    for _ in range(4):
        value = grad(value.sum(), x, create_graph=True)[0]
    with pytest.raises(NotImplementedError, match="plain_spline_sum"):
        grad(value.sum(), x)


@needs_kernel
@pytest.mark.parametrize("wanted", [(True, False), (False, True)])
def test_one_gradient_alone_equals_the_one_of_both(wanted: tuple[bool, bool]) -> None:
    basis, x, weight, gradient = _case((140, 3, 20), 5, 3, True, True)
    tensors = [x.requires_grad_(), weight.requires_grad_()]
    both = grad(spline_sum(x, weight, basis.grid, 3, True, True), tensors, gradient)
    alone = [tensor.detach().requires_grad_(want) for tensor, want in zip(tensors, wanted, strict=True)]
    needed = [tensor for tensor in alone if tensor.requires_grad]
    found = grad(spline_sum(alone[0], alone[1], basis.grid, 3, True, True), needed, gradient)
    assert torch.equal(found[0], both[wanted.index(True)])


@needs_kernel
def test_the_result_is_the_same_bit_by_bit_in_every_run() -> None:
    basis, x, weight, gradient = _case((700, 40, 80), 5, 3, True, True)
    x, weight, gradient = (tensor.float() for tensor in (x, weight, gradient))
    knots = basis.to(torch.float32).grid

    def run() -> tuple[Tensor, ...]:
        points, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
        sums = spline_sum(points, weights, knots, 3, True, True)
        return (sums, *grad(sums, (points, weights), gradient))

    first = run()
    for _ in range(3):
        assert all(torch.equal(one, other) for one, other in zip(run(), first, strict=True))


@needs_kernel
def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    basis, x, weight, _ = _case((400, 5, 33), 5, 3, True, True)
    together = spline_sum(x, weight, basis.grid, 3, True, True)
    assert torch.equal(spline_sum(x[390:391], weight, basis.grid, 3, True, True), together[390:391])


@needs_kernel
def test_strided_tensors_are_taken() -> None:
    basis, x, weight, _ = _case((30, 4, 6), 5, 3, True, True)
    found = spline_sum(x.mT.contiguous().mT, weight.mT.contiguous().mT, basis.grid, 3, True, True)
    assert torch.equal(found, spline_sum(x, weight, basis.grid, 3, True, True))


@needs_kernel
def test_no_rows_give_no_sums_and_a_zero_gradient() -> None:
    basis, x, weight, _ = _case((0, 4, 6), 5, 3, True, True)
    sums = spline_sum(x, weight.requires_grad_(), basis.grid, 3, True, True)
    assert sums.shape == (0, 6)
    assert grad(sums.sum(), weight)[0].abs().max() == 0


@needs_kernel
def test_a_point_that_is_not_a_number_spoils_only_its_own_row() -> None:
    basis, x, weight, _ = _case((20, 3, 4), 5, 3, True, True)
    x[7, 1] = torch.nan
    rows = spline_sum(x, weight, basis.grid, 3, True, True).isnan().all(1)
    assert rows.nonzero().flatten().tolist() == [7]


@needs_kernel
def test_compiled_torch_gives_the_same(recwarn: pytest.WarningsRecorder) -> None:
    basis, x, weight, gradient = _case((20, 3, 4), 5, 3, True, True)

    def run(points: Tensor, weights: Tensor) -> Tensor:
        return torch.tanh(spline_sum(2 * points, weights, basis.grid, 3, True, True))

    results = []
    for function in (run, torch.compile(run, backend="aot_eager", fullgraph=True)):
        points, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
        sums = function(points, weights)
        results.append((sums, *grad(sums, (points, weights), gradient)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


@needs_kernel
def test_the_operators_keep_torchs_rules() -> None:
    basis, x, weight, gradient = _case((5, 3, 4), 5, 3, True, True)
    settings = (3, True, True, 0)
    cases = [
        (torch.ops.kansym.spline_sums, (x, weight, basis.grid, None)),
        (torch.ops.kansym.spline_weight_sums, (x, gradient, basis.grid, x)),
        (torch.ops.kansym.spline_input_sums, (x, gradient, weight, basis.grid)),
    ]
    for operator, tensors in cases:
        points = tensors[0].clone().requires_grad_()
        torch.library.opcheck(operator.default, (points, *tensors[1:], *settings))


def test_without_native_code_plain_torch_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.SWITCH, "0")
    basis, x, weight, _ = _case((10, 3, 4), 5, 3, True, True)
    assert not local.is_available(x, 3)
    found = spline_sum(x, weight, basis.grid, 3, True, True)
    assert torch.equal(found, plain_spline_sum(x, weight, basis.grid, 3, True, True))


def test_the_operators_have_a_dense_form_for_graphs_compiled_where_there_is_no_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    basis, x, weight, gradient = _case((10, 3, 4), 5, 3, True, True)
    results = []
    for switch in ("0", "1"):
        monkeypatch.setenv(native.SWITCH, switch)
        points, weights = x.clone().requires_grad_(), weight.clone().requires_grad_()
        sums = local._sums(points, weights, basis.grid, None, 3, True, True, 0)
        first = grad(sums, (points, weights), gradient, create_graph=True)
        results.append((sums, *first, *grad(first[0].sum() + first[1].sum(), (points, weights))))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_knots_that_learn_get_their_gradient() -> None:
    basis, x, weight, _ = _case((10, 3, 4), 5, 3, True, False)
    knots = basis.grid.clone().requires_grad_()
    assert grad(spline_sum(x, weight, knots, 3, True, False).sum(), knots)[0].abs().max() > 0


def test_other_types_and_degrees_are_left_to_plain_torch() -> None:
    assert not local.is_available(torch.zeros(1, dtype=torch.bfloat16), 3)
    assert not local.is_available(torch.zeros(1), 6)
