"""Dataset, Split, Scaler, errors and the registry."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from kansym.data import Dataset, Scaler, split_rows
from kansym.errors import ConfigError, DataError, KansymError, did_you_mean, quote
from kansym.registry import Registry

TABLE = Dataset.from_arrays([[1.0, 5.0], [2.0, 7.0], [3.0, 6.0]], [1.0, 4.0, 9.0], names=["a", "b"], target="P")


def test_arrays_become_a_data_set_with_default_names():
    data = Dataset.from_arrays([[1, 2], [3, 4]], [5, 6])
    assert (data.input_names, data.target_names) == (("x0", "x1"), ("y",))
    assert (data.rows, data.columns, data.inputs.dtype) == (2, 2, np.float64)
    assert data.targets.shape == (2, 1)
    assert data.input_units == (None, None)


def test_one_input_and_two_targets_are_taken():
    data = Dataset.from_arrays([1, 2, 3], [[1, 2], [3, 4], [5, 6]], target=("u", "v"))
    assert data.inputs.shape == (3, 1)
    assert data.target_names == ("u", "v")


def test_a_data_set_cannot_be_changed_and_does_not_share_memory():
    values = np.ones((4, 1))
    data = Dataset.from_arrays(values, np.arange(4))
    values[0, 0] = 99
    assert data.inputs[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        data.inputs[0, 0] = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.source = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"inputs": [[1], [2]], "targets": [1, 2, 3]}, "same number of rows"),
        ({"inputs": [[1], [2, 3]], "targets": [1, 2]}, "rows of equal length"),
        ({"inputs": [[1j], [2]], "targets": [1, 2]}, "real numbers"),
        ({"inputs": [["red"], ["blue"]], "targets": [1, 2]}, "real numbers"),
        ({"inputs": np.zeros((2, 2, 2)), "targets": [1, 2]}, "at most two dimensions"),
        ({"inputs": [[1, 2], [3, 4]], "targets": [1, 2], "names": ["a"]}, "2 columns, 1 names"),
        ({"inputs": [[1, 2], [3, 4]], "targets": [1, 2], "names": ["a", " "]}, "blank"),
        ({"inputs": [[1, 2], [3, 4]], "targets": [1, 2], "names": ["a", "a"]}, "'a' is used twice"),
        ({"inputs": [[1, 2], [3, 4]], "targets": [1, 2], "names": ["a", "y"]}, "'y' is used twice"),
        (
            {"inputs": [[1], [np.nan]], "targets": [1, 2]},
            "column 'x0' has 1 values that are not finite (first at row 2)",
        ),
        ({"inputs": [[1], [2]], "targets": [1, np.inf]}, "column 'y'"),
        ({"inputs": np.zeros((2, 0)), "targets": [1, 2]}, "at least one"),
    ],
)
def test_impossible_arrays_are_refused(arguments, said):
    with pytest.raises(DataError) as refusal:
        Dataset.from_arrays(**arguments)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"weights": [1, -1, 1]}, "weights must be 0 or above"),
        ({"weights": [0, 0, 0]}, "not all 0"),
        ({"weights": [1, 1]}, "one number for each of 3 rows"),
        ({"sigma": [1, 0, 1]}, "sigma must be above 0"),
        ({"sigma": [1, np.nan, 1]}, "sigma has 1 values that are not finite"),
        ({"input_units": ("m",)}, "1 units"),
    ],
)
def test_impossible_weights_and_errors_are_refused(extra, said):
    with pytest.raises(DataError) as refusal:
        dataclasses.replace(TABLE, **extra)
    assert said in str(refusal.value)


def test_taking_rows_keeps_weights_errors_and_units_together():
    data = dataclasses.replace(TABLE, weights=np.array([1.0, 2.0, 3.0]), sigma=np.array([0.1, 0.2, 0.3]), source="here")
    part = data.take(np.array([2, 0]))
    np.testing.assert_array_equal(part.inputs, [[3, 6], [1, 5]])
    np.testing.assert_array_equal(part.targets, [[9], [1]])
    np.testing.assert_array_equal(part.weights, [3, 1])
    np.testing.assert_array_equal(part.sigma, [0.3, 0.1])
    assert (part.source, part.input_names) == ("here", ("a", "b"))


def test_taking_no_rows_gives_an_empty_data_set_of_the_same_columns():
    part = dataclasses.replace(TABLE, weights=np.ones(3)).take(np.array([]))
    assert (part.rows, part.columns) == (0, 2)


def test_rows_can_be_taken_by_a_mask():
    assert TABLE.take(np.array([True, False, True])).targets.ravel().tolist() == [1, 9]


def test_inputs_are_selected_in_the_order_asked_for():
    part = dataclasses.replace(TABLE, input_units=("m", "s")).select_inputs(["b", "a"])
    assert (part.input_names, part.input_units) == (("b", "a"), ("s", "m"))
    np.testing.assert_array_equal(part.inputs[0], [5, 1])


def test_selecting_an_unknown_input_names_the_nearest():
    data = Dataset.from_arrays([[1, 2]], [3], names=["mass", "length"])
    with pytest.raises(DataError, match="no input is called 'masss': did you mean 'mass'"):
        data.select_inputs(["masss"])


def test_constant_inputs_are_dropped_with_a_note():
    data = Dataset.from_arrays([[1, 7], [2, 7]], [1, 2], names=["a", "b"]).drop_constant_inputs()
    assert data.input_names == ("a",)
    assert data.notes == ("input 'b' is constant (7) and was left out",)


def test_only_constant_inputs_are_refused():
    with pytest.raises(DataError, match="every input column is constant"):
        Dataset.from_arrays([[7], [7]], [1, 2]).drop_constant_inputs()


def test_the_digest_follows_numbers_and_names_but_not_the_source():
    assert dataclasses.replace(TABLE, source="other.csv", notes=("x",)).digest == TABLE.digest
    assert dataclasses.replace(TABLE, input_names=("a", "c")).digest != TABLE.digest
    assert dataclasses.replace(TABLE, inputs=TABLE.inputs + 1e-15).digest != TABLE.digest
    assert dataclasses.replace(TABLE, weights=np.ones(3)).digest != dataclasses.replace(TABLE, sigma=np.ones(3)).digest
    assert TABLE.take(np.array([1, 0, 2])).digest != TABLE.digest


@given(rows=st.integers(0, 500), seed=st.integers(0, 2**63))
def test_a_split_uses_every_row_once(rows, seed):
    split = split_rows(rows, seed)
    everything = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everything.tolist()) == list(range(rows))
    again = split_rows(rows, seed)
    assert again.train.tolist() == split.train.tolist()
    assert again.test.tolist() == split.test.tolist()


def test_a_hundred_rows_are_split_60_20_20_and_shuffled():
    split = split_rows(100, seed=1)
    assert [len(split.train), len(split.validation), len(split.test)] == [60, 20, 20]
    assert split.train.tolist() != sorted(split.train.tolist())
    assert split.train.tolist() != split_rows(100, seed=2).train.tolist()


@pytest.mark.parametrize(("rows", "held_out"), [(29, 0), (30, 6)])
def test_below_thirty_rows_nothing_is_held_out(rows, held_out):
    split = split_rows(rows, seed=0)
    assert (len(split.train), len(split.test)) == (rows - 2 * held_out, held_out)


@pytest.mark.parametrize(("rows", "seed"), [(10, -1), (-1, 0)])
def test_a_negative_seed_or_size_is_refused(rows, seed):
    with pytest.raises(ConfigError, match="must not be negative"):
        split_rows(rows, seed)


@given(
    unit=arrays(np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8), elements=st.floats(-1, 1)),
    exponent=st.integers(-34, 30),
)
def test_scaling_and_back_gives_the_same_numbers(unit, exponent):
    raw = unit * 10.0**exponent
    scaler = Scaler.fit(raw)
    assert (scaler.scale > 0).all()
    scaled = scaler.apply(raw)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaler.invert(scaled), raw, rtol=1e-12, atol=4e-15 * np.abs(raw).max())


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e-34, 1e-9, 1.0, 1e30, 1e160, 1e300])
def test_scaled_numbers_do_not_depend_on_the_unit(factor):
    raw = np.random.Generator(np.random.PCG64(3)).normal(2.0, 3.0, (50, 2))
    reference = Scaler.fit(raw).apply(raw)
    scaled = Scaler.fit(raw * factor).apply(raw * factor)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(scaled, reference, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1e-34, -2.5, 1e30])
def test_a_constant_column_scales_to_zero(value):
    scaler = Scaler.fit(np.full((5, 1), value))
    assert scaler.scale[0] > 0
    np.testing.assert_array_equal(scaler.apply(np.full((5, 1), value)), 0)


def test_a_narrow_column_far_from_zero_keeps_its_spread():
    raw = 1e9 + np.arange(10.0)[:, None]
    np.testing.assert_allclose(Scaler.fit(raw).scale, np.arange(10).std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("shift", "scale"), [([0.0], [0.0]), ([0.0], [-1.0]), ([0.0, 1.0], [1.0]), ([np.nan], [1.0]), ([0.0], [np.inf])]
)
def test_an_impossible_scaler_is_refused(shift, scale):
    with pytest.raises(DataError):
        Scaler(np.array(shift), np.array(scale))


@pytest.mark.parametrize("array", [np.zeros((0, 2)), np.zeros(3), np.array([[np.nan], [1.0]])])
def test_a_scaler_cannot_be_fitted_to_nothing(array):
    with pytest.raises(DataError):
        Scaler.fit(array)


@given(st.text(max_size=60))
def test_an_error_is_one_printable_line_whatever_it_quotes(text):
    message = str(KansymError(f"column {quote(text)} is bad"))
    assert message.isprintable()
    assert len(message.splitlines()) == 1


def test_terminal_codes_do_not_survive_in_a_message():
    assert str(DataError("name \x1b[31mred\nnext")) == "name \\x1b[31mred\\nnext"


def test_a_long_name_is_cut_in_a_message():
    assert len(quote("x" * 10_000)) == 62


def test_without_a_near_name_the_first_names_are_listed():
    assert did_you_mean("qqq", ["alpha", "beta"]) == "choose from 'alpha', 'beta'"
    assert did_you_mean("x", [str(i) + "abc" for i in range(10)]).endswith("and 2 more")
    assert did_you_mean("T", ["t"]) == "did you mean 't'?"
    assert did_you_mean("T", []) == "there is none to choose from"


def test_a_registry_finds_entries_by_name_in_order():
    registry: Registry[object] = Registry("basis")

    @registry.register("bspline")
    class Spline:
        pass

    registry.add("fourier", "second")
    assert registry.names() == ("bspline", "fourier")
    assert list(registry) == [Spline, "second"]
    assert registry.items()[1] == ("fourier", "second")
    assert registry.get("bspline") is Spline
    assert len(registry) == 2
    assert "fourier" in registry


def test_a_registry_refuses_unknown_taken_and_blank_names():
    registry: Registry[int] = Registry("basis")
    registry.add("bspline", 1)
    with pytest.raises(ConfigError, match="unknown basis 'bsplin': did you mean 'bspline'"):
        registry.get("bsplin")
    with pytest.raises(ConfigError, match="already registered"):
        registry.add("bspline", 2)
    with pytest.raises(ConfigError, match="not blank"):
        registry.add(" ", 3)
