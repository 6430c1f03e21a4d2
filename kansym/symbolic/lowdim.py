"""Laws in few variables: the exact checks that need no network, each under every link of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
from scipy.interpolate import BSpline

from kansym.budget import Budget, Part
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import FRONT_POWERS, INNER_POWERS, PRICE, allowed, match_curve
from kansym.symbolic.dictionary import everyday_features, features
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply, raise_to, whole
from kansym.symbolic.links import LINKS, Link, usable, weights_under
from kansym.symbolic.pairs import halves
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.signomials import powers, products
from kansym.symbolic.sparse import best_subsets

Array = np.ndarray
EXACT = 1e-9
BELOW = 0.5  # of the goal: a formula that is better still shows that the noise was estimated too high
NATS_PER_NODE = 2.0
DEAREST = 0.12
PLAIN = ("monomial", "linear")  # checks with so few constants that reaching the noise says enough
SUMS, FEW_CONSTANTS = ("sum of powers", "sum of products"), 2
MOST_CONSTANTS, SHORT = 4, 24
SEARCH_ROWS = 400
LARGEST_EXPONENT = 7.5
FEWEST_OF_FUNCTIONS = 60  # rows from which fractions of functions are looked for
MOST_HALVED = 3  # columns up to which all short expressions can be listed


@dataclass(frozen=True)
class Candidate:
    """A formula of the inputs, its RMS error over the spread of the held-out target, and the check that found it."""

    expression: Expression
    error: float
    origin: str

    @property
    def plain(self) -> bool:
        """Whether it has so few constants that reaching the noise says enough."""
        sums = self.origin.endswith(SUMS) and len(self.expression.free_constants) <= FEW_CONSTANTS
        return sums or self.origin.endswith(PLAIN)

    @property
    def short(self) -> bool:
        """Whether it has few constants and nodes."""
        return len(self.expression.free_constants) <= MOST_CONSTANTS and self.expression.complexity <= SHORT

    def cost(self, price: float) -> float:
        """Error and length in one number, the smaller the better; price: e-folds of the error that a node must earn."""
        return float(np.log(self.error + 1e-12)) + price * self.expression.complexity


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
            roots = self.held.roots
            value = float(np.sqrt(np.mean((residual * roots) ** 2)) / max(np.std(self.held.target * roots), 1e-300))
        return value if np.isfinite(value) else np.inf


def solve(table: Table, budget: Budget | Part, library: Library = PRIMITIVES) -> list[Candidate]:
    """Candidate formulas, the best first; stops early when one is exact."""
    found: list[Candidate] = []
    for origin, expressions in _checks(table, library):
        for expression in expressions:
            if allowed(expression, library):
                found.append(Candidate(expression, table.error(expression), origin))
        if budget.expired or settled(found, table.goal) or (table.rough and reached(found, table.goal)):
            break
    return ranked(found, price_of(len(table.fit)))


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
    """Finite candidates, the best by error and length first."""
    good = [candidate for candidate in found if np.isfinite(candidate.error)]
    return sorted(good, key=lambda candidate: candidate.cost(price))[:keep]


def _checks(table: Table, library: Library) -> Iterator[tuple[str, list[Expression]]]:
    for stage, check in _STAGES:
        if stage not in table.without:
            yield from check(table, library)


Check = Iterator[tuple[str, list[Expression]]]


def _first(table: Table, library: Library) -> Check:
    rows = table.fit
    yield "constant", [Constant(float(np.average(rows.target, weights=rows.weights)))]
    if table.columns == 0:
        return
    yield "monomial", monomials(rows)
    yield "linear", [linear(rows)]
    yield "polynomial", list(polynomials(rows))


def _added(table: Table, library: Library) -> Check:
    if table.columns > 1:
        yield "additive", list(additive(table, library, LINKS[:1]))


def _fractions(table: Table, library: Library) -> Check:
    for degree in ((1, 2), (2, 2)) if table.columns <= 4 else ((1, 1),):
        if table.columns:
            yield "rational", list(rationals(table.fit, *degree))


def _curves(table: Table, library: Library) -> Check:
    if table.columns == 1:
        yield "curve", one_variable(table.fit, library)


def _powers(table: Table, library: Library) -> Check:
    yield from (("sum of powers", list(found)) for found in powers(table.fit))


def _products(table: Table, library: Library) -> Check:
    yield from (("sum of products", list(found)) for found in products(table.fit))


def _halves(table: Table, library: Library) -> Check:
    if 0 < table.columns <= MOST_HALVED:
        yield from (("two halves", list(found)) for found in halves(table.fit, table.goal <= EXACT))


def _sparse(table: Table, library: Library) -> Check:
    if table.columns:
        yield from sparse(table.fit)


def _linked(table: Table, library: Library) -> Check:
    if table.columns > 1:
        yield "additive under a link", list(additive(table, library, LINKS[1:]))
        yield "product", list(separable(table, library))


def _fractions_of_functions(table: Table, library: Library) -> Check:
    if 0 < table.columns <= MOST_HALVED:
        yield "fraction of functions", list(fractions_of_functions(table.fit))


def _dear_fractions(table: Table, library: Library) -> Check:
    for degree in ((3, 3), (4, 2), (4, 4)) if 0 < table.columns <= 2 else ():
        yield "rational", list(rationals(table.fit, *degree))
    if table.columns:
        yield "rational", list(rough_rationals(table.fit))


# The checks in their order: what is cheap and exact first. The names are those that `Config.without` takes.
_STAGES: tuple[tuple[str, Callable[[Table, Library], Check]], ...] = (
    ("polynomials", _first),
    ("splines", _added),
    ("fractions", _fractions),
    ("curves", _curves),
    ("powers", _powers),
    ("products", _products),
    ("halves", _halves),
    ("dictionary", _sparse),
    ("fractions", _fractions_of_functions),
    ("splines", _linked),
    ("fractions", _dear_fractions),
)


def _thinned(rows: Rows, count: int = SEARCH_ROWS) -> Rows:
    return rows if len(rows) <= count else rows.take(np.linspace(0, len(rows) - 1, count).round().astype(int))


def monomials(rows: Rows) -> list[Expression]:
    """c * prod x**p with p rounded to small rationals: a weighted line in log space, corrected on the target itself.

    Columns that change sign have even p: `structure.signs` is for the others. Noise turns the sign of small values, so
    rows of the wrong sign are allowed as long as they weigh little.
    """
    x, y = np.abs(rows.inputs), rows.target
    sign = float(np.sign(np.sum(y)))
    good = (np.sign(y) == sign) & (y != 0)
    if (
        x.shape[1] == 0
        or np.any(x <= 0)
        or np.abs(y[good]).sum() < 0.9 * np.abs(y).sum()
        or good.sum() < x.shape[1] + 2
    ):
        return []
    logs = np.column_stack([np.log(x), np.ones(len(y))])
    roots = rows.roots * np.ones(len(y))
    weight = np.abs(y[good]) / np.abs(y[good]).max() * roots[good]
    line = np.linalg.lstsq(logs[good] * weight[:, None], np.log(np.abs(y[good])) * weight, rcond=None)[0]
    exponents = _corrected(line, logs, sign * y, roots)[:-1]
    signed = np.any(rows.inputs < 0, axis=0)
    found = (rounded for rounded in _roundings(exponents) if _one_signed(rounded, signed))
    return [_monomial(rounded, sign, rows) for rounded in found]


def _one_signed(exponents: list[Fraction], signed: Array) -> bool:
    """Whether the columns that change sign have even exponents."""
    pairs = zip(exponents, signed, strict=True)
    return all(not changes or (p.denominator == 1 and p.numerator % 2 == 0) for p, changes in pairs)


def _corrected(line: Array, logs: Array, target: Array, roots: Array, steps: int = 8) -> Array:
    """Gauss-Newton steps from the line in log space to the least squares of exp(logs @ line) against the target."""
    kept, best = line, np.inf
    for _ in range(steps):
        with np.errstate(all="ignore"):
            value = np.exp(logs @ line)
            error = float(np.sum(((value - target) * roots) ** 2))
        if not np.isfinite(error) or error >= best:
            break
        kept, best = line, error
        columns = logs * (value * roots)[:, None]
        line = line + np.linalg.lstsq(columns, (target - value) * roots, rcond=None)[0]
    return kept


def _roundings(exponents: Array) -> Iterator[list[Fraction]]:
    if np.max(np.abs(exponents)) > LARGEST_EXPONENT:
        return
    for limit in (1, 2, 3):
        yield [Fraction(float(p)).limit_denominator(limit) if abs(p) > 0.02 else Fraction(0) for p in exponents]


def _monomial(exponents: list[Fraction], sign: float, rows: Rows) -> Expression:
    body = multiply(*(raise_to(Variable(i), p) for i, p in enumerate(exponents) if p))
    value = body.evaluate(rows.inputs)
    w = rows.weights if rows.weights is not None else np.ones(len(rows))
    with np.errstate(all="ignore"):
        size = np.max(np.abs(value))
        scale = float(np.sum(w * value / size * rows.target) / np.sum(w * (value / size) ** 2) / size)
    return multiply(Constant(scale if np.isfinite(scale) and scale else sign), body)


def linear(rows: Rows) -> Expression:
    """A constant plus a multiple of every column, by least squares."""
    roots = rows.roots * np.ones(len(rows))
    matrix = np.column_stack([rows.inputs, np.ones(len(rows))]) * roots[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    solution = np.linalg.lstsq(matrix / scale, rows.target * roots, rcond=None)[0] / scale
    terms = [multiply(Constant(float(c)), Variable(i)) for i, c in enumerate(solution[:-1])]
    return add(*terms, Constant(float(solution[-1])))


def polynomials(rows: Rows) -> Iterator[Expression]:
    """Polynomials of rising degree under every link; terms that do not matter are dropped one by one."""
    thin = _thinned(rows, 600)
    scale = np.max(np.abs(thin.inputs), axis=0)
    for link, target in usable(thin.target):
        for degree in range(2, 9):
            terms = _terms(thin.inputs.shape[1], degree)
            if len(terms) > min(len(thin) // 3, 130):
                break
            columns = np.column_stack([_term_values(thin.inputs / scale, term) for term in terms])
            roots = _link_roots(link, thin)
            solution, error = _least_squares(columns, target, roots)
            if error < 1e-7:
                yield polish(
                    link.inverse(_trimmed(terms, columns, solution, target, scale, roots)), thin, 30
                ).expression
                break


def _link_roots(link: Link, rows: Rows) -> Array:
    weights = weights_under(link, rows.target, rows.weights)
    return np.ones(len(rows)) if weights is None else np.sqrt(weights)


def _least_squares(columns: Array, target: Array, roots: Array) -> tuple[Array, float]:
    """The solution, and its RMS residual over the target's spread."""
    solution = np.linalg.lstsq(columns * roots[:, None], target * roots, rcond=1e-14)[0]
    residual = (columns @ solution - target) * roots
    return solution, float(np.std(residual) / max(np.std(target * roots), 1e-300))


def _trimmed(
    terms: list[tuple[int, ...]], columns: Array, solution: Array, target: Array, scale: Array, roots: Array
) -> Expression:
    kept = list(range(len(terms)))
    while len(kept) > 1:
        share = np.abs(solution) * np.std(columns[:, kept], axis=0) + np.abs(solution) * (
            columns[:, kept].std(axis=0) == 0
        )
        drop = int(np.argmin(share))
        trial = kept[:drop] + kept[drop + 1 :]
        smaller, error = _least_squares(columns[:, trial], target, roots)
        if error > 1e-6:
            break
        kept, solution = trial, smaller
    factors = [1 / np.prod([scale[i] for i in terms[k]]) for k in kept]
    polynomial = _polynomial([terms[k] for k in kept], [float(c * f) for c, f in zip(solution, factors, strict=True)])
    return polynomial if polynomial is not None else Constant(0.0)


def one_variable(rows: Rows, library: Library) -> list[Expression]:
    """The best c z**p f(a z**q + b) + d, also under the links that a scan of the plain target would miss."""
    z, price = rows.inputs[:, 0], min(PRICE, 2.0 * NATS_PER_NODE / len(rows))
    plain = match_curve(z, rows.target, rows.weights, library, 16, FRONT_POWERS, INNER_POWERS, price)
    found = [fit.expression for fit in plain[:24]]
    for link, target in usable(rows.target):
        if link.name in ("1/y", "y^2", "log y", "1/y^2", "sin y", "exp y"):
            for fit in match_curve(z, target, weights_under(link, rows.target, rows.weights), library, 4, price=price)[
                :4
            ]:
                found.append(polish(link.inverse(fit.expression), rows, 60).expression)
    return found


def sparse(rows: Rows) -> Iterator[tuple[str, list[Expression]]]:
    """The best few terms of the dictionary under every link."""
    thin = _thinned(rows)
    expressions, values = features(thin.inputs)
    if not expressions:
        return
    most = 4 if len(thin) >= 60 else 3 if len(thin) >= 30 else 2 if len(thin) >= 12 else 1
    for link, target in usable(thin.target):
        found = []
        for subset in best_subsets(values, target, weights_under(link, thin.target, thin.weights), most):
            terms = [
                multiply(Constant(c), expressions[i]) for c, i in zip(subset.coefficients, subset.columns, strict=True)
            ]
            tail = [Constant(subset.constant)] if abs(subset.constant) > 1e-9 * np.max(np.abs(target)) else []
            found.append(polish(link.inverse(add(*terms, *tail)), thin, 40).expression)
        found += [polish(link.inverse(single), thin, 20).expression for single in _singles(expressions, values, target)]
        yield f"dictionary, {link.name}", found


def _singles(expressions: list[Expression], values: Array, target: Array, keep: int = 4) -> list[Expression]:
    """The best multiples of one feature alone, without a constant: under noise the shortest of many equals is right."""
    with np.errstate(all="ignore"):
        factors = (target @ values) / np.sum(values * values, axis=0)
        errors = np.mean((values * factors - target[:, None]) ** 2, axis=0)
    order = np.argsort(np.where(np.isfinite(errors), errors, np.inf), kind="stable")[:keep]
    return [multiply(Constant(float(factors[i])), expressions[i]) for i in order]


def rationals(rows: Rows, above: int, below: int) -> Iterator[Expression]:
    """P / Q of the given total degrees, from the smallest singular vector of [P, -y Q]."""
    for link, target in usable(_thinned(rows).target):
        if link.name in ("y", "y^2", "log y", "exp y"):
            yield from _rational(_thinned(rows), target, link, above, below)


def rough_rationals(rows: Rows) -> Iterator[Expression]:
    """P / Q of low degrees under noise: the same linear start, then least squares, then needless constants dropped."""
    thin = _thinned(rows, 600)
    if rows.inputs.shape[1] > 3 or len(thin) < 60:
        return
    for above, below in ((1, 1), (2, 1), (1, 2)):
        for expression in _rational(thin, thin.target, LINKS[0], above, below, clean=False):
            yield tidy(expression, thin).expression


def fractions_of_functions(rows: Rows) -> Iterator[Expression]:
    """(a + b f + ...) / (1 + c g + ...) with up to four functions in all: a line in the functions and their products
    with the target."""
    thin = _thinned(rows)
    expressions, values = everyday_features(thin.inputs)
    if not expressions or len(thin) < FEWEST_OF_FUNCTIONS:
        return
    both = np.hstack([values, values * thin.target[:, None]])
    for subset in best_subsets(both, thin.target, thin.weights, 4):
        above: list[Expression] = [Constant(subset.constant)]
        below: list[Expression] = [whole(1)]
        for coefficient, column in zip(subset.coefficients, subset.columns, strict=True):
            place, size = column % len(expressions), coefficient if column < len(expressions) else -coefficient
            (above if column < len(expressions) else below).append(multiply(Constant(size), expressions[place]))
        if len(below) > 1:
            quotient = multiply(add(*above), raise_to(add(*below), Fraction(-1)))
            yield tidy(polish(quotient, thin, 40).expression, thin).expression


def _rational(
    rows: Rows, target: Array, link: Link, above: int, below: int, clean: bool = True
) -> Iterator[Expression]:
    top, bottom = _terms(rows.inputs.shape[1], above), _terms(rows.inputs.shape[1], below)
    if len(top) + len(bottom) > len(rows) // 2:
        return
    scale = np.max(np.abs(rows.inputs), axis=0)
    columns = [_term_values(rows.inputs / scale, term) for term in top]
    columns += [-_term_values(rows.inputs / scale, term) * target / np.max(np.abs(target)) for term in bottom]
    matrix = np.column_stack(columns)
    norms = np.linalg.norm(matrix, axis=0)
    _, singular, right = np.linalg.svd(matrix / norms, full_matrices=False)
    if clean and singular[-1] > 1e-9 * singular[0]:
        return
    vector = (_sparsest(right[singular < 1e-9 * singular[0]]) if clean else right[-1]) / norms
    size = np.abs(vector * norms).max()
    raw = [0.0 if abs(v * n) < 1e-6 * size else float(v) for v, n in zip(vector, norms, strict=True)]
    factors = [1 / np.prod([scale[i] for i in term]) for term in (*top, *bottom)]
    raw = [value * factor for value, factor in zip(raw, factors, strict=True)]
    numerator = _polynomial(top, raw[: len(top)])
    denominator = _polynomial(bottom, [value / np.max(np.abs(target)) for value in raw[len(top) :]])
    if numerator is None or denominator is None:
        return
    yield polish(link.inverse(multiply(numerator, raise_to(denominator, Fraction(-1)))), rows, 40).expression


def _sparsest(null: Array) -> Array:
    """A vector of the null space with many zeros: the last row of its echelon form."""
    matrix = null.copy()
    used: list[int] = []
    for row in range(len(matrix) - 1):
        free = np.abs(matrix[row]).copy()
        free[used] = 0
        pivot = int(np.argmax(free))
        used.append(pivot)
        for other in range(row + 1, len(matrix)):
            matrix[other] -= matrix[other, pivot] / matrix[row, pivot] * matrix[row]
    return matrix[-1]


def _terms(columns: int, degree: int) -> list[tuple[int, ...]]:
    return [term for size in range(degree + 1) for term in combinations_with_replacement(range(columns), size)]


def _term_values(inputs: Array, term: tuple[int, ...]) -> Array:
    return np.prod(inputs[:, term], axis=1) if term else np.ones(len(inputs))


def _polynomial(terms: list[tuple[int, ...]], coefficients: list[float]) -> Expression | None:
    parts = []
    for term, coefficient in zip(terms, coefficients, strict=True):
        if coefficient:
            factors = [raise_to(Variable(i), Fraction(term.count(i))) for i in sorted(set(term))]
            parts.append(multiply(Constant(coefficient), *factors))
    return add(*parts) if parts else None


def additive(table: Table, library: Library, links: tuple[Link, ...]) -> Iterator[Expression]:
    """g(y) = sum of one-variable splines, each then matched by a primitive: one linear fit per link."""
    rows = table.fit
    if len(rows) < 20 * table.columns:
        return
    for link, target in usable(rows.target):
        if link in links:
            curves = _additive_splines(rows.inputs, target, weights_under(link, rows.target, rows.weights))
            if curves is not None:
                yield from _matched(curves, rows, library, lambda parts, link=link: link.inverse(add(*parts)))


def separable(table: Table, library: Library) -> Iterator[Expression]:
    """y = product of one-variable splines (signs may change), each then matched by a primitive."""
    rows = table.fit
    if len(rows) < 20 * table.columns or np.all(rows.target > 0):
        return
    curves = _product_splines(rows.inputs, rows.target)
    if curves is not None:
        yield from _matched(curves, rows, library, lambda parts: multiply(*parts))


def _spline_columns(x: Array, intervals: int = 10) -> Array:
    inner = np.quantile(x, np.linspace(0, 1, intervals + 1))
    if np.any(np.diff(inner) <= 0):
        inner = np.linspace(x.min(), x.max(), intervals + 1)
    margin = 1e-9 * (inner[-1] - inner[0])
    knots = np.concatenate([np.full(4, inner[0] - margin), inner[1:-1], np.full(4, inner[-1] + margin)])
    return BSpline.design_matrix(x, knots, 3).toarray()


def _ridge(matrix: Array, target: Array, roots: Array) -> Array:
    weighted = matrix * roots[:, None]
    gram = weighted.T @ weighted
    gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, weighted.T @ (target * roots))


def _additive_splines(inputs: Array, target: Array, weights: Array | None, limit: float = 0.02) -> list[Array] | None:
    blocks = [_spline_columns(column) for column in inputs.T]
    roots = np.ones(len(target)) if weights is None else np.sqrt(weights)
    solution = _ridge(np.hstack(blocks), target, roots)
    edges = np.cumsum([0] + [block.shape[1] for block in blocks])
    curves = [block @ solution[a:b] for block, a, b in zip(blocks, edges[:-1], edges[1:], strict=True)]
    residual = (sum(curves) - target) * roots
    if np.std(residual) > limit * np.std(target * roots):
        return None
    return curves


def _product_splines(inputs: Array, target: Array, limit: float = 0.02) -> list[Array] | None:
    blocks = [_spline_columns(column) for column in inputs.T]
    curves = [np.ones(len(target)) for _ in blocks]
    for _ in range(25):
        for place, block in enumerate(blocks):
            others = np.prod([curve for at, curve in enumerate(curves) if at != place], axis=0)
            curve = block @ _ridge(block * others[:, None], target, np.ones(len(target)))
            curves[place] = curve / np.sqrt(np.mean(curve**2)) if place else curve
    residual = np.prod(curves, axis=0) - target
    return curves if np.std(residual) <= limit * np.std(target) else None


def _matched(
    curves: list[Array], rows: Rows, library: Library, join: Callable[[list[Expression]], Expression]
) -> Iterator[Expression]:
    """Formulas from the best primitives of every curve, refined together on the rows."""
    options = []
    for column, curve in zip(rows.inputs.T, curves, strict=True):
        size = np.std(curve)
        fits = match_curve(column, curve, None, library, 6) if size > 0 else []
        simple = sorted(fits, key=lambda fit: np.log10(fit.error + 1e-9) + 0.15 * fit.expression.complexity)[:3]
        replaced = [fit.expression.substitute([Variable(len(options))]) for fit in simple]
        options.append(replaced or [Constant(float(curve.mean()))])
    best = [choice[0] for choice in options]
    trials = [best] + [best[:i] + [other] + best[i + 1 :] for i, choice in enumerate(options) for other in choice[1:]]
    for parts in trials:
        yield polish(join(parts), rows, 60).expression
