"""Tables with several targets: each gets its formula, and what was found for one is tried for the others.

Two components of a vector often share most of their formula, differ in the order of the columns, or have a quotient,
a sum or a difference that is simpler than they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import numpy as np

from kansym.budget import Budget, Inner
from kansym.config import Config
from kansym.data import Dataset
from kansym.errors import DataError
from kansym.events import Listener, Note, ignore
from kansym.pipeline import fit
from kansym.problem import prepare, unscaled
from kansym.result import Result
from kansym.structure.rows import error_over_spread
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply, whole
from kansym.symbolic.selection import selection_error
from kansym.symbolic.steering.reductions import reductions_of
from kansym.symbolic.steering.statements import Statement

Array = np.ndarray
COMBINED_SHARE = 0.1  # of a target's time, for one quotient, sum or difference
COMBINED_ERROR = 0.05  # of its spread, above which such a combination is no finding
SWAPPED, COMBINATIONS, PARTNERS = 2, 2, 3  # hints kept of each kind, and from how many other targets
AS_GOOD = 1.05  # of a law's error at its own target: another target's formula that is no worse is its law
FLOOR = 1e-7  # of a target's spread: no error at all
PARALLEL = 0.05  # sine of the angle between two columns that are one, but for noise
WORTH_A_SECOND = 0.1  # of the time limit, which must be left for another try of the targets that failed


def fit_all(
    dataset: Dataset, config: Config | None = None, on_event: Listener = ignore, budget: Budget | None = None
) -> dict[str, Result]:
    """Find a law for every target of a table.

    Args:
        dataset: the table, T >= 1 target columns; N >= 3 rows.
        config: choices, the same for all targets; its time limit holds for all of them together.
        on_event: receives typed events, see `kansym.events`.
        budget: a running time limit to share; a new one of `config.seconds` otherwise.

    Returns:
        The result of each target by its name, in the table's order; each is that of a table with this target alone.

    Raises:
        DataError: when there are too few rows.
    """
    config = config or Config()
    budget = budget or Budget(config.seconds)
    found: dict[str, Result] = {}
    names = dataset.target_names
    shared = _shared_factors(dataset, config, budget) if config.template is None else {}
    for place, name in enumerate(names):
        share = _share(budget, len(names) - place)
        on_event(Note(f"target {name}, {place + 1} of {len(names)}"))
        hints = list(_hints(dataset, name, found, config, share, shared.get(name, ())))
        found[name] = fit(single(dataset, name), config, on_event, share, hints)
    return _second_tries(dataset, found, config, on_event, budget)


def single(dataset: Dataset, name: str) -> Dataset:
    """The table with one of its targets alone."""
    place = dataset.target_names.index(name)
    return replace(
        dataset,
        targets=dataset.targets[:, [place]],
        target_names=(name,),
        target_units=(dataset.target_units[place],),
    )


def _share(budget: Budget, parts: int) -> Inner:
    return Inner.of(budget, budget.remaining / max(parts, 1))


def _second_tries(
    dataset: Dataset, found: dict[str, Result], config: Config, on_event: Listener, budget: Budget
) -> dict[str, Result]:
    """The targets without a law once more, with the laws of those that came after them."""
    failed = [name for name in found if not found[name].front.exact]
    for place, name in enumerate(failed):
        later = list(found)[list(found).index(name) + 1 :]
        others = {other: found[other] for other in later if found[other].front.exact}
        enough = budget.remaining > WORTH_A_SECOND * config.seconds
        if not others or not enough or budget.interrupted:
            continue
        on_event(Note(f"target {name} once more, beginning from {', '.join(others)}"))
        share = _share(budget, len(failed) - place)
        hints = list(_hints(dataset, name, others, config, share))
        again = fit(single(dataset, name), config, on_event, share, hints)
        if again.front.exact or selection_error(again.formula) < 0.99 * selection_error(found[name].formula):
            found[name] = again
    return found


def _shared_factors(dataset: Dataset, config: Config, budget: Budget) -> dict[str, list[Expression]]:
    """Formulas of neighbouring targets that are one column times the same factor: x*G and y*G, as in a central force.

    The factor is simpler than the targets, and often reads the columns in a more symmetric way.
    """
    hints: dict[str, list[Expression]] = {name: [] for name in dataset.target_names}
    for names in pairwise(dataset.target_names):
        pair = [single(dataset, name).targets[:, 0] for name in names]
        columns = None if budget.expired else _leading_columns(pair[0], pair[1], dataset.inputs)
        if columns is None:
            continue
        inside = [dataset.inputs[:, column] for column in columns]
        with np.errstate(all="ignore"):
            factor = (pair[0] * inside[0] + pair[1] * inside[1]) / (inside[0] ** 2 + inside[1] ** 2)
        if np.all(np.isfinite(factor)):
            for each in _round_or_any(factor, columns, dataset, config, _share(budget, 1)):
                for name, column in zip(names, columns, strict=True):
                    hints[name].append(canonical(multiply(each, Variable(column))))
    return hints


def _round_or_any(
    values: Array, columns: tuple[int, int], dataset: Dataset, config: Config, share: Inner
) -> list[Expression]:
    """Formulas of a factor that reads two columns only through their distance from 0, or else of any kind."""
    norm = Statement("norm", "norm", columns)
    for reduction in reductions_of([norm], dataset.columns):
        rows = None if reduction is None else reduction.apply(Rows(dataset.inputs, values))
        if reduction is None or rows is None:
            continue
        names = tuple(f"x{i}" for i in range(rows.inputs.shape[1]))
        found = _searched(
            values, replace(dataset, inputs=rows.inputs, input_names=names, input_units=()), config, share
        )
        if found:
            return [reduction.lift(each) for each in found]
    return _searched(values, dataset, config, share)


def _leading_columns(first: Array, second: Array, inputs: Array) -> tuple[int, int] | None:
    """The columns (i, j) with first/x_i = c*second/x_j in all rows, c being any number; None when there are none."""
    best, least = None, PARALLEL
    for i, j in permutations(range(inputs.shape[1]), 2):
        left, right = first * inputs[:, j], second * inputs[:, i]
        size = float(np.linalg.norm(left) * np.linalg.norm(right))
        apart = np.sqrt(max(0.0, 1.0 - (float(left @ right) / size) ** 2)) if size > 0 else 1.0
        if apart < least:
            best, least = (i, j), apart
    return best


def _hints(
    dataset: Dataset,
    name: str,
    others: Mapping[str, Result],
    config: Config,
    share: Inner,
    shared: Sequence[Expression] = (),
) -> Iterator[Expression]:
    """Formulas that may be near the law of a target: from a factor it shares, and from what was found for others."""
    target = single(dataset, name).targets[:, 0]
    yield from shared
    known = [(other, result) for other, result in others.items() if result.front.exact or len(others) == 1]
    for other, result in known[:PARTNERS]:
        law = result.formula.expression
        alike = [law, *_swapped(law, dataset.inputs, target)]
        yield from alike
        partner = single(dataset, other).targets[:, 0]
        enough = AS_GOOD * _missed(law, dataset.inputs, partner) + FLOOR
        if any(_missed(each, dataset.inputs, target) <= enough for each in (*shared, *alike)):
            return
        if result.front.exact:
            yield from _combined(law, (target, partner), dataset, config, share)


def _missed(formula: Expression, inputs: Array, target: Array) -> float:
    """Root mean square error of a formula over the spread of its target."""
    with np.errstate(all="ignore"):
        return error_over_spread(formula.evaluate(inputs), target)


def _swapped(law: Expression, inputs: Array, target: Array) -> list[Expression]:
    """The law with two of its columns exchanged, where that is most like the target."""
    columns: list[Expression] = [Variable(i) for i in range(inputs.shape[1])]
    found = []
    for first, second in combinations(range(len(columns)), 2):
        order = list(columns)
        order[first], order[second] = order[second], order[first]
        swapped = law.substitute(order)
        values = swapped.evaluate(inputs)
        if swapped != law and np.all(np.isfinite(values)) and np.ptp(values) > 0 and np.ptp(target) > 0:
            found.append((-abs(float(np.corrcoef(values, target)[0, 1])), swapped))
    return [swapped for _, swapped in sorted(found, key=lambda item: item[0])[:SWAPPED]]


def _combined(
    law: Expression, pair: tuple[Array, Array], dataset: Dataset, config: Config, share: Inner
) -> Iterator[Expression]:
    """Formulas of the target from a formula of its quotient, sum or difference with another whose law is known."""
    target, partner = pair
    with np.errstate(all="ignore"):
        quotient = target / partner
    for values, back in (
        (quotient, lambda found: multiply(found, law)),
        (target - partner, lambda found: add(found, law)),
        (target + partner, lambda found: add(found, multiply(whole(-1), law))),
    ):
        if np.all(np.isfinite(values)) and np.max(np.abs(values)) > 0:
            for found in _searched(values, dataset, config, share):
                yield canonical(back(found))


def _searched(values: Array, dataset: Dataset, config: Config, share: Inner) -> list[Expression]:
    table = Dataset(dataset.inputs, values, dataset.input_names, ("combination",))
    plain = replace(config, guess=(), template=None, assume=())
    try:
        problem = prepare(table, plain)
    except DataError:  # a quotient may reach beyond what can be fitted
        return []
    if problem.constant:
        return [Constant(float(values[0]))]
    found = problem.searched(problem.train, share.part(COMBINED_SHARE * share.remaining), ignore)
    good = [candidate for candidate in found if candidate.error < COMBINED_ERROR]
    return [unscaled(candidate.expression, problem) for candidate in good[:COMBINATIONS]]
