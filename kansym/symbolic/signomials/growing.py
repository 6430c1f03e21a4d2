"""Which sums are trained: starts drawn by lot, longer ones from shorter ones, one primitive more after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kansym.symbolic.signomials.edges import is_power
from kansym.symbolic.signomials.table import ProductTable
from kansym.symbolic.signomials.training import CLEAN, Sums, best_of, fit_sums, joined_sums, placed, replaced_by

Array = np.ndarray
START_EXPONENTS = (-2.0, -1.0, -0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 2.0)
FAR_EXPONENTS = (*START_EXPONENTS, -12.0, -9.0, -6.0, -4.0, 4.0, 6.0, 9.0, 12.0)  # of a single column: steep potentials
FEW_COLUMNS = 5  # more have so many primitives of two columns that they are tried in single products only
MOST_PAIRED_TERMS = 2  # of a sum in which primitives of two columns are tried
FEW_ROWS = 160
STARTS, SURVIVORS = 80, 12
FIRST_STEPS, LAST_STEPS = 14, 60
TRAINED_FIRST, DRAWN_FIRST = 2, 2  # networks of powers that the first primitive joins: best ones, and fresh ones
EXTENDED, LENGTHENED = 2, 24  # trained sums that get one more term, and the ways that are tried
BEAM, PROMISING, DEEPEST = 6, 16, 4
SCOUT_ROWS, SCOUT_STEPS, RACERS, JOINING_STEPS = 72, 12, 96, 16
WORTH_JOINING = 0.75  # a primitive must bring the misfit below this share
Trained = Callable[[ProductTable, int, Sums | None], Sums | None]


def trained_powers(table: ProductTable, terms: int, before: Sums | None) -> Sums:
    """Many starts trained briefly on few rows, the best of them to the end."""
    few = table.take(FEW_ROWS)
    drawn = _drawn(few, terms)
    starts = fit_sums(few, drawn if before is None else joined_sums(drawn, _extended(few, before, drawn)), FIRST_STEPS)
    return fit_sums(table, placed(table, best_of(starts, SURVIVORS)), LAST_STEPS)


def trained_products(table: ProductTable, terms: int, before: Sums | None) -> Sums | None:
    """Powers first; then one primitive after the other joins where it helps the whole sum most. None if none helps."""
    few = table.take(FEW_ROWS)
    drawn = _drawn(few, terms)
    trained = best_of(fit_sums(few, drawn, FIRST_STEPS), TRAINED_FIRST)
    beam = joined_sums(trained, drawn.take(np.arange(min(DRAWN_FIRST, len(drawn.loss)))))
    longer = None if before is None else best_of(fit_sums(few, _extended(few, before, drawn), FIRST_STEPS), EXTENDED)
    of_two = terms <= (MOST_PAIRED_TERMS if table.columns <= FEW_COLUMNS else 1)
    choices = [choice for choice in range(1, len(table.names)) if of_two or table.owner[choice] < table.columns]
    for depth in range(DEEPEST):
        grown = _raced(few, _grown(few, beam, choices))
        if depth == 0:
            choices = _promising(grown)
            grown = grown if longer is None else joined_sums(grown, longer)
        if not grown.loss.min() < WORTH_JOINING * beam.loss.min():
            break
        beam = _best_distinct(grown, BEAM)
        if beam.loss[0] < CLEAN**2:
            break
    return fit_sums(table, placed(table, beam), LAST_STEPS) if np.any(beam.chosen) else None


def _extended(table: ProductTable, before: Sums, drawn: Sums) -> Sums:
    """Trained sums of one term less, with the last terms of drawn ones."""
    drawn = drawn.take(np.arange(min(LENGTHENED, len(drawn.loss))))
    shorter = before.take(np.arange(len(drawn.loss)) % len(before.loss))
    parts = {
        name: np.concatenate([getattr(shorter, name), getattr(drawn, name)[:, -1:]], axis=1)
        for name in ("exponents", "odd", "chosen")
    }
    return placed(table, replace(drawn, **parts))


def _raced(table: ProductTable, starts: Sums) -> Sums:
    """The starts trained briefly on few rows, and the best of them longer on more."""
    scouted = fit_sums(table.take(SCOUT_ROWS), placed(table.take(SCOUT_ROWS), starts), SCOUT_STEPS)
    return fit_sums(table, placed(table, best_of(scouted, RACERS)), JOINING_STEPS)


def _best_distinct(starts: Sums, count: int) -> Sums:
    """The best networks, one for every choice of primitives; the order of the terms does not matter."""
    kept: dict[bytes, int] = {}
    for at in np.argsort(starts.loss, kind="stable"):
        terms = zip(starts.chosen[at], starts.odd[at], strict=True)
        kept.setdefault(b"".join(sorted(chosen.tobytes() + odd.tobytes() for chosen, odd in terms)), int(at))
        if len(kept) == count:
            break
    return starts.take(np.array(list(kept.values())))


def _grown(table: ProductTable, beam: Sums, choices: Sequence[int]) -> Sums:
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
                    signs[replaced_by(table, changed)] = 0
                    key = bytes([at]) * fresh + changed.tobytes() + signs.tobytes()
                    found.setdefault(key, (at, changed, signs))
    rows = np.array([at for at, _, _ in found.values()])
    chosen, odd = (np.array([each[place] for each in found.values()]) for place in (1, 2))
    grown = replace(beam.take(rows), chosen=chosen, odd=odd)
    return replace(grown, exponents=np.where(replaced_by(table, chosen), 0.0, grown.exponents))


def _promising(grown: Sums) -> list[int]:
    """The primitives of the best networks with one, each once, in order."""
    order = np.argsort(grown.loss, kind="stable")
    return list(dict.fromkeys(int(grown.chosen[at].max()) for at in order))[:PROMISING]


def _drawn(table: ProductTable, terms: int) -> Sums:
    """Starts with exponents and signs drawn by lot; a column that is 0 somewhere gets a whole power or nothing."""
    draws = np.random.Generator(np.random.PCG64(terms))
    starts = FAR_EXPONENTS if table.columns == 1 else START_EXPONENTS
    exponents = draws.choice(starts, size=(STARTS, terms, len(table.scaled)))
    chosen = np.zeros((STARTS, terms, table.columns + 2), dtype=int)
    for column in sorted(set(range(table.columns)) - set(table.scaled)):
        own = [i for i, name in enumerate(table.names) if table.owner[i] == column and is_power(name)]
        if own:
            chosen[:, :, column] = draws.choice([0] * len(own) + own, size=(STARTS, terms))
    odd = table.patterns[draws.integers(len(table.patterns), size=(STARTS, terms))]
    empty, values = np.zeros((STARTS, terms)), np.empty((STARTS, terms, 0))
    return placed(table, Sums(empty, exponents, odd, values, chosen, np.full(STARTS, np.inf)))
