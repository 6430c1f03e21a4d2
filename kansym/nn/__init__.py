"""The network: layers of learnable edges, and populations of networks."""

from kansym.nn.kan import KAN, EdgeSamples, KANOptions, LayerSamples, Width
from kansym.nn.layer import KANLayer
from kansym.nn.linear import KANLinear
from kansym.nn.normalisation import NORMALISATIONS
from kansym.nn.options import BASE_ACTIVATIONS, LayerOptions
from kansym.nn.paths import PATHS, choose

__all__ = [
    "BASE_ACTIVATIONS",
    "KAN",
    "NORMALISATIONS",
    "PATHS",
    "EdgeSamples",
    "KANLayer",
    "KANLinear",
    "KANOptions",
    "LayerOptions",
    "LayerSamples",
    "Width",
    "choose",
]
