"""A run folder of a discovery: strict JSON, LaTeX and a picture, nothing that a program would run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kansym.errors import ModelFileError
from kansym.physics.discovery.found import Discovery, Equation
from kansym.storage.plain_json import json_bytes
from kansym.symbolic.serial import expression_to_json

# What stands below the panels, and what dots and line are.
WORDS = {
    "ode": ("time", ("samples", "solution")),
    "pde": ("right-hand side, averaged", ("left-hand side", "equality")),
}
RESULT, LATEX, PICTURE = "discovery.json", "equations.tex", "solution.svg"


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
    numbers = [{"value": each.value, "error": each.error, "exact": each.label} for each in equation.constants]
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
        if found.curves and find_spec("matplotlib"):
            from kansym.report.canvas import save
            from kansym.report.pictures.trajectories import trajectories

            written.append(save(trajectories(panels(found), *WORDS[found.kind]), folder / PICTURE))
    except OSError as error:
        raise ModelFileError(f"cannot write the run folder '{folder}': {error}: choose another --out") from error
    return written


def panels(found: Discovery) -> dict[str, tuple[Any, ...]]:
    """Return what the picture shows: (times, samples, dense times, solution) by what stands above a panel."""
    several = len({curve.trajectory for curve in found.curves}) > 1
    return {
        f"{curve.state}, trajectory {curve.trajectory}" if several else curve.state: (
            curve.times, curve.samples, curve.dense, curve.solution,
        )
        for curve in found.curves
    }  # fmt: skip
