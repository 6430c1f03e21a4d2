"""JAX: a function of arrays that can be traced, differentiated and compiled; enable x64 for double precision."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": '''def real_root(x, numerator, denominator):
    """x**(numerator/denominator) for an odd denominator, real for negative x too."""
    size = jnp.abs(x) ** (numerator / denominator)
    return jnp.sign(x) * size if numerator % 2 else size
''',
    "besselj0": '''def besselj0(x, points=192):
    """The Bessel function J0 by the midpoint rule on its integral, exact to rounding for |x| below 100."""
    angles = jnp.pi * (jnp.arange(points) + 0.5) / points
    return jnp.mean(jnp.cos(jnp.asarray(x)[..., None] * jnp.sin(angles)), axis=-1)
''',
}
_SAME = {
    "exp": "exp", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "abs": "abs", "sign": "sign",
}  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="jnp.pi",
    e="jnp.e",
    powers=Powers("{b}**{n}", "jnp.sqrt({x})", "real_root({x}, {n}, {d})", "jnp.power({x}, {p})"),
    calls={
        **{name: f"jnp.{function}({{}})" for name, function in _SAME.items()},
        "softplus": "jax.nn.softplus({})",
        "sigmoid": "jax.nn.sigmoid({})",
        "sinc": "jnp.sinc(({})/jnp.pi)",
        "erf": "jax.scipy.special.erf({})",
        "besselj0": "besselj0({})",
        "gaussian": "jnp.exp(-jnp.square({}))",
        "lorentzian": "(1.0/(1.0 + jnp.square({})))",
        "planck": "(1.0/jnp.expm1({}))",
    },
)


def _template(draft: Draft) -> str:
    documentation = ["    " + line if line else "" for line in draft.about[1:]]
    first = draft.arguments[0]
    return "\n".join(
        [
            '"""A formula found by kansym; for double precision call jax.config.update("jax_enable_x64", True)."""', "",
            "import jax", "import jax.numpy as jnp", "", "",
            *(line for helper in draft.helpers for line in (helper, "")),
            f"def formula({', '.join(draft.arguments)}):", f'    """{draft.about[0]}', *documentation, '    """',
            f"    return {draft.body} + jnp.zeros(jnp.shape({first}))", "",
        ]
    )  # fmt: skip


JAX = Program(_LANGUAGE, _template, _HELPERS, frozenset(("jax", "jnp")), ascii_only=False)
