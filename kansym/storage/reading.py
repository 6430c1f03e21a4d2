"""From a run folder to a result; whatever is not exactly what `save` writes is refused in one line."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kansym.config import Config
from kansym.errors import ConfigError, ModelFileError
from kansym.graph import Edge, Graph, Node
from kansym.result import Result, Table
from kansym.storage.arrays import read_points, read_weights
from kansym.storage.folder import FORMAT, LIMITS, RESULT, STOP_REASONS, SUMS, VERSION, quoted
from kansym.storage.plain_json import parse_json
from kansym.symbolic.formula import ParetoFront
from kansym.symbolic.serial import (
    formula_from_json,
    interval,
    listing,
    mapping,
    number,
    optional_text,
    text,
    whole_number,
)


def load(folder: str | os.PathLike[str]) -> Result:
    """Read a run folder that `save` wrote.

    Raises ModelFileError, in one line, when it is missing, damaged, foreign, or written by a newer kansym.
    """
    source = Path(folder)
    if not source.is_dir():
        raise ModelFileError(f"there is no run folder {quoted(source)}: give the folder that `kansym fit` wrote")
    try:
        return _Loader(source).result()
    except ModelFileError as error:
        raise ModelFileError(f"run folder {quoted(source)} cannot be read: {error}") from error


class _Loader:
    """Reads one run folder part by part; every method raises ModelFileError in one line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = self._header()
        self.sums = self._read_sums()
        self._check(RESULT, self._bytes(RESULT))

    def result(self) -> Result:
        get = self.document.get
        table = _table(get("table"))
        return Result(
            config=self._config(),
            table=table,
            front=_front(get("front"), table),
            graph_before=_graph(get("graph_before")),
            graph=_graph(get("graph")),
            network=self._network(get("network")),
            network_errors=mapping(get("network_errors"), "network_errors"),
            history=self._history(),
            points=read_points(self._part("points.npz"), len(table.input_names)),
            environment={key: text(value, "environment") for key, value in self._environment().items()},
            stop_reason=_one_of(get("stop_reason"), STOP_REASONS, "stop_reason"),
            noise=None if get("noise") is None else number(get("noise"), "noise"),
            timings=self._timings(),
        )

    def _header(self) -> Mapping[str, Any]:
        document = mapping(parse_json(self._bytes(RESULT), RESULT), RESULT)
        if document.get("format") != FORMAT:
            raise ModelFileError(f"{RESULT} was not written by kansym")
        version = whole_number(document.get("version"), "version")
        if version > VERSION:
            raise ModelFileError(f"it has format version {version}, this kansym reads up to {VERSION}: update kansym")
        return document

    def _read_sums(self) -> dict[str, str]:
        lines = self._bytes(SUMS).decode("ascii", errors="replace").splitlines()
        found = (re.fullmatch(r"([0-9a-f]{64})  ([\w.]{1,40})", line) for line in lines)
        return {match[2]: match[1] for match in found if match}

    def _part(self, name: str) -> bytes:
        return self._check(name, self._bytes(name))

    def _check(self, name: str, content: bytes) -> bytes:
        if self.sums.get(name) != hashlib.sha256(content).hexdigest():
            raise ModelFileError(f"{name} is damaged or was changed after the fit (its SHA-256 is not in {SUMS})")
        return content

    def _bytes(self, name: str) -> bytes:
        """A part's content. Links, pipes and devices are refused: only what `save` wrote is read."""
        path = self.folder / name
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise ModelFileError(f"{name} is not a regular file")
            if status.st_size > LIMITS[name]:
                raise ModelFileError(f"{name} is larger than {LIMITS[name] >> 20} MB")
            return path.read_bytes()
        except FileNotFoundError:
            raise ModelFileError(f"{name} is missing") from None
        except OSError as error:
            raise ModelFileError(f"{name}: {error.strerror or error}") from error

    def _config(self) -> Config:
        values = mapping(self.document.get("config"), "config")
        try:
            return Config.from_dict(values)
        except (ConfigError, TypeError) as error:
            raise ModelFileError(f"config: {error}") from error

    def _environment(self) -> Mapping[str, Any]:
        return mapping(self.document.get("environment"), "environment")

    def _history(self) -> tuple[dict[str, Any], ...]:
        lines = self._part("history.jsonl").splitlines()
        return tuple(dict(mapping(parse_json(line, "history.jsonl"), "history.jsonl")) for line in lines)

    def _timings(self) -> dict[str, float]:
        record = mapping(parse_json(self._part("timings.json"), "timings.json"), "timings.json")
        return {key: number(value, "timings.json") for key, value in record.items()}

    def _network(self, value: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        if value is None:
            return None
        record = mapping(value, "network")
        weights = read_weights(self._part("model.safetensors"), mapping(record.get("tensors"), "tensors"))
        return dict(mapping(record.get("description"), "description")), weights


def _table(value: Any) -> Table:
    record = mapping(value, "table")
    inputs = [mapping(item, "an input") for item in listing(record.get("inputs"), "inputs")]
    target = mapping(record.get("target"), "target")
    if not inputs:
        raise ModelFileError("the table has no inputs")
    return Table(
        source=text(record.get("source"), "source"),
        digest=text(record.get("digest"), "digest"),
        rows=whole_number(record.get("rows"), "rows"),
        input_names=tuple(text(item.get("name"), "an input's name") for item in inputs),
        target_name=text(target.get("name"), "the target's name"),
        input_units=tuple(optional_text(item.get("unit"), "a unit") for item in inputs),
        target_unit=optional_text(target.get("unit"), "a unit"),
        notes=tuple(text(item, "a note") for item in listing(record.get("notes"), "notes")),
        ranges=tuple(interval(item, "ranges") for item in listing(record.get("ranges"), "ranges")),
        options={key: text(item, "options") for key, item in mapping(record.get("options", {}), "options").items()},
    )


def _front(value: Any, table: Table) -> ParetoFront:
    record = mapping(value, "front")
    formulas = tuple(
        formula_from_json(item, table.input_names, table.target_name, table.input_units, table.target_unit)
        for item in listing(record.get("formulas"), "formulas")
    )
    chosen = whole_number(record.get("chosen"), "chosen")
    rivals = tuple(whole_number(item, "rivals") for item in listing(record.get("rivals"), "rivals"))
    if not all(index < len(formulas) for index in (chosen, *rivals)):
        raise ModelFileError(f"it chooses among {len(formulas)} formulas one that is not there")
    if not isinstance(record.get("exact"), bool):
        raise ModelFileError("exact should be true or false")
    return ParetoFront(formulas, chosen, rivals, record["exact"], text(record.get("rule"), "rule"))


def _graph(value: Any) -> Graph | None:
    if value is None:
        return None
    try:
        graph = Graph.from_json(mapping(value, "graph"))
        for node in graph.nodes:
            _check_node(node)
        return replace(graph, edges=tuple(_checked_edge(edge) for edge in graph.edges))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"the graph is damaged ({type(error).__name__}: {error})") from error


def _check_node(node: Node) -> None:
    for place in (node.layer, node.index):
        whole_number(place, "a node's place")
    _one_of(node.kind, ("input", "sum", "product"), "a node's kind")
    text(node.label, "a node's label")


def _checked_edge(edge: Edge) -> Edge:
    curves = [curve for curve in (edge.x, edge.y, edge.fitted) if curve is not None]
    if len(curves) < 2 or any(curve.ndim != 1 or len(curve) != len(edge.x) for curve in curves):
        raise ModelFileError("an edge of the graph has curves of unequal length")
    if not isinstance(edge.active, bool):
        raise ModelFileError("an edge of the graph should be active or not")
    optional_text(edge.primitive, "an edge's primitive")
    return replace(edge, score=number(edge.score, "a score"), r2=None if edge.r2 is None else number(edge.r2, "r2"))


def _one_of(value: Any, choices: tuple[str, ...], what: str) -> str:
    if value not in choices:
        raise ModelFileError(f"{what} should be one of {', '.join(choices)}")
    return value
