"""What a solver may be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kansym.bases import BASES
from kansym.errors import ConfigError, did_you_mean, quote
from kansym.physics.solver.sampling import SAMPLINGS
from kansym.registry import Registry
from kansym.training.optimizers import LBFGS, Adam, LevenbergMarquardt
from kansym.training.optimizers.base import Optimizer

# What a method is called, and the optimizer for a number of steps.
METHODS: Registry[Any] = Registry("method")
METHODS.add("gauss_newton", lambda steps: LevenbergMarquardt(floor=1e-10, tries=8))
METHODS.add("lbfgs", lambda steps: LBFGS())
METHODS.add("adam", lambda steps: Adam(horizon=steps))
BALANCES = ("curvature", "fixed")


@dataclass(frozen=True)
class SolveConfig:
    """Every choice of a solver; the defaults are meant to be good for two coordinates.

    Args:
        seed: of weights and points, >= 0.
        method: a name in `METHODS`.
        hidden: nodes per hidden layer, at least one entry each >= 1; (s, p) is s sum nodes and p product nodes.
        basis: a name in `kansym.bases.BASES`, smooth enough for the highest derivative in the equations.
        degree: of the splines, more than that highest derivative; of other bases as `kansym.bases` says.
        intervals: grid sizes from coarse to fine; between them splines get knots where the residual is large, other
            bases finer grids everywhere.
        rounds: per grid size, >= 1; between rounds points are drawn anew.
        steps: most steps per round, >= 1.
        points: inside the domain, >= 1.
        edge_points: per condition, >= 1.
        sampling: "latin" or "grid".
        adaptive: draw half of the points where the residual is large.
        hard: meet the conditions by construction; with windows all but those at the start.
        balance: "curvature" weighs conditions so that their Gauss-Newton matrices have the trace of the equations';
            "fixed" takes `edge_weight`.
        edge_weight: of conditions with "fixed"; with "curvature" a factor on top, > 0.
        windows: time is cut into as many pieces, solved one after the other.
        starts: networks of which the best one after the first round goes on, >= 1.
        time_limit: seconds, or None.
        formula: look for a closed form of the solution.
        formula_time: seconds for that, or None for the time that a fit takes by default.
    """

    seed: int = 0
    method: str = "gauss_newton"
    hidden: tuple[int | tuple[int, int], ...] = (5, 5)
    basis: str = "bspline"
    degree: int = 5
    intervals: tuple[int, ...] = (5, 8, 12)
    rounds: int = 3
    steps: int = 20
    points: int = 1500
    edge_points: int = 400
    sampling: str = "latin"
    adaptive: bool = True
    hard: bool = False
    balance: str = "curvature"
    edge_weight: float = 1.0
    windows: int = 1
    starts: int = 1
    time_limit: float | None = None
    formula: bool = True
    formula_time: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(tuple(w) if isinstance(w, list) else w for w in self.hidden))
        object.__setattr__(self, "intervals", tuple(self.intervals))
        METHODS.get(self.method)
        BASES.get(self.basis)
        _choice("sampling", self.sampling, SAMPLINGS)
        _choice("balance", self.balance, BALANCES)
        for name in ("rounds", "steps", "points", "edge_points", "windows", "starts", "degree"):
            _whole(name, getattr(self, name), 1)
        _whole("seed", self.seed, 0)
        if not self.hidden or not all(_is_width(width) for width in self.hidden):
            raise ConfigError("hidden needs one whole number above 0 per hidden layer, such as 5 or 5,5")
        if not self.intervals or any(not _is_count(entry) for entry in self.intervals):
            raise ConfigError("intervals needs whole numbers above 0, from coarse to fine, such as 5,8,12")
        if list(self.intervals) != sorted(set(self.intervals)):
            raise ConfigError(f"intervals are {list(self.intervals)}: each must be larger than the one before")
        for name in ("adaptive", "hard", "formula"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}: it must be true or false")
        for name in ("edge_weight", "time_limit", "formula_time"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise ConfigError(f"{name} is {value}: it must be a number above 0")

    def optimizer(self) -> Optimizer:
        """Return the method with its settings."""
        return METHODS.get(self.method)(self.rounds * self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SolveConfig:
        """Return the configuration that plain values say.

        Raises:
            ConfigError: for a setting that is unknown, or has a value of another kind.
        """
        known = {item.name for item in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown setting {quote(str(name))}: {did_you_mean(str(name), sorted(known))}")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        try:
            return cls(**given)
        except TypeError as error:
            raise ConfigError(f"a setting has a value of the wrong kind: {error}") from error


def _choice(kind: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"unknown {kind} {quote(str(value))}: {did_you_mean(str(value), choices)}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_width(width: Any) -> bool:
    if isinstance(width, tuple):
        return len(width) == 2 and all(isinstance(part, int) and part >= 0 for part in width) and sum(width) >= 1
    return _is_count(width)


def _whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} is {value!r}: it must be a whole number of at least {least}")
