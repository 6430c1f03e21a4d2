"""Symmetries of a noisy table: the reduction that makes the table most likely.

Under noise the gradients of a smooth model are rough, and held-out errors are those of the noise, whatever the model.
The likelihood of all rows still tells: a Gaussian process of fewer columns has less to explain, and where it explains
as much its marginal likelihood is larger, by tens of nats for some hundred rows; where it does not, it is less by as
much. So scalings and sums of columns are proposed from rough gradients, and judged by that.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 5.2: the marginal likelihood
prefers the simplest model that explains the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product

import numpy as np

from kansym.structure.rows import Rows, columns_of_one_sign, on_logarithms, scales_of
from kansym.structure.smooth import fit_in
from kansym.structure.surrogate import EVIDENCE_ROWS, evidence
from kansym.structure.symmetry import PHI, Combination, Scaling, as_scaling, monomial, reduced_error

Array = np.ndarray
Step = Scaling | Combination
NOISY = 0.01  # held-out error over the spread of a smooth model from which the likelihood decides
HOPELESS = 0.7  # the same beyond which there is nothing to see
CLEARER = 0.6  # times the error of all columns: what noise cannot make of it
GAIN = 3.0  # nats that a reduction must win
PAIR_NATS = 3.0  # besides, where two columns become one: there are more pairs of columns than columns
NEAR = 0.35  # how far an exponent may be from the one that rough gradients show
LARGEST = 6
MOST_TRIED = 16
MOST_LEFT = 2  # columns with a power of their own that are left when the others go together
ROUGHEST = 0.6  # of the gradients along a symmetry, what may be left over


def likely_step(rows: Rows, found: Step | None) -> Step | None:
    """The reduction of a noisy table that makes it most likely, or None where none beats the table as it is.

    found: what else was proposed; it is kept where there is no noise, or a model of what it leaves is much better.
    """
    gradients = _Gradients.of(rows)
    if gradients is None or (found is not None and _is_clear(found, rows, gradients.error)):
        return found
    proposed = sorted(_proposals(gradients), key=lambda item: (not _is_single(item[1]), item[0]))[:MOST_TRIED]
    every: list[Step] = [*([] if found is None else [found]), *(step for _, step in proposed)]
    tried = list(dict.fromkeys(step for step in every if rows.inputs.shape[1] == 1 or _leaves_columns(step)))
    before = likelihood(rows, None)
    gains = {step: likelihood(rows, step) - before - _price(step) for step in tried}
    singles = [step for step in tried if _is_single(step) and gains[step] > GAIN]
    gains |= _joined(sorted(singles, key=lambda step: -gains[step]), rows, before)
    best = max(gains, key=lambda step: gains[step], default=None)
    return best if best is not None and gains[best] > GAIN else None


def _is_clear(step: Step, rows: Rows, error: float) -> bool:
    """Whether a step leaves so much less to a smooth model that what the model erred by was no noise."""
    return reduced_error(step.apply(rows), rows, step) < CLEARER * error


def likelihood(rows: Rows, step: Step | None) -> float:
    """The evidence, in nats, for the target of the rows to be a smooth function of what a step leaves."""
    reduced = rows if step is None else step.apply(rows)
    points = [on_logarithms(reduced.inputs, logs) for logs in scales_of(reduced)]
    best = max(evidence(each, reduced.target, reduced.weights) for each in points)
    if not isinstance(step, Scaling):
        return best
    return best - float(np.log(np.abs(monomial(rows.inputs[:EVIDENCE_ROWS], step.prefactor))).sum())


@dataclass(frozen=True)
class _Gradients:
    """Values (M,) of a smooth model at inputs (M, D), its slopes (M, D) by the logarithms of positive columns.

    logs: (D,), which columns are positive; the slopes by the others are plain.
    error: of the model on these rows, over their spread.
    """

    error: float
    inputs: Array
    values: Array
    slopes: Array
    logs: Array

    @classmethod
    def of(cls, rows: Rows) -> _Gradients | None:
        """Those of a noisy table; None where there is no noise, or nothing to see."""
        if rows.inputs.shape[1] == 0 or len(rows.target) < 2 * rows.inputs.shape[1]:
            return None
        logs = columns_of_one_sign(rows)
        fits = (fit_in(rows, scale, False, weighed=True) for scale in scales_of(rows))
        best = min(filter(None, fits), key=lambda smooth: smooth.surrogate.held_out, default=None)
        if best is None or not NOISY < best.surrogate.held_out < HOPELESS:
            return None
        values, slopes = best.fitted(rows.held_inputs)
        by_logarithms = slopes * np.where(logs, rows.held_inputs, 1.0)
        return cls(best.surrogate.held_out, rows.held_inputs, values, by_logarithms, logs)

    def left(self, difference: Array) -> float:
        """What is left over (M,) of slopes, relative to the values."""
        return float(np.linalg.norm(difference) / max(np.linalg.norm(self.values), 1e-300))


def _proposals(gradients: _Gradients) -> Iterator[tuple[float, Step]]:
    """Steps that the gradients do not speak against, each with what they leave over."""
    yield from _powers_of_one(gradients)
    yield from _powers_of_two(gradients)
    yield from _powers_of_all(gradients)
    yield from _sums_of_two(gradients)


def _powers_of_one(gradients: _Gradients) -> Iterator[tuple[float, Step]]:
    """target = x**p g(the others)."""
    values, columns = gradients.values, len(gradients.logs)
    for column in map(int, np.flatnonzero(gradients.logs)):
        slopes = gradients.slopes[:, column]
        exponent = float(slopes @ values / max(values @ values, 1e-300))
        left = gradients.left(slopes - exponent * values)
        for power in filter(None, _near(exponent)):
            if left < ROUGHEST * max(abs(exponent), 1.0):
                yield left, _powers([power if j == column else Fraction(0) for j in range(columns)])


def _powers_of_two(gradients: _Gradients) -> Iterator[tuple[float, Step]]:
    """target = x**p g(y * x**a, the others)."""
    for i, j in combinations(map(int, np.flatnonzero(gradients.logs)), 2):
        matrix = np.column_stack([gradients.values, -gradients.slopes[:, j]])
        solution = np.linalg.lstsq(matrix, gradients.slopes[:, i], rcond=None)[0]
        left = gradients.left(matrix @ solution - gradients.slopes[:, i])
        for power, other in product(*(_near(float(number)) for number in solution)):
            null = np.zeros(len(gradients.logs) + 1)
            null[[0, 1 + i, 1 + j]] = -float(power), 1.0, float(other)
            step = as_scaling(null[None], [1 + i]) if other and left < ROUGHEST else None
            if step is not None:
                yield left, step


def _powers_of_all(gradients: _Gradients) -> Iterator[tuple[float, Step]]:
    """The one scaling of all positive columns that the gradients support best."""
    some = np.flatnonzero(gradients.logs)
    if len(some) < 3:
        return
    table = np.column_stack([gradients.values, gradients.slopes[:, some]])
    null = np.linalg.svd(table, full_matrices=False)[2][-1]
    pivot = 1 + int(np.argmax(np.abs(null[1:])))
    null = null / null[pivot]
    rounded = np.round(2.0 * null) / 2.0
    if np.max(np.abs(rounded - null)) > NEAR or np.max(np.abs(rounded)) > LARGEST:
        return
    full = np.zeros(len(gradients.logs) + 1)
    full[[0, *(1 + some)]] = rounded
    step = as_scaling(full[None], [1 + int(some[pivot - 1])])
    if step is not None:
        yield gradients.left(table @ rounded), step


def _sums_of_two(gradients: _Gradients) -> Iterator[tuple[float, Step]]:
    """Two columns, their squares or their inverses, that act as their sum or difference."""
    plain = gradients.slopes / np.where(gradients.logs, gradients.inputs, 1.0)
    for name, (_, derivative) in PHI.items():
        if name == "x" or np.all(gradients.logs):
            slopes = plain / derivative(gradients.inputs)
            for i, j in combinations(range(slopes.shape[1]), 2):
                first, second = slopes[:, i], slopes[:, j]
                coefficient = float(second @ first / max(first @ first, 1e-300))
                sign = 1.0 if coefficient > 0 else -1.0
                left = float(np.linalg.norm(second - sign * first) / max(np.linalg.norm(second), 1e-300))
                if abs(coefficient - sign) <= NEAR and left < ROUGHEST:
                    yield left, Combination(i, j, name, sign)


def _near(exponent: float) -> list[Fraction]:
    """The whole number and the half nearest to an exponent."""
    if not abs(exponent) <= LARGEST:
        return []
    found = dict.fromkeys((Fraction(round(exponent)), Fraction(round(2 * exponent), 2)))
    return [power for power in found if abs(float(power) - exponent) <= NEAR]


def _powers(exponents: Sequence[Fraction]) -> Scaling:
    """The powers of some columns before a function of the others."""
    others = [j for j, power in enumerate(exponents) if not power]
    return Scaling(tuple(exponents), tuple(tuple(Fraction(int(k == j)) for k in range(len(exponents))) for j in others))


def _is_single(step: Step) -> bool:
    return isinstance(step, Scaling) and sum(map(bool, step.prefactor)) == 1 and _price(step) == 0.0


def _leaves_columns(step: Step) -> bool:
    return isinstance(step, Combination) or bool(step.invariants)


def _price(step: Step) -> float:
    """Nats that a step costs besides."""
    powers = isinstance(step, Scaling) and all(sum(map(bool, each)) == 1 for each in step.invariants)
    return 0.0 if powers else PAIR_NATS


def _joined(steps: Sequence[Step], rows: Rows, before: float) -> dict[Step, float]:
    """Powers of several columns as one step: of all that have one, or all but one or two; and their gains.

    At least one column is left: what that does is looked at by itself.
    """
    gains: dict[Step, float] = {}
    powers = _best_powers(steps, rows.inputs.shape[1])
    columns = [j for j, power in enumerate(powers) if power]
    fewest = 0 if len(columns) < len(powers) else 1
    for count in range(fewest, min(MOST_LEFT, len(columns) - 2) + 1):
        for left in combinations(columns, count):
            step = _powers([Fraction(0) if j in left else power for j, power in enumerate(powers)])
            gains[step] = likelihood(rows, step) - before
    return gains


def _best_powers(steps: Sequence[Step], columns: int) -> list[Fraction]:
    """The exponent of every column in the first of the steps that has one; 0 where none has."""
    powers = [Fraction(0)] * columns
    for step in steps:
        for j, power in enumerate(step.prefactor if isinstance(step, Scaling) else ()):
            powers[j] = powers[j] or power
    return powers
