"""From fields to partial differential equations."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement, product

import numpy as np

from kansym.budget import Budget
from kansym.events import Listener, StageFinished, StageStarted, ignore
from kansym.physics.discovery.elimination import Selection, elimination, small_subsets
from kansym.physics.discovery.fields import Field, bump_for, noise_of_field, smooth_slopes
from kansym.physics.discovery.found import Curve, Discovery, Equation, constants_of
from kansym.physics.discovery.settings import Settings
from kansym.symbolic.exact import exact_form
from kansym.symbolic.expression import Constant, Expression, Sum, Variable, add, multiply, raise_to, whole
from kansym.symbolic.latex import latex_name
from kansym.threads import one_thread

Array = np.ndarray
HIGHEST = {1: 4, 2: 2}  # derivative in space, by number of space axes
POWERS = {1: 3, 2: 3}  # of fields, by number of fields
PIECES = 5
FLOOR = 2e-3  # relative error that averages of clean fields leave
SURE = 4.0  # standard errors over pieces of time: a term less sure is noise
NATS = 6.0  # that a term must earn
MOST_TERMS = 8
SHOWN = 400  # averages in the picture


@dataclass(frozen=True)
class Term:
    """A derivative of a product of fields: powers of the fields, orders along the axes."""

    powers: tuple[int, ...]
    orders: tuple[int, ...]


def terms_of(field: Field) -> Iterator[Term]:
    """All terms: products of fields up to a power, their derivatives in space, and mixed ones of even order left
    out."""
    fields, space = len(field.values), len(field.axes) - 1
    highest = HIGHEST.get(space, 2)
    for degree in range(POWERS.get(fields, 2) + 1):
        for chosen in combinations_with_replacement(range(fields), degree):
            powers = tuple(chosen.count(i) for i in range(fields))
            for orders in product(range(highest + 1), repeat=space):
                alone = sum(order > 0 for order in orders) <= 1
                if alone and (degree > 0 or not any(orders)) and (degree <= 1 or sum(orders) <= 2):
                    yield Term(powers, (0, *orders))


@one_thread()
def find_field_equations(
    field: Field, settings: Settings | None = None, on_event: Listener = ignore, budget: Budget | None = None
) -> Discovery:
    """Find the partial differential equations, first order in time, that fields obey.

    Args:
        field: on a grid of times and one or two axes of space.
        settings: choices; `form` is "weak" (also for "integral") or "derivative".
        on_event: receives typed events.
        budget: a running time limit to share.

    Returns:
        One equation for each field; standard errors come from pieces of time (a jackknife).
    """
    settings = settings or Settings()
    budget = budget or Budget(settings.time_limit)
    started = time.monotonic()
    on_event(StageStarted("terms", f"{len(field.values)} fields"))
    terms = tuple(terms_of(field))
    matrix, targets, blocks = _conditions(field, terms, settings.form)
    on_event(StageFinished("terms", time.monotonic() - started, f"{len(terms)} terms, {len(matrix)} conditions"))
    equations = []
    for place, name in enumerate(field.values):
        selection, errors = _chosen(matrix, targets[:, place], blocks)
        equations.append(_equation(name, field, terms, selection, errors))
        on_event(StageFinished("equation", time.monotonic() - started, str(equations[-1])))
    noise = {name: noise_of_field(values) for name, values in field.values.items()}
    stop = "interrupted" if budget.interrupted else "time limit" if budget.expired else "finished"
    exact = all(equation.misfit < 0.5 for equation in equations)
    curves = _curves(field, terms, matrix, targets, equations)
    facts = {"conditions": float(len(matrix)), "terms": float(len(terms)), "seconds": time.monotonic() - started}
    return Discovery("pde", tuple(equations), exact, noise, (), curves, stop, field.source, facts)


def _conditions(field: Field, terms: tuple[Term, ...], form: str) -> tuple[Array, Array, Array]:
    """Terms (M, F) and rates of change (M, fields) under averages or at points, and the pieces of time (M,)."""
    once = (1,) + (0,) * (len(field.axes) - 1)
    if form == "derivative":
        slope = smooth_slopes(field)
        inner = tuple(slice(6, -6) for _ in field.axes)
        thin = tuple(slice(None, None, 2 + 2 * (len(field.axes) > 2)) for _ in field.axes)

        def taken(values: Array, orders: tuple[int, ...]) -> Array:
            return slope(values, orders)[inner][thin]
    else:
        bump = bump_for(field, tuple(max(each) for each in zip(*(term.orders for term in terms), strict=True)))
        shape = [1 + (len(axis) - 2 * h - 1) // s for axis, h, s in
                 zip(field.axes.values(), bump.halves, bump.strides, strict=True)]  # fmt: skip

        def taken(values: Array, orders: tuple[int, ...]) -> Array:
            return bump.averaged(values, orders, field.steps).reshape(shape)

    columns = [taken(_product(field, term.powers), term.orders) for term in terms]
    targets = np.column_stack([taken(values, once).ravel() for values in field.values.values()])
    moments = columns[0].shape[0]
    blocks = np.repeat(np.arange(moments) * PIECES // moments, columns[0].size // moments)
    return np.column_stack([column.ravel() for column in columns]), targets, blocks


def _product(field: Field, powers: tuple[int, ...]) -> Array:
    values = list(field.values.values())
    found = np.ones(values[0].shape)
    for array, power in zip(values, powers, strict=True):
        found = found * array**power
    return found


def _chosen(matrix: Array, target: Array, blocks: Array) -> tuple[Selection, Array]:
    """The selection that earns its terms on pieces of time left out, all of them sure; with standard errors."""
    options = [*small_subsets(matrix, target, blocks, 5), *elimination(matrix, target, blocks)[:MOST_TERMS]]
    count = max(20.0, len(matrix) / 8)  # averages over neighbouring boxes are no news
    rated = []
    for option in options:
        errors = _jackknife(matrix, target, blocks, option.columns)
        sure = bool(np.all(np.abs(option.coefficients) > SURE * errors))
        rated.append((not sure, count * np.log(option.error + FLOOR) + NATS * len(option.columns), option, errors))
    best = min(rated, key=lambda each: each[:2])
    return best[2], best[3]


def _jackknife(matrix: Array, target: Array, blocks: Array, columns: tuple[int, ...]) -> Array:
    """Standard errors of coefficients from leaving pieces of time out (Tukey 1958)."""
    chosen = matrix[:, columns]
    found = []
    for block in range(PIECES):
        rows = blocks != block
        found.append(np.linalg.lstsq(chosen[rows], target[rows], rcond=None)[0])
    gaps = np.array(found) - np.mean(found, axis=0)
    return np.sqrt((PIECES - 1) / PIECES * np.sum(gaps**2, axis=0))


def _equation(name: str, field: Field, terms: tuple[Term, ...], selection: Selection, errors: Array) -> Equation:
    names: list[str] = []
    parts, free = [], []
    for column, value, error in zip(selection.columns, selection.coefficients, errors, strict=True):
        factor, shown = _shown(terms[column], field, names)
        size = float(value) * factor
        exact = exact_form(size, float(error) * factor + 1e-3 * abs(size)) if abs(round(size) - size) < 1e-12 else None
        parts.append(multiply(exact.constant() if exact else Constant(size), shown))
        free += [] if exact else [float(error) * factor]
    expression = add(*parts)
    time_name = next(iter(field.axes))
    left = rf"\frac{{\partial {latex_name(name)}}}{{\partial {latex_name(time_name)}}}"
    return Equation(
        f"{name}_{time_name}",
        left,
        expression,
        tuple(names),
        constants_of(expression, free),
        selection.error,
        "weak form",
    )


def _shown(term: Term, field: Field, names: list[str]) -> tuple[float, Expression]:
    """How a term is written: first derivatives of powers are opened, as in (u^2)_x = 2 u u_x."""
    fields, axes = list(field.values), list(field.axes)
    letters = "".join(axis * order for axis, order in zip(axes, term.orders, strict=True))

    def variable(text: str) -> Expression:
        if text not in names:
            names.append(text)
        return Variable(names.index(text))

    powers = [raise_to(variable(fields[i]), Fraction(p)) for i, p in enumerate(term.powers) if p]
    if not letters:
        return 1.0, multiply(*powers) if powers else whole(1)
    used = [(i, p) for i, p in enumerate(term.powers) if p]
    if len(used) == 1 and used[0][1] == 1:
        return 1.0, variable(f"{fields[used[0][0]]}_{letters}")
    if len(used) == 1 and sum(term.orders) == 1:
        place, power = used[0]
        slope = variable(f"{fields[place]}_{letters}")
        return float(power), multiply(raise_to(variable(fields[place]), Fraction(power - 1)), slope)
    inner = "*".join(fields[i] + (f"^{p}" if p > 1 else "") for i, p in used)
    return 1.0, variable(f"({inner})_{letters}")


def _curves(field: Field, terms: tuple[Term, ...], matrix: Array, targets: Array, equations: list[Equation]
            ) -> tuple[Curve, ...]:  # fmt: skip
    """The left-hand side of every equation over its right-hand side, under the averages, and the line of equality."""
    curves = []
    for place, equation in enumerate(equations):
        predicted = _right_side(field, terms, matrix, equation)
        rows = np.arange(0, len(matrix), max(1, len(matrix) // SHOWN))
        ends = np.array([predicted.min(), predicted.max()])
        curves.append(Curve(equation.left, 1, predicted[rows], targets[rows, place], ends, ends))
    return tuple(curves)


def _right_side(field: Field, terms: tuple[Term, ...], matrix: Array, equation: Equation) -> Array:
    """The right-hand side under the averages: every term of the equation is a multiple of one column."""
    columns, factors = [], []
    for place, term in enumerate(terms):
        own = list(equation.names)
        before = len(own)
        factor, shown = _shown(term, field, own)
        if len(own) == before:
            for part in (
                equation.expression.children if isinstance(equation.expression, Sum) else (equation.expression,)
            ):
                number = [each for each in part.walk() if isinstance(each, Constant) and each in (part, *part.children)]
                rest = multiply(*(each for each in part.children if each not in number)) if number else part
                if rest == shown or part == shown:
                    columns.append(place)
                    factors.append((number[0].value if number else 1.0) / factor)
    return matrix[:, columns] @ np.array(factors) if columns else np.zeros(len(matrix))
