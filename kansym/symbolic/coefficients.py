"""Varying coefficients: short sums of products of the columns whose coefficients are functions of one number v.

That number is a column, or the product or quotient of two. Where y = f1(v) m1 + f2(v) m2 + ..., splines in the place of
the functions are one linear fit for each v. They are then matched by primitives; those that are a polynomial times
another one share its primitive, as in g(v) (t - v x). In a table of two columns the two terms are looked for among
functions of both, as in (exp(-v x) - exp(-x))/(1 - v).

Source: Hastie and Tibshirani, Varying-Coefficient Models, J. R. Statist. Soc. B 55 (1993) 757.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, islice, permutations

import numpy as np
from scipy import linalg

from kansym.structure.splines import ridge, spline_columns
from kansym.symbolic.canonical import factors_of
from kansym.symbolic.constants import Rows, mean_square, polish, spread
from kansym.symbolic.curves import BRIEF, FRONT_POWERS, INNER_POWERS, PRICE, CurveFit, match_curve, without_constants
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.links import Link, usable, weights_under
from kansym.symbolic.primitives import Library
from kansym.symbolic.superposition import best_shapes

Array = np.ndarray
Polynomial = tuple[tuple[int, float], ...]  # powers with their coefficients
LINKS = ("y", "1/y", "y^2", "log y")
FEWEST_ROWS, MOST_ROWS = 100, 800
MOST_COLUMNS, MOST_PAIRED, MOST_RAISED = 7, 5, 4
INTERVALS, MOST_INTERVALS = 8, 40
ROWS_PER_NUMBER = 2.5  # of the linear fit
ROUGH = 1e-2  # RMS over the spread that is left by coarse splines of a form that is right
NOISY = 1.3  # times the noise, the same
FINER = 0.5  # of which finer ones leave at most so much: what is left by a wrong form does not go
SHARED = 1.03  # times the misfit of curves for every term, that one for all may leave
AS_GOOD = 1.1  # times the least misfit: what chance makes of the same
PERFECT = 1e-7  # what is left where splines draw the functions to the last digits
RIDGE = 1e-10
PAIRED_LINKS, PAIRS = ("y", "1/y"), 12
LARGEST = 1e12  # of a function's values
TRIED, MOST_TERMS, MOST_CURVES = 2, 4, 2
ROUNDS = 6
MATCHED, KEPT = 8, 5  # scans of a curve that are refined, and formulas of it that are tried in the whole
CURVE_LINKS, CURVES_UNDER_LINKS, POLISHING = ("1/y",), 2, 30
PLAINEST, NEARLY = 2, 2.0  # functions without a constant that are tried too where they err by no more than so much more
SHAPES = 2  # with two numbers inside or more that are tried as well
FOLLOWED = 3e-3  # RMS over its size, by which one curve may differ from a polynomial times another at most
FOLLOWED_ERRORS = 10.0  # the same in misfits of the model
POLYNOMIALS = ((0,), (1,), (-1,), (2,), (-2,), (0, 1), (0, -1), (0, 2), (0, 1, 2))
NEAR_ZERO = 1e-2  # of its largest value, where inverse powers of a number are not looked at


@dataclass(frozen=True)
class Model:
    """A sum of terms times functions of a number, under a link of the target, and its misfit over the spread."""

    number: Expression
    terms: tuple[Expression, ...]
    link: Link
    error: float


@dataclass(frozen=True)
class _Group:
    """Terms whose coefficients are polynomials in the number, times one curve (N,); None for times 1.

    weights: (N,) how much an error of the curve counts in the target; None for evenly.
    """

    curve: Array | None
    terms: tuple[tuple[Expression, Polynomial], ...]
    weights: Array | None = None


def varying(rows: Rows, library: Library, noise: float = 0.0) -> Iterator[Expression]:
    """Formulas of the best models, refined on the rows; none where no model holds.

    noise: of the target, RMS over its spread.
    """
    thin = rows.take(np.arange(min(len(rows), MOST_ROWS)))
    for model in find_models(thin, noise)[:TRIED]:
        yield from _formulas(model, thin, library)


def find_models(rows: Rows, noise: float = 0.0) -> list[Model]:
    """The models that hold but for noise and what splines cannot follow, without needless terms, the shortest first."""
    if not 2 <= rows.inputs.shape[1] <= MOST_COLUMNS or len(rows) < FEWEST_ROWS:
        return []
    found = [model for number in _numbers(rows.inputs) for model in _models(number, rows, noise)]
    if rows.inputs.shape[1] == 2:
        found += [model for v, x in ((0, 1), (1, 0)) for model in _pairs(Variable(v), Variable(x), rows, noise)]
    return sorted(found, key=lambda model: _rank(model, found))


def _rank(model: Model, found: Sequence[Model]) -> tuple:
    """Few terms, a plain number, no more misfit than others as long, plain terms, and then the least misfit."""
    length = len(model.terms), model.number.complexity
    least = min(other.error for other in found if (len(other.terms), other.number.complexity) == length)
    nodes = sum(term.complexity for term in model.terms)
    return *length, model.error > AS_GOOD * max(least, PERFECT), nodes, model.error


def _numbers(inputs: Array) -> Iterator[Expression]:
    """The columns, the products and quotients of two, and the logarithms of one to the power of another."""
    names = [Variable(i) for i in range(inputs.shape[1])]
    yield from names
    positive = [name for i, name in enumerate(names) if np.all(inputs[:, i] > 0)] if len(names) <= MOST_RAISED else []
    for x, y in combinations(names if len(names) <= MOST_PAIRED else (), 2):
        yield multiply(x, y)
        ways = [multiply(over, raise_to(under, Fraction(-1))) for over, under in ((x, y), (y, x))]
        yield from sorted(ways, key=lambda way: _reach(way.evaluate(inputs)))[:1]
    yield from (multiply(name, call("log", base)) for base in positive for name in names if name != base)


def _reach(values: Array) -> float:
    """How far the largest value is from the middling one: splines need rows near all that they draw."""
    return float(np.max(np.abs(values)) / max(float(np.median(np.abs(values))), 1e-300))


def _sets_of_terms(number: Expression, columns: int) -> Iterator[tuple[Expression, ...]]:
    """Products of at most two columns, the larger sets first.

    Without the column that stands above in the number: it is the number over, or times, what stays.
    """
    above = next(factor for factor in factors_of(number) if isinstance(factor, Variable))
    names = [name for name in map(Variable, range(columns)) if name != above]
    linear: tuple[Expression, ...] = (whole(1), *names)
    mixed = (*linear, *(multiply(a, b) for a, b in combinations(names, 2)))
    yield (*mixed, *(raise_to(name, Fraction(2)) for name in names))
    yield mixed
    yield linear


def _models(number: Expression, rows: Rows, noise: float) -> Iterator[Model]:
    v = number.evaluate(rows.inputs)
    if not np.all(np.isfinite(v)) or np.ptp(v) == 0:
        return
    coarse, fine = spline_columns(v, INTERVALS), spline_columns(v, 2 * INTERVALS)
    sets = _sets_of_terms(number, rows.inputs.shape[1])
    terms = next((each for each in sets if ROWS_PER_NUMBER * len(each) * coarse.shape[1] <= len(rows)), ())
    for link, linked in _linked(rows) if terms else ():
        level = noise * _loudness(link, rows, linked)
        chains = (tuple(terms[i] for i in kept) for kept in _chains(_Fit.of(coarse, terms, linked), _rough(level)))
        errors = ((chosen, _error_if_right(chosen, (coarse, fine), linked, level)) for chosen in chains)
        yield from islice((Model(number, chosen, link, error) for chosen, error in errors if error < np.inf), 1)


def _loudness(link: Link, rows: Rows, linked: Rows) -> float:
    """How much larger the noise is over the spread of a linked target than over that of the target."""
    if link.name == "y":
        return 1.0
    with np.errstate(all="ignore"):
        steep = link.slope(rows.target)
    weights = 1.0 if rows.weights is None else rows.weights
    size = float(np.sqrt(np.mean(steep**2 * linked.roots**2 / weights)))  # weights under links keep this the same
    return size * rows.spread / linked.spread if np.isfinite(size) else 1.0


def _rough(noise: float) -> float:
    """What coarse splines of a form that is right may leave."""
    return max(ROUGH, NOISY * noise)


def _error_if_right(terms: tuple[Expression, ...], splines: tuple[Array, Array], rows: Rows, noise: float) -> float:
    """The misfit by the finer splines; infinite where it is neither noise nor well below that by the coarser ones."""
    before, after = (_Fit.of(spline, terms, rows).error() for spline in splines)
    return after if after < max(FINER * before, PERFECT, AS_GOOD * noise) else np.inf


def _pairs(v: Variable, x: Variable, rows: Rows, noise: float) -> Iterator[Model]:
    """Sums of two functions of both columns, times functions of the first."""
    column = rows.inputs[:, v.index]
    if np.ptp(column) == 0:
        return
    splines = spline_columns(column, INTERVALS), spline_columns(column, 2 * INTERVALS)
    terms = [term for term in _functions_of_both(v, x) if _usable(term.evaluate(rows.inputs))]
    for link, linked in _linked(rows):
        if link.name not in PAIRED_LINKS:
            continue
        level = noise * _loudness(link, rows, linked)
        fit, rough = _Fit.of(splines[0], terms, linked), _rough(level)
        for choices in (fit.best_choices(1, rough), fit.best_choices(2, rough)):
            chosen = [tuple(terms[i] for i in choice) for choice in choices[:PAIRS]]
            errors = [_error_if_right(each, splines, linked, level) for each in chosen]
            yield from (Model(v, each, link, e) for each, e in zip(chosen, errors, strict=True) if e < np.inf)
            if min(errors, default=np.inf) < np.inf:
                break


def _functions_of_both(v: Variable, x: Variable) -> Iterator[Expression]:
    minus, inverse = whole(-1), Fraction(-1)
    yield whole(1)
    yield from (raise_to(x, Fraction(p)) for p in ("1", "-1", "2", "1/2", "-1/2"))
    yield call("log", x)
    for argument in (x, multiply(x, v), multiply(x, raise_to(v, inverse))):
        yield from (call(name, argument) for name in ("sin", "cos", "exp", "tanh"))
        yield call("exp", multiply(minus, argument))
    for argument in (add(x, v), add(x, multiply(minus, v)), add(whole(1), multiply(x, v))):
        yield from (raise_to(argument, Fraction(p)) for p in ("-1", "1/2", "-1/2"))
        yield call("log", argument)
    for base in (v, add(whole(1), v)):
        yield from (call("exp", multiply(sign, x, call("log", base))) for sign in (whole(1), minus))


def _usable(values: Array) -> bool:
    size = float(np.max(np.abs(values)))
    return 0 < size < LARGEST


def _linked(rows: Rows) -> Iterator[tuple[Link, Rows]]:
    for link, target in usable(rows.target):
        if link.name in LINKS:
            yield link, Rows(rows.inputs, target, weights_under(link, rows.target, rows.weights))


@dataclass(frozen=True)
class _Fit:
    """The normal equations of terms (T) times splines (N, B) of the number.

    sizes: the largest value of every term, (T,), by which it is divided. gram: (T B, T B). side: (T B,).
    """

    spline: Array
    sizes: Array
    gram: Array
    side: Array
    square: float
    spread: float
    rows: int

    @classmethod
    def of(cls, spline: Array, terms: Sequence[Expression], rows: Rows) -> _Fit:
        """The equations for a target and its weights."""
        values = np.array([term.evaluate(rows.inputs) * np.ones(len(rows)) for term in terms])
        sizes = np.max(np.abs(values), axis=1)
        roots = rows.roots * np.ones(len(rows))
        design = np.hstack(
            [spline * (value / size * roots)[:, None] for value, size in zip(values, sizes, strict=True)]
        )
        seen = rows.target * roots
        square, size = float(seen @ seen), max(spread(rows.target, roots), 1e-300)
        return cls(spline, sizes, design.T @ design, design.T @ seen, square, size, len(rows))

    def solved(self, kept: Sequence[int]) -> tuple[Array, float]:
        """The solution for some of the terms, and the RMS residual per degree of freedom over the target's spread."""
        width = self.spline.shape[1]
        at = (np.array(kept)[:, None] * width + np.arange(width)).ravel()
        gram, side = self.gram[np.ix_(at, at)], self.side[at]
        damped = gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        solution = linalg.solve(damped, side, assume_a="pos")
        left = max(self.square - 2.0 * solution @ side + solution @ gram @ solution, 0.0)
        return solution, float(np.sqrt(left / max(self.rows - len(at), 1))) / self.spread

    def error(self) -> float:
        """The misfit of all terms."""
        return self.solved(range(len(self.sizes)))[1]

    def best_choices(self, size: int, most: float) -> list[tuple[int, ...]]:
        """The choices of so many terms that leave at most so much, the best first."""
        width = size * self.spline.shape[1]
        choices = np.array(list(combinations(range(len(self.sizes)), size)))
        at = (choices[:, :, None] * self.spline.shape[1] + np.arange(self.spline.shape[1])).reshape(-1, width)
        gram, side = self.gram[at[:, :, None], at[:, None, :]], self.side[at]
        damping = RIDGE * np.trace(gram, axis1=1, axis2=2) / width
        solution = np.linalg.solve(gram + damping[:, None, None] * np.eye(width), side[..., None])[..., 0]
        left = self.square - 2.0 * np.sum(solution * side, axis=1)
        left = np.maximum(left + np.einsum("pi,pij,pj->p", solution, gram, solution), 0.0)
        errors = np.sqrt(left / max(self.rows - width, 1)) / self.spread
        order = np.argsort(errors, kind="stable")
        return [tuple(int(i) for i in choice) for choice in choices[order[errors[order] < most]]]

    def curves(self) -> list[Array]:
        """What multiplies each term, (N,)."""
        parts = np.split(self.solved(range(len(self.sizes)))[0], len(self.sizes))
        return [self.spline @ part / size for part, size in zip(parts, self.sizes, strict=True)]


def _chains(fit: _Fit, most: float) -> list[list[int]]:
    """Ever longer choices of at most a few terms: what is left when the one that is missed least goes each time."""
    kept, found = list(range(len(fit.sizes))), []
    while kept and fit.solved(kept)[1] < most:
        found.append(kept)
        shorter = [kept[:i] + kept[i + 1 :] for i in range(len(kept))]
        kept = min(shorter, key=lambda each: fit.solved(each)[1]) if len(kept) > 1 else []
    return [each for each in found[::-1] if len(each) <= MOST_TERMS]


def _formulas(model: Model, rows: Rows, library: Library) -> Iterator[Expression]:
    """The model with the best primitives for its curves, one other choice at a time."""
    v = model.number.evaluate(rows.inputs)
    groups = _groups(model, v, rows)
    if sum(group.curve is not None for group in groups) > MOST_CURVES:
        return
    options = [_matched(group, v, library) for group in groups]
    first = [choice[0] for choice in options]
    others = ([*first[:i], other, *first[i + 1 :]] for i, choice in enumerate(options) for other in choice[1:])
    for shapes in (first, *others):
        parts = [_written(group, shape, model.number) for group, shape in zip(groups, shapes, strict=True)]
        yield polish(model.link.inverse(add(*parts)), rows, 60).expression


def _groups(model: Model, v: Array, rows: Rows) -> list[_Group]:
    """The terms in as few groups as there are, with curves by splines as fine as the rows allow."""
    weights = weights_under(model.link, rows.target, rows.weights)
    linked = Rows(rows.inputs, model.link.forward(rows.target), weights)
    intervals = int(len(rows) / (ROWS_PER_NUMBER * len(model.terms))) - 3
    spline = spline_columns(v, max(INTERVALS, min(MOST_INTERVALS, intervals)))
    curves = _Fit.of(spline, model.terms, linked).curves()
    if len(curves) > 1 and (shared := _shared(model, curves, v, spline, linked)) is not None:
        return [shared]
    orders = permutations(range(len(curves)))
    allowed = min(FOLLOWED, max(FOLLOWED_ERRORS * model.error, PERFECT))
    groups = min((_gathered(model.terms, curves, v, allowed, order) for order in orders), key=_length)
    return [_sharpened(groups[0], v, spline, linked)] if len(groups) == 1 else groups


def _shared(model: Model, curves: list[Array], v: Array, spline: Array, rows: Rows) -> _Group | None:
    """All terms under one curve, where that leaves no more than a curve for each: in noise these look different."""
    first = max(range(len(curves)), key=lambda at: float(np.std(curves[at] * model.terms[at].evaluate(rows.inputs))))
    order = [first, *(at for at in range(len(curves)) if at != first)]
    base = curves[first]
    terms = tuple((model.terms[at], ((0, float(curves[at] @ base / (base @ base))),)) for at in order)
    group = _sharpened(_Group(base, terms), v, spline, rows)
    numbers = [polynomial[0][1] for _, polynomial in group.terms]
    total = sum(c * term.evaluate(rows.inputs) for (term, _), c in zip(group.terms, numbers, strict=True))
    curve = base if group.curve is None else group.curve
    left = spread(total * curve - rows.target, rows.roots * np.ones(len(rows)))
    return group if left <= SHARED * max(model.error, PERFECT) * spread(rows.target, rows.roots) else None


def _sharpened(group: _Group, v: Array, spline: Array, rows: Rows) -> _Group:
    """The only group of a model with its one curve fitted to all terms, and their coefficients to it, in turn."""
    if group.curve is None:
        return group
    values = [term.evaluate(rows.inputs) * v ** float(p) for term, polynomial in group.terms for p, _ in polynomial]
    columns, roots = np.column_stack(values), rows.roots * np.ones(len(rows))
    numbers = np.array([c for _, polynomial in group.terms for _, c in polynomial])
    for _ in range(ROUNDS):
        factor = columns @ numbers
        curve = spline @ ridge(spline * factor[:, None], rows.target, roots)
        matrix = columns * (curve * roots)[:, None]
        numbers = np.linalg.lstsq(matrix, rows.target * roots, rcond=1e-12)[0]
        numbers = numbers / numbers[0]
    fitted = iter(numbers)
    terms = tuple((term, tuple((p, float(next(fitted))) for p, _ in polynomial)) for term, polynomial in group.terms)
    weights = np.square((columns @ numbers) * roots)
    return _Group(curve, terms, weights / np.mean(weights))


def _length(groups: list[_Group]) -> tuple[int, int, int]:
    curves = sum(group.curve is not None for group in groups)
    return curves, len(groups), sum(len(polynomial) for group in groups for _, polynomial in group.terms)


def _gathered(
    terms: tuple[Expression, ...], curves: list[Array], v: Array, allowed: float, order: tuple[int, ...]
) -> list[_Group]:
    """The terms in this order, each in the first group whose curve its own follows, or in a new one."""
    groups = [_Group(None, ())]
    for at in order:
        fits = ((place, _polynomial(curves[at], group.curve, v, allowed)) for place, group in enumerate(groups))
        lines = ((place, _line(curves[at], group.curve, allowed)) for place, group in enumerate(groups) if place)
        place, polynomial = next(((place, fit) for place, fit in fits if fit), (len(groups), ((0, 1.0),)))
        constant = 0.0
        if place == len(groups):
            place, (constant, factor) = next(((at, line) for at, line in lines if line), (place, (0.0, 1.0)))
            polynomial = ((0, factor),)
        if place == len(groups):
            groups.append(_Group(curves[at], ()))
        groups[place] = replace(groups[place], terms=(*groups[place].terms, (terms[at], polynomial)))
        if constant:
            groups[0] = replace(groups[0], terms=(*groups[0].terms, (terms[at], ((0, constant),))))
    return [group for group in groups if group.terms]


def _line(curve: Array, base: Array | None, allowed: float) -> tuple[float, float] | None:
    """(c, b) where c + b times the base (N,) follows the curve (N,)."""
    if base is None:
        return None
    columns = np.column_stack([np.ones(len(curve)), base])
    constant, factor = np.linalg.lstsq(columns, curve, rcond=None)[0].tolist()
    left = np.linalg.norm(constant + factor * base - curve)
    return (constant, factor) if left < allowed * np.linalg.norm(curve - curve.mean()) else None


def _polynomial(curve: Array, base: Array | None, v: Array, allowed: float) -> Polynomial | None:
    """The shortest polynomial in v (N,) which, times the base (N,), follows the curve (N,); None where none does."""
    inverse = np.min(np.abs(v)) > NEAR_ZERO * np.max(np.abs(v))
    for powers in POLYNOMIALS:
        if min(powers) < 0 and not inverse:
            continue
        columns = np.column_stack([v ** float(p) for p in powers]) * (1.0 if base is None else base[:, None])
        solution = np.linalg.lstsq(columns, curve, rcond=None)[0]
        if np.linalg.norm(columns @ solution - curve) < allowed * np.linalg.norm(curve):
            return tuple((p, float(c)) for p, c in zip(powers, solution, strict=True))
    return None


def _matched(group: _Group, v: Array, library: Library) -> list[Expression]:
    if group.curve is None:
        return [whole(1)]
    fits = match_curve(v, group.curve, group.weights, library, MATCHED, FRONT_POWERS, INNER_POWERS)
    rows = Rows(v[:, None], group.curve, group.weights)
    fits = _distinct(sorted([*fits, *_matched_under_links(rows, library)], key=lambda fit: fit.cost(PRICE)))
    nearest = min((fit.error for fit in fits), default=np.inf)
    plain = [
        fit.expression
        for fit in without_constants(rows, library, PLAINEST)
        if fit.error <= NEARLY * nearest + PERFECT**2
    ]
    matched = [fit.expression for fit in fits[:KEPT]] + best_shapes(v, group.curve, group.weights, library, SHAPES)
    return list(dict.fromkeys([*matched, *plain])) or [Constant(float(group.curve.mean()))]


def _distinct(fits: Sequence[CurveFit]) -> list[CurveFit]:
    """Fits without those of the same primitive that are as good: they only have their constants elsewhere."""
    return list(
        {(fit.primitive, round(float(np.log(fit.error + PERFECT**2)), 2)): fit for fit in reversed(fits)}.values()
    )[::-1]


def _matched_under_links(rows: Rows, library: Library) -> Iterator[CurveFit]:
    """The best of the inverse of a curve of one column, as one over it: 1/cos(v)**2 is one over a wave."""
    size = max(spread(rows.target, rows.roots), 1e-300) ** 2
    for link, linked in usable(rows.target):
        if link.name in CURVE_LINKS:
            weights = weights_under(link, rows.target, rows.weights)
            for fit in match_curve(rows.inputs[:, 0], linked, weights, library, BRIEF)[:CURVES_UNDER_LINKS]:
                found = polish(link.inverse(fit.expression), rows, POLISHING).expression
                yield CurveFit(found, mean_square(found, rows) / size, fit.primitive)


def _written(group: _Group, shape: Expression, number: Expression) -> Expression:
    """A group as a formula. The term that its curve belongs to has no factor: the curve holds constants of its own."""
    terms = []
    for place, (term, polynomial) in enumerate(group.terms):
        bare = group.curve is not None and place == 0
        powers = ((whole(1) if bare else Constant(c), raise_to(number, Fraction(p))) for p, c in polynomial)
        terms.append(multiply(add(*(multiply(c, power) for c, power in powers)), term))
    return multiply(shape.substitute([number]), add(*terms))
