"""Starting the kernels: shapes, strides and tiles in, one launch each; triton is imported at the first one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from kansym.kernels.gpu.blocks import Blocks, Precision, Shape, input_blocks, sum_blocks, weight_blocks
from kansym.kernels.gpu.features import Features

# Counters for the parts of long sums; sums are cut only where tiles are fewer than multiprocessors.
COUNTERS = 1024

# Counters by device and stream: for launches one after the other, and for a graph that is being recorded there. The
# stream is the key, not the thread, since gradients are computed in threads of their own.
_ordinary: dict[tuple[torch.device, int], Tensor] = {}
_of_graphs: dict[tuple[torch.device, int], Tensor] = {}


@cache
def kernels() -> ModuleType:
    """Return the module of kernels.

    Raises:
        ImportError: triton is not installed.
    """
    from kansym.kernels.gpu import kernels

    return kernels


def launch_sum(
    x: Tensor, weight: Tensor, grid: Tensor, features: Features, precision: Precision, blocks: Blocks | None = None
) -> Tensor:
    """Return the sum over inputs and features, in one launch.

    Args:
        x: (E, N, I), any strides.
        weight: (E, I, F, O), contiguous.
        grid: (E, I, K), any strides.
        features: which functions.
        precision: how products are made.
        blocks: the tiles; chosen by shape when None.

    Returns:
        (E, N, O).
    """
    (members, rows, inputs), outputs = x.shape, weight.shape[-1]
    functions = weight.shape[2] - features.base
    if blocks is None:
        shape = Shape(members, rows, inputs, outputs, functions)
        blocks = sum_blocks(shape, precision, processors(x.device))
    result = x.new_empty(members, rows, outputs)
    tiles = _ceil(rows, blocks.rows) * _ceil(outputs, blocks.outputs)
    partial, arrived = _workspace(result, tiles * members, blocks.rows * blocks.outputs, blocks.parts, precision)
    with torch.cuda.device_of(x):
        kernels().sum_kernel[(tiles, members, blocks.parts)](
            *(x, weight, grid, result, partial, arrived),
            *(rows, inputs, outputs, features.intervals(functions), functions),
            *x.stride(),
            *grid.stride(),
            FLAT=blocks.flat,
            PARTS=blocks.parts,
            BLOCK_ROWS=blocks.rows,
            BLOCK_OUTPUTS=blocks.outputs,
            BLOCK_FEATURES=blocks.features,
            **_constants(features, precision),
            **_options(blocks),
        )
    return result


def launch_weight_gradient(
    x: Tensor, weight: Tensor, grid: Tensor, slope: Tensor, features: Features, precision: Precision,
    blocks: Blocks | None = None,
) -> Tensor:  # fmt: skip
    """Return the gradient of the weights (E, I, F, O) for the gradient `slope` (E, N, O) of the sum, in one launch."""
    (members, rows, inputs), outputs = x.shape, weight.shape[-1]
    functions = weight.shape[2] - features.base
    if blocks is None:
        shape = Shape(members, rows, inputs, outputs, functions)
        blocks = weight_blocks(shape, precision, processors(x.device))
    result = torch.empty_like(weight)
    per_function = _ceil(inputs, blocks.features)
    splines = _ceil(inputs * functions, blocks.features) if blocks.flat else per_function * functions
    tiles = (splines + per_function * features.base) * _ceil(outputs, blocks.outputs)
    partial, arrived = _workspace(result, tiles * members, blocks.features * blocks.outputs, blocks.parts, precision)
    with torch.cuda.device_of(x):
        kernels().weight_gradient_kernel[(tiles, members, blocks.parts)](
            *(x, slope, grid, result, partial, arrived),
            *(rows, inputs, outputs, features.intervals(functions), functions),
            *x.stride(),
            *slope.stride(),
            *grid.stride(),
            FLAT=blocks.flat,
            PARTS=blocks.parts,
            BLOCK_ROWS=blocks.rows,
            BLOCK_OUTPUTS=blocks.outputs,
            BLOCK_FEATURES=blocks.features,
            **_constants(features, precision),
            **_options(blocks),
        )
    return result


def launch_input_gradient(
    x: Tensor, weight: Tensor, grid: Tensor, slope: Tensor, features: Features, precision: Precision,
    blocks: Blocks | None = None,
) -> Tensor:  # fmt: skip
    """Return the gradient of the inputs (E, N, I) for the gradient `slope` (E, N, O) of the sum, in one launch."""
    (members, rows, inputs), outputs = x.shape, weight.shape[-1]
    functions = weight.shape[2] - features.base
    blocks = blocks or input_blocks(Shape(members, rows, inputs, outputs, functions), precision)
    result = x.new_empty(x.shape)
    with torch.cuda.device_of(x):
        kernels().input_gradient_kernel[(_ceil(rows, blocks.rows) * _ceil(inputs, blocks.features), members, 1)](
            *(x, weight, slope, grid, result),
            *(rows, inputs, outputs, features.intervals(functions), functions),
            *x.stride(),
            *slope.stride(),
            *grid.stride(),
            WHOLE=outputs <= blocks.outputs,
            BLOCK_ROWS=blocks.rows,
            BLOCK_INPUTS=blocks.features,
            BLOCK_OUTPUTS=blocks.outputs,
            **_constants(features, precision),
            **_options(blocks),
        )
    return result


@contextmanager
def own_counters(device: torch.device, stream: int) -> Iterator[Tensor]:
    """Give the launches on a stream counters of their own, so that a graph recorded there shares them with nobody."""
    own = torch.zeros(COUNTERS, dtype=torch.int32, device=device)
    _of_graphs[device, stream] = own
    try:
        yield own
    finally:
        del _of_graphs[device, stream]


@cache
def processors(device: torch.device) -> int:
    """Return how many multiprocessors a device has; 1 where the kernels are interpreted on the processor."""
    return torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1


def _constants(features: Features, precision: Precision) -> dict[str, Any]:
    return {
        "KIND": int(features.kind),
        "DEGREE": features.degree if features.is_spline else 0,
        "BASE": features.base,
        "PRECISION": precision,
    }


def _options(blocks: Blocks) -> dict[str, Any]:
    return {"num_warps": blocks.warps, "num_stages": blocks.stages, "enable_fp_fusion": True}


def _workspace(result: Tensor, tiles: int, numbers: int, parts: int, precision: Precision) -> tuple[Tensor, Tensor]:
    """Return memory for the parts of every tile and their counters; any tensor will do where sums are not cut."""
    if parts == 1:
        return result, result
    dtype = torch.float64 if precision == "fp64" else torch.float32
    partial = torch.empty(tiles * parts * numbers, dtype=dtype, device=result.device)
    return partial, counters(tiles, result.device)


def counters(count: int, device: torch.device) -> Tensor:
    """Return counters that are zero: kernels leave them so, hence one set serves all launches on one stream."""
    on_device = device.type == "cuda"
    key = (device, torch.cuda.current_stream(device).cuda_stream if on_device else 0)
    if count <= COUNTERS and key in _of_graphs:
        return _of_graphs[key]
    if count > COUNTERS or (on_device and torch.cuda.is_current_stream_capturing()):
        return torch.zeros(count, dtype=torch.int32, device=device)
    if key not in _ordinary:
        _ordinary[key] = torch.zeros(COUNTERS, dtype=torch.int32, device=device)
    return _ordinary[key]


def _ceil(count: int, block: int) -> int:
    return -(-count // block)
