"""What is added to the error to make a network sparse and smooth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kansym.nn import EdgeSamples

# |w| is rounded off below this, so that second-order methods see a finite curvature.
ROUNDING = 1e-4

# One number for all members, or one for each, (E,).
Strength = float | Tensor


@dataclass(frozen=True)
class Penalty:
    """Strengths of the penalties on the weights of every edge; the base weight counts as one more coefficient.

    Every strength is one number >= 0, or a tensor (E,) with one for every member.

    Args:
        l1: of the mean absolute weight, summed over the edges (the L1 norm of the weights, not of the activations).
        entropy: of the entropy of how that norm is shared among the edges of a layer.
        smoothness: of the squared second differences of neighbouring coefficients.
        ridge: of the squared weights; a trace of it keeps coefficients that no row touches where they are.
        base: True when the last weight of every edge is that of the base activation.
        group: of the root mean square weight, summed over the edges: it leaves the shape of an edge alone, and takes
            the whole edge or none of it.

    Source: Liu et al. 2024, section 2.5.1 (entropy); Eilers and Marx 1996 (second differences); Yuan and Lin 2006
    (group).
    """

    l1: Strength = 0.0
    entropy: Strength = 0.0
    smoothness: Strength = 0.0
    ridge: Strength = 0.0
    base: bool = False
    group: Strength = 0.0

    def value(self, blocks: Sequence[Tensor]) -> Tensor:
        """Return the penalty of every member, (E,); blocks are (E, edges, F), one per layer."""
        l1, entropy, ridge, group = (_like(part, blocks[0]) for part in self._strengths())
        total = blocks[0].new_zeros(blocks[0].shape[0])
        for block in blocks:
            total = total + ridge * block.square().sum((1, 2)) + self._roughness(block)
            if _is_on(self.l1) or _is_on(self.entropy):
                norms = edge_norms(block)
                total = total + l1 * norms.sum(1) + entropy * _entropy(norms)
            if _is_on(self.group):
                total = total + group * group_norms(block).sum(1)
        return total

    def gradient(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """Return its derivative with respect to every block."""
        return [self._slope(block) for block in blocks]

    def curvature(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """Return a positive semidefinite curvature (E, edges, F, F) for every block.

        With it the second-order model of l1, smoothness, ridge and group touches them at the blocks and lies above
        them everywhere; entropy, which is not convex, counts with its pull on the norms where that is positive.
        """
        return [self._bend(block) for block in blocks]

    def select(self, members: Sequence[int]) -> Penalty:
        """Return the penalty of the listed members, in that order."""
        order = list(members)
        parts = {name: getattr(self, name) for name in ("l1", "entropy", "smoothness", "ridge", "group")}
        return replace(self, **{name: part[order] for name, part in parts.items() if isinstance(part, Tensor)})

    def _strengths(self) -> tuple[Strength, Strength, Strength, Strength]:
        """Return the strengths of l1, entropy, ridge and group."""
        return self.l1, self.entropy, self.ridge, self.group

    def _slope(self, block: Tensor) -> Tensor:
        slope = 2 * _like(self.ridge, block, 2) * block
        if _is_on(self.smoothness):
            slope = slope + 2 * _like(self.smoothness, block, 2) * block @ self._differences(block)
        if _is_on(self.l1) or _is_on(self.entropy):
            slope = slope + self._pull(block).unsqueeze(-1) * block / _rounded(block) / block.shape[-1]
        if _is_on(self.group):
            slope = slope + self._group_pull(block).unsqueeze(-1) * block
        return slope

    def _bend(self, block: Tensor) -> Tensor:
        diagonal = torch.zeros_like(block) + 2 * _like(self.ridge, block, 2)
        if _is_on(self.l1) or _is_on(self.entropy):
            # Iteratively reweighted ridge: w^2 / (2 |w0|) touches |w| at w0 from above.
            diagonal = diagonal + self._pull(block).clamp_min(0).unsqueeze(-1) / _rounded(block) / block.shape[-1]
        if _is_on(self.group):
            # The same for the root of a mean square: a root lies below its tangent.
            diagonal = diagonal + self._group_pull(block).unsqueeze(-1)
        bend = torch.diag_embed(diagonal)
        if not _is_on(self.smoothness):
            return bend
        return bend + 2 * _like(self.smoothness, block, 3) * self._differences(block)

    def _pull(self, block: Tensor) -> Tensor:
        """Return the derivative of the l1 and entropy terms with respect to every edge's norm, (E, edges)."""
        norms = edge_norms(block)
        l1 = _like(self.l1, block, 1)
        if not _is_on(self.entropy):
            return torch.zeros_like(norms) + l1
        total = norms.sum(1, keepdim=True)
        share = norms / total
        return l1 - _like(self.entropy, block, 1) * (share.log() + _entropy(norms).unsqueeze(1)) / total

    def _group_pull(self, block: Tensor) -> Tensor:
        """Return what the group term's slope multiplies every weight of an edge with, (E, edges)."""
        return _like(self.group, block, 1) / group_norms(block) / block.shape[-1]

    def _roughness(self, block: Tensor) -> Tensor:
        if not _is_on(self.smoothness):
            return block.new_zeros(block.shape[0])
        return _like(self.smoothness, block) * (block @ self._differences(block) * block).sum((1, 2))

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


def group_norms(block: Tensor) -> Tensor:
    """Return the rounded root mean square weight of every edge: (E, edges, F) -> (E, edges)."""
    return (block.square().mean(-1) + ROUNDING**2).sqrt()


def activation_l1(samples: EdgeSamples | Sequence[Tensor]) -> Tensor:
    """Return the mean absolute output of every edge over the rows, summed over all edges: (E,).

    It needs every edge's own output at every row, N I O numbers a layer, where the weights alone serve the penalties
    above; it is here to compare them with.

    Args:
        samples: what `KAN.edge_samples` gave (detached), or edge outputs (E, N, I, O), one per layer, of
            `KANLayer.edge_outputs`, through which autograd finds the gradient (that of abs(y) is 0 at 0).

    Source: Liu et al. 2024, eqs. 2.17-2.18.
    """
    return torch.stack([norms.sum((1, 2)) for norms in _activations(samples)]).sum(0)


def activation_entropy(samples: EdgeSamples | Sequence[Tensor]) -> Tensor:
    """Return the entropy of how a layer's mean absolute edge outputs are shared, summed over the layers: (E,).

    Edges that give exactly 0 have no share, and a layer without any output no entropy.

    Args:
        samples: as for `activation_l1`.

    Source: Liu et al. 2024, eq. 2.19.
    """
    return torch.stack([_entropy_of_some(norms.flatten(1)) for norms in _activations(samples)]).sum(0)


def _activations(samples: EdgeSamples | Sequence[Tensor]) -> list[Tensor]:
    """Return the mean absolute output of every edge over the rows, one (E, I, O) per layer."""
    outputs = [seen.outputs for seen in samples.layers] if isinstance(samples, EdgeSamples) else samples
    return [layer.abs().mean(1) for layer in outputs]


def _entropy_of_some(norms: Tensor) -> Tensor:
    """Return the entropy of the shares of (E, edges), of which some may be 0."""
    # The logarithm sees 1 in place of 0: its slope would turn the gradient of the other edges into nan.
    present = norms > 0
    share = torch.where(present, norms, 1.0) / torch.where(
        present.any(1, keepdim=True), norms.sum(1, keepdim=True), 1.0
    )
    return -torch.where(present, share * share.log(), 0.0).sum(1)


def _is_on(strength: Strength) -> bool:
    return bool((strength != 0).any()) if isinstance(strength, Tensor) else bool(strength)


def _like(strength: Strength, block: Tensor, axes: int = 0) -> Strength:
    """Return a strength that multiplies (E, ...) tensors with so many axes behind the members'."""
    if not isinstance(strength, Tensor):
        return strength
    return strength.to(block).reshape(-1, *[1] * axes)


def _rounded(block: Tensor) -> Tensor:
    return (block.square() + ROUNDING**2).sqrt()


def _entropy(norms: Tensor) -> Tensor:
    share = norms / norms.sum(1, keepdim=True)
    return -(share * share.log()).sum(1)
