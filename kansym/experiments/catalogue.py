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
    "solver-bases": ("solver_bases", "Which basis solves differential equations best?"),
    "digits": ("digits", "How well do the fast layers read handwritten digits, beside perceptrons of the same size?"),
    "poisson": ("poisson", "How well does a KAN solve the KAN paper's Poisson equation, and is the formula found?"),
    "helmholtz": ("helmholtz", "Does a KAN solve Helmholtz with four waves across, where others diverge?"),
    "burgers": ("burgers", "How well does a KAN follow a shock that forms?"),
    "allen-cahn": ("allen_cahn", "How well does a KAN follow a solution that falls apart into two phases?"),
    "diffusion": ("diffusion", "How well is diffusion solved, and is its constant found from measured values?"),
    "sindy-kan": ("sindy_kan", "Are six systems of published tests found exactly, from trajectories or points?"),
    "lotka-volterra": (
        "lotka_volterra",
        "Does a small KAN learn predator and prey, and do the equations come out exactly?",
    ),
    "pde-find": ("pde_find", "Are four partial differential equations found in fields, clean and under loud noise?"),
    "pde-free": ("pde_free", "Are equations found in fields that are no sum of terms of a library, clean and noisy?"),
    "odebench": ("odebench", "How many of ODEBench's 63 systems are found from one trajectory each?"),
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
