"""Fortran 2008: a module with one pure function in double precision, free source form."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_LONGEST = 120  # characters a line; the standard allows 132
_HELPERS = {
    "real_root": """    ! x to the power n/d for an odd d, real for negative x too.
    elemental function real_root(x, n, d) result(value)
        real(dp), intent(in) :: x
        integer, intent(in) :: n, d
        real(dp) :: value
        value = abs(x)**(real(n, dp)/real(d, dp))
        if (mod(n, 2) /= 0) value = sign(value, x)
    end function
""",
    "softplus": """    ! log(1 + exp(x)) without overflow.
    elemental function softplus(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value
        value = max(x, 0.0_dp) + log1p(exp(-abs(x)))
    end function
""",
    "sigmoid": """    ! 1/(1 + exp(-x)), accurate for all x.
    elemental function sigmoid(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value
        value = exp(min(x, 0.0_dp))/(1.0_dp + exp(-abs(x)))
    end function
""",
    "sinc": """    ! sin(x)/x, 1 at 0.
    elemental function sinc(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value
        value = 1.0_dp
        if (abs(x) > 0.0_dp) value = sin(x)/x
    end function
""",
    "signum": """    ! -1, 0 or 1.
    elemental function signum(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value
        value = 0.0_dp
        if (abs(x) > 0.0_dp) value = sign(1.0_dp, x)
    end function
""",
    "expm1": """    ! exp(x) - 1, accurate near 0 (W. Kahan).
    elemental function expm1(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value, power
        power = exp(x)
        if (abs(x) > 1.0_dp) then
            value = power - 1.0_dp
        else if (abs(power - 1.0_dp) > 0.0_dp) then
            value = (power - 1.0_dp)*x/log(power)
        else
            value = x
        end if
    end function
""",
    "log1p": """    ! log(1 + x), accurate near 0 (W. Kahan).
    elemental function log1p(x) result(value)
        real(dp), intent(in) :: x
        real(dp) :: value, above
        above = 1.0_dp + x
        value = x
        if (abs(above - 1.0_dp) > 0.0_dp) value = log(above)*x/(above - 1.0_dp)
    end function
""",
}


def _number(value: float) -> str:
    return f"{value!r}_dp"


_INTRINSIC = ("exp", "log", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
              "atanh", "erf", "abs")  # fmt: skip
_LANGUAGE = Language(
    number=_number,
    pi="acos(-1.0_dp)",
    e="exp(1.0_dp)",
    powers=Powers("{b}**{n}", "sqrt({x})", "real_root({x}, {n}, {d})", "{b}**({p})"),
    calls={
        **{name: f"{name}({{}})" for name in (*_INTRINSIC, "log1p", "softplus", "sigmoid", "sinc")},
        "sign": "signum({})",
        "besselj0": "bessel_j0({})",
        "gaussian": "exp(-({})**2)",
        "lorentzian": "(1.0_dp/(1.0_dp + ({})**2))",
        "planck": "(1.0_dp/expm1({}))",
    },
)
_WORDS = words("""
dp value n d x_result kind real integer mod max min sign sqrt bessel_j0 module function end contains implicit none
result pure elemental intent in if then else formula_module
""")


def _template(draft: Draft) -> str:
    arguments = ", ".join(draft.arguments)
    lines = [
        *commented(["A formula found by kansym.", *draft.about], "!"),
        "module formula_module", "    implicit none", "    private", "    public :: formula",
        "    integer, parameter :: dp = kind(1.0d0)", "contains",
        *(line for helper in draft.helpers for line in helper.split("\n")),
        *_folded(f"    pure function formula({arguments}) result(value)"),
        *_folded(f"        real(dp), intent(in) :: {arguments}"),
        "        real(dp) :: value", *_folded(f"        value = {draft.body}"),
        "    end function", "end module", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _folded(line: str) -> list[str]:
    """A statement on as many lines as it needs; free form lets even a word go on behind `&`."""
    pieces = [line[start : start + _LONGEST] for start in range(0, len(line), _LONGEST)]
    return [
        ("&" if place else "") + piece + ("&" if place < len(pieces) - 1 else "") for place, piece in enumerate(pieces)
    ]


FORTRAN = Program(_LANGUAGE, _template, _HELPERS, _WORDS.union(_INTRINSIC), fold=True)
