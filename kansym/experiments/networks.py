"""One small network on a known law: trained, pruned and read, with everything else of a fit left out."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kansym.bench.formulas.judge import Law, compare
from kansym.budget import Budget
from kansym.data.scaler import Scaler
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.pruning import PruneConfig, PruneReport, prune
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.network import formulas, match_edges
from kansym.symbolic.selection import description_length
from kansym.training import TrainConfig, train

ROWS, FRESH = 500, 1000
MEMBERS, WEIGHT_L1, HELD_OUT = 4, 1e-5, 0.2
STEPS = {"levenberg_marquardt": 60, "adam": 1500}
OTHERS = 1
SECONDS = 120.0
SAME, NEAR = 1e-6, 1e-2
NOTHING_LEFT = 1e-10


@dataclass(frozen=True)
class Task:
    """A law of columns that are even on [-1, 1].

    Args:
        law: in the names x, y, z.
        columns: how many of these names it reads.
    """

    law: str
    columns: int

    @property
    def edges(self) -> int:
        """Edges of the smallest network [columns, 1, 1] that is the law."""
        return self.columns + 1

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the table: those of the law, and one that does not matter."""
        return (*"xyz"[: self.columns], *(f"other_{place}" for place in range(OTHERS)))


# Each is a function of a sum of functions of one column: a network [columns, 1, 1].
TASKS = (
    Task("exp(sin(pi*x) + y**2)", 2),
    Task("sin(2*x) + y**2 + exp(z)", 3),
    Task("sqrt(x**2 + y**2 + 1/5)", 2),
    Task("tanh(2*x + y**2 - z)", 3),
    Task("(x + 3/2)/(y + 3/2)", 2),
    Task("abs(x - 3/10) + sin(3*y)", 2),
    Task("(x + 2)*(y + 2)", 2),
    Task("(x + 2)**2*(y + 2)/(z + 2)", 3),
    Task("sqrt((x + 3/2)/(y + 3/2))", 2),
    Task("(x + 2)*exp(-y)", 2),
    Task("(x + 2)*exp(-y**2)", 2),
    Task("(x + 2)*cos(y)", 2),
    Task("exp(-x**2 - y**2)", 2),
    Task("exp(-x**2)/(y + 2)", 2),
    Task("1/(1 + x**2 + y**2)", 2),
    Task("1/(exp(x + y) + 1)", 2),
    Task("log(x**2 + y**2 + 1)", 2),
    Task("log((x + 2)/(y + 2))", 2),
    Task("sin(x + y)", 2),
    Task("cos(2*x - y)", 2),
    Task("sin(x**2 + y)", 2),
    Task("atan(2*x + y)", 2),
    Task("x + y/2", 2),
    Task("x**2 - y**2", 2),
    Task("x**3 - x + y**2", 2),
    Task("sin(pi*x) + cos(pi*y)", 2),
    Task("exp(x) + exp(-y)", 2),
    Task("log(x + 3/2) + sqrt(y + 3/2)", 2),
    Task("cosh(x + y)", 2),
    Task("(x + y)**2", 2),
    Task("(x + y + z)**3", 3),
    Task("sqrt(3 - x**2 - y**2)", 2),
    Task("1/sqrt(1 - x**2/2 - y**2/4)", 2),
    Task("tanh(x) + y**3", 2),
    Task("exp(-(x + y)**2)", 2),
    Task("(x + 2)*(y + 2)*(z + 2)", 3),
    Task("1/(x + 2) + 1/(y + 2)", 2),
    Task("1/(1/(x + 2) + 1/(y + 2))", 2),
    Task("asin((x + y)/3)", 2),
    Task("log(1 + exp(2*x - y))", 2),
)


@dataclass(frozen=True)
class Kind:
    """How the network is made.

    Args:
        layer: of every layer.
        hidden: sums of the one hidden layer.
        readable: whether an edge sees one column: a normalisation over all columns mixes them, and no formula is read.
        optimizer: of `STEPS`; a grid is learned by Adam alone.
    """

    layer: LayerOptions
    hidden: int = 1
    readable: bool = True
    optimizer: str = "levenberg_marquardt"


def explored(task: Task, kind: Kind, noise: float, seed: int, quick: bool = False) -> dict[str, float]:
    """Train, prune and read one network.

    Args:
        task: the law.
        kind: of network.
        noise: of the targets, over the spread of the law.
        seed: of the rows, the noise and the first weights.
        quick: few steps.

    Returns:
        "network": NRMSE on clean fresh rows before pruning; "edges" and "right" (the law's columns and no other) after;
        "graph": no more edges than the law needs as well; "formula", "near" and "found": of the formula on fresh rows;
        "seconds": of the processor.
    """
    started = time.process_time()
    rows, target = _table(task, noise, seed)
    scaler = Scaler.fit(target[:, None])
    x, y = torch.from_numpy(rows), torch.from_numpy(scaler.apply(target[:, None]))
    model = _trained(x, y, kind, seed, quick)
    fresh = np.random.default_rng((seed, 7)).uniform(-1, 1, (FRESH, rows.shape[1]))
    truth = Law.read(task.law, task.names, fresh)
    facts = {"network": _nrmse(scaler.invert(_values(model, fresh))[:, 0], truth.values)}
    report = _pruned(model, x, y, task, seed)
    right = report.inputs == tuple(range(task.columns))
    facts |= {"edges": float(report.edges), "right": float(right), "graph": float(right and report.edges <= task.edges)}
    if kind.readable:
        formula = _read(report, Rows(rows, target), scaler)
        distance, r2 = compare(formula.evaluate(fresh), truth.values)
        error = float(np.sqrt(max(0.0, 1 - r2)))
        facts |= {"formula": error, "near": float(error < NEAR), "found": float(distance < SAME)}
    return facts | {"seconds": time.process_time() - started}


def _table(task: Task, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    rows = generator.uniform(-1, 1, (ROWS, len(task.names)))
    clean = Law.read(task.law, task.names, rows).values
    return rows, clean + noise * clean.std() * generator.standard_normal(ROWS)


def _trained(x: Tensor, y: Tensor, kind: Kind, seed: int, quick: bool) -> KAN:
    widths = [x.shape[1], kind.hidden, 1]
    model = KAN(widths, 1 if quick else MEMBERS, seed, KANOptions(kind.layer))
    steps = 5 if quick else STEPS[kind.optimizer]
    settings = TrainConfig(
        kind.optimizer, steps, l1=WEIGHT_L1, refine=(2 * kind.layer.intervals,), seed=seed,
        validation=HELD_OUT, noise_floor=NOTHING_LEFT,
    )  # fmt: skip
    outcome = train(model, x, y, config=settings)
    return outcome.model.member(outcome.best)


def _pruned(model: KAN, x: Tensor, y: Tensor, task: Task, seed: int) -> PruneReport:
    settings = PruneConfig(
        factor=1.3, noise_floor=1e-8, seed=seed, input_names=task.names, target_names=("f",), validation=HELD_OUT
    )
    return prune(model, x, y, settings)


def _read(report: PruneReport, rows: Rows, scaler: Scaler) -> Expression:
    """The shortest description of the table among the network's formulas."""
    width = rows.inputs.shape[1]
    matched = match_edges(report.graph_after, Scaler(np.zeros(width), np.ones(width)))
    found = list(formulas(matched, scaler, rows, Budget(SECONDS)))
    mean = Constant(float(rows.target.mean()))
    return min([mean, *found], key=lambda each: description_length(each, mean_square(each, rows), rows))


def _values(model: KAN, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(rows))[0].numpy()


def _nrmse(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((values - truth) ** 2)) / truth.std())
