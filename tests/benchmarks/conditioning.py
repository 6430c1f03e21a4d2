"""Parameterisations of the coefficients: condition numbers of penalty, data term and both, and what Adam makes of it.

Singular values are taken of factors of the matrices, never of products, so that condition numbers of 1e12 are right,
and of factors without the null space, so that it never has to be told from rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report

if TYPE_CHECKING:
    from torch import Tensor

    from kansym.bases import BSpline

RULE = (
    "B-splines with N even grid intervals, B = N + degree coefficients c = M w. Cells: condition number of the penalty "
    "/ of the data term / of data term + strength x penalty, in the raw numbers w. Penalty: the sum of squared second "
    "differences, D'D; its condition number is the squared ratio of the extreme ones of the B - 2 singular values of "
    "D M, so the two directions of the null space, constant and straight line, are left out by the shape of D and not "
    "by a threshold. Data term: the mean products of the basis functions under an even distribution over the domain "
    "(Gauss-Legendre, exact), all B directions. Strength: 1e-8 N^3, which is 1e-8 times the mean squared second "
    "derivative over a domain of length one at every N. Least product: what the product of the first two cannot fall "
    "below, whatever M is (the ratio of the extreme eigenvalues of the penalty against the data term, null space left "
    "out)"
)
ADAM_RULE = (
    "Adam (0.9, 0.999), all rows, from w = 0, constant learning rate, on mean squared error + 1e-8 N^3 x penalty; "
    "cubic; 1,000 rows of sin 2 pi x + 0.3 sin 10 pi x with normal noise 0.1. Steps until the curve's root mean square "
    "distance to the exact minimum, over the rows, is 1 % of the target's spread: median (least to most) of 5 draws of "
    "rows and noise, at the one best of 11 learning rates from 1e-4 to 10, in brackets"
)
KINDS = {"linear": 1, "cubic": 3}
SIZES = (8, 16, 32, 64, 128, 256, 512)
ADAM_SIZES = (16, 64, 256)
SMOOTHING = 1e-8
RATES = tuple(10 ** (power / 2) for power in range(-8, 3))
SEEDS = 5
ROWS, NOISE = 1000, 0.1
MOST_STEPS = 5_000
NEAR = 0.01
PENALTY_ROWS = ("plain", "prefix-sum", "dct of coefficients", "dct")


def names() -> list[str]:
    """The cases: condition numbers by kind and size, and runs of Adam by size."""
    return [f"{kind}-{size}" for kind in KINDS for size in SIZES] + [f"adam-{size}" for size in ADAM_SIZES]


def run_case(problem: Problem) -> Record:
    """One row of one of the two tables."""
    kind, size = problem.name.split("-")
    return run_adam(problem.name, int(size)) if kind == "adam" else run_conditions(problem.name, kind, int(size))


def candidates(basis: BSpline, strength: float) -> dict[str, Tensor]:
    """The matrices M that are compared; only the last knows the strength of the penalty."""
    from kansym.bases.parameterisation import CosineTransform, DemmlerReinsch, Plain, PrefixSum

    found = {
        "plain": Plain(),
        "prefix-sum, from the left": PrefixSum(centred=False),
        "prefix-sum": PrefixSum(),
        "dct": CosineTransform(),
        "demmler-reinsch, strength 0": DemmlerReinsch(),
        "demmler-reinsch": DemmlerReinsch(strength),
    }
    matrices = {label: case.matrix(basis) for label, case in found.items()}
    uncorrected = scaled_cosines(basis.size)
    others = {"dct of coefficients": uncorrected, "dct of coefficients, rank 2 added": with_rank_two(uncorrected)}
    order = [*list(found)[:3], *others, *list(found)[3:]]
    return {label: (matrices | others)[label] for label in order}


def scaled_cosines(size: int) -> Tensor:
    """The DCT-II of the coefficients, every frequency divided by its eigenvalue: the penalty's condition is B / 2."""
    import torch

    from kansym.bases.parameterisation import bend_unit, inverse_cosine_transform

    scale = bend_unit(size) / (torch.pi / (2 * size) * torch.arange(size, dtype=torch.float64)).sin().square() / 4
    scale[0] = size**0.5
    return inverse_cosine_transform(torch.diag(scale))


def with_rank_two(matrix: Tensor) -> Tensor:
    """The same with the parabola's direction stretched by sqrt(B / 2), and the straight line put in place of w_1."""
    import torch

    from kansym.bases.parameterisation import cosine_transform

    size = len(matrix)
    identity = torch.eye(size, dtype=matrix.dtype)
    start = cosine_transform(identity)[:, 0] * 2**0.5
    even, odd = start.clone(), -start
    even[0], even[1::2], odd[::2] = 0, 0, 0
    even = even / torch.linalg.vector_norm(even)
    mirror = identity[1] - odd / torch.linalg.vector_norm(odd)
    reflection = identity - 2 * torch.outer(mirror, mirror) / mirror.square().sum()
    corrected = matrix @ (identity + ((size / 2) ** 0.5 - 1) * torch.outer(even, even)) @ reflection
    corrected[:, 1] /= corrected[-1, 1]
    return corrected


def _basis(intervals: int, degree: int) -> BSpline:
    import torch

    from kansym.bases import BSpline

    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    return BSpline.create(ends[0], ends[1], intervals, degree)


def run_conditions(name: str, kind: str, intervals: int) -> Record:
    """Condition numbers of every parameterisation at one size."""
    import torch

    from kansym.bases.parameterisation import DemmlerReinsch, data_root, second_differences

    basis, strength = _basis(intervals, KINDS[kind]), SMOOTHING * intervals**3
    differences, root = second_differences(basis.size), data_root(basis)
    record: Record = {"name": name, "kind": kind, "intervals": intervals, "strength": strength, "cases": {}}
    for label, matrix in candidates(basis, strength).items():
        both = torch.cat([root, strength**0.5 * differences]) @ matrix
        record["cases"][label] = [condition(differences @ matrix), condition(root @ matrix), condition(both)]
    record["least product"] = condition(differences @ DemmlerReinsch().matrix(basis))
    return record


def condition(factor: Tensor) -> float:
    """The condition number of factor' factor where the shape of the factor lets it be other than 0."""
    import torch

    singular = torch.linalg.svdvals(factor)
    return float((singular[0] / singular[-1]) ** 2)


def run_adam(name: str, intervals: int) -> Record:
    """Steps of Adam with every parameterisation, at its own best learning rate."""
    import torch

    from kansym.bases.parameterisation import second_differences

    torch.set_num_threads(1)
    basis, strength = _basis(intervals, 3), SMOOTHING * intervals**3
    draws = [_draw(basis, seed) for seed in range(SEEDS)]
    root = torch.stack([values for values, _ in draws])  # (S, N, B)
    targets = torch.stack([y for _, y in draws])  # (S, N, 1)
    bends = strength * second_differences(basis.size).mT @ second_differences(basis.size)
    normal, right = root.mT @ root / ROWS + bends, root.mT @ targets / ROWS
    best, spread = torch.linalg.solve(normal, right), targets.std(1, correction=0)
    record: Record = {"name": name, "intervals": intervals, "cases": {}}
    for label, matrix in candidates(basis, strength).items():
        problem = _Quadratic(
            matrix.mT @ normal @ matrix, matrix.mT @ right, torch.linalg.qr(root @ matrix / ROWS**0.5).R
        )
        steps = adam_steps(problem, torch.linalg.solve(matrix, best), NEAR * spread)  # (S, rates)
        median = np.median(steps.numpy(), axis=0)
        chosen = int(median.argmin())
        record["cases"][label] = {"steps": steps[:, chosen].tolist(), "rate": RATES[chosen]}
    return record


def _draw(basis: BSpline, seed: int) -> tuple[Tensor, Tensor]:
    """Rows of the noisy curve: basis functions (N, B) and targets (N, 1)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(ROWS, generator=generator, dtype=torch.float64)
    noise = NOISE * torch.randn(ROWS, generator=generator, dtype=torch.float64)
    y = (2 * torch.pi * x).sin() + 0.3 * (10 * torch.pi * x).sin() + noise
    return basis.per_point().evaluate(x), y.unsqueeze(-1)


@dataclass(frozen=True)
class _Quadratic:
    """w'Hw - 2 b'w with H (S, B, B) and b (S, B, 1), and a triangle (S, B, B) that measures curves over the rows."""

    matrix: Tensor
    right: Tensor
    triangle: Tensor


def adam_steps(problem: _Quadratic, goal: Tensor, near: Tensor) -> Tensor:
    """Return how many steps every draw takes at every learning rate, (S, rates); infinite where it never arrives."""
    import torch

    draws, size, _ = goal.shape
    rates = torch.tensor(RATES, dtype=torch.float64)
    raw = torch.zeros(draws, size, len(RATES), dtype=torch.float64)
    first, second = torch.zeros_like(raw), torch.zeros_like(raw)
    steps = torch.full((draws, len(RATES)), torch.inf, dtype=torch.float64)
    for step in range(1, MOST_STEPS + 1):
        slope = 2 * (problem.matrix @ raw - problem.right)
        first.lerp_(slope, 0.1)
        second.lerp_(slope.square(), 0.001)
        scale = (second / (1 - 0.999**step)).sqrt_().add_(1e-8)
        raw.sub_(rates * (first / (1 - 0.9**step)) / scale)
        distance = torch.linalg.vector_norm(problem.triangle @ (raw - goal), dim=1)  # (S, rates)
        steps = torch.where((distance <= near) & steps.isinf(), float(step), steps)
        if bool((steps.isfinite().sum(1) > 0).all()) and step >= 2 * float(steps.min(1).values.max()):
            break  # slower rates cannot win any more
    return steps


@dataclass(frozen=True)
class ConditioningReport(Report):
    """The table of condition numbers, the table of Adam's steps, and the picture of the first."""

    adam_header: tuple[str, ...] = ()
    adam_rows: tuple[tuple[str, ...], ...] = field(default_factory=tuple)

    def screen(self) -> str:
        return super().screen() + (self._adam().screen() if self.adam_rows else "")

    def markdown(self, command: str) -> str:
        page = super().markdown(command).replace("\n\nRule:", "\n\n![condition numbers](conditioning.svg)\n\nRule:", 1)
        if not self.adam_rows:
            return page
        body, made = page.rsplit("\nMade with", 1)
        parts = [part.strip() for part in self._adam().markdown(command).split("\n\n")]
        rest = "\n\n".join(part for part in parts if part.startswith(("Rule:", "|")))
        return f"{body}\n## Steps of Adam\n\n{rest}\n\nMade with{made}"

    def write(self, command: str, name: str | None = None) -> Path:
        page = super().write(command, name)
        draw([r for r in self.records if r["name"].startswith("cubic")], page.with_suffix(".svg"))
        return page

    def _adam(self) -> Report:
        title = "Steps of Adam to the exact minimum"
        return Report(self.name, title, ADAM_RULE, (), self.adam_header, self.adam_rows)


def draw(records: Sequence[Record], path: Path) -> None:
    """Condition numbers against N, a panel for each term."""
    from kansym.report import style
    from kansym.report.canvas import faces, new_figure, save, tidy, write

    figure = new_figure(720, 300)
    terms = ("penalty", "data term", "data + strength x penalty")
    colours = {
        "plain": style.INK,
        "prefix-sum": style.VERMILION,
        "dct of coefficients": style.ORANGE,
        "dct": style.BLUE,
        "demmler-reinsch, strength 0": style.PURPLE,
        "demmler-reinsch": style.GREEN,
    }
    for place, term in enumerate(terms):
        axes = tidy(figure.add_axes((0.06 + 0.32 * place, 0.3, 0.255, 0.58)))
        axes.set(xscale="log", yscale="log", ylim=(0.5, 1e14), xticks=SIZES, xticklabels=map(str, SIZES))
        axes.minorticks_off()
        for label, colour in colours.items():
            values = [r["cases"][label][place] for r in records]
            dashes = "--" if label in ("dct", "demmler-reinsch, strength 0") else "-"
            axes.plot([r["intervals"] for r in records], values, dashes, color=colour, lw=1.4, label=label)
        write(axes, 0.0, 1.04, f"condition of {term}", transform=axes.transAxes)
        axes.set_xlabel("grid intervals N (cubic)", fontsize=8.5, fontfamily=list(faces()))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="lower center", ncols=6, frameon=False, prop={"family": list(faces()), "size": 8.5}
    )
    save(figure, path)


def report(records: Sequence[Record]) -> Report:
    """Both tables, and what they say."""
    conditions = [r for r in records if "kind" in r]
    runs = [r for r in records if "kind" not in r]
    labels = list(records[0]["cases"]) if records else []
    rows = [
        (r["kind"], str(r["intervals"]), *(" / ".join(map(_short, r["cases"][label])) for label in labels),
         _short(r["least product"]))
        for r in conditions
    ]  # fmt: skip
    adam = tuple((str(r["intervals"]), *(_steps(r["cases"][label]) for label in labels)) for r in runs)
    return ConditioningReport(
        "conditioning",
        "Parameterisations of the coefficients",
        RULE,
        tuple(_summary(conditions, runs)),
        ("basis", "N", *labels, "least product"),
        tuple(rows),
        records,
        ("N", *labels),
        adam,
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.1e}".replace("e+0", "e").replace("e+", "e")


def _steps(case: Record) -> str:
    median = float(np.median(case["steps"]))
    if not np.isfinite(median):
        return f"> {MOST_STEPS}"
    words = [f"{value:.0f}" if np.isfinite(value) else f"> {MOST_STEPS}" for value in sorted(case["steps"])]
    return f"{median:.0f} ({words[0]} to {words[-1]}) [{case['rate']:.2g}]"


def _summary(conditions: Sequence[Record], runs: Sequence[Record]) -> list[str]:
    def worst(label: str, place: int) -> str:
        return _short(max(r["cases"][label][place] for r in conditions))

    found = []
    if conditions:
        of_penalty = ", ".join(f"{label} {worst(label, 0)}" for label in PENALTY_ROWS)
        product = max(r["cases"]["dct"][0] * r["cases"]["dct"][1] / r["least product"] for r in conditions)
        found = [
            f"the penalty's condition number is at most: {of_penalty}",
            f"that of the data term is at most: plain {worst('plain', 1)}, prefix-sum and dct {worst('dct', 1)} (sums "
            f"from the left {worst('prefix-sum, from the left', 1)}), demmler-reinsch at strength 0 "
            f"{worst('demmler-reinsch, strength 0', 1)}",
            f"that of data term + strength x penalty is at most: plain {worst('plain', 2)}, dct {worst('dct', 2)}, "
            f"demmler-reinsch at that strength {worst('demmler-reinsch', 2)}",
            "no M makes both terms well-conditioned; penalty times data term comes within a factor of "
            f"{_short(product)} of the least possible with prefix-sum and dct, and reaches it with demmler-reinsch at "
            "strength 0",
        ]
    for r in runs:
        medians = {label: float(np.median(case["steps"])) for label, case in r["cases"].items()}
        listed = ", ".join(
            f"{label} {medians[label]:.0f}" for label in ("plain", "prefix-sum", "dct", "demmler-reinsch")
        )
        found.append(f"Adam at N = {r['intervals']}, median steps: {listed}")
    return found
