"""Bases of one-dimensional functions: one class a file, and the table of all of them."""

from __future__ import annotations

from kansym.bases.base import Basis
from kansym.bases.bspline import BSpline
from kansym.registry import Registry

BASES: Registry[type[Basis]] = Registry("basis")
BASES.add("bspline", BSpline)

__all__ = ["BASES", "BSpline", "Basis"]
