"""Tables in blocks of rows: every format gives the same rows, in bounded memory, and refuses bad files in one line."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.data import Scaler, TableOptions
from kansym.data.stream import (
    RowSource,
    column_statistics,
    is_large,
    open_rows,
    read_sample,
    rows_of_arrays,
    streamed_errors,
)
from kansym.data.stream.arrays import ArrayRows, Mapped
from kansym.errors import ConfigError, DataError, KansymError

ROWS = 9000  # more than two runs of an array source
NAMES = ("a", "b [m]", "y")
ROOT = Path(__file__).parents[2]


def values(rows: int = ROWS) -> np.ndarray:
    """Numbers that survive a text file, (rows, 3)."""
    random = np.random.Generator(np.random.PCG64(5))
    return np.round(random.normal([1e6, 0, -3], [1, 5, 1e-3], (rows, 3)), 6)


def write_parquet(folder: Path, table: np.ndarray, row_group: int = 2000) -> Path:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = folder / "table.parquet"
    columns = {name: arrow.array(column, from_pandas=True) for name, column in zip(NAMES, table.T, strict=True)}
    parquet.write_table(arrow.table(columns), path, row_group_size=row_group)
    return path


def write_npy(folder: Path, table: np.ndarray) -> Path:
    np.save(folder / "table.npy", table)
    return folder / "table.npy"


def write_npy_by_columns(folder: Path, table: np.ndarray) -> Path:
    np.save(folder / "table.npy", np.asfortranarray(table))
    return folder / "table.npy"


def write_npy_records(folder: Path, table: np.ndarray) -> Path:
    records = np.zeros(len(table), dtype=[(name, "f8") for name in NAMES])
    for name, column in zip(NAMES, table.T, strict=True):
        records[name] = column
    np.save(folder / "table.npy", records)
    return folder / "table.npy"


def write_npz(folder: Path, table: np.ndarray) -> Path:
    np.savez(folder / "table.npz", **dict(zip(NAMES, table.T, strict=True)))
    return folder / "table.npz"


def write_npz_x_and_y(folder: Path, table: np.ndarray) -> Path:
    np.savez(folder / "table.npz", X=table[:, :2], y=table[:, 2], names=np.array(NAMES))
    return folder / "table.npz"


def write_csv(folder: Path, table: np.ndarray, separator: str = ",", name: str = "table.csv") -> Path:
    lines = [separator.join(NAMES), *(separator.join(f"{cell:.6f}" for cell in row) for row in table)]
    lines[5:5] = ["", "# a comment"]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def write_tsv_gz(folder: Path, table: np.ndarray) -> Path:
    plain = write_csv(folder, table, "\t")
    (folder / "table.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    return folder / "table.tsv.gz"


def write_decimal_commas(folder: Path, table: np.ndarray) -> Path:
    path = write_csv(folder, table, ";")
    path.write_text(path.read_text().replace(".", ","))
    return path


def write_quoted_csv(folder: Path, table: np.ndarray) -> Path:
    path = write_csv(folder, table)
    head, *lines = path.read_text().splitlines()
    quoted = ['"' + line.replace(",", '","') + '"' if line[:1] not in ("", "#") else line for line in lines]
    path.write_text("\n".join([head, *quoted]))
    return path


Writer = Callable[[Path, np.ndarray], Path]
WRITERS: tuple[Writer, ...] = (
    write_parquet, write_npy, write_npy_by_columns, write_npy_records, write_npz, write_npz_x_and_y, write_csv,
    write_tsv_gz, write_decimal_commas, write_quoted_csv,
)  # fmt: skip
NAMELESS = (write_npy, write_npy_by_columns)


def opened(writer: Writer, folder: Path, table: np.ndarray, **options: str) -> RowSource:
    return open_rows(writer(folder, table), TableOptions(**options))  # type: ignore[arg-type]


def in_memory(table: np.ndarray, **choices: str) -> ArrayRows:
    return rows_of_arrays(dict(zip(NAMES, table.T, strict=True)), **choices)  # type: ignore[arg-type]


@pytest.mark.parametrize("writer", WRITERS)
def test_blocks_are_all_rows_in_file_order(writer: Writer, tmp_path: Path) -> None:
    table = values()
    source = opened(writer, tmp_path, table)
    blocks = list(source.blocks(700))
    assert source.names == (("x0", "x1", "y") if writer in NAMELESS else NAMES)
    assert source.rows == ROWS and max(len(block) for block in blocks) <= 700
    np.testing.assert_array_equal(np.concatenate([block.values for block in blocks]), table)
    np.testing.assert_array_equal(np.concatenate([block.index for block in blocks]), np.arange(ROWS))


@pytest.mark.parametrize("writer", WRITERS)
def test_columns_come_in_the_order_asked_for_and_by_name_without_unit(writer: Writer, tmp_path: Path) -> None:
    table = values(50)
    source = opened(writer, tmp_path, table)
    names = ("y", "x1") if writer in NAMELESS else ("y", "b")
    np.testing.assert_array_equal(next(source.blocks(100, names)).values, table[:, [2, 1]])


@pytest.mark.parametrize("writer", WRITERS)
def test_a_shuffled_pass_gives_every_row_once_and_the_same_order_for_the_same_seed(
    writer: Writer, tmp_path: Path
) -> None:
    table = values()
    source = opened(writer, tmp_path, table)
    first, again, other = (list(source.shuffled(1500, seed)) for seed in (1, 1, 2))
    order = np.concatenate([block.index for block in first])
    np.testing.assert_array_equal(np.sort(order), np.arange(ROWS))
    np.testing.assert_array_equal(np.concatenate([block.values for block in first]), table[order])
    assert max(len(block) for block in first) <= 1500
    assert all(np.array_equal(one.index, two.index) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(order, np.concatenate([block.index for block in other]))
    assert np.abs(np.diff(order)).mean() > 300  # 500 within blocks of 1500 rows; 1 in file order


@pytest.mark.parametrize("writer", WRITERS)
def test_a_sample_is_distinct_rows_in_random_order(writer: Writer, tmp_path: Path) -> None:
    table = values()
    source = opened(writer, tmp_path, table)
    sample = source.sample(400, 3, ["y"])
    assert len(set(sample.index.tolist())) == 400
    np.testing.assert_array_equal(sample.values[:, 0], table[sample.index, 2])
    assert (np.diff(sample.index) < 0).any()
    assert np.array_equal(sample.index, source.sample(400, 3).index)
    assert not np.array_equal(sample.index, source.sample(400, 4).index)


def test_a_sample_is_spread_evenly_over_the_table() -> None:
    index = in_memory(values(20_000)).sample(4000, 0).index
    counts = np.histogram(index, bins=10, range=(0, 20_000))[0]
    assert np.abs(counts - 400).max() < 5 * np.sqrt(400 * 0.9)


def test_a_sample_larger_than_the_table_is_the_table() -> None:
    sample = in_memory(values(30)).sample(100, 0)
    assert np.array_equal(np.sort(sample.index), np.arange(30))


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 3))
def test_any_size_of_blocks_gives_the_same_rows(rows: int, most: int, seed: int) -> None:
    table = values(rows)
    source = in_memory(table)
    np.testing.assert_array_equal(np.concatenate([block.values for block in source.blocks(most)]), table)
    mixed = np.concatenate([block.index for block in source.shuffled(most, seed)])
    np.testing.assert_array_equal(np.sort(mixed), np.arange(rows))


def test_single_precision_is_read_as_such() -> None:
    block = next(in_memory(values(9), precision="float32").blocks(5))
    assert block.values.dtype == np.float32


def test_a_number_beyond_single_precision_is_refused_there() -> None:
    table = values(9)
    table[4, 1] = 1e300
    with pytest.raises(DataError, match=r"'b \[m\]' has infinite values \(row 5"):
        next(in_memory(table, precision="float32").blocks(50))


# Missing numbers


@pytest.mark.parametrize(("bad", "word"), [(np.nan, "missing"), (np.inf, "infinite")])
@pytest.mark.parametrize("writer", [write_parquet, write_npy_records, write_npz])
def test_a_missing_or_infinite_number_is_refused_with_its_column_and_row(
    writer: Writer, bad: float, word: str, tmp_path: Path
) -> None:
    table = values()
    table[5000, 1] = bad
    source = opened(writer, tmp_path, table)
    with pytest.raises(
        DataError, match=rf"table\.\w+: column 'b \[m\]' has {word} values \(row 5001, .*--missing drop"
    ):
        list(source.blocks(700))
    assert sum(len(block) for block in source.blocks(700, ["a", "y"])) == ROWS


def test_a_missing_cell_of_a_text_table_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n\n3,\n# note\n5,nan\n")
    with pytest.raises(DataError, match=r"column 'b' has missing values \(rows 4, 6, .*--missing drop"):
        list(open_rows(path).blocks(100))


@pytest.mark.parametrize("writer", [write_parquet, write_npy_records, write_npz, write_csv])
def test_incomplete_rows_are_dropped_when_that_is_asked_for(writer: Writer, tmp_path: Path) -> None:
    table = values()
    table[[3, 4000], 1] = np.nan
    table[8000, 0] = -np.inf
    source = opened(writer, tmp_path, table, missing="drop")
    left = np.setdiff1d(np.arange(ROWS), [3, 4000, 8000])
    np.testing.assert_array_equal(np.concatenate([block.index for block in source.blocks(700)]), left)
    np.testing.assert_array_equal(np.sort(np.concatenate([block.index for block in source.shuffled(700, 0)])), left)
    np.testing.assert_array_equal(np.sort(source.sample(ROWS, 0).index), left)
    assert column_statistics(source, 700).rows == len(left)


# Bad files


def assert_refused(path: Path, words: str, columns: list[str] | None = None) -> None:
    with pytest.raises(KansymError, match=words) as caught:
        list(open_rows(path).blocks(1000, columns))
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_compressed_archive_is_refused_with_the_way_out(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", a=np.arange(5.0), y=np.arange(5.0))
    assert_refused(tmp_path / "t.npz", "'a' is compressed.*numpy.savez, or as Parquet")


@pytest.mark.parametrize("name", ["t.npy", "t.npz"])
def test_python_objects_are_never_loaded(name: str, tmp_path: Path) -> None:
    bad = np.array([{"a": 1}, 2], dtype=object)
    np.save(tmp_path / name, bad) if name == "t.npy" else np.savez(tmp_path / name, a=bad)
    assert_refused(tmp_path / name, "Python objects, which are never loaded")


@pytest.mark.parametrize("writer", [write_parquet, write_npy, write_npz])
def test_a_file_cut_short_is_refused(writer: Writer, tmp_path: Path) -> None:
    path = writer(tmp_path, values())
    path.write_bytes(path.read_bytes()[: -ROWS * 8])
    assert_refused(path, "cut short|check that the file is complete")


@pytest.mark.parametrize("shape", [b"(-9,)", b"(9e9)"])
def test_an_impossible_shape_is_refused(shape: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.npy"
    np.save(path, np.zeros(10))
    path.write_bytes(path.read_bytes().replace(b"(10,)", shape.ljust(5)))
    assert_refused(path, "cut short|cannot be read as NPY")


def test_records_in_rows_and_columns_are_refused_and_their_names_may_be_any_characters(tmp_path: Path) -> None:
    kind = np.dtype([("µ", "f8"), ("長さ", "f8")])
    with pytest.warns(UserWarning, match="format 3.0"):
        np.save(tmp_path / "t.npy", np.ones(3, dtype=kind))
    assert open_rows(tmp_path / "t.npy").names == ("µ", "長さ")
    with pytest.warns(UserWarning, match="format 3.0"):
        np.save(tmp_path / "t.npy", np.ones((3, 2), dtype=kind))
    assert_refused(tmp_path / "t.npy", "not real numbers")


def test_a_member_that_claims_more_numbers_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = write_npz(tmp_path, values(10))
    data = path.read_bytes().replace(b"'shape': (10,)", b"'shape': (99,)", 1)
    path.write_bytes(data)
    assert_refused(path, "cut short")


@pytest.mark.parametrize("suffix", ["parquet", "npy", "npz"])
def test_a_file_of_another_kind_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_text("a,b\n1,2\n")
    assert_refused(path, "cannot be read as")


def test_arrays_of_different_length_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=np.arange(5.0), y=np.arange(6.0))
    assert_refused(tmp_path / "t.npz", r"arrays have \[5, 6\] rows")


def test_an_array_of_three_dimensions_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.zeros((2, 2, 2)))
    assert_refused(tmp_path / "t.npy", r"shape \(2, 2, 2\)")


def test_text_columns_are_refused_only_when_they_are_used(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({"a": [1.0, 2.0], "name": ["u", "v"], "y": [1, 2]}), path)
    assert_refused(path, "column 'name' holds string, not real numbers: leave it out")
    assert next(open_rows(path).blocks(9, ["a", "y"])).values.tolist() == [[1, 1], [2, 2]]
    np.savez(tmp_path / "t.npz", a=np.arange(2.0), name=np.array(["u", "v"]), y=np.arange(2))
    assert_refused(tmp_path / "t.npz", "column 'name' holds <U1, not real numbers")


def test_parquet_columns_whose_names_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({"v": [1.0], "v.x": [2.0], "v.x.y": [3.0], "__index_level_0__": [9]}), path)
    source = open_rows(path)
    assert source.names == ("v", "v.x", "v.x.y")
    assert next(source.blocks(9, ["v.x", "v"])).values.tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "row 3 has 1 fields, the header has 2"),
        ("a,b\n1,2\n3,4,5\n", "row 3 has 3 fields, the header has 2"),
        ("a,b\n1,2\n\n3,four\n", "row 4, column 'b': 'four' is text, not a number"),
        ("a,b\n1,2\n3,4 m\n", "a number with a unit"),
        ("a,b\n", "only a header"),
        ("\n# nothing\n", "the file is empty"),
        ('a,b\n1,"2\n3"\n', "goes over several lines"),
        ("a,a\n1,2\n", "used twice"),
    ],
)
def test_bad_text_tables_are_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert_refused(tmp_path / "t.csv", words)


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"a,b\n\xff,2\n", "line 2 is not UTF-8"), (b"a,b\n1,\0\n", "zero byte"), (b"1" * 3_000_000, "longer than")],
)
def test_files_that_are_no_text_are_refused(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    assert_refused(tmp_path / "t.csv", words)


def test_a_text_table_without_header_gets_names_and_trailing_separators_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\ufeff1,2\n3,4\n")
    source = open_rows(tmp_path / "t.csv")
    assert source.names == ("x0", "y") and source.rows == 2
    (tmp_path / "t.csv").write_text("a,b,\n1,2,\n3,4,\n")
    assert next(open_rows(tmp_path / "t.csv").blocks(9)).values.tolist() == [[1, 2], [3, 4]]


def test_what_cannot_be_read_in_blocks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.h5").write_bytes(b"\x89HDF")
    assert_refused(tmp_path / "t.h5", "not read in blocks: convert the table to Parquet")
    assert_refused(tmp_path / "none.csv", "no such file")
    assert_refused(tmp_path, "not a regular file")


def test_unknown_columns_and_choices_are_refused() -> None:
    with pytest.raises(DataError, match="no column 'bb'.*did you mean 'b'"):
        next(in_memory(values(5)).blocks(5, ["bb"]))
    with pytest.raises(ConfigError, match="precision must be float64 or float32"):
        in_memory(values(5), precision="float16")
    with pytest.raises(ConfigError, match="missing must be"):
        in_memory(values(5), missing="zero")


def test_arrays_of_files_are_mapped_not_loaded(tmp_path: Path) -> None:
    for writer in (write_npy, write_npz, write_npz_x_and_y):
        source = opened(writer, tmp_path, values(20))
        assert isinstance(source, ArrayRows)
        assert all(isinstance(array, Mapped) and isinstance(array.open(), np.memmap) for array in source.arrays)


# Statistics


@pytest.mark.parametrize("most", [1, 77, ROWS])
def test_statistics_in_blocks_are_those_of_the_whole_table(most: int) -> None:
    table = values(2000)
    found = column_statistics(in_memory(table), most)
    np.testing.assert_allclose(found.mean, table.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.deviation, table.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(found.low, table.min(axis=0))
    np.testing.assert_array_equal(found.high, table.max(axis=0))
    np.testing.assert_array_equal(found.extremes.values, table[found.extremes.index])
    assert found.rows == 2000 and len(found.extremes) <= 6


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_scalers_from_statistics_are_those_of_the_whole_table_at_any_magnitude(size: float) -> None:
    table = np.column_stack([size * values(500)[:, 1:], np.full(500, 3 * size)])
    found = column_statistics(in_memory(table), 64)
    whole, streamed = Scaler.fit(table), found.standard(NAMES)
    np.testing.assert_allclose(streamed.shift, whole.shift, rtol=1e-12)
    np.testing.assert_allclose(streamed.scale, whole.scale, rtol=1e-12)
    spanned = found.spanning(NAMES).apply(table)
    np.testing.assert_allclose(spanned.min(axis=0), [-1, -1, 0], atol=1e-12)
    np.testing.assert_allclose(spanned.max(axis=0), [1, 1, 0], atol=1e-12)


def test_statistics_of_a_table_without_complete_rows_are_refused() -> None:
    table = values(5)
    table[:, 1] = np.nan
    with pytest.raises(DataError, match="no row has a finite number"):
        column_statistics(in_memory(table, missing="drop"), 2)


def test_streamed_errors_are_those_of_the_whole_table() -> None:
    table = values(700)

    def predict(inputs: np.ndarray) -> np.ndarray:
        return np.where(inputs[:, 0] > 5, np.nan, 0.1 * inputs[:, 0])

    found = streamed_errors(in_memory(table), "y", ["b"], predict, 64)
    apart = predict(table[:, 1:2]) - table[:, 2]
    defined = apart[np.isfinite(apart)]
    assert found.undefined == np.isnan(apart).sum() > 0 and found.rows == len(defined)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(defined**2)), rel=1e-12)
    assert found.nrmse == pytest.approx(found.rmse / table[:, 2].std(), rel=1e-9)
    assert found.max_error == np.abs(defined).max()


# A sample as a data set


@pytest.mark.parametrize("writer", [write_parquet, write_npz, write_csv])
def test_a_sample_becomes_a_data_set_that_holds_the_ends_of_every_column(writer: Writer, tmp_path: Path) -> None:
    table = values()
    data, source = read_sample(writer(tmp_path, table), TableOptions(target="b"), 300, seed=1)
    assert (data.input_names, data.target_names, data.target_units) == (("a", "y"), ("b",), ("m",))
    assert 300 <= data.rows <= 306
    np.testing.assert_array_equal(data.inputs.min(axis=0), table[:, [0, 2]].min(axis=0))
    np.testing.assert_array_equal(data.targets.max(axis=0), table[:, [1]].max(axis=0))
    assert data.notes[-1] == f"fitted to a random sample of {data.rows} of {ROWS} rows"
    found = streamed_errors(source, data.target_names[0], data.input_names, lambda x: 0 * x[:, 0], 1000)
    assert found.rows == ROWS and found.max_error == np.abs(table[:, 1]).max()


def test_a_sample_of_a_table_with_a_missing_number_anywhere_is_refused_or_says_so(tmp_path: Path) -> None:
    table = values()
    table[8888, 1] = np.nan
    path = write_npz(tmp_path, table)
    with pytest.raises(DataError, match="row 8889"):
        read_sample(path, None, 10)
    data, _ = read_sample(path, TableOptions(missing="drop"), 10)
    assert data.notes[-1].endswith("of 9000 rows, rows with missing values left out: 1")
    some = TableOptions(features=("a",), units={"a": "K", "b": "km"})
    assert read_sample(path, some, 10)[0].input_units == ("K",)


def test_a_file_is_large_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"x" * 100)
    assert is_large(tmp_path / "t.csv", 100) and not is_large(tmp_path / "t.csv", 101)
    assert not is_large("-", 0) and not is_large(tmp_path, 0) and not is_large(tmp_path / "none", 0)


def test_a_file_that_can_only_be_read_whole_is_never_large(tmp_path: Path) -> None:
    (tmp_path / "t.h5").write_bytes(b"x" * 100)
    np.savez_compressed(tmp_path / "packed.npz", a=np.arange(5.0))
    np.savez(tmp_path / "plain.npz", a=np.arange(5.0))
    assert not is_large(tmp_path / "t.h5", 1) and not is_large(tmp_path / "packed.npz", 1)
    assert is_large(tmp_path / "plain.npz", 1)


# Memory

CHILD = """
import sys
from kansym.data.stream import column_statistics, open_rows

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

small, large = sys.argv[1:]
for path in (small, large):
    source = open_rows(path)
    column_statistics(source, 20_000)
    source.sample(5000, 0)
    for block in source.shuffled(20_000, 0):
        pass
    sys.stdout.write(f"{peak()} ")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak memory from")
@pytest.mark.parametrize("suffix", ["npy", "parquet"])
def test_the_memory_does_not_grow_with_the_table(suffix: str, tmp_path: Path) -> None:
    paths = []
    for rows in (60_000, 1_200_000):  # 12 and 230 MB; the Parquet file is one single row group
        table = np.random.Generator(np.random.PCG64(0)).normal(size=(rows, 24))
        paths.append(tmp_path / f"{rows}.{suffix}")
        if suffix == "npy":
            np.save(paths[-1], table)
        else:
            arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
            columns = {f"c{i}": table[:, i] for i in range(24)}
            parquet.write_table(arrow.table(columns), paths[-1], row_group_size=rows, use_dictionary=False)
        del table
    child = [sys.executable, "-c", CHILD, *map(str, paths)]
    found = subprocess.run(child, capture_output=True, text=True, check=True, cwd=ROOT)
    small, large = map(float, found.stdout.split())
    assert large - small < 60, f"{small} MB for a small table, {large} MB for one of 230 MB"
