"""Fifteen special functions of two variables, each by a small network (KAN paper, section 3.2, table 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import special

from kansym.bench.tables import Column, Record, duration, number
from kansym.data.scaler import Scaler
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import TrainConfig, train

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

Array = np.ndarray
ROWS, TESTED, MEMBERS, STEPS = 1000, 1000, 8, 120
HIDDEN, INTERVALS, REFINED, DEGREE = 4, 6, (12, 24), 3
NOTHING_LEFT = 1e-20
WANTED = 12


@dataclass(frozen=True)
class Special:
    """A function of two variables.

    Args:
        value: (x, y) -> values.
        x, y: ranges of the two variables.
        kan, mlp: best test RMSE that the paper reports.
    """

    value: Callable[[Array, Array], Array]
    x: tuple[float, float]
    y: tuple[float, float]
    kan: float
    mlp: float


def _legendre(order: int) -> Callable[[Array, Array], Array]:
    return lambda degree, z: special.lpmv(order, degree, z)


def _harmonic(order: int, degree: int) -> Callable[[Array, Array], Array]:
    return lambda azimuth, polar: np.real(special.sph_harm_y(degree, order, polar, azimuth))


_ANGLES = ((0.0, 2 * np.pi), (0.0, np.pi))
FUNCTIONS: dict[str, Special] = {
    "ellipj": Special(lambda u, m: special.ellipj(u, m)[0], (-1.0, 1.0), (0.0, 1.0), 1.33e-4, 6.48e-4),
    "ellipkinc": Special(special.ellipkinc, (-1.0, 1.0), (0.0, 0.95), 1.24e-4, 5.52e-4),
    "ellipeinc": Special(special.ellipeinc, (-1.0, 1.0), (0.0, 0.95), 8.26e-5, 3.04e-4),
    "jv": Special(special.jv, (0.0, 3.0), (0.5, 8.0), 1.64e-3, 5.52e-3),
    "yv": Special(special.yv, (0.0, 1.0), (1.0, 8.0), 1.49e-5, 3.45e-4),
    "kv": Special(special.kv, (0.0, 1.0), (1.0, 5.0), 2.52e-5, 1.67e-4),
    "iv": Special(special.iv, (0.0, 3.0), (0.5, 4.0), 9.28e-3, 1.07e-2),
    "lpmv, m = 0": Special(_legendre(0), (0.0, 3.0), (-0.9, 0.9), 5.25e-5, 1.74e-2),
    "lpmv, m = 1": Special(_legendre(1), (0.0, 3.0), (-0.9, 0.9), 6.90e-4, 1.50e-3),
    "lpmv, m = 2": Special(_legendre(2), (0.0, 3.0), (-0.9, 0.9), 2.26e-4, 9.43e-4),
    "sph_harm, m = 0, n = 1": Special(_harmonic(0, 1), *_ANGLES, 2.21e-7, 1.25e-6),
    "sph_harm, m = 1, n = 1": Special(_harmonic(1, 1), *_ANGLES, 1.22e-4, 6.70e-4),
    "sph_harm, m = 0, n = 2": Special(_harmonic(0, 2), *_ANGLES, 1.95e-7, 2.85e-6),
    "sph_harm, m = 1, n = 2": Special(_harmonic(1, 2), *_ANGLES, 1.50e-5, 1.84e-3),
    "sph_harm, m = 2, n = 2": Special(_harmonic(2, 2), *_ANGLES, 9.45e-5, 6.21e-4),
}


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per function."""
    names = list(FUNCTIONS)[: 1 if setting.quick else None]
    return [{"case": name, **_row(FUNCTIONS[name], setting)} for name in names]


def _row(function: Special, setting: Setting) -> dict[str, Any]:
    rows, values = _drawn(function, ROWS, (setting.seed, 1))
    inputs = Scaler(np.array([sum(function.x), sum(function.y)]) / 2, np.array([_half(function.x), _half(function.y)]))
    target = Scaler.fit(values[:, None])
    started = setting.clock()
    model = _trained(inputs.apply(rows), target.apply(values[:, None]), setting)
    seconds = setting.clock() - started
    fresh, truth = _drawn(function, TESTED, (setting.seed, 2))
    with torch.no_grad():
        predicted = target.invert(model(torch.from_numpy(inputs.apply(fresh)))[0].numpy())[:, 0]
    rmse = float(np.sqrt(np.mean((predicted - truth) ** 2)))
    return {
        "rmse": rmse, "kan": function.kan, "mlp": function.mlp, "better": rmse <= function.kan, "seconds": seconds,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }  # fmt: skip


def _half(ends: tuple[float, float]) -> float:
    return (ends[1] - ends[0]) / 2


def _drawn(function: Special, rows: int, seed: tuple[int, int]) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x, y = generator.uniform(*function.x, rows), generator.uniform(*function.y, rows)
    return np.column_stack([x, y]), np.asarray(function.value(x, y), dtype=float)


def _trained(x: Array, y: Array, setting: Setting) -> KAN:
    layer = LayerOptions(intervals=INTERVALS, degree=DEGREE)
    model = KAN([2, HIDDEN, 1], 1 if setting.quick else MEMBERS, setting.seed, KANOptions(layer))
    settings = TrainConfig(
        "levenberg_marquardt", 6 if setting.quick else STEPS, refine=() if setting.quick else REFINED,
        seed=setting.seed, noise_floor=NOTHING_LEFT, validation=0.1,
    )  # fmt: skip
    outcome = train(model, torch.from_numpy(x), torch.from_numpy(y), config=settings)
    return outcome.model.member(outcome.best)


def picture(records: Sequence[Record]) -> Figure:
    """Errors of ours beside those of the paper."""
    from kansym.report.pictures.dots import Panel, dots

    names = list(dict.fromkeys(str(row["case"]) for row in records))
    middle = [float(np.median([row["rmse"] for row in records if row["case"] == name])) for name in names]
    series = {
        "kansym": middle,
        "KAN paper": [FUNCTIONS[name].kan for name in names],
        "its MLP": [FUNCTIONS[name].mlp for name in names],
    }
    return dots(names, [Panel("RMSE on fresh rows", True, series)])


EXPERIMENT = Experiment(
    name="special-functions",
    title="Fifteen special functions",
    rule=(
        f"one shape for all, [2, {HIDDEN}, 1], cubic splines of {INTERVALS} intervals refined to {REFINED[-1]}, "
        f"{MEMBERS} starts of Levenberg-Marquardt, {ROWS:,} rows; RMSE on {TESTED:,} fresh rows of the same ranges. "
        "The paper does not tell its ranges: ours are in the module"
    ),
    columns=(
        Column("rmse", "RMSE", number),
        Column("kan", "KAN paper", number),
        Column("mlp", "its perceptron", number),
        Column("better", "as good as the paper's KAN", lambda value: "yes" if value else "no"),
        Column("parameters", "numbers"),
        Column("seconds", "time", duration),
    ),
    bars=(
        Bar("better", WANTED / len(FUNCTIONS), at_least=True, over="mean", beats=f"KAN paper, {WANTED} of 15 wanted"),
    ),
    run=run,
    picture=picture,
)
