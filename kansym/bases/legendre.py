"""Legendre polynomials, orthogonal under even weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from torch import Tensor

from kansym.bases.orthogonal import OrthogonalBasis


@final
@dataclass(frozen=True, eq=False)
class Legendre(OrthogonalBasis):
    """P_0 ... P_G over the domain; grid as in `OrthogonalBasis`.

    Source: NIST Digital Library of Mathematical Functions, eq. 18.9.1 with table 18.9.1.
    """

    @staticmethod
    def _factors(degree: int) -> tuple[float, float]:
        return (2 * degree + 1) / (degree + 1), degree / (degree + 1)

    @staticmethod
    def _slopes_at_one(degrees: Tensor) -> Tensor:
        return 0.5 * degrees * (degrees + 1)
