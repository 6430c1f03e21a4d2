"""How well a formula reads: its length on paper, and what makes one of two equally long forms the plainer one.

Short comes first; then few occurrences of the columns, roots of "1 - ratio" rather than of a difference, few minuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import combinations

from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Variable,
    real_powers,
)
from kansym.symbolic.labels import Exact, is_name
from kansym.symbolic.notation import as_decimal, exact_value, powers_apart
from kansym.symbolic.ordering import factor_key, term_key, values
from kansym.symbolic.terms import factors_of, product_of

HALF = Fraction(1, 2)
LARGEST_PLAIN, MOST_DIGITS = 1000, 5  # of fractions and their like, and of decimals, that are short
ROUNDING = 1e-10  # relative accuracy that a fit to clean data reaches
DIFFERENCE = 3.0  # nodes that a root of a difference without a plain number is worth avoiding
STACKED = 1.0  # nodes that a fraction within a fraction is worth avoiding
BOTH_SIDES = 2.25  # nodes that a column before and under a root is worth avoiding
LOOSE = 0.5  # nodes that a number before a square root is worth avoiding that the root could hold
UNDONE = 3.0  # nodes that x*(a + b/x), or a root of exp(x), is worth avoiding
HELD = 3.0  # nodes that a number before a sum with numbers is worth avoiding
REPEATED = 2.0  # nodes that a ratio saves where it occurs again: one would give it a letter
# What a function adds to its argument, where that is not one symbol; composed ones as they are printed.
CALL_LENGTHS = {
    "asinh": 3, "acosh": 3, "atanh": 3, "planck": 5, "sigmoid": 6, "softplus": 4, "gaussian": 3, "lorentzian": 5,
    "log1p": 3, "abs": 2, "sign": 2,
}  # fmt: skip


def key(expression: Expression) -> tuple:
    """What the best of equal forms is the least in: length as written, occurrences of columns, minuses, then order."""
    return (*_measure(expression), *_ties(expression))


def nestings(expression: Expression) -> int:
    """How many functions stand around another one, as in exp(cos(x)) or sqrt(cos(x)): rare in laws of nature.

    x**p with a fitted p, which is kept as exp(p*log(x)), is none unless x holds one.
    """
    return sum(map(_holds_a_call, expression.walk()))


def has_free_power(node: Expression) -> bool:
    """Whether a node holds x**p with a fitted p, written exp(p log x)."""
    powers = real_powers(node)[0] if isinstance(node, Call) else ()
    return any(isinstance(f, Constant) and f.label is None for _, p in powers for f in factors_of(p))


def is_power_law(expression: Expression) -> bool:
    """Whether a formula is a number times powers of columns, the exponents being numbers."""
    return all(map(_is_power, factors_of(powers_apart(expression))))


def _is_power(factor: Expression) -> bool:
    if isinstance(factor, Call):
        powers, rest = real_powers(factor)
        return rest is None and all(is_power_law(x) and isinstance(p, Constant) for x, p in powers)
    return isinstance(factor, (Constant, Variable)) or (isinstance(factor, Power) and is_power_law(factor.base))


def _holds_a_call(node: Expression) -> bool:
    if isinstance(node, Call):
        powers, rest = real_powers(node)
        inside = [*(part for power in powers for part in power), *(rest.children if rest is not None else ())]
        return any(isinstance(inner, Call) for part in inside for inner in part.walk())
    return isinstance(node, Power) and node.exponent.denominator > 1 and isinstance(node.base, Call)


def _measure(expression: Expression) -> tuple:
    nodes = list(expression.walk())
    length = written_length(expression)
    length += DIFFERENCE * sum(map(is_bare_difference, nodes)) + STACKED * sum(map(_is_stacked, nodes))
    length += BOTH_SIDES * _count_both_sides(expression)
    length += LOOSE * sum(map(is_loose_before_root, nodes))
    length += UNDONE * sum(_is_undone(node) or _is_power_of_exp(node) for node in nodes)
    length += HELD * sum(map(_holds_numbers, nodes))
    length -= REPEATED * _repeated_ratios(nodes)
    minuses = sum(isinstance(node, Constant) and node.value < 0 for node in nodes)
    return (length, sum(map(is_column, nodes)), minuses, sum(map(_root_content, nodes)), expression.complexity)


def _holds_numbers(node: Expression) -> bool:
    """Whether a node is a number times a sum in which numbers stand as well: 3*(u + 2/5) for 3*u + 6/5."""
    if not (isinstance(node, Product) and len(node.factors) == 2 and isinstance(node.factors[0], Constant)):
        return False
    inside = [factor for term in node.factors[1].children for factor in factors_of(term)]
    return isinstance(node.factors[1], Sum) and any(isinstance(f, Constant) and abs(f.value) != 1 for f in inside)


def _ties(expression: Expression) -> tuple:
    """What decides between forms of equal measure: terms in their order, then the text."""
    unordered = sum(isinstance(n, Sum) and list(n.terms) != sorted(n.terms, key=term_order) for n in expression.walk())
    return (unordered, expression.skeleton, values(expression))


def best_of(forms: Iterable[Expression], count: int) -> list[Expression]:
    """The best forms; texts are compared only where nothing else decides."""
    measured = sorted(((_measure(form), form) for form in forms), key=lambda pair: pair[0])
    limit = measured[min(count, len(measured)) - 1][0]
    near = [(measure, _ties(form), form) for measure, form in measured if measure <= limit]
    return [form for _, _, form in sorted(near, key=lambda item: item[:2])[:count]]


def written_length(node: Expression) -> int:
    """Symbols of a formula as one writes it: a - b and a/b have one operator each, a sign costs one."""
    if isinstance(node, Constant):
        return _number_length(node) + (node.value < 0)
    if isinstance(node, Variable):
        return 1
    if isinstance(node, Call):
        return written_length(node.argument) + CALL_LENGTHS.get(node.name, 1)
    if isinstance(node, Sum):
        lengths = [written_length(term) - is_negative(term) for term in node.terms]
        return sum(lengths) + len(lengths) - 1 + all(is_negative(term) for term in node.terms)
    return _fraction_length(node)


def _fraction_length(node: Expression) -> int:
    above: list[int] = []
    below: list[int] = []
    negative = is_negative(node)
    for factor in factors_of(node):
        if isinstance(factor, Constant):
            known = exact_value(factor)
            _exact_lengths(known, above, below) if known else above.append(1)
        elif isinstance(factor, Power):
            size = written_length(factor.base) + (0 if abs(factor.exponent) == 1 else 1 if _is_plain(factor) else 2)
            (above if factor.exponent > 0 else below).append(size)
        else:
            above.append(written_length(factor))
    above = above or [1]
    return sum(above) + sum(below) + len(above) + len(below) - 1 + negative


def _is_plain(node: Power) -> bool:
    return abs(node.exponent) in (2, HALF)


def _number_length(constant: Constant) -> int:
    known = exact_value(constant)
    if known is None:
        return 1
    above: list[int] = []
    below: list[int] = []
    _exact_lengths(known, above, below)
    above = above or [1]
    return sum(above) + sum(below) + len(above) + len(below) - 1


def _exact_lengths(number: Exact, above: list[int], below: list[int]) -> None:
    """The lengths of the parts of an exact number above and below the fraction line."""
    decimal = as_decimal(Exact(abs(number.ratio), number.pi, number.e, number.root)) is not None
    if decimal or abs(number.ratio.numerator) != 1:
        above.append(1)
    if number.ratio.denominator != 1 and not decimal:
        below.append(1)
    for exponent in (number.pi, number.e):
        if exponent:
            (above if exponent > 0 else below).append(1 if abs(exponent) == 1 else 2)
    if number.root != 1:
        above.append(2)


def is_bare_difference(node: Expression) -> bool:
    """Whether the node is a root of, or one over, a difference from a free number that is not written 1 - ratio."""
    if not (isinstance(node, Power) and (node.exponent.denominator % 2 == 0 or node.exponent < 0)):
        return False
    sums = [base_and_exponent(factor)[0] for factor in factors_of(node.base)]
    root = node.exponent.denominator % 2 == 0
    return any(isinstance(base, Sum) and len(base.terms) == 2 and _is_difference(base, root) for base in sums)


def _is_difference(node: Sum, root: bool) -> bool:
    numbers = [term for term in node.terms if isinstance(term, Constant)]
    if any(not is_plain(number) for number in numbers):
        return len({is_negative(term) for term in node.terms}) == 2
    return root and not any(number.value > 0 for number in numbers) and any(map(is_negative, node.terms))


def is_plain(number: Constant) -> bool:
    """Whether a number is short: a small fraction, or a decimal of few digits, be it exact or what a fit came to.

    The speed of light in m/s is a whole number too.
    """
    known = exact_value(number)
    if known is not None and max(abs(known.ratio.numerator), known.ratio.denominator) <= LARGEST_PLAIN:
        return True
    rational = known is None or known.irrational == (0, 0, 1)
    return rational and not is_name(number.label) and _is_short(number.value)


def _is_short(value: float) -> bool:
    return abs(float(f"{value:.{MOST_DIGITS}g}") - value) <= ROUNDING * abs(value)


def is_loose_before_root(node: Expression) -> bool:
    """Whether a free number stands before a square root of a sum that could hold it without another number."""
    if not isinstance(node, Product) or not any(isinstance(f, Constant) and f.label is None for f in node.factors):
        return False
    roots = [f.base for f in node.factors if isinstance(f, Power) and f.exponent == HALF]
    bare = [sum(not _number_in(term) for term in base.terms) for base in roots if isinstance(base, Sum)]
    return len(bare) == 1 and bare[0] <= 1


def _is_power_of_exp(node: Expression) -> bool:
    return isinstance(node, Power) and isinstance(node.base, Call) and node.base.name in ("exp", "gaussian")


def _number_in(term: Expression) -> bool:
    return any(isinstance(factor, Constant) for factor in factors_of(term))


def _count_both_sides(node: Expression) -> int:
    if isinstance(node, Product):  # the roots in it are looked at with it
        inner = [
            part for factor in node.factors for part in (factor.children if isinstance(factor, Power) else [factor])
        ]
    else:
        inner = node.children
    return _on_both_sides(node) + sum(map(_count_both_sides, inner))


def _on_both_sides(node: Expression) -> int:
    """Columns before a root, or able to stand there, that are in the sum under it too, which holds no plain number."""
    factors = factors_of(node)
    inner = [factor for part in factors if isinstance(part, Sum) for term in part.terms for factor in factors_of(term)]
    roots = [each for each in (*factors, *inner) if isinstance(each, Power) and each.exponent.denominator % 2 == 0]
    under = [part for root in roots for part in map(base_and_exponent, factors_of(root.base))]
    before = {base for base, _ in map(base_and_exponent, factors) if is_column(base)}
    before |= {base for base, e in under if is_column(base) and abs(e) >= 2}
    sums = [base for base, _ in under if isinstance(base, Sum) and not _has_number(base)]
    return len(before & {inner for base in sums for inner in base.walk() if is_column(inner)}) if before else 0


def _has_number(node: Sum) -> bool:
    return any(isinstance(term, Constant) and term.value > 0 for term in node.terms)


def _is_stacked(node: Expression) -> bool:
    """Whether what stands below the fraction line holds a fraction of columns."""
    if not (isinstance(node, Power) and node.exponent < 0):
        return False
    sums = [base for base, _ in map(base_and_exponent, factors_of(node.base)) if isinstance(base, Sum)]
    return _has_division(node.base) or any(_has_division(term) for base in sums for term in base.terms)


def _is_undone(node: Expression) -> bool:
    """Whether a product has a column before a sum and below the line in one of its terms, as in x*(a + b/x)."""
    if not isinstance(node, Product):
        return False
    before = {base for base, e in map(base_and_exponent, node.factors) if e > 0 and is_column(base)}
    terms = [term for factor in node.factors if isinstance(factor, Sum) for term in factor.terms] if before else []
    return any(e < 0 and base in before for term in terms for base, e in map(base_and_exponent, factors_of(term)))


def _has_division(term: Expression) -> bool:
    return any(isinstance(factor, Power) and factor.exponent < 0 for factor in factors_of(term)) or (
        isinstance(term, Power) and _has_division(term.base)
    )


def _repeated_ratios(nodes: Sequence[Expression]) -> int:
    """How often a ratio x/y of two columns occurs again in products."""
    seen: dict[tuple[Expression, Expression], int] = {}
    for node in nodes:
        if isinstance(node, Product):
            powers = {base: exponent for base, exponent in map(base_and_exponent, node.factors) if is_column(base)}
            for first, second in combinations(sorted(powers, key=lambda power: power.skeleton), 2):
                if powers[first] == -powers[second]:
                    ratio = (first, second) if powers[first] > 0 else (second, first)
                    seen[ratio] = seen.get(ratio, 0) + 1
    return sum(count - 1 for count in seen.values())


def _root_content(node: Expression) -> int:
    """Nodes under the root that are no sum and no argument: fewer are better, 2*sqrt(x) rather than sqrt(4*x)."""
    if not (isinstance(node, Power) and node.exponent.denominator > 1):
        return 0
    return sum(abs(int(part.exponent)) for part in factors_of(node.base) if isinstance(part, Power)) + sum(
        isinstance(part, Constant) for part in factors_of(node.base)
    )


def is_negative(node: Expression) -> bool:
    return math.prod(factor.value for factor in factors_of(node) if isinstance(factor, Constant)) < 0


def is_column(node: Expression) -> bool:
    return isinstance(node, Variable) or (isinstance(node, Constant) and is_name(node.label))


def base_and_exponent(node: Expression) -> tuple[Expression, Fraction]:
    return (node.base, node.exponent) if isinstance(node, Power) else (node, Fraction(1))


def factor_order(node: Expression) -> tuple:
    """The order in a product, where a power may stand in a power: its innermost base counts."""
    base = node
    while isinstance(base, Power):
        base = base.base
    return (*factor_key(base), node.skeleton, values(node))


def term_order(term: Expression) -> tuple:
    """The order of terms whatever numbers stand before them."""
    rest = [factor for factor in factors_of(term) if not isinstance(factor, Constant)]
    return (*term_key(product_of(rest) if rest else term), term_key(term))


def has_whole_powers(expression: Expression) -> bool:
    """Whether an expression is a number times whole powers of columns, or the square root of such a product."""
    powers = [base_and_exponent(factor) for factor in factors_of(expression) if not isinstance(factor, Constant)]
    if not all(is_column(base) for base, _ in powers):
        return False
    return all(power.denominator == 1 for _, power in powers) or all(power.denominator == 2 for _, power in powers)
