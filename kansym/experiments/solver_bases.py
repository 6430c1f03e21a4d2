"""Which basis solves differential equations? Every smooth basis on five equations, nothing else changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kansym.bases import BASES
from kansym.bench.tables import Record
from kansym.experiments.bases import middle
from kansym.experiments.experiment import Experiment, Setting
from kansym.experiments.solving import COLUMNS, Way, rows

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

EQUATIONS = ("poisson", "helmholtz", "diffusion", "allen-cahn", "burgers")
WITHOUT = {
    "linear": "its second derivatives are zero",
    "rational": "its denominators are learned by Adam alone, and it is chebyshev without",
}
SMOOTH = tuple(name for name in BASES.names() if name not in WITHOUT)
LIMIT = 300.0


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per equation and basis."""
    equations, bases = (EQUATIONS[:1], SMOOTH[:1]) if setting.quick else (EQUATIONS, SMOOTH)
    ways = [Way(name, {"basis": name, "formula": False, "time_limit": LIMIT}) for name in bases]
    found = []
    for equation in equations:
        solved = rows(equation, replace(setting, peers=False), ways, shown=False)
        found += [{**row, "case": f"{equation}, {row['case']}"} for row in solved]
    return found


def picture(records: Sequence[Record]) -> Figure:
    """The error of every basis on every equation, medians over seeds."""
    from kansym.report.pictures.dots import Panel, dots

    cases = [str(row["case"]).partition(", ") for row in records]
    equations, names = (list(dict.fromkeys(case[place] for case in cases)) for place in (0, 2))
    panels = [
        Panel(
            equation,
            True,
            {"relative L2 error": [middle(records, f"{equation}, {name}", "relative_l2") for name in names]},
        )
        for equation in equations
    ]
    return dots(names, panels)


EXPERIMENT = Experiment(
    name="solver-bases",
    title="Which basis solves differential equations",
    rule=(
        "each equation with its own choices but for the basis: shape, intervals, order, points, steps of Gauss-Newton; "
        "grids of splines get knots where the residual is large, those of other bases become finer everywhere; errors "
        f"on points that are not trained on; at most {LIMIT:.0f} s. "
        f"Not here: {'; '.join(f'{name} ({reason})' for name, reason in WITHOUT.items())}"
    ),
    columns=COLUMNS,
    bars=(),  # the question is open: nobody has published such a table
    run=run,
    picture=picture,
)
