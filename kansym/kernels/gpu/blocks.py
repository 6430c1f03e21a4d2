"""How a result is cut into tiles: a small table by shape and number format."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Precision = Literal["ieee", "tf32", "tf32x3", "bf16", "fp16", "fp64"]

# Tensor cores take operands of at least this many rows and columns.
SMALLEST = 16
# Tiles of fewer outputs make every feature too often; tiles of fewer rows leave the tensor cores' widest form unused.
NARROW = 64
# Steps through (input, function) pairs are short: such layers have few inputs.
FLAT_STEP = 32
# Adding up more parts of a long sum than this takes longer than they save.
MOST_PARTS = 32

# Rows, columns and depth of the largest tile, warps: what one multiprocessor holds without spilling registers.
_LARGEST: dict[Precision, tuple[int, int, int, int]] = {
    "ieee": (64, 64, 32, 4),
    "tf32": (128, 256, 32, 8),
    "tf32x3": (64, 128, 32, 4),
    "bf16": (128, 256, 64, 8),
    "fp16": (128, 256, 64, 8),
    "fp64": (64, 32, 16, 4),
}
# The same for the gradient of the inputs, where columns are inputs and the depth is that of the outputs.
_LARGEST_PULLED: dict[Precision, tuple[int, int, int, int]] = {
    "ieee": (32, 32, 32, 4),
    "tf32": (128, 32, 64, 8),
    "tf32x3": (128, 32, 64, 8),
    "bf16": (128, 32, 64, 8),
    "fp16": (128, 32, 64, 8),
    "fp64": (64, 16, 32, 4),
}


@dataclass(frozen=True)
class Blocks:
    """The shape of one tile and of the work on it.

    Args:
        rows, outputs, features: points, outputs and features in one step; powers of two, >= 16. In the gradient of
            the inputs `features` counts inputs.
        flat: step through (input, function) pairs instead of the functions of neighbouring inputs.
        parts: how many programs share the long sum of one tile, >= 1.
        warps, stages: warps in one program, and loads in flight.
    """

    rows: int
    outputs: int
    features: int
    flat: bool = False
    parts: int = 1
    warps: int = 4
    stages: int = 3


@dataclass(frozen=True)
class Shape:
    """The sizes of one layer: E members, N rows, I inputs, O outputs, B functions of every input."""

    members: int
    rows: int
    inputs: int
    outputs: int
    functions: int


def sum_blocks(shape: Shape, precision: Precision, processors: int) -> Blocks:
    """Return the tiles of the sum over features, for a device of so many multiprocessors (1 where there is none)."""
    tallest, widest, deepest, warps = _LARGEST[precision]
    rows = _side(shape.rows, tallest)
    flat = shape.inputs < deepest
    features = _side(shape.inputs * shape.functions, min(deepest, FLAT_STEP)) if flat else deepest
    steps = 1 if flat else _ceil(shape.inputs, features)
    columns = shape.members * _ceil(shape.rows, rows)
    outputs = _width(shape.outputs, widest, columns, steps, processors)
    parts = _parts(columns * _ceil(shape.outputs, outputs), steps, processors)
    return _small(Blocks(rows, outputs, features, flat, parts, warps), rows * outputs, tallest * widest)


def weight_blocks(shape: Shape, precision: Precision, processors: int) -> Blocks:
    """Return the tiles of the weights' gradient, whose long sum is the one over rows."""
    tallest, widest, deepest, warps = _LARGEST[precision]
    flat = shape.inputs < min(tallest, NARROW)
    features = _side(shape.inputs * shape.functions, FLAT_STEP) if flat else _side(shape.inputs, tallest)
    rows = _side(shape.rows, deepest)
    steps = _ceil(shape.rows, 2 * rows)
    columns = shape.members * (1 if flat else shape.functions) * _ceil(shape.inputs, features)
    outputs = _width(shape.outputs, widest, columns, steps, processors)
    parts = _parts(columns * _ceil(shape.outputs, outputs), steps, processors)
    return _small(Blocks(rows, outputs, features, flat, parts, warps), features * outputs, tallest * widest)


def input_blocks(shape: Shape, precision: Precision) -> Blocks:
    """Return the tiles of the inputs' gradient; `outputs` is the step of its inner sum."""
    tallest, widest, deepest, warps = _LARGEST_PULLED[precision]
    rows, inputs = _side(shape.rows, tallest), _side(shape.inputs, widest)
    blocks = Blocks(rows, _side(shape.outputs, deepest), inputs, warps=warps)
    return _small(
        replace(blocks, stages=3 if deepest == 64 and precision != "tf32x3" else 2), rows * inputs, tallest * widest
    )


def _small(blocks: Blocks, numbers: int, most: int) -> Blocks:
    """Return four warps for tiles of at most half the largest size."""
    return replace(blocks, warps=4) if 2 * numbers <= most else blocks


def _width(outputs: int, widest: int, columns: int, steps: int, processors: int) -> int:
    """Return how many outputs a tile has: as many as fit, fewer where that leaves multiprocessors idle."""
    width = _side(outputs, widest)
    while width > NARROW and columns * _ceil(outputs, width) * min(steps, MOST_PARTS) < processors:
        width //= 2
    return width


def _parts(tiles: int, steps: int, processors: int) -> int:
    """Return in how many parts to cut a sum of so many steps so that all multiprocessors have work."""
    return max(1, min(processors // max(1, tiles), steps, MOST_PARTS))


def _ceil(count: int, block: int) -> int:
    return -(-count // block)


def _side(count: int, most: int) -> int:
    """Return the smallest power of two that is not less, between what tensor cores take and `most`."""
    return min(max(SMALLEST, 1 << (count - 1).bit_length()), most)
