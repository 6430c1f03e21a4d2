"""Relations C + B y + A y^2 + ... = 0 between columns and a noisy target: the numbers that the rows make most likely.

A row with an error e of y leaves e times the relation's derivative by y. The numbers are those for which what is left,
over what errors of one size would leave, is least: a generalised eigenvalue problem for those before y, y^2, ...
(Taubin 1991), since the others follow by linear least squares. With rows weighed by one over the square of that
derivative, as of the last turn, it is the most likely relation (Sanathanan and Koerner 1963).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from kansym.symbolic.expression import Variable
from kansym.symbolic.links import Link, weights_under

Array = np.ndarray
SEEN = 1500  # rows
ROWS_PER_TERM = 3
NEAR = 1.12  # times the noise, that a relation may leave before its needless terms go
NEEDLESS = 4.0  # standard errors: what three nodes and a number cost of the likelihood
TURNS = 3
SMALL = 0.02  # of the middling size of the derivative, below which a row says nothing of it
HAIR = 1e-13  # of a column's length: terms that hang together
TERM_NATS = 0.5 * NEEDLESS**2
TRIED = 2  # terms that might go, one at a time
STEPS, SIZES, SETTLED = 4, (1.0, 0.3), 1e-4  # of a refinement, shares of a step, and of the misfit that none is worth
MOST_BEYOND = 0.02  # of the rows, where noise or terms too many make a sine larger than 1


@np.errstate(all="ignore")
def most_likely(blocks: Sequence[Array], target: Array, weights: Array | None) -> tuple[Array, ...] | None:
    """The coefficients before every power of the target, the largest one of the last power 1; None if terms hide them.

    blocks: (N, P) values of the terms before the powers 0, 1, ... of the target.
    """
    sizes = [np.linalg.norm(block, axis=0) for block in blocks]
    if any(np.any(size == 0) for size in sizes):
        return None
    first, *others = (block / size for block, size in zip(blocks, sizes, strict=True))
    powers = range(1, len(blocks))
    seen = np.hstack([block * target[:, None] ** k for k, block in zip(powers, others, strict=True)])
    slopes = np.hstack([block * (k * target[:, None] ** (k - 1)) for k, block in zip(powers, others, strict=True)])
    roots = np.ones(len(target)) if weights is None else np.sqrt(weights)
    middle, lower = np.ones(len(target)), np.zeros(seen.shape[1])
    for _ in range(TURNS):
        scale = (roots / middle)[:, None]
        basis = np.linalg.qr(first * scale)[0]
        left, errors = seen * scale, slopes * scale
        left = left - basis @ (basis.T @ left)
        try:
            lower = linalg.eigh(left.T @ left, errors.T @ errors + HAIR * np.eye(len(lower)))[1][:, 0]
        except (linalg.LinAlgError, ValueError):
            return None
        size = float(np.median(np.abs(slopes @ lower)))
        if not (np.isfinite(size) and size > 0):
            return None
        middle = np.maximum(np.abs(slopes @ lower) / size, SMALL)
    scale = roots / middle
    upper = np.linalg.lstsq(first * scale[:, None], -(seen @ lower) * scale, rcond=1e-12)[0]
    every = np.concatenate([upper, lower]) / np.concatenate(sizes)
    numbers = np.split(every, np.cumsum([block.shape[1] for block in blocks])[:-1])
    last = numbers[-1][np.argmax(np.abs(numbers[-1]))]
    return tuple(part / last for part in numbers) if last else None


@dataclass(frozen=True)
class Seen:
    """What a relation is fitted to: a noisy target (N,), the weights (N,) of its errors or None, and its link."""

    target: Array
    weights: Array | None
    link: Link

    @property
    def roots(self) -> Array | float:
        """Square roots of the weights."""
        return 1.0 if self.weights is None else np.sqrt(self.weights)


@dataclass(frozen=True)
class Relation:
    """Terms before every power 0, 1 (and 2) of the linked target t, with their most likely numbers.

    Attributes:
        blocks: (N, P) values of the terms before each power.
        kept: which of the terms that there were at first the columns of each block are.
        numbers: (P,) of each block; the largest of the last one is 1.
        solution: (N,) the t that solves the relation; of two, the one that is nearer to what was seen.
        root: which of the two it is: the sign of the square root.
        left: (N,) what it leaves of the target, weighed; in the few rows beyond the link's reach to first order.
        misfit: mean square of that; infinite where it is not finite.
        seen: what it was fitted to.
    """

    blocks: tuple[Array, ...]
    kept: tuple[Array, ...]
    numbers: tuple[Array, ...]
    solution: Array
    root: int
    left: Array
    misfit: float
    seen: Seen

    @staticmethod
    def of(blocks: Sequence[Array], linked: Array, seen: Seen) -> Relation | None:
        """None where the rows do not tell the numbers.

        Args:
            blocks: (N, P) values of the terms before the powers 0, 1, (2) of t.
            linked: (N,) t of the target.
            seen: the target itself.
        """
        numbers = most_likely(blocks, linked, weights_under(seen.link, seen.target, seen.weights))
        if numbers is None:
            return None
        return _solved(tuple(blocks), tuple(np.arange(block.shape[1]) for block in blocks), numbers, seen)

    @property
    def terms(self) -> int:
        """How many terms there are."""
        return sum(map(len, self.numbers))

    @property
    def nats(self) -> float:
        """The description of the rows: what is left of them, and the terms."""
        return self._nats_left + TERM_NATS * self.terms

    @property
    def flattery(self) -> float:
        """What is left of the rows, less what so many numbers take of any noise (Akaike 1974)."""
        return self._nats_left + self.terms

    @property
    def _nats_left(self) -> float:
        return 0.5 * len(self.left) * float(np.log(max(self.misfit, 1e-300)))

    def with_numbers(self, numbers: Sequence[Array]) -> Relation:
        """The same terms with other numbers, the largest of the last ones brought to 1."""
        last = numbers[-1][np.argmax(np.abs(numbers[-1]))]
        return _solved(self.blocks, self.kept, tuple(own / last for own in numbers), self.seen)

    def refined(self) -> Relation:
        """The relation with numbers of least squares of the target itself, by a few steps of Gauss and Newton."""
        now = self
        for _ in range(STEPS):
            if not np.isfinite(now.misfit):
                break
            slopes, free = now._slopes()
            change = np.zeros(self.terms)
            change[free] = np.linalg.lstsq(slopes, now.left, rcond=HAIR)[0]
            ends = np.cumsum([len(own) for own in now.numbers])[:-1]
            halves = (
                now.with_numbers(
                    [own + each for own, each in zip(now.numbers, np.split(size * change, ends), strict=True)]
                )
                for size in SIZES
            )
            better = next((each for each in halves if each.misfit < now.misfit), None)
            if better is None:
                return now
            settled = better.misfit > (1.0 - SETTLED) * now.misfit
            now = better
            if settled:
                return now
        return now

    def pruned(self) -> Relation:
        """The relation without the terms that the rows do not need, the least sure ones tried first."""
        now = self.refined()
        while True:
            better = next((each for each in map(Relation.refined, now._shorter()) if each.is_as_likely(now)), None)
            if better is None:
                return now
            now = better

    def is_as_likely(self, other: Relation) -> bool:
        """Whether it loses no more likelihood than one term costs."""
        lost = np.log(max(self.misfit, 1e-300) / max(other.misfit, 1e-300))
        return bool(len(self.left) * lost < NEEDLESS**2)

    def _shorter(self) -> Iterator[Relation]:
        """The relation without one of its least sure terms."""
        for flat in np.argsort(self._sureness(), kind="stable")[:TRIED]:
            ends = np.cumsum([len(own) for own in self.numbers])
            power = int(np.searchsorted(ends, flat, side="right"))
            if power in (0, len(self.numbers) - 1) and len(self.numbers[power]) == 1:
                continue
            at = int(flat - ends[power] + len(self.numbers[power]))
            blocks, kept, numbers = (
                tuple(np.delete(each, at, axis=-1) if here == power else each for here, each in enumerate(whole))
                for whole in (self.blocks, self.kept, self.numbers)
            )
            yield _solved(blocks, kept, numbers, self.seen)

    @np.errstate(all="ignore")
    def _slopes(self) -> tuple[Array, Array]:
        """What the numbers but the one that is 1 do to the target (N, P), weighed, and which these are (P,)."""
        powers = [block * self.solution[:, None] ** k for k, block in enumerate(self.blocks)]
        _, b, a = _coefficients(self.blocks, self.numbers)
        derivative = b if a is None else b + 2.0 * a * self.solution
        values = self.seen.link.inverse(Variable(0)).evaluate(self.solution[:, None])
        link = self.seen.link.slope(np.where(np.isfinite(values), values, self.seen.target))
        slopes = -np.hstack(powers) * (self.seen.roots / derivative / link)[:, None]
        one = self.terms - len(self.numbers[-1]) + int(np.argmax(np.abs(self.numbers[-1])))
        free = np.delete(np.arange(self.terms), one)
        return np.where(np.isfinite(slopes), slopes, 0.0)[:, free], free

    def _sureness(self) -> Array:
        """Every number over its standard error (P,), but for the size of the errors; infinite of the one that is 1."""
        slopes, free = self._slopes()
        sizes = np.maximum(np.linalg.norm(slopes, axis=0), 1e-300)
        inverse = np.linalg.pinv(np.linalg.qr(slopes / sizes, mode="r"), rcond=HAIR)
        sure = np.full(self.terms, np.inf)
        own = np.abs(np.concatenate(self.numbers)[free])
        sure[free] = own * sizes / np.maximum(np.linalg.norm(inverse, axis=1), 1e-300)
        return sure


Blocks = tuple[Array, ...]


@np.errstate(all="ignore")
def _solved(blocks: Blocks, kept: Blocks, numbers: Blocks, seen: Seen) -> Relation:
    """The relation with the target that solves it."""
    c, b, a = _coefficients(blocks, numbers)
    if a is None:
        options = [(1, -c / b)]
    else:
        root = np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0))  # below 0 by noise alone, what comes nearest
        options = [(sign, -(b + sign * root) / (2.0 * a)) for sign in (1, -1)]
    tries = [
        Relation(blocks, kept, numbers, values, sign, left, _mean_square(left), seen)
        for sign, values in options
        for left in [_left(values, seen)]
    ]
    return min(tries, key=lambda relation: relation.misfit)


def _mean_square(left: Array) -> float:
    square = float(np.mean(left**2))
    return square if np.isfinite(square) else np.inf


def _coefficients(blocks: Blocks, numbers: Blocks) -> tuple[Array, Array, Array | None]:
    """What stands before the powers 0, 1 and 2 of the linked target (N,)."""
    c, b, *a = (block @ own for block, own in zip(blocks, numbers, strict=True))
    return c, b, a[0] if a else None


def _left(solution: Array, seen: Seen) -> Array:
    """What a solution (N,) leaves of the target, weighed; in the few rows beyond the link's reach to first order."""
    left = seen.target - seen.link.inverse(Variable(0)).evaluate(solution[:, None])
    beyond = ~np.isfinite(left)
    if not 0 < np.mean(beyond) <= MOST_BEYOND:
        return left * seen.roots
    first = (seen.link.forward(seen.target) - solution) / seen.link.slope(seen.target)
    return np.where(beyond, first, left) * seen.roots
