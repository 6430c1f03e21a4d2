"""Rust: a function of f64 that needs the standard library only."""

from __future__ import annotations

from kansym.symbolic.code.program import Draft, Program, commented
from kansym.symbolic.code.safe_names import words
from kansym.symbolic.code.writer import Language, Powers

_HELPERS = {
    "real_root": """/// x to the power n/d for an odd d, real for negative x too.
fn real_root(x: f64, n: i32, d: i32) -> f64 {
    let size = x.abs().powf(f64::from(n) / f64::from(d));
    if n % 2 != 0 && x < 0.0 { -size } else { size }
}
""",
    "softplus": """/// log(1 + exp(x)) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
""",
    "sigmoid": """/// 1/(1 + exp(-x)), accurate for all x.
fn sigmoid(x: f64) -> f64 {
    x.min(0.0).exp() / (1.0 + (-x.abs()).exp())
}
""",
    "sinc": """/// sin(x)/x, 1 at 0.
fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { x.sin() / x }
}
""",
    "sign": """/// -1, 0 or 1.
fn sign(x: f64) -> f64 {
    if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { 0.0 }
}
""",
    "square": """fn square(x: f64) -> f64 {
    x * x
}
""",
    "erf": """/// The error function by its series of positive terms.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 { return x.signum(); }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}
""",
    "besselj0": """/// The Bessel function J0 by the midpoint rule on its integral, which is exact to rounding here.
fn besselj0(x: f64) -> f64 {
    let points = 40 + x.abs() as usize;
    let step = std::f64::consts::PI / points as f64;
    (0..points).map(|k| (x * ((k as f64 + 0.5) * step).sin()).cos()).sum::<f64>() / points as f64
}
""",
}
_METHODS = {
    "exp": "exp", "log": "ln", "log1p": "ln_1p", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "asin",
    "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "asinh",
    "acosh": "acosh", "atanh": "atanh", "abs": "abs",
}  # fmt: skip
_LANGUAGE = Language(
    number=repr,
    pi="std::f64::consts::PI",
    e="std::f64::consts::E",
    powers=Powers("f64::powi({x}, {n})", "f64::sqrt({x})", "real_root({x}, {n}, {d})", "f64::powf({x}, {p})"),
    calls={
        **{name: f"f64::{method}({{}})" for name, method in _METHODS.items()},
        **{name: f"{name}({{}})" for name in ("softplus", "sigmoid", "sinc", "sign", "erf", "besselj0")},
        "gaussian": "f64::exp(-square({}))",
        "lorentzian": "(1.0/(1.0 + square({})))",
        "planck": "(1.0/f64::exp_m1({}))",
    },
)
_WORDS = words("""
abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl
in let loop macro match mod move mut override priv pub ref return self Self static struct super trait true try type
typeof union unsafe unsized use virtual where while yield f64 std
""")


def _template(draft: Draft) -> str:
    arguments = ", ".join(f"{name}: f64" for name in draft.arguments)
    return "\n".join(
        [
            "// A formula found by kansym.", "", *draft.helpers, *commented(draft.about, "///"),
            "#[allow(non_snake_case, unused_variables, unused_parens, clippy::all)]",
            f"pub fn formula({arguments}) -> f64 {{", f"    {draft.body}", "}", "",
        ]
    )  # fmt: skip


RUST = Program(_LANGUAGE, _template, _HELPERS, _WORDS)
