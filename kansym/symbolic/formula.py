"""A finished formula: an expression in the user's units, with names, constants and honest errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from kansym.errors import FormulaError
from kansym.symbolic.expression import Expression, Tape


@dataclass(frozen=True)
class Errors:
    """How far a formula is from measured rows, in the target's unit (r2 and nrmse have none).

    nrmse is the RMSE over the standard deviation of the measured values.
    """

    rows: int
    rmse: float
    nrmse: float
    max_error: float
    r2: float


def errors_of(predicted: np.ndarray, measured: np.ndarray) -> Errors:
    """The errors of predictions (N,) against measurements (N,)."""
    residual = predicted - measured
    if len(residual) == 0:
        return Errors(0, float("nan"), float("nan"), float("nan"), float("nan"))
    largest = float(np.max(np.abs(measured - measured.mean()))) or 1.0
    spread = largest * float(np.sqrt(np.mean(((measured - measured.mean()) / largest) ** 2)))
    size = float(np.max(np.abs(residual)))
    rmse = size * float(np.sqrt(np.mean((residual / size) ** 2))) if size > 0 and np.isfinite(size) else size
    nrmse = rmse / spread if spread > 0 else float("nan")
    return Errors(len(residual), rmse, nrmse, size, 1.0 - nrmse**2)


@dataclass(frozen=True)
class FittedConstant:
    """One number of a formula. label is its exact form ("3/2", "pi") or None; error is one standard error or None."""

    value: float
    error: float | None = None
    label: str | None = None


@dataclass(frozen=True)
class Formula:
    """An expression in raw units and the user's names.

    errors: by part of the data: "train", "validation", "test"; a part that the table is too small for is missing, and
    "leave-one-out" then tells the error on rows the constants were not fitted to.
    box: the range of every input in the data, (low, high); outside it the formula extrapolates.
    description_length: in nats, the smaller the better; comparable between formulas of one run only.
    covariance: of the free constants (P, P), to first order; None where it is not known. See `uncertainty`.
    """

    expression: Expression
    input_names: tuple[str, ...]
    target_name: str
    constants: tuple[FittedConstant, ...] = ()
    errors: Mapping[str, Errors] = field(default_factory=dict)
    box: tuple[tuple[float, float], ...] = ()
    input_units: tuple[str | None, ...] = ()
    target_unit: str | None = None
    description_length: float = float("nan")
    origin: str = ""
    covariance: tuple[tuple[float, ...], ...] | None = None

    @property
    def complexity(self) -> int:
        """Nodes of the expression."""
        return self.expression.complexity

    @property
    def held_out(self) -> float:
        """The NRMSE on the rows held out for choosing, or else on what rows there are; nan for none."""
        parts = ("validation", "leave-one-out", "test", "train")
        known = (self.errors[part] for part in parts if part in self.errors)
        return next((errors.nrmse for errors in known if errors.rows), float("nan"))

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Predictions (N,) at inputs (N, D) in raw units; nan where the formula is not real."""
        return self.expression.evaluate(np.asarray(inputs, dtype=float))

    def text(self, digits: int | None = None) -> str:
        """The right-hand side as plain text in sympy's syntax and the user's names.

        digits: significant digits of the free constants; None writes them so that they read back exactly.
        """
        from kansym.symbolic.text import to_text

        return to_text(self.expression, self.input_names, digits)

    def sympy(self) -> Any:
        """The right-hand side as a sympy expression; symbols carry the user's names and are never parsed."""
        from kansym.symbolic.sympy_form import to_sympy

        return to_sympy(self.expression, self.input_names)

    def latex(self, digits: int | None = 6) -> str:
        """The right-hand side as LaTeX, names escaped."""
        from kansym.symbolic.latex import to_latex

        return to_latex(self.expression, self.input_names, digits)

    def code(self, language: str) -> str:
        """The formula as source text: "python", "c", "fortran", "julia", "rust", "excel", ..., see docs/export.md.

        Raises ConfigError for a language that is not known.
        """
        from kansym.symbolic.code import code_in

        return code_in(self, language)

    def numpy(self) -> Callable[..., np.ndarray]:
        """The formula as a function of arrays, one for each column in the table's order, which are broadcast."""

        def function(*columns: Any) -> np.ndarray:
            if len(columns) != len(self.input_names):
                raise FormulaError(f"the formula has {len(self.input_names)} columns, {len(columns)} were given")
            arrays = np.broadcast_arrays(*(np.asarray(column, dtype=float) for column in columns))
            return self(np.column_stack([array.ravel() for array in arrays])).reshape(arrays[0].shape)

        return function

    def torch(self) -> Any:
        """The formula as a torch module from (N, D) to (N,), its free constants trainable."""
        from kansym.symbolic.torch_form import to_torch

        return to_torch(self.expression)

    def gradient(self, inputs: np.ndarray) -> np.ndarray:
        """Its derivatives (N, D) by every input, exact, at inputs (N, D) in raw units."""
        import torch

        at = torch.tensor(np.asarray(inputs, dtype=float), requires_grad=True)
        values = self.torch()(at)
        if not values.requires_grad:
            return np.zeros(at.shape)
        (slopes,) = torch.autograd.grad(values.sum(), at, allow_unused=True)
        return np.zeros(at.shape) if slopes is None else slopes.numpy()

    def uncertainty(self, inputs: np.ndarray) -> np.ndarray:
        """One standard deviation (N,) of the predictions at inputs (N, D), from what is not known of the constants.

        To first order, sqrt(g^T C g) with the derivatives g of the formula by its free constants and their covariance
        C (the delta method). A formula that is wrong, and the noise of a new measurement, are not in it. 0 for a
        formula without free constants; nan where the covariance is not known: constants that the rows do not
        determine, formulas that were given and never fitted, runs saved by an earlier kansym.
        """
        points = np.asarray(inputs, dtype=float)
        count = len(self.expression.free_constants)
        if count == 0:
            return np.zeros(len(points))
        if self.covariance is None or len(self.covariance) != count:
            return np.full(len(points), np.nan)
        tape = Tape(self.expression)
        with np.errstate(all="ignore"):
            _, slopes = tape.jacobian(points, tape.start)  # (N, P)
            variance = np.einsum("np,pq,nq->n", slopes, np.array(self.covariance), slopes)
            return np.sqrt(np.maximum(variance, 0.0))

    def __str__(self) -> str:
        return f"{self.target_name} = {self.text(6)}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


@dataclass(frozen=True)
class ParetoFront:
    """Formulas from the simplest to the most accurate; errors fall strictly as complexity rises.

    chosen: index of the formula that the rule prefers. rivals: indices of those that the data cannot tell from it.
    exact: whether the chosen formula reaches the noise floor; if not, it is only the best approximation found.
    """

    formulas: tuple[Formula, ...]
    chosen: int
    rivals: tuple[int, ...] = ()
    exact: bool = True
    rule: str = (
        "the simplest formula within 3 nats of the shortest description (misfit plus cost of nodes and constants)"
    )

    @property
    def best(self) -> Formula:
        """The chosen formula."""
        return self.formulas[self.chosen]

    def __str__(self) -> str:
        return "\n".join(f"{mark or ' '} {formula.complexity:>3}  {formula}" for mark, formula in self._marked())

    def _marked(self) -> Iterator[tuple[str, Formula]]:
        """Every formula with ">" for the chosen one and "=" for those that the data cannot tell from it."""
        for place, formula in enumerate(self.formulas):
            yield ">" if place == self.chosen else "=" if place in self.rivals else "", formula

    def _repr_html_(self) -> str:
        """A table for notebooks, which set the LaTeX between dollar signs."""
        rows = [
            f"<tr><td>{mark}</td><td>{formula.complexity}</td><td>{formula.held_out:.3g}</td>"
            f"<td style='text-align:left'>${escape(formula.latex(4))}$</td></tr>"
            for mark, formula in self._marked()
        ]
        head = "<tr><th></th><th>complexity</th><th>NRMSE</th><th style='text-align:left'>formula</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>"
