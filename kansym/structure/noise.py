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


def unexplained(inputs: Array, residual: Array, seed: int = 0) -> float:
    """The share of the variance of residuals (N,) that is not noise: what a smooth model predicts on unseen rows.

    For a small table of one column, the squared correlation of neighbouring residuals instead; 0 when nothing is found.
    """
    if np.std(residual) == 0 or len(residual) < 8:
        return 0.0
    if len(residual) < ENOUGH:
        ordered = residual[np.argsort(inputs[:, 0], kind="stable")] if inputs.shape[1] == 1 else residual
        correlation = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1]) if np.std(ordered[1:]) > 0 else 0.0
        return max(0.0, correlation) ** 2
    held = np.arange(len(residual)) % HELD == 0
    model = fit_surrogate(inputs[~held], residual[~held], inputs[held], residual[held], seed)
    return 0.0 if model is None else max(0.0, 1.0 - model.held_out**2)
