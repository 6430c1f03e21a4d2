"""Training methods: one class a file, and the table of all of them."""

from __future__ import annotations

from kansym.registry import Registry
from kansym.training.optimizers.adam import Adam
from kansym.training.optimizers.base import Optimizer, State
from kansym.training.optimizers.lbfgs import LBFGS
from kansym.training.optimizers.levenberg_marquardt import LevenbergMarquardt
from kansym.training.optimizers.polished import Polished

OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer")
OPTIMIZERS.add("levenberg_marquardt", LevenbergMarquardt)
OPTIMIZERS.add("lbfgs", LBFGS)
OPTIMIZERS.add("adam", Adam)
OPTIMIZERS.add("polished", Polished)

__all__ = ["LBFGS", "OPTIMIZERS", "Adam", "LevenbergMarquardt", "Optimizer", "Polished", "State"]
