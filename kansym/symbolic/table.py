"""What the search works on and what it finds: rows to fit and to judge by, candidates, and when it may stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Expression
from kansym.symbolic.notation import as_fraction
from kansym.symbolic.reading import nestings

EXACT = 1e-9
BELOW = 0.5  # of the goal: a formula that is better still shows that the noise was estimated too high
NATS_PER_NODE = 2.0
DEAREST = 0.12
MONOMIAL = "monomial"
PLAIN = (MONOMIAL, "linear")  # checks with so few constants that reaching the noise says enough
SUMS = ("sum of powers", "sum of products")
SHORT = 24
NESTED_NODES = 2.5  # that a function of a function counts for besides its own
SEARCH_ROWS = 400


@dataclass(frozen=True)
class Candidate:
    """A formula of the inputs, its RMS error over the spread of the held-out target, and the check that found it."""

    expression: Expression
    error: float
    origin: str

    @property
    def plain(self) -> bool:
        """Whether it is so simple that reaching the noise says enough."""
        return self.origin.endswith(PLAIN) or (self.origin.endswith(SUMS) and self.rigid)

    @property
    def short(self) -> bool:
        """Whether it has few nodes and no free constant but a factor."""
        return self.rigid and self.expression.complexity <= SHORT

    @property
    def rigid(self) -> bool:
        """Whether nothing was bent to the rows but the factor in front: a free term or rate imitates any law.

        So do functions of functions, of which there are very many.
        """
        free = len(self.expression.free_constants) - len(as_fraction(self.expression).scale)
        return free <= 0 and not nestings(self.expression)

    def cost(self, price: float) -> float:
        """Error and length in one number, the smaller the better; price: e-folds of the error that a node must earn."""
        nodes = self.expression.complexity + NESTED_NODES * nestings(self.expression)
        return float(np.log(self.error + 1e-12)) + price * nodes


@dataclass(frozen=True)
class Table:
    """Rows to fit, rows to judge by, the error at which the search may stop, and the stages that are left out.

    rough: the target is no measurement but the value of a smooth model, so that any short formula at the goal will do.
    """

    fit: Rows
    held: Rows
    goal: float = EXACT
    without: tuple[str, ...] = ()
    rough: bool = False

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.fit.inputs.shape[1]

    def error(self, expression: Expression) -> float:
        """RMS error on the held-out rows over their spread; infinite where the formula is not finite."""
        with np.errstate(all="ignore"):
            residual = expression.evaluate(self.held.inputs) - self.held.target
            value = float(np.sqrt(np.mean((residual * self.held.roots) ** 2)) / max(self.held.spread, 1e-300))
        return value if np.isfinite(value) else np.inf


def settled(found: list[Candidate], goal: float) -> bool:
    """Whether the search may stop: an exact formula, or one of few constants that reaches the estimated noise.

    The estimate is too high for laws that oscillate, so a formula of many terms must not stop the search by it.
    """
    return any(_at_noise(candidate, goal, candidate.plain) for candidate in found)


def reached(found: list[Candidate], goal: float) -> bool:
    """Whether a short formula of few constants is as good as the noise allows: larger tables need not be searched."""
    return any(_at_noise(candidate, goal, candidate.short) for candidate in found)


def _at_noise(candidate: Candidate, goal: float, trusted: bool) -> bool:
    """Whether nothing is left to find: exact, or at the goal, but not so far below it that the goal is no noise."""
    return candidate.error <= EXACT or (trusted and BELOW * goal <= candidate.error <= goal)


def price_of(rows: int) -> float:
    """How much the logarithm of the error must fall for every node, in a table of so many rows: about 2 nats in all."""
    return min(DEAREST, NATS_PER_NODE / max(rows, 1))


def ranked(found: list[Candidate], price: float, keep: int = 24) -> list[Candidate]:
    """Finite candidates, the best by error and length first; after these what is shorter than all that is as good."""
    good = sorted((each for each in found if np.isfinite(each.error)), key=lambda each: each.cost(price))
    return [*good[:keep], *_undominated(good, keep)]


def _undominated(good: list[Candidate], beyond: int) -> list[Candidate]:
    """Those after the first so many than which none is both as short and as good."""
    shown, least = [], np.inf
    for place in sorted(range(len(good)), key=lambda i: (good[i].expression.complexity, good[i].error)):
        if good[place].error < least:
            least = good[place].error
            shown.append(place)
    return [good[place] for place in sorted(shown) if place >= beyond]


def thinned(rows: Rows, count: int = SEARCH_ROWS) -> Rows:
    """At most so many of the rows, evenly taken."""
    return rows if len(rows) <= count else rows.take(np.linspace(0, len(rows) - 1, count).round().astype(int))
