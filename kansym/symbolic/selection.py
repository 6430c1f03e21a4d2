"""From many candidates to one front: equal formulas merged, ranked by description length, with honest errors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kansym.budget import Budget, Part
from kansym.structure.noise import ENOUGH, unexplained
from kansym.symbolic.constants import Fit, Rows, fit_starts, mean_square, polish
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Call, Constant, Expression, Product, Sum
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront, errors_of
from kansym.symbolic.labels import read_label
from kansym.symbolic.simplify import simplify_in_child

Array = np.ndarray
NATS_PER_NODE = 2.0
FREE_EXPONENT_NATS = 8.0
RELATIVE_FLOOR = 1e-12  # misfit below this share of the target's RMS is rounding, not information
RIVAL_NATS = 3.0  # odds of 20 to 1
KEPT = 10
TIDIED = 8
PHASED = 4
LONG = 12  # nodes from which sympy is asked for a shorter form
SIMPLIFY_SECONDS = 20.0
CLEAN = 1e-7
PATTERN = 0.15
FEWEST_FOR_OUTLIERS, MOST_FOR_OUTLIERS = 10, 200
OUTLYING = 6.0  # standard deviations of the other rows
OUTLIER_NATS = 6.0
PATTERN_OF_FEW = 0.5


@dataclass(frozen=True)
class Names:
    """How a formula's columns are called and in what units they are."""

    inputs: tuple[str, ...]
    target: str
    input_units: tuple[str | None, ...] = ()
    target_unit: str | None = None


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
    def fitted(self) -> Rows:
        """The rows that constants of the final formulas are fitted to: all but the test rows."""
        return self.rows.take(np.sort(np.concatenate([self.train, self.validation])).astype(int))


def description_length(expression: Expression, misfit: float, rows: Rows) -> float:
    """Nats to tell the table by this formula: misfit, nodes, and half a log of the rows per fitted number.

    The misfit's part is n/2 log(mean square), the likelihood of Gaussian errors of unknown size (Schwarz 1978).
    """
    floor = (RELATIVE_FLOOR**2) * float(np.mean((rows.target * rows.roots) ** 2))
    free = len(expression.free_constants)
    exact = sum(_bits(node) for node in expression.walk() if isinstance(node, Constant) and node.label is not None)
    exact += FREE_EXPONENT_NATS * sum(_is_free_power(node) for node in expression.walk())
    data = 0.5 * len(rows) * math.log(max(misfit, floor, 1e-300)) + _small_sample(free + 1, len(rows))
    return data + NATS_PER_NODE * expression.complexity + 0.5 * (free + 1) * math.log(len(rows)) + exact


def _is_free_power(node: Expression) -> bool:
    """Whether a node is x**p with a fitted p, written exp(p log x): a law of last resort, powers are rational first."""
    if not (isinstance(node, Call) and node.name == "exp"):
        return False
    terms = node.argument.terms if isinstance(node.argument, Sum) else (node.argument,)
    factors = [term.factors if isinstance(term, Product) else (term,) for term in terms]
    return any(
        any(isinstance(f, Call) and f.name == "log" for f in part)
        and any(isinstance(f, Constant) and f.label is None for f in part)
        for part in factors
    )


def _small_sample(parameters: int, rows: int) -> float:
    """How much a likelihood flatters few rows: the correction of Hurvich and Tsai (1989), k (k + 1) / (n - k - 1)."""
    return parameters * (parameters + 1) / max(rows - parameters - 1, 0.5)


def _bits(constant: Constant) -> float:
    ratio = read_label(constant.label or "1").ratio
    return 0.5 * math.log(abs(ratio.numerator) * ratio.denominator + 1.0)


def front_of(
    expressions: Iterable[tuple[Expression, str]],
    parts: Parts,
    names: Names,
    most: int,
    budget: Budget | Part | None = None,
) -> ParetoFront:
    """The Pareto front of candidate expressions (with their origins), refitted, made exact where the data allow it.

    most: the greatest complexity allowed; the simplest candidate is kept whatever it costs.
    """
    rows = parts.fitted
    fits: dict[Expression, tuple[Fit, str]] = {}
    for rank, (expression, origin) in enumerate(_preselected(expressions, rows)):
        if budget is not None and budget.expired and fits:
            break
        fit = tidy(expression, rows, budget) if rank < TIDIED else polish(expression, rows, 30)
        if np.isfinite(fit.mean_square):
            fits.setdefault(_shape(fit.expression), (fit, origin))
    fits = _within(fits, most)
    formulas = [formula_of(fit, origin, parts, names) for fit, origin in fits.values()]
    formulas.sort(key=lambda formula: (formula.complexity, formula.description_length))
    return choose(formulas, rows)


def _preselected(expressions: Iterable[tuple[Expression, str]], rows: Rows) -> list[tuple[Expression, str]]:
    """The candidates worth polishing: the shortest descriptions, and the best of every complexity."""
    scored = []
    for expression, origin in expressions:
        misfit = mean_square(expression, rows)
        if np.isfinite(misfit):
            scored.append((description_length(expression, misfit, rows), expression.complexity, expression, origin))
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


def choose(formulas: list[Formula], rows: Rows) -> ParetoFront:
    """The strictly falling front of formulas sorted by complexity, the chosen one, and its rivals.

    The chosen formula is the simplest whose description is within `RIVAL_NATS` of the shortest.
    """
    shortest = min(formula.description_length for formula in formulas)
    best = next(formula for formula in formulas if formula.description_length <= shortest + RIVAL_NATS)
    front: list[Formula] = []
    lowest = math.inf
    for formula in formulas:
        error = selection_error(formula)
        if error < lowest * 0.999 or formula.description_length <= shortest + RIVAL_NATS:
            front.append(formula)
            lowest = min(lowest, error)
    rivals = tuple(
        i
        for i, formula in enumerate(front)
        if formula is not best and formula.description_length <= shortest + RIVAL_NATS
    )
    return ParetoFront(tuple(front), front.index(best), rivals, exact=reaches_noise(best.expression, rows))


def reaches_noise(expression: Expression, rows: Rows) -> bool:
    """Whether nothing but noise is left of the table: no error beyond rounding, or residuals without any pattern."""
    residual = (expression.evaluate(rows.inputs) - rows.target) * rows.roots
    spread = float(np.std(rows.target * rows.roots))
    if float(np.sqrt(np.mean(residual**2))) <= CLEAN * spread:
        return True
    allowed = PATTERN if len(rows) >= ENOUGH else PATTERN_OF_FEW
    return unexplained(rows.inputs, residual / np.max(np.abs(residual))) < allowed


def simplified(front: ParetoFront, parts: Parts, names: Names) -> ParetoFront:
    """The front with its chosen formula rewritten by sympy, where that is shorter and numerically the same."""
    best = front.best
    if best.complexity < (PHASED if _has_phase(best.expression) else LONG):
        return front
    points = parts.rows.inputs[:64]
    shorter = simplify_in_child(best.expression, SIMPLIFY_SECONDS, points)
    if shorter is None:
        return front
    fit = tidy(shorter, parts.fitted)
    before = mean_square(best.expression, parts.fitted)
    floor = (RELATIVE_FLOOR**2) * float(np.mean((parts.fitted.target * parts.fitted.roots) ** 2))
    if fit.expression.complexity >= best.complexity or fit.mean_square > max(1.000001 * before, floor):
        return front
    formulas = [formula for formula in front.formulas if formula is not best]
    formulas.append(formula_of(fit, best.origin, parts, names))
    formulas.sort(key=lambda formula: (formula.complexity, formula.description_length))
    return choose(formulas, parts.fitted)


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
        description_length(fit.expression, fit.mean_square, rows),
        origin,
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
    train_only = _refitted(expression, rows.take(parts.train))
    found = {}
    for name, part, judged in (
        ("train", parts.train, train_only),
        ("validation", parts.validation, train_only),
        ("test", parts.test, expression),
    ):
        subset = rows.take(part)
        found[name] = errors_of(judged.evaluate(subset.inputs), subset.target)
    return found


def _refitted(expression: Expression, rows: Rows, steps: int = 12) -> Expression:
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
        predicted[row] = _refitted(expression, rows.take(others)).evaluate(rows.inputs[row : row + 1])[0]
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


def outlying_row(expressions: Iterable[Expression], rows: Rows) -> int | None:
    """The one row of a small table that no good formula explains, or None.

    A row is left out when the best formula of the others is shorter by far, with the row's number and its own value
    to be told on top, and when the row lies beyond `OUTLYING` standard deviations of the others.
    """
    if not FEWEST_FOR_OUTLIERS <= len(rows) <= MOST_FOR_OUTLIERS:
        return None
    scored = [
        (description_length(e, mean_square(e, rows), rows), e) for e in expressions if np.isfinite(mean_square(e, rows))
    ]
    scored.sort(key=lambda item: item[0])
    if not scored:
        return None
    best, found = scored[0][0] - 0.5 * math.log(len(rows)) - OUTLIER_NATS, None
    for _, expression in scored[:8]:
        fitted = _refitted(expression, rows, 20)
        residual = np.abs((fitted.evaluate(rows.inputs) - rows.target) * rows.roots)
        row = int(np.argmax(residual))
        others = rows.take(np.delete(np.arange(len(rows)), row))
        without = _refitted(fitted, others, 20)
        misfit = mean_square(without, others)
        apart = abs(without.evaluate(rows.inputs[row : row + 1])[0] - rows.target[row])
        apart *= float(np.broadcast_to(rows.roots, len(rows))[row])
        if misfit > 0 and apart > OUTLYING * math.sqrt(misfit):
            length = description_length(without, misfit, others) + 0.5 * math.log(misfit)
            if length < best:
                best, found = length, row
    return found
