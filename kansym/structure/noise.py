"""How noisy a target is, before any law is known."""

from __future__ import annotations

import numpy as np

from kansym.structure.surrogate import fit_surrogate

Array = np.ndarray
HELD = 5  # every fifth row judges
ENOUGH = 40


def estimate_noise(inputs: Array, target: Array, seed: int = 0) -> float:
    """The noise's standard deviation over the target's, from the best smooth model; 0 to 1.

    The noise that maximises the marginal likelihood of a Gaussian process, in raw or logarithmic inputs, whichever
    explains more. A table too small for it counts as clean.
    """
    if len(target) < 8 or np.std(target) == 0:
        return 0.0
    options = [inputs]
    if np.all(inputs > 0):
        options.append(np.log(inputs))
    held = np.arange(len(target)) % HELD == 0 if len(target) >= ENOUGH else np.ones(len(target), dtype=bool)
    kept = ~held if len(target) >= ENOUGH else held
    models = [fit_surrogate(points[kept], target[kept], points[held], target[held], seed) for points in options]
    fitted = [model for model in models if model is not None]
    if not fitted:
        return 0.0
    best = min(fitted, key=lambda model: model.held_out)
    return float(min(1.0, best.noise))
