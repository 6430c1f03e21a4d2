"""The experiments by name; a module is loaded when its experiment is asked for, and holds it as EXPERIMENT."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kansym.errors import ConfigError, did_you_mean, quote

if TYPE_CHECKING:
    from kansym.experiments.experiment import Experiment

# Name -> (module in kansym.experiments, one line for the list).
EXPERIMENTS: dict[str, tuple[str, str]] = {
    "empirical": ("empirical", "Are nine laws of the history of science found again in tables like the first ones?"),
    "firas": ("firas", "Does Planck's law come out of the measured microwave background, with its temperature?"),
    "strd": ("strd", "How many certified digits does a fit of a given form reach on NIST's 27 sets?"),
    "strd-free": ("strd_free", "Does a fit without a given form describe NIST's sets as well as the certified models?"),
    "classics": ("classics", "Do famous measured tables give the laws they are known for?"),
    "toys": ("toys", "Are the toy functions of the KAN papers found exactly?"),
    "special-functions": ("special_functions", "How close do small networks come to fifteen special functions?"),
    "anderson": ("anderson", "Is the law of the mobility edge found from localised and extended states?"),
    "conservation": ("conservation", "Is everything found that a motion conserves, and nothing else?"),
    "lagrangian": ("lagrangian", "Which Lagrangian moves a body?"),
    "constitutive": ("constitutive", "Do laws of elasticity come out of deformations and stresses?"),
    "relativity": ("relativity", "How do velocities add?"),
    "rar": ("rar", "What law do the accelerations in galaxies follow? You give the file."),
    "bases": ("bases", "Which basis fits, prunes and gives formulas best, with and without noise?"),
    "layer-options": (
        "layer_options",
        "What do a base branch, a scale, a normalisation and a learned grid do to a layer?",
    ),
    "digits": ("digits", "How well do the fast layers read handwritten digits, beside perceptrons of the same size?"),
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
