"""The Triton kernels: features are made in registers and contracted at once; no tensor of features is ever stored.

Three kernels share the functions above them: the sum itself, the gradient of the weights, the gradient of the inputs.
Each works on one tile of its result; an axis of the launch grid runs over the members of a population. Where the tiles
are too few for the device, the long sum is cut into parts, and whichever part is done last adds them up in a fixed
order, so results are the same in every run.

This module and `pointwise.py` import triton; nothing else in the library does.
"""

# Triton compiles this file by rules of its own, which a type checker does not know.
# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false, reportArgumentType=false
# pyright: reportMissingImports=false

from __future__ import annotations

import triton
import triton.language as tl

from kansym.kernels.gpu.pointwise import KNOT_SPLINE, feature_at, place_of, silu, silu_slope, value_and_slope

# Under TRITON_INTERPRET=1 triton.jit gives functions that run on tensors of the processor, for tests.
INTERPRETED = tl.constexpr(not isinstance(silu, triton.JITFunction))


@triton.jit
def _product(left, right, total, PRECISION: tl.constexpr):
    """Return total + left @ right; operands of 16 bits and float64 have one way each, float32 has several."""
    if PRECISION == "bf16" and INTERPRETED:
        # The interpreter can round to bfloat16 but not multiply.
        left = left.to(tl.bfloat16).to(tl.float32)
        total = tl.dot(left, right.to(tl.bfloat16).to(tl.float32), total, input_precision="ieee")
    elif PRECISION == "bf16":
        total = tl.dot(left.to(tl.bfloat16), right.to(tl.bfloat16), total)
    elif PRECISION == "fp16":
        total = tl.dot(left.to(tl.float16), right.to(tl.float16), total)
    elif PRECISION == "fp64":
        total = tl.dot(left, right, total, out_dtype=tl.float64)
    else:
        total = tl.dot(left.to(tl.float32), right.to(tl.float32), total, input_precision=PRECISION)
    return total


@triton.jit
def _ends(grid, columns, exists, stride_input, stride_knot, intervals,
          KIND: tl.constexpr, DEGREE: tl.constexpr, WIDE: tl.constexpr):  # fmt: skip
    """Return where the domain of each input starts and ends; inputs beyond the last get one of width one."""
    first = DEGREE if KIND <= KNOT_SPLINE else 0
    start = grid + columns * stride_input + first * stride_knot
    low = tl.load(start, mask=exists, other=0.0).to(WIDE)
    high = tl.load(start + intervals * stride_knot, mask=exists, other=1.0).to(WIDE)
    return low, high


@triton.jit
def _far(numbers, stride):
    """Return offsets that may be beyond 2^31, as in a transposed view of many rows."""
    return numbers.to(tl.int64) * stride


@triton.jit
def _share(steps, part, PARTS: tl.constexpr):
    return steps * part // PARTS, steps * (part + 1) // PARTS


@triton.jit
def _finish(total, target, mask, partial, arrived, tile, part,
            PARTS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # fmt: skip
    """Store a tile, or with several parts leave this one and let the last to arrive add them in order.

    The counter goes back to zero, so it need not be cleared between launches on one stream.
    """
    if PARTS == 1:
        tl.store(target, total.to(target.dtype.element_ty), mask=mask)
    else:
        local = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
        start = partial + tile.to(tl.int64) * (PARTS * ROWS * COLUMNS)
        tl.store(start + part * (ROWS * COLUMNS) + local, total)
        # Every thread's share must be written before the counter says so.
        tl.debug_barrier()
        before = tl.atomic_add(arrived + tile, 1, sem="acq_rel")
        if before == PARTS - 1:
            total = tl.zeros_like(total)
            for other in range(PARTS):
                total += tl.load(start + other * (ROWS * COLUMNS) + local, cache_modifier=".cg")
            tl.store(target, total.to(target.dtype.element_ty), mask=mask)
            tl.store(arrived + tile, 0)


@triton.jit
def _add_flat(
    total, points, has_row, weights, has_output, grid, inputs, outputs, intervals, functions, per_input,
    x_input, grid_input, grid_knot, part,
    KIND: tl.constexpr, DEGREE: tl.constexpr, PRECISION: tl.constexpr, PARTS: tl.constexpr, WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the sum over blocks of (input, function) pairs, which wastes nothing where inputs are few."""
    begin, end = _share(tl.cdiv(inputs * functions, BLOCK), part, PARTS)
    for step in range(begin, end):
        pair = step * BLOCK + tl.arange(0, BLOCK)
        columns = pair // functions
        feature = (pair % functions)[None, :]
        exists = pair < inputs * functions
        low, high = _ends(grid, columns, exists, grid_input, grid_knot, intervals, KIND, DEGREE, WIDE)
        x = tl.load(points + _far(columns, x_input)[None, :], mask=has_row[:, None] & exists[None, :], other=0.0).to(
            WIDE
        )
        place, beyond, spacing, _ = place_of(x, low[None, :], high[None, :], intervals, KIND, DEGREE)
        knots = (grid + tl.minimum(columns, inputs - 1) * grid_input)[None, :]
        left = feature_at(place, beyond, spacing, feature, knots, grid_knot, intervals, KIND, DEGREE)
        right = tl.load(
            weights + (columns * per_input + pair % functions)[:, None] * outputs,
            mask=exists[:, None] & has_output[None, :], other=0.0,
        )  # fmt: skip
        total = _product(left, right, total, PRECISION)
    return total


@triton.jit
def _add_rows(
    total, points, has_row, weights, has_output, grid, inputs, outputs, intervals, functions, per_input,
    x_input, grid_input, grid_knot, part,
    KIND: tl.constexpr, DEGREE: tl.constexpr, PRECISION: tl.constexpr, PARTS: tl.constexpr, WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the sum over blocks of neighbouring inputs, read once, and over the functions of each."""
    begin, end = _share(tl.cdiv(inputs, BLOCK), part, PARTS)
    for step in range(begin, end):
        columns = step * BLOCK + tl.arange(0, BLOCK)
        exists = columns < inputs
        low, high = _ends(grid, columns, exists, grid_input, grid_knot, intervals, KIND, DEGREE, WIDE)
        x = tl.load(points + _far(columns, x_input)[None, :], mask=has_row[:, None] & exists[None, :], other=0.0).to(
            WIDE
        )
        place, beyond, spacing, _ = place_of(x, low[None, :], high[None, :], intervals, KIND, DEGREE)
        knots = (grid + tl.minimum(columns, inputs - 1) * grid_input)[None, :]
        here = weights + (columns * per_input)[:, None] * outputs
        for feature in range(functions):
            left = feature_at(place, beyond, spacing, feature, knots, grid_knot, intervals, KIND, DEGREE)
            right = tl.load(here + feature * outputs, mask=exists[:, None] & has_output[None, :], other=0.0)
            total = _product(left, right, total, PRECISION)
    return total


@triton.jit
def _add_base(total, points, has_row, weights, has_output, inputs, outputs, functions, per_input, x_input, part,
              PRECISION: tl.constexpr, PARTS: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Add the sum of SiLU of the inputs times the last of their weights."""
    begin, end = _share(tl.cdiv(inputs, BLOCK), part, PARTS)
    for step in range(begin, end):
        columns = step * BLOCK + tl.arange(0, BLOCK)
        exists = columns < inputs
        x = tl.load(points + _far(columns, x_input)[None, :], mask=has_row[:, None] & exists[None, :], other=0.0).to(
            WIDE
        )
        right = tl.load(
            weights + (columns * per_input + functions)[:, None] * outputs,
            mask=exists[:, None] & has_output[None, :], other=0.0,
        )  # fmt: skip
        total = _product(silu(x), right, total, PRECISION)
    return total


@triton.jit
def sum_kernel(
    x, weight, grid, result, partial, arrived,
    rows, inputs, outputs, intervals, functions,
    x_member, x_row, x_input, grid_member, grid_input, grid_knot,
    KIND: tl.constexpr, DEGREE: tl.constexpr, BASE: tl.constexpr, FLAT: tl.constexpr, PRECISION: tl.constexpr,
    PARTS: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_OUTPUTS: tl.constexpr, BLOCK_FEATURES: tl.constexpr,
):  # fmt: skip
    """result (E, N, O) = sum over inputs and features of feature(x) * weight."""
    row_blocks = tl.cdiv(rows, BLOCK_ROWS)
    tile = tl.program_id(0)
    member = tl.program_id(1).to(tl.int64)
    part = tl.program_id(2)
    lanes = (tile % row_blocks) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    across = (tile // row_blocks) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    has_row = lanes < rows
    has_output = across < outputs
    per_input = functions + (1 if BASE else 0)
    WIDE: tl.constexpr = tl.float64 if PRECISION == "fp64" else tl.float32
    points = x + member * x_member + _far(lanes, x_row)[:, None]
    weights = weight + member * inputs * per_input * outputs + across[None, :]
    grid += member * grid_member
    total = tl.zeros((BLOCK_ROWS, BLOCK_OUTPUTS), dtype=WIDE)
    add: tl.constexpr = _add_flat if FLAT else _add_rows
    total = add(
        total, points, has_row, weights, has_output, grid, inputs, outputs, intervals, functions, per_input,
        x_input, grid_input, grid_knot, part, KIND, DEGREE, PRECISION, PARTS, WIDE, BLOCK_FEATURES,
    )  # fmt: skip
    if BASE:
        total = _add_base(
            total, points, has_row, weights, has_output, inputs, outputs, functions, per_input, x_input, part,
            PRECISION, PARTS, WIDE, BLOCK_FEATURES,
        )  # fmt: skip
    target = result + (member * rows + lanes)[:, None] * outputs + across[None, :]
    _finish(
        total, target, has_row[:, None] & has_output[None, :], partial, arrived,
        tl.program_id(1) * tl.num_programs(0) + tile, part, PARTS, BLOCK_ROWS, BLOCK_OUTPUTS,
    )  # fmt: skip


@triton.jit
def _owned(block, inputs, functions, BASE: tl.constexpr, FLAT: tl.constexpr, BLOCK: tl.constexpr):
    """Return which inputs and features a block of the weights' gradient holds, which of them are there, and whether
    it holds the base; bases come after all functions."""
    lanes = tl.arange(0, BLOCK)
    if FLAT:
        blocks = tl.cdiv(inputs * functions, BLOCK)
        columns = (block * BLOCK + lanes) // functions
        feature = (block * BLOCK + lanes) % functions
    else:
        blocks = tl.cdiv(inputs, BLOCK) * functions
        columns = (block // functions) * BLOCK + lanes
        feature = tl.zeros_like(lanes) + block % functions
    is_base = block >= blocks
    if BASE:
        columns = tl.where(is_base, (block - blocks) * BLOCK + lanes, columns)
        feature = tl.where(is_base, functions, feature)
    return columns, feature, columns < inputs, is_base


@triton.jit
def _outer_sum(
    total, points, exists, slopes, has_output, rows, x_row, slope_row, part,
    low, high, feature, knots, grid_knot, intervals,
    IS_BASE: tl.constexpr, KIND: tl.constexpr, DEGREE: tl.constexpr, PRECISION: tl.constexpr, PARTS: tl.constexpr,
    WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add the sum over rows of feature (features, rows) times slope (rows, outputs)."""
    begin, end = _share(tl.cdiv(rows, BLOCK), part, PARTS)
    for step in range(begin, end):
        lanes = step * BLOCK + tl.arange(0, BLOCK)
        has_row = lanes < rows
        x = tl.load(points + _far(lanes, x_row)[None, :], mask=exists[:, None] & has_row[None, :], other=0.0).to(WIDE)
        right = tl.load(
            slopes + _far(lanes, slope_row)[:, None], mask=has_row[:, None] & has_output[None, :], other=0.0
        )
        if IS_BASE:
            left = silu(x)
        else:
            place, beyond, spacing, _ = place_of(x, low, high, intervals, KIND, DEGREE)
            left = feature_at(place, beyond, spacing, feature, knots, grid_knot, intervals, KIND, DEGREE)
        total = _product(left, right, total, PRECISION)
    return total


@triton.jit
def weight_gradient_kernel(
    x, slope, grid, result, partial, arrived,
    rows, inputs, outputs, intervals, functions,
    x_member, x_row, x_input, slope_member, slope_row, slope_output, grid_member, grid_input, grid_knot,
    KIND: tl.constexpr, DEGREE: tl.constexpr, BASE: tl.constexpr, FLAT: tl.constexpr, PRECISION: tl.constexpr,
    PARTS: tl.constexpr, BLOCK_ROWS: tl.constexpr, BLOCK_OUTPUTS: tl.constexpr, BLOCK_FEATURES: tl.constexpr,
):  # fmt: skip
    """result (E, I, F, O) = sum over rows of feature(x) * slope, features made again; every tile has one owner."""
    output_blocks = tl.cdiv(outputs, BLOCK_OUTPUTS)
    tile = tl.program_id(0)
    member = tl.program_id(1).to(tl.int64)
    part = tl.program_id(2)
    across = (tile % output_blocks) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    has_output = across < outputs
    columns, feature, exists, is_base = _owned(
        tile // output_blocks, inputs, functions, BASE, FLAT, BLOCK_FEATURES
    )  # fmt: skip
    WIDE: tl.constexpr = tl.float64 if PRECISION == "fp64" else tl.float32
    grid += member * grid_member
    low, high = _ends(grid, columns, exists, grid_input, grid_knot, intervals, KIND, DEGREE, WIDE)
    knots = (grid + tl.minimum(columns, inputs - 1) * grid_input)[:, None]
    points = x + member * x_member + _far(columns, x_input)[:, None]
    slopes = slope + member * slope_member + _far(across, slope_output)[None, :]
    total = tl.zeros((BLOCK_FEATURES, BLOCK_OUTPUTS), dtype=WIDE)
    if is_base:
        total = _outer_sum(
            total, points, exists, slopes, has_output, rows, x_row, slope_row, part,
            low[:, None], high[:, None], feature[:, None], knots, grid_knot, intervals,
            True, KIND, DEGREE, PRECISION, PARTS, WIDE, BLOCK_ROWS,
        )  # fmt: skip
    else:
        total = _outer_sum(
            total, points, exists, slopes, has_output, rows, x_row, slope_row, part,
            low[:, None], high[:, None], feature[:, None], knots, grid_knot, intervals,
            False, KIND, DEGREE, PRECISION, PARTS, WIDE, BLOCK_ROWS,
        )  # fmt: skip
    per_input = functions + (1 if BASE else 0)
    target = result + ((member * inputs + columns) * per_input + feature)[:, None] * outputs + across[None, :]
    _finish(
        total, target, exists[:, None] & has_output[None, :], partial, arrived,
        tl.program_id(1) * tl.num_programs(0) + tile, part, PARTS, BLOCK_FEATURES, BLOCK_OUTPUTS,
    )  # fmt: skip


@triton.jit
def _pulled_back(left, slopes, weights, has_row, exists, slope_output, outputs,
                 WHOLE: tl.constexpr, PRECISION: tl.constexpr, WIDE: tl.constexpr,
                 ROWS: tl.constexpr, INPUTS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Return slope @ weight^T for one feature of a block of inputs; where all outputs fit, their slopes are `left`."""
    total = tl.zeros((ROWS, INPUTS), dtype=WIDE)
    if WHOLE:
        across = tl.arange(0, BLOCK)
        right = tl.load(weights + across[:, None], mask=(across < outputs)[:, None] & exists[None, :], other=0.0)
        total = _product(left, right, total, PRECISION)
    else:
        for start in range(0, outputs, BLOCK):
            across = start + tl.arange(0, BLOCK)
            has_output = across < outputs
            some = tl.load(
                slopes + _far(across, slope_output)[None, :], mask=has_row[:, None] & has_output[None, :], other=0.0
            )
            right = tl.load(weights + across[:, None], mask=has_output[:, None] & exists[None, :], other=0.0)
            total = _product(some, right, total, PRECISION)
    return total


@triton.jit
def input_gradient_kernel(
    x, weight, slope, grid, result,
    rows, inputs, outputs, intervals, functions,
    x_member, x_row, x_input, slope_member, slope_row, slope_output, grid_member, grid_input, grid_knot,
    KIND: tl.constexpr, DEGREE: tl.constexpr, BASE: tl.constexpr, PRECISION: tl.constexpr, WHOLE: tl.constexpr,
    BLOCK_ROWS: tl.constexpr, BLOCK_INPUTS: tl.constexpr, BLOCK_OUTPUTS: tl.constexpr,
):  # fmt: skip
    """result (E, N, I) = sum over features of (slope @ weight^T) * the feature's derivative, summed in registers."""
    row_blocks = tl.cdiv(rows, BLOCK_ROWS)
    tile = tl.program_id(0)
    member = tl.program_id(1).to(tl.int64)
    lanes = (tile % row_blocks) * BLOCK_ROWS + tl.arange(0, BLOCK_ROWS)
    columns = (tile // row_blocks) * BLOCK_INPUTS + tl.arange(0, BLOCK_INPUTS)
    has_row = lanes < rows
    exists = columns < inputs
    mask = has_row[:, None] & exists[None, :]
    WIDE: tl.constexpr = tl.float64 if PRECISION == "fp64" else tl.float32
    points = x + member * x_member + _far(lanes, x_row)[:, None] + _far(columns, x_input)[None, :]
    here = tl.load(points, mask=mask, other=0.0).to(WIDE)
    grid += member * grid_member
    low, high = _ends(grid, columns, exists, grid_input, grid_knot, intervals, KIND, DEGREE, WIDE)
    place, _, spacing, gain = place_of(here, low[None, :], high[None, :], intervals, KIND, DEGREE)
    knots = (grid + tl.minimum(columns, inputs - 1) * grid_input)[None, :]
    slopes = slope + member * slope_member + _far(lanes, slope_row)[:, None]
    left = here
    if WHOLE:
        across = tl.arange(0, BLOCK_OUTPUTS)
        left = tl.load(
            slopes + _far(across, slope_output)[None, :], mask=has_row[:, None] & (across < outputs)[None, :], other=0.0
        )
    per_input = functions + (1 if BASE else 0)
    weights = weight + ((member * inputs + columns) * per_input)[None, :] * outputs
    total = tl.zeros((BLOCK_ROWS, BLOCK_INPUTS), dtype=WIDE)
    for feature in range(functions):
        pulled = _pulled_back(
            left, slopes, weights + feature * outputs, has_row, exists, slope_output, outputs,
            WHOLE, PRECISION, WIDE, BLOCK_ROWS, BLOCK_INPUTS, BLOCK_OUTPUTS,
        )  # fmt: skip
        _, steepness = value_and_slope(place, spacing, feature, knots, grid_knot, intervals, KIND, DEGREE)
        total += pulled * steepness
    total *= gain
    if BASE:
        pulled = _pulled_back(
            left, slopes, weights + functions * outputs, has_row, exists, slope_output, outputs,
            WHOLE, PRECISION, WIDE, BLOCK_ROWS, BLOCK_INPUTS, BLOCK_OUTPUTS,
        )  # fmt: skip
        total += pulled * silu_slope(here)
    target = result + ((member * rows + lanes) * inputs)[:, None] + columns[None, :]
    tl.store(target, total.to(target.dtype.element_ty), mask=mask)
