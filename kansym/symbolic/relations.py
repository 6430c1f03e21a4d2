"""Exact relations between target and columns by linear algebra: quotients P/Q, and roots of quadratic equations.

Where y = P/Q on all rows, P - Q y = 0 is a null vector of the columns [P, Q y]; where A y^2 + B y + C = 0, as in laws
of equilibria and of levels that repel each other, it is one of [C, B y, A y^2]. P, Q, A, B, C are sums of products of
functions of single columns: powers (then they are polynomials), or powers of a root, a logarithm, an exponential or a
tangent, or waves, for every column its own. Nothing is searched: each choice is one singular value decomposition, on
few rows first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations, product

import numpy as np

from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Product, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.links import usable
from kansym.symbolic.table import thinned

Array = np.ndarray
Degree = int | Sequence[int]
NULL = 1e-9  # smallest singular value over the largest, of columns that a relation holds between
CERTAIN = 1e-12  # the same, where it is to be the only one
APART = 1e-3  # of the smallest singular value over the next, where there is one relation and no mere likeness
TRACE = 1e-6  # of the largest coefficient, times the size of its column, what is taken for none
SURPLUS = 12  # rows more than columns in the first look
QUOTIENT_LINKS = ("y", "y^2", "log y", "exp y", "sin y", "cos y", "tan y", "atanh y")
ROOT_LINKS = ("y", "log y", "exp y")
MOST_COLUMNS, MOST_COLUMNS_ONE_CHANGED, MOST_COLUMNS_CHANGED = 7, 5, 3  # as they are; one, or all through functions
DEGREE, CHANGED_DEGREES = 3, (1, 2)  # the largest above and below; where several columns are seen through functions
ROOT_DEGREES, CHANGED_ROOT_DEGREES = ((2, 1, 0), (2, 2, 2), (3, 2, 1)), ((2, 2, 0),)  # of C, B and A
HELD, EXACTLY = 1e-6, 1e-12  # RMS over the spread that a formula may leave before and after its numbers are refined
FEWEST_TERMS, TERMS_PER_COLUMN = 5, 3  # of a relation that is believed, at most so many and so many a column:
MOST_TERMS = 14  # smooth curves nearly have longer ones


@dataclass(frozen=True)
class Coordinate:
    """Functions of a column by degree: (x, degree) -> those of exactly this degree, as expressions."""

    name: str
    of_degree: Callable[[Expression, int], list[Expression]]
    allowed: Callable[[Array], bool] = lambda x: True


def _powers(inner: Callable[[Expression], Expression]) -> Callable[[Expression, int], list[Expression]]:
    return lambda x, degree: [raise_to(inner(x), Fraction(degree))]


def _waves(x: Expression, degree: int) -> list[Expression]:
    turned = multiply(whole(degree), x)
    return [call("cos", turned), call("sin", turned)]


def _beside(inner: Callable[[Expression], Expression]) -> Callable[[Expression, int], list[Expression]]:
    """The column and a function of it together, and their products."""
    return lambda x, degree: [
        multiply(raise_to(x, Fraction(degree - k)), raise_to(inner(x), Fraction(k))) for k in range(degree + 1)
    ]


def _positive(x: Array) -> bool:
    return bool(np.all(x > 0))


def _small(x: Array) -> bool:
    return bool(np.max(np.abs(x)) < 30.0)


PLAIN = Coordinate("x", _powers(lambda x: x))
SQUARE = Coordinate("x^2", _powers(lambda x: raise_to(x, Fraction(2))))
ROOT = Coordinate("sqrt x", _powers(lambda x: raise_to(x, Fraction(1, 2))), _positive)
COORDINATES = (
    PLAIN,
    ROOT,
    Coordinate("log x", _powers(lambda x: call("log", x)), _positive),
    Coordinate("exp x", _powers(lambda x: call("exp", x)), _small),
    Coordinate("tan x", _powers(lambda x: call("tan", x)), _small),
    Coordinate("waves", _waves, _small),
    Coordinate("x, exp x", _beside(lambda x: call("exp", x)), _small),
    Coordinate("x, log x", _beside(lambda x: call("log", x)), _positive),
)


def quick_relations(rows: Rows) -> Iterator[Expression]:
    """Exact quotients and roots; also those where one column is seen through a function, or both of two.

    One of two columns may also be seen as its product or quotient with the other.
    """
    columns = rows.inputs.shape[1]
    found = [*exact_quotients(rows)] or [*exact_roots(rows)]
    if not found and 1 <= columns <= MOST_COLUMNS_ONE_CHANGED:
        totals = range(1, DEGREE + 1 if columns <= 3 else DEGREE)
        steep = _one_to_the_third(columns) if columns <= MOST_COLUMNS_CHANGED else ()
        found = list(_of_functions(rows, range(1, 3 if columns == 2 else 2), [*totals, *steep]))
    yield from found
    if not found and columns == 2:
        yield from _of_numbers(rows, range(1, 3))


def further_relations(rows: Rows) -> Iterator[Expression]:
    """Relations of three columns of which two or all are seen through functions, or one as a product or quotient."""
    if rows.inputs.shape[1] == MOST_COLUMNS_CHANGED:
        linear = (1,) * MOST_COLUMNS_CHANGED  # in each: cos(a)*cos(b)*cos(c)
        found = list(_of_functions(rows, range(2, 4), (*CHANGED_DEGREES, linear)))
        yield from found
        if not found:
            yield from _of_numbers(rows, range(1, 2))


def _of_numbers(rows: Rows, changed: range) -> Iterator[Expression]:
    """Relations where the product or quotient of two columns stands in the place of one."""
    columns = rows.inputs.shape[1]
    for i, j in permutations(range(columns), 2):
        for power in (Fraction(1), Fraction(-1)):
            number = multiply(Variable(i), raise_to(Variable(j), power))
            with np.errstate(all="ignore"):
                values = number.evaluate(rows.inputs)
            if np.all(np.isfinite(values)) and np.ptp(values) > 0:
                inputs = rows.inputs.copy()
                inputs[:, i] = values
                back = [number if at == i else Variable(at) for at in range(columns)]
                found = list(_of_functions(Rows(inputs, rows.target, rows.weights), changed, CHANGED_DEGREES))
                yield from (canonical(each.substitute(back)) for each in found)
                if found:
                    return


def exact_quotients(rows: Rows) -> Iterator[Expression]:
    """P/Q of the columns, or of all their squares or roots, of rising degree, that leave nothing of the target."""
    columns = rows.inputs.shape[1]
    if not 1 <= columns <= MOST_COLUMNS:
        return
    roots = (SQUARE, ROOT) if np.all(rows.inputs > 0) else (SQUARE,)
    totals = range(1, DEGREE + 1 if columns > 1 else DEGREE)
    ways: list[tuple[Coordinate, Degree]] = [(coordinate, d) for coordinate in (PLAIN, *roots) for d in totals]
    ways += [(PLAIN, limits) for limits in _one_to_the_third(columns)]
    yield from _first_of(rows, (([coordinate] * columns, (degree, degree)) for coordinate, degree in ways))


def _one_to_the_third(columns: int) -> Iterator[tuple[int, ...]]:
    """The largest degrees of terms that are linear in all columns but one: r**3*(a + 2) is of total degree 4.

    Of two columns the other one may be squared too.
    """
    if 2 <= columns <= MOST_COLUMNS_ONE_CHANGED:
        for other in range(1, 3 if columns == 2 else 2):
            yield from (tuple(DEGREE if at == steep else other for at in range(columns)) for steep in range(columns))


def exact_roots(rows: Rows) -> Iterator[Expression]:
    """The roots y of A y^2 + B y + C = 0 with polynomials of the columns that leave nothing of the target."""
    columns = rows.inputs.shape[1]
    if not 1 <= columns <= MOST_COLUMNS:
        return
    yield from _first_of(rows, (([PLAIN] * columns, degrees) for degrees in ROOT_DEGREES))


def _of_functions(rows: Rows, changed: range, degrees: Sequence[Degree]) -> Iterator[Expression]:
    """Relations where so many columns are seen through roots, logarithms, exponentials, tangents or waves.

    degrees: of quotients, both above and below.
    """
    usual = [[each for each in COORDINATES if each.allowed(x)] for x in rows.inputs.T]
    choices = [choice for choice in product(*usual) if sum(each is not PLAIN for each in choice) in changed]
    choices.sort(key=lambda choice: sum(each is not PLAIN for each in choice))
    orders = (*((degree, degree) for degree in degrees), *CHANGED_ROOT_DEGREES)
    yield from _first_of(rows, ((choice, order) for order in orders for choice in choices))


def _first_of(rows: Rows, ways: Iterable[tuple[Sequence[Coordinate], Sequence[Degree]]]) -> list[Expression]:
    """The only relations of the first way, coordinates and degrees, that has any."""
    thin, known = thinned(rows), dict[Expression, Array]()
    found = (list(_under_links(thin, coordinates, degrees, known, unique=True)) for coordinates, degrees in ways)
    return next((formulas for formulas in found if formulas), [])


def rationals(rows: Rows, above: int, below: int) -> Iterator[Expression]:
    """P / Q of the given total degrees in the columns as they are."""
    yield from _under_links(thinned(rows), [PLAIN] * rows.inputs.shape[1], (above, below), {})


def rough_rationals(rows: Rows) -> Iterator[Expression]:
    """P / Q of low degrees under noise: the same linear start, then least squares, then needless constants dropped."""
    thin = thinned(rows, 600)
    if rows.inputs.shape[1] > 3 or len(thin) < 60:
        return
    for degrees in ((1, 1), (2, 1), (1, 2)):
        blocks = _Blocks.of([PLAIN] * rows.inputs.shape[1], degrees, thin, {})
        for expression in _nearest(blocks, thin) if blocks else ():
            yield tidy(expression, thin).expression


def terms_in(coordinates: Sequence[Coordinate], degree: Degree) -> list[Expression]:
    """All products of functions of the columns, one of each at most; 1 first.

    degree: the largest in total, or for every column by itself.
    """
    limits = [degree] * len(coordinates) if isinstance(degree, int) else degree
    total = degree if isinstance(degree, int) else sum(degree)
    found: list[Expression] = []
    for degrees in product(*(range(limit + 1) for limit in limits)):
        if sum(degrees) <= total:
            factors = [
                coordinate.of_degree(Variable(i), d) if d else [whole(1)]
                for i, (coordinate, d) in enumerate(zip(coordinates, degrees, strict=True))
            ]
            found += [multiply(*chosen) for chosen in product(*factors)]
    return found


@np.errstate(all="ignore")
def values_of(term: Expression, rows: Rows, known: dict[Expression, Array]) -> Array:
    """The values (N,) of a term, a product of functions of single columns, each of which is worked out once."""
    if term not in known:
        factors = term.factors if isinstance(term, Product) else ()
        parts = [values_of(factor, rows, known) for factor in factors]
        known[term] = np.prod(parts, axis=0) if parts else term.evaluate(rows.inputs)
    return known[term]


@dataclass(frozen=True)
class _Blocks:
    """For every power of the target, from 0, the terms that may stand before it, and their values (N, P)."""

    terms: tuple[list[Expression], ...]
    values: tuple[Array, ...]

    @classmethod
    def of(
        cls, coordinates: Sequence[Coordinate], degrees: Sequence[Degree], rows: Rows, known: dict[Expression, Array]
    ) -> _Blocks | None:
        """None where there are too few rows for so many terms, or a term has no finite values.

        known: values (N,) of terms and of their factors on these rows; those that are new are added.
        """
        made = {degree: terms_in(coordinates, degree) for degree in degrees}
        terms = tuple(made[degree] for degree in degrees)
        if sum(map(len, terms)) > len(rows) // 2:
            return None
        values = {degree: np.column_stack([values_of(term, rows, known) for term in made[degree]]) for degree in made}
        if not all(np.all(np.isfinite(block)) for block in values.values()):
            return None
        return cls(terms, tuple(values[degree] for degree in degrees))

    def columns(self, target: Array) -> tuple[Array, Array]:
        """Every term times its power of a target (N,), of size 1, and the sizes."""
        matrix = np.hstack([block * target[:, None] ** power for power, block in enumerate(self.values)])
        norms = np.linalg.norm(matrix, axis=0)
        norms = np.where(norms > 0, norms, 1.0)
        return matrix / norms, norms

    def solved(self, vector: Array, norms: Array) -> list[Expression]:
        """The formulas of the target that a relation between the columns gives: one, or both roots."""
        kept = np.abs(vector) >= TRACE * np.abs(vector).max()
        raw = np.where(kept, vector / norms, 0.0)
        ends = np.cumsum([len(block) for block in self.terms])
        pieces = np.split(raw, ends[:-1])
        last = pieces[-1]
        if not np.any(last):
            return []
        unit = last[np.argmax(np.abs(last))]
        sums = [_sum(terms, piece / unit) for terms, piece in zip(self.terms, pieces, strict=True)]
        return [_minus_over(sums[0], sums[1])] if len(sums) == 2 else roots_of(*sums)


def _under_links(
    thin: Rows,
    coordinates: Sequence[Coordinate],
    degrees: Sequence[Degree],
    known: dict[Expression, Array],
    unique: bool = False,
) -> Iterator[Expression]:
    """What null vectors give, where there are any; known: values of terms on these rows; unique: and no other."""
    blocks = _Blocks.of(coordinates, degrees, thin, known)
    if blocks is None:
        return
    links = ROOT_LINKS if len(degrees) > 2 else QUOTIENT_LINKS if _is_simple(coordinates) else QUOTIENT_LINKS[:4]
    for link, target in usable(thin.target):
        if link.name in links:
            matrix, norms = blocks.columns(target)
            most = min(FEWEST_TERMS + TERMS_PER_COLUMN * len(coordinates), MOST_TERMS) if unique else None
            vector = _null_vector(matrix, most)
            solved = [] if vector is None else blocks.solved(vector, norms)
            formulas = [link.inverse(each) for each in solved]
            refined = (polish(each, thin, 40).expression for each in formulas if _holds(each, thin, HELD))
            yield from (each for each in refined if not unique or _holds(each, thin, EXACTLY))


def _is_simple(coordinates: Sequence[Coordinate]) -> bool:
    """Whether the ways to see the columns are so few that every link can be tried with each."""
    return len(coordinates) <= 2 or sum(coordinate not in (PLAIN, SQUARE, ROOT) for coordinate in coordinates) <= 1


def _holds(formula: Expression, rows: Rows, most: float) -> bool:
    """Whether a formula leaves so little of the target: one of two roots does not, nor what bends to a smooth curve."""
    with np.errstate(all="ignore"):
        left = float(np.std(formula.evaluate(rows.inputs) - rows.target))
    return left <= most * float(np.std(rows.target))


def _null_vector(matrix: Array, most: int | None) -> Array | None:
    """The weights (P,) of columns (N, P) whose sum is 0 on all rows, where there are such.

    most: how many of them may not be 0, where they are to be the only ones; None where any will do.
    """
    few = np.linspace(0, len(matrix) - 1, min(len(matrix), matrix.shape[1] + SURPLUS)).astype(int)
    first = np.linalg.svd(matrix[few], compute_uv=False)
    if first[-1] > NULL * first[0]:
        return None
    _, singular, right = np.linalg.svd(matrix, full_matrices=False)
    if singular[-1] > NULL * singular[0]:
        return None
    if most is None:
        return _sparsest(right[singular < NULL * singular[0]])
    alone = singular[-1] <= min(CERTAIN * singular[0], APART * singular[-2])
    terms = np.sum(np.abs(right[-1]) >= TRACE * np.abs(right[-1]).max())
    return right[-1] if alone and terms <= most else None


def _nearest(blocks: _Blocks, rows: Rows) -> Iterator[Expression]:
    """The formula of the smallest singular value, whatever it is."""
    matrix, norms = blocks.columns(rows.target)
    for formula in blocks.solved(np.linalg.svd(matrix, full_matrices=False)[2][-1], norms):
        yield polish(formula, rows, 40).expression


def _sum(terms: list[Expression], coefficients: Array) -> Expression:
    """The weighted sum of terms; weights of 0 and 1 are exact."""
    parts = (
        term if c == 1.0 else multiply(Constant(float(c)), term)
        for term, c in zip(terms, coefficients, strict=True)
        if c
    )
    return add(*parts)


def _minus_over(above: Expression, below: Expression) -> Expression:
    return multiply(whole(-1), above, raise_to(below, Fraction(-1)))


def roots_of(c: Expression, b: Expression, a: Expression) -> list[Expression]:
    """Both roots of a y^2 + b y + c."""
    inside = add(raise_to(b, Fraction(2)), multiply(whole(-4), a, c))
    root = raise_to(inside, Fraction(1, 2))
    return [_minus_over(add(b, multiply(whole(sign), root)), multiply(whole(2), a)) for sign in (1, -1)]


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
