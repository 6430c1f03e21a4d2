"""Every table fitted with the defaults, and what the formula is worth: the law, near it, or made of its columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kansym.bench.formulas.work import FAILURES
from kansym.budget import Budget
from kansym.config import Config
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import Expression, Variable
from tests.benchmarks.rough.drawing import FEW, FRESH_ROWS, Drawn, Table, draw, fresh
from tests.benchmarks.rough.laws import TABLES
from tests.benchmarks.rough.noise import root_mean_square
from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report, yes

if TYPE_CHECKING:
    from kansym.result import Result

SAME = 1e-6  # of the law's spread: what a formula of the law's form may leave
NEAR = 0.3  # of the noise
NEAR_EXACT = 1e-3  # of the law's spread, where there is no noise
VERDICTS = ("form", "near", "columns", "shown")
RULE = (
    f"every table is drawn from the seed and fitted with the defaults, the time limit counted in processor seconds. "
    f"Judged on {FRESH_ROWS:,} fresh rows without noise, rounding or outliers. form: the chosen formula, its free "
    f"constants refitted to the law there, leaves less than {SAME:g} of the law's spread: it is the law's own form or "
    f"contains it. near: its RMS distance from the law, not refitted, is at most {NEAR:g} times the noise of the table "
    f"(the root mean square of its standard deviations), where there is none {NEAR_EXACT:g} of the law's spread. "
    f"columns: it uses all columns of the law and no other; copies and exact functions of a column count as that "
    f"column. shown: some formula that was shown has the law's form"
)
CLASSES: dict[str, Callable[[Record], bool]] = {
    "exact": lambda record: record["kind"] == "exact",
    "rounded": lambda record: record["kind"] == "rounded",
    "noisy": lambda record: record["kind"] == "noisy",
    "with outliers": lambda record: record["outliers"] > 0,
    f"below {FEW} rows": lambda record: record["rows"] < FEW,
    "in all": lambda record: True,
}


def problems(names: Sequence[str] | None, seeds: int | None, time_limit: float | None) -> list[Problem]:
    """One problem a table and seed."""
    return [Problem(name, seed, time_limit=time_limit) for seed in range(seeds or 1) for name in names or TABLES]


def run_table(problem: Problem) -> Record:
    """Draw a table, fit it, and judge the formula; a crash is told in the record."""
    import torch

    from kansym.pipeline import fit

    torch.set_num_threads(1)
    table = TABLES[problem.name]
    drawn = draw(table, problem.seed)
    config = Config(seed=problem.seed, time_limit=problem.time_limit)
    record = facts(table, problem.seed)
    started = time.process_time()
    try:
        budget = Budget(config.seconds, clock=time.process_time)
        # A reader of files leaves out constant columns too.
        result = fit(drawn.data.drop_constant_inputs(), config, budget=budget)
    except FAILURES as error:
        return record | {"seconds": round(time.process_time() - started, 2),
                         "error": f"{type(error).__name__}: {str(error)[:200]}"}  # fmt: skip
    record["seconds"] = round(time.process_time() - started, 2)
    chosen, front = in_columns(result, table)
    record |= {"short": result.formula.text(6), "formula": result.formula.text(), "complexity": chosen.complexity,
               "stop_reason": result.stop_reason}  # fmt: skip
    record |= judged(chosen, front, table, drawn, fresh(table, problem.seed))
    return record | {"solved": record["form"]}


def facts(table: Table, seed: int = 0) -> Record:
    """What a record says of a table before it is fitted."""
    return {
        "name": table.name,
        "seed": seed,
        "law": table.law,
        "about": table.about,
        "law_complexity": table.expression.complexity,
        "rows": table.rows,
        "inputs": len(table.names),
        "idle": list(table.idle),
        "condition": table.condition,
        "kind": table.noise.kind,
        "noise": table.noise_text,
        "outliers": table.outliers.count if table.outliers else 0,
        "difficulty": table.difficulty,
        "short": None,
        "complexity": None,
        "error": None,
        "solved": False,
    } | dict.fromkeys(VERDICTS, False)


def in_columns(result: Result, table: Table) -> tuple[Expression, list[Expression]]:
    """The chosen formula and all of the front, in the numbers of the table's columns."""
    front = [
        formula.expression.substitute([Variable(table.names.index(name)) for name in formula.input_names])
        for formula in result.front.formulas
    ]
    return front[result.front.chosen], front


def judged(chosen: Expression, front: Iterable[Expression], table: Table, drawn: Drawn, rows: Rows) -> Record:
    """The verdicts.

    Args:
        chosen: the formula, in the columns of the table.
        front: all that were shown.
        table: where they come from.
        drawn: the rows that were fitted.
        rows: fresh ones, with the values of the law.
    """
    form = has_form(chosen, rows)
    noise = root_mean_square(drawn.deviation)
    allowed = NEAR * noise if table.noise.kind == "noisy" else NEAR_EXACT * rows.spread
    return {
        "form": form,
        "near": bool(np.sqrt(mean_square(chosen, rows)) <= allowed),
        "columns": _stood_for(chosen, table) == _stood_for(table.expression, table),
        "shown": form or any(has_form(formula, rows) for formula in front),
    }


def has_form(formula: Expression, rows: Rows) -> bool:
    """Whether a formula is the law on rows of it once its free constants are refitted."""
    return bool(np.sqrt(polish(formula, rows).mean_square) < SAME * rows.spread)


def _stood_for(formula: Expression, table: Table) -> set[str]:
    """The columns that a formula uses, each copy as the column that it is like."""
    columns = [table.visible[place] for place in formula.variables]
    return {each.like or each.name for each in columns}


def report(records: Sequence[Record]) -> Report:
    """Totals by condition, then one row a table."""
    summary = [_totals(name, [r for r in records if belongs(r)]) for name, belongs in CLASSES.items()]
    header = ("table", "rows", "columns (idle)", "noise", "condition", "guessed", *VERDICTS, "s", "nodes (law)",
              "formula")  # fmt: skip
    title = "Rough tables: seventy laws as people bring them"
    return Report("rough", title, RULE, tuple(summary), header, tuple(map(_row, records)), records)


def _totals(name: str, records: Sequence[Record]) -> str:
    counted = ", ".join(f"{verdict} {sum(r[verdict] for r in records)}" for verdict in VERDICTS)
    return f"{name}, {len(records)} table{'s' * (len(records) != 1)}: {counted}"


def _row(record: Record) -> tuple[str, ...]:
    name = record["name"] + (f", seed {record['seed']}" if record["seed"] else "")
    nodes = "" if record["complexity"] is None else f"{record['complexity']} "
    return (
        name, f"{record['rows']:,}", f"{record['inputs']} ({len(record['idle'])})", record["noise"],
        record["condition"], record["difficulty"], *(yes(record[verdict]) for verdict in VERDICTS),
        f"{record['seconds']:.1f}", f"{nodes}({record['law_complexity']})", record["error"] or record["short"],
    )  # fmt: skip
