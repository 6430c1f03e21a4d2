"""All that a user said about the law, as one value that a fit asks for candidates and for leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.errors import FormulaError, quote
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.exact import Known
from kansym.symbolic.expression import Expression
from kansym.symbolic.primitives import PRIMITIVES, Library
from kansym.symbolic.steering import guess, template
from kansym.symbolic.steering.known import read_known_constants
from kansym.symbolic.steering.outline import Outline, read_outline
from kansym.symbolic.steering.reductions import Reduction, outline_of, reductions_of
from kansym.symbolic.steering.statements import (
    LOOSE,
    TIGHT,
    Points,
    Statement,
    obeying_part,
    read_statement,
)

Array = np.ndarray
DOUBT = 3.0  # how many times smaller the error of a formula that breaks a statement is, to be worth a note
SHARE = 0.5  # of the time of the search, for an outline that statements imply

Found = list[tuple[Expression, str]]


@dataclass(frozen=True)
class Steering:
    """What the user said, in the table's own columns and units; nothing at all by default.

    guesses: formulas to begin with. hints: the same, from other findings. outline: what the law must look like.
    statements: what the law must obey. known: numbers that have a name.
    """

    guesses: tuple[Expression, ...] = ()
    hints: tuple[Expression, ...] = ()
    outline: Outline | None = None
    statements: tuple[Statement, ...] = ()
    known: tuple[Known, ...] = ()

    def reductions(self, columns: int) -> list[Reduction | None]:
        """The tables to search in place of one of so many columns; None is that table itself.

        There is none for an outline: no other formula may win.
        """
        return reductions_of(self.statements, columns) if self.outline is None else []

    def candidates(self, rows: Rows, budget: Budget | Part, library: Library = PRIMITIVES, seed: int = 0) -> Found:
        """Formulas from the guesses and outlines with their constants fitted to the rows, and where they come from."""
        settings = template.Settings(library, seed)
        found: Found = []
        if self.outline is not None:
            return [(each, "template") for each in template.formulas(self.outline, rows, budget, settings)]
        found += [(each, "guess") for each in guess.refitted(self.guesses, rows, budget, seed)]
        found += [(each, "shared") for each in guess.refitted(self.hints, rows, budget, seed, False)]
        implied = outline_of(self.statements, rows.inputs.shape[1])
        if implied is not None:
            part = budget.part(SHARE * budget.remaining)
            found += [(each, "assumption") for each in template.formulas(implied, rows, part, settings)]
        return found

    def admitted(self, found: Found, rows: Rows, seed: int = 0) -> Found:
        """The candidates that obey the statements nearly enough to do so when refitted, and parts of the others.

        With an outline, only candidates of this outline.
        """
        if self.outline is not None:
            return [item for item in found if item[1] == "template"]
        if not self.statements:
            return found
        points = Points.of(rows.inputs, seed)
        return [item for candidate in found for item in self._obeying(candidate, points)]

    def _obeying(self, candidate: tuple[Expression, str], points: Points) -> Iterator[tuple[Expression, str]]:
        formula, origin = candidate
        if self._obeyed(formula, points, LOOSE):
            yield candidate
        part = None if self._obeyed(formula, points, TIGHT) else obeying_part(formula, self.statements, points)
        if part is not None:
            yield part, origin

    def _obeyed(self, formula: Expression, points: Points, limit: float) -> bool:
        return all(statement.broken_by(formula, points) <= limit for statement in self.statements)

    def leave(self, rows: Rows, seed: int = 0) -> Callable[[Expression], bool] | None:
        """Whether a formula with its final constants obeys the statements; None when there are none."""
        if not self.statements:
            return None
        points = Points.of(rows.inputs, seed)
        return lambda formula: self._obeyed(formula, points, TIGHT)

    def doubt(self, found: Found, chosen: Expression, rows: Rows, seed: int = 0) -> str | None:
        """A note when a formula that breaks a statement fits far better than the chosen one."""
        if not self.statements or not found:
            return None
        best = min((item[0] for item in found), key=lambda formula: mean_square(formula, rows))
        spread = max(rows.spread, 1e-300)
        errors = [np.sqrt(mean_square(formula, rows)) / spread for formula in (best, chosen)]
        points = Points.of(rows.inputs, seed)
        broken = [each.text for each in self.statements if each.broken_by(best, points) > LOOSE]
        if not broken or not errors[1] > DOUBT * errors[0] or errors[1] < 1e-6:
            return None
        return (
            f"a formula that breaks {broken[0]} fits much better (NRMSE {errors[0]:.2g} instead of {errors[1]:.2g}): "
            "check the statement"
        )


def read_steering(config: Config, names: Sequence[str]) -> Steering:
    """What a configuration says about the law of a table with these columns (D,).

    Raises FormulaError, which tells what cannot be read and where.
    """
    guesses = tuple(guess.read_guess(text, names) for text in config.guess)
    statements = tuple(read_statement(text, names) for text in config.assume)
    if config.template is not None and statements:
        raise FormulaError("a template and assumptions cannot be combined: write the template so that it obeys them")
    known = read_known_constants(config.known_constants, names)
    return Steering(guesses, (), _outline(config.template, names), statements, known)


def _outline(text: str | None, names: Sequence[str]) -> Outline | None:
    if text is None:
        return None
    try:
        return read_outline(text, names)
    except FormulaError as error:
        raise FormulaError(f"--template {quote(text)}: {error}") from error
