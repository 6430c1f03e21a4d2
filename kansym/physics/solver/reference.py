"""Accurate solutions of two problems that have no closed form, to report errors against."""

from __future__ import annotations

from functools import cache

import numpy as np

Array = np.ndarray
# Burgers: nodes of Gauss-Hermite quadrature.
NODES = 160
# Allen-Cahn: Chebyshev intervals in x, steps in t.
INTERVALS, STEPS = 256, 1000


def burgers(points: Array, viscosity: float = 0.01 / np.pi) -> Array:
    """Return the solution of u_t + u u_x = nu u_xx with u(x, 0) = -sin(pi x), u(-1, t) = u(1, t) = 0.

    By the Cole-Hopf transform it is a quotient of two integrals over a Gaussian, which are taken by quadrature.

    Args:
        points: (n, 2) of x in [-1, 1] and t >= 0.
        viscosity: nu > 0.

    Returns:
        (n, 1).

    Source: Cole 1951; Basdevant et al. 1986.
    """
    x, t = points[:, :1], points[:, 1:2]
    nodes, weights = np.polynomial.hermite.hermgauss(NODES)
    moved = x - nodes * np.sqrt(4 * viscosity * t)  # (n, nodes)
    exponent = -np.cos(np.pi * moved) / (2 * np.pi * viscosity)
    share = weights * np.exp(exponent - exponent.max(1, keepdims=True))
    return -(np.sin(np.pi * moved) * share).sum(1, keepdims=True) / share.sum(1, keepdims=True)


def allen_cahn(points: Array, diffusion: float = 1e-3, rate: float = 5.0) -> Array:
    """Return the solution of u_t = D u_xx + k (u - u^3) with u(x, 0) = x^2 cos(pi x), u(-1, t) = u(1, t) = -1.

    Chebyshev collocation in x, exponential time differencing of fourth order in t; between its times and nodes by
    interpolation of high order. Its own error is about 2e-5.

    Args:
        points: (n, 2) of x in [-1, 1] and t in [0, 1].
        diffusion: D > 0.
        rate: k.

    Returns:
        (n, 1).

    Source: Kassam and Trefethen 2005; Berrut and Trefethen 2004 (interpolation).
    """
    nodes, history = _march(diffusion, rate, INTERVALS, STEPS)  # (N + 1,), (S + 1, N + 1)
    values = np.empty(len(points))
    times, which = np.unique(points[:, 1], return_inverse=True)
    for place, time in enumerate(times):
        rows = np.flatnonzero(which == place)
        values[rows] = _between(nodes, _at_time(history, time), points[rows, 0])
    return values[:, None]


def _at_time(history: Array, time: float) -> Array:
    """Return the profile at a time, by the cubic through the four nearest steps."""
    steps = len(history) - 1
    place = time * steps
    first = int(np.clip(np.floor(place) - 1, 0, steps - 3))
    local = place - first
    others = [[j for j in range(4) if j != i] for i in range(4)]
    weights = [np.prod([(local - j) / (i - j) for j in others[i]]) for i in range(4)]
    return np.asarray(weights) @ history[first : first + 4]


def _between(nodes: Array, values: Array, x: Array) -> Array:
    """Return the polynomial through values at Chebyshev nodes (N + 1,), by the barycentric formula: (n,)."""
    signs = (-1.0) ** np.arange(len(nodes))
    signs[[0, -1]] *= 0.5
    gap = x[:, None] - nodes
    hit, where = np.nonzero(gap == 0)
    gap[hit, where] = 1.0
    share = signs / gap
    found = (share @ values) / share.sum(1)
    found[hit] = values[where]
    return found


def chebyshev(intervals: int) -> tuple[Array, Array]:
    """Return the N + 1 nodes cos(pi j / N) and the matrix that differentiates values there.

    Source: Trefethen, Spectral Methods in MATLAB, 2000, ch. 6.
    """
    places = np.arange(intervals + 1)
    nodes = np.cos(np.pi * places / intervals)
    signs = np.where((places == 0) | (places == intervals), 2.0, 1.0) * (-1.0) ** places
    gaps = nodes[:, None] - nodes
    matrix = np.outer(signs, 1 / signs) / (gaps + np.eye(intervals + 1))
    return nodes, matrix - np.diag(matrix.sum(1))


@cache
def _march(diffusion: float, rate: float, intervals: int, steps: int) -> tuple[Array, Array]:
    """Return the nodes and the profiles at all steps; w = u + 1 vanishes at both ends."""
    nodes, slope = chebyshev(intervals)
    linear = diffusion * (slope @ slope)[1:-1, 1:-1]
    step = _Step.of(linear, 1.0 / steps)
    now = nodes[1:-1] ** 2 * np.cos(np.pi * nodes[1:-1]) + 1
    found = [now]
    for _ in range(steps):
        now = step.take(now, lambda w: rate * ((w - 1) - (w - 1) ** 3))
        found.append(now)
    return nodes, np.pad(np.array(found), ((0, 0), (1, 1))) - 1


class _Step:
    """One step of ETDRK4 for w' = L w + N(w)."""

    def __init__(self, half: Array, whole: Array, inner: Array, first: Array, middle: Array, last: Array) -> None:
        self.half, self.whole, self.inner = half, whole, inner
        self.first, self.middle, self.last = first, middle, last

    @classmethod
    def of(cls, linear: Array, step: float) -> _Step:
        """Make the matrices: functions of L by means over a circle around every eigenvalue, where nothing cancels."""
        values, vectors = np.linalg.eig(linear)
        inverse = np.linalg.inv(vectors)
        around = np.exp(2j * np.pi * (np.arange(64) + 0.5) / 64)
        z = step * values[:, None] + around
        grown = np.exp(z)

        def of(entries: Array) -> Array:
            return np.real(vectors @ (entries.mean(1)[:, None] * inverse))

        return cls(
            of(np.exp(z / 2)),
            of(grown),
            step * of((np.exp(z / 2) - 1) / z),
            step * of((-4 - z + grown * (4 - 3 * z + z**2)) / z**3),
            step * of((2 + z + grown * (z - 2)) / z**3),
            step * of((-4 - 3 * z - z**2 + grown * (4 - z)) / z**3),
        )

    def take(self, now: Array, source) -> Array:
        """Return the state one step later."""
        known = source(now)
        a = self.half @ now + self.inner @ known
        at_a = source(a)
        b = self.half @ now + self.inner @ at_a
        at_b = source(b)
        c = self.half @ a + self.inner @ (2 * at_b - known)
        return self.whole @ now + self.first @ known + 2 * (self.middle @ (at_a + at_b)) + self.last @ source(c)
