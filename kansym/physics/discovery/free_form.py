"""Right-hand sides of any form: the search of `kansym.fit` on tables of states and slopes of the smooth path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kansym.budget import Budget, Inner, Part
from kansym.config import Config
from kansym.data import Dataset
from kansym.events import Event, Listener, Note, StageFinished, StageStarted
from kansym.physics.discovery.candidates import Candidate, refitted
from kansym.physics.discovery.forms import Form
from kansym.physics.discovery.smoothing import SmoothPath
from kansym.physics.discovery.trajectories import Trajectories
from kansym.pipeline import fit
from kansym.symbolic.expression import Expression, Variable

Array = np.ndarray
MOST_ROWS = 300
EDGE = 0.02  # of the time at both ends, where slopes of the path are worst
KEPT = 5


def slope_table(data: Trajectories, paths: Sequence[SmoothPath]) -> tuple[Array, Array]:
    """States (N, D) and slopes (N, D) of the paths, at most 300 rows, evenly far from each other along the paths."""
    states, slopes = [], []
    for part, path in zip(data.parts, paths, strict=True):
        span = part.times[-1] - part.times[0]
        moments = np.linspace(part.times[0] + EDGE * span, part.times[-1] - EDGE * span, 8 * MOST_ROWS)
        x, v = path.value(moments), path.slope(moments)
        way = np.hypot(np.diff(x, axis=0) / np.ptp(x, axis=0), np.diff(v, axis=0) / np.ptp(v, axis=0)).sum(axis=1)
        length = np.r_[0.0, np.cumsum(way)]
        wanted = np.linspace(0, length[-1], max(MOST_ROWS // len(data.parts), 10))
        places = np.unique(np.searchsorted(length, wanted).clip(0, len(moments) - 1))
        states.append(x[places])
        slopes.append(v[places])
    return np.concatenate(states), np.concatenate(slopes)


def searched(
    data: Trajectories, paths: Sequence[SmoothPath], form: Form, state: int, config: Config, budget: Budget | Part,
    listen: Listener, hints: Sequence[Expression] = (),
) -> list[Candidate]:  # fmt: skip
    """Return formulas for the rate of one state, with constants fitted to the conditions of a form.

    Args:
        data, paths: what is searched: the states of the paths and their slopes.
        form: what the formulas are judged by.
        state: whose rate.
        config: of the search.
        budget: shared; the search takes at most what `config` allows.
        listen: hears events.
        hints: formulas that may be near.
    """
    states, slopes = slope_table(data, paths)
    varies = [i for i in range(data.dimension) if np.ptp(states[:, i]) > 0]
    table = Dataset(states[:, varies], slopes[:, state], tuple(data.names[i] for i in varies), ("rate of change",))
    shifted = {i: place for place, i in enumerate(varies)}
    own = [hint.substitute([Variable(shifted.get(i, 0)) for i in range(data.dimension)]) for hint in hints]
    result = fit(table, config, listen, Inner.of(budget, min(config.seconds, budget.remaining)), own)
    back = [Variable(i) for i in varies]
    formulas = {result.front.chosen: result.formula} | dict(enumerate(result.front.formulas[::-1]))
    found = [refitted(each.expression.substitute(back), form, state, "search") for each in formulas.values()]
    return sorted(found, key=lambda candidate: candidate.score)[:KEPT]


def quietly(listen: Listener) -> Listener:
    """What a search inside tells: that it goes on, not its own stages."""

    def hear(event: Event) -> None:
        if not isinstance(event, (StageStarted, StageFinished, Note)):
            listen(event)

    return hear
