"""Relations C + B y + A y^2 + ... = 0 between columns and a noisy target: the numbers that the rows make most likely.

A row with an error e of y leaves e times the relation's derivative by y. The numbers are those for which what is left,
over what errors of one size would leave, is least: a generalised eigenvalue problem for those before y, y^2, ...
(Taubin 1991), since the others follow by linear least squares. With rows weighed by one over the square of that
derivative, as of the last turn, it is the most likely relation (Sanathanan and Koerner 1963).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import linalg

Array = np.ndarray
SEEN = 1500  # rows
ROWS_PER_TERM = 3
NEAR = 1.12  # times the noise, that a relation may leave before its needless terms go
NEEDLESS = 4.0  # standard errors: what three nodes and a number cost of the likelihood
TURNS = 3
SMALL = 0.02  # of the middling size of the derivative, below which a row says nothing of it
HAIR = 1e-13  # of a column's length: terms that hang together


@np.errstate(all="ignore")
def most_likely(blocks: Sequence[Array], target: Array, weights: Array | None) -> tuple[Array, ...] | None:
    """The coefficients before every power of the target, the largest one of the last power 1; None if terms hide them.

    blocks: (N, P) values of the terms before the powers 0, 1, ... of the target.
    """
    sizes = [np.linalg.norm(block, axis=0) for block in blocks]
    if any(np.any(size == 0) for size in sizes):
        return None
    first, *others = (block / size for block, size in zip(blocks, sizes, strict=True))
    powers = range(1, len(blocks))
    seen = np.hstack([block * target[:, None] ** k for k, block in zip(powers, others, strict=True)])
    slopes = np.hstack([block * (k * target[:, None] ** (k - 1)) for k, block in zip(powers, others, strict=True)])
    roots = np.ones(len(target)) if weights is None else np.sqrt(weights)
    middle, lower = np.ones(len(target)), np.zeros(seen.shape[1])
    for _ in range(TURNS):
        scale = (roots / middle)[:, None]
        basis = np.linalg.qr(first * scale)[0]
        left, errors = seen * scale, slopes * scale
        left = left - basis @ (basis.T @ left)
        try:
            lower = linalg.eigh(left.T @ left, errors.T @ errors + HAIR * np.eye(len(lower)))[1][:, 0]
        except (linalg.LinAlgError, ValueError):
            return None
        size = float(np.median(np.abs(slopes @ lower)))
        if not (np.isfinite(size) and size > 0):
            return None
        middle = np.maximum(np.abs(slopes @ lower) / size, SMALL)
    scale = roots / middle
    upper = np.linalg.lstsq(first * scale[:, None], -(seen @ lower) * scale, rcond=1e-12)[0]
    every = np.concatenate([upper, lower]) / np.concatenate(sizes)
    numbers = np.split(every, np.cumsum([block.shape[1] for block in blocks])[:-1])
    last = numbers[-1][np.argmax(np.abs(numbers[-1]))]
    return tuple(part / last for part in numbers) if last else None
