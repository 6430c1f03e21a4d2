"""The accelerations in galaxies against those that their visible matter explains: which laws does the table allow?"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kansym.bench.tables import Column, duration, number
from kansym.config import Config
from kansym.data import Dataset, read_table
from kansym.errors import ConfigError
from kansym.experiments.experiment import Experiment, Setting
from kansym.pipeline import fit
from kansym.result import Result
from kansym.symbolic.formula import ParetoFront

VARIABLE = "KANSYM_RAR"
SECONDS, QUICK_SECONDS = 120.0, 5.0
MODELLED_ROWS, SCATTER = 1500, 0.13  # decades, about what is measured
SCALE = 1.2e-10  # m/s^2
HELD_OUT = (
    "validation",
    "leave-one-out",
    "test",
    "train",
)  # the part whose error a formula is chosen by, first that is


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per formula that the data cannot tell from the chosen one, the chosen one first.

    Raises:
        ConfigError: when no file was given; a quick run draws a table by itself.
    """
    table = modelled(setting.seed) if setting.quick else _given()
    limit = QUICK_SECONDS if setting.quick else SECONDS
    started = setting.clock()
    result = fit(table, Config(seed=setting.seed, time_limit=limit), budget=setting.budget(limit))
    return ranked(result, setting.clock() - started)


def _given() -> Dataset:
    path = os.environ.get(VARIABLE)
    if not path:
        raise ConfigError(
            f"the radial acceleration relation is measured data of others: set {VARIABLE} to a file with two columns, "
            "log10 of the acceleration that visible matter explains and log10 of the measured one"
        )
    return read_table(path)


def modelled(seed: int, rows: int = MODELLED_ROWS) -> Dataset:
    """A table like the measured one: g = b/(1 - exp(-sqrt(b/a))) with scatter, both as log10 of m/s^2."""
    generator = np.random.default_rng(seed)
    visible = generator.uniform(-12, -8.5, rows)
    ratio = 10.0**visible / SCALE
    observed = visible - np.log10(-np.expm1(-np.sqrt(ratio))) + SCATTER * generator.standard_normal(rows)
    return Dataset(visible, observed, ("log_g_visible",), ("log_g",), source="modelled")


def ranked(result: Result, seconds: float) -> list[dict[str, Any]]:
    """The chosen formula and those that are as good, by the length of their descriptions.

    That no other form was found does not determine the form: the search did not try them all.
    """
    front = result.front
    tied = {front.chosen, *front.rivals, *_as_close(front)}
    places = sorted(tied, key=lambda place: front.formulas[place].description_length)
    shortest = front.formulas[places[0]].description_length
    verdict = "no tie among the formulas tried" if len(places) == 1 else "form not determined"
    return [
        {
            "case": f"rank {rank + 1}", "short": formula.text(5), "complexity": formula.complexity,
            "nats": formula.description_length - shortest, "error": formula.held_out, "ties": len(places),
            "verdict": verdict, "seconds": seconds,
        }
        for rank, formula in enumerate(front.formulas[place] for place in places)
    ]  # fmt: skip


def _as_close(front: ParetoFront) -> list[int]:
    """Places of formulas whose held-out error is that of the chosen one to the standard error of its estimate.

    The standard error of a root mean square of m normal errors is the root mean square over sqrt(2 m).
    """
    best = front.best.held_out
    counted = [errors.rows for part in HELD_OUT if (errors := front.best.errors.get(part)) and errors.rows]
    doubt = best / np.sqrt(2.0 * counted[0]) if counted else 0.0
    return [place for place, formula in enumerate(front.formulas) if abs(formula.held_out - best) <= doubt]


EXPERIMENT = Experiment(
    name="rar",
    title="The radial acceleration relation",
    rule=(
        f"a table of the user's, named by the environment variable {VARIABLE}: two columns, log10 accelerations; "
        f"{SECONDS:.0f} s. Listed: every formula within a few nats of the shortest description, or whose held-out "
        "error is that of the chosen one to its standard error: the data cannot tell them apart"
    ),
    columns=(
        Column("short", "formula"),
        Column("complexity", "nodes"),
        Column("nats", "nats behind", number),
        Column("error", "NRMSE, held out", number),
        Column("verdict", "verdict"),
        Column("seconds", "time", duration),
    ),
    bars=(),  # the answer may be that the data do not settle the form
    run=run,
)
