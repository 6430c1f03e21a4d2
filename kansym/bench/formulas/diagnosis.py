"""Where a law was lost: told from the result and the truth, in words where it cannot be told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from kansym.bench.formulas.judge import SAME, Law, Verdict, compare, longest
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Expression

Array = np.ndarray
STAGES = (
    "error",
    "simplification",
    "constants",
    "selection",
    "screening",
    "surrogate",
    "structure",
    "matching",
    "structure or matching",
    "invented",
)
REFITTED_ROWS, MOST_REFITTED = 400, 12
NOISE_FACTOR, NOISE_FLOOR = 2.0, 1e-3
PAIR_ROWS, FEWEST_PAIR_ROWS, SEPARATES = 300, 20, 1e-6
LATE = "time limit"


@dataclass(frozen=True)
class Loss:
    """Where a law was lost.

    Attributes:
        stage: one of `STAGES`.
        detail: why this is said.
    """

    stage: str
    detail: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a program handed over, in the columns of the law.

    Attributes:
        law: the truth.
        chosen: the formula that it chose.
        verdict: the judge's, on the chosen one.
        front: all the formulas that it showed, the chosen one among them.
        columns: columns that its pruned network still uses; empty where there is none.
        noise: what it took the noise for, over the spread of the target; None where it does not say.
        true_noise: what it was.
        stop_reason: why it ended.
    """

    law: Law
    chosen: Expression
    verdict: Verdict
    front: tuple[Expression, ...]
    columns: frozenset[int] = frozenset()
    noise: float | None = None
    true_noise: float = 0.0
    stop_reason: str = ""

    @cached_property
    def rows(self) -> Rows:
        """Clean rows for refitting constants."""
        return Rows(self.law.fresh[:REFITTED_ROWS], self.law.values[:REFITTED_ROWS])


def loss(evidence: Evidence) -> Loss:
    """Return where a law that was not found was lost; the first of these that holds.

    simplification: the formula equals the law in numbers, but not by the rule. constants: it has the law's form, and
    constants inside that are off in the third decimal, or fitted where the law has whole numbers. selection: another
    formula of the front is the law or has its form, or the chosen one is the law with terms too many. screening:
    neither the front nor the pruned network uses a column of the law. surrogate: the noise was taken for something
    else, which is what a smooth model does that cannot follow the law. structure or matching: see `separations`.
    """
    found = next(_reasons(evidence))
    late = f"; {LATE}" if evidence.stop_reason == LATE else ""
    return Loss(found.stage, found.detail + late)


def _reasons(evidence: Evidence) -> Iterator[Loss]:
    verdict = evidence.verdict
    if verdict.distance < SAME:
        yield Loss("simplification", "equal in numbers, " + ("not by the rule" if verdict.numeric else "but too long"))
    shape = form(evidence.chosen, evidence)
    if shape == "law":
        yield Loss("constants", "the law's form, constants inside not to 3 decimals or not exact")
    if shape == "more":
        yield Loss("selection", "the law with more terms was chosen")
    if any(form(formula, evidence) for formula in evidence.front[:MOST_REFITTED] if formula != evidence.chosen):
        yield Loss("selection", "on the front, not chosen")
    yield from _screening(evidence)
    yield from _surrogate(evidence)
    yield from _structure(evidence)


def form(formula: Expression, evidence: Evidence) -> str:
    """Return "law" if the formula with other constants is the law, "more" if with fewer of them too, "" if not."""
    if formula.complexity > longest(evidence.law) or formula.variables != evidence.law.expression.variables:
        return ""
    refitted = _refitted(formula, evidence)
    if refitted is None:
        return ""
    return "more" if any(_is_law(shorter, evidence) for shorter in _shorter(refitted)) else "law"


def _refitted(formula: Expression, evidence: Evidence) -> Expression | None:
    if _is_law(formula, evidence):
        return formula
    try:
        found = polish(formula, evidence.rows).expression
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return None
    return found if _is_law(found, evidence) else None


def _is_law(formula: Expression, evidence: Evidence) -> bool:
    return compare(formula.evaluate(evidence.law.fresh), evidence.law.values)[0] < SAME


def _shorter(formula: Expression) -> Iterator[Expression]:
    """Yield the formula with one of its free constants set to 0."""
    values = [constant.value for constant in formula.free_constants]
    for place in range(len(values)):
        yield formula.with_constants([*values[:place], 0.0, *values[place + 1 :]])


def _screening(evidence: Evidence) -> Iterator[Loss]:
    used = set(evidence.columns).union(*(formula.variables for formula in evidence.front))
    missing = [column for column in evidence.law.expression.variables if column not in used]
    if missing:
        effects = ", ".join(f"x{column} ({effect(evidence.law, column):.1g})" for column in missing)
        yield Loss("screening", f"columns in no candidate (share of the spread they move): {effects}")


def effect(law: Law, column: int) -> float:
    """Return how much of the law's spread goes with a column: RMS change when it is shuffled, over sqrt(2) spreads."""
    moved = law.fresh.copy()
    moved[:, column] = np.roll(moved[:, column], 1)
    change = law.expression.evaluate(moved) - law.values
    kept = change[np.isfinite(change)]
    spread = float(np.std(law.values)) or 1.0
    return float(np.sqrt(np.mean(kept**2) / 2) / spread) if len(kept) else float("nan")


def _surrogate(evidence: Evidence) -> Iterator[Loss]:
    taken, is_ = evidence.noise, evidence.true_noise
    if taken is None:
        return
    high, low = NOISE_FACTOR * is_ + NOISE_FLOOR, is_ / NOISE_FACTOR - NOISE_FLOOR
    if not low <= taken <= high:
        yield Loss("surrogate", f"noise taken for {taken:.2g} of the spread, is {is_:.2g}")


def _structure(evidence: Evidence) -> Iterator[Loss]:
    law, left = evidence.law.expression, f"1-R2 {1 - evidence.verdict.r2:.1g}"
    if len(law.variables) == 1:
        yield Loss("matching", f"one column, {left}")
        return
    splits = separations(law, evidence.law.fresh)
    if not any(splits.values()):
        yield Loss("structure or matching", f"the law splits nowhere, {left}")
    elif any(separations(formula, evidence.law.fresh) == splits for formula in evidence.front):
        yield Loss("matching", f"a formula of the front splits the columns as the law does, {left}")
    else:
        yield Loss("structure", f"no formula of the front splits the columns as the law does, {left}")


def separations(formula: Expression, fresh: Array) -> dict[tuple[int, int], str]:
    """Return for every pair of the formula's columns whether they add ("+"), multiply ("*") or neither ("").

    By the mixed differences of the formula and of its logarithm: f(a, b) - f(a', b) - f(a, b') + f(a', b') is 0 for two
    columns that add, f(a, b) f(a', b') - f(a', b) f(a, b') for two that multiply.

    Args:
        formula: over the columns of `fresh`.
        fresh: (M, D) rows; those whose mixtures leave the domain are not used.
    """
    return {pair: _separation(formula, fresh[:PAIR_ROWS], *pair) for pair in combinations(formula.variables, 2)}


def _separation(formula: Expression, fresh: Array, first: int, second: int) -> str:
    other = np.roll(fresh, 1, axis=0)
    corners = [_values(formula, fresh, other, moved) for moved in ((), (first,), (second,), (first, second))]
    kept = np.all(np.isfinite(corners), axis=0)
    if kept.sum() < FEWEST_PAIR_ROWS:
        return "?"
    plain, one, two, both = (corner[kept] for corner in corners)
    size = max(float(np.max(np.abs(corner))) for corner in (plain, one, two, both)) or 1.0
    plain, one, two, both = plain / size, one / size, two / size, both / size
    if _small(plain - one - two + both, one - plain, two - plain):
        return "+"
    return "*" if _small(plain * both - one * two, plain * both, one * two) else ""


def _small(mixed: Array, *sizes: Array) -> bool:
    return _rms(mixed) < SEPARATES * max(1e-300, *(_rms(size) for size in sizes))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _values(formula: Expression, fresh: Array, other: Array, moved: Sequence[int]) -> Array:
    mixed = fresh.copy()
    mixed[:, list(moved)] = other[:, list(moved)]
    return formula.evaluate(mixed)
