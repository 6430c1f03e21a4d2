"""Burgers with a shock of width 0.006 in a domain of width 2."""

from __future__ import annotations

from typing import Any

from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.solving import COLUMNS, HARD_SIDES, SOFT, Way, picture_of, rows

WAYS = (Way(SOFT, {}), Way(HARD_SIDES, {"hard": True}))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way of solving it."""
    return rows("burgers", setting, WAYS)


EXPERIMENT = Experiment(
    name="burgers",
    title="Burgers: viscosity 0.01/pi, a shock forms",
    rule=(
        "from u(x, 0) = -sin(pi x) and u = 0 at both ends; errors on an even 101 x 101 grid against the Cole-Hopf "
        "quadrature; one thread"
    ),
    columns=COLUMNS,
    bars=(
        Bar("relative_l2", 0.024, case=SOFT, beats="jaxKAN: 2.43 % in 1,411 s on a GPU; pykan 21.6 %"),
        Bar("relative_l2", 0.005, case=SOFT, beats="stretch"),
    ),
    run=run,
    picture=picture_of("burgers"),
)
