"""Formulas as program code. `LANGUAGES` is the list: one module each, and in each one or more `Program` rows."""

from kansym.symbolic.code.languages import LANGUAGES, code_in

__all__ = ["LANGUAGES", "code_in"]
