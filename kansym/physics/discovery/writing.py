"""A run folder of a discovery: strict JSON, LaTeX and a picture, nothing that a program would run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kansym.errors import ModelFileError
from kansym.physics.discovery.found import Curve, Discovery, Equation
from kansym.storage.plain_json import json_bytes
from kansym.symbolic.serial import expression_to_json

# What stands below the panels of the solution; what dots and line are.
ACROSS = {"ode": "time", "pde": "place"}
SOLUTION, BALANCE = ("samples", "solution"), ("left-hand side", "equality")
RESULT, LATEX, PICTURE, BALANCED = "discovery.json", "equations.tex", "solution.svg", "balance.svg"


def document(found: Discovery) -> dict[str, Any]:
    """Return the discovery in JSON's own types, without its curves."""
    return {
        "format": "kansym discovery",
        "kind": found.kind,
        "equations": [_equation(each) for each in found.equations],
        "latex": found.latex(),
        "exact": found.exact,
        "noise": dict(found.noise),
        "starts": [start.tolist() for start in found.starts],
        "stop_reason": found.stop_reason,
        "source": found.source,
        "facts": dict(found.facts),
        "notes": list(found.notes),
    }


def _equation(equation: Equation) -> dict[str, Any]:
    numbers = [
        {"value": each.value, "error": each.error, "exact": each.label, "unit": unit}
        for each, unit in zip(equation.constants, equation.constant_units, strict=True)
    ]
    return {
        "left": equation.left,
        "text": equation.text(None),
        "latex": equation.latex(),
        "expression": expression_to_json(equation.expression),
        "names": list(equation.names),
        "constants": numbers,
        "misfit": equation.misfit,
        "origin": equation.origin,
        "unit": equation.unit,
    }


def check_folder(folder: Path) -> None:
    """Raise ModelFileError unless the folder is new, empty, or holds a discovery."""
    if folder.exists() and not folder.is_dir():
        raise ModelFileError(f"'{folder}' is a file, not a run folder: choose another --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RESULT).is_file():
        raise ModelFileError(f"folder '{folder}' holds other files and no discovery: choose another --out")


def write(found: Discovery, folder: Path) -> list[Path]:
    """Write the run folder.

    Args:
        found: what to write.
        folder: new, empty, or of an earlier discovery.

    Returns:
        The files; the picture only where matplotlib is installed.

    Raises:
        ModelFileError: when it cannot be written.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RESULT).write_bytes(json_bytes(document(found)))
        (folder / LATEX).write_text(f"\\[\n{found.latex()}\n\\]\n", encoding="utf-8")
        written = [folder / RESULT, folder / LATEX]
        if find_spec("matplotlib"):
            written += _pictures(found, folder)
    except OSError as error:
        raise ModelFileError(f"cannot write the run folder '{folder}': {error}: choose another --out") from error
    return written


def _pictures(found: Discovery, folder: Path) -> Iterator[Path]:
    from kansym.report.canvas import save
    from kansym.report.pictures.trajectories import trajectories

    if found.curves:
        yield save(trajectories(panels(found.curves), ACROSS[found.kind], SOLUTION), folder / PICTURE)
    if found.balance:
        yield save(trajectories(panels(found.balance), "right-hand side", BALANCE), folder / BALANCED)


def panels(curves: Sequence[Curve]) -> dict[str, tuple[Any, ...]]:
    """Return what a picture shows: (times, samples, dense times, solution) by what stands above a panel."""
    several = len({curve.trajectory for curve in curves}) > 1
    return {
        f"{curve.state}, trajectory {curve.trajectory}" if several else curve.state: (
            curve.times, curve.samples, curve.dense, curve.solution,
        )
        for curve in curves
    }  # fmt: skip
