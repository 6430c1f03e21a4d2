"""A KAN as right-hand side: fitted to the slopes of smooth paths first (collocation), then to the trajectories
(shooting).

A path is a curve, and what a network says beside it decides whether solutions run away. So several networks are fitted
to the slopes, the one whose own solution follows the samples goes on, and its weights are kept small beside what the
samples say.

For laws that no library and no search knows, and for systems of which only a prediction is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from kansym.budget import Budget, Part
from kansym.nn import KAN, KANLayer, KANOptions, LayerOptions
from kansym.physics.discovery.free_form import slope_table
from kansym.physics.discovery.shooting import Pieces, Shot, followed_share, refined, shoot
from kansym.physics.discovery.smoothing import SmoothPath
from kansym.physics.discovery.trajectories import Trajectories
from kansym.training.trainer import TrainConfig, train

Array = np.ndarray
HIDDEN, INTERVALS = 6, 4
STARTS = 6  # networks fitted to the slopes
GAPS = (1.0, 0.1)
STEPS = 30
SPREAD = 1.0  # of the weights: states and rates are scaled, so that they are about 1
MARGIN = 0.1  # of a state's range, that the network reaches beyond the samples
RIDGE = 1e-6  # a path is a curve: beside it, only this keeps the network quiet


class KANRates:
    """The right-hand side scale * KAN((x - centre) / half) as `Rates`; its constants are the weights of all edges.

    Args:
        model: one member, D states in and D rates out, of sums alone.
        centre, half: (D,) of the box of the states, which becomes [-1, 1].
        scale: (D,) of the rates.
        theta: (P,) weights; None takes the model's.
    """

    def __init__(self, model: KAN, centre: Array, half: Array, scale: Array, theta: Array | None = None) -> None:
        self.model, self.centre, self.half, self.scale = model, centre, half, scale
        self._shapes = [tuple(layer.weights().shape[1:]) for layer in model.stack]
        own = np.concatenate([layer.weights().detach().numpy().ravel() for layer in model.stack])
        self._theta = own if theta is None else theta

    @property
    def start(self) -> Array:
        return self._theta

    def with_constants(self, theta: Array) -> KANRates:
        """The same network with other weights (P,)."""
        return KANRates(self.model, self.centre, self.half, self.scale, theta)

    def _weights(self, theta: Array) -> list[Array]:
        cuts = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(theta, cuts), self._shapes, strict=True)]

    def values(self, states: Array, theta: Array) -> Array:
        at = (states - self.centre) / self.half
        for layer, weights in zip(self.model.stack, self._weights(theta), strict=True):
            at = np.einsum("nif,iof->no", _features(layer, at, 0), weights)
        return at * self.scale

    def slopes(self, states: Array, theta: Array) -> tuple[Array, Array, Array]:
        at, steps = (states - self.centre) / self.half, []
        for layer, weights in zip(self.model.stack, self._weights(theta), strict=True):
            values, rises = _features(layer, at, 0), _features(layer, at, 1)
            steps.append((values, np.einsum("nif,iof->noi", rises, weights)))
            at = np.einsum("nif,iof->no", values, weights)
        onward = np.broadcast_to(np.diag(self.scale), (len(states), at.shape[1], at.shape[1]))  # (S, D, O)
        blocks = []
        for values, through in reversed(steps):
            blocks.append(np.einsum("ndo,nif->ndiof", onward, values).reshape(len(states), at.shape[1], -1))
            onward = onward @ through
        return at * self.scale, onward / self.half, np.concatenate(blocks[::-1], axis=-1)


def _features(layer: KANLayer, at: Array, order: int) -> Array:
    """(N, I, F) of one member."""
    with torch.no_grad():
        return layer.features(torch.from_numpy(np.ascontiguousarray(at))[None], order)[0].numpy()


def collocated(
    data: Trajectories, paths: Sequence[SmoothPath], hidden: int, intervals: int, seed: int = 0, steps: int = 200,
    starts: int = STARTS,
) -> KANRates:  # fmt: skip
    """Return a KAN of one hidden layer fitted to the slopes of smooth paths, whose own solution follows the samples.

    Args:
        data, paths: what it is fitted to.
        hidden: nodes of the hidden layer; 0 for none.
        intervals: of every spline.
        seed: of the first weights.
        steps: of Levenberg-Marquardt.
        starts: networks that are fitted, of which the one whose solution misses the least is taken.
    """
    states, slopes = slope_table(data, paths)
    low, high = states.min(axis=0), states.max(axis=0)
    centre, half = (low + high) / 2, (0.5 + MARGIN) * (high - low)
    scale = np.sqrt(np.mean(slopes**2, axis=0))
    shape = [data.dimension, *([hidden] if hidden else []), data.dimension]
    model = KAN(shape, starts, seed, KANOptions(LayerOptions(intervals=intervals, base="none")))
    x, y = torch.from_numpy((states - centre) / half), torch.from_numpy(slopes / scale)
    quiet = TrainConfig("levenberg_marquardt", steps, ridge=RIDGE, smoothness=RIDGE)
    config = replace(quiet, validation=0.0, grid_updates=1, seed=seed)
    trained = [train(model.member(place), x, y, config=config).model for place in range(starts)]
    found = [KANRates(each, centre, half, scale) for each in trained]
    return min(found, key=lambda rates: followed_share(rates, data))


@dataclass(frozen=True, eq=False)
class Followed:
    """A network as right-hand side, and how its solution follows the samples."""

    rates: KANRates
    shot: Shot


def followed(
    data: Trajectories, paths: Sequence[SmoothPath], pieces: Pieces, budget: Budget | Part, seed: int = 0
) -> Followed:
    """Return a KAN of one hidden layer fitted to slopes first, then to the trajectories.

    Args:
        data, paths, pieces: what it is fitted to.
        budget: of the second fit.
        seed: of the first weights.
    """
    return shot_from(collocated(data, paths, HIDDEN, INTERVALS, seed), pieces, budget)


def shot_from(rates: KANRates, pieces: Pieces, budget: Budget | Part) -> Followed:
    """Return a network fitted to the trajectories, its weights kept small.

    Args:
        rates: fitted to slopes.
        pieces: of the trajectories.
        budget: the best so far comes back when it has expired.
    """
    shot = shoot(rates, refined(pieces, rates), budget, GAPS, STEPS, SPREAD)
    return Followed(rates.with_constants(shot.theta), shot)


def network_paths(found: Followed, paths: Sequence[SmoothPath]) -> list[SmoothPath]:
    """Return the paths with the network's own rates as slopes: of noisy samples they are smoother than a spline's."""

    def slope(path: SmoothPath) -> Callable[[Array], Array]:
        return lambda times: found.rates.values(path.value(times), found.rates.start)

    return [replace(path, slope=slope(path)) for path in paths]
