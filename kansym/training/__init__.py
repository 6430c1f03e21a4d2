"""Training of populations of networks."""

from kansym.training.choice import Choice, choose
from kansym.training.history import History, Record
from kansym.training.penalties import Penalty, activation_entropy, activation_l1
from kansym.training.population import Job, JobOutcome, memory_of, train_many
from kansym.training.restarts import RestartConfig, RestartOutcome, Stage, train_with_restarts
from kansym.training.streaming import StreamConfig, StreamOutcome, train_streamed
from kansym.training.trainer import TrainConfig, TrainOutcome, train

__all__ = [
    "Choice",
    "History",
    "Job",
    "JobOutcome",
    "Penalty",
    "Record",
    "RestartConfig",
    "RestartOutcome",
    "Stage",
    "StreamConfig",
    "StreamOutcome",
    "TrainConfig",
    "TrainOutcome",
    "activation_entropy",
    "activation_l1",
    "choose",
    "memory_of",
    "train",
    "train_many",
    "train_streamed",
    "train_with_restarts",
]
