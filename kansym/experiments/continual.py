"""Learning one peak after the other: what of the earlier ones is left, for every basis (KAN paper, section 3.5)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kansym.bases import BASES
from kansym.bench.tables import Column, Record, duration, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training.trainer import TrainConfig, train

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

PEAKS, POINTS, SHARPNESS = 5, 100, 300.0
INTERVALS, STEPS = 200, 60
TESTED = 2001
# What is changed on the way from a local spline to the usual layer, one thing at a time.
VARIANTS: dict[str, dict[str, Any]] = {
    "with base branch": {"base": "silu"},
    "with spline scale": {"spline_scale": True},
    "with LayerNorm": {"normalisation": "layernorm"},
    "with learnt grid": {"learn_grid": True},
}
LOCAL = LayerOptions(intervals=INTERVALS, local=True)
MAIN = "bspline, local"
# Any pull of the weights towards 0 unlearns what the present rows do not show: no ridge.
NEWTON = TrainConfig("levenberg_marquardt", STEPS, ridge=0.0, validation=0.0, grid_updates=0, patience=STEPS)
TRAINING = {
    "": NEWTON,
    " (L-BFGS)": replace(NEWTON, optimizer="lbfgs"),
}


def target(x: torch.Tensor) -> torch.Tensor:
    """Five peaks exp(-300 (x - c)²), evenly spread over [-1, 1]."""
    centres = -1 + (2 * torch.arange(PEAKS, dtype=torch.float64) + 1) / PEAKS
    return torch.exp(-SHARPNESS * (x - centres) ** 2).sum(-1, keepdim=True)


def cases() -> dict[str, tuple[LayerOptions, TrainConfig]]:
    """Every basis as a local layer with both optimizers, and cubic B-splines with one thing more each."""
    local = {
        f"{name}, local{words}": (replace(LOCAL, basis=name), training)
        for name in BASES.names()
        for words, training in TRAINING.items()
    }
    plain = LayerOptions(intervals=INTERVALS, base="none")
    changed = {f"bspline, {words}": (replace(plain, **more), NEWTON) for words, more in VARIANTS.items()}
    return local | changed | {"bspline, usual ridge of 1e-12": (LOCAL, replace(NEWTON, ridge=1e-12))}


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per case."""
    chosen = {MAIN: (LOCAL, NEWTON)} if setting.quick else cases()
    return [{"case": name, **_learnt(*case, setting.seed)} for name, case in chosen.items()]


def _learnt(options: LayerOptions, training: TrainConfig, seed: int) -> dict[str, Any]:
    """Train on one peak after the other; report errors and what was predicted."""
    started = time.perf_counter()
    model = KAN([1, 1], 1, seed, KANOptions(options))
    for phase in range(PEAKS):
        x = _points(phase, seed)
        model = train(model, x, target(x), config=training).model
    x = torch.linspace(-1, 1, TESTED, dtype=torch.float64)[:, None]
    with torch.no_grad():
        missed = (model(x)[0] - target(x))[:, 0]
    last = missed[x[:, 0] > 1 - 2 / PEAKS]
    seconds = time.perf_counter() - started
    facts = {"whole": _rms(missed), "last": _rms(last), "seconds": seconds, "parameters": _count(model)}
    return facts | {"curve": [float(f"{each:.3g}") for each in (missed + target(x)[:, 0])[:: TESTED // 100].tolist()]}


def _points(phase: int, seed: int) -> torch.Tensor:
    """A hundred points of one fifth of the range, moved by up to a tenth of their distance by the seed."""
    generator = torch.Generator().manual_seed(1000 * seed + phase)
    width = 2 / PEAKS
    jitter = 0.1 * (2 * torch.rand(POINTS, generator=generator, dtype=torch.float64) - 1)
    return (-1 + width * phase + width * (torch.arange(POINTS) + 0.5 + jitter) / POINTS)[:, None]  # (100, 1)


def _rms(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def _count(model: KAN) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def picture(records: Sequence[Record]) -> Figure:
    """What is left of the five peaks, for every case of the first seed."""
    from kansym.report.pictures.curves import small_multiples

    first = [row for row in records if row["seed"] == records[0]["seed"] and "curve" in row]
    shown = {str(row["case"]): np.array(row["curve"]) for row in first}
    along = np.linspace(-1, 1, len(next(iter(shown.values()))))
    truth = target(torch.tensor(along)[:, None])[:, 0].numpy()
    return small_multiples(along, truth, shown, "x", "after five phases")


EXPERIMENT = Experiment(
    name="continual",
    title="Continual learning: five peaks, one after the other",
    rule=(
        f"one edge with {INTERVALS} intervals learns y = sum of exp(-300 (x - c)^2) from {POINTS} points of one fifth "
        f"of the range at a time, at most {STEPS} steps of Levenberg-Marquardt (or L-BFGS) each; errors are root mean "
        f"squares on {TESTED} points"
    ),
    columns=(
        Column("whole", "RMSE, whole range", number),
        Column("last", "RMSE, last fifth", number),
        Column("parameters", "parameters"),
        Column("seconds", "time", duration),
    ),
    bars=(
        Bar("whole", 2e-5, case=MAIN, beats="pykan with its own settings for this: 2.2e-5"),
        Bar("seconds", 10.0, case=MAIN),
    ),
    run=run,
    picture=picture,
)
