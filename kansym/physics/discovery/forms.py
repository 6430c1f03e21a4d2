"""Three ways to hold a law x' = f(x) against a smooth path, all linear in x' and f: form @ f(states) = target.

derivative: f at moments equals the slope of the path there.
integral: f, added up from one moment to the next, is the difference of the path.
weak: f, averaged by a bump that vanishes with its slope at both ends, equals the path averaged by minus the bump's
slope
(Messenger and Bortz, Multiscale Model. Simul. 19, 1474, 2021): no slope of the path is needed, and noise averages out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kansym.physics.discovery.smoothing import SmoothPath
from kansym.physics.discovery.trajectories import Trajectories
from kansym.registry import Registry

Array = np.ndarray
FINER = 2  # moments per sample
MOST_MOMENTS = 6000
BUMP_POWER = 6  # of (1 - s**2): its slopes up to the fifth vanish at both ends, so that sums are nearly exact integrals
BUMP_SPACINGS, BUMP_MOMENTS = 3.0, 12  # half the width of a bump: so many spacings of the path, and moments, at least
PIECES = 5  # of time, that are left out in turn
OVERLAP = 0.1  # of half a width, between the centres of bumps


@dataclass(frozen=True, eq=False)
class Form:
    """Conditions that a law must meet.

    Attributes:
        states: (G, D) of the smooth paths at even moments.
        matrix: (M, G) sparse: what is done to the values of f there.
        target: (M, D): what must come out for each state.
        blocks: (M,) numbers of the pieces of time in which the conditions lie, for leaving pieces out.
    """

    states: Array
    matrix: sparse.csr_array
    target: Array
    blocks: Array

    def applied(self, values: Array) -> Array:
        """The conditions' left-hand sides (M, ...) for values (G, ...) of functions of the states."""
        return self.matrix @ values


def _derivative(moments: Array, path: SmoothPath) -> tuple[sparse.csr_array, Array]:
    return sparse.csr_array(sparse.eye_array(len(moments))), path.slope(moments)


def _integral(moments: Array, path: SmoothPath) -> tuple[sparse.csr_array, Array]:
    """Simpson's rule over pieces of as many moments as a bump's half width."""
    step = moments[1] - moments[0]
    half = _half_width(moments, path) // 2 * 2
    starts = np.arange(0, len(moments) - half, max(1, int(half * OVERLAP)))
    weights = np.where(np.arange(half + 1) % 2, 4.0, 2.0) * step / 3
    weights[[0, -1]] = step / 3
    states = path.value(moments)
    return _placed(starts, weights, len(moments)), states[starts + half] - states[starts]


def _weak(moments: Array, path: SmoothPath) -> tuple[sparse.csr_array, Array]:
    step = moments[1] - moments[0]
    half = _half_width(moments, path)
    s = np.arange(-half, half + 1) / half
    bump = (1 - s * s) ** BUMP_POWER
    slope = -2 * BUMP_POWER * s * (1 - s * s) ** (BUMP_POWER - 1) / (half * step)
    size = bump.sum()
    starts = np.arange(0, len(moments) - 2 * half, max(1, int(half * OVERLAP)))
    return (
        _placed(starts, bump / size, len(moments)),
        -(_placed(starts, slope / size, len(moments)) @ path.value(moments)),
    )


FORMS: Registry[Callable[[Array, SmoothPath], tuple[sparse.csr_array, Array]]] = Registry("form")
for _name, _form in (("weak", _weak), ("integral", _integral), ("derivative", _derivative)):
    FORMS.add(_name, _form)


def _half_width(moments: Array, path: SmoothPath) -> int:
    """Half the width of a bump in moments."""
    step = moments[1] - moments[0]
    wanted = max(BUMP_MOMENTS, int(np.ceil(BUMP_SPACINGS * np.median(path.spacing) / step)))
    return max(2, min(wanted, (len(moments) - 1) // 8))


def _placed(starts: Array, weights: Array, width: int) -> sparse.csr_array:
    """The same weights from every start on."""
    count = len(weights)
    columns = (starts[:, None] + np.arange(count)).ravel()
    rows = np.repeat(np.arange(len(starts)), count)
    values = np.tile(weights, len(starts))
    return sparse.csr_array((values, (rows, columns)), shape=(len(starts), width))


def form_of(data: Trajectories, paths: Sequence[SmoothPath], name: str = "weak") -> Form:
    """Return the conditions of one form over all trajectories.

    Args:
        data: the samples.
        paths: one for each trajectory.
        name: of `FORMS`.

    Raises:
        ConfigError: for an unknown form.
    """
    made, states, blocks = [], [], []
    for number, (part, path) in enumerate(zip(data.parts, paths, strict=True)):
        moments = np.linspace(part.times[0], part.times[-1], min(FINER * len(part.times), MOST_MOMENTS) + 1)
        made.append(FORMS.get(name)(moments, path))
        states.append(path.value(moments))
        blocks.append(PIECES * number + (np.arange(len(made[-1][1])) * PIECES) // len(made[-1][1]))
    matrix = sparse.csr_array(sparse.block_diag([matrix for matrix, _ in made]))
    return Form(np.concatenate(states), matrix, np.concatenate([target for _, target in made]), np.concatenate(blocks))
