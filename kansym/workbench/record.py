"""A workbench as a `Result`, so that everything that takes one serves the path by hand too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kansym.config import Config
from kansym.narrowing import shown_rows
from kansym.pipeline import environment
from kansym.result import Points, Result, Table

if TYPE_CHECKING:
    from kansym.workbench.workbench import Workbench


def result_of(bench: Workbench, config: Config) -> Result:
    """The formulas, the graphs and the errors of a workbench.

    The weights are left out while an edge is a primitive: a saved network is made of splines.
    """
    return Result(
        config,
        _table(bench),
        bench.front,
        _first_trained(bench).graph,
        bench.graph,
        None if bench.mixed.fixed else _weights(bench),
        bench.errors,
        tuple(_history(bench)),
        _points(bench),
        environment(),
        "finished",
    )


def _table(bench: Workbench) -> Table:
    dataset = bench.data.dataset
    return Table(
        os.path.basename(dataset.source),
        dataset.digest,
        dataset.rows,
        dataset.input_names,
        dataset.target_names[0],
        dataset.input_units,
        dataset.target_units[0],
        dataset.notes,
        tuple((float(c.min()), float(c.max())) for c in dataset.inputs.T),
    )


def _first_trained(bench: Workbench) -> Workbench:
    """The earliest step from which the network was only made smaller: the picture before pruning."""
    found, now = bench, bench.before
    while now is not None and now.trained and now.mixed.splines.widths == bench.mixed.splines.widths:
        found, now = now, now.before
    return found


def _weights(bench: Workbench) -> tuple[dict[str, Any], dict[str, Any]]:
    data, splines = bench.data, bench.mixed.splines
    structure = {
        "kan": splines.structure(),
        "input_shift": data.inputs.shift.tolist(),
        "input_scale": data.inputs.scale.tolist(),
        "target_shift": data.target.shift.tolist(),
        "target_scale": data.target.scale.tolist(),
        "input_powers": [1.0] * data.dataset.columns,
        "target_power": 1.0,
        "fixed": len(bench.mixed.fixed),
    }
    return structure, {name: tensor.numpy().copy() for name, tensor in splines.tensors().items()}


def _history(bench: Workbench) -> Iterator[dict[str, Any]]:
    for step, (loss, held_out) in enumerate(bench.losses):
        yield {"stage": "train", "step": step, "loss": loss, "validation": held_out, "edges": len(bench.edges)}


def _points(bench: Workbench) -> Points:
    rows, parts = bench.data.parts.rows, bench.data.parts
    kept = shown_rows(len(rows))
    named = {int(row): name for name in ("train", "validation", "test") for row in getattr(parts, name)}
    inputs = rows.inputs[kept]
    return Points(inputs, rows.target[kept], bench.formula(inputs), tuple(named[int(row)] for row in kept))
