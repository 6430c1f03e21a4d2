"""Which layer? What a base branch, a scale, a normalisation, a learned grid and learned widths do to a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kansym.experiments.bases import COLUMNS, NOISES, WORDS, listed, over_laws, picture
from kansym.experiments.experiment import Experiment, Setting
from kansym.experiments.networks import STEPS, TASKS, Kind
from kansym.nn import LayerOptions

HIDDEN, INTERVALS = 2, 6
LAWS = TASKS[:6]
PLAIN = LayerOptions(intervals=INTERVALS, base="none")
RADIAL = replace(PLAIN, basis="rbf")
KINDS = {
    "bspline": Kind(PLAIN, HIDDEN),
    "bspline, SiLU branch": Kind(replace(PLAIN, base="silu"), HIDDEN),
    "bspline, straight branch": Kind(replace(PLAIN, base="identity"), HIDDEN),
    "bspline, spline scale": Kind(replace(PLAIN, spline_scale=True), HIDDEN),
    "bspline, SiLU branch and scale": Kind(replace(PLAIN, base="silu", spline_scale=True), HIDDEN),
    "bspline, LayerNorm": Kind(replace(PLAIN, normalisation="layernorm"), HIDDEN, readable=False),
    "rbf": Kind(RADIAL, HIDDEN),
    "rbf, SiLU branch": Kind(replace(RADIAL, base="silu"), HIDDEN),
    "bspline, Adam": Kind(PLAIN, HIDDEN, optimizer="adam"),
    "bspline, Adam, learned grid": Kind(replace(PLAIN, learn_grid=True), HIDDEN, optimizer="adam"),
    "rbf, Adam": Kind(RADIAL, HIDDEN, optimizer="adam"),
    "rbf, Adam, learned centres and widths": Kind(replace(RADIAL, learn_grid=True), HIDDEN, optimizer="adam"),
}


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way to make a layer and noise, over all laws."""
    kinds = dict(list(KINDS.items())[:1]) if setting.quick else KINDS
    return over_laws(kinds, LAWS, NOISES[: 1 if setting.quick else None], setting)


EXPERIMENT = Experiment(
    name="layer-options",
    title="Which layer: base branch, scale, normalisation, learned grid and widths",
    rule=(
        f"networks [columns, {HIDDEN}, 1] of {INTERVALS} intervals, one hidden sum more than the laws need, trained as "
        f"for `bases`, or by {STEPS['adam']:,} steps of Adam, which alone learns grids; with LayerNorm an edge "
        f"sees all columns, so no formula is read; {WORDS}{listed(LAWS)}"
    ),
    columns=COLUMNS,
    bars=(),  # the question is open: nobody has published such a table
    run=run,
    picture=picture,
)
