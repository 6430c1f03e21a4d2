"""JavaScript (ES2016): a function for browsers and Node."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "realRoot": """// x to the power n/d for an odd d, real for negative x too.
function realRoot(x, n, d) {
  const size = Math.pow(Math.abs(x), n / d);
  return n % 2 && x < 0 ? -size : size;
}
""",
    "softplus": """// log(1 + exp(x)) without overflow.
function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
""",
    "sigmoid": """// 1/(1 + exp(-x)), accurate for all x.
function sigmoid(x) {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}
""",
    "sinc": """// sin(x)/x, 1 at 0.
function sinc(x) {
  return x === 0 ? 1 : Math.sin(x) / x;
}
""",
    "square": """function square(x) {
  return x * x;
}
""",
    "erf": """// The error function by its series of positive terms.
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; term !== 0 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
""",
    "besselj0": """// The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here.
function besselj0(x) {
  const points = 40 + Math.floor(Math.abs(x));
  let sum = 0;
  for (let k = 0; k < points; k++) sum += Math.cos(x * Math.sin((Math.PI * (k + 0.5)) / points));
  return sum / points;
}
""",
}
_OWN = ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "abs", "sign")  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="Math.PI",
    e="Math.E",
    powers=Powers("Math.pow({x}, {n})", "Math.sqrt({x})", "realRoot({x}, {n}, {d})", "Math.pow({x}, {p})"),
    calls={
        **{name: f"Math.{name}({{}})" for name in _OWN},
        **{name: f"{name}({{}})" for name in ("softplus", "sigmoid", "sinc", "erf", "besselj0")},
        "gaussian": "Math.exp(-square({}))",
        "lorentzian": "(1/(1 + square({})))",
        "planck": "(1/Math.expm1({}))",
    },
)
_WORDS = words("""
arguments await async break case catch class const continue debugger default delete do else enum eval export extends
false finally for function if implements import in instanceof interface let new null package private protected
public return static super switch this throw true try typeof undefined var void while with yield Math module NaN
Infinity of get set
""")


def _template(draft: Draft) -> str:
    return "\n".join(
        [
            *commented(["A formula found by kansym.", *draft.about], "//"), *draft.helpers,
            f"function formula({', '.join(draft.arguments)}) {{", f"  return {draft.body};", "}", "",
            'if (typeof module !== "undefined") module.exports = { formula };', "",
        ]
    )  # fmt: skip


JAVASCRIPT = Program(_LANGUAGE, _template, _HELPERS, _WORDS)
