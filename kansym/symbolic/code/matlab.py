"""MATLAB and GNU Octave: a function file `formula.m` that works elementwise on arrays of one shape."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": """% x to the power n/d for an odd d, real for negative x too.
function y = real_root(x, n, d)
  y = abs(x).^(n/d);
  if mod(n, 2)
    y = sign(x).*y;
  end
end
""",
    "softplus": """% log(1 + exp(x)) without overflow.
function y = softplus(x)
  y = max(x, 0) + log1p(exp(-abs(x)));
end
""",
    "sigmoid": """% 1/(1 + exp(-x)), accurate for all x.
function y = sigmoid(x)
  y = exp(min(x, 0))./(1 + exp(-abs(x)));
end
""",
    "sine_ratio": """% sin(x)/x, 1 at 0.
function y = sine_ratio(x)
  y = ones(size(x));
  y(x ~= 0) = sin(x(x ~= 0))./x(x ~= 0);
end
""",
}
_OWN = ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "abs", "sign", "erf", "softplus", "sigmoid")  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="pi",
    e="exp(1)",
    powers=Powers("{b}.^{n}", "sqrt({x})", "real_root({x}, {n}, {d})", "{b}.^({p})"),
    calls={
        **{name: f"{name}({{}})" for name in _OWN},
        "sinc": "sine_ratio({})",
        "besselj0": "besselj(0, {})",
        "gaussian": "exp(-({}).^2)",
        "lorentzian": "(1./(1 + ({}).^2))",
        "planck": "(1./expm1({}))",
    },
    times=".*",
    over="./",
)
_WORDS = words("""
break case catch classdef continue do else elseif end end_try_catch end_unwind_protect endfor endfunction endif
endswitch endwhile for function global if otherwise parfor persistent return spmd switch try until unwind_protect
unwind_protect_cleanup while pi e i j inf nan eps ans y besselj expm1 sqrt ones size mod max min result zeros
""")


def _template(draft: Draft) -> str:
    return "\n".join(
        [
            f"function result = formula({', '.join(draft.arguments)})",
            *commented(["A formula found by kansym.", *draft.about], "%"),
            f"  result = {draft.body} + zeros(size({draft.arguments[0]}));", "end", "", *draft.helpers,
        ]
    )  # fmt: skip


MATLAB = Program(_LANGUAGE, _template, _HELPERS, _WORDS.union(_OWN), fold=True)
