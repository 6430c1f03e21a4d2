"""The NIST StRD nonlinear regression sets with the form given: certified digits of parameters and standard errors."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from importlib.resources import files

import numpy as np

from kansym.errors import FormulaError
from kansym.symbolic.constants import Rows
from kansym.symbolic.given_form import GivenFit, fit_given
from kansym_datasets import catalogue
from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report, yes

CERTIFIED = 11.0
DIGITS, ERROR_DIGITS = 6.0, 4.0
RULE = (
    "log relative error: -log10(|found - certified|/|certified|), at most 11, the worst over the parameters; wanted: 6 "
    "for the parameters and 4 for the standard errors, from start 1 or start 2 of the certificate; the tables are read "
    "in extended precision where the machine has it"
)


def names() -> list[str]:
    """The 27 sets."""
    return [name for name in catalogue.names() if catalogue.card(name).strd is not None]


def printed_rows(name: str) -> Rows:
    """The table with all its printed digits: as 64-bit floats, Lanczos1 would lose what its residuals are made of."""
    text = (files("kansym_datasets") / "data" / f"{name}.csv").read_text("utf-8")
    table = np.array([[np.longdouble(cell) for cell in row] for row in list(csv.reader(text.splitlines()))[1:]])
    return Rows(table[:, :-1], table[:, -1])


def fit_set(name: str, start: int) -> GivenFit:
    """The given form of a set from its start 1 or 2. Raises FormulaError when that leads nowhere."""
    card = catalogue.card(name)
    assert card.strd is not None
    parameters = [f"b{number}" for number in range(1, len(card.strd.certified) + 1)]
    chosen = card.strd.start1 if start == 1 else card.strd.start2
    return fit_given(card.law, card.inputs, parameters, printed_rows(name), [chosen])


def digits(name: str, fit: GivenFit) -> tuple[float, float]:
    """Correct digits of the worst parameter and of the worst standard error."""
    certified = catalogue.card(name).strd
    assert certified is not None
    parameters = zip(fit.parameters.values(), certified.certified, strict=True)
    errors = zip(fit.standard_errors.values(), certified.certified_sd, strict=True)
    return min(_agreement(*pair) for pair in parameters), min(_agreement(*pair) for pair in errors)


def _agreement(found: float, certified: float) -> float:
    distance = abs(found - certified) / abs(certified)
    return 0.0 if not math.isfinite(distance) else CERTIFIED if distance == 0 else min(CERTIFIED, -math.log10(distance))


def run_set(problem: Problem) -> Record:
    """Both starts of one set."""
    record: Record = {"name": problem.name, "starts": []}
    for start in (1, 2):
        try:
            own, errors = digits(problem.name, fit_set(problem.name, start))
        except FormulaError:
            own = errors = 0.0
        solved = own >= DIGITS and errors >= ERROR_DIGITS
        record["starts"].append({"start": start, "digits": own, "error_digits": errors, "solved": solved})
    return record | {"solved": any(start["solved"] for start in record["starts"])}


def report(records: Sequence[Record]) -> Report:
    """The table of the certified sets."""
    header = ("set", "level", "digits from start 1", "of its errors", "digits from start 2", "of its errors", "reached")
    rows = tuple(_row(record) for record in records)
    by_start = [sum(record["starts"][i]["solved"] for record in records) for i in (0, 1)]
    summary = (
        f"reached {sum(record['solved'] for record in records)} of {len(records)}; "
        f"from start 1 alone {by_start[0]}, from start 2 alone {by_start[1]}",
        f"least digits from start 1: {min(record['starts'][0]['digits'] for record in records):.1f}, "
        f"of standard errors: {min(record['starts'][0]['error_digits'] for record in records):.1f}",
    )
    title = "NIST StRD nonlinear regression, form given"
    return Report("strd", title, RULE, summary, header, rows, records)


def _row(record: Record) -> tuple[str, ...]:
    certified = catalogue.card(record["name"]).strd
    cells = [f"{start[kind]:.1f}" for start in record["starts"] for kind in ("digits", "error_digits")]
    return (record["name"], certified.level if certified else "", *cells, yes(record["solved"]))
