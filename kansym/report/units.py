"""The units of a result's columns, as the graph picture wants them."""

from __future__ import annotations

from kansym.report.scene import Units
from kansym.result import Result


def units_of(result: Result) -> Units:
    """The units of the inputs and the target, for the names in the graph picture."""
    return Units(tuple(result.table.input_units), (result.table.target_unit,))
