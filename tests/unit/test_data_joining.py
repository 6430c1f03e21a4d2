"""Several tables of the same columns as one."""

import numpy as np
import pytest

from kansym.data import Dataset, joined
from kansym.errors import DataError


def table(rows: int, names=("a", "b"), units=("m", None), source="one.csv", **more) -> Dataset:
    inputs = np.arange(2.0 * rows).reshape(rows, 2)
    return Dataset(inputs, inputs[:, 0], names, ("y",), units, ("s",), source=source, **more)


def test_rows_are_put_below_each_other_in_the_columns_of_the_first():
    one, two = table(3), table(2, ("b", "a"), (None, "m"), "two.csv", notes=("a row was dropped",))
    both = joined([one, two])
    assert both.rows == 5 and both.input_names == ("a", "b") and both.source == "one.csv + two.csv"
    np.testing.assert_array_equal(both.inputs[3:], two.inputs[:, ::-1])
    assert both.notes == ("two.csv: a row was dropped",)


def test_one_table_stays_itself():
    one = table(3)
    assert joined([one]) is one


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (table(2, ("a", "c"), source="two.csv"), "the input column 'b' is in one of them only"),
        (table(2, units=("km", None), source="two.csv"), "column 'a' is in km and in m"),
        (table(2, source="two.csv", sigma=np.ones(2)), "one.csv has no sigma"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(other: Dataset, said: str):
    with pytest.raises(DataError, match=said):
        joined([table(3), other])
