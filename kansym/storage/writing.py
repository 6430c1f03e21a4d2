"""From a result to the files of a run folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kansym.errors import ModelFileError
from kansym.graph import Edge, Graph
from kansym.result import Points, Result, Table
from kansym.storage.folder import FORMAT, LIMITS, MAX_SAMPLES, PICTURES, RESULT, SUMS, VERSION, check_target, quoted
from kansym.storage.plain_json import json_bytes, json_line
from kansym.symbolic.formula import ParetoFront
from kansym.symbolic.serial import formula_summary, formula_to_json


def save(result: Result, folder: str | os.PathLike[str]) -> Path:
    """Write a run folder; files of an earlier run in it are replaced, other files are left alone.

    Every part is written and synced in a temporary folder beside it and then moved into place, `result.json` last.
    When a picture or the report cannot be made, everything else is saved before that error goes on.

    Returns the folder. Raises ModelFileError when the folder holds something else than a run, or cannot be written.
    """
    target = Path(folder)
    check_target(target)
    parts = _records(result)
    try:
        parts |= _pictures(result)
    finally:  # a picture that cannot be drawn must not cost the result
        write_parts(parts, target)
    return target


def _records(result: Result) -> dict[str, bytes]:
    """The parts that `load` reads."""
    parts = {
        "config.toml": result.config.to_toml().encode(),
        "history.jsonl": b"".join(json_line(row) for row in result.history),
        "points.npz": _points_to_bytes(result.points),
        "timings.json": json_bytes(dict(result.timings)),
        RESULT: json_bytes(result_to_json(result)),
    }
    if result.network is not None:
        parts["model.safetensors"] = weights_to_bytes(result.network[1])
    return parts


def _pictures(result: Result) -> dict[str, bytes]:
    """The parts for people and other programs."""
    from kansym.export import FORMATS
    from kansym.report.html import report
    from kansym.report.svg import graphs_svg
    from kansym.report.units import units_of

    formulas = [formula_summary(formula) for formula in result.front.formulas]
    parts = {
        "formulas.json": json_bytes({"chosen": result.front.chosen, "formulas": formulas}),
        "formula.tex": _entry(FORMATS, "latex")(result).encode(),
        "report.html": report(result).encode(),
    }
    picture = graphs_svg(result.graph_before, result.graph, units_of(result))
    if picture:
        parts["graph.svg"] = picture.encode()
    return parts


def _entry(registry: Any, name: str) -> Callable[[Result], str]:
    return registry.get(name)


def result_to_json(result: Result) -> dict[str, Any]:
    """What `result.json` holds: no times, no paths; identical for identical results."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": result.config.to_dict(),
        "table": _table_to_json(result.table),
        "front": _front_to_json(result.front),
        "network": None if result.network is None else _network_to_json(*result.network),
        "network_errors": dict(result.network_errors),
        "graph": _graph_to_json(result.graph),
        "graph_before": _graph_to_json(result.graph_before),
        "noise": result.noise,
        "law_found": result.law_found,
        "stop_reason": result.stop_reason,
        "environment": dict(result.environment),
    }


def _table_to_json(table: Table) -> dict[str, Any]:
    return {
        "source": table.source,
        "digest": table.digest,
        "rows": table.rows,
        "inputs": [
            {"name": name, "unit": unit} for name, unit in zip(table.input_names, table.input_units, strict=True)
        ],
        "target": {"name": table.target_name, "unit": table.target_unit},
        "notes": list(table.notes),
        "ranges": [list(limits) for limits in table.ranges],
        "options": dict(table.options),
    }


def _front_to_json(front: ParetoFront) -> dict[str, Any]:
    return {
        "formulas": [formula_to_json(formula) for formula in front.formulas],
        "chosen": front.chosen,
        "rivals": list(front.rivals),
        "exact": front.exact,
        "rule": front.rule,
    }


def _network_to_json(description: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
    shapes = {name: {"shape": list(array.shape), "dtype": str(array.dtype)} for name, array in weights.items()}
    return {"description": dict(description), "tensors": shapes}


def _graph_to_json(graph: Graph | None) -> Any:
    if graph is None:
        return None
    return replace(graph, edges=tuple(_thinned(edge) for edge in graph.edges)).to_json()


def _thinned(edge: Edge) -> Edge:
    """An edge with at most 200 of its samples, ends included: what a picture can show."""
    if len(edge.x) <= MAX_SAMPLES:
        return edge
    kept = np.linspace(0, len(edge.x) - 1, MAX_SAMPLES).round().astype(int)
    return replace(edge, x=edge.x[kept], y=edge.y[kept], fitted=None if edge.fitted is None else edge.fitted[kept])


def _points_to_bytes(points: Points) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        inputs=np.asarray(points.inputs, dtype=float),
        measured=np.asarray(points.measured, dtype=float),
        predicted=np.asarray(points.predicted, dtype=float),
        part=np.array(points.part, dtype="U16"),
    )
    return buffer.getvalue()


def weights_to_bytes(weights: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as a safetensors file."""
    from safetensors.numpy import save as to_bytes

    return to_bytes({name: np.ascontiguousarray(array) for name, array in weights.items()})


def _sums(parts: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(parts.items()))
    return "".join(lines).encode("ascii")


def write_parts(parts: Mapping[str, bytes], target: Path) -> None:
    """Write files and their checksums into a folder so that a crash leaves none of them half. Raises ModelFileError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent))
        try:
            _move_parts(parts, temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise ModelFileError(f"cannot write the run folder {quoted(target)}: {error.strerror or error}") from error


def _move_parts(parts: Mapping[str, bytes], temporary: Path, target: Path) -> None:
    complete = dict(parts) | {SUMS: _sums(parts)}
    for name, content in complete.items():
        _write_synced(temporary / name, content)
    target.mkdir(exist_ok=True)
    for name in sorted(complete, key=lambda name: (name == RESULT, name)):
        os.replace(temporary / name, target / name)
    for stale in (set(LIMITS) | set(PICTURES)) - set(complete):
        (target / stale).unlink(missing_ok=True)
    _sync_folder(target)
    _sync_folder(target.parent)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames durable; some systems cannot open a folder, and there the rename alone has to do."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
