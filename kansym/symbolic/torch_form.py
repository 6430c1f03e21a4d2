"""Formulas as torch modules: differentiable in the inputs and in the free constants."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch

from kansym.errors import FormulaError
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.primitives import CALLS

Rule = Callable[[torch.Tensor], torch.Tensor]


class TorchFormula(torch.nn.Module):
    """A formula as a module, in float64.

    constants: the free constants (P,) as one parameter, in the order of `Expression.free_constants`.
    """

    def __init__(self, expression: Expression) -> None:
        super().__init__()
        self.expression = expression
        start = [constant.value for constant in expression.free_constants]
        self.constants = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Values (N,) at inputs (N, D) in the columns' own units; nan outside the real domain."""
        inputs = inputs.to(torch.float64)
        values = _evaluate(self.expression, inputs, iter(self.constants.unbind()))
        return values.expand(inputs.shape[0]) if values.dim() == 0 else values  # (N,)


def to_torch(expression: Expression) -> TorchFormula:
    """The formula as a torch module on (N, D) tensors."""
    return TorchFormula(expression)


def _evaluate(node: Expression, inputs: torch.Tensor, constants) -> torch.Tensor:
    if isinstance(node, Constant):
        return next(constants) if node.label is None else inputs.new_tensor(node.value)
    if isinstance(node, Variable):
        return inputs[:, node.index]
    below = [_evaluate(child, inputs, constants) for child in node.children]
    if isinstance(node, Sum):
        return sum(below[1:], below[0])
    if isinstance(node, Product):
        product = below[0]
        for factor in below[1:]:
            product = product * factor
        return product
    if isinstance(node, Power):
        return torch_power(below[0], node.exponent)
    assert isinstance(node, Call)
    return torch_call(node.name, below[0])


def torch_power(base: torch.Tensor, exponent: Fraction) -> torch.Tensor:
    """base**exponent with real odd roots of negative numbers; nan where it is not real."""
    if exponent.denominator == 1:
        return base**exponent.numerator
    if exponent.denominator % 2 == 0:
        return base ** float(exponent)
    size = base.abs() ** float(exponent)
    return size * base.sign() if exponent.numerator % 2 else size


def torch_call(name: str, argument: torch.Tensor) -> torch.Tensor:
    """A primitive of a tensor, by the primitive's name. Raises FormulaError for one without a torch form."""
    build = CALLS[name].torch
    if build is None:
        raise FormulaError(f"primitive {name!r} has no torch form: give Primitive(torch=...) when you register it")
    return build(torch, argument)
