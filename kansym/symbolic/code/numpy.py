"""NumPy: a function of arrays, with SciPy for the special functions only."""

from __future__ import annotations

from collections.abc import Mapping

from kansym.symbolic.code.program import Draft, Program
from kansym.symbolic.code.writer import Language, Powers

_SAME = {
    "exp": "exp", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "abs": "abs", "sign": "sign",
}  # fmt: skip


def array_language(module: str, own: Mapping[str, str]) -> Language:
    """The language of a module with NumPy's functions.

    module: what it is called. own: patterns of the primitives that it has no function for.
    """
    return Language(
        number=repr,
        pi=f"{module}.pi",
        e=f"{module}.e",
        powers=Powers("{b}**{n}", f"{module}.sqrt({{x}})", "real_root({x}, {n}, {d})", f"{module}.power({{x}}, {{p}})"),
        calls={
            **{name: f"{module}.{function}({{}})" for name, function in _SAME.items()},
            "sinc": f"{module}.sinc(({{}})/{module}.pi)",
            "gaussian": f"{module}.exp(-{module}.square({{}}))",
            "lorentzian": f"(1.0/(1.0 + {module}.square({{}})))",
            "planck": f"(1.0/{module}.expm1({{}}))",
            **own,
        },
    )


def real_root(module: str) -> str:
    """The helper for powers with an odd denominator."""
    return f'''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = {module}.abs(x) ** (numerator / denominator)
    return {module}.sign(x) * size if numerator % 2 else size
'''


_HELPERS = {
    "real_root": real_root("numpy"),
    "sigmoid": '''def sigmoid(x):
    """1/(1 + exp(-x)) without overflow."""
    return numpy.exp(-numpy.logaddexp(0.0, -x))
''',
}
_OWN = {
    "softplus": "numpy.logaddexp(0.0, {})", "sigmoid": "sigmoid({})", "erf": "special.erf({})",
    "besselj0": "special.j0({})",
}  # fmt: skip


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
    array_language("numpy", _OWN),
    _template,
    _HELPERS,
    frozenset(("numpy", "special", "float", "columns", "column")),
    ascii_only=False,
)
