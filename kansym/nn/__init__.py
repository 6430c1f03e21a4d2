"""The network: layers of learnable edges, and populations of networks."""

from kansym.nn.kan import KAN, EdgeSamples, KANOptions, LayerSamples, Width
from kansym.nn.layer import BASE_ACTIVATIONS, KANLayer, LayerOptions

__all__ = [
    "BASE_ACTIVATIONS",
    "KAN",
    "EdgeSamples",
    "KANLayer",
    "KANOptions",
    "LayerOptions",
    "LayerSamples",
    "Width",
]
