"""Jets: a function's value and derivatives at a point as one truncated Taylor polynomial, and a KAN applied to them.

A jet over a set of orders is a tensor with that set as its first axis; entry a is the derivative of order a divided by
a! (so that jets multiply like polynomials). A KAN is composed of functions of one variable whose derivatives of every
order are known exactly, so a jet of its inputs goes through it layer by layer without automatic differentiation.

Source: Griewank and Walther, Evaluating Derivatives, 2008, ch. 13 (Taylor arithmetic).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import factorial, prod

import torch
from torch import Tensor

from kansym.nn import KAN, KANLayer
from kansym.nn.layer import per_edge

Order = tuple[int, ...]


@dataclass(frozen=True)
class Orders:
    """Which derivatives a jet holds: multi-indices over D inputs, each with all that are below it, the value first.

    A product of two jets over such a set is exact on it: what lies outside cannot come back in.
    """

    indices: tuple[Order, ...]

    @classmethod
    def closure(cls, wanted: Iterable[Order], inputs: int) -> Orders:
        """Return the smallest set that holds what is wanted and the value."""
        below = {(0,) * inputs}
        for order in wanted:
            below |= set(product(*(range(entry + 1) for entry in order)))
        return cls(tuple(sorted(below, key=lambda order: (sum(order), tuple(-entry for entry in order)))))

    def __len__(self) -> int:
        return len(self.indices)

    def place(self, order: Order) -> int:
        """Return where an order stands."""
        return self._places[order]

    @cached_property
    def _places(self) -> dict[Order, int]:
        return {order: place for place, order in enumerate(self.indices)}

    @cached_property
    def factorials(self) -> tuple[int, ...]:
        """What an entry is multiplied with to give the derivative: a! = a_1! a_2! ..."""
        return tuple(prod(map(factorial, order)) for order in self.indices)

    @cached_property
    def most(self) -> int:
        """The highest total order."""
        return max(map(sum, self.indices))

    @cached_property
    def triples(self) -> tuple[tuple[int, int, int], ...]:
        """All (a, b, c) with orders a + b = c in the set: how jets multiply."""
        pairs = product(enumerate(self.indices), repeat=2)
        sums = ((a, b, tuple(map(sum, zip(left, right, strict=True)))) for (a, left), (b, right) in pairs)
        return tuple((a, b, self._places[total]) for a, b, total in sums if total in self._places)

    def multiply(self, left: Tensor, right: Tensor) -> Tensor:
        """Return the product of two jets, (A, ...) each."""
        entries: list[Tensor | None] = [None] * len(self)
        for a, b, c in self.triples:
            term, known = left[a] * right[b], entries[c]
            entries[c] = term if known is None else known + term
        return torch.stack([entry for entry in entries if entry is not None])

    def pull(self, factor: Tensor, delta: Tensor) -> Tensor:
        """Return the adjoint of `multiply(factor, ·)` applied to delta, (A, ...) each."""
        entries: list[Tensor | None] = [None] * len(self)
        for a, b, c in self.triples:
            term, known = factor[a] * delta[c], entries[b]
            entries[b] = term if known is None else known + term
        return torch.stack([entry for entry in entries if entry is not None])

    def coordinates(self, x: Tensor) -> Tensor:
        """Return the jets of the inputs themselves: (..., D) -> (A, ..., D)."""
        jets = x.new_zeros(len(self), *x.shape)
        jets[0] = x
        for axis in range(x.shape[-1]):
            unit = tuple(int(place == axis) for place in range(x.shape[-1]))
            if unit in self._places:
                jets[self._places[unit], ..., axis] = 1.0
        return jets

    def powers(self, jets: Tensor) -> list[Tensor]:
        """Return (jets - value)^m / m! for m = 0 ... the highest order, (A, ...) each."""
        rest = jets.clone()
        rest[0] = 0.0
        found = [torch.zeros_like(jets)]
        found[0][0] = 1.0
        for m in range(1, self.most + 1):
            found.append(rest if m == 1 else self.multiply(found[-1], rest) / m)
        return found


@dataclass(frozen=True)
class LayerJets:
    """One layer's part of a pass: what its edges saw, and what a pull back through it needs.

    values: the basis functions' derivatives, (E, N, I, F) per order 0 ... M. powers: of the inputs' jets, (A, E, N, I)
    per order. sums: (A, E, N, S). nodes: (A, E, N, O).
    """

    values: tuple[Tensor, ...]
    powers: tuple[Tensor, ...]
    sums: Tensor
    nodes: Tensor


def features(layer: KANLayer, x: Tensor, most: int) -> tuple[Tensor, ...]:
    """Return the derivatives 0 ... most of a layer's basis functions at its inputs (E, N, I), (E, N, I, F) each."""
    return tuple(layer.features_of(x, order) for order in range(most + 1))


def forward(model: KAN, orders: Orders, x: Tensor, weights: Sequence[Tensor], first: Sequence[Tensor] | None = None,
            inputs: Tensor | None = None) -> list[LayerJets]:  # fmt: skip
    """Send the jets of the inputs through a network.

    Args:
        model: gives shape and grids; plain splines without base branch and normalisation.
        orders: which derivatives.
        x: (N, D) or (E, N, D).
        weights: one (E, I, O, F) per layer.
        first: the first layer's features, where they are known; see `features`.
        inputs: the jets (A, E, N, I) of what the network reads, where that is not the coordinates themselves.

    Returns:
        One entry per layer; the nodes of the last are the outputs' jets (A, E, N, T).
    """
    jets, passed = orders.coordinates(model.expand(x)) if inputs is None else inputs, []
    for index, layer in enumerate(model.stack):
        values = tuple(first) if first is not None and index == 0 else features(layer, jets[0], orders.most)
        powers = tuple(orders.powers(jets))
        sums = _sums(values, powers, weights[index])
        passed.append(LayerJets(values, powers, sums, _nodes(model, orders, index, sums)))
        jets = passed[-1].nodes
    return passed


def _sums(values: Sequence[Tensor], powers: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the jets of a layer's sums, (A, E, N, S): the sum over m of f^(m) (jets - value)^m / m!."""
    edges = [per_edge(value, weights) for value in values]  # (E, N, I, S) per order
    return sum((power.unsqueeze(-2) @ edge for power, edge in zip(powers, edges, strict=False)),
               torch.zeros(())).squeeze(-2)  # fmt: skip


def _nodes(model: KAN, orders: Orders, index: int, sums: Tensor) -> Tensor:
    """Turn the jets of sums into those of nodes; product nodes multiply theirs."""
    width = model.widths[index + 1]
    if width.product == 0:
        return sums
    slots = sums[..., width.sum :].unflatten(-1, (width.product, model.options.arity))
    total = slots[..., 0]
    for slot in range(1, model.options.arity):
        total = orders.multiply(total, slots[..., slot])
    return torch.cat([sums[..., : width.sum], total], -1)


def pull_nodes(model: KAN, orders: Orders, index: int, passed: LayerJets, delta: Tensor) -> Tensor:
    """Pull a derivative by the nodes' jets (A, E, N, O) back to that by the sums' jets (A, E, N, S)."""
    width, arity = model.widths[index + 1], model.options.arity
    if width.product == 0:
        return delta
    slots = passed.sums[..., width.sum :].unflatten(-1, (width.product, arity))
    spread = torch.stack(
        [orders.pull(_others(orders, slots, slot), delta[..., width.sum :]) for slot in range(arity)], -1
    )
    return torch.cat([delta[..., : width.sum], spread.flatten(-2)], -1)


def _others(orders: Orders, slots: Tensor, left_out: int) -> Tensor:
    """The product of the jets of all slots but one."""
    total: Tensor | None = None
    for slot in range(slots.shape[-1]):
        if slot != left_out:
            total = slots[..., slot] if total is None else orders.multiply(total, slots[..., slot])
    assert total is not None
    return total


def pull_edges(layer: KANLayer, orders: Orders, x: Tensor, passed: LayerJets, weights: Tensor, delta: Tensor) -> Tensor:
    """Pull a derivative by a layer's sums' jets (A, E, N, S) back to that by its inputs' jets (A, E, N, I).

    An input's jet h enters as f(h), and df(h) = f'(h) dh is again a product of jets.
    """
    highest = layer.features_of(x, orders.most + 1)
    slopes = [per_edge(value, weights) for value in (*passed.values[1:], highest)]  # f', f'', ... (E, N, I, S)
    pulled = [(slope @ delta.unsqueeze(-1)).squeeze(-1) for slope in slopes]  # over S: (A, E, N, I) per m
    total = torch.zeros_like(passed.powers[0])
    for a, b, c in orders.triples:
        size = sum(orders.indices[a])
        for m in range(size + 1):
            if m or not size:
                total[b] += passed.powers[m][a] * pulled[m][c]
    return total


def _scales(passed: LayerJets, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, per order, the basis functions' derivatives (E, N, I, F) and what multiplies them, (E, N, I, S)."""
    for value, power in zip(passed.values, passed.powers, strict=True):
        yield value, (power.unsqueeze(-1) * delta.unsqueeze(-2)).sum(0)


def jacobian_of(passed: LayerJets, delta: Tensor) -> Tensor:
    """Return the derivative by a layer's weights of a number per row, given that by its sums' jets (A, E, N, S).

    Returns:
        (E, N, I, S, F).
    """
    total = None
    for value, scale in _scales(passed, delta):
        term = scale.unsqueeze(-1) * value.unsqueeze(-2)
        total = term if total is None else total.add_(term)
    assert total is not None
    return total


def gradient_of(passed: LayerJets, delta: Tensor) -> Tensor:
    """Return what `jacobian_of` gives, added up over the rows without making them: (E, I, S, F)."""
    total = None
    for value, scale in _scales(passed, delta):
        term = scale.permute(0, 2, 3, 1) @ value.transpose(1, 2)
        total = term if total is None else total.add_(term)
    assert total is not None
    return total
