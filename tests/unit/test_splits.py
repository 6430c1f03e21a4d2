"""Splits: the groups of columns that a law is made of, from its values at crossed points."""

import numpy as np
import pytest

from kansym.structure.rows import Rows
from kansym.structure.smooth import Smooth, fit_smooth
from kansym.structure.splits import Split, find_splits, others, pieces_of, slice_of
from kansym.symbolic.links import LINKS, usable

Array = np.ndarray
LOW, HIGH = 0.5, 2.5


def table(law, columns: int, noise: float = 0.0, count: int = 600) -> Rows:
    generator = np.random.Generator(np.random.PCG64(5))
    inputs = generator.uniform(LOW, HIGH, (count, columns))
    target = law(*inputs.T)
    target = target + noise * target.std() * generator.standard_normal(count)
    cut = count * 4 // 5
    return Rows(inputs[:cut], target[:cut], inputs[cut:], target[cut:])


def smooth_of(rows: Rows) -> Smooth:
    smooth = fit_smooth(rows)
    assert smooth is not None
    return smooth


def splits_of(rows: Rows) -> list[Split]:
    return find_splits(smooth_of(rows), rows, [link for link, _ in usable(rows.target)])


def named(splits: list[Split], kind: str, link: str = "y") -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(split.first, split.second) for split in splits if (split.kind, split.link) == (kind, link)]


def like(found: Array, truth: Array) -> float:
    return float(np.abs(np.corrcoef(found, truth)[0, 1]))


def test_a_product_of_groups_that_change_sign_is_found_and_comes_first():
    first = splits_of(table(lambda x, y, z, w: (x - np.sin(2 * y)) * (z - w**2), 4))[0]
    assert (first.kind, first.first, first.second) == ("product", (0, 1), (2, 3))


def test_a_sum_of_groups_is_found_under_a_link():
    splits = splits_of(table(lambda x, y, z: 1 / (x * np.exp(y) + np.sin(z) + 2), 3))
    assert ((0, 1), (2,)) in named(splits, "sum", "1/y")
    assert not named(splits, "sum")


def test_a_group_that_scales_and_shifts_a_function_of_the_others_is_found():
    splits = splits_of(table(lambda x, y, z: np.sqrt(x**2 + 2 * y) * np.cos(2 * z) + 0.7 * x, 3))
    assert named(splits, "affine") == [((0, 1), (2,))]


def test_a_group_that_enters_through_one_number_is_found():
    splits = splits_of(table(lambda x, y, z: np.tanh((x + np.sin(y)) / z), 3))
    assert ((0, 1), (2,)) in named(splits, "combination")


def test_noise_does_not_hide_a_product():
    splits = splits_of(table(lambda x, y, z: (x - y) * np.sin(z), 3, noise=0.02))
    assert ((0, 1), (2,)) in named(splits, "product")


def test_a_law_without_groups_has_no_split():
    assert splits_of(table(lambda x, y, z: np.sin(x * y + z * x + y * z**2 / 2), 3)) == []


def test_a_table_of_one_column_or_of_very_many_has_no_split():
    rows = table(lambda x: np.exp(x), 1)
    assert find_splits(smooth_of(rows), rows, LINKS[:1]) == []


def test_a_constant_target_has_no_surrogate():
    rows = table(lambda x, y: 0 * x + 3.0, 2)
    assert fit_smooth(rows) is None


def test_the_values_of_the_pieces_are_those_of_the_factors():
    rows = table(lambda x, y, z: (x - np.sin(2 * y)) * np.exp(-z), 3)
    pieces = pieces_of(smooth_of(rows), rows, Split("product", "y", (0, 1), (2,), 0.0), LINKS[0])
    assert pieces is not None
    x, y = pieces.first_points.T
    assert like(pieces.first, x - np.sin(2 * y)) > 0.99999
    assert pieces.second / pieces.second[0] == pytest.approx(
        np.exp(-pieces.second_points[:, 0]) / np.exp(-pieces.second_points[0, 0]), rel=1e-3
    )


def test_the_values_of_the_pieces_of_an_affine_law_give_the_law_back():
    rows = table(lambda x, y, z: x**2 + x * y * np.log(z), 3)
    pieces = pieces_of(smooth_of(rows), rows, Split("affine", "y", (0, 1), (2,), 0.0), LINKS[0])
    assert pieces is not None
    assert like(pieces.first, pieces.first_points.prod(axis=1)) > 0.99999
    assert like(pieces.second, np.log(pieces.second_points[:, 0])) > 0.99999


def test_crossed_points_far_from_the_rows_are_left_out():
    generator = np.random.Generator(np.random.PCG64(2))
    x = generator.uniform(1, 3, 600)
    inputs = np.column_stack([x, x + generator.uniform(-0.3, 0.3, 600), generator.uniform(0, 2, 600)])
    target = inputs[:, 0] * np.sin(inputs[:, 1]) + np.exp(inputs[:, 2])
    rows = Rows(inputs[:480], target[:480], inputs[480:], target[480:])
    assert ((0, 1), (2,)) in named(splits_of(rows), "sum")


def test_a_slice_is_the_target_at_one_value_of_the_other_columns():
    rows = table(lambda x, y, z: np.tanh((x + np.sin(y)) / z), 3)
    cut = slice_of(smooth_of(rows), rows, Split("combination", "y", (0, 1), (2,), 0.0))
    assert cut is not None
    points, values = cut
    middle = np.median(rows.inputs[:, 2])
    assert values == pytest.approx(np.tanh((points[:, 0] + np.sin(points[:, 1])) / middle), abs=1e-3)


def test_the_same_table_gives_the_same_splits():
    rows = table(lambda x, y, z: (x - y) * np.sin(z), 3)
    assert splits_of(rows) == splits_of(rows)


def test_the_other_columns_of_a_group():
    assert others(4, (0, 2)) == (1, 3)
