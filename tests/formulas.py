"""Random formulas for property tests, and the tolerance with which two forms of one formula may differ."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, ratio
from kansym.symbolic.labels import exact
from kansym.symbolic.primitives import CALLS

COLUMNS = 3
EXPONENTS = [Fraction(p) for p in ("2", "-1", "1/2", "3", "-2", "-1/2", "3/2", "1/3", "2/3", "-1/3", "5/3")]
FREE = [0.5, 1.5, 2.25, -0.75, -3.0, 1.0, 0.37, 12.5]

leaves = st.one_of(
    st.integers(0, COLUMNS - 1).map(Variable),
    st.sampled_from(FREE).map(Constant),
    st.sampled_from([Fraction(n, d) for n in (-3, -1, 1, 2, 5) for d in (1, 2, 3)]).map(ratio),
    st.sampled_from(["pi", "E", "sqrt(2)", "pi/2", "0"]).map(exact),
)


def _above(below: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    lists = st.lists(below, min_size=2, max_size=3)
    return st.one_of(
        lists.map(lambda terms: add(*terms)),
        lists.map(lambda factors: multiply(*factors)),
        st.tuples(below, st.sampled_from(EXPONENTS)).map(lambda pair: raise_to(*pair)),
        st.tuples(st.sampled_from(sorted(CALLS)), below).map(lambda pair: call(*pair)),
        below.map(lambda node: call("exp", multiply(Constant(1.3), call("log", node)))),
    )


expressions = st.recursive(leaves, _above, max_leaves=10)

_draws = np.random.default_rng(7)
POINTS = np.concatenate([_draws.uniform(-2.5, 2.5, (25, COLUMNS)), _draws.uniform(0.1, 3.0, (25, COLUMNS))])


def disagreement(expected: Expression, found: np.ndarray) -> str:
    """Where both are finite they must agree up to rounding, which steep formulas magnify; "" when they do."""
    values = expected.evaluate(POINTS)
    nearby = [expected.evaluate(POINTS * (1 + sign * 1e-13)) for sign in (1, -1)]
    with np.errstate(all="ignore"):
        steepness = sum(np.abs(near - values) for near in nearby)
        allowed = 1e-9 * np.abs(values) + 1e4 * steepness + 1e-9
        both = np.isfinite(values) & np.isfinite(found) & np.isfinite(steepness)
        wrong = both & ~(np.abs(found - values) <= allowed) & (np.abs(values) < 1e12)
    rows = np.flatnonzero(wrong)
    return "" if len(rows) == 0 else f"row {rows[0]}: {values[rows[0]]!r} became {found[rows[0]]!r}"
