"""Fewer columns for the search: a table without those that carry nothing, and the way back to the user's table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kansym.config import Config
from kansym.data import Dataset
from kansym.result import Points, Result
from kansym.structure.evidence import seen
from kansym.structure.neighbours import columns_of, find_neighbours
from kansym.structure.order import find_order
from kansym.structure.rows import Rows
from kansym.structure.screening import missed, screen
from kansym.symbolic.expression import Constant, Expression, Variable
from kansym.symbolic.formula import Formula

Array = np.ndarray
NAMED = 12  # columns that a note lists by name
ROUNDING = 1e-13  # of the target's size: residuals that small are the computer's, not the table's


@dataclass(frozen=True)
class Narrowing:
    """A table with one target, and which of its columns are searched.

    same: which dropped column is a multiple of which kept one.
    """

    dataset: Dataset
    kept: tuple[int, ...]
    same: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, config: Config, hints: Sequence[Expression] = ()) -> Narrowing:
        """The columns that carry something; all of them where the user has said something about the law."""
        every = tuple(range(dataset.columns))
        steered = config.guess or config.template or config.assume or "screening" in config.without
        if steered or dataset.targets.shape[1] != 1 or dataset.rows < 3 or dataset.columns < 2:
            return cls(dataset, every)
        found = screen(dataset.inputs, dataset.targets[:, 0], config.seed)
        hinted = {index for hint in hints for index in hint.variables}
        together = _acting_as_few(dataset) if len(found.kept) < dataset.columns else ()
        kept = tuple(sorted({*found.kept, *hinted, *together}))
        return cls(dataset, kept, {column: twin for column, twin in found.same.items() if column not in kept})

    @property
    def table(self) -> Dataset:
        """The table of the kept columns."""
        if len(self.kept) == self.dataset.columns:
            return self.dataset
        return self.dataset.select_inputs([self.dataset.input_names[i] for i in self.kept])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, one sentence each."""
        names = self.dataset.input_names
        twins = tuple(f"{names[i]} is a multiple of {names[twin]} and was left out" for i, twin in self.same.items())
        idle = [names[i] for i in range(len(names)) if i not in self.kept and i not in self.same]
        if not idle:
            return twins
        rest = f" and {len(idle) - NAMED} more" if len(idle) > NAMED else ""
        count = "1 column carries" if len(idle) == 1 else f"{len(idle)} columns carry"
        return (f"{count} nothing that can be seen: {', '.join(idle[:NAMED])}{rest}", *twins)

    def missed(self, predicted: Array, rows: Array) -> tuple[int, ...]:
        """The dropped columns on which the residuals of a prediction (M,) of some rows (M,) depend."""
        target = self.dataset.targets[rows, 0]
        residual = target - predicted
        tiny = ROUNDING * float(np.max(np.abs(target)))
        if len(self.kept) == self.dataset.columns or not np.max(np.abs(residual)) > tiny:
            return ()
        dropped = [i for i in range(self.dataset.columns) if i not in self.kept and i not in self.same]
        columns = [*self.kept, *dropped]
        points = seen(self.dataset.inputs[rows][:, columns])
        return tuple(columns[i] for i in missed(points, residual, range(len(self.kept))))

    def widened(self, columns: Sequence[int]) -> Narrowing:
        """The same with some dropped columns back."""
        return replace(self, kept=tuple(sorted({*self.kept, *columns})))

    def lowered(self, expression: Expression) -> Expression:
        """A formula of the user's columns as one of the kept ones, which must hold all that it reads."""
        places = {column: Variable(place) for place, column in enumerate(self.kept)}
        nothing = Constant(float("nan"))
        return expression.substitute([places.get(i, nothing) for i in range(self.dataset.columns)])

    def raised(self, expression: Expression) -> Expression:
        """A formula of the kept columns as one of the user's columns."""
        return expression.substitute([Variable(column) for column in self.kept])

    def lifted(self, result: Result) -> Result:
        """A result of the kept columns as one of the user's table."""
        if len(self.kept) == self.dataset.columns:
            return result
        names, units = self.dataset.input_names, self.dataset.input_units
        low, high = self.dataset.inputs.min(axis=0), self.dataset.inputs.max(axis=0)
        ranges = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
        table = replace(
            result.table, input_names=names, input_units=units, ranges=ranges, digest=self.dataset.digest,
            notes=(*result.table.notes, *self.notes),
        )  # fmt: skip
        formulas = tuple(self._lifted(formula) for formula in result.front.formulas)
        network = result.network
        if network is not None:
            network = (network[0] | {"columns": list(self.kept)}, network[1])
        return replace(
            result,
            table=table,
            network=network,
            front=replace(result.front, formulas=formulas),
            points=self._points(result.points),
        )

    def _lifted(self, formula: Formula) -> Formula:
        inner = formula.box
        low, high = self.dataset.inputs.min(axis=0), self.dataset.inputs.max(axis=0)
        box = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        for place, column in enumerate(self.kept[: len(inner)]):
            box[column] = inner[place]
        return replace(
            formula,
            expression=self.raised(formula.expression),
            input_names=self.dataset.input_names,
            input_units=self.dataset.input_units,
            box=tuple(box),
        )

    def _points(self, points: Points) -> Points:
        return replace(points, inputs=self.dataset.inputs[shown_rows(self.dataset.rows)])


def _acting_as_few(dataset: Dataset) -> tuple[int, ...]:
    """The columns of the one or two numbers that the target is a function of, where no smooth model can show them."""
    rows = Rows.of(dataset.inputs, dataset.targets[:, 0])
    step = find_order(rows) or find_neighbours(rows, idle=True)
    return () if step is None else columns_of(step)


SHOWN_ROWS = 2000


def shown_rows(count: int) -> Array:
    """The rows, of so many, that pictures show."""
    return np.arange(count) if count <= SHOWN_ROWS else np.linspace(0, count - 1, SHOWN_ROWS).round().astype(int)
