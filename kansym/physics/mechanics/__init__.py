"""Conserved quantities and Lagrangians of measured motion."""

from kansym.physics.mechanics.conservation import Quantity, conserved, conserved_along
from kansym.physics.mechanics.lagrangians import Lagrangian, lagrangian
from kansym.physics.mechanics.terms import terms

__all__ = ["Lagrangian", "Quantity", "conserved", "conserved_along", "lagrangian", "terms"]
