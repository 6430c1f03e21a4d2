"""The law of a boundary: a formula that is positive on one side of it, from rows that are labelled by their side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from kansym.errors import DataError
from kansym.physics.mechanics.relations import Relation, written
from kansym.symbolic.expression import Expression, add, multiply, ratio, whole
from kansym.symbolic.formula import FittedConstant, Formula

Array = np.ndarray
MOST_TERMS = 4
STEPS, SETTLED, STEEPEST = 60, 1e-9, 30.0
SHRINKAGE = 1e-4  # of squared weights of standardised terms: keeps the weights finite where no row is on the wrong side
SEARCHED, MOST_FOR_PAIRS, BEAM, JOINING = 1000, 60, 200, 8
KEPT = 40  # sets of each size that all rows judge: wrong labels near the boundary lead the likelihood astray
SIMPLEST = 45  # terms of which all triples are tried: what only works in threes shows in no pair
NEW = 1e-6  # share of a term's information that others must leave
NATS_PER_NODE, FREE_NODES = 1.0, 3
LARGEST_DENOMINATOR, LARGEST_PLAIN = 4, 12


@dataclass(frozen=True)
class Boundary:
    """The law of a boundary.

    Args:
        formula: positive where the label is 1, up to its scale; the boundary is where it is 0.
        accuracy: share of the rows on the right side.
        description: nats that the labels and the formula take; less is better.
    """

    formula: Formula
    accuracy: float
    description: float

    def __str__(self) -> str:
        return f"{self.formula.text(6)} = 0 ({self.accuracy:.2%} of the rows on the right side)"


@dataclass(frozen=True)
class _Logistic:
    """Weights (F,) of columns, their standard errors, and the negative logarithm of the likelihood."""

    weights: Array
    errors: Array
    loss: float


def boundary(
    inputs: Array, labels: Array, names: Sequence[str], library: Sequence[Expression], most: int = MOST_TERMS
) -> tuple[Boundary, ...]:
    """Find formulas whose sign tells the labels.

    Sets of terms are grown one by one, many at a time, each fitted to the labels (logistic regression). Labels near a
    boundary are often wrong in a regular way, which a long formula may describe; so the first that comes back is the
    simplest within one standard error of the best accuracy.

    Args:
        inputs: (N, D).
        labels: (N,) of truth values, or of 0 and 1; a few may be wrong.
        names: D column names.
        library: candidate terms, the simplest first, see `kansym.physics.mechanics.terms`; a constant is added.
        most: terms of a formula beside the constant, >= 1.

    Returns:
        Boundaries: first the simplest within one standard error of the best accuracy, then the others by their
        descriptions.

    Raises:
        DataError: when shapes do not fit, or all labels are the same.
    """
    inputs, sides = np.asarray(inputs, dtype=float), np.asarray(labels, dtype=float)
    if inputs.ndim != 2 or len(inputs) != len(sides) or inputs.shape[1] != len(names):
        raise DataError(f"inputs {inputs.shape} and labels {sides.shape} do not fit {len(names)} names")
    if not 0 < sides.mean() < 1 or not set(np.unique(sides)) <= {0.0, 1.0}:
        raise DataError("labels must be 0 and 1, and both must occur")
    listed, columns = _columns(library, inputs)
    found = []
    for chosen in _choices(columns, sides, most):
        for constant in (True, False):
            found += _boundaries(chosen, listed, columns, sides, inputs, names, constant)
    found.sort(key=lambda each: each.description)
    best = max(each.accuracy for each in found)
    least = best - np.sqrt(best * (1 - best) / len(sides))
    good = [each for each in found if each.accuracy >= least]
    first = min(good, key=lambda each: (_burden(each.formula), each.description))
    return (first, *(each for each in found if each is not first))


def _burden(formula: Formula) -> int:
    """Nodes, and as many again for every number that is not exact."""
    return formula.complexity + FREE_NODES * len(formula.expression.free_constants)


def _columns(library: Sequence[Expression], inputs: Array) -> tuple[list[Expression], Array]:
    """The candidates that are finite and vary, and their values (N, F)."""
    values = [term.evaluate(inputs) for term in library]
    kept = [
        place
        for place, column in enumerate(values)
        if np.all(np.isfinite(column)) and np.std(column) > 1e-12 * np.max(np.abs(column))
    ]
    return [library[place] for place in kept], np.stack([values[place] for place in kept], axis=-1)


def _choices(columns: Array, sides: Array, most: int) -> list[tuple[int, ...]]:
    """Sets of few terms, grown one by one from the best: those join whose weight the likelihood pulls at most."""
    rows = np.random.default_rng(0).permutation(len(sides))[:SEARCHED]
    unit = ((columns - columns.mean(axis=0)) / columns.std(axis=0))[rows]
    design, seen = np.column_stack([unit, np.ones(len(unit))]), sides[rows]
    losses: dict[tuple[int, ...], float] = {}
    every = range(unit.shape[1])
    front: list[tuple[int, ...]] = [(place,) for place in every]
    for size in range(1, most + 1):
        fits = {chosen: _logistic(design[:, [*chosen, -1]], seen) for chosen in front}
        losses |= {chosen: fit.loss for chosen, fit in fits.items()}
        if size == 1 and len(every) <= MOST_FOR_PAIRS:
            front = list(combinations(every, 2))
        elif size < most:
            simple = combinations(every[:SIMPLEST], 3) if size == 2 < most else ()
            front = list(dict.fromkeys([*_grown(design, seen, fits), *simple]))
    for size in range(most, 1, -1):  # a term that was needed on the way may not be needed at the end
        best = sorted((chosen for chosen in losses if len(chosen) == size), key=losses.__getitem__)[:KEPT]
        fewer = {less for chosen in best for less in combinations(chosen, size - 1)} - losses.keys()
        losses |= {chosen: _logistic(design[:, [*chosen, -1]], seen).loss for chosen in sorted(fewer)}
    sizes = range(1, most + 1)
    ranked = [sorted((each for each in losses if len(each) == size), key=losses.__getitem__) for size in sizes]
    return [chosen for listed in ranked for chosen in listed[:KEPT]]


def _grown(design: Array, sides: Array, fits: Mapping[tuple[int, ...], _Logistic]) -> list[tuple[int, ...]]:
    """The most promising sets with one term more, by what the likelihood would gain to first order."""
    hoped: dict[tuple[int, ...], float] = {}
    for chosen, fit in fits.items():
        statistic = _pulls(design, sides, chosen, fit)
        for more in np.argsort(-statistic, kind="stable")[:JOINING]:
            if statistic[more] > 0:
                larger, loss = tuple(sorted((*chosen, int(more)))), fit.loss - 0.5 * float(statistic[more])
                hoped[larger] = min(loss, hoped.get(larger, np.inf))
    return sorted(hoped, key=hoped.__getitem__)[:BEAM]


def _pulls(design: Array, sides: Array, chosen: tuple[int, ...], fit: _Logistic) -> Array:
    """The score statistic of every term (F + 1,): the squared pull on its weight over its variance (Rao 1948)."""
    inside = design[:, [*chosen, -1]]
    chance = _chance(inside @ fit.weights)
    weights = chance * (1 - chance)
    pull = (sides - chance) @ design
    weighted = inside * weights[:, None]
    explained = weighted.T @ design
    gram = weighted.T @ inside + SHRINKAGE * np.eye(inside.shape[1])
    own = weights @ design**2
    left = own - np.sum(explained * np.linalg.solve(gram, explained), axis=0)
    statistic = np.where(left > NEW * own, pull**2 / np.maximum(left, 1e-300), -1.0)
    statistic[[*chosen, -1]] = -1.0
    return statistic


def _chance(score: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.clip(score, -STEEPEST, STEEPEST)))


def _logistic(design: Array, sides: Array) -> _Logistic:
    """Newton's method with halved steps; a little shrinkage keeps the weights finite."""
    sizes = np.sqrt(np.mean(design**2, axis=0))
    scaled = design / sizes
    weights, loss = np.zeros(scaled.shape[1]), np.inf
    hold = SHRINKAGE * np.eye(len(weights))
    for _ in range(STEPS):
        chance = _chance(scaled @ weights)
        curvature = (scaled * (chance * (1 - chance))[:, None]).T @ scaled + hold
        step = np.linalg.solve(curvature, scaled.T @ (sides - chance) - SHRINKAGE * weights)
        size = 1.0
        while (trial := _loss(scaled, sides, weights + size * step)) > loss and size > SETTLED:
            size /= 2
        gain, loss, weights = loss - trial, min(loss, trial), weights + size * step
        if gain < SETTLED * len(sides):
            break
    chance = _chance(scaled @ weights)
    curvature = (scaled * (chance * (1 - chance))[:, None]).T @ scaled + hold
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    return _Logistic(weights / sizes, errors / sizes, loss)


def _loss(scaled: Array, sides: Array, weights: Array) -> float:
    score = scaled @ weights
    return float(np.sum(np.logaddexp(0, score) - sides * score) + 0.5 * SHRINKAGE * weights @ weights)


def _boundaries(
    chosen: tuple[int, ...], library: list[Expression], columns: Array, sides: Array, inputs: Array,
    names: Sequence[str], constant: bool,
) -> Iterator[Boundary]:  # fmt: skip
    """The boundaries of one choice of terms, with or without a constant: with its own numbers, and with plain ones."""
    terms = [*(library[place] for place in chosen), *([whole(1)] if constant else [])]
    design = np.column_stack([columns[:, chosen], *([np.ones(len(columns))] if constant else [])])
    fit = _logistic(design, sides)
    ways = [_free(fit, terms, len(chosen)), *_plain(fit, terms, design, sides)]
    for expression, loss in ways:
        accuracy = float(np.mean((expression.evaluate(inputs) > 0) == (sides > 0.5)))
        free = len(expression.free_constants) + 1
        nats = loss + 0.5 * free * np.log(len(sides)) + NATS_PER_NODE * expression.complexity
        yield Boundary(_formula(expression, names, inputs), accuracy, float(nats))


def _formula(expression: Expression, names: Sequence[str], inputs: Array) -> Formula:
    box = tuple((float(low), float(high)) for low, high in zip(inputs.min(0), inputs.max(0), strict=True))
    constants = tuple(FittedConstant(each.value) for each in expression.free_constants)
    return Formula(expression, tuple(names), "g", constants, {}, box, origin="boundary")


def _free(fit: _Logistic, terms: Sequence[Expression], chosen: int) -> tuple[Expression, float]:
    """The formula with its weights as they are, that of the simplest term 1 or -1; and its loss."""
    relation = Relation(tuple(range(len(terms))), tuple(fit.weights), tuple(fit.errors), 0.0)
    unit = min(range(chosen), key=lambda place: (terms[place].complexity, place))
    return written(relation, terms, unit, float(np.sign(fit.weights[unit]))), fit.loss


def _plain(
    fit: _Logistic, terms: Sequence[Expression], design: Array, sides: Array
) -> Iterator[tuple[Expression, float]]:
    """The formula with plain numbers in the place of all weights, for every term as the unit, and what that costs."""
    for unit in range(len(terms)):
        ratios = fit.weights / abs(fit.weights[unit])
        plain = [Fraction(float(each)).limit_denominator(LARGEST_DENOMINATOR) for each in ratios]
        if any(number == 0 or abs(number) > LARGEST_PLAIN for number in plain):
            continue
        score = design @ np.array([float(number) for number in plain])
        loss = _logistic(score[:, None], sides).loss
        cost = sum(np.log(2.0 * abs(number.numerator) * number.denominator) for number in plain)
        yield add(*(multiply(ratio(number), term) for number, term in zip(plain, terms, strict=True))), loss + cost
