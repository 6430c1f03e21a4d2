"""Shift and scale of columns: the only place where numbers are scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kansym.errors import DataError

_SMALLEST = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Scaler:
    """An affine map per column: scaled = (raw - shift) / scale.

    The scale is a plain standard deviation, not rounded to a power of two: a table multiplied by any factor then gives
    the same scaled numbers to the last few bits, and with them the same formula.

    Attributes:
        shift: (D,) in the columns' units.
        scale: (D,) in the columns' units, above 0.

    Raises:
        DataError: if the shapes differ, a number is not finite, or a scale is not positive.
    """

    shift: np.ndarray
    scale: np.ndarray

    def __post_init__(self) -> None:
        shift, scale = (np.array(part, dtype=np.float64, ndmin=1) for part in (self.shift, self.scale))
        if shift.ndim != 1 or shift.shape != scale.shape:
            raise DataError(f"shift and scale need one number per column, got shapes {shift.shape} and {scale.shape}")
        if not (np.isfinite(shift).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise DataError("shift must be finite and scale finite and above 0")
        for name, part in (("shift", shift), ("scale", scale)):
            part.setflags(write=False)
            object.__setattr__(self, name, part)

    @staticmethod
    def fit(array: np.ndarray) -> Scaler:
        """Return the scaler that gives every column of `array` mean 0 and standard deviation 1.

        A constant column gets its largest magnitude (or 1, if it is all zeros) as its scale.

        Args:
            array: (N, D), N at least 1, finite; any magnitude, from 1e-300 to 1e300.

        Raises:
            DataError: if the array is not (N, D), is empty, or is not finite.
        """
        values = np.asarray(array, dtype=np.float64)
        if values.ndim != 2 or len(values) == 0:
            raise DataError(f"a scaler is fitted to an array of rows and columns, got shape {values.shape}")
        # Squares of 1e-200 underflow and squares of 1e200 overflow: bring every column to magnitude 1 first.
        magnitude = np.abs(values).max(axis=0)  # (D,)
        magnitude = np.where(magnitude > 0, magnitude, 1.0)
        unit = values / magnitude  # (N, D)
        mean = unit.mean(axis=0)
        spread = (unit - mean).std(axis=0)
        constant = unit.max(axis=0) == unit.min(axis=0)
        scale = np.where(constant | (spread == 0), 1.0, spread) * magnitude
        shift = np.where(constant, unit[0], mean) * magnitude
        return Scaler(shift, np.maximum(scale, _SMALLEST))

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Return the scaled array, (N, D) in and out."""
        return (np.asarray(array, dtype=np.float64) - self.shift) / self.scale

    def invert(self, array: np.ndarray) -> np.ndarray:
        """Return the array in raw units, (N, D) in and out."""
        return np.asarray(array, dtype=np.float64) * self.scale + self.shift
