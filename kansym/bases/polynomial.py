"""Small polynomials as lists of coefficients, lowest power first: enough to differentiate a profile to any order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def derived(coefficients: Sequence[float]) -> list[float]:
    """Return the derivative of a polynomial."""
    return [power * coefficient for power, coefficient in enumerate(coefficients)][1:] or [0.0]


def times(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """Return the product of two polynomials."""
    product = [0.0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return product


def plus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    """Return the sum of two polynomials."""
    length = max(len(left), len(right))
    padded = [[*values, *[0.0] * (length - len(values))] for values in (left, right)]
    return [a + b for a, b in zip(*padded, strict=True)]


def horner(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """Return the values of a polynomial: (...) -> (...)."""
    if len(coefficients) == 1:
        return torch.full_like(x, coefficients[0])
    total = coefficients[-1] * x
    for coefficient in reversed(coefficients[1:-1]):
        total = (total + coefficient if coefficient else total) * x
    return total + coefficients[0] if coefficients[0] else total
