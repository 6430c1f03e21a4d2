"""C99 and C++: a function of doubles that needs the standard mathematics library only."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": """/* x to the power numerator/denominator for an odd denominator, real for negative x too. */
static double real_root(double x, int numerator, int denominator) {
    double size = pow(fabs(x), (double)numerator / denominator);
    return numerator % 2 ? copysign(size, x) : size;
}
""",
    "softplus": """/* log(1 + exp(x)) without overflow. */
static double softplus(double x) { return fmax(x, 0.0) + log1p(exp(-fabs(x))); }
""",
    "sigmoid": """/* 1/(1 + exp(-x)), accurate for all x. */
static double sigmoid(double x) { return x >= 0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }
""",
    "sinc": """/* sin(x)/x, 1 at 0. */
static double sinc(double x) { return x != 0.0 ? sin(x) / x : 1.0; }
""",
    "sign": """/* -1, 0 or 1. */
static double sign(double x) { return (double)((x > 0.0) - (x < 0.0)); }
""",
    "square": """static double square(double x) { return x * x; }
""",
    "besselj0": """/* The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here. */
static double besselj0(double x) {
    int points = 40 + (int)fabs(x);
    double sum = 0.0;
    for (int k = 0; k < points; k++) sum += cos(x * sin(KANSYM_PI * (k + 0.5) / points));
    return sum / points;
}
""",
}
_SAME = ("exp", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
         "atanh", "erf", "softplus", "sigmoid", "sinc", "sign", "besselj0")  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="KANSYM_PI",
    e="KANSYM_E",
    powers=Powers("pow({x}, {n})", "sqrt({x})", "real_root({x}, {n}, {d})", "pow({x}, {p})"),
    calls={
        **{name: f"{name}({{}})" for name in _SAME},
        "abs": "fabs({})",
        "gaussian": "exp(-square({}))",
        "lorentzian": "(1.0/(1.0 + square({})))",
        "planck": "(1.0/expm1({}))",
    },
)
_WORDS = words("""
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main alignas
alignof and and_eq asm bitand bitor bool catch class compl concept consteval constexpr constinit const_cast co_await
co_return co_yield decltype delete dynamic_cast explicit export false friend mutable namespace new noexcept not
not_eq nullptr operator or or_eq private protected public reinterpret_cast requires static_assert static_cast
template this thread_local throw true try typeid typename using virtual wchar_t xor xor_eq std acos acosh asin asinh
atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma fmax fmin fmod frexp hypot
ilogb j0 j1 jn ldexp lgamma llrint log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter pow remainder
remquo rint round scalbn signbit sin sinh sqrt tan tanh tgamma trunc y0 y1 yn gamma signgam isnan isinf isfinite
isnormal NAN INFINITY KANSYM_PI KANSYM_E
""")
_CONSTANTS = ["#define KANSYM_PI 3.14159265358979323846", "#define KANSYM_E 2.71828182845904523536"]


def _template(header: str, opening: str, names: str):
    def write(draft: Draft) -> str:
        defined = [line for line in _CONSTANTS if line.split()[1] in draft.body + "".join(draft.helpers)]
        return "\n".join(
            [
                *commented(["A formula found by kansym.", *draft.about], "//"),
                f"#include <{header}>", *([""] if defined else []), *defined, *names.split("\n"),
                *draft.helpers,
                f"{opening}({', '.join(f'double {name}' for name in draft.arguments)}) {{",
                *(f"    (void){name};" for name in draft.arguments if name not in _words(draft.body)),
                f"    return {draft.body};", "}", "",
            ]
        )  # fmt: skip

    return write


def _words(text: str) -> set[str]:
    return set("".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split())


C = Program(_LANGUAGE, _template("math.h", "double formula", ""), _HELPERS, _WORDS)
CPP = Program(_LANGUAGE, _template("cmath", "double formula", "\nusing namespace std;\n"), _HELPERS, _WORDS)
