"""Bases of one-dimensional functions: one class a file, and the table of all of them."""

from __future__ import annotations

from kansym.bases.base import Basis
from kansym.bases.bspline import BSpline
from kansym.bases.chebyshev import Chebyshev
from kansym.bases.fourier import Fourier
from kansym.bases.legendre import Legendre
from kansym.bases.linear import Linear
from kansym.bases.parameterisation import PARAMETERISATIONS, Parameterisation
from kansym.bases.rational import Rational
from kansym.bases.rbf import RBF
from kansym.bases.relu import ReLU
from kansym.bases.rswaf import RSWAF
from kansym.bases.wavelet import Wavelet
from kansym.registry import Registry

BASES: Registry[type[Basis]] = Registry("basis")
BASES.add("bspline", BSpline)
BASES.add("linear", Linear)
BASES.add("rswaf", RSWAF)
BASES.add("rbf", RBF)
BASES.add("fourier", Fourier)
BASES.add("chebyshev", Chebyshev)
BASES.add("legendre", Legendre)
BASES.add("wavelet", Wavelet)
BASES.add("relu", ReLU)
BASES.add("rational", Rational)

__all__ = [
    "BASES",
    "PARAMETERISATIONS",
    "RBF",
    "RSWAF",
    "BSpline",
    "Basis",
    "Chebyshev",
    "Fourier",
    "Legendre",
    "Linear",
    "Parameterisation",
    "Rational",
    "ReLU",
    "Wavelet",
]
