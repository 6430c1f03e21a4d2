"""A layer of edges in the place of `torch.nn.Linear`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kansym.nn.layer import KANLayer
from kansym.nn.options import LayerOptions

DROP_IN = LayerOptions(intervals=8, initialisation="kaiming", normalisation="layernorm", domain=(-2.0, 2.0))


class KANLinear(nn.Module):
    """One layer of learnable one-variable functions, for networks of your own.

    It takes any leading axes, as `torch.nn.Linear` does; `edges` is the KANLayer inside, a population of one.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        options: LayerOptions = DROP_IN,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Make the layer.

        Args:
            in_features: I.
            out_features: O.
            options: how the edges are made; by default a LayerNorm brings the inputs onto a grid from -2 to 2.
            seed: of the first values.
            dtype: of the weights; inputs are brought to it.
        """
        super().__init__()
        self.edges = KANLayer(in_features, out_features, 1, options, dtype)
        self.edges.initialise(torch.Generator().manual_seed(seed))

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's values: (..., I) -> (..., O)."""
        rows = x.reshape(1, -1, x.shape[-1]).to(self.edges.grid.dtype)  # (1, N, I)
        return self.edges(rows).reshape(*x.shape[:-1], -1)  # (..., O)
