"""Python: a function that needs nothing but the standard library."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": '''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = abs(x) ** (numerator / denominator)
    return math.copysign(size, x) if numerator % 2 else size
''',
    "softplus": '''def softplus(x):
    """log(1 + exp(x)) without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
''',
    "sigmoid": '''def sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
''',
    "sinc": '''def sinc(x):
    """sin(x)/x, 1 at 0."""
    return math.sin(x) / x if x else 1.0
''',
    "sign": '''def sign(x):
    """-1, 0 or 1."""
    return 1.0 if x > 0 else -1.0 if x < 0 else 0.0
''',
    "square": '''def square(x):
    """x*x."""
    return x * x
''',
    "besselj0": '''def besselj0(x):
    """The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here."""
    points = 40 + int(abs(x))
    angles = (math.pi * (k + 0.5) / points for k in range(points))
    return math.fsum(math.cos(x * math.sin(angle)) for angle in angles) / points
''',
}
_PATTERNS = {
    **{name: f"math.{name}({{}})" for name in
       ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "erf")},
    **{name: f"{name}({{}})" for name in ("softplus", "sigmoid", "sinc", "sign", "besselj0", "abs")},
    "gaussian": "math.exp(-square({}))",
    "lorentzian": "(1.0/(1.0 + square({})))",
    "planck": "(1.0/math.expm1({}))",
}  # fmt: skip


def _template(draft: Draft) -> str:
    documentation = ["    " + line if line else "" for line in draft.about]
    return "\n".join(
        [
            '"""A formula found by kansym."""', "", "import math", "", "",
            *(line for helper in draft.helpers for line in (helper, "")),
            f"def formula({', '.join(draft.arguments)}):",
            f'    """{draft.about[0]}', *documentation[1:], '    """',
            f"    return float({draft.body})", "",
        ]
    )  # fmt: skip


PYTHON = Program(
    Language(
        number=repr,
        pi="math.pi",
        e="math.e",
        powers=Powers("{b}**{n}", "math.sqrt({x})", "real_root({x}, {n}, {d})", "math.pow({x}, {p})"),
        calls=_PATTERNS,
    ),
    _template,
    _HELPERS,
    frozenset(("math", "float", "range", "int", "abs", "max")),
    ascii_only=False,
)
