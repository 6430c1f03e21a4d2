"""Training of populations of networks."""

from kansym.training.history import History, Record
from kansym.training.penalties import Penalty
from kansym.training.trainer import TrainConfig, TrainOutcome, train

__all__ = ["History", "Penalty", "Record", "TrainConfig", "TrainOutcome", "train"]
