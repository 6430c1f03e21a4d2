"""What all estimators do with rows before a fit."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
FEWEST_ROWS = 3


def merged(rows: Array, weights: Array) -> tuple[Array, Array]:
    """The different rows (M, D) in a fixed order, with the sums of their weights (M,); weight 0 leaves out."""
    kept = weights > 0
    different, place = np.unique(rows[kept], axis=0, return_inverse=True)
    return different, np.bincount(place.ravel(), weights=weights[kept], minlength=len(different))
