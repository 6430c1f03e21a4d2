"""A network in which some edges are splines and others are primitives of four constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from kansym.graph import EdgeId, slot_of, sub_of
from kansym.nn import KAN, KANLayer
from kansym.nn.layer import contract
from kansym.training.grids import spread
from kansym.workbench.fixed import FixedEdge

Ties = tuple[tuple[EdgeId, ...], ...]


@dataclass(frozen=True, eq=False)
class Mixed:
    """One network: splines, primitives in the place of some of them, and which edges share one function.

    Attributes:
        splines: a population of one; its masks tell which edges are splines.
        fixed: the edges that are primitives.
        ties: groups of spline edges of one layer that are one function.
    """

    splines: KAN
    fixed: Mapping[EdgeId, FixedEdge] = field(default_factory=dict)
    ties: Ties = ()

    @cached_property
    def network(self) -> KAN:
        """The whole as a network that can be evaluated, sampled and drawn."""
        layers = []
        for index, layer in enumerate(self.splines.stack):
            places = [
                (edge.source, sub_of(self.splines, edge), fixed)
                for edge, fixed in self.fixed.items()
                if edge.layer == index
            ]
            layers.append(MixedLayer(layer, places))
        return self.splines.with_layers(layers)

    @cached_property
    def edges(self) -> tuple[EdgeId, ...]:
        """All edges that are there, splines and primitives, in order."""
        return tuple(
            EdgeId(index, source, *slot_of(self.splines, index, sub))
            for index, layer in enumerate(self.network.stack)
            for source, sub in layer.mask[0].nonzero().tolist()
        )

    def with_splines(self, splines: KAN) -> Mixed:
        """The same with other splines."""
        return replace(self, splines=splines)

    def regridded(self, x: Tensor, blend: float = 0.5) -> Mixed:
        """The same function with every grid over what its node sees on the rows x (N, D)."""
        with torch.no_grad():
            hidden, layers = self.splines.expand(x), []
            for index, (layer, whole) in enumerate(zip(self.splines.stack, self.network.stack, strict=True)):
                samples = self._shared_samples(hidden.mT, index)  # (1, I, N)
                layers.append(layer.with_basis(spread(layer.basis, samples, blend)))
                hidden = self.splines.combine(whole(hidden), index)
        return self.with_splines(self.splines.with_layers(layers))

    def _shared_samples(self, samples: Tensor, index: int) -> Tensor:
        """Samples (1, I, N) in which the sources of tied edges have what all of them saw: one function, one grid."""
        shared = samples.clone()
        for tie in self.ties:
            sources = sorted({edge.source for edge in tie if edge.layer == index})
            if len(sources) > 1:
                together = samples[0, sources].flatten().sort().values
                shared[0, sources] = together[len(sources) // 2 :: len(sources)]
        return shared


class MixedLayer(KANLayer):
    """A layer of splines whose features hold one more column for every primitive, and one for constants."""

    def __init__(self, splines: KANLayer, fixed: Sequence[tuple[int, int, FixedEdge]]) -> None:
        """Put primitives beside splines.

        Args:
            splines: a layer of one member; edges that are no splines are masked.
            fixed: (source, sum, primitive) of the others.
        """
        nn.Module.__init__(self)
        self.options, self.splines, self.fixed = splines.options, splines, tuple(fixed)
        self.weight = nn.Parameter(splines.effective().detach().clone())
        self.spline_scale = self.gain = self.shift = None
        mask = splines.mask.clone()
        for source, output, _ in self.fixed:
            mask[0, source, output] = True
        self.register_buffer("mask", mask)
        self._set_grid(splines.grid)

    def features(self, x: Tensor, order: int = 0) -> Tensor:
        """The features of the splines, f(a x + b) of every primitive, and 1; or the derivatives of these."""
        more = x.new_zeros(*x.shape, len(self.fixed) + 1)  # (E, N, I, K + 1)
        for place, (source, _, edge) in enumerate(self.fixed):
            seen = x[0, :, source].detach().numpy()
            more[0, :, source, place] = torch.from_numpy(edge.inner(seen, order))
        more[..., -1] = 1.0 - order
        return torch.cat([super().features(x, order), more], -1)

    def weights(self) -> Tensor:
        """What these features are multiplied with, (E, I, O, F + K + 1)."""
        own = super().weights()
        more = own.new_zeros(*own.shape[:3], len(self.fixed) + 1)
        for place, (source, output, edge) in enumerate(self.fixed):
            more[0, source, output, place], more[0, source, output, -1] = edge.constants[2:]
        return torch.cat([own, more], -1)

    def forward(self, x: Tensor) -> Tensor:
        """The sums of the edges into every output: (E, N, I) -> (E, N, O)."""
        return contract(self.features(x), self.weights())

    def select(self, members: list[int]) -> MixedLayer:
        """The layer itself: it has one member."""
        return MixedLayer(self.splines, self.fixed)
