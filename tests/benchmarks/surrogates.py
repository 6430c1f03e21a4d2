"""Rival surrogates: a Gaussian process against KANs, by held-out error, by the error of the gradient, and by time.

Structure is read from a surrogate's gradient, so it is the gradient that decides which of them the search uses.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report

RULE = (
    "1,200 rows to fit, 400 to judge by, in columns scaled to [-1, 1]; NRMSE on the judging rows, and the error of the "
    "gradient there (central differences of the law) over its root mean square; best of 4 members for the KANs"
)
KANS = ((4,), (3, 2))
STEPS = 60
STEP = 2e-5


def names() -> list[str]:
    """Every third Feynman law that is no monomial and has two to six columns."""
    from kansym_datasets import generators

    laws = [name for name in generators.suite("feynman") if not generators.card(name).monomial]
    return [name for name in laws if 2 <= len(generators.card(name).input_names) <= 6][::3]


def run_law(problem: Problem) -> Record:
    """All surrogates on one law."""
    from kansym_datasets import generators
    from kansym_datasets.formula import evaluate

    card = generators.card(problem.name)
    data = generators.load(problem.name, rows=1600, seed=problem.seed)
    low, high = data.inputs.min(axis=0), data.inputs.max(axis=0)
    points = (2 * data.inputs - low - high) / (high - low)
    target = (data.targets[:, 0] - data.targets[:, 0].mean()) / data.targets[:, 0].std()

    def law(inputs: np.ndarray) -> np.ndarray:
        return evaluate(card.formula, dict(zip(card.input_names, inputs.T, strict=True)))

    shifts = np.diag(0.5 * STEP * (high - low))  # a step of STEP in the scaled columns
    differences = [law(data.inputs[1200:] + h) - law(data.inputs[1200:] - h) for h in shifts]
    truth = np.stack(differences, axis=1) / (2 * STEP) / data.targets[:, 0].std()
    record: Record = {"name": problem.name, "columns": points.shape[1], "short": ""}
    for label, fit in (("gp", _gaussian_process), *((f"kan {shape}", _kan(shape)) for shape in KANS)):
        started = time.perf_counter()
        predicted, gradient = fit(points[:1200], target[:1200], points[1200:])
        record[label] = {
            "nrmse": float(np.sqrt(np.mean((predicted - target[1200:]) ** 2)) / target[1200:].std()),
            "gradient": float(np.sqrt(np.mean((gradient - truth) ** 2) / np.mean(truth**2))),
            "seconds": round(time.perf_counter() - started, 2),
        }
    record["seconds"] = sum(record[label]["seconds"] for label in ("gp", *(f"kan {shape}" for shape in KANS)))
    return record


def _gaussian_process(inputs: np.ndarray, target: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from kansym.structure.surrogate import fit_surrogate

    model = fit_surrogate(inputs[:900], target[:900], inputs[900:], target[900:])
    assert model is not None
    return model.predict(at), model.gradient(at)


def _kan(hidden: tuple[int, ...]):
    def fit(inputs: np.ndarray, target: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import torch

        from kansym.nn import KAN
        from kansym.training import TrainConfig, train

        torch.set_num_threads(1)
        model = KAN([inputs.shape[1], *hidden, 1], members=4, seed=0)
        config = TrainConfig(optimizer="levenberg_marquardt", steps=STEPS, refine=(10,))
        outcome = train(model, torch.from_numpy(inputs), torch.from_numpy(target), None, config)
        points, best = torch.from_numpy(at), outcome.best
        with torch.no_grad():
            return outcome.model(points)[best, :, 0].numpy(), outcome.model.gradient(points, 0)[best].detach().numpy()

    return fit


def report(records: Sequence[Record]) -> Report:
    """One row a law, medians below."""
    labels = ["gp", *(f"kan {shape}" for shape in KANS)]
    header = ("law", "columns", *(f"{label}: {what}" for label in labels for what in ("NRMSE", "gradient", "s")))
    rows = [
        (
            r["name"],
            str(r["columns"]),
            *(f"{r[label][key]:.2g}" for label in labels for key in ("nrmse", "gradient", "seconds")),
        )
        for r in records
    ]
    summary = [
        f"{label}: median NRMSE {np.median([r[label]['nrmse'] for r in records]):.2g}, "
        f"gradient {np.median([r[label]['gradient'] for r in records]):.2g}, "
        f"{np.median([r[label]['seconds'] for r in records]):.2g} s"
        for label in labels
    ]
    return Report(
        "surrogates", "Rival surrogates for reading structure", RULE, tuple(summary), header, tuple(rows), records
    )
