"""Sums of products: c1 x^p11 y^p12 f(z) + c2 x^p21 ... + ..., from many starts of Levenberg-Marquardt at once.

This is a network of product nodes whose edges are powers and a few primitives. The exponents are trained; the
primitives join one at a time, each tried on every edge inside the whole network, and the best few networks go on.
Exponents that lie near small fractions within their standard errors become exact; a few others may stay as they were
trained, as in laws of growth. With few numbers to fit it is nearly immune to noise.

Under the logarithm of the target the logarithms of the columns stand beside the products, so that a power law times
an exponential, A T^2 exp(-W/T), is a sum of one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations, permutations

import numpy as np

from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import (
    Constant,
    Expression,
    Power,
    Variable,
    add,
    call,
    multiply,
    raise_to,
    ratio,
    whole,
)
from kansym.symbolic.links import usable, weights_under

Array = np.ndarray
START_EXPONENTS = (-2.0, -1.0, -0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 2.0)
FAR_EXPONENTS = (*START_EXPONENTS, -12.0, -9.0, -6.0, -4.0, 4.0, 6.0, 9.0, 12.0)  # of a single column: steep potentials
PAIR_POWERS = ("1", "-1", "1/2", "-1/2", "2", "-2")  # of a sum or difference of two columns
MOST_PAIRED, NEAR_ZERO = 7, 1e-3  # columns; of its largest value, where a difference is too near to 0
FEW_COLUMNS = 5  # more have so many primitives of two columns that they are tried in single products only
MOST_PAIRED_TERMS = 2  # of a sum in which primitives of two columns are tried
FAINTEST, STEEPEST = 0.05, 20.0  # middling exponents of decays
LARGEST_EXPONENT, LARGEST_PLAIN = 14.0, 13.0
MOST_LOOSE = 2  # exponents of a sum that may be no small fractions; a single product may have any number
FEW_ROWS, MANY_ROWS = 160, 400
STARTS, SURVIVORS = 80, 12
FIRST_STEPS, LAST_STEPS = 14, 60
SURE = 4.0  # standard errors that an exponent may be away from a fraction
NUMERICAL = 1e-5
EXPLAINED = 1e-7  # of a product: what is left beside the columns' logarithms is rounding
CHANCE = 3.0  # standard deviations that the misfit may rise by chance when an exponent is made exact
CLEAN, NEGLIGIBLE = 1e-12, 1e-10
ROUNDED = 1e-12  # from a fraction: an exponent that was made exact
LINKS = ("y", "y^2", "1/y", "1/y^2", "log y")
MOST_TERMS = 3
FAINT, FAINT_SHARE = 0.02, 0.02  # of the mean size: rows near 0; of all sizes: what such rows may add up to
SMALLEST = 1e-9  # of a column's largest value: nearer to 0 its logarithm is no use
MOST_SIGNED, MOST_PATTERNS = 8, 8
TRAINED_FIRST, DRAWN_FIRST = 2, 2  # networks of powers that the first primitive joins: best ones, and fresh ones
EXTENDED, LENGTHENED = 2, 24  # trained sums that get one more term, and the ways that are tried
BEAM, PROMISING, DEEPEST = 6, 16, 4
SCOUT_ROWS, SCOUT_STEPS, RACERS, JOINING_STEPS = 72, 12, 96, 16
WORTH_JOINING = 0.75  # a primitive must bring the misfit below this share


@dataclass(frozen=True)
class _Table:
    """Rows in the form that training needs.

    logs (N, P): logarithms of the sizes of the columns that are never 0, centred; means (P,). scaled (P,): which
    columns these are. negative (N, P): where they are negative. patterns (M, P): which of those that change sign may
    enter a product with odd powers, the likeliest first.
    factors (N, F): values of the primitives that an edge may carry, the first of them 1; names (F,) their expressions;
    owner (F,): the column of each, `columns` for sums and differences of two, `columns` + 1 for other functions of
    two; a product has one of each at most. target (N,) over `size`, roots (N,) of the weights.
    beside: which of `scaled` have their logarithm beside the products, and a constant with them; None without these.
    """

    logs: Array
    means: Array
    scaled: tuple[int, ...]
    negative: Array
    patterns: Array
    factors: Array
    names: tuple[Expression, ...]
    owner: tuple[int, ...]
    columns: int
    target: Array
    size: float
    roots: Array
    beside: tuple[int, ...] | None = None

    @cached_property
    def outside(self) -> Array:
        """What stands beside the products, weighted and orthonormal, (N, L)."""
        return np.linalg.qr(self.plain * self.roots[:, None])[0]

    @property
    def plain(self) -> Array:
        """What stands beside the products: a constant and logarithms, (N, L)."""
        if self.beside is None:
            return np.empty((len(self.target), 0))
        return np.column_stack([np.ones(len(self.target)), self.logs[:, list(self.beside)]])

    def weighted(self, values: Array) -> Array:
        """Values (..., N) times the roots of the weights, without what the columns beside the products explain."""
        weighted = values * self.roots
        if self.beside is None:
            return weighted
        left = weighted - (weighted @ self.outside) @ self.outside.T
        size, kept = (np.linalg.norm(part, axis=-1, keepdims=True) for part in (weighted, left))
        return np.where(kept > EXPLAINED * size, left, 0.0)

    def take(self, count: int) -> _Table:
        """The first rows."""
        return replace(
            self,
            logs=self.logs[:count],
            negative=self.negative[:count],
            factors=self.factors[:count],
            target=self.target[:count],
            roots=self.roots[:count],
        )


@dataclass(frozen=True)
class _Starts:
    """S sums of K products: coefficients (S, K), exponents (S, K, P), odd (S, K, P): whether the sign of a column
    enters, chosen primitives and signs (S, K, N) as values, primitives (S, K, D + 2) as numbers; loss (S,)."""

    coefficients: Array
    exponents: Array
    odd: Array
    values: Array
    chosen: Array
    loss: Array

    def take(self, rows: Array) -> _Starts:
        return _Starts(*(item[rows] for item in vars(self).values()))


def powers(rows: Rows, most: int = MOST_TERMS) -> Iterator[Iterator[Expression]]:
    """Sums of up to so many products of powers under the links, the fewest terms first, refined on the rows."""
    if rows.inputs.shape[1] > 0:
        yield from _under_links(rows, most, LINKS, _trained_powers)


def products(rows: Rows, most: int = MOST_TERMS) -> Iterator[Iterator[Expression]]:
    """The same with primitives on the edges: waves, exponentials, 1 + x, whole powers of columns that change sign, and
    powers of the sum or difference of two columns."""
    columns = rows.inputs.shape[1]
    if columns > 0:
        yield from _under_links(rows, most, LINKS if columns <= FEW_COLUMNS else LINKS[:-1], _trained_products)


Trained = Callable[["_Table", int, "_Starts | None"], "_Starts | None"]


def _under_links(rows: Rows, most: int, names: tuple[str, ...], train: Trained) -> Iterator[Iterator[Expression]]:
    thin = rows.take(np.arange(min(len(rows), MANY_ROWS)))
    clear = _clear(rows)
    links = [link for link, _ in usable(clear.target) if link.name in names]
    seen = [thin if link.name == "y" else clear.take(np.arange(min(len(clear), MANY_ROWS))) for link in links]
    changed = [Rows(part.inputs, link.forward(part.target), weights_under(link, part.target, part.weights))
               for link, part in zip(links, seen, strict=True)]  # fmt: skip
    tables = [_table(each, train is _trained_products, link.name == "log y")
              for link, each in zip(links, changed, strict=True)]  # fmt: skip
    before: dict[str, _Starts] = {}
    for terms in range(1, most + 1):
        for link, table in zip(links, tables, strict=True):
            if table is None or len(thin) < 3 * terms * (table.logs.shape[1] + 1):
                continue
            trained = train(table, terms, before.pop(link.name, None))
            if trained is not None:
                before[link.name] = _best(trained, EXTENDED)
                found = (multiply(factor, link.inverse(body)) for factor, body in _formulas(table, trained))
                yield (polish(expression, thin, 30).expression for expression in found)


def _clear(rows: Rows) -> Rows:
    """The rows without those whose target noise has brought to 0 or to the other side of it, where these are faint.

    No inverse, root or logarithm is defined on them; they would weigh next to nothing under most links. All rows of a
    target that really has both signs.
    """
    y = rows.target
    if np.all(y > 0) or np.all(y < 0):
        return rows
    size = np.abs(y)
    clear = np.sign(np.sum(y)) * y > FAINT * np.mean(size)
    return rows.take(np.flatnonzero(clear)) if size[~clear].sum() < FAINT_SHARE * size.sum() else rows


def _formulas(table: _Table, full: _Starts) -> Iterator[tuple[Expression, Expression]]:
    """The best trained sums, exponents exact, the best first: (factor outside of the link, sum) each."""
    seen: set[tuple[Expression, Expression]] = set()
    for at in np.argsort(full.loss, kind="stable")[:SURVIVORS]:
        single = full.take(np.array([at]))
        if not np.isfinite(single.loss[0]) or single.loss[0] > 4.0 * full.loss.min() + CLEAN or len(seen) >= 3:
            break
        rounded = _exact(table, single)
        if rounded is None:
            continue
        beside = _beside(table, rounded)
        shape, found = (
            (_factor(table, beside, number), _expression(table, beside.state, number))
            for number in (lambda value: whole(1), Constant)
        )
        if shape not in seen:
            seen.add(shape)
            yield found


def _trained_powers(table: _Table, terms: int, before: _Starts | None) -> _Starts:
    """Many starts trained briefly on few rows, the best of them to the end."""
    few = table.take(FEW_ROWS)
    drawn = _drawn(few, terms)
    starts = _train(few, drawn if before is None else _joined(drawn, _extended(few, before, drawn)), FIRST_STEPS)
    return _train(table, _on(table, _best(starts, SURVIVORS)), LAST_STEPS)


def _trained_products(table: _Table, terms: int, before: _Starts | None) -> _Starts | None:
    """Powers first; then one primitive after the other joins where it helps the whole sum most. None if none helps."""
    few = table.take(FEW_ROWS)
    drawn = _drawn(few, terms)
    trained = _best(_train(few, drawn, FIRST_STEPS), TRAINED_FIRST)
    beam = _joined(trained, drawn.take(np.arange(min(DRAWN_FIRST, len(drawn.loss)))))
    longer = None if before is None else _best(_train(few, _extended(few, before, drawn), FIRST_STEPS), EXTENDED)
    of_two = terms <= (MOST_PAIRED_TERMS if table.columns <= FEW_COLUMNS else 1)
    choices = [choice for choice in range(1, len(table.names)) if of_two or table.owner[choice] < table.columns]
    for depth in range(DEEPEST):
        grown = _raced(few, _grown(few, beam, choices))
        if depth == 0:
            choices = _promising(grown)
            grown = grown if longer is None else _joined(grown, longer)
        if not grown.loss.min() < WORTH_JOINING * beam.loss.min():
            break
        beam = _best_distinct(grown, BEAM)
        if beam.loss[0] < CLEAN**2:
            break
    return _train(table, _on(table, beam), LAST_STEPS) if np.any(beam.chosen) else None


def _extended(table: _Table, before: _Starts, drawn: _Starts) -> _Starts:
    """Trained sums of one term less, with the last terms of drawn ones."""
    drawn = drawn.take(np.arange(min(LENGTHENED, len(drawn.loss))))
    shorter = before.take(np.arange(len(drawn.loss)) % len(before.loss))
    parts = {
        name: np.concatenate([getattr(shorter, name), getattr(drawn, name)[:, -1:]], axis=1)
        for name in ("exponents", "odd", "chosen")
    }
    return _on(table, replace(drawn, **parts))


def _raced(table: _Table, starts: _Starts) -> _Starts:
    """The starts trained briefly on few rows, and the best of them longer on more."""
    scouted = _train(table.take(SCOUT_ROWS), _on(table.take(SCOUT_ROWS), starts), SCOUT_STEPS)
    return _train(table, _on(table, _best(scouted, RACERS)), JOINING_STEPS)


def _best_distinct(starts: _Starts, count: int) -> _Starts:
    """The best networks, one for every choice of primitives; the order of the terms does not matter."""
    kept: dict[bytes, int] = {}
    for at in np.argsort(starts.loss, kind="stable"):
        terms = zip(starts.chosen[at], starts.odd[at], strict=True)
        kept.setdefault(b"".join(sorted(chosen.tobytes() + odd.tobytes() for chosen, odd in terms)), int(at))
        if len(kept) == count:
            break
    return starts.take(np.array(list(kept.values())))


def _joined(first: _Starts, second: _Starts) -> _Starts:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return _Starts(*(np.concatenate(pair) for pair in pairs))


def _best(starts: _Starts, count: int) -> _Starts:
    return starts.take(np.argsort(starts.loss, kind="stable")[:count])


def _grown(table: _Table, beam: _Starts, choices: Sequence[int]) -> _Starts:
    """Every network of the beam with one primitive more, or another one in its place, in one term or in all.

    With the first primitive the signs that enter its terms are chosen too.
    """
    terms, fresh = beam.chosen.shape[1], not np.any(beam.chosen)
    found: dict[bytes, tuple[int, Array, Array]] = {}
    for at, (chosen, odd) in enumerate(zip(beam.chosen, beam.odd, strict=True)):
        for choice in choices:
            for term in [*range(terms), slice(None)][: terms + (terms > 1)]:
                for pattern in table.patterns if fresh and len(table.patterns) > 1 else (odd[term],):
                    changed, signs = chosen.copy(), odd.copy()
                    changed[term, table.owner[choice]] = choice
                    signs[term] = pattern
                    signs[_replaced_by(table, changed)] = 0
                    key = bytes([at]) * fresh + changed.tobytes() + signs.tobytes()
                    found.setdefault(key, (at, changed, signs))
    rows = np.array([at for at, _, _ in found.values()])
    chosen, odd = (np.array([each[place] for each in found.values()]) for place in (1, 2))
    grown = replace(beam.take(rows), chosen=chosen, odd=odd)
    return replace(grown, exponents=np.where(_replaced_by(table, chosen), 0.0, grown.exponents))


def _replaced_by(table: _Table, chosen: Array) -> Array:
    """Where a primitive stands for the power (..., K, P) of a column that changes sign: it has one or the other."""
    return (chosen[..., list(table.scaled)] > 0) & np.any(table.negative, axis=0)


def _promising(grown: _Starts) -> list[int]:
    """The primitives of the best networks with one, each once, in order."""
    order = np.argsort(grown.loss, kind="stable")
    return list(dict.fromkeys(int(grown.chosen[at].max()) for at in order))[:PROMISING]


def _table(rows: Rows, primitives: bool, logarithmic: bool = False) -> _Table | None:
    count = min(len(rows), MANY_ROWS)
    x, y = rows.inputs[:count], rows.target[:count]
    sizes = np.abs(rows.inputs)
    scaled = tuple(int(j) for j in np.flatnonzero(sizes.min(axis=0) > SMALLEST * sizes.max(axis=0)))
    size = float(np.sqrt(np.mean(y**2)))
    if size == 0 or not np.isfinite(size):
        return None
    logs, negative = np.log(np.abs(x[:, scaled])), x[:, scaled] < 0
    means = logs.mean(axis=0)
    names: list[Expression] = [whole(1)]
    owner, columns = [-1], [np.ones(count)]
    carried = [(j, each) for j in range(x.shape[1]) for each in _primitives(j, j in scaled, primitives)]
    if primitives and not np.any(negative):
        carried += [(x.shape[1], each) for each in _sums_of_two(x)] + [(x.shape[1] + 1, each) for each in _of_two(x)]
    for place, expression in carried:
        values = expression.evaluate(x)
        largest = np.max(np.abs(values))
        if np.isfinite(largest) and largest > 0 and np.ptp(values) > 1e-9 * largest:
            names.append(expression)
            owner.append(place)
            columns.append(values)
    roots = rows.roots * np.ones(len(rows))
    roots = roots[:count] / np.sqrt(np.mean(roots[:count] ** 2))
    return _Table(
        logs - means,
        means,
        scaled,
        negative,
        _patterns(negative, y),
        np.column_stack(columns),
        tuple(names),
        tuple(owner),
        x.shape[1],
        y / size,
        size,
        roots,
        tuple(int(i) for i in np.flatnonzero(~np.any(negative, axis=0))) if logarithmic else None,
    )


def _patterns(negative: Array, target: Array) -> Array:
    """Sets of columns (M, P) whose signs may enter a product: those whose signs go best with the target's first."""
    signed = np.flatnonzero(np.any(negative, axis=0))[:MOST_SIGNED]
    odd = np.zeros((2 ** len(signed), negative.shape[1]), dtype=int)
    odd[:, signed] = (np.arange(len(odd))[:, None] >> np.arange(len(signed))) & 1
    together = np.abs(_signs(negative, odd) @ target)
    return odd[np.argsort(-together, kind="stable")][:MOST_PATTERNS]


def _signs(negative: Array, odd: Array) -> Array:
    """Products (..., N) of the signs of the columns (N, P) that enter (..., P)."""
    return 1.0 - 2.0 * ((odd @ negative.T.astype(int)) % 2)


def _primitives(column: int, scaled: bool, more: bool) -> Iterator[Expression]:
    """What an edge may carry: whole powers of a column that is 0 somewhere, waves, exponentials, 1 +- x."""
    x = Variable(column)
    if not scaled:
        yield from (raise_to(x, Fraction(p)) for p in (1, 2, 3, -1))
    if not more:
        return
    half, twice = multiply(ratio(Fraction(1, 2)), x), multiply(whole(2), x)
    yield from (call(name, argument) for name in ("sin", "cos") for argument in (x, half, twice))
    yield from (raise_to(call(name, x), Fraction(2)) for name in ("sin", "cos"))
    yield add(whole(1), multiply(whole(-1), call("cos", x)))
    yield from (call("exp", x), call("exp", multiply(whole(-1), x)))
    yield from (add(whole(1), x), add(whole(1), multiply(whole(-1), x)))
    yield from (raise_to(add(whole(1), sign), Fraction(-1)) for sign in (x, multiply(whole(-1), x)))
    square = raise_to(x, Fraction(2))
    for base in (add(whole(1), square), add(whole(1), multiply(whole(-1), square))):
        yield from (raise_to(base, Fraction(p)) for p in ("1/2", "-1/2", "-1"))


def _sums_of_two(inputs: Array) -> Iterator[Expression]:
    """Powers of the sum and difference of every two columns of (N, D); whole ones where these come near to 0."""
    count = inputs.shape[1]
    for i, j in combinations(range(count if count <= MOST_PAIRED else 0), 2):
        for sign in (1, -1):
            values = inputs[:, i] + sign * inputs[:, j]
            first, second = (j, i) if np.all(values < 0) else (i, j)
            pair = add(Variable(first), multiply(whole(sign), Variable(second)))
            if np.min(np.abs(values)) > NEAR_ZERO * np.max(np.abs(values)) and np.ptp(np.sign(values)) == 0:
                yield from (raise_to(pair, Fraction(p)) for p in PAIR_POWERS[: 6 if count <= 3 else 2])
            else:
                yield from (pair, raise_to(pair, Fraction(2)))


def _of_two(inputs: Array) -> Iterator[Expression]:
    """Growth and decay by the product or ratio of every two positive columns of (N, D), the logarithm of the ratio, and
    one column to the power of the other; only where an exponent is neither vast nor next to nothing."""
    count = inputs.shape[1]
    for i, j in combinations(range(count if count <= MOST_PAIRED else 0), 2):
        for p, q in ((1, 1), (1, -1), (-1, 1)):
            rate = multiply(raise_to(Variable(i), Fraction(p)), raise_to(Variable(j), Fraction(q)))
            if FAINTEST < float(np.median(rate.evaluate(inputs))) < STEEPEST:
                decay = call("exp", multiply(whole(-1), rate))
                yield from (decay, add(whole(1), multiply(whole(-1), decay)), call("exp", rate))
        yield call("log", multiply(Variable(i), raise_to(Variable(j), Fraction(-1))))
    yield from _columns_to_the_power_of_columns(inputs[:, : count if count <= MOST_PAIRED else 0])


def _columns_to_the_power_of_columns(inputs: Array) -> Iterator[Expression]:
    """x**y, x**-y and x**(1/y) for every two columns of positive (N, D), where the exponent keeps within bounds."""
    for i, j in permutations(range(inputs.shape[1]), 2):
        log, y = call("log", Variable(i)), Variable(j)
        for exponent in (y, multiply(whole(-1), y), raise_to(y, Fraction(-1))):
            power = multiply(exponent, log)
            if FAINTEST < float(np.median(np.abs(power.evaluate(inputs)))) < STEEPEST:
                yield call("exp", power)


def _drawn(table: _Table, terms: int) -> _Starts:
    """Starts with exponents and signs drawn by lot; a column that is 0 somewhere gets a whole power or nothing."""
    draws = np.random.Generator(np.random.PCG64(terms))
    starts = FAR_EXPONENTS if table.columns == 1 else START_EXPONENTS
    exponents = draws.choice(starts, size=(STARTS, terms, len(table.scaled)))
    chosen = np.zeros((STARTS, terms, table.columns + 2), dtype=int)
    for column in sorted(set(range(table.columns)) - set(table.scaled)):
        own = [i for i, name in enumerate(table.names) if table.owner[i] == column and _is_power(name)]
        if own:
            chosen[:, :, column] = draws.choice([0] * len(own) + own, size=(STARTS, terms))
    odd = table.patterns[draws.integers(len(table.patterns), size=(STARTS, terms))]
    empty, values = np.zeros((STARTS, terms)), np.empty((STARTS, terms, 0))
    return _on(table, _Starts(empty, exponents, odd, values, chosen, np.full(STARTS, np.inf)))


def _is_power(name: Expression) -> bool:
    return isinstance(name, Variable) or (isinstance(name, Power) and isinstance(name.base, Variable))


def _on(table: _Table, starts: _Starts) -> _Starts:
    """The starts with their primitives' values on these rows, and their coefficients solved for."""
    values = np.prod(table.factors.T[starts.chosen], axis=2)  # (S, K, N)
    values = values / np.maximum(np.max(np.abs(values), axis=2, keepdims=True, initial=0.0), 1e-300)
    values = values / np.maximum(np.sqrt(np.mean(values**2, axis=2, keepdims=True)), 1e-300)
    if len(table.patterns) > 1:
        values = values * _signs(table.negative, starts.odd)
    state = replace(starts, values=values)
    products = _products(table, state.exponents, state.values)
    coefficients = _coefficients(table, products)
    return replace(state, coefficients=coefficients, loss=_losses(table, products, coefficients))


def _products(table: _Table, exponents: Array, values: Array) -> Array:
    return np.exp(np.clip(exponents @ table.logs.T, -60.0, 60.0)) * values  # (S, K, N)


def _coefficients(table: _Table, products: Array) -> Array:
    weighted = table.weighted(products)
    gram = np.matmul(weighted, weighted.transpose(0, 2, 1))
    side = weighted @ table.weighted(table.target)
    scale = np.sqrt(np.maximum(np.einsum("skk->sk", gram), 1e-300))
    scaled = gram / scale[:, :, None] / scale[:, None, :] + 1e-10 * np.eye(gram.shape[1])
    return np.linalg.solve(scaled, (side / scale)[..., None])[..., 0] / scale


def _losses(table: _Table, products: Array, coefficients: Array) -> Array:
    residual = table.weighted(np.einsum("skn,sk->sn", products, coefficients) - table.target)
    loss = np.mean(residual**2, axis=1)
    return np.where(np.isfinite(loss), loss, np.inf)


def _train(table: _Table, starts: _Starts, steps: int, free: Array | None = None) -> _Starts:
    """Levenberg-Marquardt on coefficients and exponents of all starts; free (K, P): which exponents may change."""
    c, p, loss = starts.coefficients.copy(), starts.exponents.copy(), starts.loss.copy()
    damping = np.full(len(loss), 1e-2)
    products = _products(table, p, starts.values)
    moving = ~_replaced_by(table, starts.chosen) if free is None else free[None]
    for _ in range(steps):
        step = _step(table, products, c, damping, moving)
        trial_c, trial_p = (
            c - step[..., 0],
            np.clip(p - np.clip(step[..., 1:], -1.0, 1.0), -LARGEST_EXPONENT, LARGEST_EXPONENT),
        )
        trial = _products(table, trial_p, starts.values)
        new = _losses(table, trial, trial_c)
        better = new < loss
        done = np.all(~better | (loss - new <= 1e-9 * loss)) or loss.min() < 1e-30
        c, p = np.where(better[:, None], trial_c, c), np.where(better[:, None, None], trial_p, p)
        products = np.where(better[:, None, None], trial, products)
        loss = np.where(better, new, loss)
        damping = np.where(better, damping * 0.3, damping * 4.0)
        if done and np.any(better):
            break
    return replace(starts, coefficients=c, exponents=p, loss=loss)


def _step(table: _Table, products: Array, coefficients: Array, damping: Array, free: Array) -> Array:
    """The damped Gauss-Newton step (S, K, 1 + P) of coefficients and free exponents (S, K, P)."""
    starts, terms, count = products.shape
    slopes = np.empty((starts, terms, 1 + table.logs.shape[1], count))
    slopes[:, :, 0] = products
    slopes[:, :, 1:] = (products * coefficients[..., None])[:, :, None] * table.logs.T
    slopes[:, :, 1:] *= free[..., None]
    slopes = table.weighted(slopes).reshape(starts, -1, count)
    residual = table.weighted(np.einsum("skn,sk->sn", products, coefficients) - table.target)
    gram = np.matmul(slopes, slopes.transpose(0, 2, 1))
    side = np.matmul(slopes, residual[..., None])[..., 0]
    scale = np.sqrt(np.maximum(np.einsum("sii->si", gram), 1e-200))
    scaled = gram / scale[:, :, None] / scale[:, None, :]
    index = np.arange(gram.shape[1])
    scaled[:, index, index] = 1.0 + np.maximum(damping, 1e-9)[:, None]
    step = np.linalg.solve(np.where(np.isfinite(scaled), scaled, 0.0), (side / scale)[..., None])[..., 0] / scale
    return np.where(np.isfinite(step), step, 0.0).reshape(starts, terms, -1)


def _exact(table: _Table, state: _Starts) -> _Starts | None:
    """The sum with exponents made exact one after the other; None when too many of them are near no fraction."""
    waiting, loose = np.ones(state.exponents.shape[1:]), np.zeros(state.exponents.shape[1:])
    errors = _standard_errors(table, state)
    while np.any(waiting):
        gaps = np.where(
            waiting > 0, np.abs(state.exponents[0] - np.round(state.exponents[0])) / (errors + NUMERICAL), np.inf
        )
        at = np.unravel_index(np.argmin(gaps), gaps.shape)
        waiting[at] = 0.0
        fixed = _fixed(table, state, (int(at[0]), int(at[1])), float(errors[at]), waiting + loose)
        if fixed is not None:
            state = fixed
            continue
        loose[at] = 1.0
        if np.any(table.negative[:, at[1]]) or (len(loose) > 1 and loose.sum() > MOST_LOOSE):
            return None
    return state


def _fixed(table: _Table, state: _Starts, at: tuple[int, int], error: float, free: Array) -> _Starts | None:
    """The sum with one exponent made exact and the free (K, P) ones trained; None when it is near no fraction."""
    fraction = near_fraction(float(state.exponents[0][at]), SURE * error + NUMERICAL)
    if fraction is None or not _real(fraction, bool(state.odd[0][at]), bool(np.any(table.negative[:, at[1]]))):
        return None
    exponents = state.exponents.copy()
    exponents[0][at] = float(fraction)
    fixed = _train(table, _on(table, replace(state, exponents=exponents)), 12, free)
    limit = state.loss[0] * (1.0 + CHANCE * np.sqrt(2.0) / np.sqrt(len(table.target))) + CLEAN**2
    return None if fixed.loss[0] > limit else fixed


def _real(exponent: Fraction, odd: bool, signed: bool) -> bool:
    """Whether a power of a column has the sign that entered: whole ones of columns that change sign, odd or even."""
    return not signed or (exponent.denominator == 1 and exponent.numerator % 2 == odd)


def near_fraction(value: float, tolerance: float) -> Fraction | None:
    """The plainest of the fractions with denominators 1, 2, 3 within the tolerance, or None; none is very large."""
    if abs(value) > LARGEST_PLAIN:
        return None
    for denominator in (1, 2, 3):
        fraction = Fraction(round(value * denominator), denominator)
        if abs(float(fraction) - value) <= min(tolerance, 0.45 / denominator):
            return fraction
    return None


def _standard_errors(table: _Table, state: _Starts) -> Array:
    """Of the exponents (K, P), by the curvature of the misfit."""
    products = _products(table, state.exponents, state.values)[0]
    c = state.coefficients[0]
    terms, count = products.shape
    slopes = np.empty((terms, 1 + table.logs.shape[1], count))
    slopes[:, 0] = products
    slopes[:, 1:] = (products * c[:, None])[:, None] * table.logs.T
    matrix = table.weighted(slopes).reshape(-1, count)
    scale = np.maximum(np.linalg.norm(matrix, axis=1), 1e-200)
    gram = (matrix / scale[:, None]) @ (matrix / scale[:, None]).T
    variance = (
        np.diag(np.linalg.pinv(gram, rcond=1e-13)) / scale**2 * state.loss[0] * count / max(count - len(scale), 1)
    )
    return np.sqrt(np.maximum(variance, 0.0)).reshape(terms, -1)[:, 1:]


@dataclass(frozen=True)
class _Beside:
    """A sum of products with what stands beside it: powers of columns, one number for each of `scaled`, a constant."""

    state: _Starts
    powers: Array
    constant: float


def _beside(table: _Table, state: _Starts) -> _Beside:
    """The powers beside a sum, made exact one after the other where a fraction is near, and the constant."""
    powers = np.zeros(len(table.scaled))
    waiting = list(table.beside or ())
    state, weights, errors = _solved(table, state)
    while waiting:
        sizes = weights[1:] * table.size
        place = int(np.argmin(np.abs(sizes - np.round(sizes)) / (errors[1:] * table.size + NUMERICAL)))
        column = waiting.pop(place)
        fraction = near_fraction(float(sizes[place]), SURE * float(errors[1 + place]) * table.size + NUMERICAL)
        powers[column] = sizes[place] if fraction is None else float(fraction)
        shifted = table.target - powers[column] / table.size * table.logs[:, column]
        table = replace(table, target=shifted, beside=tuple(waiting))
        state, weights, errors = _solved(table, state)
    constant = 0.0 if table.beside is None else float(weights[0]) * table.size
    return _Beside(state, powers, constant - float(powers @ table.means))


def _solved(table: _Table, state: _Starts) -> tuple[_Starts, Array, Array]:
    """The sum with its coefficients at their best, and the weights of what stands beside it with standard errors."""
    state = _on(table, state)
    total = _products(table, state.exponents, state.values)[0].T @ state.coefficients[0]
    matrix = table.plain * table.roots[:, None]
    weights = np.linalg.lstsq(matrix, (table.target - total) * table.roots, rcond=None)[0]
    every = np.column_stack([matrix, _products(table, state.exponents, state.values)[0].T * table.roots[:, None]])
    scale = np.maximum(np.linalg.norm(every, axis=0), 1e-200)
    spread = np.diag(np.linalg.pinv((every / scale).T @ (every / scale), rcond=1e-13)) / scale**2
    errors = np.sqrt(np.maximum(spread * state.loss[0] * len(every) / max(len(every) - len(scale), 1), 0.0))
    return state, weights, errors[: len(weights)]


def _factor(table: _Table, beside: _Beside, number: Callable[[float], Expression]) -> Expression:
    """What the exponential of a sum is multiplied with: a constant and powers of columns."""
    if table.beside is None:
        return whole(1)
    raised = (_raised(Variable(j), float(p), number) for j, p in zip(table.scaled, beside.powers, strict=True) if p)
    return multiply(number(float(np.exp(np.clip(beside.constant, -700.0, 700.0)))), *raised)


def _size(table: _Table, state: _Starts, term: int) -> float:
    """Root mean square of a product before its coefficient."""
    return _root_mean_square(_products(table, state.exponents, state.values)[0, term])


def _root_mean_square(values: Array) -> float:
    """Of numbers whose squares may be too large to be written."""
    largest = float(np.max(np.abs(values)))
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if 0 < largest < np.inf else largest


def _expression(table: _Table, state: _Starts, number: Callable[[float], Expression]) -> Expression:
    terms = []
    for k in range(state.exponents.shape[1]):
        powers = [
            _raised(Variable(j), float(p), number) for j, p in zip(table.scaled, state.exponents[0, k], strict=True)
        ]
        edges = [table.names[i] for i in state.chosen[0, k] if i]
        body = multiply(*powers, *edges)
        raw = np.prod(table.factors.T[state.chosen[0, k]], axis=0)
        size = _root_mean_square(raw) or 1.0
        shift = float(np.exp(-state.exponents[0, k] @ table.means)) if len(table.means) else 1.0
        if np.abs(state.coefficients[0, k]) * _size(table, state, k) < NEGLIGIBLE:
            continue
        terms.append(multiply(number(float(state.coefficients[0, k]) * table.size * shift / size), body))
    return add(*terms)


def _raised(column: Expression, exponent: float, number: Callable[[float], Expression]) -> Expression:
    """A power of a column: of an exact exponent, or exp(p log x) of one that no fraction is near."""
    fraction = Fraction(exponent).limit_denominator(6)
    if abs(float(fraction) - exponent) < ROUNDED:
        return raise_to(column, fraction)
    return call("exp", multiply(number(exponent), call("log", column)))
