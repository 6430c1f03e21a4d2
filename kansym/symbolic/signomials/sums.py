"""From rows to formulas: sums of products under every link, the fewest terms first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Constant, Expression, multiply, whole
from kansym.symbolic.links import usable, weights_under
from kansym.symbolic.signomials.exponents import made_exact, powers_beside
from kansym.symbolic.signomials.growing import (
    EXTENDED,
    FEW_COLUMNS,
    SURVIVORS,
    Trained,
    trained_powers,
    trained_products,
)
from kansym.symbolic.signomials.table import MANY_ROWS, ProductTable, table_of
from kansym.symbolic.signomials.training import CLEAN, Sums, best_of
from kansym.symbolic.signomials.writing import factor_outside, written

Array = np.ndarray
LINKS = ("y", "y^2", "1/y", "1/y^2", "log y")
MOST_TERMS = 3
FAINT, FAINT_SHARE = 0.02, 0.02  # of the mean size: rows near 0; of all sizes: what such rows may add up to


def powers(rows: Rows, most: int = MOST_TERMS) -> Iterator[Iterator[Expression]]:
    """Sums of up to so many products of powers under the links, the fewest terms first, refined on the rows."""
    if rows.inputs.shape[1] > 0:
        yield from _under_links(rows, most, LINKS, trained_powers)


def products(rows: Rows, most: int = MOST_TERMS) -> Iterator[Iterator[Expression]]:
    """The same with primitives on the edges: waves, exponentials, 1 + x, whole powers of columns that change sign, and
    powers of the sum or difference of two columns."""
    columns = rows.inputs.shape[1]
    if columns > 0:
        yield from _under_links(rows, most, LINKS if columns <= FEW_COLUMNS else LINKS[:-1], trained_products)


def _under_links(rows: Rows, most: int, names: tuple[str, ...], train: Trained) -> Iterator[Iterator[Expression]]:
    thin = rows.take(np.arange(min(len(rows), MANY_ROWS)))
    clear = _clear(rows)
    links = [link for link, _ in usable(clear.target) if link.name in names]
    seen = [thin if link.name == "y" else clear.take(np.arange(min(len(clear), MANY_ROWS))) for link in links]
    changed = [Rows(part.inputs, link.forward(part.target), weights_under(link, part.target, part.weights))
               for link, part in zip(links, seen, strict=True)]  # fmt: skip
    tables = [table_of(each, train is trained_products, link.name == "log y")
              for link, each in zip(links, changed, strict=True)]  # fmt: skip
    before: dict[str, Sums] = {}
    for terms in range(1, most + 1):
        for link, table in zip(links, tables, strict=True):
            if table is None or len(thin) < 3 * terms * (table.logs.shape[1] + 1):
                continue
            trained = train(table, terms, before.pop(link.name, None))
            if trained is not None:
                before[link.name] = best_of(trained, EXTENDED)
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


def _formulas(table: ProductTable, full: Sums) -> Iterator[tuple[Expression, Expression]]:
    """The best trained sums, exponents exact, the best first: (factor outside of the link, sum) each."""
    seen: set[tuple[Expression, Expression]] = set()
    for at in np.argsort(full.loss, kind="stable")[:SURVIVORS]:
        single = full.take(np.array([at]))
        if not np.isfinite(single.loss[0]) or single.loss[0] > 4.0 * full.loss.min() + CLEAN or len(seen) >= 3:
            break
        rounded = made_exact(table, single)
        if rounded is None:
            continue
        beside = powers_beside(table, rounded)
        shape, found = (
            (factor_outside(table, beside, number), written(table, beside.state, number))
            for number in (lambda value: whole(1), Constant)
        )
        if shape not in seen:
            seen.add(shape)
            yield found
