"""Edits: a good formula is changed at one of its nodes, time and again, while its description gets shorter.

At every node the rows tell what would have to stand there. To first order: what a short expression, added to the node
or multiplied into it, would take off the squares of the errors, all constants of the formula moving along, is one
projection, the same matrix products for thousands of expressions. And exactly: where the functions around the node can
be undone, the target goes back through them to the node, and short expressions, alone or two by two, are fitted to it
in its place. What promises most is fitted again as a whole. So a law is reached from a formula that has some of it
right, through nodes that no link of the target lays open: b in a/(c - b*log(1 - x)).
"""

from kansym.symbolic.edits.groups import Groups
from kansym.symbolic.edits.refining import FEWEST, Length, Task, refined

__all__ = ["FEWEST", "Groups", "Length", "Task", "refined"]
