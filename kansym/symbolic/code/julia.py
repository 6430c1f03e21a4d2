"""Julia: a function of numbers that needs no package; broadcast it over arrays with `formula.(x, y)`."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": """# x to the power n/d for an odd d, real for negative x too.
function real_root(x, n, d)
    size = abs(x)^(n / d)
    return isodd(n) ? copysign(size, x) : size
end
""",
    "softplus": """# log(1 + exp(x)) without overflow.
softplus(x) = max(x, 0.0) + log1p(exp(-abs(x)))
""",
    "sigmoid": """# 1/(1 + exp(-x)), accurate for all x.
sigmoid(x) = exp(min(x, 0.0)) / (1.0 + exp(-abs(x)))
""",
    "sine_ratio": """# sin(x)/x, 1 at 0.
sine_ratio(x) = iszero(x) ? 1.0 : sin(x) / x
""",
    "erf": """# The error function by its series of positive terms.
function erf(x)
    abs(x) > 6 && return sign(x)
    term = total = x
    n = 1
    while abs(term) > 1e-17 * abs(total)
        term *= 2 * x * x / (2 * n + 1)
        total += term
        n += 1
    end
    return 2 / sqrt(pi) * exp(-x * x) * total
end
""",
    "besselj0": """# The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here.
function besselj0(x)
    points = 40 + floor(Int, abs(x))
    return sum(cos(x * sin(pi * (k + 0.5) / points)) for k in 0:points-1) / points
end
""",
}
_OWN = ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "abs", "sign", "softplus", "sigmoid", "erf", "besselj0")  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="pi",
    e="exp(1.0)",
    powers=Powers("{b}^{n}", "sqrt({x})", "real_root({x}, {n}, {d})", "{b}^({p})"),
    calls={
        **{name: f"{name}({{}})" for name in _OWN},
        "sinc": "sine_ratio({})",
        "gaussian": "exp(-abs2({}))",
        "lorentzian": "(1.0/(1.0 + abs2({})))",
        "planck": "(1.0/expm1({}))",
    },
)
_WORDS = words("""
baremodule begin break catch const continue do else elseif end export false finally for function global if import in
isa let local macro module mutable struct primitive quote return true try using where while abstract type pi im
missing nothing NaN Inf expm1 abs2 sqrt iszero isodd copysign max min sum floor Int
""")


def _template(draft: Draft) -> str:
    return "\n".join(
        [
            *commented(["A formula found by kansym.", *draft.about], "#"), *draft.helpers,
            f"function formula({', '.join(draft.arguments)})", f"    return {draft.body}", "end", "",
        ]
    )  # fmt: skip


JULIA = Program(_LANGUAGE, _template, _HELPERS, _WORDS.union(_OWN))
