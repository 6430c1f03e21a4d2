"""Matrix products by whichever library of torch is faster on this processor."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

# Below this many multiplications oneDNN's start-up costs more than it saves; measured in docs/benchmarks/products.md.
FEWEST_MULTIPLICATIONS = 4_000_000


@cache
def has_onednn() -> bool:
    """Return whether torch was built with oneDNN's linear operator."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def large(rows: int, matrix: Tensor) -> bool:
    """Return whether a product of some rows with a matrix (K, N) is worth the copy that oneDNN's layout asks for.

    oneDNN runs float32 products at about twice the speed of MKL on processors where MKL leaves AVX-512 unused.
    """
    plain = matrix.dtype == torch.float32 and matrix.device.type == "cpu"
    return plain and rows * matrix.numel() >= FEWEST_MULTIPLICATIONS and has_onednn()


def rows_times_rows(left: Tensor, right: Tensor) -> Tensor:
    """Return left @ right.mT, (M, K) x (N, K) -> (M, N).

    Only operands laid out in rows go to oneDNN: on strided ones it falls back to a slow reference kernel.
    """
    if left.is_contiguous() and right.is_contiguous() and large(left.shape[0], right):
        return torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
    return left @ right.mT
