"""What the Triton kernels compute of one point: every kind of feature with its slope, and the base function.

It is the arithmetic of the features that limits a wide layer, not their product with the weights. So what depends on
the point alone is computed once, by `place_of`; a dozen operations are left for every feature.

This module imports triton; nothing but `kernels.py` imports it.
"""

# Triton compiles this file by rules of its own, which a type checker does not know.
# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false, reportArgumentType=false
# pyright: reportMissingImports=false

from __future__ import annotations

import triton
import triton.language as tl

# Kinds of features, splines first; features.py says what their grids hold.
EVEN_SPLINE = tl.constexpr(0)
KNOT_SPLINE = tl.constexpr(1)
RSWAF = tl.constexpr(2)
GAUSSIAN = tl.constexpr(3)

# (1/k!)^(1/k) for degree k: lengths are multiplied by it, so that their k-th powers need no division by k!.
SHRINK_2 = tl.constexpr(0.7071067811865476)
SHRINK_3 = tl.constexpr(0.5503212081491045)
SHRINK_4 = tl.constexpr(0.4518010018049224)
SHRINK_5 = tl.constexpr(0.38385194963737745)


@triton.jit
def place_of(x, low, high, intervals, KIND: tl.constexpr, DEGREE: tl.constexpr):
    """Return what all features of a point share: its place in the grid and how far it is beyond the domain; and of
    its input: the spacing of even features, and the gain that turns a slope over places into one over x."""
    inside = tl.minimum(tl.maximum(x, low), high)
    if KIND == EVEN_SPLINE:
        rate = intervals / (high - low)
        small: tl.constexpr = SHRINK_2 if DEGREE == 2 else SHRINK_3
        large: tl.constexpr = SHRINK_4 if DEGREE == 4 else SHRINK_5
        shrink: tl.constexpr = 1.0 if DEGREE == 1 else (small if DEGREE < 4 else large)
        gain = rate * (DEGREE * shrink)
        place = (inside - low) * (rate * shrink)
        beyond = (x - inside) * gain
        spacing = tl.zeros_like(low) + shrink
    else:
        gain = tl.zeros_like(low) + 1.0
        place = inside if KIND == KNOT_SPLINE else x
        beyond = x - inside
        spacing = gain
    return place, beyond, spacing, gain


@triton.jit
def _radial(u, KIND: tl.constexpr):
    """Return sech(u)^2, as 4 e / (1 + e)^2 with e = exp(-2 |u|), or exp(-u^2); and its slope."""
    if KIND == RSWAF:
        fade = tl.exp(-2 * tl.abs(u))
        inverse = 1 / (1 + fade)
        value = 4 * fade * inverse * inverse
        slope = tl.where(u < 0, 2 * value, -2 * value) * (1 - fade) * inverse
    else:
        value = tl.exp(-u * u)
        slope = -2 * u * value
    return value, slope


@triton.jit
def _cardinal(place, feature, spacing, intervals, DEGREE: tl.constexpr):
    """Return B-spline `feature` on the knots ..., -1, 0, 1, ... at place / spacing, and its slope over places / k.

    With a = |s|, s the distance from the spline's middle, and h = (k+1)/2:
    M_k(s) = 1/k! sum_j (-1)^j C(k+1, j) max(h - j - a, 0)^k, of which the terms j <= k/2 are not zero.
    Source: Schoenberg, Cardinal Spline Interpolation, 1973, lecture 2, folded by symmetry.
    """
    distance = place - (feature + (1 - DEGREE) * 0.5) * spacing
    size = tl.abs(distance)
    value = tl.zeros_like(distance)
    slope = tl.zeros_like(distance)
    factor = 1.0
    for term in tl.static_range(DEGREE // 2 + 1):
        reach = tl.maximum(((DEGREE + 1) * 0.5 - term) * spacing - size, 0.0)
        if DEGREE == 1:
            value = reach
        else:
            power = reach
            for _ in tl.static_range(DEGREE - 2):
                power = power * reach
            slope += factor * power
            value += factor * (power * reach)
            factor = -factor * (DEGREE + 1 - term) / (term + 1)
    if DEGREE == 1:
        # The slope jumps at knots: like the pieces, it is continuous from the right, and from the left at the end.
        piece = tl.minimum(tl.floor(place), intervals - 1.0)
        slope = tl.where(feature == piece + 1, 1.0, 0.0) - tl.where(feature == piece, 1.0, 0.0)
    else:
        slope = tl.where(distance < 0, slope, -slope)
    return value, slope


@triton.jit
def _own_knots(knots, feature, stride, place, DEGREE: tl.constexpr):
    """Return the k + 2 knots under one feature of each input, in the number format of the points."""
    own = ()
    for j in tl.static_range(DEGREE + 2):
        own = own + (tl.load(knots + (feature + j) * stride).to(place.dtype),)
    return own


@triton.jit
def _uneven(x, own, number, intervals, DEGREE: tl.constexpr):
    """Return B-spline `number` and its slope from its knots t_0 ... t_(k+1), by the triangle of Cox and de Boor.

    Source: de Boor, A Practical Guide to Splines, 2001, eqs. IX.14 and X.15.
    """
    taps = ()
    for j in tl.static_range(DEGREE + 1):
        # The last piece of the domain is closed: no point lies right of its end.
        begun = (x >= own[j]) & (number + j < intervals + DEGREE)
        over = (x >= own[j + 1]) & (number + j + 1 < intervals + DEGREE)
        taps = taps + (tl.where(begun & ~over, x * 0 + 1, x * 0),)
    for level in tl.static_range(1, DEGREE):
        raised = ()
        for j in tl.static_range(DEGREE + 1 - level):
            rising = (x - own[j]) * (1.0 / (own[j + level] - own[j]))
            falling = (own[j + level + 1] - x) * (1.0 / (own[j + level + 1] - own[j + 1]))
            raised = raised + (rising * taps[j] + falling * taps[j + 1],)
        taps = raised
    up = 1.0 / (own[DEGREE] - own[0])
    down = 1.0 / (own[DEGREE + 1] - own[1])
    value = (x - own[0]) * up * taps[0] + (own[DEGREE + 1] - x) * down * taps[1]
    return value, DEGREE * (up * taps[0] - down * taps[1])


@triton.jit
def value_and_slope(
    place, spacing, feature, knots, stride, intervals, KIND: tl.constexpr, DEGREE: tl.constexpr
):  # fmt: skip
    """Return a feature at places inside the domain and its slope over places."""
    if KIND == EVEN_SPLINE:
        value, slope = _cardinal(place, feature, spacing, intervals, DEGREE)
    elif KIND == KNOT_SPLINE:
        own = _own_knots(knots, feature, stride, place, DEGREE)
        value, slope = _uneven(place, own, feature, intervals, DEGREE)
    else:
        centre = tl.load(knots + feature * stride).to(place.dtype)
        width = tl.load(knots + (intervals + 1 + feature) * stride).to(place.dtype)
        value, slope = _radial((place - centre) * width, KIND)
        slope *= width
    return value, slope


@triton.jit
def feature_at(
    place, beyond, spacing, feature, knots, stride, intervals, KIND: tl.constexpr, DEGREE: tl.constexpr
):  # fmt: skip
    """Return a feature anywhere: splines go on along their tangents."""
    value, slope = value_and_slope(place, spacing, feature, knots, stride, intervals, KIND, DEGREE)
    if KIND <= KNOT_SPLINE:
        value += beyond * slope
    return value


@triton.jit
def silu(x):
    return x / (1 + tl.exp(-x))


@triton.jit
def silu_slope(x):
    gate = 1 / (1 + tl.exp(-x))
    return gate * (1 + x * (1 - gate))
