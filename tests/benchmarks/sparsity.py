"""Weight-L1 against group and activation-L1: which of them tells columns that matter from columns that do not?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report

if TYPE_CHECKING:
    from torch import Tensor

    from kansym.nn import KAN

RULE = (
    "Columns even on [-1, 1], the law's and 3 that it does not read; target scaled to variance 1, with 10 % of normal "
    "noise; 150 rows to fit, 500 without noise to judge by; network [d, 1 or 2, 1] (cubic, 5 intervals, SiLU); Adam on "
    "autograd for all, 400 steps, all rows, learning rate 0.03 falling to 0. Strengths 1e-3, 3e-3, 1e-2, 3e-2, 1e-1 in "
    "units of the mean squared error; chosen is the one with the least ratio among those whose NRMSE stays below 1.2 x "
    "the least of all strengths, 0 included. Ratio: the score of the strongest of the 3 columns over that of the "
    "weakest column of the law; a column's score is that of its strongest edge, the share of the output's spread that "
    "comes through it on the judging rows. Cells: ratio / NRMSE / chosen strength, medians of 3 seeds (rows, noise and "
    "first weights)"
)
STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SEEDS = 3
DISTRACTORS = 3
ROWS, JUDGED, STEPS, RATE, NOISE = 150, 500, 400, 0.03, 0.1
# Below this ratio a threshold between the two kinds of columns is easily found.
CLEAR = 0.1
# How much more error than the best a sparser network may make.
SLACK = 1.2
PENALTIES = ("weight-L1", "group", "activation-L1")


@dataclass(frozen=True)
class Law:
    """A function of its columns, (d, N) -> (N,), and the hidden nodes of the network that is to learn it."""

    columns: int
    hidden: int
    value: Callable[[np.ndarray], np.ndarray]


LAWS = {
    "sin 3x": Law(1, 1, lambda x: np.sin(3 * x[0])),
    "x y": Law(2, 2, lambda x: x[0] * x[1]),
    "exp(sin pi x + y^2)": Law(2, 1, lambda x: np.exp(np.sin(np.pi * x[0]) + x[1] ** 2)),
    "sqrt(x^2 + y^2 + 0.2)": Law(2, 1, lambda x: np.sqrt(x[0] ** 2 + x[1] ** 2 + 0.2)),
    "(x + 1.5) / (y + 1.5)": Law(2, 1, lambda x: (x[0] + 1.5) / (x[1] + 1.5)),
    "exp(-x^2 / (2 (1 + y/2)^2))": Law(2, 2, lambda x: np.exp(-0.5 * (x[0] / (1 + x[1] / 2)) ** 2)),
    "(y + 1.5) / sqrt(1 - 0.64 x^2)": Law(2, 1, lambda x: (x[1] + 1.5) / np.sqrt(1 - 0.64 * x[0] ** 2)),
    "exp(-x^2) cos 2y": Law(2, 2, lambda x: np.exp(-(x[0] ** 2)) * np.cos(2 * x[1])),
    "x + sin pi y + z^2": Law(3, 1, lambda x: x[0] + np.sin(np.pi * x[1]) + x[2] ** 2),
    "(x + z)^2 - y^2": Law(3, 2, lambda x: (x[0] + x[2]) ** 2 - x[1] ** 2),
    "tanh(2x + y^2 - z)": Law(3, 1, lambda x: np.tanh(2 * x[0] + x[1] ** 2 - x[2])),
    "x + 0.1 y": Law(2, 1, lambda x: x[0] + 0.1 * x[1]),
}


def names() -> list[str]:
    """The laws."""
    return list(LAWS)


def run_law(problem: Problem) -> Record:
    """Every penalty on one law."""
    import torch

    torch.set_num_threads(1)
    law, started = LAWS[problem.name], time.perf_counter()
    draws = [_rows(law, seed) for seed in range(SEEDS)]
    x, y = (torch.stack([draw[part] for draw in draws]) for part in range(2))  # (seeds, N, d + 3), (seeds, N, 1)
    record: Record = {"name": problem.name, "columns": law.columns, "hidden": law.hidden, "cases": {}}
    for penalty in PENALTIES:
        model = trained(law, x[:, :ROWS], y[:, :ROWS], penalty)
        ratios, errors = judged(model, _per_strength(x[:, ROWS:]), _per_strength(y[:, ROWS:]), law.columns)
        record["cases"][penalty] = [choose(*seed) for seed in zip(ratios, errors, strict=True)]
        record["none"] = [[ratio[0], error[0]] for ratio, error in zip(ratios, errors, strict=True)]
    record["seconds"] = round(time.perf_counter() - started, 2)
    return record


def _rows(law: Law, seed: int) -> tuple[Tensor, Tensor]:
    """Columns (N, d + 3) and targets (N, 1): the rows to fit with noise, then those to judge by without."""
    import torch

    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, (ROWS + JUDGED, law.columns + DISTRACTORS))
    y = law.value(x[:, : law.columns].T)
    y = (y - y.mean()) / y.std()
    y[:ROWS] += NOISE * generator.standard_normal(ROWS)
    return torch.from_numpy(x), torch.from_numpy(y).unsqueeze(-1)


def _per_strength(rows: Tensor) -> Tensor:
    """Give every member its seed's rows: the members are the strengths of the first seed, 0 first, then the next."""
    return rows.repeat_interleave(1 + len(STRENGTHS), 0)


def trained(law: Law, x: Tensor, y: Tensor, penalty: str) -> KAN:
    """The population after Adam, one member per seed and strength; x (seeds, N, d + 3), y (seeds, N, 1)."""
    import torch

    from kansym.nn import KAN

    start = KAN([x.shape[-1], law.hidden, 1], members=SEEDS, seed=1)
    model = start.select([seed for seed in range(SEEDS) for _ in range(1 + len(STRENGTHS))])
    x, y, strengths = _per_strength(x), _per_strength(y), torch.tensor([0.0, *STRENGTHS] * SEEDS, dtype=x.dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / STEPS)))
    for _ in range(STEPS):
        loss = objective(model, x, y, penalty, strengths).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def objective(model: KAN, x: Tensor, y: Tensor, penalty: str, strengths: Tensor) -> Tensor:
    """Mean squared error plus penalty of every member, (E,)."""
    from kansym.training import Penalty
    from kansym.training.penalties import activation_l1

    if penalty == "activation-L1":
        hidden, outputs = model.expand(x), []
        for index, layer in enumerate(model.stack):
            outputs.append(layer.edge_outputs(hidden))
            hidden = model.combine(outputs[-1].sum(2), index)
        return (hidden - y).square().mean((1, 2)) + strengths * activation_l1(outputs)
    blocks = [layer.weights().flatten(1, 2) for layer in model.stack]
    added = Penalty(l1=strengths) if penalty == "weight-L1" else Penalty(group=strengths)
    return (model(x) - y).square().mean((1, 2)) + added.value(blocks)


def judged(model: KAN, x: Tensor, y: Tensor, columns: int) -> tuple[list[list[float]], list[list[float]]]:
    """Ratio and NRMSE of every member, by seed and strength; x (E, N, d + 3), y (E, N, 1)."""
    import torch

    from kansym.graph import edge_scores

    with torch.no_grad():
        scores = edge_scores(model, x)[0].amax(2)  # (E, d + 3)
        ratios = scores[:, columns:].amax(1) / scores[:, :columns].amin(1)
        errors = ((model(x) - y).square().mean((1, 2)) / y.var((1, 2), correction=0)).sqrt()
    return ratios.unflatten(0, (SEEDS, -1)).tolist(), errors.unflatten(0, (SEEDS, -1)).tolist()


def choose(ratios: Sequence[float], errors: Sequence[float]) -> list[float]:
    """Ratio, NRMSE and strength of the sparsest run that is still accurate; the first of each is without penalty."""
    good = [place for place in range(1, len(ratios)) if errors[place] <= SLACK * min(errors)]
    place = min(good, key=lambda place: ratios[place], default=1)
    return [ratios[place], errors[place], STRENGTHS[place - 1]]


def report(records: Sequence[Record]) -> Report:
    """One row a law."""
    rows = tuple(
        (r["name"], f"[{r['columns']} + {DISTRACTORS}, {r['hidden']}, 1]", _cell(r["none"]),
         *(_cell(r["cases"][penalty]) for penalty in PENALTIES))
        for r in records
    )  # fmt: skip
    summary = [_sentence("none", [r["none"] for r in records])]
    summary += [_sentence(penalty, [r["cases"][penalty] for r in records]) for penalty in PENALTIES]
    for rival in PENALTIES[1:]:
        wins = sum(_median(r["cases"]["weight-L1"])[0] < _median(r["cases"][rival])[0] for r in records)
        summary.append(f"weight-L1 has the smaller ratio than {rival} on {wins} of {len(records)} laws")
    title = "Weight-L1, group and activation-L1 on columns that do not matter"
    header = ("law", "network", "no penalty", *PENALTIES)
    return Report("sparsity", title, RULE, tuple(summary), header, rows, records)


def _median(seeds: Sequence[Sequence[float]]) -> list[float]:
    return [float(value) for value in np.median(np.array(seeds), axis=0)]


def _cell(seeds: Sequence[Sequence[float]]) -> str:
    return " / ".join(f"{value:.2g}" for value in _median(seeds))


def _sentence(name: str, laws: Sequence[Sequence[Sequence[float]]]) -> str:
    medians = np.array([_median(law)[:2] for law in laws])
    clear = sum(seed[0] < CLEAR for law in laws for seed in law)
    runs = sum(len(law) for law in laws)
    return (
        f"{name}: median ratio {np.median(medians[:, 0]):.2g}, median held-out NRMSE {np.median(medians[:, 1]):.2g}, "
        f"ratio below {CLEAR} in {clear} of {runs} runs"
    )
