"""Rates of change of any form: the search of `kansym.fit` on tables of fields, their slopes and places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kansym.budget import Budget, Inner, Part
from kansym.config import Config
from kansym.data import Dataset
from kansym.events import Listener
from kansym.physics.discovery.fields.averages import NARROW_FIT, Slopes, bump_for, noise_of_field, smooth_slopes
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.fields.sides import Side
from kansym.physics.discovery.fields.terms import HIGHEST, by_name, slopes_of
from kansym.physics.discovery.found import Equation
from kansym.physics.discovery.free_form import quietly
from kansym.pipeline import fit
from kansym.symbolic.expression import Expression, Variable
from kansym.symbolic.selection import NATS_PER_NODE

Array = np.ndarray
ROWS, FRESH_ROWS = 2000, 1000
FIRST_ORDER = 2  # derivatives that are tried alone first: most laws have no higher ones
CLEAN = 1e-6  # noise over a field's spread below which narrow polynomials are best
OVER_TIME, OVER_SPACE = 1.0, 0.75  # of the averages' widths: polynomials of noisy fields; slopes in time are steadier
VEIL = 2e-4  # noise laid over the rates: errors of slopes of clean fields have patterns that are not to be explained
NEIGHBOURS = 8  # points that count as one
EXACT = 1e-3  # of the rate of change: what slopes of clean fields may leave


def searched(field: Field, place: int, library: Equation, seed: int, budget: Part, listen: Listener) -> Side | None:
    """Search for the rate of change of one field.

    Args:
        field: on its grid.
        place: number of the field.
        library: the equation that is to be bettered.
        seed: of points and search.
        budget: for all of it.
        listen: hears that the search goes on.

    Returns:
        The equation; None where the library's takes fewer nats to tell, at points that neither was fitted to.
    """
    full = HIGHEST.get(len(field.space), 2)
    orders = sorted({min(FIRST_ORDER, full), full})
    best = None
    for turn, highest in enumerate(orders):
        share = Inner.of(budget, budget.remaining / (len(orders) - turn))
        found = _searched(field, place, best.equation if best else library, highest, seed, share, listen)
        best = found or best
        if budget.expired or (best is not None and best.exact):
            break
    return best


def _searched(
    field: Field, place: int, library: Equation, highest: int, seed: int, budget: Budget, listen: Listener
) -> Side | None:
    """Search among derivatives up to an order."""
    halves, margins = _halves(field)
    slope = smooth_slopes(field, halves)
    columns = {term.name(field): term for term in slopes_of(field, highest)}
    generator = np.random.default_rng([seed, place])
    rows, fresh = np.split(_points(field, margins, ROWS + FRESH_ROWS, generator), [ROWS])
    names = (*columns, *field.space)
    target = slope(list(field.values.values())[place], (1,) + (0,) * len(field.space)).ravel()
    inputs = _table(field, names, slope)
    veil = VEIL * float(np.std(target)) * generator.standard_normal(len(rows))
    data = Dataset(inputs(rows), target[rows] + veil, names, ("rate of change",))
    result = fit(data, Config(seed=seed), quietly(listen), budget)
    left, right = target[fresh], result.formula.expression.evaluate(inputs(fresh))
    theirs = left - library(_table(field, library.names, slope)(fresh))
    if not _nats(left - right, result.formula.expression) < _nats(theirs, library.expression):
        return None
    spread, misfit = (float(np.sqrt(np.mean(each**2))) for each in (left, left - right))
    used = result.formula.expression.variables
    places = [Variable(used.index(place) if place in used else 0) for place in range(len(names))]
    names, expression = tuple(names[place] for place in used), result.formula.expression.substitute(places)
    units = tuple(columns[each].unit(field) if each in columns else field.units.get(each) for each in names)
    equation = replace(library, expression=expression, names=names, constants=result.formula.constants,
                       misfit=misfit / spread, origin="search", input_units=units)  # fmt: skip
    return Side(equation, left, right, misfit < EXACT * spread)


def _nats(gaps: Array, formula: Expression) -> float:
    """How long it takes to tell a formula and what it leaves; slopes at points near each other are no news."""
    return len(gaps) / NEIGHBOURS * float(np.log(np.sqrt(np.mean(gaps**2)))) + NATS_PER_NODE * formula.complexity


def _halves(field: Field) -> tuple[list[int], list[int]]:
    """Points on both sides of the polynomials, by axis, and how far from the edges they are good."""
    noise = max(noise_of_field(values) / np.std(values) for values in field.values.values())
    wide = bump_for(field, (1,) * len(field.axes)).halves
    halves = [
        NARROW_FIT if noise < CLEAN else max(NARROW_FIT, round(share * half))
        for half, share in zip(wide, (OVER_TIME, *[OVER_SPACE] * len(field.space)), strict=True)
    ]
    return halves, [min(half + 2, len(axis) // 5) for half, axis in zip(halves, field.axes.values(), strict=True)]


def _points(field: Field, margins: Sequence[int], count: int, generator: np.random.Generator) -> Array:
    """Numbers of points away from the edges, at random and at most so many."""
    shape = tuple(len(axis) for axis in field.axes.values())
    inner = np.arange(int(np.prod(shape))).reshape(shape)[tuple(slice(margin, -margin) for margin in margins)].ravel()
    return generator.permutation(inner)[:count]


def _table(field: Field, names: Sequence[str], slope: Slopes) -> Callable[[Array], Array]:
    """A function from numbers of points to the columns of these names there."""
    terms, values = by_name(field), list(field.values.values())
    mesh = dict(zip(field.axes, np.meshgrid(*field.axes.values(), indexing="ij"), strict=True))
    grids = [mesh[name] if name in mesh else terms[name].read(values, slope) for name in names]
    return lambda rows: np.column_stack([grid.ravel()[rows] for grid in grids])
