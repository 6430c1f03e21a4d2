"""A table made ready for a network by hand: rows split, columns scaled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kansym.data import Dataset, Scaler, split_rows
from kansym.errors import DataError
from kansym.symbolic.constants import Rows
from kansym.symbolic.primitives import Library
from kansym.symbolic.selection import Names, Parts
from kansym.training.objective import Rows as ScaledRows
from kansym.training.trainer import split_rows as hold_out

Array = np.ndarray
FEWEST, MOST = 6, 3000  # rows: the least that a network needs, and the most that it is trained on
HELD_OUT = 0.2  # of the training rows, to choose the best step by


@dataclass(frozen=True, eq=False)
class Prepared:
    """What all steps of a workbench share.

    Attributes:
        dataset: the table, one target.
        parts: its raw rows, and which of them train, choose and judge.
        inputs, target: how columns and target are scaled for the network.
        library: the primitives to choose from.
        seed: of everything random.
    """

    dataset: Dataset
    parts: Parts
    inputs: Scaler
    target: Scaler
    library: Library
    seed: int

    @classmethod
    def of(cls, dataset: Dataset, library: Library, seed: int) -> Prepared:
        """Split and scale a table.

        Raises:
            DataError: for several targets, too few rows, or a target that never changes.
        """
        if dataset.targets.shape[1] != 1:
            raise DataError(f"the table has {dataset.targets.shape[1]} target columns: a workbench takes one")
        if dataset.rows < FEWEST:
            raise DataError(f"the table has {dataset.rows} rows: a network needs at least {FEWEST}")
        y = dataset.targets[:, 0]
        if np.ptp(y) == 0:
            raise DataError(f"the target {dataset.target_names[0]!r} never changes: there is nothing to learn")
        weights = dataset.weights if dataset.sigma is None else (np.median(dataset.sigma) / dataset.sigma) ** 2
        split = split_rows(dataset.rows, seed)
        parts = Parts(Rows(dataset.inputs, y, weights), split.train, split.validation, split.test)
        x = dataset.inputs[split.train]
        low, high = x.min(axis=0), x.max(axis=0)
        half = 0.5 * high - 0.5 * low
        inputs = Scaler(0.5 * low + 0.5 * high, np.where(half > 0, half, 1.0))
        return cls(dataset, parts, inputs, Scaler.fit(y[split.train, None]), library, seed)

    @property
    def names(self) -> Names:
        """How formulas call the columns."""
        table = self.dataset
        return Names(table.input_names, table.target_names[0], table.input_units, table.target_units[0])

    @cached_property
    def rows(self) -> ScaledRows:
        """The training rows in the units of the network, with weights of mean 1."""
        rows = self.parts.rows.take(self.parts.train[:MOST])
        weights = np.ones(len(rows)) if rows.weights is None else rows.weights
        target = torch.from_numpy(self.target.apply(rows.target[:, None]))
        return ScaledRows(self.scaled(rows.inputs), target, torch.from_numpy(weights / weights.mean()))

    @cached_property
    def halves(self) -> tuple[ScaledRows, ScaledRows]:
        """The rows to learn from, and those that choose the best step."""
        return hold_out(self.rows, HELD_OUT, self.seed)

    def scaled(self, inputs: Array) -> Tensor:
        """Raw inputs (N, D) in the units of the network."""
        return torch.from_numpy(self.inputs.apply(inputs))
