"""Partial differential equations in fields on a grid.

The way through: grid -> averages and terms -> equations (a library under the averages), where that leaves more than
noise search (formulas of any form), and marching (the equations' own solution beside the field).
"""

from kansym.physics.discovery.fields.equations import find_field_equations
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.fields.marching import March, march

__all__ = ["Field", "March", "find_field_equations", "march"]
