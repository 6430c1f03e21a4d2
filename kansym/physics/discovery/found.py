"""What a discovery returns: equations with their errors, and solutions to hold against the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kansym.physics.discovery.rates import Rates
from kansym.symbolic.constant_units import constant_units, user_unit
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.formula import FittedConstant
from kansym.symbolic.latex import latex_name, to_latex
from kansym.symbolic.text import to_text

Array = np.ndarray
NOT_EXACT = "the equations leave more than noise: the best approximation found"


@dataclass(frozen=True)
class Equation:
    """One equation, such as dx/dt = 1.5*x - x*y.

    Attributes:
        left: what stands on the left, as text: "dx/dt" or "u_t".
        left_latex: the same as LaTeX.
        expression: the right-hand side.
        names: of the columns of the expression.
        constants: its numbers with standard errors, in the order of the expression.
        misfit: root mean square of sample less solution (of ODEs: in the unit of the state; of PDEs: what the equation
            leaves of the left-hand side, as a share of it).
        origin: which library or search gave it.
        unit: of the left-hand side, None where unknown.
        input_units: of the columns, in their order; empty where none is known.
    """

    left: str
    left_latex: str
    expression: Expression
    names: tuple[str, ...]
    constants: tuple[FittedConstant, ...]
    misfit: float
    origin: str = ""
    unit: str | None = None
    input_units: tuple[str | None, ...] = ()

    @property
    def constant_units(self) -> tuple[str | None, ...]:
        """Units of the constants, in their order, as far as those of columns and rate tell; "1" for a pure number.

        Numbers that came out exact have units like the others: a rate of 1/2 is one per second.
        """
        return constant_units(_measured(self.expression), self.input_units, self.unit)

    def text(self, digits: int | None = 6) -> str:
        """The equation as text in the user's names."""
        return f"{self.left} = {to_text(self.expression, self.names, digits)}"

    def latex(self, digits: int | None = 6) -> str:
        """The equation as LaTeX."""
        return f"{self.left_latex} = {to_latex(self.expression, self.names, digits)}"

    def __call__(self, columns: Array) -> Array:
        """The right-hand side (N,) at columns (N, D)."""
        return self.expression.evaluate(np.asarray(columns, dtype=float))

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True, eq=False)
class Curve:
    """A state along one trajectory: samples (times and values, (N,)) and the solution (dense times and values, (M,)).

    Of a field at one moment, places stand where the times are.
    """

    state: str
    trajectory: int
    times: Array
    samples: Array
    dense: Array
    solution: Array


@dataclass(frozen=True, eq=False)
class Discovery:
    """The outcome of `kansym.physics.discovery`.

    Attributes:
        kind: "ode" or "pde".
        equations: one for each state or field.
        exact: whether the equations leave nothing but noise; else they are the best approximation found.
        noise: by state or field, the estimated standard deviation of the noise, in its unit.
        starts: by trajectory, the fitted first state (D,).
        curves: samples beside solutions, for pictures: over time, or over space at a few moments.
        stop_reason: "finished", "time limit" or "interrupted".
        source: of the data.
        facts: further figures by name, such as the seconds of every stage.
        notes: what the user should know.
        balance: of partial equations, the left-hand sides over the right-hand sides.
        network: right-hand sides as a KAN (`Rates`), where it follows the samples and no formula does; None otherwise.
    """

    kind: str
    equations: tuple[Equation, ...]
    exact: bool
    noise: Mapping[str, float]
    starts: tuple[Array, ...]
    curves: tuple[Curve, ...]
    stop_reason: str
    source: str
    facts: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    network: Rates | None = None
    balance: tuple[Curve, ...] = ()

    def __str__(self) -> str:
        return "\n".join(str(equation) for equation in self.equations)

    def latex(self, digits: int | None = 6) -> str:
        """All equations, aligned."""
        lines = [equation.latex(digits).replace(" = ", " &= ", 1) for equation in self.equations]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


def _measured(node: Expression) -> Expression:
    """A formula whose exact numbers are like measured ones."""
    if isinstance(node, Constant):
        return Constant(node.value)
    return node.rebuilt(tuple(_measured(child) for child in node.children)) if node.children else node


def rate_names(state: str, time: str) -> tuple[str, str]:
    """(text, LaTeX) of a rate of change."""
    return f"d{state}/d{time}", rf"\frac{{\mathrm{{d}}{latex_name(state)}}}{{\mathrm{{d}}{latex_name(time)}}}"


def rate_unit(unit: str | None, time: str | None) -> str | None:
    """The unit of a rate of change, such as m/s; None where one of the two is not known."""
    if not unit or not time:
        return None
    return f"{unit}/{time}" if unit.isalpha() and time.isalpha() else str(user_unit(unit) / user_unit(time))


def constants_of(expression: Expression, errors: Sequence[float] | Array) -> tuple[FittedConstant, ...]:
    """The numbers of a formula; errors are those of its free constants, in order."""
    queue = iter(errors)
    found = []
    for node in expression.walk():
        if isinstance(node, Constant):
            error = float(next(queue)) if node.label is None else 0.0
            known = error if np.isfinite(error) else None
            found.append(FittedConstant(node.value, known if node.label is None else None, node.label))
    return tuple(found)
