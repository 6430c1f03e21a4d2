"""NumPy: a function of arrays, with SciPy for the special functions only."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": '''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = numpy.abs(x) ** (numerator / denominator)
    return numpy.sign(x) * size if numerator % 2 else size
''',
    "sigmoid": '''def sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    return numpy.exp(-numpy.logaddexp(0.0, -x))
''',
}
_SAME = {
    "exp": "exp", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "abs": "abs", "sign": "sign",
}  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="numpy.pi",
    e="numpy.e",
    powers=Powers("{b}**{n}", "numpy.sqrt({x})", "real_root({x}, {n}, {d})", "numpy.power({x}, {p})"),
    calls={
        **{name: f"numpy.{function}({{}})" for name, function in _SAME.items()},
        "softplus": "numpy.logaddexp(0.0, {})",
        "sigmoid": "sigmoid({})",
        "sinc": "numpy.sinc(({})/numpy.pi)",
        "erf": "special.erf({})",
        "besselj0": "special.j0({})",
        "gaussian": "numpy.exp(-numpy.square({}))",
        "lorentzian": "(1.0/(1.0 + numpy.square({})))",
        "planck": "(1.0/numpy.expm1({}))",
    },
)


def _template(draft: Draft) -> str:
    arguments = ", ".join(draft.arguments)
    imports = ["import numpy", *(["from scipy import special"] if "special." in draft.body else [])]
    documentation = ["    " + line if line else "" for line in draft.about[1:]]
    return "\n".join(
        [
            '"""A formula found by kansym."""', "", *imports, "", "",
            *(line for helper in draft.helpers for line in (helper, "")),
            f"def formula({arguments}):", f'    """{draft.about[0]}', *documentation, '    """',
            f"    columns = [numpy.asarray(column, dtype=float) for column in ({arguments},)]",
            f"    {arguments}, = numpy.broadcast_arrays(*columns)",
            f"    return {draft.body} + numpy.zeros({draft.arguments[0]}.shape)", "",
        ]
    )  # fmt: skip


NUMPY = Program(
    _LANGUAGE,
    _template,
    _HELPERS,
    frozenset(("numpy", "special", "float", "columns", "column")),
    ascii_only=False,
)
