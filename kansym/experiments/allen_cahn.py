"""Allen-Cahn: a solution that falls apart into two phases with thin walls between them."""

from __future__ import annotations

from typing import Any

from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.solving import COLUMNS, HARD_SIDES, SOFT, Way, picture_of, rows

ONE_WINDOW = "KAN, soft conditions, all times at once"
WAYS = (
    Way(SOFT, {}),
    Way(ONE_WINDOW, {"windows": 1, "hidden": (5, 5), "points": 2000}),
    Way(HARD_SIDES, {"hard": True}),
)


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way of solving it."""
    return rows("allen-cahn", setting, WAYS)


EXPERIMENT = Experiment(
    name="allen-cahn",
    title="Allen-Cahn: D = 0.001, reaction 5 (u - u^3)",
    rule=(
        "from u(x, 0) = x^2 cos(pi x) and u = -1 at both ends; time in windows, one network each, against all times at "
        "once; errors on an even 101 x 101 grid against a spectral solution (Chebyshev, ETDRK4); one thread"
    ),
    columns=COLUMNS,
    bars=(Bar("relative_l2", 0.014, case=SOFT, beats="jaxKAN: 1.41 % in 1,212 s on a GPU; pykan 53.5 %"),),
    run=run,
    picture=picture_of("allen-cahn"),
)
