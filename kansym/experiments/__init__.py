"""Experiments that anyone can run again: a question, a table, and the bars that the figures must reach."""

from kansym.experiments.catalogue import EXPERIMENTS, load
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.findings import Findings, Verdict, document, latex
from kansym.experiments.running import run, write

__all__ = [
    "EXPERIMENTS", "Bar", "Experiment", "Findings", "Setting", "Verdict", "document", "latex", "load", "run", "write",
]  # fmt: skip
