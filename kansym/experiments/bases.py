"""Which basis? Fit, pruning, formulas and noise by the network alone, for every basis and for what a layer may add."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from kansym.bases import BASES
from kansym.bench.formulas.judge import Law, compare
from kansym.bench.tables import Column, duration, number, share
from kansym.config import STAGES, Config
from kansym.data import Dataset
from kansym.experiments.experiment import Experiment, Setting
from kansym.pipeline import fit
from kansym.result import Result

# Laws that a network of few edges can be, from 1 to 5 columns.
LAWS = (
    "feynman-I.6.2a", "feynman-I.29.16", "feynman-I.12.11", "feynman-III.17.37", "feynman-I.50.26", "feynman-I.13.4",
    "feynman-I.39.11", "feynman-I.8.14", "toy-sine-exponential", "toy-shell",
)  # fmt: skip
NOISES = (0.0, 0.05)
ROWS, FRESH, FRESH_SEED = 1000, 1000, 10_007
DISTRACTORS = 2
SECONDS, QUICK_SECONDS = 20.0, 2.0
SAME, GOOD = 1e-6, 1e-2
ALONE = tuple(stage for stage in STAGES if stage not in ("network", "simplification", "units"))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per basis and noise, over all laws."""
    bases, laws, noises = (BASES.names(), LAWS, NOISES) if not setting.quick else (("bspline",), LAWS[:1], (0.0,))
    return [
        {"case": f"{basis}, noise {noise:g}", **_over([_one(basis, law, noise, setting) for law in laws])}
        for noise in noises
        for basis in bases
    ]


def _one(basis: str, law: str, noise: float, setting: Setting) -> dict[str, float]:
    """What the network alone makes of one law among columns that do not matter."""
    clean = setting.data(law, FRESH, 0.0, FRESH_SEED + setting.seed)
    data = _among_others(setting.data(law, ROWS, noise, setting.seed), setting.seed)
    limit = QUICK_SECONDS if setting.quick else SECONDS
    started = time.perf_counter()
    result = fit(data, Config(seed=setting.seed, basis=basis, time_limit=limit, without=ALONE))
    seconds = time.perf_counter() - started
    fresh = _among_others(clean, setting.seed + 1)
    truth = Law.read(setting.card(law).formula, clean.input_names, clean.inputs)
    distance, r2 = compare(result.formula(fresh.inputs), truth.values)
    return {
        "seconds": seconds, "network": _network_error(result), "formula": float(np.sqrt(max(0.0, 1 - r2))),
        "found": float(distance < SAME), "near": float(1 - r2 < GOOD**2),
        "right": float(_columns(result) == set(clean.input_names)),
        "edges": float(len(result.graph.active()) if result.graph else 0),
    }  # fmt: skip


def _among_others(data: Dataset, seed: int) -> Dataset:
    """The table with two more columns, drawn evenly from the range of the first."""
    column = data.inputs[:, 0]
    more = np.random.default_rng((seed, 5)).uniform(column.min(), column.max(), (data.rows, DISTRACTORS))
    names = tuple(f"other_{place}" for place in range(DISTRACTORS))
    units = (None,) * (data.columns + DISTRACTORS)
    return replace(
        data, inputs=np.hstack([data.inputs, more]), input_names=data.input_names + names, input_units=units,
        target_units=(None,),
    )  # fmt: skip


def _network_error(result: Result) -> float:
    errors = result.network_errors.get("validation")
    return float("nan") if errors is None else float(errors["nrmse"] if isinstance(errors, dict) else errors.nrmse)


def _columns(result: Result) -> set[str]:
    """The columns that the pruned network reads."""
    return {node.label for node in result.graph.active_nodes() if node.layer == 0} if result.graph else set()


def _over(rows: list[dict[str, float]]) -> dict[str, float]:
    """Medians of what is measured, means of what is true or not."""
    means = ("found", "near", "right")
    return {key: float((np.mean if key in means else np.nanmedian)([row[key] for row in rows])) for key in rows[0]}


EXPERIMENT = Experiment(
    name="bases",
    title="Which basis: the network alone",
    rule=(
        f"{len(LAWS)} laws, {ROWS:,} rows, {DISTRACTORS} columns that do not matter, no stage but the network, "
        f"at most {SECONDS:.0f} s each; medians over laws. True columns: the pruned network reads the law's columns "
        f"and no other. Same: equal to the law on fresh clean rows to 1e-6 of the spread; near: to {GOOD:g}"
    ),
    columns=(
        Column("network", "network, held out NRMSE", number),
        Column("right", "true columns", share),
        Column("edges", "edges left", number),
        Column("formula", "formula, NRMSE", number),
        Column("near", "near", share),
        Column("found", "same", share),
        Column("seconds", "time", duration),
    ),
    bars=(),  # the question is open: nobody has published such a table
    run=run,
)
