"""Classes instead of a measured target: the law is that of the logit, and its constants make the labels likely.

A label says little by itself. So a smooth model of the classes comes first; the search works on its logits, which are
numbers as any other target; and every formula it returns is then fitted to the labels themselves and judged by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from kansym.budget import Budget
from kansym.config import Config
from kansym.data import Dataset
from kansym.events import Listener, ignore
from kansym.pipeline import fit
from kansym.problem import Problem
from kansym.result import Result
from kansym.structure.logits import SmoothLogits, Trials, smooth_logits
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows
from kansym.symbolic.curves import allowed as in_library
from kansym.symbolic.dictionary import everyday_features, features
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Variable, add, multiply
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront, errors_of
from kansym.symbolic.labels import is_name
from kansym.symbolic.likelihood import Classes, MostLikely, logits_of, most_likely
from kansym.symbolic.primitives import Library
from kansym.symbolic.selection import RIVAL_NATS, Names, choose, description_length, preselected
from kansym.symbolic.sparse import best_subsets
from kansym.symbolic.table import thinned

Array = np.ndarray
TIDIED = 8
FOLDS = 5
ROUNDS = 2
TERM_ROWS, MOST_TERMS, PAIRS = 2000, 3, 12
MANY = 99  # columns
RULE = (
    "the simplest formula within 3 nats of the shortest description (minus log-likelihood plus cost of nodes and"
    " constants)"
)


def fit_logit(
    table: Dataset, classes: Classes, config: Config, on_event: Listener = ignore, budget: Budget | None = None
) -> Result:
    """Find the logit of the second of two classes as a formula.

    Args:
        table: the columns' names and units, and the name of the logit; its rows and target are not read.
        classes: counts (N, 2) of both classes at N different places.
        config: choices, as for `kansym.fit`.
        on_event: receives typed events.
        budget: a running time limit to share.

    Returns:
        The result of the search, with a front that the labels judge: errors are of the probability against the share
        of the second class, "train" on all rows and "validation" with constants fitted without a fifth of them;
        description lengths hold the log-likelihood.
    """
    trials = Trials(classes.inputs, classes.counts[:, 1], classes.total)
    smooth = smooth_logits(trials, config.seed)
    response, weights = trials.working(smooth.values)

    def judge(
        found: list[tuple[Expression, str]], problem: Problem, kept: tuple[int, ...], budget: Budget
    ) -> ParetoFront:
        columns = classes.inputs[:, list(kept)]
        rows, names = Rows(columns, response, weights), Names(problem.dataset.input_names, table.target_names[0])
        own = Classes(columns, classes.counts)
        likely = _likely([(_line(len(kept)), "line"), (Constant(0.0), "constant")], own)
        for _ in range(ROUNDS):
            terms = [] if "dictionary" in config.without or budget.expired else _terms(rows, problem.library)
            likely = _likely(preselected([*found, *terms], rows, names), own, likely)
            rows = working_rows(own, likely[0][0].expressions[0])  # nearer to the labels than those of the smooth model
        return _front(likely, own, problem.dataset, config.max_complexity, budget)

    return fit(_smooth_table(table, classes, smooth), config, on_event, budget, judge=judge)


def _part(budget: Budget, share: float) -> Budget:
    return Budget(None if budget.seconds is None else share * budget.remaining)


def _terms(rows: Rows, allowed: Library) -> list[tuple[Expression, str]]:
    """Sums of a few functions of the dictionary, chosen by the labels: the smooth logits blur what these can tell."""
    rows, found = thinned(rows, TERM_ROWS), []
    for most in (1, 2, MANY):  # functions of one column, their products, everything: plain ones first
        every, table = features(rows.inputs) if most > 2 else everyday_features(rows.inputs)
        chosen = [i for i, each in enumerate(every) if len(each.variables) <= most and in_library(each, allowed)]
        expressions, values = [every[i] for i in chosen], table[:, chosen]
        for subset in best_subsets(values, rows.target, rows.weights, MOST_TERMS, PAIRS) if chosen else []:
            pairs = zip(subset.coefficients, subset.columns, strict=True)
            terms = [multiply(Constant(c), expressions[i]) for c, i in pairs]
            found += [add(*terms), add(*terms, Constant(subset.constant))]
    return [(each, "labels") for each in dict.fromkeys(found)]


def _smooth_table(table: Dataset, classes: Classes, smooth: SmoothLogits) -> Dataset:
    """The smooth logits as a target; where they are known badly they count for little."""
    weights = 1.0 / smooth.deviations**2
    return replace(table, inputs=classes.inputs, targets=smooth.values, weights=weights / weights.mean())


def _line(columns: int) -> Expression:
    """Plain logistic regression."""
    return add(Constant(0.0), *(multiply(Constant(0.0), Variable(column)) for column in range(columns)))


Likely = list[tuple[MostLikely, str]]


def _likely(found: Iterable[tuple[Expression, str]], classes: Classes, known: Likely | None = None) -> Likely:
    """Candidate logits (with their origins) with the constants that make the labels likeliest, besides known ones.

    The shortest description of the labels comes first.
    """
    fitted = [*(known or []), *((_fitted(expression, classes), origin) for expression, origin in found)]
    finite = [item for item in fitted if np.isfinite(item[0].surprise)]
    distinct = {_shape(each.expressions[0]): (each, origin) for each, origin in reversed(finite)}
    return sorted(distinct.values(), key=lambda item: _length(item[0], classes))


def _front(likely: Likely, classes: Classes, table: Dataset, most: int, budget: Budget) -> ParetoFront:
    """The front of fitted candidates; the best of them without needless terms, and with known numbers exact."""
    forms = [(each, origin) for each, origin in likely]
    for each, origin in likely[:TIDIED]:
        forms += [] if budget.expired else [(form, origin) for form in _shorter(each, classes, budget)]
    short = [item for item in forms if item[0].expressions[0].complexity <= most]
    formulas = [_formula(each, origin, classes, table) for each, origin in _better(short, classes)]
    formulas.sort(key=lambda formula: (formula.complexity, formula.description_length))
    best = min(formulas, key=lambda formula: formula.description_length)
    return replace(choose(formulas, working_rows(classes, best.expression)), rule=RULE)


def _better(forms: Likely, classes: Classes) -> Likely:
    """Those that no shorter one beats in likelihood, or that describe the labels nearly as briefly as the best."""
    shortest = min((_length(each, classes) for each, _ in forms), default=np.inf)
    kept, least = {}, np.inf
    for each, origin in sorted(forms, key=lambda item: (item[0].expressions[0].complexity, item[0].surprise)):
        if each.surprise < least or _length(each, classes) <= shortest + RIVAL_NATS:
            kept.setdefault(_shape(each.expressions[0]), (each, origin))
        least = min(least, each.surprise)
    return list(kept.values())


def _fitted(expression: Expression, classes: Classes) -> MostLikely:
    return most_likely([canonical(expression.map(_freed))], classes)


def _freed(node: Expression) -> Expression:
    """A number that the search made exact is free again: it was exact for the smooth model, not for the labels."""
    if not isinstance(node, Constant) or node.label is None or is_name(node.label) or abs(node.value) == 1:
        return node
    return Constant(node.value)


def _shorter(likely: MostLikely, classes: Classes, budget: Budget) -> Iterator[MostLikely]:
    """The formula with needless terms gone and known numbers made exact, as far as the labels allow."""
    (expression,) = likely.expressions
    shorter = tidy(expression, working_rows(classes, expression), budget).expression
    if shorter != expression:
        yield most_likely([shorter], classes)


def working_rows(classes: Classes, logit: Expression) -> Rows:
    """The rows on which least squares is the likelihood of the labels, near a logit."""
    trials = Trials(classes.inputs, classes.counts[:, 1], classes.total)
    response, weights = trials.working(logit.evaluate(classes.inputs))
    return Rows(classes.inputs, response, weights)


def _length(likely: MostLikely, classes: Classes) -> float:
    """Nats to tell the labels by this formula."""
    rows = Rows(classes.inputs, np.ones(len(classes)))
    return likely.surprise + description_length(likely.expressions[0], 1.0, rows)


def _shape(expression: Expression) -> Expression:
    return expression.map(lambda node: Constant(float(f"{node.value:.4g}")) if isinstance(node, Constant) else node)


def _formula(likely: MostLikely, origin: str, classes: Classes, table: Dataset) -> Formula:
    (expression,) = likely.expressions
    box = tuple((float(column.min()), float(column.max())) for column in classes.inputs.T)
    return Formula(
        expression,
        table.input_names,
        table.target_names[0],
        _constants(expression, likely.covariance),
        _errors(expression, classes),
        box,
        table.input_units,
        None,
        _length(likely, classes),
        origin,
        None if likely.covariance is None else tuple(tuple(map(float, row)) for row in likely.covariance),
    )


def _constants(expression: Expression, covariance: Array | None) -> tuple[FittedConstant, ...]:
    values = [constant.value for constant in expression.free_constants]
    errors = [None] * len(values) if covariance is None else [float(e) for e in np.sqrt(np.diag(covariance))]
    return tuple(FittedConstant(value, error) for value, error in zip(values, errors, strict=True))


def _errors(expression: Expression, classes: Classes) -> dict[str, Errors]:
    """Errors of the probability against what was seen: of the formula, and with constants fitted to other rows."""
    share, left_out = classes.counts[:, 1] / classes.total, np.zeros(len(classes))
    fold = np.arange(len(classes)) % FOLDS
    for place in range(FOLDS):
        held, others = fold == place, fold != place
        if np.any(held) and np.any(others):
            refitted = most_likely([expression], classes.take(others), 12).expressions[0]
            left_out[held] = special.expit(refitted.evaluate(classes.inputs[held]))
    own = special.expit(expression.evaluate(classes.inputs))
    return {"train": errors_of(own, share), "validation": errors_of(left_out, share)}


@dataclass(frozen=True)
class ClassLaws:
    """A result for every class but the reference, whose logit is 0; and which of the classes the reference is."""

    results: tuple[Result, ...]
    reference: int

    def logits(self, inputs: Array) -> Array:
        """Logits (N, K) in the order of the classes; nan where a formula is not real."""
        found = logits_of([result.formula.expression for result in self.results], inputs)
        order = _order(self.reference, found.shape[1])
        return found[:, np.argsort(order)]


def _order(reference: int, count: int) -> list[int]:
    """The classes with the reference first."""
    return [reference, *(place for place in range(count) if place != reference)]


def fit_classes(
    table: Dataset, classes: Classes, names: Sequence[str], config: Config, on_event: Listener = ignore
) -> ClassLaws:
    """Find the logit of every class against a reference: the first of two, the most frequent of more.

    Each formula is searched on the rows of its class and the reference, where its logit is that of all classes (Begg
    and Gray 1984); the constants of all are then fitted once more together, to the likelihood of all labels.
    """
    budget, count = Budget(config.seconds), classes.counts.shape[1]
    reference = 0 if count == 2 else int(np.argmax(classes.counts.sum(axis=0)))
    order, results = _order(reference, count), []
    for place, other in enumerate(order[1:]):
        pair = Classes(classes.inputs, classes.counts[:, [reference, other]])
        seen = pair.take(np.flatnonzero(pair.total > 0))
        named = replace(table, target_names=(f"logit({names[other]})",))
        results.append(fit_logit(named, seen, config, on_event, _part(budget, 1.0 / (count - 1 - place))))
    together = Classes(classes.inputs, classes.counts[:, order])
    return ClassLaws(tuple(_together(results, together)) if count > 2 else tuple(results), reference)


def _together(results: Sequence[Result], classes: Classes) -> Iterator[Result]:
    """The results with the constants of their chosen formulas fitted jointly."""
    expressions = [result.formula.expression for result in results]
    likely, start = most_likely(expressions, classes), 0
    for result, expression in zip(results, likely.expressions, strict=True):
        stop = start + len(expression.free_constants)
        own = None if likely.covariance is None else likely.covariance[start:stop, start:stop]
        joint = np.isfinite(likely.surprise)
        yield _with_chosen(result, expression, own) if joint else result
        start = stop


def _with_chosen(result: Result, expression: Expression, covariance: Array | None) -> Result:
    formula = replace(
        result.formula,
        expression=expression,
        constants=_constants(expression, covariance),
        covariance=None if covariance is None else tuple(tuple(map(float, row)) for row in covariance),
    )
    formulas = tuple(
        formula if place == result.front.chosen else other for place, other in enumerate(result.front.formulas)
    )
    return replace(result, front=replace(result.front, formulas=formulas))
