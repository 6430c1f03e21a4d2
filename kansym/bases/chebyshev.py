"""Chebyshev polynomials of the first kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from kansym.bases.orthogonal import OrthogonalBasis


def chebyshev_factors(degree: int) -> tuple[float, float]:
    """Return a and b of T_(n+1) = a s T_n - b T_(n-1), n >= 1."""
    return 2.0, 1.0


@final
@dataclass(frozen=True, eq=False)
class Chebyshev(OrthogonalBasis):
    """T_0 ... T_G over the domain; grid as in `OrthogonalBasis`.

    Source: NIST Digital Library of Mathematical Functions, eq. 18.9.1 with table 18.9.1.
    """

    @staticmethod
    def _factors(degree: int) -> tuple[float, float]:
        return chebyshev_factors(degree)

    @staticmethod
    def _slopes_at_one(degrees: Tensor) -> Tensor:
        return degrees * degrees
