"""A table of numbers in raw units, with the names and units of its columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kansym.errors import DataError, did_you_mean, quote


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets, checked once and never changed: the arrays are read-only copies.

    Attributes:
        inputs: (N, D) float64, finite, raw units.
        targets: (N, T) float64, finite, raw units; (N,) is taken as one target.
        input_names: D distinct names that are not blank; any characters, never interpreted.
        target_names: T names, distinct from each other and from the inputs.
        input_units: D units as written by the user, None where none was given.
        target_units: T units as written by the user, None where none was given.
        weights: (N,) at least 0 and not all 0, or None for equal weights.
        sigma: (N,) standard errors of the target in its unit, above 0, or None.
        source: where the numbers came from, for messages.
        notes: what a reader changed, one sentence each.

    Raises:
        DataError: if shapes do not match, a number is not finite, or a name is blank or used twice.
    """

    inputs: np.ndarray
    targets: np.ndarray
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    input_units: tuple[str | None, ...] = ()
    target_units: tuple[str | None, ...] = ()
    weights: np.ndarray | None = None
    sigma: np.ndarray | None = None
    source: str = "arrays"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._freeze_arrays()
        self._fill_names()
        self._check_shapes()
        self._check_names()
        self._check_numbers()

    def _freeze_arrays(self) -> None:
        for name in ("inputs", "targets", "weights", "sigma"):
            value = getattr(self, name)
            if value is not None:
                array = _float_array(value, name)
                array = array[:, None] if array.ndim == 1 and name in ("inputs", "targets") else array
                array.setflags(write=False)
                object.__setattr__(self, name, array)

    def _fill_names(self) -> None:
        for names, units in (("input_names", "input_units"), ("target_names", "target_units")):
            object.__setattr__(self, names, tuple(getattr(self, names)))
            object.__setattr__(self, units, tuple(getattr(self, units)) or (None,) * len(getattr(self, names)))

    def _check_shapes(self) -> None:
        if self.inputs.ndim != 2 or self.targets.ndim != 2 or len(self.inputs) != len(self.targets):
            raise DataError(
                f"inputs {self.inputs.shape} and targets {self.targets.shape} need the same number of rows "
                "and at most two dimensions: pass inputs (N, D) and targets (N,) or (N, T)"
            )
        for kind, array, names, units in (
            ("inputs", self.inputs, self.input_names, self.input_units),
            ("targets", self.targets, self.target_names, self.target_units),
        ):
            if not array.shape[1] == len(names) == len(units) or not names:
                raise DataError(
                    f"{kind} have {array.shape[1]} columns, {len(names)} names and {len(units)} units: "
                    "pass one name and one unit (or None) for each column, at least one"
                )
        for kind, column in (("weights", self.weights), ("sigma", self.sigma)):
            if column is not None and column.shape != (len(self.inputs),):
                raise DataError(f"{kind} have shape {column.shape}: pass one number for each of {self.rows} rows")

    def _check_names(self) -> None:
        seen: set[str] = set()
        for name in self.input_names + self.target_names:
            if not isinstance(name, str) or not name.strip():
                raise DataError(f"column name {name!r} is blank or not text: give every column a name")
            if name in seen:
                raise DataError(f"column name {quote(name)} is used twice: rename one of the columns")
            seen.add(name)

    def _check_numbers(self) -> None:
        names = self.input_names + self.target_names
        for name, column in zip(names, np.hstack([self.inputs, self.targets]).T, strict=True):
            _check_finite(column, f"column {quote(name)}")
        if self.weights is not None:
            _check_finite(self.weights, "weights")
            if (self.weights < 0).any() or (self.rows and not self.weights.any()):
                raise DataError("weights must be 0 or above and not all 0")
        if self.sigma is not None:
            _check_finite(self.sigma, "sigma")
            if (self.sigma <= 0).any():
                raise DataError("sigma must be above 0 in every row: it is the measurement error of the target")

    @staticmethod
    def from_arrays(
        inputs: Any, targets: Any, names: Sequence[str] | None = None, target: str | Sequence[str] = "y"
    ) -> Dataset:
        """Make a data set from arrays or nested lists.

        Args:
            inputs: (N, D) or (N,) numbers.
            targets: (N,) or (N, T) numbers.
            names: D input names; x0, x1, ... if not given.
            target: the target's name, or T names.

        Raises:
            DataError: as for `Dataset`.
        """
        array = _float_array(inputs, "inputs")
        width = array.shape[1] if array.ndim > 1 else 1
        chosen = tuple(names) if names is not None else default_names(width)
        return Dataset(array, targets, chosen, (target,) if isinstance(target, str) else tuple(target))

    @property
    def rows(self) -> int:
        """How many rows there are (N)."""
        return len(self.inputs)

    @property
    def columns(self) -> int:
        """How many input columns there are (D)."""
        return self.inputs.shape[1]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of shapes, names and numbers; the same table read from another place has the same digest."""
        arrays = {"inputs": self.inputs, "targets": self.targets, "weights": self.weights, "sigma": self.sigma}
        present = {name: array for name, array in arrays.items() if array is not None}
        head = [self.input_names, self.target_names, {name: array.shape for name, array in present.items()}]
        digest = hashlib.sha256(json.dumps(head).encode())
        for array in present.values():
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def take(self, rows: np.ndarray) -> Dataset:
        """Return the data set of these rows.

        Args:
            rows: (M,) row numbers, or (N,) booleans.
        """
        index = np.asarray(rows)
        index = index.astype(np.int64) if index.size == 0 else index
        parts = {name: getattr(self, name) for name in ("inputs", "targets", "weights", "sigma")}
        return replace(self, **{name: part[index] for name, part in parts.items() if part is not None})

    def select_inputs(self, names: Sequence[str]) -> Dataset:
        """Return the data set with only these inputs, in this order.

        Args:
            names: at least one input name, none twice.

        Raises:
            DataError: if a name is unknown or used twice, or none is given.
        """
        for name in names:
            if name not in self.input_names:
                raise DataError(f"no input is called {quote(name)}: {did_you_mean(name, self.input_names)}")
        index = [self.input_names.index(name) for name in names]
        units = tuple(self.input_units[i] for i in index)
        return replace(self, inputs=self.inputs[:, index], input_names=tuple(names), input_units=units)

    def drop_constant_inputs(self) -> Dataset:
        """Return the data set without inputs that have the same value in every row, with a note for each.

        Raises:
            DataError: if every input is constant.
        """
        varies = (self.inputs != self.inputs[:1]).any(axis=0)  # (D,)
        if varies.all():
            return self
        if not varies.any():
            raise DataError(f"{self.source}: every input column is constant: there is nothing to learn from")
        constant = [i for i in range(self.columns) if not varies[i]]
        notes = tuple(
            f"input {quote(self.input_names[i])} is constant ({self.inputs[0, i]:g}) and was left out" for i in constant
        )
        kept = self.select_inputs([name for name, use in zip(self.input_names, varies, strict=True) if use])
        return replace(kept, notes=self.notes + notes)


def default_names(width: int) -> tuple[str, ...]:
    """Return x0, x1, ... for columns without names."""
    return tuple(f"x{i}" for i in range(width))


def _float_array(value: Any, name: str) -> np.ndarray:
    """Return a fresh float64 array; refuse anything that is not real numbers."""
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise TypeError("complex numbers")
        return np.array(array, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be real numbers in rows of equal length: {error}") from error


def _check_finite(column: np.ndarray, what: str) -> None:
    bad = np.flatnonzero(~np.isfinite(column))
    if len(bad):
        raise DataError(
            f"{what} has {len(bad)} values that are not finite (first at row {bad[0] + 1}): "
            "remove these rows or correct the numbers"
        )
