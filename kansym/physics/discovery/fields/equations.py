"""From fields to partial differential equations, one stage after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.budget import Budget
from kansym.events import Listener, Note, StageFinished, StageStarted, ignore
from kansym.physics.discovery.elimination import Selection, elimination, small_subsets
from kansym.physics.discovery.fields.averages import Slopes, bump_for, noise_of_field, smooth_slopes
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.fields.marching import March, march
from kansym.physics.discovery.fields.search import searched
from kansym.physics.discovery.fields.sides import Side
from kansym.physics.discovery.fields.terms import Term, by_name, opened, terms_of
from kansym.physics.discovery.found import NOT_EXACT, Curve, Discovery, Equation, constants_of, rate_unit
from kansym.physics.discovery.settings import Settings
from kansym.symbolic.exact import exact_form
from kansym.symbolic.expression import Constant, add, multiply
from kansym.symbolic.latex import latex_name
from kansym.threads import one_thread

Array = np.ndarray
PIECES = 5
FLOOR = 2e-3  # relative error that averages of clean fields leave
SURE = 4.0  # standard errors over pieces of time: a term less sure is noise
NATS = 6.0  # that a term must earn
MOST_TERMS = 8
NOISE_SLACK = 2.0  # times what the noise itself leaves: more is not noise
MOMENTS = 6  # at which the solution is shown beside the field
SEARCH_SHARE = 0.75  # of the time that is left
MARCH_SECONDS = 30.0
ALONG = 1.1, 1e-4  # times the noise, and share of the spread, within which a right solution follows the samples
EARLY, BEGINNING = 5, (2.0, 0.01)  # the same for the first fifth of the time, where its start is uncertain


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
        One equation for each field; standard errors come from pieces of time (a jackknife). Where the library leaves
        more than noise, formulas of any form in the fields, their slopes and the axes of space are searched for. Then
        the equations are solved from the first moment on.
    """
    settings, started = settings or Settings(), time.monotonic()
    budget = budget or Budget(settings.time_limit)
    noise = {name: noise_of_field(values) for name, values in field.values.items()}
    sides = _by_library(field, settings, list(noise.values()), on_event)
    solution = _solved(field, sides, budget, on_event)
    if settings.search and not _exact(field, sides, solution, noise) and not budget.expired:
        better = _by_search(field, sides, settings, budget, on_event)
        if better is not sides:
            sides, solution = better, _solved(field, better, budget, on_event)
    stop = "interrupted" if budget.interrupted else "time limit" if budget.expired else "finished"
    facts = {"seconds": time.monotonic() - started, "solved share of the time": solution.reached}
    facts |= {f"solution's error of {name}": error for name, error in solution.errors.items()}
    exact = _exact(field, sides, solution, noise)
    notes = _notes(exact, solution)
    for note in notes:
        on_event(Note(note))
    equations, balance = tuple(side.equation for side in sides), tuple(side.curve() for side in sides)
    return Discovery("pde", equations, exact, noise, (), _moments(field, solution), stop, field.source, facts, notes,
                     balance=balance)  # fmt: skip


def _by_library(field: Field, settings: Settings, noise: Sequence[float], listen: Listener) -> list[Side]:
    started = time.monotonic()
    listen(StageStarted("library", f"{len(field.values)} fields"))
    terms = tuple(terms_of(field))
    conditions = _Conditions.of(field, terms, settings.form)
    values = list(field.values.values())
    matrix, targets = conditions.applied(values, terms)
    again = [each + size * np.random.default_rng([settings.seed, place]).standard_normal(each.shape)
             for place, (each, size) in enumerate(zip(values, noise, strict=True))]  # fmt: skip
    found = []
    for place, name in enumerate(field.values):
        selection, errors = _chosen(matrix, targets[:, place], conditions.blocks)
        right = matrix[:, selection.columns] @ selection.coefficients
        noisy, noisy_targets = conditions.applied(again, [terms[column] for column in selection.columns])
        shaken = (noisy_targets[:, place] - noisy @ selection.coefficients) - (targets[:, place] - right)
        by_noise = float(np.std(shaken) / np.std(targets[:, place]))
        equation = _equation(name, field, terms, selection, errors)
        found.append(Side(equation, targets[:, place], right, selection.error < FLOOR + NOISE_SLACK * by_noise))
    listen(StageFinished("library", time.monotonic() - started, _told(found)))
    return found


def _told(sides: Sequence[Side]) -> str:
    return "; ".join(f"{side.equation.text(5)}, {side.equation.misfit:.2g} is left" for side in sides)


@dataclass(frozen=True, eq=False)
class _Conditions:
    """How terms are held against rates of change: `taken` gives (M,) averages, or values at points, of derivatives.

    blocks: (M,) the pieces of time.
    """

    taken: Slopes
    once: tuple[int, ...]
    blocks: Array

    @staticmethod
    def of(field: Field, terms: Sequence[Term], form: str) -> _Conditions:
        once = (1,) + (0,) * len(field.space)
        if form == "derivative":
            slope = smooth_slopes(field)
            inner = tuple(slice(6, -6) for _ in field.axes)
            thin = tuple(slice(None, None, 2 + 2 * (len(field.axes) > 2)) for _ in field.axes)

            def taken(values: Array, orders: tuple[int, ...]) -> Array:
                return slope(values, orders)[inner][thin].ravel()

            moments = len(range(6, len(field.axes[field.time]) - 6, thin[0].step))
        else:
            bump = bump_for(field, tuple(max(each) for each in zip(*(term.orders for term in terms), strict=True)))

            def taken(values: Array, orders: tuple[int, ...]) -> Array:
                return bump.averaged(values, orders, field.steps)

            moments = 1 + (len(field.axes[field.time]) - 2 * bump.halves[0] - 1) // bump.strides[0]
        count = taken(next(iter(field.values.values())), once).size
        return _Conditions(taken, once, np.repeat(np.arange(moments) * PIECES // moments, count // moments))

    def applied(self, values: Sequence[Array], terms: Sequence[Term]) -> tuple[Array, Array]:
        """Terms (M, F) and rates of change (M, fields)."""
        columns = [term.read(values, self.taken) for term in terms]
        targets = np.column_stack([self.taken(each, self.once) for each in values])
        return np.column_stack([np.empty((len(targets), 0)), *columns]), targets


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
        factor, shown = opened(terms[column], field, names)
        size = float(value) * factor
        exact = exact_form(size, float(error) * factor + 1e-3 * abs(size)) if abs(round(size) - size) < 1e-12 else None
        parts.append(multiply(exact.constant() if exact else Constant(size), shown))
        free += [] if exact else [float(error) * factor]
    expression = add(*parts)
    units = tuple(by_name(field)[each].unit(field) for each in names)
    return Equation(
        f"{name}_{field.time}", _left_latex(name, field), expression, tuple(names), constants_of(expression, free),
        selection.error, "weak form", rate_unit(field.units.get(name), field.units.get(field.time)), units,
    )  # fmt: skip


def _left_latex(name: str, field: Field) -> str:
    return rf"\frac{{\partial {latex_name(name)}}}{{\partial {latex_name(field.time)}}}"


def _by_search(field: Field, sides: list[Side], settings: Settings, budget: Budget, listen: Listener) -> list[Side]:
    """The sides again, those that leave more than noise with formulas of any form where these leave less."""
    started = time.monotonic()
    listen(StageStarted("search", "right-hand sides of any form"))
    part, found = budget.part(SEARCH_SHARE * budget.remaining), list(sides)
    doubted = [place for place, side in enumerate(sides) if not side.exact] or list(range(len(sides)))
    for turn, place in enumerate(doubted):
        share = budget.part(part.remaining / (len(doubted) - turn))
        found[place] = searched(field, place, sides[place].equation, settings.seed, share, listen) or sides[place]
    listen(StageFinished("search", time.monotonic() - started, _told(found)))
    return sides if found == sides else found


def _solved(field: Field, sides: Sequence[Side], budget: Budget, listen: Listener) -> March:
    started = time.monotonic()
    listen(StageStarted("solution", "from the first moment on"))
    formulas = [(side.equation.expression, side.equation.names) for side in sides]
    solution = march(field, formulas, budget.part(min(MARCH_SECONDS, budget.remaining)))
    errors = ", ".join(f"{name} within {100 * error:.2g} %" for name, error in solution.errors.items())
    listen(StageFinished("solution", time.monotonic() - started, errors))
    return solution


def _exact(field: Field, sides: Sequence[Side], solution: March, noise: Mapping[str, float]) -> bool:
    """Whether only noise is left: of the samples all along the solution, or of the averages and of its first part.

    Chaos takes a solution away from the samples later on, however right its equations are.
    """
    early = slice(0, max(2, len(field.axes[field.time]) // EARLY))
    return _follows(field, solution, noise, slice(None), *ALONG) or (
        all(side.exact for side in sides) and _follows(field, solution, noise, early, *BEGINNING)
    )


def _follows(field: Field, solution: March, noise: Mapping[str, float], rows: slice, slack: float, near: float) -> bool:
    """Whether a solution keeps within so many times the noise, and a share of the field's spread, of the samples."""
    gaps = ((name, values, solution.values[name]) for name, values in field.values.items())
    return all(
        np.sqrt(np.mean((values - theirs)[rows] ** 2)) < slack * noise[name] + near * np.std(values)
        for name, values, theirs in gaps
    )


def _notes(exact: bool, solution: March) -> tuple[str, ...]:
    notes = () if exact else (NOT_EXACT,)
    if solution.reached < 1.0:
        notes += (f"the equations' own solution ends after {100 * solution.reached:.0f} % of the time",)
    return notes


def _moments(field: Field, solution: March) -> tuple[Curve, ...]:
    """Samples and solution along the first axis of space (in the middle of the others), at a few moments."""
    times, places = field.axes[field.time], field.axes[field.space[0]]
    middle = tuple(len(field.axes[name]) // 2 for name in field.space[1:])
    rows = np.unique(np.linspace(0, len(times) - 1, MOMENTS if len(field.values) == 1 else MOMENTS // 2).astype(int))
    return tuple(
        Curve(f"{name} at {field.time} = {times[row]:.3g}", 1, places, values[(row, slice(None), *middle)], places,
              solution.values[name][(row, slice(None), *middle)])
        for name, values in field.values.items() for row in rows
    )  # fmt: skip
