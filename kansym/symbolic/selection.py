"""From many candidates to one front: equal formulas merged, ranked by description length, with honest errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from kansym.budget import Budget, Part
from kansym.data.dimensions import Dimensions, read_dimensions
from kansym.structure.dimensions import scalings
from kansym.structure.noise import patterned
from kansym.symbolic.consistency import unit_nats
from kansym.symbolic.constants import Fit, Rows, fit_starts, mean_square, polish
from kansym.symbolic.exact import Known, tidy
from kansym.symbolic.expression import Call, Constant, Expression, Power, Sum, real_powers, whole
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront, errors_of
from kansym.symbolic.labels import is_name, read_label
from kansym.symbolic.plainer import plainer
from kansym.symbolic.reading import has_free_power, is_power_law, key, nestings
from kansym.symbolic.simplify import simplify_in_child
from kansym.symbolic.table import EDITED
from kansym.symbolic.terms import factors_of
from kansym.symbolic.textbook import textbook, unfolded

Array = np.ndarray
NATS_PER_NODE = 2.0
FREE_EXPONENT_NATS = 5.0  # of x**p with a fitted p: exponents in laws are rational first
POWER_LAW_NATS = 3.0  # the same in a product of powers, where exponents are often no fractions
USUAL_EXPONENT, LARGE_EXPONENT_NATS = 4.0, 3.0  # up to which they are cheap, and the price of each e-fold beyond
USUAL_FRACTION = 6.0  # numerator times denominator up to which an exponent is cheap: 2/3, 3/2
NESTED_NATS = 5.0
RELATIVE_FLOOR = 1e-12  # misfit below this share of the target's RMS is rounding, not information
CANCELLING_FLOOR = 1e-10  # the same of a formula like (1 - cos(u))/u**2 near 0
RIVAL_NATS = 3.0  # odds of 20 to 1
EDITED_NATS = 3.0  # of what was picked from thousands of changes of other formulas
NAMED_NATS = 2.0  # to say which of the user's known constants
UNITS_MARGIN = 0.5
MANY_TRIES_NATS = 6.0  # by which the best of some hundred formulas beats a constant on noise alone
MUCH_NEARER = 0.3  # typical error over that of the constant
GAIN_ERRORS = 1.8
WRITTEN = 3  # of the best candidates that are too long, which are written shorter before they are given up
KEPT = 10
TIDIED = 8
SHORT = 26  # nodes up to which every good candidate is written shorter before it is compared
PHASED = 4
LONG = 12  # nodes from which sympy is asked for a shorter form
SIMPLIFY_SECONDS = 20.0
CLEAN = 1e-9
MOST_DECIMALS = 10
ROUNDED = 0.501  # units of the last decimal


@dataclass(frozen=True)
class Names:
    """How a formula's columns are called and in what units they are, and which numbers the user gave a name."""

    inputs: tuple[str, ...]
    target: str
    input_units: tuple[str | None, ...] = ()
    target_unit: str | None = None
    known: tuple[Known, ...] = ()

    @property
    def dimensions(self) -> Dimensions | None:
        """What the columns measure, where the units say so."""
        return _dimensions(self)

    @property
    def margin(self) -> float:
        """Within how many nats the simplest formula wins: units say more about likely laws than the number of nodes."""
        return RIVAL_NATS if self.dimensions is None else UNITS_MARGIN


@cache
def _dimensions(names: Names) -> Dimensions | None:
    """None too where the inputs cannot make the target's unit: some constant then has a unit, whatever the formula."""
    units = names.input_units or (None,) * len(names.inputs)
    found, _ = read_dimensions(names.inputs, units, names.target, names.target_unit)
    return found if found is not None and scalings(found, 1) else None


@dataclass(frozen=True)
class Parts:
    """All rows, and which of them are for fitting ("train"), choosing ("validation") and the final error ("test").

    An empty validation part means that the table is small: constants are then judged by leaving one row out at a time.
    """

    rows: Rows
    train: Array
    validation: Array
    test: Array

    @property
    def fitted_rows(self) -> Array:
        """Numbers of the rows that constants of the final formulas are fitted to: all but the test rows."""
        return np.sort(np.concatenate([self.train, self.validation])).astype(int)

    @property
    def fitted(self) -> Rows:
        """The rows that constants of the final formulas are fitted to."""
        return self.rows.take(self.fitted_rows)

    def without(self, rows: Array) -> Parts:
        """The parts with these rows in none of them."""
        return Parts(self.rows, *(part[~np.isin(part, rows)] for part in (self.train, self.validation, self.test)))


def description_length(expression: Expression, misfit: float, rows: Rows) -> float:
    """Nats to tell the table by this formula: misfit, nodes, and half a log of the rows per fitted number.

    The misfit's part is n/2 log(mean square), the likelihood of Gaussian errors of unknown size (Schwarz 1978).
    """
    free = len(expression.free_constants)
    exact = sum(_bits(node) for node in expression.walk() if isinstance(node, Constant) and node.label is not None)
    exact += NESTED_NATS * nestings(expression)
    price = POWER_LAW_NATS if is_power_law(expression) else FREE_EXPONENT_NATS
    exact += price * sum(map(has_free_power, expression.walk())) + sum(map(_exponent_nats, expression.walk()))
    data = 0.5 * len(rows) * math.log(floored(misfit, rows)) + _small_sample(free + 1, len(rows))
    return data + NATS_PER_NODE * expression.complexity + 0.5 * (free + 1) * math.log(len(rows)) + exact


def floored(misfit: float, rows: Rows) -> float:
    """A mean square, at least as large as rounding makes it."""
    return max(misfit, (RELATIVE_FLOOR**2) * float(np.mean((rows.target * rows.roots) ** 2)), 1e-300)


def _small_sample(parameters: int, rows: int) -> float:
    """How much a likelihood flatters few rows: the correction of Hurvich and Tsai (1989), k (k + 1) / (n - k - 1)."""
    return parameters * (parameters + 1) / max(rows - parameters - 1, 0.5)


def _exponent_nats(node: Expression) -> float:
    """What an exponent costs that is a long fraction, or large: T**(27/2) is rarely meant where exp(-b/T) may be."""
    if isinstance(node, Power):
        above, below = abs(node.exponent.numerator), node.exponent.denominator
        return _beyond(above * below, USUAL_FRACTION) + LARGE_EXPONENT_NATS * _beyond(above / below)
    powers = real_powers(node)[0] if isinstance(node, Call) else ()
    numbers = [factor.value for _, power in powers for factor in factors_of(power) if isinstance(factor, Constant)]
    return LARGE_EXPONENT_NATS * sum(_beyond(abs(number)) for number in numbers)


def _beyond(size: float, usual: float = USUAL_EXPONENT) -> float:
    return math.log(max(size, usual) / usual)


def _bits(constant: Constant) -> float:
    if is_name(constant.label):
        return NAMED_NATS
    ratio = read_label(constant.label or "1").ratio
    return 0.5 * math.log(abs(ratio.numerator) * ratio.denominator + 1.0)


def front_of(
    expressions: Iterable[tuple[Expression, str]],
    parts: Parts,
    names: Names,
    most: int,
    budget: Budget | Part | None = None,
    leave: Callable[[Expression], bool] | None = None,
) -> ParetoFront:
    """The Pareto front of candidate expressions (with their origins), refitted, made exact where the data allow it.

    most: the greatest complexity allowed; the simplest candidate is kept whatever it costs.
    leave: tells whether a refitted formula may be on the front; where none may, 0 is.
    """
    rows = parts.fitted
    fits: dict[Expression, tuple[Fit, str]] = {}
    for rank, (expression, origin) in enumerate(preselected(expressions, rows, names)):
        if budget is not None and budget.expired and fits:
            break
        fit = tidy(expression, rows, budget, names.known) if rank < TIDIED else polish(expression, rows, 30)
        if rank < WRITTEN and fit.expression.complexity > most:
            fit = _factored(fit, rows)
        if np.isfinite(fit.mean_square) and (leave is None or leave(fit.expression)):
            _keep(fits, fit, origin)
        forms = plainer(fit.expression, rows.inputs) if rank < TIDIED else ()
        others = [tidy(form, rows, budget, names.known) for form in forms]
        for other in [*others, _factored(fit, rows)] if fit.expression.complexity <= SHORT else others:
            if np.isfinite(other.mean_square) and (leave is None or leave(other.expression)):
                _keep(fits, other, origin)
    if leave is not None or not fits:  # no effect at all breaks no statement
        fits.setdefault(whole(0), (Fit(whole(0), mean_square(whole(0), rows), np.zeros(0)), "nothing"))
    fits = _within(fits, most)
    formulas = [formula_of(fit, origin, parts, names) for fit, origin in fits.values()]
    formulas.sort(key=_simplest_first)
    return choose(formulas, rows, names.margin)


def _keep(fits: dict[Expression, tuple[Fit, str]], fit: Fit, origin: str) -> None:
    """Keep a fit unless there is one of its shape; what the search found as well was not picked by edits."""
    kept, before = fits.setdefault(_shape(fit.expression), (fit, origin))
    if before == EDITED and origin != EDITED:
        fits[_shape(fit.expression)] = kept, origin


def _simplest_first(formula: Formula) -> tuple[int, int, float]:
    """Few nodes, then few fitted numbers, then a short description."""
    return formula.complexity, len(formula.constants), formula.description_length


def _factored(fit: Fit, rows: Rows) -> Fit:
    """The fit as a textbook would write it: a sum of products with factors in common may be half as long."""
    form = textbook(fit.expression, rows.inputs)
    return polish(form, rows, 30) if form.complexity < fit.expression.complexity else fit


def preselected(
    expressions: Iterable[tuple[Expression, str]], rows: Rows, names: Names
) -> list[tuple[Expression, str]]:
    """The candidates worth polishing: the shortest descriptions, and the best of every complexity."""
    scored = []
    for expression, origin in expressions:
        misfit = mean_square(expression, rows)
        if np.isfinite(misfit):
            length = description_length(expression, misfit, rows) + unit_nats(expression, names.dimensions)
            scored.append((length, expression.complexity, expression, origin))
    scored.sort(key=lambda item: (item[0], item[1]))
    kept = scored[:KEPT]
    best: dict[int, tuple] = {}
    for item in scored[KEPT:]:
        best.setdefault(item[1], item)
    kept += sorted(best.values(), key=lambda item: item[0])[:KEPT]
    return [(expression, origin) for _, _, expression, origin in kept]


def _shape(expression: Expression) -> Expression:
    """The formula with its constants rounded, so that the same law found twice, exact or fitted, is one."""
    return expression.map(lambda node: Constant(float(f"{node.value:.5g}")) if isinstance(node, Constant) else node)


def _within(fits: Mapping[Expression, tuple[Fit, str]], most: int) -> dict[Expression, tuple[Fit, str]]:
    small = {shape: item for shape, item in fits.items() if item[0].expression.complexity <= most}
    if small or not fits:
        return small
    shape = min(fits, key=lambda key: key.complexity)
    return {shape: fits[shape]}


def choose(formulas: list[Formula], rows: Rows, margin: float = RIVAL_NATS) -> ParetoFront:
    """The strictly falling front of formulas sorted by complexity, the chosen one, and its rivals.

    The chosen formula is the simplest whose description is within `margin` nats of the shortest; a constant, unless
    another formula is clearly better, see `_believable`. Errors below rounding are all the same: what is longer and
    better by them alone is not on the front.
    """
    shortest = min(formula.description_length for formula in formulas)
    best = next(formula for formula in formulas if formula.description_length <= shortest + margin)
    constants = [formula for formula in formulas if not formula.expression.variables]
    if constants and best.expression.variables:
        constant = min(constants, key=lambda formula: formula.description_length)
        options = [formula for formula in formulas if formula.description_length <= shortest + margin]
        best = next((formula for formula in options if _believable(formula, constant, rows)), constant)
    front: list[Formula] = []
    lowest, floor = math.inf, RELATIVE_FLOOR * float(np.sqrt(np.mean(rows.target**2)))
    for formula in formulas:
        error = max(selection_error(formula), floor)
        if error < lowest * 0.999 or formula.description_length <= shortest + RIVAL_NATS:
            front.append(formula)
            lowest = min(lowest, error)
    rivals = tuple(
        i
        for i, formula in enumerate(front)
        if formula is not best and formula.description_length <= shortest + RIVAL_NATS
    )
    return ParetoFront(tuple(front), front.index(best), rivals, exact=reaches_noise(best.expression, rows))


def _believable(formula: Formula, constant: Formula, rows: Rows) -> bool:
    """Whether a formula says more than a constant: not the luckiest of many tries, and not for the sake of few rows.

    It may be exact. Else half of the rows must come much nearer, also than to the middling value unless half of them
    have it, for a mean is far from most rows where a few are far out; or the row-by-row gains must be positive beyond
    `GAIN_ERRORS` of their own standard errors: what one or two rows far out gain, whatever the size of it, reaches no
    more than the square root of their number.
    """
    if constant.description_length - formula.description_length <= MANY_TRIES_NATS:
        return False
    before = (constant.expression.evaluate(rows.inputs) - rows.target) * rows.roots
    after = (formula.expression.evaluate(rows.inputs) - rows.target) * rows.roots
    if float(np.max(np.abs(after))) <= CLEAN * rows.spread:
        return True
    typical = float(np.median(np.abs(before)))
    middling = float(np.median(np.abs(np.median(rows.target) - rows.target) * rows.roots))
    if np.median(np.abs(after)) < MUCH_NEARER * (min(typical, middling) if middling > 0 else typical):
        return True
    size = float(np.max(np.abs(before))) or 1.0
    gains = (before / size) ** 2 - (after / size) ** 2
    error = float(np.std(gains)) / math.sqrt(max(len(rows) - len(formula.expression.free_constants), 1))
    return float(np.mean(gains)) > GAIN_ERRORS * error


def reaches_noise(expression: Expression, rows: Rows) -> bool:
    """Whether nothing but noise is left of the table: no error beyond rounding, or residuals without any pattern."""
    predicted = expression.evaluate(rows.inputs)
    error = predicted - rows.target
    residual = error * rows.roots
    spread = rows.spread
    if float(np.sqrt(np.mean(residual**2))) <= CLEAN * spread or float(np.max(np.abs(error))) <= _rounding(rows.target):
        return True
    if not np.all(np.isfinite(residual)):
        return False
    return not patterned(rows.inputs, residual / np.max(np.abs(residual)), predicted)


def _rounding(target: Array) -> float:
    """The largest error of a target (N,) that was written with so many decimals; 0 when it was not rounded."""
    for decimals in range(MOST_DECIMALS):
        if np.all(np.abs(np.round(target, decimals) - target) <= 1e-12 * np.abs(target)):
            return ROUNDED * 10.0**-decimals
    return 0.0


def simplified(front: ParetoFront, parts: Parts, names: Names, most: int | None = None) -> ParetoFront:
    """The front with its chosen formula made shorter by sympy and written as a textbook would, values unchanged.

    most: the greatest complexity that the way of writing may lead to.
    """
    return _written(_shortened(front, parts, names), parts, names, most)


def _shortened(front: ParetoFront, parts: Parts, names: Names) -> ParetoFront:
    """The front with its chosen formula rewritten by sympy, where that is shorter and numerically the same."""
    best = front.best
    if best.complexity < (PHASED if _has_phase(best.expression) else LONG):
        return front
    points = parts.rows.inputs[:64]
    shorter = simplify_in_child(best.expression, SIMPLIFY_SECONDS, points)
    if shorter is None:
        return front
    fit = tidy(shorter, parts.fitted, None, names.known)
    if fit.expression.complexity >= best.complexity or not _as_accurate(fit, best, parts.fitted):
        return front
    formulas = [formula for formula in front.formulas if formula is not best]
    formulas.append(formula_of(fit, best.origin, parts, names))
    formulas.sort(key=_simplest_first)
    return choose(formulas, parts.fitted, names.margin)


def _written(front: ParetoFront, parts: Parts, names: Names, most: int | None) -> ParetoFront:
    """The front with its chosen formula as a textbook would print it, the constants as written refitted.

    Its description is that of the shortest form known: how it is written changes no choice.
    """
    best = front.best
    limit = math.inf if most is None else max(most, best.complexity)
    forms = [form for form in _forms(best.expression, parts, names) if form.complexity <= limit]
    fits = (polish(form, parts.fitted) for form in sorted(forms, key=key))
    fit = next((fit for fit in fits if _as_accurate(fit, best, parts.fitted)), None)
    if fit is None:
        return front
    formula = formula_of(fit, best.origin, parts, names)
    formula = replace(formula, description_length=min(formula.description_length, best.description_length))
    if formula.complexity == best.complexity:
        return replace(front, formulas=tuple(formula if other is best else other for other in front.formulas))
    formulas = [*(other for other in front.formulas if other is not best), formula]
    formulas.sort(key=_simplest_first)
    return _with_chosen(choose(formulas, parts.fitted, names.margin), formula) or front


def _with_chosen(front: ParetoFront, formula: Formula) -> ParetoFront | None:
    """The front with this one of its formulas chosen, and the one that was as a rival; None if it is not in it."""
    place = next((i for i, other in enumerate(front.formulas) if other is formula), None)
    if place is None or place == front.chosen:
        return None if place is None else front
    return replace(front, chosen=place, rivals=tuple(sorted({*front.rivals, front.chosen} - {place})))


def _forms(expression: Expression, parts: Parts, names: Names) -> Iterator[Expression]:
    """Plainer ways to write a formula."""
    points = parts.rows.inputs
    opened = unfolded(expression, points)
    loose = [] if opened is None else [tidy(opened, parts.fitted, None, names.known).expression]
    for start in (expression, *loose):
        form = textbook(start, points)
        if key(form) < key(expression):
            yield form


def _as_accurate(fit: Fit, formula: Formula, rows: Rows) -> bool:
    """Whether another way to write a formula fits as well, up to rounding, also where terms of it nearly cancel."""
    floor = (CANCELLING_FLOOR**2) * float(np.mean((rows.target * rows.roots) ** 2))
    return fit.mean_square <= max(1.000001 * mean_square(formula.expression, rows), floor)


def selection_error(formula: Formula) -> float:
    """The RMS error that the front shows: validation rows, or leave-one-out for a small table."""
    for part in ("validation", "leave-one-out", "train"):
        if part in formula.errors:
            return formula.errors[part].rmse
    return math.inf


def formula_of(fit: Fit, origin: str, parts: Parts, names: Names) -> Formula:
    """A fitted expression as a formula with its errors on every part of the data and its constants' standard errors.

    The train and validation errors are those of the constants fitted to the train rows alone; the test error is that
    of the final constants, which were fitted to train and validation rows.
    """
    rows = parts.fitted
    told = description_length(fit.expression, fit.mean_square, rows) + unit_nats(fit.expression, names.dimensions)
    box = tuple((float(column.min()), float(column.max())) for column in rows.inputs.T)
    return Formula(
        fit.expression,
        names.inputs,
        names.target,
        _constants(fit),
        _errors(fit.expression, parts),
        box,
        names.input_units,
        names.target_unit,
        told + (EDITED_NATS if origin == EDITED else 0.0),
        origin,
        None if fit.covariance is None else tuple(tuple(map(float, row)) for row in fit.covariance),
    )


def _constants(fit: Fit) -> tuple[FittedConstant, ...]:
    errors = iter(fit.standard_errors)
    found = []
    for node in fit.expression.walk():
        if isinstance(node, Constant):
            error = None if node.label is not None else float(next(errors))
            found.append(
                FittedConstant(node.value, error if error is None or math.isfinite(error) else None, node.label)
            )
    return tuple(constant for constant in found if constant.label is None)


def _errors(expression: Expression, parts: Parts) -> dict[str, Errors]:
    rows = parts.rows
    if len(parts.validation) == 0:
        fitted = parts.fitted
        return {
            "train": errors_of(expression.evaluate(fitted.inputs), fitted.target),
            "leave-one-out": errors_of(leave_one_out(expression, fitted), fitted.target),
        }
    train_only = refitted(expression, rows.take(parts.train))
    found = {}
    for name, part, judged in (
        ("train", parts.train, train_only),
        ("validation", parts.validation, train_only),
        ("test", parts.test, expression),
    ):
        subset = rows.take(part)
        found[name] = errors_of(judged.evaluate(subset.inputs), subset.target)
    return found


def refitted(expression: Expression, rows: Rows, steps: int = 12) -> Expression:
    """The formula with its free constants fitted to other rows, from where they are."""
    start = np.array([[constant.value for constant in expression.free_constants]])
    if start.size == 0 or len(rows) < start.size:
        return expression
    theta, loss = fit_starts(expression, rows, start, steps)
    return expression.with_constants(theta[0]) if np.isfinite(loss[0]) else expression


def leave_one_out(expression: Expression, rows: Rows) -> Array:
    """The prediction of every row (N,) by the constants fitted to all the other rows."""
    predicted = np.empty(len(rows))
    for row in range(len(rows)):
        others = np.delete(np.arange(len(rows)), row)
        predicted[row] = refitted(expression, rows.take(others)).evaluate(rows.inputs[row : row + 1])[0]
    return predicted


def _has_phase(expression: Expression) -> bool:
    """Whether a sine or cosine has an exact phase, which sympy knows how to take out."""
    return any(
        isinstance(node, Call)
        and node.name in ("sin", "cos")
        and isinstance(node.argument, Sum)
        and any(isinstance(term, Constant) and term.label for term in node.argument.terms)
        for node in expression.walk()
    )
