"""Damped linear systems of a whole population."""

from __future__ import annotations

import torch
from torch import Tensor


def damped_move(matrix: Tensor, slope: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Solve (matrix + diag(damping)) move = -slope by Cholesky for every member.

    Args:
        matrix: symmetric, (E, P, P).
        slope: (E, P).
        damping: >= 0, (E, P).

    Returns:
        The moves (E, P), 0 for members whose matrix is not positive, and which members these are (E,) bool.
    """
    damped = matrix.clone()
    damped.diagonal(dim1=1, dim2=2).add_(damping)
    factor, info = torch.linalg.cholesky_ex(damped)
    failed = (info != 0) | ~factor.diagonal(dim1=1, dim2=2).isfinite().all(1)
    if bool(failed.any()):
        identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
        factor = torch.where(failed[:, None, None], identity, factor)
    move = -torch.cholesky_solve(slope.unsqueeze(-1), factor).squeeze(-1)
    return torch.where(failed.unsqueeze(1), 0.0, move), failed
