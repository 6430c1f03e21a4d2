"""Changes of variables for coefficients: they are exact, they can be undone, and they tame the penalty."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dct, idct
from torch import Tensor

from kansym.bases import Basis, BSpline
from kansym.bases.parameterisation import (
    FOURIER_FROM,
    PARAMETERISATIONS,
    CosineTransform,
    DemmlerReinsch,
    Parameterisation,
    Plain,
    PrefixSum,
    bend_unit,
    cosine_transform,
    data_root,
    inverse_cosine_transform,
    second_differences,
)
from tests.benchmarks.conditioning import scaled_cosines, with_rank_two

CASES: dict[str, Parameterisation] = {
    "plain": Plain(),
    "prefix-sum": PrefixSum(),
    "prefix-sum, from the left": PrefixSum(centred=False),
    "dct": CosineTransform(),
    "demmler-reinsch": DemmlerReinsch(),
    "demmler-reinsch, strong": DemmlerReinsch(strength=3.0),
}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def even(intervals: int, degree: int = 3) -> BSpline:
    ends = torch.tensor([-1.0, 2.0], dtype=torch.float64)
    return BSpline.create(ends[0], ends[1], intervals, degree)


def uneven(members: int = 2, inputs: int = 3) -> BSpline:
    """A basis with a grid of its own for every (member, input)."""
    widths = 0.2 + torch.rand(members, inputs, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return BSpline.from_breaks(widths.cumsum(-1) - 2, 3)


def condition(rows: Tensor) -> float:
    """The condition number of rows' rows where it is not 0 by its shape: no null space has to be guessed."""
    singular = torch.linalg.svdvals(rows)
    return float((singular[0] / singular[-1]) ** 2)


def penalty_of(matrix: Tensor) -> Tensor:
    return second_differences(matrix.shape[-1]) @ matrix


def test_every_registered_parameterisation_is_tested() -> None:
    assert {type(case) for case in CASES.values()} == set(PARAMETERISATIONS)
    assert PARAMETERISATIONS.names() == ("plain", "prefix-sum", "dct", "demmler-reinsch")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("basis", [even(5), even(40), even(1, 0), even(1, 1), even(2, 1), even(3, 1), uneven()])
def test_expand_is_the_product_with_the_matrix_and_contract_undoes_it(name: str, basis: Basis) -> None:
    case, raw = CASES[name], normal(*basis.grid.shape[:-1], basis.size, 4)
    coefficients = case.expand(raw, basis)
    matrix = case.matrix(basis)
    assert matrix.shape == (*basis.grid.shape[:-1], basis.size, basis.size) and coefficients.shape == raw.shape
    torch.testing.assert_close(coefficients, matrix @ raw, rtol=1e-12, atol=1e-11)
    torch.testing.assert_close(case.contract(coefficients, basis), raw, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(case.expand(case.contract(raw, basis), basis), raw, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_every_batch_entry_is_the_single_case(name: str) -> None:
    case, basis, raw = CASES[name], uneven(), normal(2, 3, 9, 4)
    whole = case.expand(raw, basis)
    for member in range(2):
        for source in range(3):
            alone = case.expand(raw[member, source], BSpline(basis.grid[member, source]))
            torch.testing.assert_close(whole[member, source], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("degree", [1, 3])
@pytest.mark.parametrize("intervals", [8, 64, 512])
@pytest.mark.parametrize("name", ["prefix-sum", "prefix-sum, from the left", "dct"])
def test_the_penalty_is_the_identity_but_for_constant_and_line(name: str, intervals: int, degree: int) -> None:
    basis = even(intervals, degree)
    matrix = CASES[name].matrix(basis)
    bends = penalty_of(matrix) / bend_unit(basis.size)
    expected = torch.eye(basis.size, dtype=torch.float64)
    expected[0, 0] = expected[1, 1] = 0
    torch.testing.assert_close(bends.mT @ bends, expected, rtol=0, atol=1e-6)
    assert condition(penalty_of(matrix)) < 1 + 1e-6
    # A constant and a line, whose steps are all alike.
    assert float(matrix[:, 0].diff().abs().max()) < 1e-11 < float(matrix[0, 0].abs())
    assert float(matrix[:, 1].diff().diff().abs().max()) < 1e-11 < float(matrix[:, 1].diff().min())


def test_the_plain_penalty_grows_with_the_fourth_power() -> None:
    first, last = (condition(penalty_of(Plain().matrix(even(n)))) for n in (64, 128))
    assert 14 < last / first < 16.5


@pytest.mark.parametrize("strength", [0.0, 1e-4, 10.0])
@pytest.mark.parametrize("basis", [even(8), even(512), even(64, 1), uneven()])
def test_demmler_reinsch_makes_data_and_penalty_together_the_identity(strength: float, basis: BSpline) -> None:
    case = DemmlerReinsch(strength)
    matrix = case.matrix(basis)
    data, bends = data_root(basis) @ matrix, penalty_of(matrix)
    both = data.mT @ data + strength * bends.mT @ bends
    torch.testing.assert_close(both, torch.eye(basis.size, dtype=both.dtype).expand_as(both), rtol=0, atol=1e-5)
    rough = case.roughness(basis)
    torch.testing.assert_close(
        bends.mT @ bends, torch.diag_embed(rough / (1 + strength * rough)), rtol=1e-5, atol=1e-6 * float(rough.max())
    )
    assert bool((rough.diff() >= 0).all()) and not bool(rough[..., :2].any())


def test_demmler_reinsch_follows_the_samples_that_it_is_given() -> None:
    basis = uneven()
    low, high = (end.unsqueeze(-1) for end in basis.domain)
    samples = low + (high - low) * torch.rand(2, 3, 500, dtype=torch.float64) ** 2
    values = basis.per_point().evaluate(samples) @ DemmlerReinsch(samples=samples).matrix(basis)
    products = values.mT @ values / 500
    torch.testing.assert_close(products, torch.eye(9, dtype=products.dtype).expand_as(products), rtol=0, atol=1e-5)


def test_functions_that_no_sample_touches_stay_finite() -> None:
    basis, samples = even(8), torch.linspace(-1, 0, 50, dtype=torch.float64)
    case = DemmlerReinsch(strength=1e-3, samples=samples)
    raw = normal(basis.size, 2)
    coefficients = case.expand(raw, basis)
    assert bool(coefficients.isfinite().all())
    torch.testing.assert_close(case.contract(coefficients, basis), raw, rtol=1e-6, atol=1e-6)


@given(st.integers(3, 60), st.integers(1, 3), st.integers(0, 100))
def test_no_parameterisation_tames_both_terms(intervals: int, degree: int, seed: int) -> None:
    """The product of the conditions is at least the penalty's against the data, whatever the change of variables."""
    basis = even(intervals, degree)
    pair = condition(penalty_of(DemmlerReinsch().matrix(basis)))
    matrices = [case.matrix(basis) for case in CASES.values()] + [normal(basis.size, basis.size, seed=seed)]
    for matrix in matrices:
        assert condition(penalty_of(matrix)) * condition(data_root(basis) @ matrix) > pair * (1 - 1e-6)


@pytest.mark.parametrize("degree", [0, 1, 3, 5])
def test_the_root_of_the_data_term_is_that_of_a_dense_even_sample(degree: int) -> None:
    basis = BSpline.from_breaks(torch.tensor([-1.0, -0.4, 0.1, 0.2, 1.5], dtype=torch.float64), degree)
    low, high = basis.domain
    middles = low + (high - low) * (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    values = basis.evaluate(middles)
    root = data_root(basis)
    torch.testing.assert_close(root.mT @ root, values.mT @ values / 200_000, rtol=0, atol=1e-5)
    assert not bool(root.tril(-1).any())


@pytest.mark.parametrize("size", [1, 2, 5, 64, FOURIER_FROM, FOURIER_FROM + 1])
def test_the_cosine_transform_equals_scipy(size: int) -> None:
    values = normal(2, size, 3)
    there = torch.from_numpy(dct(values.numpy(), axis=-2, norm="ortho"))
    back = torch.from_numpy(idct(values.numpy(), axis=-2, norm="ortho"))
    torch.testing.assert_close(cosine_transform(values), there, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(inverse_cosine_transform(values), back, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("intervals", [6, FOURIER_FROM])
def test_gradients_pass_through(name: str, intervals: int) -> None:
    basis, case = even(intervals, 1), CASES[name]
    raw = normal(basis.size, 1).requires_grad_()
    weights = normal(basis.size, 1, seed=1)
    (slope,) = torch.autograd.grad((weights * case.expand(raw, basis)).sum(), raw)
    torch.testing.assert_close(slope, case.matrix(basis).mT @ weights, rtol=1e-9, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_single_precision_follows_double(name: str, dtype: torch.dtype) -> None:
    grid, case, raw = even(20).grid.float(), CASES[name], normal(23, 4)
    coarse, exact = case.expand(raw.to(dtype), BSpline(grid)), case.expand(raw, BSpline(grid.double()))
    assert coarse.dtype == dtype
    assert float((coarse - exact).abs().max()) < 40 * torch.finfo(dtype).eps * float(exact.abs().max())


def test_raw_numbers_of_order_one_give_functions_of_order_one_at_every_size() -> None:
    for name in ("prefix-sum", "dct", "demmler-reinsch"):
        sizes = []
        for intervals in (8, 64, 512):
            basis = even(intervals)
            sizes.append(float(torch.linalg.matrix_norm(data_root(basis) @ CASES[name].matrix(basis), 2)))
        assert 0.9 < min(sizes) <= max(sizes) < 10, name


@pytest.mark.parametrize("size", [11, 36, 259])
def test_cosines_of_the_coefficients_need_a_correction_of_rank_two(size: int) -> None:
    """What `dct` is measured against: scaled cosines have a penalty of condition B / 2, two directions make it 1."""
    scaled = scaled_cosines(size)
    assert condition(penalty_of(scaled)) == pytest.approx(size / 2, rel=1e-6)
    assert condition(penalty_of(with_rank_two(scaled))) < 1 + 1e-6


@pytest.mark.parametrize("name", CASES)
def test_parameterisations_export_to_the_same_numbers(name: str) -> None:
    case, raw = CASES[name], normal(2, 3, 9, 4)

    class Expand(torch.nn.Module):
        def forward(self, grid: Tensor, raw: Tensor) -> Tensor:
            return case.expand(raw, BSpline(grid))

    grid = uneven().grid
    exported = torch.export.export(Expand(), (grid, raw)).module()
    torch.testing.assert_close(exported(grid, raw), case.expand(raw, BSpline(grid)), rtol=1e-10, atol=1e-10)
