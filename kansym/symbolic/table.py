"""What the search works on and what it finds: rows to fit and to judge by, candidates, and when it may stop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.structure.rows import Rows as JudgedRows
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.notation import as_fraction
from kansym.symbolic.reading import nestings

Array = np.ndarray
EXACT = 1e-9
BELOW = 0.5  # of the goal: a formula that is better still shows that the noise was estimated too high
NATS_PER_NODE = 2.0
DEAREST = 0.12
MONOMIAL = "monomial"
EDITED = "edits"
PLAIN = (MONOMIAL, "linear")  # checks with so few constants that reaching the noise says enough
SUMS = ("sum of powers", "sum of products")
SHORT = 24
BRIEF, PLAINEST = 14, (0.5, 1.0, 2.0)
LIKELIER_NATS = 3.0  # on the judging rows, which are a fourth of those that the candidates are fitted to
NESTED_NODES = 2.5  # that a function of a function counts for besides its own
SEARCH_ROWS = 400
FEW = 100  # rows below which nothing is certain about noise


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
    def brief(self) -> bool:
        """Whether it is so short that nothing as likely can be found later, even where noise hides much."""
        inside = as_fraction(self.expression)
        nodes = [node for part in (*inside.above, *inside.below) for node in part.walk()]
        plain = all(abs(node.value) in PLAINEST for node in nodes if isinstance(node, Constant))
        return plain and self.rigid and self.expression.complexity <= BRIEF

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
    noise: what it may leave of a right formula, RMS over the spread, where it is believed; 0 for pieces of a law.
    """

    fit: Rows
    held: Rows
    goal: float = EXACT
    without: tuple[str, ...] = ()
    rough: bool = False
    noise: float = 0.0

    @property
    def columns(self) -> int:
        """Number of inputs."""
        return self.fit.inputs.shape[1]

    @property
    def may_be_noisy(self) -> bool:
        """Whether what is made for noisy rows is worth a look: noise is believed, or too few rows tell of it."""
        return self.goal > EXACT or len(self.fit) < FEW

    @property
    def judged(self) -> JudgedRows:
        """The rows as structure is looked for in them, without weights."""
        return JudgedRows(self.fit.inputs, self.fit.target, self.held.inputs, self.held.target)

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


def reached(found: list[Candidate], goal: float, noise: float = 0.0, judged: int = SEARCH_ROWS) -> bool:
    """Whether a short formula of few constants is as good as the noise allows: larger tables need not be searched.

    Args:
        found: the candidates so far.
        goal: error over the spread that a short formula may have.
        noise: what a right formula may leave where that is more than the goal; only the shortest formulas may end
            there, and only where no other candidate is clearly likelier.
        judged: rows that errors are of.
    """
    least = min((candidate.error for candidate in found), default=np.inf)
    likely = min(noise, least * float(np.exp(LIKELIER_NATS / judged)))
    if any(candidate.brief and candidate.error <= likely for candidate in found):
        return True
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


def divided(table: Table, fit: Rows, held: Rows, squares: tuple[Array, Array]) -> Table | None:
    """The table of rows whose targets are those of a table over numbers of these squares (N,), (M,).

    fit, held: without weights; their weights, the goal and the noise become those that the same errors of the target
    have. None where a weight is not finite.
    """
    weighed, size = [], 1.0
    for before, after, square in ((table.fit, fit, squares[0]), (table.held, held, squares[1])):
        weights = square * (1.0 if before.weights is None else before.weights)
        if not (np.all(np.isfinite(weights)) and weights.mean() > 0):
            return None
        weighed.append(replace(after, weights=weights / weights.mean()))
        size = float(np.sqrt(weights.mean()))
    louder = table.held.spread / max(size * weighed[1].spread, 1e-300)
    goal = table.goal if table.goal <= EXACT else louder * table.goal
    return replace(table, fit=weighed[0], held=weighed[1], goal=goal, noise=louder * table.noise)


def thinned(rows: Rows, count: int = SEARCH_ROWS) -> Rows:
    """At most so many of the rows, evenly taken."""
    return rows if len(rows) <= count else rows.take(np.linspace(0, len(rows) - 1, count).round().astype(int))
