"""What the experiments on differential equations share: a problem solved several ways, each a row of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.bench.tables import Column, Record, duration, number
from kansym.experiments.experiment import Setting
from kansym.physics.solver import PROBLEMS, Problem, Solution, SolveConfig, solve

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

SOFT, HARD = "KAN, soft conditions", "KAN, conditions by construction"
HARD_SIDES = "KAN, sides by construction"
# A run that only shows that everything works.
QUICK: dict[str, Any] = {
    "hidden": (3,), "intervals": (5,), "rounds": 1, "steps": 3, "points": 100, "edge_points": 40, "windows": 1,
}  # fmt: skip
SHOWN = 31  # points along each axis of a picture

COLUMNS = (
    Column("relative_l2", "relative L2 error", number),
    Column("mse", "mean square error", number),
    Column("max", "largest error", number),
    Column("residual", "RMS residual", number),
    Column("parameters", "parameters"),
    Column("cpu_seconds", "processor time", duration),
    Column("seconds", "time", duration),
)


@dataclass(frozen=True)
class Way:
    """A row of an experiment: its name and what is changed in the problem's own choices."""

    case: str
    changes: Mapping[str, Any]


METHODS = (
    Way("KAN, L-BFGS", {"method": "lbfgs", "steps": 200}),
    Way("KAN, Adam", {"method": "adam", "steps": 1000}),
)


def rows(name: str, setting: Setting, ways: Sequence[Way], shown: bool = True) -> list[dict[str, Any]]:
    """Solve a known problem in several ways.

    Args:
        name: in the table of known problems.
        setting: of the experiment.
        ways: one row each; the first one's field is kept for the picture.
        shown: keep the field of the first way.

    Returns:
        One row per way; with `setting.peers` also those of the peers that are installed.
    """
    known = PROBLEMS.get(name)
    problem, found = known.problem(), []
    for place, way in enumerate(ways):
        changes = dict(way.changes) | ({**QUICK, "formula": False} if setting.quick else {}) | {"seed": setting.seed}
        config = SolveConfig.from_dict(known.config.to_dict() | changes)
        solution = solve(problem, config, setting.tell)
        found.append({"case": way.case, **figures(solution)})
        if shown and not place:
            found[-1] |= field_of(problem, solution)
    if setting.peers:
        from kansym.experiments.torch_peers import peer_rows

        found += peer_rows(problem, setting)
    return found


def figures(solution: Solution) -> dict[str, Any]:
    """Return a solution's figures as a row."""
    residuals = [value for name, value in solution.check.residuals.items() if name.startswith("equation")]
    row: dict[str, Any] = {
        **solution.check.errors,
        "residual": max(residuals),
        "parameters": solution.parameters,
        "seconds": solution.seconds,
        "cpu_seconds": solution.cpu_seconds,
        **solution.unknowns,
    }
    if solution.formula is not None:
        formula = solution.formula
        row |= {"formula": str(formula), "exact": formula.exact, "formula_error": formula.check.errors.get("max")}
    return row


def field_of(problem: Problem, solution: Solution) -> dict[str, Any]:
    """Return a solution of two coordinates and its error on an even grid, rounded, for the picture."""
    box = problem.where.box
    axes = [np.linspace(low, high, SHOWN) for low, high in zip(box.low, box.high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    values, truth = solution(points)[:, 0], problem.truth(points)
    missed = values - (values if truth is None else truth[:, 0])
    return {"field": rounded(values), "missed": rounded(missed)}


def rounded(values: np.ndarray) -> list[float]:
    """Return values with three digits."""
    return [float(f"{value:.3g}") for value in values.tolist()]


def picture_of(name: str):
    """Return what draws a problem's first row of the first seed: the solution and its error."""

    def picture(records: Sequence[Record]) -> Figure:
        from kansym.report.pictures.fields import fields

        problem = PROBLEMS.get(name).problem()
        row = next(record for record in records if record.get("field"))
        shape = (SHOWN, SHOWN)
        panels = {
            str(row["case"]): np.reshape(row["field"], shape),
            "error": np.reshape(row["missed"], shape),
        }
        box = problem.where.box
        ends = tuple(zip(box.low.tolist(), box.high.tolist(), strict=True))
        return fields(panels, problem.coordinates, ends)

    return picture
