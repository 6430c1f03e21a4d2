"""Kernels for CUDA devices, written in Triton; importing this package needs neither triton nor a device."""

from kansym.kernels.gpu.features import Features, Kind
from kansym.kernels.gpu.graphs import StaticStep
from kansym.kernels.gpu.spline import fused_sum, has_triton, obstacle, spline_sum_gpu

__all__ = ["Features", "Kind", "StaticStep", "fused_sum", "has_triton", "obstacle", "spline_sum_gpu"]
