"""Sums of splines from the few basis functions that are not zero at a point: the cost does not grow with the grid."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from kansym.bases import BSpline
from kansym.kernels import native

Function = Callable[..., Any]
MOST_DEGREE = 5
MOST_ORDER = 4
# Below this many products of a tap and a weight a second thread costs more than it saves.
PRODUCTS_PER_THREAD = 100_000


class _Problem(ctypes.Structure):
    """The C side's `Problem`, field by field."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("rows", "inputs", "outputs", "knots", "even", "order", "input_order", "threads")
    ]


def is_available(x: Tensor, degree: int, base: bool = True) -> bool:
    """Say whether the native kernel can take points like `x`; where not, `spline_sum` uses plain torch."""
    return _is_taken(x, degree) and _kernels(x.dtype, degree, base) is not None


def _is_taken(x: Tensor, degree: int) -> bool:
    """Say whether a kernel could be made for points like `x`."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and 0 <= degree <= MOST_DEGREE


def spline_sum(x: Tensor, weight: Tensor, knots: Tensor, degree: int, base: bool = True, even: bool = False) -> Tensor:
    """Return the sums over the inputs of a spline and a base activation for every output.

    Differentiable in x and weight up to the fourth order, also under `torch.compile`. With knots that need a gradient,
    and wherever there is no native kernel, the plain torch form is used.

    Args:
        x: points (N, I), float32 or float64.
        weight: what the features are multiplied with (I, F, O): B coefficients, then the base activation's weight.
        knots: strictly increasing knots of every input (I, K), K = G + 2 degree + 1.
        degree: of the splines, 0 to 5.
        base: the last of the F features is SiLU.
        even: every input's knots are evenly spaced; the piece is then found by arithmetic.

    Returns:
        (N, O).
    """
    # A compiled graph cannot ask for the library; there the operators themselves take the dense form where need be.
    taken = _is_taken(x, degree) if torch.compiler.is_compiling() else is_available(x, degree, base)
    if knots.requires_grad or not taken:
        return plain_spline_sum(x, weight, knots, degree, base, even)
    return _sums(x, weight, knots, None, degree, base, even, 0)


def plain_spline_sum(
    x: Tensor, weight: Tensor, knots: Tensor, degree: int, base: bool = True, even: bool = False
) -> Tensor:
    """Return what `spline_sum` returns, by torch operations on the dense features; the reference of the kernel."""
    features = BSpline(knots, degree, even).evaluate(x)  # (N, I, B)
    if base:
        features = torch.cat([features, silu(x).unsqueeze(-1)], -1)
    return features.flatten(1) @ weight.flatten(0, 1)


# ---- sums by the C library, and the shapes of their results ----


def _sums_native(x, weight, knots, scale, degree, base, even, order):
    """Return sum over i, f of scale[n, i] * feature_f^(order)(x[n, i]) * weight[i, f, o]: (N, O)."""
    kernels = _kernels(x.dtype, degree, base)
    if kernels is None:
        return torch.einsum("nif,ifo->no", _dense(x, knots, scale, degree, base, even, order), weight)
    sums = x.new_empty(x.shape[0], weight.shape[2])
    problem = _problem(x, weight, knots, even, order, min(order + 1, MOST_ORDER))
    _run(kernels.spline_forward, problem, (x, weight, scale, knots), (sums,))
    return sums


def _weight_sums_native(x, gradient, knots, scale, degree, base, even, order):
    """Return sum over n of scale[n, i] * feature_f^(order)(x[n, i]) * gradient[n, o]: (I, F, O)."""
    kernels = _kernels(x.dtype, degree, base)
    if kernels is None:
        return torch.einsum("nif,no->ifo", _dense(x, knots, scale, degree, base, even, order), gradient)
    sums = x.new_empty(x.shape[1], knots.shape[1] - degree - 1 + int(base), gradient.shape[1])
    problem = _problem(x, sums, knots, even, order, min(order + 1, MOST_ORDER))
    _run(kernels.spline_backward, problem, (x, gradient, None, scale, knots), (None, sums))
    return sums


def _input_sums_native(x, gradient, weight, knots, degree, base, even, order):
    """Return sum over f, o of feature_f^(order)(x[n, i]) * weight[i, f, o] * gradient[n, o]: (N, I)."""
    if order > MOST_ORDER:
        raise NotImplementedError(f"spline sums can be differentiated {MOST_ORDER} times: use plain_spline_sum instead")
    kernels = _kernels(x.dtype, degree, base)
    if kernels is None:
        features = _dense(x, knots, None, degree, base, even, order)
        return torch.einsum("nif,ifo,no->ni", features, weight, gradient)
    sums = torch.empty_like(x, memory_format=torch.contiguous_format)
    problem = _problem(x, weight, knots, even, max(order - 1, 0), order)
    _run(kernels.spline_backward, problem, (x, gradient, weight, None, knots), (sums, None))
    return sums


def _gradients_native(x, gradient, weight, knots, degree, base, even, order):
    """Return the input sums of the next order and the weight sums of this one, the taps made once for both."""
    kernels = _kernels(x.dtype, degree, base)
    if kernels is None or order == MOST_ORDER:
        inputs = _input_sums(x, gradient, weight, knots, degree, base, even, order + 1)
        return inputs, _weight_sums(x, gradient, knots, None, degree, base, even, order)
    inputs = torch.empty_like(x, memory_format=torch.contiguous_format)
    weights = torch.empty_like(weight, memory_format=torch.contiguous_format)
    problem = _problem(x, weight, knots, even, order, order + 1)
    _run(kernels.spline_backward, problem, (x, gradient, weight, None, knots), (inputs, weights))
    return inputs, weights


def _sums_shape(x, weight, knots, scale, degree, base, even, order):
    return x.new_empty(x.shape[0], weight.shape[2])


def _weight_sums_shape(x, gradient, knots, scale, degree, base, even, order):
    return x.new_empty(x.shape[1], knots.shape[1] - degree - 1 + int(base), gradient.shape[1])


def _input_sums_shape(x, gradient, weight, knots, degree, base, even, order):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _gradients_shape(x, gradient, weight, knots, degree, base, even, order):
    contiguous = torch.contiguous_format
    return torch.empty_like(x, memory_format=contiguous), torch.empty_like(weight, memory_format=contiguous)


# ---- their derivatives: again among them, one order further ----


def _keep(ctx, inputs, output) -> None:
    """Save the tensors (the first four arguments) and the settings (the last four)."""
    ctx.save_for_backward(*inputs[:4])
    ctx.settings = inputs[4:]


def _sums_backward(ctx, gradient):
    x, weight, knots, scale = ctx.saved_tensors
    degree, base, even, order = ctx.settings
    need_x, need_weight, _, need_scale = ctx.needs_input_grad[:4]
    if need_x and need_weight and scale is None and not torch.is_grad_enabled():
        return *_gradients(x, gradient, weight, knots, *ctx.settings), *[None] * 6
    by_x = by_weight = by_scale = None
    if need_x:
        by_x = _scaled(_input_sums(x, gradient, weight, knots, degree, base, even, order + 1), scale)
    if need_weight:
        by_weight = _weight_sums(x, gradient, knots, scale, *ctx.settings)
    if need_scale:
        by_scale = _input_sums(x, gradient, weight, knots, *ctx.settings)
    return by_x, by_weight, None, by_scale, None, None, None, None


def _weight_sums_backward(ctx, weight):
    x, gradient, knots, scale = ctx.saved_tensors
    degree, base, even, order = ctx.settings
    need_x, need_gradient, _, need_scale = ctx.needs_input_grad[:4]
    by_x = by_gradient = by_scale = None
    if need_x:
        by_x = _scaled(_input_sums(x, gradient, weight, knots, degree, base, even, order + 1), scale)
    if need_gradient:
        by_gradient = _sums(x, weight, knots, scale, *ctx.settings)
    if need_scale:
        by_scale = _input_sums(x, gradient, weight, knots, *ctx.settings)
    return by_x, by_gradient, None, by_scale, None, None, None, None


def _input_sums_backward(ctx, factor):
    x, gradient, weight, knots = ctx.saved_tensors
    degree, base, even, order = ctx.settings
    need_x, need_gradient, need_weight = ctx.needs_input_grad[:3]
    by_x = by_gradient = by_weight = None
    if need_x:
        by_x = factor * _input_sums(x, gradient, weight, knots, degree, base, even, order + 1)
    if need_gradient:
        by_gradient = _sums(x, weight, knots, factor, *ctx.settings)
    if need_weight:
        by_weight = _weight_sums(x, gradient, knots, factor, *ctx.settings)
    return by_x, by_gradient, by_weight, None, None, None, None, None


def _scaled(sums: Tensor, scale: Tensor | None) -> Tensor:
    return sums if scale is None else scale * sums


# ---- what the operators compute where there is no kernel ----


def _dense(x: Tensor, knots: Tensor, scale: Tensor | None, degree: int, base: bool, even: bool, order: int) -> Tensor:
    """Return a derivative of all features: (N, I, F)."""
    features = BSpline(knots, degree, even).derivative(x, order)
    if base:
        features = torch.cat([features, _silu_derivative(x, order).unsqueeze(-1)], -1)
    return features if scale is None else features * scale.unsqueeze(-1)


def _silu_derivative(x: Tensor, order: int) -> Tensor:
    """Return x s^(n) + n s^(n-1) for the sigmoid s, whose derivatives are polynomials in s and 1 - s."""
    gate, rest = torch.sigmoid(x), torch.sigmoid(-x)
    both, skew = gate * rest, rest - gate
    gates = (gate, both, both * skew, both * (1 - 6 * both), both * skew * (1 - 12 * both))
    return x * gates[order] + (order * gates[order - 1] if order else 0)


# ---- the four as functions of tensors ----

_SETTINGS = "int degree, bool base, bool even, int order"


def _operator(name: str, schema: str, native: Function, shape: Function, backward: Function | None) -> Function:
    """Return a function that runs `native` and can be differentiated.

    While torch's compiler traces, it is an operator that the compiler knows; otherwise it is called directly, because
    the first call of an operator loads the whole compiler, which takes a second.
    """
    known = torch.library.custom_op(f"kansym::{name}", native, mutates_args=(), schema=schema)
    known.register_fake(shape)
    if backward is None:
        return lambda *given: (known if _is_traced(given) else native)(*given)
    known.register_autograd(backward, setup_context=_keep)
    members = {
        "forward": staticmethod(lambda *given: native(*given)),
        "setup_context": staticmethod(_keep),
        "backward": staticmethod(backward),
    }
    direct = type(f"_{name}", (torch.autograd.Function,), members)
    return lambda *given: (known if _is_traced(given) else direct.apply)(*given)


def _is_traced(given: tuple) -> bool:
    """Return whether a compiler looks on: it says so itself, or hands over tensors of a kind of its own."""
    kinds = {type(each) for each in given if isinstance(each, Tensor)}
    return torch.compiler.is_compiling() or not kinds <= {Tensor, torch.nn.Parameter}


_sums = _operator(
    "spline_sums",
    f"(Tensor x, Tensor weight, Tensor knots, Tensor? scale, {_SETTINGS}) -> Tensor",
    _sums_native,
    _sums_shape,
    _sums_backward,
)
_weight_sums = _operator(
    "spline_weight_sums",
    f"(Tensor x, Tensor gradient, Tensor knots, Tensor? scale, {_SETTINGS}) -> Tensor",
    _weight_sums_native,
    _weight_sums_shape,
    _weight_sums_backward,
)
_input_sums = _operator(
    "spline_input_sums",
    f"(Tensor x, Tensor gradient, Tensor weight, Tensor knots, {_SETTINGS}) -> Tensor",
    _input_sums_native,
    _input_sums_shape,
    _input_sums_backward,
)
_gradients = _operator(
    "spline_gradients",
    f"(Tensor x, Tensor gradient, Tensor weight, Tensor knots, {_SETTINGS}) -> (Tensor, Tensor)",
    _gradients_native,
    _gradients_shape,
    None,
)


# ---- calling C ----


def _kernels(dtype: torch.dtype, degree: int, base: bool) -> ctypes.CDLL | None:
    """Return the library made for this type, degree and base, or None."""
    bits = 32 if dtype == torch.float32 else 64
    library = native.library("local", (f"BITS={bits}", f"DEGREE={degree}", f"BASE={int(base)}"))
    if library is not None:
        library.spline_forward.argtypes = [ctypes.POINTER(_Problem), *[ctypes.c_void_p] * 5]
        library.spline_backward.argtypes = [ctypes.POINTER(_Problem), *[ctypes.c_void_p] * 7]
    return library


def _problem(x: Tensor, weight: Tensor, knots: Tensor, even: bool, order: int, input_order: int) -> _Problem:
    rows, inputs = x.shape
    outputs = weight.shape[2]
    products = rows * inputs * outputs
    threads = max(1, min(torch.get_num_threads(), products // PRODUCTS_PER_THREAD))
    return _Problem(rows, inputs, outputs, knots.shape[1], even, order, input_order, threads)


def _run(function, problem: _Problem, inputs: tuple, outputs: tuple) -> None:
    """Call the C function with the addresses of the tensors."""
    if 0 in (problem.rows, problem.inputs, problem.outputs):
        for tensor in filter(lambda tensor: tensor is not None, outputs):
            tensor.zero_()
        return
    held = [tensor if tensor is None else tensor.to(inputs[0].dtype).contiguous() for tensor in inputs]
    code = function(problem, *[None if tensor is None else tensor.data_ptr() for tensor in (*held, *outputs)])
    if code == 1:
        raise MemoryError("no memory for the scratch space of the spline sums: use smaller batches")
    if code != 0:
        raise ValueError(f"the native kernel refuses these sizes (code {code}): check knots and degree")
