"""PyTorch: a module of its own, whose free constants are parameters that can be trained further."""

from __future__ import annotations

import re

from kansym.symbolic.code.program import Draft, Program
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": '''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = x.abs() ** (numerator / denominator)
    return x.sign() * size if numerator % 2 else size
''',
}
_SAME = {
    "exp": "exp", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin",
    "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh",
    "acosh": "acosh", "atanh": "atanh", "abs": "abs", "sign": "sign", "sigmoid": "sigmoid", "erf": "erf",
    "softplus": "nn.functional.softplus", "besselj0": "special.bessel_j0",
}  # fmt: skip
_LANGUAGE = Language(
    number=lambda value: f"\x00{value!r}\x00",
    pi="math.pi",
    e="math.e",
    powers=Powers("{b}**{n}", "{b}**0.5", "real_root({x}, {n}, {d})", "{b}**({p})"),
    whole=lambda value: f"{value}.0",
    calls={
        **{name: f"torch.{function}({{}})" for name, function in _SAME.items()},
        "sinc": "torch.sinc(({})/math.pi)",
        "gaussian": "torch.exp(-torch.square({}))",
        "lorentzian": "(1.0/(1.0 + torch.square({})))",
        "planck": "(1.0/torch.expm1({}))",
    },
)


_FREE = re.compile("\x00([^\x00]+)\x00")  # a free constant in a text that is not numbered yet


def _template(draft: Draft) -> str:
    """The module; its parameter `constants` holds the free constants in the order in which they are written."""
    constants = [float(value) for value in _FREE.findall(draft.body)]
    places = iter(range(len(constants)))
    body = _FREE.sub(lambda _: f"c[{next(places)}]", draft.body)
    documentation = ["        " + line if line else "" for line in draft.about[1:]]
    first = draft.arguments[0]
    return "\n".join(
        [
            '"""A formula found by kansym."""', "", *(["import math", ""] if "math." in body else []),
            "import torch", "", "",
            *(line for helper in draft.helpers for line in (helper, "")),
            "class Formula(torch.nn.Module):",
            '    """The formula in float64; `constants` are its free numbers."""', "",
            "    def __init__(self):", "        super().__init__()",
            f"        start = torch.tensor({constants!r}, dtype=torch.float64)",
            "        self.constants = torch.nn.Parameter(start)", "",
            f"    def forward(self, {', '.join(draft.arguments)}):", f'        """{draft.about[0]}', *documentation,
            '        """', *(["        c = self.constants"] if constants else []),
            f"        return {body} + torch.zeros_like({first})", "",
        ]
    )  # fmt: skip


TORCH = Program(
    _LANGUAGE, _template, _HELPERS, frozenset(("torch", "math", "c", "self", "super", "start")), ascii_only=False
)
