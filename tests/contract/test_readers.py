"""Every table format gives the same data set, every bad table one clear line, every column name comes through."""

import codecs
import gzip
import io
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.data import TableOptions, from_frame, read_features, read_table
from kansym.data import sources as sources_module
from kansym.data.readers import READERS
from kansym.data.text import read_text
from kansym.errors import ConfigError, DataError, KansymError

RANDOM = np.random.Generator(np.random.PCG64(7))
# Twelve digits: Excel files hold no more than sixteen.
TRUTH = np.array([[float(f"{x:.12g}") for x in row] for row in RANDOM.normal(size=(12, 3)) * [1e-34, 1.0, 1e30]])
NAMES = ("a [m]", "b", "P (Pa)")


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def text_table(separator: str = ",", decimal: str = ".", end: str = "\n") -> str:
    rows = [separator.join(repr(float(x)).replace(".", decimal) for x in row) for row in TRUTH]
    return end.join([separator.join(NAMES), *rows]) + end


def write_format(folder: Path, suffix: str) -> Path:
    path = folder / f"table{suffix}"
    columns = dict(zip(NAMES, TRUTH.T, strict=True))
    if suffix == ".parquet":
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.table(columns), path)
    elif suffix == ".npz":
        np.savez(path, **columns)
    elif suffix in (".h5", ".hdf5"):
        with pytest.importorskip("h5py").File(path, "w", track_order=True) as file:
            for name, column in columns.items():
                file[name.replace("/", "")] = column
    elif suffix == ".xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for row in [list(NAMES), *TRUTH.tolist()]:
            book.active.append(row)
        book.save(path)
    else:
        path.write_text(text_table("\t" if suffix in (".tsv", ".tab") else ","))
    return path


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize("suffix", READERS.names())
def test_every_format_gives_the_same_data_set(tmp_path, suffix):
    data = read_table(write_format(tmp_path, suffix))
    np.testing.assert_array_equal(np.hstack([data.inputs, data.targets]), TRUTH)
    assert data.input_names + data.target_names == ("a", "b", "P")
    assert data.input_units + data.target_units == ("m", None, "Pa")
    assert data.digest == read_table(write(tmp_path, text_table(), "reference.csv")).digest


@pytest.mark.parametrize("suffix", READERS.names())
def test_a_damaged_file_of_every_format_is_refused_in_one_line(tmp_path, suffix):
    whole = write_format(tmp_path, suffix).read_bytes()
    for content in (b"\x00\x01\x02\xff" * 50, whole[: len(whole) // 2] + b"\xff\xfe\x00", b"\n \n"):
        with pytest.raises(DataError) as refusal:
            read_table(write(tmp_path, content, f"damaged{suffix}"))
        assert f"damaged{suffix}: " in str(refusal.value)
        assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("separator", "decimal"),
    [
        (",", "."),
        (";", "."),
        (";", ","),
        ("\t", "."),
        ("\t", ","),
        ("|", "."),
        ("   ", "."),
        (" \t ", ","),
        (", ", "."),
    ],
)
def test_separator_and_decimal_mark_are_recognised(tmp_path, separator, decimal):
    data = read_table(write(tmp_path, text_table(separator, decimal)))
    np.testing.assert_array_equal(data.inputs, TRUTH[:, :2])
    assert data.input_units + data.target_units == ("m", None, "Pa")


@pytest.mark.parametrize(("separator", "decimal"), [("semicolon", "comma"), (";", ","), ("tab", "."), (" ", "point")])
def test_separator_and_decimal_mark_can_be_told(tmp_path, separator, decimal):
    mark = {"semicolon": ";", "tab": "\t"}.get(separator, separator)
    table = text_table(mark, {"comma": ",", "point": "."}.get(decimal, decimal))
    data = read_table(write(tmp_path, table), TableOptions(separator=separator, decimal=decimal))
    np.testing.assert_array_equal(data.targets, TRUTH[:, 2:])


REPAIRED = {
    "a byte order mark": codecs.BOM_UTF8 + text_table().encode(),
    "UTF-16, little end first": codecs.BOM_UTF16_LE + text_table().encode("utf-16-le"),
    "UTF-16, big end first": codecs.BOM_UTF16_BE + text_table().encode("utf-16-be"),
    "line ends of Windows": text_table(end="\r\n").encode(),
    "line ends of old Macs": text_table(end="\r").encode(),
    "no last line end": text_table().rstrip().encode(),
    "blank lines": text_table(end="\n\n").encode(),
    "comment lines": ("# made today\n" + text_table() + "# end\n").encode(),
    "a comment with a quote": ('# 5" pipe, "unclosed\n' + text_table()).encode(),
    "trailing separators": text_table(end=",\n").encode(),
    "trailing separators under a clean header": text_table(end=",\n").replace("(Pa),", "(Pa)").encode(),
    "empty spreadsheet rows": (text_table() + ",,\n,,\n").encode(),
    "quoted cells": ("\n".join('"' + line.replace(",", '","') + '"' for line in text_table().splitlines())).encode(),
    "Excel's own separator line": ("sep=;\n" + text_table(";", ",")).encode(),
    "gzip under a plain name": gzip.compress(text_table().encode()),
}


@pytest.mark.parametrize("what", REPAIRED)
def test_harmless_oddities_are_read(tmp_path, what):
    data = read_table(write(tmp_path, REPAIRED[what]))
    np.testing.assert_array_equal(np.hstack([data.inputs, data.targets]), TRUTH)
    assert data.notes == ()


@pytest.mark.parametrize("name", ["table.csv.gz", "table.CSV", "table", "table.prn", "table.v2.txt.gz"])
def test_gzip_and_unknown_suffixes_are_read_as_text(tmp_path, name):
    content = text_table().encode()
    data = read_table(write(tmp_path, gzip.compress(content) if name.endswith(".gz") else content, name))
    np.testing.assert_array_equal(data.inputs, TRUTH[:, :2])


def test_a_dash_reads_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text_table().encode())))
    data = read_table("-")
    assert data.source == "standard input"
    np.testing.assert_array_equal(data.inputs, TRUTH[:, :2])


def test_a_table_of_numbers_alone_gets_made_up_names(tmp_path):
    data = read_table(write(tmp_path, "1,2,3\n4,5,6\n7,9,9\n"))
    assert data.input_names + data.target_names == ("x0", "x1", "y")
    assert data.rows == 3


def test_a_first_row_with_a_missing_number_is_still_no_header(tmp_path):
    data = read_table(write(tmp_path, "1,,3\n4,5,6\n7,9,9\n8,8,8\n"), missing="drop")
    assert data.input_names == ("x0", "x1")
    assert data.rows == 3


def test_names_in_the_comment_above_the_numbers_are_used(tmp_path):
    data = read_table(write(tmp_path, "# T [K]  p [Pa]\n1 2\n3 4\n5 6\n"))
    assert data.input_names + data.target_names == ("T", "p")
    assert data.notes == ("the column names were taken from the comment in line 1",)


def test_windows_1252_is_read_with_a_note(tmp_path):
    data = read_table(write(tmp_path, "Länge,y\n1,2\n2,3\n3,4\n".encode("cp1252")))
    assert data.input_names == ("Länge",)
    assert data.notes == ("the file is not UTF-8 and was read as Windows-1252",)


def test_units_may_stand_apart_in_a_table_between_blanks(tmp_path):
    data = read_table(write(tmp_path, "T [K]   v (m / s)\n1 2\n2 3\n3 5\n"))
    assert (data.input_names, data.target_units) == (("T",), ("m / s",))


def test_a_big_clean_table_is_read_fast(tmp_path):
    values = RANDOM.normal(size=(200_000, 6))
    path = tmp_path / "big.csv"
    header = ",".join("abcdef")
    path.write_text(header + "\n" + "\n".join(",".join(f"{x:.9g}" for x in row) for row in values.tolist()) + "\n")
    start = time.process_time()
    data = read_table(path)
    assert time.process_time() - start < 30
    np.testing.assert_allclose(data.inputs, values[:, :5], rtol=1e-8)


# ---------------------------------------------------------------- bad tables

ROWS = "1,2,3\n4,5,6\n7,8,9\n"

BAD: list[tuple[str, str | bytes, dict, list[str]]] = [
    ("an empty file", "", {}, ["table.csv: the file is empty"]),
    ("blank lines only", "\n \n\n", {}, ["empty"]),
    ("only comments", "# a\n# b\n", {}, ["empty"]),
    ("only a byte order mark", codecs.BOM_UTF8, {}, ["empty"]),
    ("only separators", ",,\n,,\n", {}, ["empty"]),
    ("a header only", "a,b,y\n", {}, ["only a header ('a', 'b', 'y') and no rows"]),
    ("prose", "Dear reader, hello\nthis is, not\na table, at all\n", {}, ["no numeric rows"]),
    ("a row too long", "a,b,y\n1,2,3\n4,5,6,7\n", {}, ["row 3 has 4 fields, the header has 3"]),
    ("a row too short", "a,b,y\n1,2,3\n\n4,5\n", {}, ["row 4 has 2 fields, the header has 3"]),
    ("text in a cell", "a,b,y\n1,2,3\n4,five,6\n7,8,9\n", {}, ["row 3, column 'b': 'five'", "correct the cell"]),
    ("a text column", "name,a,y\nx,1,2\nz,3,4\nu,5,7\n", {}, ["'name' holds text", "(row 2: 'x')", "--features"]),
    ("text in two rows", "a,y\n1,2\nx,3\nz,4\n5,6\n", {}, ["row 3, column 'a': 'x' (and 1 more such rows)"]),
    ("NaN", "a,b,y\n1,2,3\nnan,5,6\n7,8,9\n", {}, ["column 'a' has 1 missing value (row 3): pass --missing drop"]),
    (
        "an infinite target",
        "a,y\n1,2\n2,inf\n3,4\n",
        {},
        ["column 'y' has 1 infinite value (row 3)", "--missing drop, or choose another target"],
    ),
    (
        "a text target",
        "a,b,kind\n1,2,red\n2,3,red\n3,5,blue\n",
        {},
        ["'kind' holds text", "choose another target with --t"],
    ),
    ("both kinds", "a,y\n1,NA\n2,-inf\n3,\n4,5\n", {}, ["2 missing values (rows 2, 4) and 1 infinite value (row 3)"]),
    ("overflow", "a,y\n1,2\n2,1e999\n3,4\n", {}, ["column 'y' has 1 infinite value (row 3)"]),
    ("an empty cell", "T [K],y\n1,2\n,3\n3,4\n", {}, ["column 'T [K]' has 1 missing value (row 3)"]),
    ("many missing", "a,y\n" + ",1\n" * 9 + "1,2\n", {}, ["9 missing values (rows 2, 3, 4, 5, 6 and 4 more)"]),
    ("a column without numbers", "a,b,y\n1,,3\n4,,6\n7,,9\n", {}, ["column 'b' has no finite number in any row"]),
    ("the same, to be dropped", "a,b,y\n1,,3\n4,,6\n7,,9\n", {"missing": "drop"}, ["column 'b' has no finite number"]),
    ("a spreadsheet error", "a,y\n1,2\n#N/A,3\n4,5\n", {}, ["column 'a' has 1 missing value (row 3)"]),
    ("a division by zero", "a,y\n1,2\n#DIV/0!,3\n4,5\n", {}, ["row 3, column 'a': '#DIV/0!'", "spreadsheet error"]),
    ("the same name twice", f"x,x,y\n{ROWS}", {}, ["column name 'x' is used twice (columns 1 and 2)"]),
    ("a blank name", f"x,,y\n{ROWS}", {}, ["column 2 has no name"]),
    ("a blank last name with numbers", f"a,b,\n{ROWS}", {}, ["column 3 has no name"]),
    ("no row", "a,y\n1,NA\n", {"missing": "drop"}, ["no finite number in any row"]),
    ("one row", "a,y\n1,2\n", {}, ["1 row of numbers, at least 3 are needed"]),
    ("two rows", "a,y\n1,2\n3,4\n", {}, ["2 rows of numbers, at least 3"]),
    ("two rows after dropping", "a,y\n1,2\n,3\n3,4\n", {"missing": "drop"}, ["2 rows", "after dropping row 3"]),
    ("one column", "y\n1\n2\n3\n", {}, ["only one column to use ('y')", "--separator"]),
    ("only constant inputs", "a,b,y\n1,2,3\n1,2,4\n1,2,5\n", {}, ["every input column is constant"]),
    ("thousands separators", 'a,y\n1,2\n"1,234.5",3\n4,5\n', {}, ["row 3, column 'a': '1,234.5'", "thousands"]),
    ("both marks", "a;y\n1,5;2\n1.234,5;3\n4,5;5\n", {}, ["row 3", "thousands"]),
    ("a point for a comma", "a;y\n1,5;2\n1.5;3\n4,5;5\n", {}, ["row 3", "--decimal ."]),
    ("a comma for a point", "a;y\n1.5;2\n1,5;3\n4.5;5\n", {}, ["row 3", "--decimal ,"]),
    ("dates", "day,a,y\n2024-01-01,1,2\n2024-01-02,2,3\n2024-01-03,3,5\n", {}, ["column 'day'", "'2024-01-01'"]),
    ("one date", "a,y\n1,2\n2024-01-02,2\n3,3\n", {}, ["a date"]),
    ("truth values", "a,b,y\n1,true,2\n2,0,3\n3,1,4\n", {}, ["row 2, column 'b': 'true' is a truth value"]),
    ("complex numbers", "a,y\n1,2\n1+2j,3\n3,4\n", {}, ["complex"]),
    ("units in cells", "a,y\n1,2\n2 kg,3\n3,4\n", {}, ["'2 kg' is a number with a unit"]),
    ("a unit row", "a,b,y\nm,s,K\n1,2,3\n4,5,6\n7,8,9\n", {}, ["row 2, column 'a': 'm'", "if this row holds units"]),
    ("underscores", "a,y\n1,2\n1_000,3\n3,4\n", {}, ["'1_000'", "thousands"]),
    ("an unknown target", f"mass,b,y\n{ROWS}", {"target": "mas"}, ["no column 'mas' for the target", "'mass'?"]),
    ("an unknown feature", f"mass,b,y\n{ROWS}", {"features": ("mass", "q")}, ["no column 'q' for the features"]),
    ("an unknown unit", f"mass,b,y\n{ROWS}", {"units": {"mss": "kg"}}, ["no column 'mss' for the units", "'mass'?"]),
    ("unknown weights", f"a,w,y\n{ROWS}", {"weights": "v"}, ["no column 'v' for the weights"]),
    ("the target as a feature", f"a,b,y\n{ROWS}", {"features": ("a", "y")}, ["'y' is both a feature and the target"]),
    ("a feature twice", f"a,b,y\n{ROWS}", {"features": ("a", "a")}, ["'a' is given twice as a feature"]),
    (
        "weights as a feature",
        f"a,b,y\n{ROWS}",
        {"features": ("a", "b"), "weights": "b"},
        ["both a feature and the weig"],
    ),
    ("the target as sigma", f"a,b,y\n{ROWS}", {"target": "y", "sigma": "y"}, ["both the target and sigma"]),
    (
        "negative weights",
        "a,w,y\n1,1,2\n2,-1,3\n3,1,4\n",
        {"weights": "w"},
        ["'w' for the weights is negative in row 3"],
    ),
    ("zero weights", "a,w,y\n1,0,2\n2,0,3\n3,0,4\n", {"weights": "w"}, ["0 in every row"]),
    ("sigma of zero", "a,s,y\n1,1,2\n2,0,3\n3,1,4\n", {"sigma": "s"}, ["'s' for the sigma is not positive in row 3"]),
    ("missing sigma", "a,s,y\n1,1,2\n2,,3\n3,1,4\n", {"sigma": "s"}, ["column 's' has 1 missing value (row 3)"]),
    ("a zip archive", b"PK\x03\x04" + bytes(50), {}, ["this is a zip archive"]),
    ("a Parquet file", b"PAR1" + bytes(50), {}, ["rename it to .parquet"]),
    ("an HDF5 file", b"\x89HDF\r\n\x1a\n" + bytes(50), {}, ["rename it to .h5"]),
    ("an old Excel file", b"\xd0\xcf\x11\xe0" + bytes(50), {}, ["old Excel file"]),
    ("a PDF", b"%PDF-1.7 ...", {}, ["PDF"]),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(50), {}, ["picture"]),
    ("binary rubbish", bytes(range(256)), {}, ["not a text table", "byte 0 is zero"]),
    ("other binary rubbish", bytes(range(253, 0, -1)), {}, ["not a text table", "0xfd"]),
    ("UTF-16 without a mark", text_table().encode("utf-16-le"), {}, ["not a text table", "UTF-8"]),
    ("half a UTF-16 character", codecs.BOM_UTF16_LE + b"a\x00,", {}, ["not valid UTF-16-LE"]),
    ("cut gzip", gzip.compress(text_table().encode())[:-20], {}, ["damaged gzip"]),
    ("a web page", "<!DOCTYPE html>\n<html><body>404</body></html>", {}, ["web page"]),
    ("a never ending quote", 'a,y\n"1,2\n' + "2,3\n" * 60_000, {}, ["cannot be split into fields"]),
    ("terminal codes", "a,y\n1,2\n\x1b[31m3,4\n5,6\n", {}, ["row 3", "\\x1b[31m3"]),
]


@pytest.mark.parametrize(("content", "choices", "said"), [pytest.param(*case[1:], id=case[0]) for case in BAD])
def test_a_bad_table_is_refused_in_one_clear_line(tmp_path, content, choices, said):
    path = write(tmp_path, content)
    start = time.process_time()
    with pytest.raises(DataError) as refusal:
        read_table(path, **choices)
    message = str(refusal.value)
    assert time.process_time() - start < 10
    assert message.startswith(str(path))
    for part in said:
        assert part in message
    assert message.isprintable()
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"missing": "ignore"}, "missing must be 'error' or 'drop'"),
        ({"weights": "a", "sigma": "b"}, "cannot be combined"),
        ({"features": ()}, "at least one column"),
        ({"separator": "ab"}, "separator 'ab' is not usable"),
        ({"separator": "."}, "not usable"),
        ({"decimal": ";"}, "decimal must be"),
        ({"separator": ",", "decimal": ","}, "both ','"),
        ({"targt": "y"}, "unknown table option 'targt': did you mean 'target'?"),
    ],
)
def test_impossible_options_are_refused(tmp_path, choices, said):
    with pytest.raises(ConfigError) as refusal:
        read_table(write(tmp_path, "a,y\n" + "1,2\n"), **choices)
    assert said in str(refusal.value)


def test_a_missing_file_names_a_near_one(tmp_path):
    write(tmp_path, ROWS, "planets.csv")
    with pytest.raises(DataError, match=r"planet\.csv: no such file: did you mean 'planets\.csv'"):
        read_table(tmp_path / "planet.csv")
    with pytest.raises(DataError, match="no such file: check the path"):
        read_table(tmp_path / "zzz")
    with pytest.raises(DataError, match="there is no folder"):
        read_table(tmp_path / "nowhere" / "planets.csv")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="this is a folder: name one file in it"):
        read_table(tmp_path)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, ROWS)

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="no permission to read it"):
        read_table(path)


def test_a_failing_disk_is_one_line(tmp_path, monkeypatch):
    path = write(tmp_path, ROWS)

    def fail(*arguments, **keywords):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(DataError, match="cannot be read .*Input/output error"):
        read_table(path)


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="named pipes are a Unix thing")
def test_a_named_pipe_does_not_block(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="not a regular file: pass - and pipe"):
        read_table(tmp_path / "pipe.csv")


@pytest.mark.parametrize("path", ["a\0b.csv", "x" * 5000])
def test_an_impossible_path_is_one_line(path):
    with pytest.raises(DataError, match="cannot be read"):
        read_table(path)


def test_a_gzip_bomb_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(sources_module, "MAX_BYTES", 10_000)
    with pytest.raises(DataError, match="larger than"):
        read_table(write(tmp_path, gzip.compress(b"1,2\n" * 10_000)))


@pytest.mark.parametrize("suffix", [".npz", ".xlsx"])
def test_a_zip_bomb_is_stopped(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(sources_module, "MAX_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / f"bomb{suffix}", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(100_000))
    with pytest.raises(DataError, match="unpacks to"):
        read_table(tmp_path / f"bomb{suffix}")


@pytest.mark.parametrize(("suffix", "package"), [(".parquet", "pyarrow"), (".h5", "h5py"), (".xlsx", "openpyxl")])
def test_a_missing_optional_package_names_the_extra(tmp_path, monkeypatch, suffix, package):
    path = write_format(tmp_path, suffix)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf"need the package {package}: pip install 'kansym\[io\]'"):
        read_table(path)


# ---------------------------------------------------------------- choosing columns

TABLE = "T [K],v (m/s),w,y\n1,2,1,4\n2,3,2,5\n3,5,1,7\n4,7,1,8\n"


@pytest.mark.parametrize("name", ["T", "T [K]"])
def test_a_column_is_found_with_and_without_its_unit(tmp_path, name):
    data = read_table(write(tmp_path, TABLE), target=name)
    assert (data.target_names, data.target_units) == (("T",), ("K",))
    assert data.input_names == ("v", "w", "y")


def test_features_are_taken_in_the_order_asked_for(tmp_path):
    data = read_table(write(tmp_path, TABLE), features=("v (m/s)", "T"))
    assert (data.input_names, data.target_names) == (("v", "T"), ("y",))


def test_weights_are_no_input(tmp_path):
    data = read_table(write(tmp_path, TABLE), weights="w", units={"y": "J", "T": "mK"})
    assert data.weights is not None
    assert data.weights.tolist() == [1, 2, 1, 1]
    assert (data.input_names, data.input_units, data.target_units) == (("T", "v"), ("mK", "m/s"), ("J",))


def test_with_sigma_last_the_target_is_the_column_before_it(tmp_path):
    data = read_table(write(tmp_path, "a,y,s\n1,2,0.1\n2,3,0.2\n3,5,0.1\n"), sigma="s")
    assert data.target_names == ("y",)
    assert data.sigma is not None
    assert data.sigma.tolist() == [0.1, 0.2, 0.1]


def test_a_text_column_that_is_not_used_does_not_matter(tmp_path):
    data = read_table(write(tmp_path, "planet,a,P\nMercury,1,2\nVenus,2,3\nEarth,3,5\n"), features=("a",))
    assert data.input_names == ("a",)


def test_missing_numbers_in_an_unused_column_do_not_matter(tmp_path):
    assert read_table(write(tmp_path, "a,b,y\n1,,2\n2,1,3\n3,,5\n"), features=("a",)).rows == 3


def test_incomplete_rows_are_dropped_with_a_note(tmp_path):
    data = read_table(write(tmp_path, "a,y\n1,2\n,3\n3,inf\n4,5\n6,7\n"), missing="drop")
    assert data.inputs.ravel().tolist() == [1, 4, 6]
    assert data.notes == ("2 rows with missing values were dropped (rows 3, 4)",)


def test_a_constant_input_is_left_out_with_a_note_but_a_constant_target_stays(tmp_path):
    data = read_table(write(tmp_path, "a,b,y\n1,5,3\n2,5,3\n3,5,3\n"))
    assert (data.input_names, data.targets.ravel().tolist()) == (("a",), [3, 3, 3])
    assert data.notes == ("input 'b' is constant (5) and was left out",)


def test_a_prediction_needs_only_the_inputs(tmp_path):
    path = write(tmp_path, "extra,v,T [K]\nx,1,2\ny,3,4\n")
    np.testing.assert_array_equal(read_features(path, TableOptions(), ["T", "v"]), [[2, 1], [4, 3]])


def test_a_prediction_from_a_table_without_names_takes_columns_in_order(tmp_path):
    np.testing.assert_array_equal(read_features(write(tmp_path, "1,2\n"), None, ["T", "v"]), [[1, 2]])


def test_a_prediction_says_which_input_is_missing(tmp_path):
    with pytest.raises(DataError, match="no column 'T' for the prediction"):
        read_features(write(tmp_path, "a,b\n1,2\n"), None, ["T"])
    with pytest.raises(DataError, match=r"column 'a' has 1 missing value \(row 3\)"):
        read_features(write(tmp_path, "a,b\n1,2\n,3\n"), None, ["a"])


# ---------------------------------------------------------------- column names

STRANGE = [
    *"EINOQS",
    *"αβγδλμπωΩ",
    *("lambda", "beta", "gamma", "zeta", "pi", "re", "im", "oo", "test", "nan1", "x y", "a.b", "a-b", "a/b", "a:b"),
    *("import", "exec", "None", "True", "class", "print", "__import__('os')", "x^2", "x**2", "1st", "f(x)", "x[0]"),
    *("Größe", "e\u0301", "名前", "مرحبا", "🍎", "👩\u200d🔬", "x" * 10_000, '"quoted"', "a,b", "a;b", "a|b", "a\tb"),
    *("$x$", "50%", "a&b", "x_1", "#1", "{a}", "$%&_#{}", "~", "\\input{/etc/passwd}", "$(rm -rf .)", "`ls`", "';--"),
    *("a\nb", "\x1b[31mred", "<b>", "-", "nan", "1e5", "2", "é"),
]  # fmt: skip


def quoted_cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name[:20]))
def test_any_column_name_comes_through_unchanged(tmp_path, name):
    content = f"u,{quoted_cell(name)},{quoted_cell(name + '!')}\n{ROWS}"
    data = read_table(write(tmp_path, content))
    assert data.input_names + data.target_names == ("u", name, name + "!")
    chosen = read_table(write(tmp_path, content), target=name, features=(name + "!",))
    assert (chosen.input_names, chosen.target_names) == ((name + "!",), (name,))


NAME = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="[]()\0\r\n"), min_size=1, max_size=20)


@given(st.lists(NAME.map(str.strip).filter(bool), min_size=2, max_size=5, unique=True))
def test_any_quoted_header_is_read_back(names):
    rows = "\n".join(",".join(str(i * k + 1) for k in range(len(names))) for i in (1, 3, 4))
    header = ",".join(quoted_cell(name) for name in ["first"] + names)
    rows = "\n".join("0.5," + row for row in rows.split("\n"))
    table = read_text(f"{header}\n{rows}\n".encode(), "t", TableOptions(separator=","))
    assert table.header == ("first", *names)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_text_reader_fail_otherwise_than_by_refusal(data):
    try:
        table = read_text(data, "t", TableOptions())
    except KansymError as refusal:
        assert str(refusal).startswith("t: ")
    else:
        assert all(len(column) == table.rows for column in table.columns)


@given(st.text(st.sampled_from('a1,;\t "\n.#-e'), max_size=60))
def test_no_arrangement_of_marks_makes_the_text_reader_fail_otherwise_than_by_refusal(text):
    try:
        table = read_text(text.encode(), "t", TableOptions())
    except KansymError as refusal:
        assert str(refusal).startswith("t: ")
    else:
        assert all(len(column) == table.rows for column in table.columns)


# ---------------------------------------------------------------- single formats


def test_npz_takes_x_and_y_with_names(tmp_path):
    np.savez(tmp_path / "a.npz", X=TRUTH[:, :2], y=TRUTH[:, 2], names=np.array(["a [m]", "b", "P"]))
    data = read_table(tmp_path / "a.npz")
    assert data.input_names + data.target_names == ("a", "b", "P")
    np.savez(tmp_path / "b.npz", y=TRUTH[:, 2:], X=TRUTH[:, :2])
    assert read_table(tmp_path / "b.npz").input_names == ("x0", "x1")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.arange(3), "b": np.arange(4)}, "arrays of different length ('a' 3, 'b' 4)"),
        ({"a": np.zeros((3, 2)), "b": np.arange(3)}, "array 'a' has shape (3, 2)"),
        ({"X": np.zeros((3, 2)), "y": np.zeros((3, 2))}, "array 'y' has shape (3, 2)"),
        ({"X": np.zeros((3, 2)), "y": np.arange(3), "names": np.array(["a"])}, "2 columns but there are 1 names"),
        ({"X": np.zeros((3, 2)), "y": np.arange(3), "names": np.array(["a", "a"])}, "a name twice"),
        ({"X": np.zeros((3, 2)), "y": np.arange(3), "names": np.array(["a", "y"])}, "both called 'y'"),
        ({"a": np.array([{}, 1, 2], dtype=object), "b": np.arange(3)}, "Object arrays"),
        ({"a": np.array([True, False, True]), "b": np.arange(3)}, "column 'a' holds text"),
        ({"a": np.arange(3) * 1j, "b": np.arange(3)}, "column 'a' holds text"),
        ({}, "holds no arrays"),
    ],
)
def test_impossible_arrays_in_npz_are_refused(tmp_path, arrays, said):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError) as refusal:
        read_table(tmp_path / "t.npz")
    assert said in str(refusal.value)


def test_hdf5_without_column_order_asks_for_the_target_unless_there_is_a_y(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["b"], file["a"] = TRUTH[:, 0], TRUTH[:, 1]
    with pytest.raises(DataError, match="keeps no column order: pass --target with one of 'a', 'b'"):
        read_table(tmp_path / "t.h5")
    assert read_table(tmp_path / "t.h5", target="a").input_names == ("b",)
    with h5py.File(tmp_path / "t.h5", "a") as file:
        file["y"], file["z"] = TRUTH[:, 2], TRUTH[:, 2]
    assert read_table(tmp_path / "t.h5").target_names == ("y",)


def test_hdf5_takes_one_compound_data_set(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["table"] = np.array([tuple(row) for row in TRUTH], dtype=[("q", "f8"), ("b", "f4"), ("P", ">f8")])
    assert read_table(tmp_path / "t.h5").input_names == ("q", "b")


def test_hdf5_never_follows_links_to_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["y"] = TRUTH[:, 0]
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["y"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/y")
    with pytest.raises(DataError, match="holds no arrays"):
        read_table(tmp_path / "t.h5")


def test_excel_takes_the_sheet_asked_for_and_counts_its_rows(tmp_path):
    book = pytest.importorskip("openpyxl").Workbook()
    book.active.append(["nothing"])
    sheet = book.create_sheet("run 2")
    for row in [[None], ["a", "b", "y"], [1, 2, 3], [2, "n/a", 3.5], [3, 4, 5], [4, 6, 5]]:
        sheet.append(row)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match=r"column 'b' has 1 missing value \(row 4\)"):
        read_table(tmp_path / "t.xlsx", sheet="run 2")
    assert read_table(tmp_path / "t.xlsx", sheet="run 2", missing="drop").rows == 3
    with pytest.raises(DataError, match="no sheet 'run2': did you mean 'run 2'"):
        read_table(tmp_path / "t.xlsx", sheet="run2")


def test_parquet_takes_integers_decimals_and_nulls_and_no_saved_index(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "a": pyarrow.array([1, 2, None, 4]),
        "d": pyarrow.array(["1.5", "2.5", "3.5", "5"]).cast(pyarrow.decimal128(5, 2)),
        "y": pyarrow.array([1.0, 2.0, 3.0, 5.0]),
        "__index_level_0__": pyarrow.array([0, 1, 2, 3]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'a' has 1 missing value \(row 3\)"):
        read_table(tmp_path / "t.parquet")
    data = read_table(tmp_path / "t.parquet", missing="drop")
    assert (data.input_names, data.rows) == (("a", "d"), 3)
    assert data.inputs[:, 1].tolist() == [1.5, 2.5, 5.0]


def frames():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    columns = {name: TRUTH[:, i] for i, name in enumerate(NAMES)}
    return [pandas.DataFrame(columns), pyarrow.table(columns)]


@pytest.mark.parametrize("which", [0, 1], ids=["pandas", "pyarrow"])
def test_a_data_frame_gives_the_same_data_set_as_a_file(tmp_path, which):
    data = from_frame(frames()[which])
    assert data.digest == read_table(write(tmp_path, text_table())).digest
    assert from_frame(frames()[which], target="b").target_names == ("b",)


def test_bad_data_frames_are_refused():
    pandas = pytest.importorskip("pandas")
    numbers = [1.0, 2.0, 3.0]
    cases = [
        (pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), "used twice"),
        (pandas.DataFrame({"a": [1.0, None, 3.0], "y": numbers}), "column 'a' has 1 missing value (row 2)"),
        (pandas.DataFrame({"a": ["x", "y", "z"], "b": numbers, "y": numbers}), "column 'a' holds text"),
        (pandas.DataFrame({"a": [True, False, True], "y": numbers}), "column 'a' holds text"),
        (pandas.DataFrame({"a": pandas.date_range("2024", periods=3), "y": numbers}), "column 'a' holds text"),
        (pandas.DataFrame(), "no columns"),
        ([1, 2, 3], "data frame"),
    ]
    for frame, said in cases:
        with pytest.raises(DataError) as refusal:
            from_frame(frame)
        assert said in str(refusal.value)


def test_a_data_frame_with_numbered_columns_is_taken():
    pandas = pytest.importorskip("pandas")
    assert from_frame(pandas.DataFrame(TRUTH)).input_names == ("0", "1")
