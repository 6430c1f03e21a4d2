"""Candidate functions of a state, and their exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import torch

from kansym.errors import DataError
from kansym.symbolic.expression import Expression, Tape, Variable, multiply, raise_to
from kansym.symbolic.parser import parse
from kansym.symbolic.torch_form import to_torch

Array = np.ndarray
MOST = 2000


def terms(names: Sequence[str], degree: int = 3, functions: Sequence[str] = ()) -> tuple[Expression, ...]:
    """All products of up to `degree` letters, the simplest first; the letters are the columns and further functions.

    Args:
        names: of the columns of a state.
        degree: >= 1.
        functions: formulas of the columns that count as letters, such as "sin(q)" or "1/sqrt(x**2 + y**2)".

    Raises:
        FormulaError: for a text that is no formula of the columns.
        DataError: when there are more than 2,000 products.
    """
    letters = [*(Variable(place) for place in range(len(names))), *(parse(text, tuple(names)) for text in functions)]
    found = [
        _product([letters[place] for place in places])
        for size in range(1, degree + 1)
        for places in combinations_with_replacement(range(len(letters)), size)
    ]
    if len(found) > MOST:
        raise DataError(f"{len(found):,} products of {len(letters)} letters are too many: take a degree below {degree}")
    return tuple(sorted(dict.fromkeys(found), key=lambda term: term.complexity))


def _product(letters: list[Expression]) -> Expression:
    powers = {letter: letters.count(letter) for letter in letters}
    return multiply(*(raise_to(letter, Fraction(count)) for letter, count in powers.items()))


def slopes(expression: Expression, states: Array) -> Array:
    """First derivatives (N, D) of an expression by the columns of the states (N, D)."""
    return Tape(expression).gradient(states)[1]


def curvatures(expression: Expression, states: Array, columns: Sequence[int]) -> Array:
    """Second derivatives (N, C, D) by the chosen columns (C) and by all columns of the states (N, D)."""
    at = torch.tensor(states, requires_grad=True)
    first = _grad(to_torch(expression)(at), at)  # (N, D)
    return np.stack([_grad(first[:, column], at).detach().numpy() for column in columns], axis=1)


def _grad(values: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    if not values.requires_grad:
        return torch.zeros_like(at)
    (found,) = torch.autograd.grad(values.sum(), at, create_graph=True, allow_unused=True)
    return torch.zeros_like(at) if found is None else found


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The terms of a sum without their free factors, those without a variable left out."""
    from kansym.symbolic.canonical import canonical
    from kansym.symbolic.expression import Constant, Product, Sum

    whole = canonical(expression)
    listed = whole.terms if isinstance(whole, Sum) else (whole,)
    bare = [
        multiply(*(factor for factor in term.factors if not isinstance(factor, Constant)))
        if isinstance(term, Product)
        else term
        for term in listed
    ]
    return tuple(dict.fromkeys(term for term in bare if term.variables))
