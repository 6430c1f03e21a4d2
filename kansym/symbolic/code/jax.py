"""JAX: a function of arrays that can be traced, differentiated and compiled; enable x64 for double precision."""

from __future__ import annotations

from kansym.symbolic.code.numpy import array_language, real_root
from kansym.symbolic.code.program import Draft, Program

_HELPERS = {
    "real_root": real_root("jnp"),
    "besselj0": '''def besselj0(x, points=192):
    """The Bessel function J0 by the midpoint rule on its integral, exact to rounding for |x| below 100."""
    angles = jnp.pi * (jnp.arange(points) + 0.5) / points
    return jnp.mean(jnp.cos(jnp.asarray(x)[..., None] * jnp.sin(angles)), axis=-1)
''',
}
_OWN = {
    "softplus": "jax.nn.softplus({})", "sigmoid": "jax.nn.sigmoid({})", "erf": "jax.scipy.special.erf({})",
    "besselj0": "besselj0({})",
}  # fmt: skip


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


JAX = Program(array_language("jnp", _OWN), _template, _HELPERS, frozenset(("jax", "jnp")), ascii_only=False)
