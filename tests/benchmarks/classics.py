"""Measured tables with a law everyone knows; found when the formula belongs to the law's family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import kansym_datasets
from tests.benchmarks.families import Family, member
from tests.benchmarks.runs import Problem, Record, fitted
from tests.benchmarks.tables import Report, number, yes

SECOND_RADIATION_CONSTANT = 1.438776877  # h c / k in cm K, exact in the SI
TEMPERATURE = 2.7250
TOLERANCE = 0.0005
VAPOUR_WORDS = "exp(A - B/T), or Antoine exp(A - B/(T + C)), or exp(A - B/T) T^C; B above 1000 K"
VAPOUR = {"A": 17.0, "B": 5000.0, "C": 0.0}


def _boils(parameters: Mapping[str, float]) -> bool:
    return parameters["B"] > 1000.0  # a bare power of T has B = 0


def _four(parameters: Mapping[str, float]) -> bool:
    return round(parameters["c"], 3) == 4.0


CLAUSIUS = Family("A - B/T + C*log(T)", VAPOUR, logarithm=True, accepts=_boils)
ANTOINE = Family("A - B/(T + C)", VAPOUR, logarithm=True, accepts=_boils)
FAMILIES: dict[str, tuple[tuple[Family, ...], str]] = {
    "kepler": ((Family("k*a**(3/2)", {"k": 1.0}),), "k a^(3/2), the exponent exact"),
    "planets": ((Family("k*a**(3/2)", {"k": 1.0}),), "k a^(3/2), the exponent exact"),
    "hubble1929": ((Family("K*r + c", {"K": 400.0, "c": 0.0}),), "a straight line"),
    "balmer": (
        (Family("B*n**2/(n**2 - c)", {"B": 364.0, "c": 4.0}, accepts=_four),),
        "B n^2/(n^2 - 4), the 4 to three decimals",
    ),
    "forbes": ((CLAUSIUS, ANTOINE), VAPOUR_WORDS),
    "mercury": ((CLAUSIUS, ANTOINE), VAPOUR_WORDS),
    "boyle": ((Family("k/V", {"k": 1400.0}),), "k/V"),
    "firas": ((Family("a*nu**3/(exp(b*nu) - 1)", {"a": 39.7, "b": 0.528}),), "a nu^3/(exp(b nu) - 1)"),
}
DEFAULT = ("kepler", "hubble1929", "balmer", "forbes", "mercury", "boyle")
RULE = (
    "found when the formula belongs to the family of the law with free constants: the family, fitted to the formula on "
    "200 points of the data's range, leaves less than 1e-8 of its spread"
)


def run_classic(problem: Problem) -> Record:
    """Fit a measured table and say whether the formula belongs to the family of its law."""
    record, result = fitted(problem)
    families, words = FAMILIES[problem.name]
    record["family"] = words
    if result is None:
        return record | {"solved": False, "lost": record["error"]}
    data = kansym_datasets.load(problem.name)
    low, high = float(data.inputs.min()), float(data.inputs.max())
    for family in families:
        parameters = member(family, result.formula, data.input_names[0], low, high)
        if parameters is not None:
            return record | {"solved": True, "parameters": dict(parameters), "lost": ""}
    return record | {"solved": False, "lost": "another form"}


def run_firas(problem: Problem) -> Record:
    """As `run_classic`, with the temperature of the black body."""
    record = run_classic(problem)
    if record["solved"]:
        kelvin = SECOND_RADIATION_CONSTANT / record["parameters"]["b"]
        within = abs(kelvin - TEMPERATURE) <= TOLERANCE
        record |= {"temperature": kelvin, "solved": within, "lost": "" if within else "another temperature"}
    return record


def report_classics(records: Sequence[Record]) -> Report:
    """The table of measured laws."""
    header = ("data", "seed", "found", "s", "formula", "where it was lost")
    rows = tuple(
        (r["name"], str(r["seed"]), yes(r["solved"]), number(r["seconds"]), r.get("short") or "", r["lost"])
        for r in records
    )
    found, longest = sum(r["solved"] for r in records), max(r["seconds"] for r in records)
    summary = [f"found {found} of {len(records)}; longest fit {longest:.1f} s"]
    for name in dict.fromkeys(r["name"] for r in records):
        own = [r for r in records if r["name"] == name]
        summary.append(f"{name}: {FAMILIES[name][1]}: {sum(r['solved'] for r in own)} of {len(own)}")
    title = "Classics: measured tables and the laws they are known for"
    return Report("classics", title, RULE, tuple(summary), header, rows, records)


def report_firas(records: Sequence[Record]) -> Report:
    """The table of the black body."""
    header = ("seed", "found", "T [K]", "s", "formula", "where it was lost")
    rows = tuple(
        (str(r["seed"]), yes(r["solved"]), f"{r['temperature']:.6f}" if "temperature" in r else "",
         number(r["seconds"]), r.get("short") or "", r["lost"])
        for r in records
    )  # fmt: skip
    found = sum(r["solved"] for r in records)
    summary = (
        f"found {found} of {len(records)}, with a temperature within {TEMPERATURE:.4f} +- {TOLERANCE} K; "
        f"longest fit {max(r['seconds'] for r in records):.1f} s",
    )
    rule = RULE + "; T = h c/(k b) with h c/k = 1.438776877 cm K; the standard errors of the table are used as sigma"
    title = "FIRAS: the spectrum of the cosmic microwave background"
    return Report("firas", title, rule, summary, header, rows, records)
