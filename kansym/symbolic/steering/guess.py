"""Formulas that the user begins with: their numbers are starting values, near relatives are tried too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kansym.budget import Budget, Part
from kansym.errors import FormulaError, quote
from kansym.symbolic.constants import Rows, fit_starts, polish
from kansym.symbolic.expression import Call, Constant, Expression, Product, Sum, add, multiply
from kansym.symbolic.parser import parse

Array = np.ndarray
STARTS = 32
ROWS = 400
STEPS = 20
MOST_CALLS = 6
KEPT = 2  # distinct minima of every form


def read_guess(text: str, names: Sequence[str]) -> Expression:
    """The formula that the user begins with, in the table's column names (D,). Raises FormulaError."""
    try:
        return parse(text, names)
    except FormulaError as error:
        hint = "numbers are starting values, and what is unknown belongs into --template"
        raise FormulaError(f"--guess {quote(text)}: {error} ({hint})") from error


def refitted(
    guesses: Sequence[Expression], rows: Rows, budget: Budget | Part, seed: int, near: bool = True
) -> list[Expression]:
    """The guesses with constants fitted to the rows, from several starts each; their near relatives too, or not."""
    found: list[Expression] = []
    thin = rows if len(rows) <= ROWS else rows.take(np.arange(ROWS))
    random = np.random.default_rng(seed)
    for guess in guesses:
        for form in variants(guess) if near else (guess, _scaled(freed(guess))):
            if found and budget.expired:
                return found
            found += [each for each in _minima(form, thin, random) if each not in found]
    return found


def variants(guess: Expression) -> Iterator[Expression]:
    """The guess as it was written, and its near relatives: numbers free, added ones, one term or factor less."""
    yield guess
    free = freed(guess)
    yield free
    calls = _calls(free)
    for form in (free, *(widened(free, {place}) for place in range(min(calls, MOST_CALLS)))):
        yield _scaled(form)
        yield add(_scaled(form), Constant(0.0))
    if calls > 1:
        yield _scaled(widened(free, set(range(calls))))
    parts = free.terms if isinstance(free, Sum) else free.factors if isinstance(free, Product) else ()
    join = add if isinstance(free, Sum) else multiply
    for place in range(len(parts) if len(parts) > 1 else 0):
        yield _scaled(join(*parts[:place], *parts[place + 1 :]))


def _scaled(form: Expression) -> Expression:
    """The formula with a free factor in front, where it has none."""
    factors = form.factors if isinstance(form, Product) else (form,)
    free = any(isinstance(each, Constant) and each.label is None for each in factors)
    return form if free else multiply(Constant(1.0), form)


def _calls(expression: Expression) -> int:
    return sum(isinstance(node, Call) for node in expression.walk())


def widened(expression: Expression, places: set[int]) -> Expression:
    """The formula with f(u) written f(k*u + c) at some of its functions, numbered as they are met from the leaves."""
    seen = -1

    def change(node: Expression) -> Expression:
        nonlocal seen
        if not isinstance(node, Call):
            return node
        seen += 1
        if seen not in places:
            return node
        inner = node.argument
        factor = inner.factors[0] if isinstance(inner, Product) else inner
        known = isinstance(inner, Sum) or (isinstance(factor, Constant) and factor.label is None)
        return Call(node.name, add(inner if known else multiply(Constant(1.0), inner), Constant(0.0)))

    return expression.map(change)


def freed(expression: Expression) -> Expression:
    """The formula with its exact numbers free to change, but for 1, -1 and exponents."""

    def free(node: Expression) -> Expression:
        exact = isinstance(node, Constant) and node.label is not None and node.label not in ("0", "1", "-1")
        return Constant(node.value) if exact and isinstance(node, Constant) else node

    return expression.map(free)


def _minima(form: Expression, rows: Rows, random: np.random.Generator) -> list[Expression]:
    """The formula in its best few minima; as it is where it has no numbers to fit."""
    own = np.array([constant.value for constant in form.free_constants])
    if len(own) == 0 or len(rows) < len(own):
        return [form]
    factors = np.exp(random.normal(size=(STARTS, len(own)))) * random.choice([1.0, 1.0, 1.0, -1.0], (STARTS, len(own)))
    near = own * (1.0 + 0.1 * random.normal(size=(STARTS, len(own))))
    shifts = np.where(own == 0, random.normal(size=(2, STARTS, len(own))), 0.0)
    theta, loss = fit_starts(form, rows, np.vstack([own, near + shifts[0], own * factors + shifts[1]]), STEPS)
    chosen: list[Array] = []
    losses: list[float] = []
    for place in np.argsort(loss, kind="stable"):
        new = all(abs(loss[place] - other) > 1e-3 * other for other in losses)
        if np.isfinite(loss[place]) and new and len(chosen) < KEPT:
            chosen.append(theta[place])
            losses.append(float(loss[place]))
    return [polish(form.with_constants(each.tolist()), rows).expression for each in chosen] or [form]
