"""What writers of formulas share: which kind of node is written how, and where parentheses stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.labels import is_name
from kansym.symbolic.notation import Quotient, as_fraction, ordered_terms

# How firmly a text holds together; one that binds less than its place asks for gets parentheses.
SUM, PRODUCT, POWER, ATOM = range(4)


class Writer(ABC):
    """Writes a formula in one notation; every method but `write` returns a text, most with its strength.

    names: the column names (D,). digits: significant digits of the free constants; None writes all of them.
    """

    def __init__(self, names: Sequence[str], digits: int | None) -> None:
        self.names, self.digits = tuple(names), digits

    def write(self, node: Expression, least: int = SUM) -> str:
        """The node's text, in parentheses when it binds less than `least`."""
        text, strength = self._node(node)
        return self._parentheses(text) if strength < least else text

    def _node(self, node: Expression) -> tuple[str, int]:
        if isinstance(node, Variable):
            return self._name(self.names[node.index]), ATOM
        if isinstance(node, Constant) and is_name(node.label):
            return self._name(node.label or ""), ATOM
        if isinstance(node, Sum):
            return self._sum(node), SUM
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Power) and node.exponent > 0:
            return self._power(node)
        assert isinstance(node, (Product, Power, Constant))
        return self._quotient(as_fraction(node))

    def _sum(self, node: Sum) -> str:
        pieces = []
        for place, term in enumerate(ordered_terms(node.terms)):
            text = self.write(term, PRODUCT if isinstance(term, Sum) else SUM)
            sign = ("-" if place == 0 else " - ") if text.startswith("-") else ("" if place == 0 else " + ")
            pieces.append(sign + text.removeprefix("-"))
        return "".join(pieces)

    @abstractmethod
    def _parentheses(self, text: str) -> str: ...

    @abstractmethod
    def _name(self, name: str) -> str: ...

    @abstractmethod
    def _call(self, node: Call) -> tuple[str, int]: ...

    @abstractmethod
    def _power(self, node: Power) -> tuple[str, int]: ...

    @abstractmethod
    def _quotient(self, parts: Quotient) -> tuple[str, int]: ...
