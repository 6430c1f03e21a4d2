"""Formulas as program code with infix operators; a language is a small table of how it writes each thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from kansym.errors import FormulaError
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.labels import Exact
from kansym.symbolic.notation import exact_value


@dataclass(frozen=True)
class Language:
    """free, exact: a constant as code. power: (base code, exponent) -> code. calls: name -> pattern with `{}`."""

    free: Callable[[float], str]
    exact: Callable[[Exact], str]
    power: Callable[[str, Fraction], str]
    calls: Mapping[str, str]


def code(expression: Expression, names: Sequence[str], language: Language) -> str:
    """The formula as one expression of a language; every compound operand stands in parentheses.

    Raises FormulaError for a primitive that the language does not know, such as one that a user registered.
    """
    return _write(expression, names, language)


def _write(node: Expression, names: Sequence[str], language: Language) -> str:
    if isinstance(node, Constant):
        known = exact_value(node)
        return language.exact(known) if known else language.free(node.value)
    if isinstance(node, Variable):
        return names[node.index]
    if isinstance(node, Power):
        return language.power(_operand(node.base, names, language), node.exponent)
    if isinstance(node, Call):
        if node.name not in language.calls:
            raise FormulaError(f"this format has no form of the primitive {node.name!r}: export as latex or json")
        return language.calls[node.name].replace("{}", _write(node.argument, names, language))
    assert isinstance(node, (Sum, Product))
    if isinstance(node, Product):
        return "*".join(_operand(factor, names, language) for factor in node.factors)
    return " + ".join(_write(term, names, language) for term in node.terms)


def _operand(node: Expression, names: Sequence[str], language: Language) -> str:
    text = _write(node, names, language)
    return text if isinstance(node, (Variable, Call)) else f"({text})" if _is_compound(text) else text


def _is_compound(text: str) -> bool:
    return not text.replace(".", "").replace("_", "").isalnum()
