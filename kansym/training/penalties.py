"""What is added to the error to make a network sparse and smooth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# |w| is rounded off below this, so that second-order methods see a finite curvature.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Penalty:
    """Strengths of the penalties on the weights of every edge; the base weight counts as one more coefficient.

    Args:
        l1: of the mean absolute weight, summed over the edges (the L1 norm of the weights, not of the activations).
        entropy: of the entropy of how that norm is shared among the edges of a layer.
        smoothness: of the squared second differences of neighbouring coefficients.
        ridge: of the squared weights; a trace of it keeps coefficients that no row touches where they are.
        base: True when the last weight of every edge is that of the base activation.

    Source: Liu et al. 2024, section 2.5.1 (entropy); Eilers and Marx 1996 (second differences).
    """

    l1: float = 0.0
    entropy: float = 0.0
    smoothness: float = 0.0
    ridge: float = 0.0
    base: bool = False

    def value(self, blocks: Sequence[Tensor]) -> Tensor:
        """Return the penalty of every member, (E,); blocks are (E, edges, F), one per layer."""
        total = blocks[0].new_zeros(blocks[0].shape[0])
        for block in blocks:
            total = total + self.ridge * block.square().sum((1, 2)) + self._roughness(block)
            if self.l1 or self.entropy:
                norms = edge_norms(block)
                total = total + self.l1 * norms.sum(1) + self.entropy * _entropy(norms)
        return total

    def gradient(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """Return its derivative with respect to every block."""
        return [self._slope(block) for block in blocks]

    def curvature(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """Return a positive semidefinite curvature (E, edges, F, F) that bounds the penalty near the blocks."""
        return [self._bend(block) for block in blocks]

    def _slope(self, block: Tensor) -> Tensor:
        slope = 2 * self.ridge * block
        if self.smoothness:
            slope = slope + 2 * self.smoothness * block @ self._differences(block)
        if self.l1 or self.entropy:
            slope = slope + self._pull(block).unsqueeze(-1) * block / _rounded(block) / block.shape[-1]
        return slope

    def _bend(self, block: Tensor) -> Tensor:
        diagonal = torch.full_like(block, 2 * self.ridge)
        if self.l1 or self.entropy:
            # Iteratively reweighted ridge: w^2 / (2 |w0|) touches |w| at w0 from above.
            diagonal = diagonal + self._pull(block).clamp_min(0).unsqueeze(-1) / _rounded(block) / block.shape[-1]
        bend = torch.diag_embed(diagonal)
        return bend + 2 * self.smoothness * self._differences(block) if self.smoothness else bend

    def _pull(self, block: Tensor) -> Tensor:
        """Return the derivative of the l1 and entropy terms with respect to every edge's norm, (E, edges)."""
        norms = edge_norms(block)
        if not self.entropy:
            return torch.full_like(norms, self.l1)
        total = norms.sum(1, keepdim=True)
        share = norms / total
        return self.l1 - self.entropy * (share.log() + _entropy(norms).unsqueeze(1)) / total

    def _roughness(self, block: Tensor) -> Tensor:
        if not self.smoothness:
            return block.new_zeros(block.shape[0])
        return self.smoothness * (block @ self._differences(block) * block).sum((1, 2))

    def _differences(self, block: Tensor) -> Tensor:
        """Return the matrix of the squared second differences of the spline coefficients, (F, F)."""
        features = block.shape[-1]
        count = features - self.base
        rows = torch.eye(count, features, dtype=block.dtype, device=block.device)
        second = rows[2:] - 2 * rows[1:-1] + rows[:-2]
        return second.mT @ second


def edge_norms(block: Tensor) -> Tensor:
    """Return the rounded mean absolute weight of every edge: (E, edges, F) -> (E, edges)."""
    return _rounded(block).mean(-1)


def _rounded(block: Tensor) -> Tensor:
    return (block.square() + ROUNDING**2).sqrt()


def _entropy(norms: Tensor) -> Tensor:
    share = norms / norms.sum(1, keepdim=True)
    return -(share * share.log()).sum(1)
