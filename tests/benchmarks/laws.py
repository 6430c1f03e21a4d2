"""Generated laws: the monomials, Nguyen 1 to 12, and the 100 Feynman equations, judged against their truth."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from kansym.data.dataset import default_names
from kansym.errors import KansymError
from kansym_datasets import generators
from kansym_datasets.formula import evaluate
from kansym_datasets.laws import Law
from tests.benchmarks.judge import Verdict, compare, judge
from tests.benchmarks.runs import Problem, Record, fitted
from tests.benchmarks.tables import Report, number, yes

FRESH_ROWS = 1000
FRESH_SEED = 10_007
RULE = (
    "found by the rule of SRBench (pi as 3.1415926535, floats to 3 decimals, below 1e-4 to 0; after sympy.simplify the "
    "difference to the law is 0 or constant, or the quotient is constant); where sympy gives no answer in 30 s, and in "
    "the column 'numbers', by fresh rows: equal to 1e-6 of the spread up to one additive or multiplicative constant, "
    "and at most 3 times the law's complexity plus 10"
)


def names(suite: str) -> list[str]:
    """The laws of a benchmark: monomials, nguyen, or any suite of `kansym_datasets`."""
    if suite == "monomials":
        return [name for name in generators.suite("feynman") if generators.card(name).monomial]
    return generators.suite(suite)


def fresh_inputs(name: str) -> np.ndarray:
    """Inputs (1000, D) from the ranges of a law that no fit has seen."""
    return generators.load(name, FRESH_ROWS, 0.0, FRESH_SEED).inputs


def run_law(problem: Problem) -> Record:
    """Fit a law and judge what came out."""
    record, result = fitted(problem)
    if result is None:
        return record | {"solved": False, "lost": record["error"]}
    law, fresh = generators.card(problem.name), fresh_inputs(problem.name)
    columns = default_names(len(law.input_names)) if problem.anonymous else law.input_names
    try:
        verdict = judge(result.formula.text(), law.formula, columns, law.input_names, fresh)
    except KansymError as error:
        return record | {"solved": False, "lost": f"the formula cannot be read back: {error}"}
    on_front = _on_front(result.front.formulas, columns, law, fresh)
    return record | {
        "truth": law.formula,
        "solved": verdict.solved,
        "srbench": verdict.symbolic,
        "numeric": verdict.numeric,
        "reason": verdict.reason,
        "distance": verdict.distance,
        "r2_fresh": verdict.r2,
        "on_front": on_front,
        "lost": "" if verdict.solved else lost(verdict, on_front, record),
    }


def _on_front(formulas: Sequence[Any], columns: tuple[str, ...], law: Law, fresh: np.ndarray) -> bool:
    """Whether some formula of the front is the law by numbers; those of a front share the columns of the result."""
    truth = evaluate(law.formula, dict(zip(law.input_names, fresh.T, strict=True)))
    for formula in formulas:
        inputs = fresh[:, [columns.index(name) for name in formula.input_names]]
        if compare(formula(inputs), np.broadcast_to(truth, len(fresh)))[0] < 1e-6:
            return True
    return False


def lost(verdict: Verdict, on_front: bool, record: Record) -> str:
    """In a few words, where a law was lost."""
    if verdict.numeric:
        return "equal in numbers, not by the rule"
    if verdict.distance < 1e-6:
        return "equal in numbers, but too long"
    if on_front:
        return "on the front, not chosen"
    how = "accurate, another form" if 1 - verdict.r2 < 1e-6 else "not accurate"
    late = ", time limit" if record["stop_reason"] == "time limit" else ""
    return f"{how} (1-R2 {1 - verdict.r2:.1g}){late}"


def report(name: str, title: str, records: Sequence[Record], with_noise: bool) -> Report:
    """The table of laws."""
    header = ("law", *(("noise",) if with_noise else ()), "found", "numbers", "s", "formula", "where it was lost")
    rows = tuple(_row(record, with_noise) for record in records)
    summary = [line for noise in sorted({r["noise"] for r in records}) for line in _summary(records, noise)]
    return Report(name, title, RULE, tuple(summary), header, rows, records)


def _row(record: Record, with_noise: bool) -> tuple[str, ...]:
    noise = (f"{record['noise']:g}",) if with_noise else ()
    verdict = (yes(record["solved"]), yes(record.get("numeric", False)), number(record["seconds"]))
    return (record["name"], *noise, *verdict, record.get("short") or "", record["lost"])


def _summary(records: Sequence[Record], noise: float) -> list[str]:
    chosen = [record for record in records if record["noise"] == noise]
    solved = [record for record in chosen if record["solved"]]
    either = sum(bool(record["solved"] or record.get("numeric")) for record in chosen)
    seconds = [record["seconds"] for record in chosen]
    lines = [
        f"noise {noise:g}: found {len(solved)} of {len(chosen)}; found or equal in numbers: {either}; "
        f"median {statistics.median(seconds):.2f} s, longest {max(seconds):.1f} s"
    ]
    accurate = sum(record.get("r2_fresh", -1) > 0.999 for record in chosen)
    lines.append(f"noise {noise:g}: R2 above 0.999 on fresh rows: {accurate} of {len(chosen)}")
    causes = Counter(record["lost"].split(" (")[0].split(":")[0] for record in chosen if not record["solved"])
    if causes:
        lines.append(f"noise {noise:g}: lost: " + "; ".join(f"{cause} {n}" for cause, n in causes.most_common()))
    return lines
