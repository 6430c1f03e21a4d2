"""A solution as a folder: `solution.json`, `model.safetensors` and their checksums; nothing is pickled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kansym.errors import KansymError, ModelFileError
from kansym.nn import KAN
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.files import problem_from
from kansym.physics.solver.solution import Check, ClosedForm, Piece, Solution
from kansym.physics.solver.trial import trial_of
from kansym.storage import plain
from kansym.storage.arrays import read_weights
from kansym.storage.plain_json import json_bytes, parse_json
from kansym.storage.writing import weights_to_bytes, write_parts
from kansym.symbolic.serial import expression_from_json, expression_to_json, mapping

FORMAT, VERSION = "kansym solution", 1
SOLUTION, MODEL, SUMS = "solution.json", "model.safetensors", "SHA256SUMS"
LARGEST = {SOLUTION: 64 << 20, MODEL: 512 << 20, SUMS: 1 << 16}


def summary(solution: Solution) -> dict[str, Any]:
    """Return what was found in plain values, without the networks."""
    formula = solution.formula
    return plain(
        {
            "problem": solution.problem.document(),
            "config": solution.config.to_dict(),
            "unknowns": solution.unknowns,
            "standard_errors": solution.standard_errors,
            "networks": _check_to_json(solution.check) | {"parameters": solution.parameters},
            "formula": None if formula is None else _formula_to_json(formula),
            "stop_reason": solution.stop_reason,
            "notes": list(solution.notes),
        }
    )


def save_solution(solution: Solution, folder: str | Path) -> Path:
    """Write a solution into a new or empty folder, or over an earlier solution.

    Raises:
        ModelFileError: when the folder holds something else, or cannot be written.
    """
    target = Path(folder)
    check_folder(target)
    tensors = {
        f"piece{place}.{name}": tensor.numpy()
        for place, piece in enumerate(solution.pieces)
        for name, tensor in piece.model.tensors().items()
    }
    named = {name: {"shape": list(array.shape), "dtype": str(array.dtype)} for name, array in tensors.items()}
    pieces = [{"ends": _ends(piece), "structure": piece.model.structure()} for piece in solution.pieces]
    document = summary(solution) | {
        "format": FORMAT, "version": VERSION, "pieces": pieces, "tensors": named, "history": list(solution.history),
        "seconds": solution.seconds, "cpu_seconds": solution.cpu_seconds,
    }  # fmt: skip
    write_parts({SOLUTION: json_bytes(document), MODEL: weights_to_bytes(tensors)}, target)
    return target


def check_folder(folder: Path) -> None:
    """Raise ModelFileError unless a solution may be written here."""
    if folder.exists() and not folder.is_dir():
        raise ModelFileError(f"'{folder}' is a file, not a folder: choose another --out")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SOLUTION).is_file():
        raise ModelFileError(f"folder '{folder}' holds other files and no solution: choose another --out")


def load_solution(folder: str | Path) -> Solution:
    """Return a saved solution; a reference function, which no file can hold, is missing in its problem.

    Raises:
        ModelFileError: when a part is missing, damaged or not of this kind.
    """
    target = Path(folder)
    try:
        return _loaded(target)
    except (KeyError, TypeError, ValueError, KansymError) as error:
        raise ModelFileError(f"'{target}' holds no solution that can be read: {error}") from error


def _loaded(target: Path) -> Solution:
    sums = dict(re.findall(r"(?m)^([0-9a-f]{64})  ([\w.]{1,40})$", _bytes(target, SUMS).decode("ascii", "replace")))
    document = mapping(parse_json(_part(target, SOLUTION, sums), SOLUTION), SOLUTION)
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise ModelFileError(f"{SOLUTION} has another format than version {VERSION} of {FORMAT!r}")
    problem = problem_from(mapping(document["problem"], "problem"))
    config = SolveConfig.from_dict(dict(mapping(document["config"], "config")))
    weights = read_weights(_part(target, MODEL, sums), mapping(document["tensors"], "tensors"))
    networks = mapping(document["networks"], "networks")
    return Solution(
        problem,
        config,
        tuple(_piece(place, item, weights) for place, item in enumerate(document["pieces"])),
        trial_of(problem, config),
        {str(name): float(value) for name, value in document["unknowns"].items()},
        _check_from_json(networks),
        tuple(dict(row) for row in document["history"]),
        float(document["seconds"]),
        float(document["cpu_seconds"]),
        str(document["stop_reason"]),
        _formula_from_json(document["formula"], problem.coordinates),
        tuple(str(note) for note in document["notes"]),
        _numbers(document["standard_errors"]),
    )


def _part(target: Path, name: str, sums: Mapping[str, str]) -> bytes:
    content = _bytes(target, name)
    if sums.get(hashlib.sha256(content).hexdigest()) != name:
        raise ModelFileError(f"{name} is damaged or was changed (its SHA-256 is not in {SUMS})")
    return content


def _bytes(target: Path, name: str) -> bytes:
    path = target / name
    try:
        if path.is_symlink() or path.stat().st_size > LARGEST[name]:
            raise ModelFileError(f"{name} is a link, or larger than {LARGEST[name] >> 20} MB")
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{name}: {error.strerror or error}") from error


def _ends(piece: Piece) -> list[float] | None:
    return [piece.low, piece.high] if np.isfinite(piece.low) else None


def _piece(place: int, item: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> Piece:
    prefix = f"piece{place}."
    tensors = {
        name.removeprefix(prefix): torch.from_numpy(array.copy())
        for name, array in weights.items()
        if name.startswith(prefix)
    }
    low, high = item["ends"] or (-np.inf, np.inf)
    return Piece(float(low), float(high), KAN.from_tensors(item["structure"], tensors))


def _check_to_json(check: Check) -> dict[str, Any]:
    return {"residuals": dict(check.residuals), "errors": dict(check.errors)}


def _check_from_json(value: Mapping[str, Any]) -> Check:
    return Check(_numbers(value["residuals"]), _numbers(value["errors"]))


def _numbers(value: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float("nan") if entry is None else float(entry) for name, entry in value.items()}


def _formula_to_json(formula: ClosedForm) -> dict[str, Any]:
    return {
        "text": str(formula),
        "latex": formula.latex(),
        "expressions": [expression_to_json(expression) for expression in formula.expressions],
        "exact": formula.exact,
        "unknowns": dict(formula.unknowns),
    } | _check_to_json(formula.check)


def _formula_from_json(value: Any, names: tuple[str, ...]) -> ClosedForm | None:
    if value is None:
        return None
    expressions = tuple(expression_from_json(each, len(names)) for each in value["expressions"])
    unknowns = {str(name): float(entry) for name, entry in value["unknowns"].items()}
    return ClosedForm(expressions, names, bool(value["exact"]), _check_from_json(value), unknowns)
