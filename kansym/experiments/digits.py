"""Handwritten digits: KANs against multilayer perceptrons of the same size, alone and behind convolutions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from kansym.bases import BASES
from kansym.bench.tables import Column, duration, whole
from kansym.errors import ConfigError
from kansym.experiments.experiment import Experiment, Setting
from kansym.nn import KANLinear
from kansym.nn.linear import DROP_IN

EPOCHS, BATCH, RATE, DECAY = 30, 64, 2e-3, 1e-4
TEST_SHARE = 0.3
HIDDEN = 32
SIDE, CLASSES, CHANNELS = 8, 10, 16
MLP, CONVOLVED = "MLP", ", behind convolutions"


def networks(seed: int) -> dict[str, Callable[[], nn.Module]]:
    """Every basis as [64, 32, 10], an MLP with as many weights as the B-splines have, and both behind convolutions."""
    kans: dict[str, Callable[[], nn.Module]] = {
        name: lambda name=name: _kan(SIDE * SIDE, name, seed) for name in BASES.names()
    }
    wide = _width(SIDE * SIDE, _size(_kan(SIDE * SIDE, "bspline", seed)))
    head = _width(4 * CHANNELS, _size(_kan(4 * CHANNELS, "bspline", seed)))
    return {
        **kans,
        MLP: lambda: _mlp(SIDE * SIDE, wide, seed),
        f"bspline{CONVOLVED}": lambda: nn.Sequential(_features(seed), _kan(4 * CHANNELS, "bspline", seed)),
        f"linear{CONVOLVED}": lambda: nn.Sequential(_features(seed), _kan(4 * CHANNELS, "linear", seed)),
        f"{MLP}{CONVOLVED}": lambda: nn.Sequential(_features(seed), _mlp(4 * CHANNELS, head, seed)),
    }


def _kan(inputs: int, basis: str, seed: int) -> nn.Module:
    options = replace(DROP_IN, basis=basis)
    return nn.Sequential(
        nn.Flatten(), KANLinear(inputs, HIDDEN, options, 2 * seed), KANLinear(HIDDEN, CLASSES, options, 2 * seed + 1)
    )


def _mlp(inputs: int, hidden: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, CLASSES))


def _features(seed: int) -> nn.Module:
    """Two convolutions and pooling: (N, 64) -> (N, 16, 2, 2)."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, CHANNELS, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),
    )  # fmt: skip


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _width(inputs: int, size: int) -> int:
    """Hidden nodes with which an MLP has about so many weights."""
    return max(1, round((size - CLASSES) / (inputs + 1 + CLASSES)))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per network."""
    train, test = _tables(setting.seed)
    chosen = networks(setting.seed)
    names = ("bspline", MLP) if setting.quick else tuple(chosen)
    epochs = 2 if setting.quick else EPOCHS
    return [{"case": name, **_trained(chosen[name](), train, test, epochs, setting.seed)} for name in names]


def _tables(seed: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Pixels scaled to [-1, 1] (N, 64) and classes (N,): for training and for the test."""
    if find_spec("sklearn") is None:
        raise ConfigError("the digits come with scikit-learn, which is not installed: pip install 'kansym[sklearn]'")
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    x, y = torch.tensor(pixels, dtype=torch.float32) / 8 - 1, torch.tensor(classes)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    cut = int(TEST_SHARE * len(x))
    return (x[order[cut:]], y[order[cut:]]), (x[order[:cut]], y[order[:cut]])


def _trained(
    model: nn.Module, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], epochs: int, seed: int
) -> dict[str, Any]:
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.randperm(len(train[0]), generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(train[0][batch]), train[1][batch]).backward()
            optimizer.step()
        schedule.step()
    seconds = (time.perf_counter() - started) / epochs
    with torch.no_grad():
        accuracy = float((model(test[0]).argmax(-1) == test[1]).double().mean())
    return {"accuracy": accuracy, "epoch": seconds, "parameters": _size(model)}


EXPERIMENT = Experiment(
    name="digits",
    title="Handwritten digits: KAN layers in the place of linear ones",
    rule=(
        f"scikit-learn's 1,797 digits of 8 x 8 pixels, {TEST_SHARE:.0%} held out; [64, {HIDDEN}, {CLASSES}] "
        f"with 8 intervals and LayerNorm, the MLP as wide as gives it as many weights; AdamW, {EPOCHS} epochs, "
        f"batches of {BATCH}"
    ),
    columns=(
        Column("accuracy", "test accuracy", lambda value: f"{100 * value:.2f} %"),
        Column("epoch", "time per epoch", duration),
        Column("parameters", "parameters", whole),
    ),
    bars=(),  # nobody has published figures for this set and these sizes
    run=run,
)
