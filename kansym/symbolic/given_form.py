"""A form that the user gives, such as b1*(1 - exp(-b2*x)): its named parameters by least squares, with standard errors.

A parameter may occur several times. The residuals of the last steps are taken in extended precision where the machine
has it, so that a fit to nearly exact data ends in correct digits and not in rounding noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.errors import FormulaError, quote
from kansym.symbolic.constants import Rows, least_squares
from kansym.symbolic.expression import Constant, Expression, Tape, Variable
from kansym.symbolic.parser import parse

Array = np.ndarray
ROUNDS = 20
LAST_STEPS = 6
EVALUATIONS = 5000


@dataclass(frozen=True)
class GivenFit:
    """A fitted form.

    expression: the form with its fitted numbers, in the columns alone.
    parameters, standard_errors: by name; an error is nan when the data do not determine the parameter.
    residual_sum: weighted residual sum of squares. freedom: rows less parameters.
    start: which of the starts led here, from 0.
    """

    expression: Expression
    parameters: Mapping[str, float]
    standard_errors: Mapping[str, float]
    residual_sum: float
    freedom: int
    start: int


def fit_given(
    text: str, names: Sequence[str], parameters: Sequence[str], rows: Rows, starts: Sequence[Sequence[float]]
) -> GivenFit:
    """The least-squares parameters of a given form: the best of all starts.

    Args:
        text: the right-hand side, in columns and parameters. Its own numbers stay as they are.
        names: the column names (D,), in the order of the inputs.
        parameters: the P names in `text` that are to be fitted, none of them a column.
        rows: inputs (N, D), target (N,) and weights; more rows than parameters. Arrays of `numpy.longdouble` keep the
            digits that a decimal number loses as a 64-bit float, which matters when the residuals are as small as that.
        starts: one or more sets of P finite starting values.

    Raises:
        FormulaError: if the text is no formula, a parameter does not occur or is a column, the rows are too few, or
            the form is not finite on the rows from any start.
    """
    form = _form(text, tuple(names), tuple(parameters))
    _check(form, text, tuple(names), tuple(parameters), rows, starts)
    found = [(solution, place) for place, start in enumerate(starts) if (solution := _solve(form, rows, start))]
    if not found:
        raise FormulaError(f"{quote(text)} is not finite on the rows from any start: choose other starting values")
    (theta, errors, total), place = min(found, key=lambda entry: entry[0][2])
    values = form.theta(theta)
    return GivenFit(
        form.expression.with_constants([float(value) for value in values]),
        dict(zip(parameters, map(float, theta), strict=True)),
        dict(zip(parameters, map(float, errors), strict=True)),
        total,
        len(rows) - len(parameters),
        place,
    )


@dataclass(frozen=True)
class _Form:
    """A tree whose free constants (S,) are fixed numbers plus spread (S, P) times the parameters (P,)."""

    expression: Expression
    tape: Tape
    fixed: Array
    spread: Array
    start: Array

    def theta(self, parameters: Array) -> Array:
        return self.fixed + parameters @ self.spread.T

    def values(self, inputs: Array, theta: Array) -> Array:
        return self.tape.values(inputs, self.theta(theta))

    def jacobian(self, inputs: Array, theta: Array) -> tuple[Array, Array]:
        values, columns = self.tape.jacobian(inputs, self.theta(theta))
        return values, columns @ self.spread

    def at(self, start: Array) -> _Form:
        return _Form(self.expression, self.tape, self.fixed, self.spread, start)


def _form(text: str, names: tuple[str, ...], parameters: tuple[str, ...]) -> _Form:
    owners: list[int | None] = []
    numbers: list[float] = []

    def placed(node: Expression) -> Expression:
        if isinstance(node, Variable) and node.index >= len(names):
            owners.append(node.index - len(names))
            numbers.append(0.0)
            return Constant(1.0)
        if isinstance(node, Constant) and node.label is None:
            owners.append(None)
            numbers.append(node.value)
        return node

    # `map` visits the leaves in the order in which a tape numbers its free constants.
    expression = parse(text, (*names, *parameters)).map(placed)
    spread = np.zeros((len(owners), len(parameters)))
    for slot, owner in enumerate(owners):
        if owner is not None:
            spread[slot, owner] = 1.0
    return _Form(expression, Tape(expression), np.array(numbers), spread, np.zeros(len(parameters)))


def _check(
    form: _Form, text: str, names: tuple[str, ...], parameters: tuple[str, ...], rows: Rows, starts: Sequence
) -> None:
    for name, used in zip(parameters, form.spread.sum(axis=0) > 0, strict=True):
        if name in names:
            raise FormulaError(f"parameter {quote(name)} is also a column: give it another name")
        if not used:
            raise FormulaError(f"parameter {quote(name)} does not occur in {quote(text)}: leave it out")
    if len(rows) <= len(parameters):
        raise FormulaError(f"{len(rows)} rows cannot determine {len(parameters)} parameters: more rows are needed")
    if not parameters or not len(starts) or any(len(start) != len(parameters) for start in starts):
        raise FormulaError(f"each start needs one number per parameter ({', '.join(parameters) or 'there are none'})")


def _solve(form: _Form, rows: Rows, start: Sequence[float]) -> tuple[Array, Array, float] | None:
    """Parameters, standard errors and residual sum of squares from one start; None when it leads nowhere."""
    theta, plain = np.array(start, dtype=float), _in_float64(rows)
    before = np.inf
    for _ in range(ROUNDS):  # each round takes its units anew from where it is
        theta, error, _, _ = least_squares(form.at(theta), plain, EVALUATIONS)
        if not np.isfinite(error) or not error < before * (1 - 1e-10):
            break
        before = error
    return _finished(form, rows, theta) if np.isfinite(error) else None


def _in_float64(rows: Rows) -> Rows:
    weights = None if rows.weights is None else rows.weights.astype(float)
    return Rows(rows.inputs.astype(float), rows.target.astype(float), weights)


def _finished(form: _Form, rows: Rows, theta: Array) -> tuple[Array, Array, float]:
    """The last Gauss-Newton steps, with residuals in extended precision."""
    best, total = theta.astype(np.longdouble), _residual_sum(form, rows, theta.astype(np.longdouble))
    for _ in range(LAST_STEPS):
        trial = best - _step(form, rows, best)
        size = _residual_sum(form, rows, trial)
        # Near the minimum the sum no longer tells two points apart; the step still does.
        if not size <= total * (1 + 1e-9):
            break
        best, total = trial, size
    return best.astype(float), _errors(form, rows, best, float(total)), float(total)


def _residual(form: _Form, rows: Rows, theta: Array) -> Array:
    with np.errstate(all="ignore"):
        values = form.values(rows.inputs.astype(np.longdouble), theta)
    roots = 1.0 if rows.weights is None else np.sqrt(rows.weights.astype(np.longdouble))
    return np.broadcast_to((values - rows.target) * roots, (len(rows),))


def _residual_sum(form: _Form, rows: Rows, theta: Array) -> Array:
    residual = _residual(form, rows, theta)
    return np.sum(residual**2)


def _scaled_jacobian(form: _Form, rows: Rows, theta: Array) -> tuple[Array, Array]:
    """Weighted columns of unit length (N, P), and the lengths (P,)."""
    with np.errstate(all="ignore"):
        _, columns = form.jacobian(rows.inputs.astype(float), theta.astype(float)[None])
    weighted = columns[0] * np.reshape(_in_float64(rows).roots, (-1, 1))
    length = np.linalg.norm(weighted, axis=0)
    length = np.where(length > 0, length, 1.0)
    return weighted / length, length


def _step(form: _Form, rows: Rows, theta: Array) -> Array:
    columns, length = _scaled_jacobian(form, rows, theta)
    residual = _residual(form, rows, theta)
    size = np.max(np.abs(residual))
    if not size > 0 or not np.all(np.isfinite(columns)):
        return np.zeros(len(theta))
    return size * np.linalg.lstsq(columns, (residual / size).astype(float), rcond=1e-15)[0] / length


def _errors(form: _Form, rows: Rows, theta: Array, total: float) -> Array:
    """sqrt(diag(s**2 (J^T J)^-1)) with s**2 = residual sum / freedom, from the singular values of J."""
    columns, length = _scaled_jacobian(form, rows, theta)
    if not np.all(np.isfinite(columns)):
        return np.full(len(theta), np.nan)
    _, singular, right = np.linalg.svd(columns, full_matrices=False)
    if not singular[-1] > 1e-14 * singular[0]:
        return np.full(len(theta), np.nan)
    spread = np.sqrt(np.sum((right / singular[:, None]) ** 2, axis=0))
    return np.sqrt(total / (len(rows) - len(theta))) * spread / length
