"""The terms of partial differential equations: derivatives of products of fields, and how they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import prod

import numpy as np

from kansym.data.dimensions import Dimension
from kansym.physics.discovery.fields.averages import Slopes
from kansym.physics.discovery.fields.grid import Field
from kansym.symbolic.constant_units import user_unit
from kansym.symbolic.expression import Expression, Variable, multiply, raise_to, whole

Array = np.ndarray
HIGHEST = {1: 4, 2: 2}  # derivative in space, by number of space axes
POWERS = {1: 3, 2: 3}  # of fields, by number of fields


@dataclass(frozen=True)
class Term:
    """A derivative of a product of fields: powers of the fields, orders along the axes."""

    powers: tuple[int, ...]
    orders: tuple[int, ...]

    def name(self, field: Field) -> str:
        """Such as u, u_x or (u^2*v)_xx."""
        used = [(name, power) for name, power in zip(field.values, self.powers, strict=True) if power]
        inner = "*".join(name + (f"^{power}" if power > 1 else "") for name, power in used)
        letters = "".join(axis * order for axis, order in zip(field.axes, self.orders, strict=True))
        if not letters:
            return inner
        return f"{inner}_{letters}" if sum(self.powers) == 1 else f"({inner})_{letters}"

    def read(self, values: Sequence[Array], slopes: Slopes) -> Array:
        """Its values on a grid.

        Args:
            values: the fields.
            slopes: gives derivatives of these orders.
        """
        inner = prod((array**power for array, power in zip(values, self.powers, strict=True)), start=np.ones(()))
        return slopes(np.broadcast_to(inner, values[0].shape), self.orders)

    def unit(self, field: Field) -> str | None:
        """In the words of its fields and axes; None where one of them has no unit."""
        powers = dict(zip(field.values, self.powers, strict=True))
        powers |= {axis: -order for axis, order in zip(field.axes, self.orders, strict=True)}
        return unit_of_powers({name: power for name, power in powers.items() if power}, field.units)


def unit_of_powers(powers: Mapping[str, int], units: Mapping[str, str | None]) -> str | None:
    """The unit of a product of powers of named things; None where one of them is not known."""
    if any(units.get(name) is None for name in powers):
        return None
    parts = [user_unit(units[name] or "") ** Fraction(power) for name, power in powers.items()]
    return str(prod(parts, start=Dimension.of({})))


def terms_of(field: Field) -> Iterator[Term]:
    """All terms of the library: derivatives in space of products of fields up to a power; mixed derivatives are left
    out."""
    fields, space = len(field.values), len(field.space)
    highest = HIGHEST.get(space, 2)
    for degree in range(POWERS.get(fields, 2) + 1):
        for powers in _powers(fields, degree):
            for orders in product(range(highest + 1), repeat=space):
                alone = sum(order > 0 for order in orders) <= 1
                if alone and (degree > 0 or not any(orders)) and (degree <= 1 or sum(orders) <= 2):
                    yield Term(powers, (0, *orders))


def slopes_of(field: Field, highest: int) -> Iterator[Term]:
    """The fields and their derivatives in space up to an order, mixed ones too."""
    for powers in _powers(len(field.values), 1):
        for orders in product(range(highest + 1), repeat=len(field.space)):
            if sum(orders) <= highest:
                yield Term(powers, (0, *orders))


def _powers(fields: int, degree: int) -> Iterator[tuple[int, ...]]:
    for chosen in combinations_with_replacement(range(fields), degree):
        yield tuple(chosen.count(i) for i in range(fields))


def by_name(field: Field) -> dict[str, Term]:
    """Every name that an equation may use, but for the axes."""
    highest = HIGHEST.get(len(field.space), 2)
    return {term.name(field): term for term in (*terms_of(field), *slopes_of(field, highest)) if any(term.powers)}


def opened(term: Term, field: Field, names: list[str]) -> tuple[float, Expression]:
    """Return how a term is written: (factor, formula of `names`, which grows by what is new).

    First derivatives of powers are opened, as in (u^2)_x = 2 u u_x.
    """

    def variable(part: Term) -> Expression:
        name = part.name(field)
        if name not in names:
            names.append(name)
        return Variable(names.index(name))

    flat = (0,) * len(term.orders)
    alone = [tuple(int(i == place) for i in range(len(term.powers))) for place in range(len(term.powers))]
    powers = [
        raise_to(variable(Term(own, flat)), Fraction(p)) for own, p in zip(alone, term.powers, strict=True)
        if p and not any(term.orders)
    ]  # fmt: skip
    if not any(term.orders):
        return 1.0, multiply(*powers) if powers else whole(1)
    used = [(place, power) for place, power in enumerate(term.powers) if power]
    if len(used) == 1 and used[0][1] > 1 and sum(term.orders) == 1:
        place, power = used[0]
        outer = raise_to(variable(Term(alone[place], flat)), Fraction(power - 1))
        return float(power), multiply(outer, variable(Term(alone[place], term.orders)))
    return 1.0, variable(term)
