"""Points at which an equation is asked to hold: on a grid, by Latin hypercube, or where the residual is large."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kansym.errors import ConfigError
from kansym.physics.solver.domain import Domain, Face, on_edge

Array = np.ndarray
# How often points are drawn again where a union leaves most of its boxes' overlap out.
ROUNDS = 50
SAMPLINGS = ("latin", "grid")


def latin_hypercube(count: int, axes: int, random: np.random.Generator) -> Array:
    """Return (count, axes) points in [0, 1]: along every axis one in each of `count` equal slices.

    Source: McKay, Beckman and Conover 1979.
    """
    slices = np.stack([random.permutation(count) for _ in range(axes)], 1) if axes else np.zeros((count, 0))
    return (slices + random.random((count, axes))) / count


def even_grid(count: int, axes: int, ends: bool = False) -> Array:
    """Return about `count` points of an even grid in [0, 1]^axes: at the middles of its cells, or with both ends."""
    if not axes:
        return np.zeros((1, 0))
    side = max(2, round(count ** (1 / axes)))
    line = np.linspace(0, 1, side) if ends else (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(*[line] * axes, indexing="ij"), -1).reshape(-1, axes)


def interior(domain: Domain, count: int, sampling: str, random: np.random.Generator) -> Array:
    """Return about `count` points of the domain, (n, D).

    Args:
        domain: a box or a union.
        count: >= 1.
        sampling: "latin" or "grid".
        random: of the Latin hypercube.
    """
    if sampling == "grid":
        fill = domain.volume / domain.box.volume
        points = domain.box.place(even_grid(max(1, round(count / min(1.0, fill))), len(domain.names)))
        return points[domain.contains(points)]
    if len(domain.boxes) == 1:
        return domain.box.place(latin_hypercube(count, len(domain.names), random))
    return _rejected(domain, count, random)


def _rejected(domain: Domain, count: int, random: np.random.Generator) -> Array:
    """Draw in the box around the domain until enough points are inside."""
    kept: list[Array] = []
    for _ in range(ROUNDS):
        points = domain.box.place(latin_hypercube(count, len(domain.names), random))
        kept.append(points[domain.contains(points)])
        if sum(map(len, kept)) >= count:
            return np.concatenate(kept)[:count]
    raise ConfigError("the boxes fill too little of the box around them: scale the coordinates")


def edge(domain: Domain, faces: Sequence[Face], count: int) -> Array:
    """Return about `count` even points on the faces, shared by area, ends included; only what is on the edge.

    Raises:
        ConfigError: when the faces lie inside the domain.
    """
    total = sum(face.area for face in faces) or 1.0
    axes = len(domain.names) - 1
    parts = [face.place(even_grid(max(2, round(count * face.area / total)), axes, True)) for face in faces]
    points = np.concatenate(parts)
    points = points[on_edge(domain, points)]
    if not len(points):
        raise ConfigError("a condition stands on sides that lie inside the domain: name sides of its edge")
    return np.unique(points, axis=0)


def where_large(candidates: Array, size: Array, count: int, random: np.random.Generator) -> Array:
    """Return `count` of the candidates' rows, chosen with a density that is half even and half as `size`.

    Args:
        candidates: (n, D).
        size: of the residual, (n,), >= 0.

    Returns:
        Row numbers, (count,), without repetition.

    Source: Wu, Zhu, Tan, Kartha and Lu 2023 (RAD with k = c = 1).
    """
    scale = float(np.mean(size))
    density = 1.0 + (size / scale if scale > 0 else np.zeros_like(size))
    return np.sort(
        random.choice(len(candidates), min(count, len(candidates)), replace=False, p=density / density.sum())
    )


def windows(low: float, high: float, count: int) -> tuple[tuple[float, float], ...]:
    """Return `count` equal intervals that fill [low, high]."""
    return tuple(pairwise(np.linspace(low, high, count + 1).tolist()))
