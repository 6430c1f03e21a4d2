"""Constants of logit formulas by maximum likelihood: the classes that were counted are the most likely ones.

One class is the reference, whose logit is 0; every other has a formula. For two classes this is logistic regression
with a formula in the place of the straight line. Levenberg-Marquardt on the Fisher information (McCullagh
and Nelder 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from kansym.symbolic.expression import Expression, Tape

Array = np.ndarray
EXPECTED = 10.0  # a logit is not much larger than this: what keeps it finite where a formula separates the classes
STEPS = 60
SETTLED = 1e-12
LEAST_DAMPING, LARGEST_DAMPING = 1e-10, 1e12


@dataclass(frozen=True)
class Classes:
    """How often each class was seen at each place: inputs (N, D) and counts (N, K) >= 0, no row all zero."""

    inputs: Array
    counts: Array

    @property
    def total(self) -> Array:
        """How much was seen at each place (N,)."""
        return self.counts.sum(axis=1)

    def take(self, rows: Array) -> Classes:
        """Some of the rows."""
        return Classes(self.inputs[rows], self.counts[rows])

    def surprise(self, logits: Array) -> float:
        """Minus the logarithm of the likelihood, in nats, at logits (N, K); infinite where one is not finite."""
        if not np.all(np.isfinite(logits)):
            return np.inf
        return float(-np.sum(self.counts * special.log_softmax(logits, axis=1)))

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True)
class MostLikely:
    """Fitted formulas, minus their log-likelihood in nats, and the covariance (P, P) of all constants or None."""

    expressions: tuple[Expression, ...]
    surprise: float
    covariance: Array | None


def logits_of(expressions: Sequence[Expression], inputs: Array) -> Array:
    """Logits (N, K): 0 for the reference, then one column a formula; nan where one is not real."""
    return np.column_stack([np.zeros(len(inputs)), *(expression.evaluate(inputs) for expression in expressions)])


def most_likely(expressions: Sequence[Expression], classes: Classes, steps: int = STEPS) -> MostLikely:
    """The constants of K - 1 formulas that make the counted classes likely, from the present ones on.

    expressions: the logits of classes 1 .. K - 1 against class 0. A logit of size 10 costs half a label: so little
    that it is seen only where a formula separates the classes and its constants would grow without end.
    """
    state = _State.of([Tape(expression) for expression in expressions], classes)
    damping = 1e-3
    for _ in range(steps if len(state.theta) and np.isfinite(state.loss) else 0):
        trial = state.stepped(damping)
        if np.isfinite(trial.loss) and trial.loss <= state.loss:
            settled = state.loss - trial.loss <= SETTLED * (1.0 + state.loss)
            state, damping = trial, damping * 0.1
            if settled:
                break
        else:
            damping *= 10.0
            if damping > LARGEST_DAMPING:
                break
    fitted = tuple(e.with_constants(part.tolist()) for e, part in zip(expressions, state.parts(), strict=True))
    return MostLikely(fitted, classes.surprise(logits_of(fitted, classes.inputs)), state.covariance())


@dataclass(frozen=True)
class _State:
    """Constants (P,) of all formulas, the loss there, its slope (P,) and the Fisher information (P, P)."""

    tapes: Sequence[Tape]
    classes: Classes
    theta: Array
    loss: float
    slope: Array
    information: Array

    @classmethod
    def of(cls, tapes: Sequence[Tape], classes: Classes) -> _State:
        return cls._at(tapes, classes, np.concatenate([np.zeros(0), *(tape.start for tape in tapes)]))

    @classmethod
    @np.errstate(all="ignore")
    def _at(cls, tapes: Sequence[Tape], classes: Classes, theta: Array) -> _State:
        logits, columns = _traced(tapes, classes.inputs, theta)
        total, count = classes.total, len(theta)
        usual = total / total.sum() / EXPECTED**2
        loss = classes.surprise(logits) + 0.5 * float(usual @ np.sum(logits[:, 1:] ** 2, axis=1))
        if not np.isfinite(loss) or not all(np.all(np.isfinite(column)) for column in columns):
            return cls(tapes, classes, theta, np.inf, np.zeros(count), np.eye(count))
        shares = special.softmax(logits, axis=1)
        slope, information = [], []
        for place, column in enumerate(columns, start=1):
            pull = total * shares[:, place] - classes.counts[:, place] + usual * logits[:, place]
            slope.append(column.T @ pull)
            information.append([column.T @ ((total * shares[:, place] * ((place == other) - shares[:, other])
                                             + usual * (place == other))[:, None] * second)
                                for other, second in enumerate(columns, start=1)])  # fmt: skip
        return cls(tapes, classes, theta, loss, np.concatenate(slope), np.block(information))

    def stepped(self, damping: float) -> _State:
        """The state one damped Newton step on."""
        scale = _scale(self.information)
        damped = self.information / scale[:, None] / scale + max(damping, LEAST_DAMPING) * np.eye(len(scale))
        step = np.linalg.lstsq(damped, self.slope / scale, rcond=1e-14)[0] / scale
        return self._at(self.tapes, self.classes, self.theta - step)

    def parts(self) -> list[Array]:
        """The constants of each formula."""
        return _parts(self.tapes, self.theta)

    def covariance(self) -> Array | None:
        """The inverse of the information; None where the labels do not determine the constants."""
        scale = _scale(self.information)
        scaled = self.information / scale[:, None] / scale
        if not np.isfinite(self.loss) or not len(scale) or np.linalg.cond(scaled) > 1e14:
            return None
        return np.linalg.inv(scaled) / scale[:, None] / scale


def _scale(information: Array) -> Array:
    diagonal = np.diag(information)
    return np.sqrt(np.where(diagonal > 0, diagonal, 1.0))


def _parts(tapes: Sequence[Tape], theta: Array) -> list[Array]:
    return np.split(theta, np.cumsum([len(tape.start) for tape in tapes])[:-1])


@np.errstate(all="ignore")
def _traced(tapes: Sequence[Tape], inputs: Array, theta: Array) -> tuple[Array, list[Array]]:
    """Logits (N, K) and, for each formula, their derivatives (N, P) by its constants."""
    traced = [tape.jacobian(inputs, part) for tape, part in zip(tapes, _parts(tapes, theta), strict=True)]
    logits = np.column_stack([np.zeros(len(inputs)), *(values for values, _ in traced)])
    return logits, [columns for _, columns in traced]
