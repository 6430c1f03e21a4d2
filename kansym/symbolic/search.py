"""The search without a network: reduce the table by its symmetries, solve what is left, and lift it back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from kansym.budget import Budget, Part
from kansym.structure.hidden_sums import HiddenSum, Inner, find_hidden_sum
from kansym.structure.neighbours import find_neighbours
from kansym.structure.noisy_symmetry import likely_step
from kansym.structure.order import find_order
from kansym.structure.rows import Rows as JudgedRows
from kansym.structure.signs import sign_columns
from kansym.structure.similarity import find_similarity
from kansym.structure.symmetry import Combination, Scaling, find_by_trial, find_combination, find_scaling
from kansym.symbolic.additive import additive, separable
from kansym.symbolic.algebraic import monomials, power_laws
from kansym.symbolic.canonical import canonical
from kansym.symbolic.coefficients import varying
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.curves import allowed
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.links import LINKS
from kansym.symbolic.lowdim import drawn, solve
from kansym.symbolic.noisy_relations import relations_of
from kansym.symbolic.parts import KINDS, SUREST, solve_by_parts
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.selection import reaches_noise
from kansym.symbolic.signomials import MOST_TERMS, powers, products
from kansym.symbolic.spans import exact_sums, rough_sums
from kansym.symbolic.table import EXACT, MONOMIAL, SHORT, Candidate, Table, divided, price_of, ranked, reached, settled

Array = np.ndarray
LIFTED = 10
TRAINED_SHARE = 0.4  # of the time left, for sums of powers and products of all columns
ONE_SIGNED_SHARE = 0.5  # of the time left, for the target divided by what gives it its sign
SIMILAR_SHARE = 0.3  # of the time left, for the curve of a similarity law
CURVE_SHARE = 0.5  # of the time left, for a table of which one column is left
PLAIN_SHARE = 0.5  # of the time left, for sums and products of pieces
TRIAL_SHARE = 0.35  # of the time left, for reductions by trial
FEWEST = 40  # rows from which symmetries are looked for
MOST_PARTS, PLAIN = 3, 1e-3  # denominator of an exponent that is a fraction, and how near a trained one comes to it
Lift = Callable[[Expression], Expression]


@dataclass(frozen=True)
class Reduced:
    """A table in fewer variables, how a formula of it becomes one of the raw columns, and what was found, in words."""

    rows: JudgedRows
    lift: Lift
    steps: tuple[str, ...]


def reduce_table(rows: JudgedRows, budget: Budget | Part) -> list[Reduced]:
    """The chain of verified reductions, from the raw table to the one of fewest variables."""
    first = Reduced(rows, lambda expression: expression, ())
    return [first, *reductions(first, budget, by_gradients)]


Step = Scaling | Combination | HiddenSum
Finder = Callable[[JudgedRows], Step | None]


def by_gradients(rows: JudgedRows) -> Step | None:
    """A reduction that the gradients of a smooth model show, or which rows are near where no model is any good."""
    shown = likely_step(rows, find_combination(rows) or find_scaling(rows))
    return shown or find_hidden_sum(rows) or find_order(rows) or find_neighbours(rows)


def by_trial(rows: JudgedRows, budget: Budget | Part) -> Scaling | Combination | None:
    """A reduction found by trying each while there is time, where gradients say nothing."""
    return find_by_trial(rows, budget) or find_combination(rows) or find_scaling(rows)


def reductions(start: Reduced, budget: Budget | Part, find: Finder) -> Iterator[Reduced]:
    """Reductions of a table, each of the one before, as long as one is found."""
    now = start
    while now.rows.inputs.shape[1] > 0 and not budget.expired:
        if now.rows.inputs.shape[1] == 1 and not now.steps and len(now.rows.target) < 60:
            return
        step = find(now.rows)
        if step is None or (isinstance(step, Scaling) and _trivial(step)):
            return
        now = Reduced(step.apply(now.rows), _lifted(now.lift, step), (*now.steps, describe(step)))
        yield now


def _trivial(step: Scaling) -> bool:
    return len(step.invariants) == len(step.prefactor)


def _lifted(outer: Lift, step: Step) -> Lift:
    if isinstance(step, Scaling):
        prefactor = monomial(step.prefactor)
        replacements = [monomial(exponents) for exponents in step.invariants]
        return lambda expression: outer(multiply(prefactor, expression.substitute(replacements)))
    if isinstance(step, HiddenSum):
        return lambda expression: outer(expression.substitute(_in_place(step, hidden_sum(step), expression)))
    second = raise_to(Variable(step.second), _POWERS[step.phi])
    gained = (multiply(_known(step.gain), second),) if step.gain else ()
    first = raise_to(Variable(step.first), _POWERS[step.phi])
    total = add(first, multiply(_known(step.coefficient), second))
    return lambda expression: outer(add(*gained, expression.substitute(_in_place(step, total, expression))))


_POWERS = {"x": Fraction(1), "x^2": Fraction(2), "x^-1": Fraction(-1)}


def _in_place(step: Combination | HiddenSum, total: Expression, expression: Expression) -> list[Expression]:
    """The columns of a formula of a table in which the total of two columns has taken the place of the first."""
    count = max((*expression.variables, step.second), default=0) + 1
    old: list[Expression] = [Variable(i if i < step.second else i + 1) for i in range(count)]
    old[step.first] = total
    return old


def hidden_sum(step: HiddenSum) -> Expression:
    """The sum of functions of two columns, or their product where these are logarithms."""
    one, other = step.inner
    first, second = _argument(one, Variable(step.first)), _argument(other, Variable(step.second))
    if step.is_product:
        return multiply(first, _to_the(second, step.coefficient))
    power = whole(1) if step.factor is None else raise_to(Variable(step.factor[0]), step.factor[1])
    return add(_function(one, first), multiply(_known(step.coefficient), power, _function(other, second)))


def _argument(inner: Inner, x: Expression) -> Expression:
    """What the function of a column is of."""
    own = raise_to(x, Fraction(2)) if inner.squared else x
    signed = multiply(whole(-1), own) if inner.ahead else own
    return add(Constant(inner.shift), signed) if inner.shift else signed


def _function(inner: Inner, argument: Expression) -> Expression:
    if inner.kind == "power":
        return _to_the(argument, inner.number)
    if inner.kind == "exponential":
        return call("exp", multiply(Constant(inner.number), argument))
    name, _, power = inner.kind.partition("^")
    return raise_to(call(_CALLS.get(name, name), argument), Fraction(power or 1))


_CALLS = {"logarithm": "log"}


def _to_the(base: Expression, exponent: float) -> Expression:
    """A power, of a known exponent where it is a small fraction."""
    near = Fraction(exponent).limit_denominator(MOST_PARTS)
    if abs(float(near) - exponent) < PLAIN:
        return raise_to(base, near)
    return call("exp", multiply(Constant(exponent), call("log", base)))


def _known(number: float) -> Constant:
    """A constant, a known one where it is whole."""
    known = abs(number - round(number)) < 1e-12
    return Constant(number, str(round(number)) if known else None)


def monomial(exponents: tuple[Fraction, ...]) -> Expression:
    """prod_j x_j**exponents[j] as an expression."""
    return multiply(*(raise_to(Variable(j), p) for j, p in enumerate(exponents) if p))


def describe(step: Step) -> str:
    """A reduction in words."""
    if isinstance(step, Scaling):
        return f"scaling law: {len(step.prefactor)} variables act as {len(step.invariants)}"
    if isinstance(step, HiddenSum):
        return f"columns {step.first} and {step.second} act through a sum of functions of each"
    return f"columns {step.first} and {step.second} act together as one ({step.phi}, {step.coefficient:+.4g})"


def search(table: Table, budget: Budget | Part, library: Library = PRIMITIVES) -> list[Candidate]:
    """Candidate formulas in the table's own columns, refitted to its rows, the best first."""
    found = solve_cheaply(table, budget, library, 1 if _symmetric(table) else MOST_TERMS)
    if _is_over(found, table, settled(found, table.goal)):
        return ranked(found, price_of(len(table.fit)))
    for candidates in _deeper(table, budget, library):
        found += candidates
        if budget.expired or _is_over(found, table, reached(found, table.goal)) or drawn(found, table):
            break
    return ranked(found, price_of(len(table.fit)))


def _symmetric(table: Table) -> bool:
    """Whether symmetries are looked for, before long sums are trained on all columns."""
    return len(table.fit) >= FEWEST and table.columns > 1 and "reductions" not in table.without


def _is_over(found: list[Candidate], table: Table, at_goal: bool) -> bool:
    """Whether one of the formulas at the goal, or a very short one at the noise, leaves no pattern."""
    brief = reached(found, 0.0, table.noise, len(table.held))
    return ((at_goal or brief) and _spent(found, table)) or nothing_left(found, table)


def nothing_left(found: list[Candidate], table: Table) -> bool:
    """Whether a short formula of which nothing was bent to noisy rows leaves no pattern.

    The noise is then what it leaves, even where it was taken for much more.
    """
    if table.goal <= EXACT or table.rough:
        return False
    short = [each for each in found if each.short and each.error <= table.goal]
    return bool(short) and reaches_noise(min(short, key=lambda each: each.error).expression, table.fit)


def _spent(found: list[Candidate], table: Table) -> bool:
    """Whether the best of the formulas at the goal leaves no pattern: the goal alone has room for one."""
    if table.rough or any(each.error <= EXACT for each in found):
        return True
    trusted = [each for each in found if each.plain or each.short]
    return reaches_noise(min(trusted, key=lambda each: each.error).expression, table.fit)


def _one_signed(table: Table, signs: tuple[int, ...], budget: Budget | Part, library: Library) -> list[Candidate]:
    """Candidates for a target divided by the columns that give it its sign."""
    product = multiply(*map(Variable, signs))
    positive = replace(table, fit=_divided(table.fit, product), held=_divided(table.held, product), noise=0.0)
    found = search(positive, budget.part(ONE_SIGNED_SHARE * budget.remaining), library)
    return [_multiplied(candidate, product, table) for candidate in found]


def _divided(rows: Rows, product: Expression) -> Rows:
    """The rows with the target divided by a product of columns; weights keep its errors what they were."""
    size = product.evaluate(rows.inputs)
    weights = size**2 * (1.0 if rows.weights is None else rows.weights)
    return Rows(rows.inputs, rows.target / size, weights / np.mean(weights))


def _multiplied(candidate: Candidate, product: Expression, table: Table) -> Candidate:
    """A candidate of the divided target as one of the target."""
    fitted = polish(canonical(multiply(product, candidate.expression)), table.fit, 60).expression
    return Candidate(fitted, table.error(fitted), candidate.origin)


def _deeper(table: Table, budget: Budget | Part, library: Library) -> Iterator[list[Candidate]]:
    """Stage by stage: a target of one sign, the smallest table cheaply, sums and products of pieces, every table."""
    if budget.expired:
        return
    if signs := sign_columns(table.fit.inputs, table.fit.target):
        yield _one_signed(table, signs, budget, library)
    rows = table.judged
    raw = Reduced(rows, lambda expression: expression, ())
    similar = None if "reductions" in table.without else find_similarity(rows)
    if similar is not None:
        yield _similar(similar, raw, table, budget.part(SIMILAR_SHARE * budget.remaining), library)
    symmetric = _symmetric(table)
    whole = "parts" in table.without
    chain = [raw, *(reductions(raw, budget, by_gradients) if symmetric else ())]
    for reduced in chain[:0:-1]:
        cheap = solve_cheaply(_inner(reduced, table), budget, library)
        yield [lifted(candidate, reduced, table) for candidate in ranked(cheap, price_of(len(table.fit)), LIFTED)]
    if chain[-1].steps and chain[-1].rows.inputs.shape[1] == 1:
        yield _solved(chain.pop(), table, budget.part(CURVE_SHARE * budget.remaining), library)
    if symmetric and "products" not in table.without:
        share = budget.part(TRAINED_SHARE * budget.remaining)
        yield _trained(products(table.fit), "sum of products", [], table, share, library)
    plain = chain[-1] if chain[-1].rows.inputs.shape[1] >= 3 and not whole else None
    if plain is not None:
        yield _parts(plain, table, budget.part(PLAIN_SHARE * budget.remaining), library, SUREST)
    if symmetric:
        share = budget.part(TRIAL_SHARE * budget.remaining)
        chain += reductions(chain[-1], budget, lambda rows: by_trial(rows, share))
    for reduced in chain[::-1]:
        yield _solved(reduced, table, budget, library)
        if reduced is chain[-1] and not whole:
            kinds = tuple(kind for kind in KINDS if reduced is not plain or kind not in SUREST)
            yield _parts(reduced, table, budget, library, kinds)


def _solved(reduced: Reduced, table: Table, budget: Budget | Part, library: Library) -> list[Candidate]:
    """Candidates of all checks on a reduced table."""
    inner = _inner(reduced, table)
    solved = solve(inner, budget, library)[: LIFTED if inner.columns > 1 else 2 * LIFTED]
    return [lifted(candidate, reduced, table) for candidate in solved]


def _similar(law: Scaling, raw: Reduced, table: Table, budget: Budget | Part, library: Library) -> list[Candidate]:
    """Candidates for the curve of a similarity law, its rows weighed by the powers before it."""
    reduced = Reduced(law.apply(raw.rows), _lifted(raw.lift, law), (describe(law),))
    rows, power = reduced.rows, monomial(law.prefactor)
    squares = (power.evaluate(table.fit.inputs) ** 2, power.evaluate(table.held.inputs) ** 2)
    inner = divided(table, Rows(rows.inputs, rows.target), Rows(rows.held_inputs, rows.held_target), squares)
    solved = [] if inner is None else solve(inner, budget, library)
    return [lifted(candidate, reduced, table) for candidate in solved[:LIFTED]]


def _parts(
    reduced: Reduced, table: Table, budget: Budget | Part, library: Library, kinds: tuple[str, ...]
) -> list[Candidate]:
    inner = replace(_inner(reduced, table), without=table.without)
    found = solve_by_parts(inner, budget, library, _piece_search(library), kinds)
    return [lifted(candidate, reduced, table) for candidate in found[:LIFTED]]


def _piece_search(library: Library) -> Callable[[Table, Budget | Part], list[Candidate]]:
    """The search for a piece of a law, which is not taken apart once more."""
    return lambda piece, share: search(replace(piece, without=(*piece.without, "parts")), share, library)


def _inner(reduced: Reduced, table: Table) -> Table:
    """The table of fewer columns; of the raw one, what was tried already is left out."""
    if not reduced.steps:
        tried = ("powers", "products") if table.columns > 1 else ()
        return replace(table, held=replace(table.held, weights=None), without=(*table.without, *tried))
    rows = reduced.rows
    fit, held = Rows(rows.inputs, rows.target), Rows(rows.held_inputs, rows.held_target)
    if table.goal > EXACT and rows.weights is not None and rows.held_weights is not None:
        weighed = divided(table, fit, held, (rows.weights, rows.held_weights))
        if weighed is not None:
            return weighed
    return replace(table, fit=fit, held=held)


def solve_cheaply(table: Table, budget: Budget | Part, library: Library, terms: int = MOST_TERMS) -> list[Candidate]:
    """The constant, monomials, sums of products, and sums whose coefficients vary: what needs hardly any search.

    terms: of products with primitives on their edges; of more than one, training takes longer than all the rest.
    """
    found = [Candidate(Constant(float(np.average(table.fit.target, weights=table.fit.weights))), 1.0, "constant")]
    found += solve_by_monomials(table) + _solve_by_power_laws(table)
    if table.columns < 2:
        return found
    if "sums" not in table.without:
        found += [_tidied(each, "exact sum", table) for each in exact_sums(table.fit) if allowed(each, library)]
        rough = rough_sums(table.fit, table.noise) if table.noise > 0 else ()
        found += [_tidied(each, "sum of powers", table) for each in rough if allowed(each, library)]
    if "fractions" not in table.without:
        found += [_tidied(each, "relation", table) for each in relations_of(table) if allowed(each, library)]
    if table.may_be_noisy and "splines" not in table.without and not nothing_left(found, table):
        for origin, curves in (
            ("additive", additive(table, library, LINKS[:1])),
            ("product", separable(table, library)),
        ):
            found += [_tidied(each, origin, table) for each in curves if allowed(each, library)]
    share = budget.part(TRAINED_SHARE * budget.remaining)
    for stage, origin, sums in (
        ("powers", "sum of powers", powers(table.fit)),
        ("products", "sum of products", products(table.fit, terms)),
    ):
        if not (settled(found, table.goal) or nothing_left(found, table)) and stage not in table.without:
            found += _trained(sums, origin, found, table, share, library)
    over = settled(found, table.goal) or nothing_left(found, table)
    if "coefficients" in table.without or over or budget.expired:
        return found
    for expression in varying(table.fit, library, table.noise):
        if settled(found, EXACT) or budget.expired:
            break
        if allowed(expression, library):
            found.append(_tidied(expression, "varying coefficients", table))
    return found


def _trained(
    sums: Iterator[Iterator[Expression]],
    origin: str,
    before: list[Candidate],
    table: Table,
    share: Budget | Part,
    library: Library,
) -> list[Candidate]:
    """Trained sums as candidates, until one is exact or the time is over; before: what was found without them."""
    found: list[Candidate] = []
    for expressions in sums:
        if settled([*before, *found], EXACT) or share.expired:
            break
        found += [_tidied(each, origin, table) for each in expressions if allowed(each, library)]
    return found


def solve_by_monomials(table: Table) -> list[Candidate]:
    """The products of powers of columns that a line in logarithms gives, refitted."""
    fits = (polish(expression, table.fit, 20).expression for expression in monomials(table.fit))
    return [Candidate(fitted, table.error(fitted), MONOMIAL) for fitted in fits]


def _solve_by_power_laws(table: Table) -> list[Candidate]:
    """The same with exponents that are no fractions, which alone are no reason to end the search."""
    fits = (polish(expression, table.fit, 20).expression for expression in power_laws(table.fit))
    return [Candidate(fitted, table.error(fitted), "power law") for fitted in fits]


def _tidied(expression: Expression, origin: str, table: Table) -> Candidate:
    """A candidate; one that is as good as it gets with its known numbers made exact: then it shows its true length."""
    found = Candidate(expression, table.error(expression), origin)
    at_noise = found.error <= table.noise and expression.complexity <= SHORT
    if found.error > max(table.goal, EXACT) and not at_noise:
        return found
    shorter = tidy(expression, table.fit).expression
    return Candidate(shorter, table.error(shorter), origin)


def lifted(candidate: Candidate, reduced: Reduced, table: Table) -> Candidate:
    """A candidate of a reduced table as one of the raw columns, tidied and refitted to the raw rows."""
    expression = canonical(reduced.lift(candidate.expression))
    fitted = polish(expression, table.fit, 60).expression
    return _tidied(fitted, "; ".join((*reduced.steps, candidate.origin)), table)
