"""How a formula is written: of all equal ways that a few rules of algebra lead to, the one that a textbook would print.

Equal means equal on the rows of the table: where columns, or sums of them, have one sign on all rows, roots open up.
What the better of two ways is, see `reading.key`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product

import numpy as np

from kansym.symbolic.arithmetic import ONE
from kansym.symbolic.canonical import canonical
from kansym.symbolic.expansion import (
    divided_out,
    expanded,
    grouped,
    in_one_exponential,
    in_order,
    numbers_taken_in,
    over_one,
    squares_apart,
    without_letter,
)
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Variable,
    add,
    call,
    multiply,
    raise_to,
    ratio,
)
from kansym.symbolic.identities import (
    half_angles,
    hyperbolic_quotient,
    hyperbolic_sum,
    in_one_wave,
    logarithms_joined,
    logistic,
    one_with_cosine,
    squares_of_sines,
)
from kansym.symbolic.inverses import opened, opened_factors
from kansym.symbolic.labels import is_name
from kansym.symbolic.monomials import (
    Factored,
    Powers,
    assembled,
    collected,
    divisors,
    negated,
    opposites_joined,
    signs_moved,
    size_of,
    squared,
    written,
)
from kansym.symbolic.notation import plain
from kansym.symbolic.reading import base_and_exponent, best_of, is_column, key, term_order, written_length
from kansym.symbolic.simplify import same_values
from kansym.symbolic.terms import factors_of, product_of, sum_of, terms_of

Array = np.ndarray
HALF = Fraction(1, 2)
MOST_NODES = 120
MOST_PASSES = 4
MOST_COMBINATIONS = 64
MOST_DIVISIONS = 10
MOST_TERMS, MOST_SQUARED = 6, 12  # of a sum that is divided, and in which squares are looked for
MOST_GROUPED = 45  # nodes up to which products are multiplied out to look for common factors: the time grows fast
KEPT = 3
TRIED = 12
ROWS = 2000
SPARE = 6


def textbook(expression: Expression, points: Array) -> Expression:
    """The formula as a textbook would print it, or the formula itself where no rule makes it shorter or plainer.

    points: (n, D) inputs with n >= 1; the result has the same values on them to 1e-9, and no more free constants. Signs
        that columns and sums have on all of them are used.
    Formulas of more than 120 nodes come back as they are.
    """
    if expression.complexity > MOST_NODES or len(points) == 0:
        return expression
    rules = _Rules(points[:ROWS])
    for _ in range(MOST_PASSES):
        better = _once(expression, rules)
        if better is None:
            break
        expression = better
    return expression.map(rules.faced)


def unfolded(expression: Expression, points: Array) -> Expression | None:
    """The formula with functions of inverse functions as algebra, for a new fit, or None where there are none.

    points: as for `textbook`. The values are the same, but what was one free constant may now stand in several places.
    """
    if expression.complexity > MOST_NODES or len(points) == 0 or not any(map(_opens, expression.walk())):
        return None
    rules = _Rules(points[:ROWS], spare=SPARE)
    form = expression.map(lambda node: next(opened(node), node) if isinstance(node, Call) else node)
    found = (way for way in rules.forms(form) if same_values(expression, way, rules.rows))
    return next(found, None)


def _opens(node: Expression) -> bool:
    return isinstance(node, Call) and next(opened(node), None) is not None


def _once(expression: Expression, rules: _Rules) -> Expression | None:
    """A form that is better than the formula, or None."""
    rows = rules.rows
    own, most = key(expression), len(expression.free_constants)
    positive = frozenset(int(i) for i in np.flatnonzero(np.all(rows > 0, axis=0)))
    own_forms = [expression, canonical(expression, positive), canonical(plain(expression), positive)]
    starts = dict.fromkeys([*own_forms, *rules.with_one_exponential(expression)])
    found = dict.fromkeys(form for start in starts for form in (start, *rules.forms(start)))
    ranked = sorted((pair for pair in ((key(form), form) for form in found) if pair[0] < own), key=lambda pair: pair[0])
    for _, form in ranked[:TRIED]:
        if len(form.free_constants) <= most and same_values(expression, form, rows):
            return form
    return None


class _Rules:
    """The ways to write a formula on given rows (n, D); `spare` free constants more than it has are allowed."""

    def __init__(self, rows: Array, spare: int = 0) -> None:
        self.rows, self.spare = rows, spare
        self._signs: dict[Expression, int] = {}
        self._forms: dict[Expression, list[Expression]] = {}
        self._groups: set[Expression] = set()
        self._divisions: dict[tuple[Expression, Fraction], list[Factored]] = {}

    def sign(self, node: Expression) -> int:
        """1 or -1 where the node has this sign on all rows, else 0. A letter beyond the columns is an exponential."""
        if max(node.variables, default=-1) >= self.rows.shape[1]:
            return int(isinstance(node, Variable))
        if node not in self._signs:
            found = node.evaluate(self.rows)
            self._signs[node] = 1 if np.all(found > 0) else -1 if np.all(found < 0) else 0
        return self._signs[node]

    def faced(self, node: Expression) -> Expression:
        """A product with two sums that are negative on all rows, as 1 - cos(x) is positive, turned round."""
        places = [at for at, factor in enumerate(factors_of(node)) if self._is_turnable(factor)]
        factors = list(factors_of(node))
        for at in places[: len(places) // 2 * 2]:
            base, exponent = base_and_exponent(factors[at])
            factors[at] = raise_to(negated(base), exponent)
        return product_of(factors) if len(places) > 1 else node

    def _is_turnable(self, factor: Expression) -> bool:
        base, exponent = base_and_exponent(factor)
        if not isinstance(base, Sum) or exponent.denominator > 1 or exponent.numerator % 2 == 0:
            return False
        return self.sign(base) < 0 and written_length(negated(base)) <= written_length(base)

    def forms(self, node: Expression) -> list[Expression]:
        """The best ways to write a node, the best first."""
        if not node.children:
            return [node]
        if node not in self._forms:
            self._forms[node] = [node]  # what a rule that comes back to this node gets
            most = len(node.free_constants) + self.spare
            found = dict.fromkeys(form for form in self._ways(node) if len(form.free_constants) <= most)
            self._forms[node] = best_of(found, KEPT)
        return self._forms[node]

    def with_one_exponential(self, expression: Expression) -> Iterator[Expression]:
        """The formula with a part of it as a polynomial in one exponential, written best."""
        if expression.complexity > MOST_GROUPED:
            return
        letter = Variable(self.rows.shape[1])
        for node in dict.fromkeys(part for part in expression.walk() if isinstance(part, (Sum, Product))):
            found = in_one_exponential(node, letter, self.parts)
            column = None if found is None else call("exp", found[1]).evaluate(self.rows)
            if found is not None and column is not None and np.all(np.isfinite(column)) and np.all(column > 0):
                inner = _Rules(np.column_stack([self.rows, column]), self.spare)
                form = without_letter(inner.best(inner.best(inner.best(found[0]))), letter, found[1])
                yield expression.map(lambda part, node=node, form=form: form if part == node else part)

    def best(self, node: Expression) -> Expression:
        """The best way to write a node."""
        return self.forms(node)[0]

    def _ways(self, node: Expression) -> Iterator[Expression]:
        yield node
        if isinstance(node, Call):
            for argument in self.forms(node.argument):
                yield Call(node.name, argument)
            for form in opened(node):
                yield from self.forms(form)
        else:
            changed = node.rebuilt([self.best(child) for child in node.children])
            changed = add(*changed.children) if isinstance(changed, Sum) else changed
            changed = multiply(*changed.children) if isinstance(changed, Product) else changed
            yield changed
            for merged in self._merged(changed) if isinstance(changed, Sum) else ():
                yield from self.forms(merged)
            waves = (*self._tangents(changed), *squares_of_sines(changed), *hyperbolic_quotient(changed))
            for form in dict.fromkeys([node, changed, *opened_factors(changed), *waves]):
                yield from self._products(form)
            yield from self._divided_out(changed)
            yield from numbers_taken_in(changed, self.parts)

    # products

    def _tangents(self, node: Expression) -> Iterator[Expression]:
        """The product with (1 - cos(u))/(1 + cos(u)) as tan(u/2)**2."""
        factors = [base_and_exponent(factor) for factor in factors_of(node)]
        for (above, up), (below, down) in permutations(factors, 2):
            wave, other = one_with_cosine(above), one_with_cosine(below)
            if wave is None or other is None or wave[0] != -1 or other != (1, wave[1]) or up != -down:
                continue
            tangent = call("tan", canonical(multiply(ratio(HALF), wave[1])))
            if (2 * up) % 2 == 0 or self.sign(tangent) == 1:
                rest = [raise_to(b, e) for b, e in factors if (b, e) not in ((above, up), (below, down))]
                yield multiply(*rest, raise_to(tangent, 2 * up))

    def _divided_out(self, node: Expression) -> Iterator[Expression]:
        """The product with a quotient of sums in it as a monomial and a shorter quotient."""
        parts = self.parts(node) if isinstance(node, Product) else None
        sums = {} if parts is None else {base: e for base, e in parts.powers.items() if isinstance(base, Sum)}
        for above, below in permutations(sums, 2):
            if parts is None or (sums[above], sums[below]) != (1, -1):
                continue
            known = [expanded(each, self.parts) for each in (above, below)]
            if known[0] is None or known[1] is None:
                continue
            columns = {base: e for base, e in parts.powers.items() if base not in (above, below)}
            for quotient, left in divided_out(known[0], known[1]):
                if len(known[0]) == 2 and Factored(parts.numbers).times(quotient).is_one:
                    continue  # (1 - x)/(1 + x) stays
                for inside in dict.fromkeys(((), parts.numbers)):  # a number stands before the sum, or goes into it
                    number = Factored(inside)
                    terms = [written(number.times(quotient)), self._over([number.times(each) for each in left], below)]
                    rest = Factored(() if inside else parts.numbers, columns)
                    yield multiply(written(rest), in_order(terms))

    def _over(self, terms: Sequence[Factored], below: Expression) -> Expression:
        """A sum of products over another sum."""
        above = sum_of(sorted(map(written, terms), key=term_order))
        return multiply(above, raise_to(below, Fraction(-1)))

    def _products(self, node: Expression) -> Iterator[Expression]:
        parts = self.parts(node)
        if parts is None:
            return
        for option in self._expansions(opposites_joined(parts)):
            sums = [base for base in option.powers if isinstance(base, Sum)]
            if any(len(base.terms) > MOST_TERMS for base in sums):
                yield from assembled(option)
                continue
            most = max(2, int(MOST_COMBINATIONS ** (1 / max(len(sums), 1))))
            rest = Factored(option.numbers, {b: e for b, e in option.powers.items() if not isinstance(b, Sum)})
            choices = [self._divided(base, option.powers[base])[:most] for base in sums]
            for taken in self._taken_in(rest, sums, option.powers):
                yield from assembled(taken)
            for chosen in product(*choices):
                whole_product = rest
                for part in chosen:
                    whole_product = whole_product.times(part)
                for signed in signs_moved(whole_product):
                    yield from assembled(signed)

    def _taken_in(self, rest: Factored, sums: Sequence[Sum], powers: Powers) -> Iterator[Factored]:
        """The product with all columns before its only sum in it or under its root, as in sqrt(a*c**2 + c**4)."""
        columns = {base: e for base, e in rest.powers.items() if is_column(base) and e.denominator == 1}
        if len(sums) != 1 or not columns:
            return
        base, exponent = sums[0], powers[sums[0]]
        terms = [self.parts(term) for term in base.terms]
        known = [term for term in terms if term is not None]
        divisor = Factored(powers={column: -e / exponent for column, e in columns.items()})
        if len(known) == len(terms) and all(e.denominator == 1 for e in divisor.powers.values()):
            option = self._one_division(known, divisor, exponent)
            if option is not None:
                yield rest.times(option[1])

    def parts(self, node: Expression) -> Factored | None:
        """A node as a product; None where a number in it has no exact form."""
        if isinstance(node, Constant) and not is_name(node.label):
            return Factored(() if node == ONE else (node,))
        if isinstance(node, Product):
            return self._joined([self.parts(factor) for factor in node.factors])
        if isinstance(node, Power):
            return self._power(node)
        return Factored(powers={node: Fraction(1)})

    def _joined(self, several: Sequence[Factored | None]) -> Factored | None:
        result = Factored()
        for part in several:
            if part is None:
                return None
            result = result.times(part)
        return result

    def _power(self, node: Power) -> Factored | None:
        inner = self.parts(node.base)
        if inner is None:
            return None
        if node.exponent.denominator % 2 == 0:
            inner = self._positive(inner)
            if inner is None:
                return Factored(powers={node.base: node.exponent})
        raised_parts = inner.raised(node.exponent)
        return Factored(powers={node.base: node.exponent}) if raised_parts is None else self._signs_out(raised_parts)

    def _signs_out(self, parts: Factored) -> Factored:
        """The product with whole powers of -x as those of x."""
        result = parts
        for base, exponent in parts.powers.items():
            inner = self.parts(base) if isinstance(base, Product) and exponent.denominator == 1 else None
            moved = inner.raised(exponent) if inner is not None else None
            if moved is not None:
                rest = {other: e for other, e in result.powers.items() if other != base}
                result = Factored(result.numbers, rest).times(moved)
        return result

    def _positive(self, parts: Factored) -> Factored | None:
        """The product with every base positive on all rows, or None where it is not certain to be."""
        sign, powers = 1, {}
        for number in parts.numbers:
            sign *= 1 if number.value > 0 else -1
        for base, exponent in parts.powers.items():
            own = self.sign(base)
            if own == 0 or (own < 0 and exponent.denominator > 1):
                return None
            sign *= own if exponent.numerator % 2 else 1
            powers[base if own > 0 else negated(base)] = exponent
        if sign < 0:
            return None
        return Factored(tuple(size for size in map(size_of, parts.numbers) if size != ONE), powers)

    def _expansions(self, parts: Factored) -> Iterator[Factored]:
        """The product, and with two sums multiplied out where terms cancel: (a - b)*(a + b)."""
        yield parts
        sums = [base for base in parts.powers if isinstance(base, Sum)]
        for first, second in combinations(sums, 2):
            if parts.powers[first] == parts.powers[second]:
                joined = self._multiplied_out(first, second)
                if joined is not None:
                    powers = {base: e for base, e in parts.powers.items() if base not in (first, second)}
                    yield Factored(parts.numbers, powers).times(Factored(powers={joined: parts.powers[first]}))

    def _multiplied_out(self, first: Sum, second: Sum) -> Sum | None:
        if len(first.terms) * len(second.terms) > 9:
            return None
        terms = [self.parts(multiply(one, other)) for one, other in product(first.terms, second.terms)]
        joined = collected([term for term in terms if term is not None])
        few = joined is not None and len(joined) <= max(len(first.terms), len(second.terms))
        return Sum(tuple(sorted(map(written, joined), key=term_order))) if joined and few and len(joined) > 1 else None

    # sums

    def _merged(self, node: Sum) -> Iterator[Expression]:
        """The sum with two logarithms as one, over one denominator, as a square, or with what some share ahead."""
        merged = logarithms_joined(node)
        if merged is not None:
            yield merged
        yield from in_one_wave(node)
        yield from half_angles(node)
        yield from logistic(node)
        yield from hyperbolic_sum(node)
        yield from squares_apart(node, self.parts)
        flat = expanded(node, self.parts) if node not in self._groups and node.complexity <= MOST_GROUPED else None
        terms = [self.parts(term) for term in node.terms]
        known = [term for term in terms if term is not None]
        if len(known) == len(terms):
            yield from over_one(known, self.parts)
        if 3 <= len(known) <= MOST_SQUARED and len(known) == len(terms):
            yield from squared(known)
        if flat is not None and len(flat) == 3:
            yield from squared(flat)
        if flat is not None and 3 <= len(flat) <= MOST_TERMS:
            groups = list(grouped(flat, self.best))
            self._groups.update(groups)
            yield from groups

    def _divided(self, base: Sum, exponent: Fraction) -> list[Factored]:
        """Ways to write base**exponent as m**exponent * (base/m)**exponent for monomials m, the best first."""
        if (base, exponent) not in self._divisions:
            self._divisions[base, exponent] = self._new_divisions(base, exponent)
        return self._divisions[base, exponent]

    def _new_divisions(self, base: Sum, exponent: Fraction) -> list[Factored]:
        found: dict[Expression, Factored] = {}
        most = len(base.free_constants) + self.spare
        for form in dict.fromkeys([base, *(f for f in self._forms.get(base, ()) if isinstance(f, Sum))]):
            terms = [self.parts(term) for term in form.terms]
            known = [term for term in terms if term is not None]
            for divisor in divisors(known) if len(known) == len(terms) else ():
                option = self._one_division(known, divisor, exponent)
                if option is not None and len(option[0].free_constants) <= most:
                    found.setdefault(*option)
        own = Factored(powers={base: exponent})
        return [own, *(found[left] for left in best_of(found, MOST_DIVISIONS) if left != base)]

    def _one_division(
        self, terms: list[Factored], divisor: Factored, exponent: Fraction
    ) -> tuple[Sum, Factored] | None:
        inverse = divisor.raised(Fraction(-1))
        outside = self._outside(divisor, exponent)
        if inverse is None or outside is None:
            return None
        left = in_order([inner for term in terms for inner in terms_of(self._divided_term(term.times(inverse)))])
        return left, outside.times(Factored(powers={left: exponent}))

    def _divided_term(self, parts: Factored) -> Expression:
        """A term once it is divided; a root of a sum in it takes what stands before it."""
        form = written(parts)
        roots = any(isinstance(base, Sum) and e.denominator > 1 for base, e in parts.powers.items())
        return self.best(form) if roots else form

    def _outside(self, divisor: Factored, exponent: Fraction) -> Factored | None:
        """divisor**exponent where that is right for the signs on the rows."""
        if exponent.denominator % 2 == 0:
            bases = [base for base in divisor.powers if self.sign(base) != 1]
            if bases or any(number.value <= 0 for number in divisor.numbers):
                even = self._positive(divisor)
                known = even is not None and all((own * exponent).denominator == 1 for own in divisor.powers.values())
                return even.raised(exponent) if even is not None and known else None
        return divisor.raised(exponent)
