"""The path by hand: a network is trained, pruned and turned into a formula, one undoable step at a time."""

from kansym.workbench.workbench import Workbench

__all__ = ["Workbench"]
