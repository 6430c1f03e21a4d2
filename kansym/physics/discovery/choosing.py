"""Which right-hand sides the trajectories themselves ask for: solutions of whole systems are held against the samples.

A system is as good as the nats that its formulas and what they leave of the samples take to tell. Terms that do not pay
for themselves go, other candidates are tried for one state at a time, and numbers become exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kansym.budget import Budget, Part
from kansym.physics.discovery.candidates import Candidate, simplest_first, terms_of_sum
from kansym.physics.discovery.rates import FormulaRates
from kansym.physics.discovery.shooting import CLEAN, GAPS, Pieces, Shot, refined, shoot
from kansym.physics.discovery.trajectories import Trajectories
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows
from kansym.symbolic.exact import exact_form
from kansym.symbolic.expression import Constant, Expression, Sum, add
from kansym.symbolic.selection import description_length

Array = np.ndarray
TRIED_TERMS = 4  # of each state, the least certain, that are left out to see
UNSURE = 30.0  # standard errors: a term as sure as this is not tried without
ROUNDS = 3
OVERESTIMATED = 0.3  # of the noise: if the samples lie so near the solution, the path was worse than they are
AT_NOISE = 1.3
SOLVER, NEGLIGIBLE = 1e-8, 1e-6  # of a state's size; of the largest term
SHORT, SMOOTH = 12, 1e-7  # nodes a state; of a state's size, the errors of usual solvers
HOPELESS_POOL = 3  # candidates tried where none has come near the noise


@dataclass(frozen=True, eq=False)
class Model:
    """One formula for each state, with what came of fitting all constants to the trajectories."""

    formulas: tuple[Expression, ...]
    shot: Shot
    length: float
    origins: tuple[str, ...]


class Judge:
    """Fits systems to trajectories and tells how long their descriptions are."""

    def __init__(self, data: Trajectories, pieces: Pieces, budget: Budget | Part) -> None:
        self.data, self.pieces, self.budget = data, pieces, budget
        self._samples = [
            np.concatenate([part.states[part.seen[:, state], state] for part in data.parts])
            for state in range(data.dimension)
        ]

    def model(self, formulas: Sequence[Expression], origins: Sequence[str], begin: Model | None = None) -> Model:
        """Fit all constants of a system; begin: a system fitted before, where the pieces may start."""
        rates = FormulaRates(formulas)
        pieces = self.pieces if begin is None else replace(self.pieces, starts=begin.shot.starts)
        pieces = refined(pieces, rates)
        shot = shoot(rates, pieces, self.budget) if begin is None else shoot(rates, pieces, self.budget, GAPS[-1:])
        return self._told(rates.with_constants(shot.theta).formulas, shot, origins)

    def _told(self, formulas: Sequence[Expression], shot: Shot, origins: Sequence[str]) -> Model:
        length = sum(self._length(state, formula, shot.misfit[state]) for state, formula in enumerate(formulas))
        length = length if shot.gap <= max(1.0, shot.chi2**0.5) and np.isfinite(length) else np.inf
        return Model(tuple(formulas), shot, float(length), tuple(origins))

    def _length(self, state: int, formula: Expression, misfit: float) -> float:
        target = self._samples[state]
        square = max(float(misfit), SOLVER * float(self.data.size[state])) ** 2
        return description_length(formula, square, Rows(np.empty((len(target), 0)), target))

    def may_be_better(self, formula: Expression, model: Model, state: int) -> bool:
        """Whether a formula for one state would be better if it left nothing but noise of this state."""
        if not np.isfinite(model.length):
            return True
        now = self._length(state, model.formulas[state], model.shot.misfit[state])
        return self._length(state, formula, min(self.pieces.noise[state] / 2, model.shot.misfit[state])) < now - 1.0

    def sharpened(self, model: Model) -> tuple[Judge, Model]:
        """The judge and the model again with the noise that the solution shows, where the paths overestimated it."""
        noise = np.maximum(model.shot.misfit, CLEAN * self.data.size)
        if not np.isfinite(model.length) or np.all(noise > OVERESTIMATED * self.pieces.noise):
            return self, model
        judge = Judge(self.data, replace(self.pieces, noise=np.minimum(noise, self.pieces.noise)), self.budget)
        again = judge.model(model.formulas, model.origins, model)
        return judge, again if np.isfinite(again.length) else model


def at_noise(model: Model, judge: Judge) -> bool:
    """Whether the solution leaves nothing but noise."""
    short = sum(formula.complexity for formula in model.formulas) <= SHORT * len(model.formulas)
    clean = np.all(model.shot.misfit <= (SMOOTH if short else 3 * CLEAN) * judge.data.size)
    return bool(np.isfinite(model.length) and (clean or model.shot.chi2 <= AT_NOISE))


def chosen(pools: Sequence[Sequence[Candidate]], judge: Judge, begin: Model | None = None) -> tuple[Judge, Model]:
    """Return the best system whose right-hand sides come from the pools, one pool a state, the best candidate first."""
    first = [simplest_first(list(pool))[0] for pool in pools]
    model = judge.model([each.formula for each in first], [each.origin for each in first])
    if begin is not None and begin.length < model.length:
        model = begin
    judge, model = judge.sharpened(model)
    for _ in range(ROUNDS):
        before = model.length
        if at_noise(model, judge):
            model = _pruned(model, judge)
        model = _exchanged(model, pools, judge)
        judge, model = judge.sharpened(model)
        if not model.length < before or judge.budget.expired:
            break
    return judge, model


def _pruned(model: Model, judge: Judge) -> Model:
    """The model without the terms that do not pay for themselves."""
    changed = True
    while changed and not judge.budget.expired:
        changed = False
        for formulas in _with_a_term_less(model):
            trial = judge.model(formulas, model.origins, model)
            if trial.length < model.length:
                model, changed = trial, True
                break
    return model


def _with_a_term_less(model: Model) -> Iterator[tuple[Expression, ...]]:
    """Systems with one term less, the least certain first."""
    sureness = _sureness(model)
    options = []
    for state, formula in enumerate(model.formulas):
        for number, rest in terms_of_sum(formula):
            options.append((sureness[state][number], state, canonical(rest)))
    for sure, state, rest in sorted(options, key=lambda option: option[:2])[: TRIED_TERMS * len(model.formulas)]:
        if sure < UNSURE or not np.isfinite(model.length):
            yield (*model.formulas[:state], rest, *model.formulas[state + 1 :])


def _sureness(model: Model) -> list[list[float]]:
    """For every term of every formula: its least certain constant over its standard error."""
    ratios = np.abs(model.shot.theta) / np.where(np.isfinite(model.shot.errors), model.shot.errors, np.inf)
    queue = iter(ratios)
    found = []
    for formula in model.formulas:
        terms = formula.children if formula.children and isinstance(formula, Sum) else (formula,)
        found.append([min([next(queue) for _ in term.free_constants], default=np.inf) for term in terms])
    return found


def _exchanged(model: Model, pools: Sequence[Sequence[Candidate]], judge: Judge) -> Model:
    """The model with other candidates for one state after the other, where they are better."""
    for state, pool in enumerate(pools):
        for candidate in pool[: len(pool) if at_noise(model, judge) else HOPELESS_POOL]:
            if judge.budget.expired:
                return model
            if not judge.may_be_better(candidate.formula, model, state):
                continue
            formulas = (*model.formulas[:state], candidate.formula, *model.formulas[state + 1 :])
            origins = (*model.origins[:state], candidate.origin, *model.origins[state + 1 :])
            trial = judge.model(formulas, origins, model if np.isfinite(model.length) else None)
            if trial.length < model.length:
                model = _pruned(trial, judge) if at_noise(trial, judge) else trial
    return model


def with_exact_numbers(model: Model, judge: Judge) -> Model:
    """The model with known numbers in place of constants that the trajectories do not tell from them.

    Errors of solvers look like laws of their own: below 1e-8 of a state nothing is read into them any more.
    """
    model = _without_negligible(model, judge)
    place = 0
    while place < len(model.shot.theta) and not judge.budget.expired:
        value = float(model.shot.theta[place])
        error = max(float(model.shot.errors[place]), 0.1 * SOLVER * abs(value))
        exact = exact_form(value, error) if np.isfinite(error) else None
        number = exact.constant() if exact is not None else None
        trial = None if number is None else judge.model(_with_number(model, place, number), model.origins, model)
        if trial is not None and trial.length < model.length:
            model = trial
        else:
            place += 1
    return replace(model, formulas=tuple(canonical(formula) for formula in model.formulas))


def _without_negligible(model: Model, judge: Judge) -> Model:
    """The model without terms that are next to nothing beside the others of their sum."""
    states = np.concatenate([part.states[part.seen.all(axis=1)] for part in judge.data.parts])
    formulas = []
    for formula in model.formulas:
        terms = formula.children if isinstance(formula, Sum) else (formula,)
        sizes = [float(np.sqrt(np.mean(term.evaluate(states) ** 2))) for term in terms]
        kept = [term for term, size in zip(terms, sizes, strict=True) if not size < NEGLIGIBLE * max(sizes)]
        formulas.append(canonical(add(*kept)))
    if tuple(formulas) == model.formulas:
        return model
    trial = judge.model(formulas, model.origins, model)
    return trial if trial.length < model.length else model


def _with_number(model: Model, place: int, number: Constant) -> list[Expression]:
    """All formulas with free constant number `place` replaced."""
    seen = -1

    def change(node: Expression) -> Expression:
        nonlocal seen
        if isinstance(node, Constant) and node.label is None:
            seen += 1
            return number if seen == place else node
        return node.rebuilt(tuple(change(child) for child in node.children)) if node.children else node

    return [change(formula) for formula in model.formulas]
