"""The experiments by name; a module is loaded when its experiment is asked for, and holds it as EXPERIMENT."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kansym.errors import ConfigError, did_you_mean, quote

if TYPE_CHECKING:
    from kansym.experiments.experiment import Experiment

# Name -> (module in kansym.experiments, one line for the list).
EXPERIMENTS: dict[str, tuple[str, str]] = {
    "continual": ("continual", "Does a network that learns one peak after the other keep the earlier ones?"),
}


def load(name: str) -> Experiment:
    """Return the experiment of that name.

    Raises:
        ConfigError: if there is none.
    """
    if name not in EXPERIMENTS:
        raise ConfigError(f"no experiment is called {quote(name)}: {did_you_mean(name, EXPERIMENTS)}")
    return import_module(f"kansym.experiments.{EXPERIMENTS[name][0]}").EXPERIMENT
