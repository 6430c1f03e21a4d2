"""A differential equation with everything that fixes its solution, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kansym.errors import ConfigError, did_you_mean, quote
from kansym.physics.solver.domain import Box, Domain, Face, Union, faces_at
from kansym.physics.solver.equation import Derivative, Residual, Symbol, Words, read, written
from kansym.symbolic.expression import Expression, Variable

Array = np.ndarray
Reference = Callable[[Array], Array]


@dataclass(frozen=True)
class Condition:
    """What holds on a part of the edge.

    Args:
        where: "boundary" (every side but those of time), or sides such as "x = 0" or "x = -1, x = 1".
        equation: such as "u = sin(pi*x)" or "u_x = 0"; as `kansym.physics.solver.equation.read` takes it.
        weight: relative to the other conditions, > 0.
    """

    where: str
    equation: Any
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured values of one of the functions.

    Args:
        points: (n, D) in the order of the coordinates.
        values: (n,).
        field: which function; the first one by default.
        weight: relative to the equation, > 0.
    """

    points: Array
    values: Array
    field: str = ""
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Problem:
    """An equation (or several), where it holds, and what fixes its solution.

    Args:
        name: for messages and run folders.
        equations: one per unknown function; text such as "u_t + u*u_x = 0.01*u_xx", expressions or sympy's.
        domain: a box, a union of boxes, or a mapping from coordinate to (low, high).
        conditions: on the edge, as (where, equation) or `Condition`.
        fields: names of the unknown functions.
        parameters: unknown numbers in the equations, with starting values: found together with the solution.
        observations: measured values that the solution must meet; an inverse problem needs them.
        exact: the known solution, one formula of the coordinates per function, to report errors against; or none.
        periodic: coordinates around which the solution repeats: all its derivatives agree at both ends.
        reference: a known solution as a function from points (n, D) to values (n, T), where there is no formula.

    Raises:
        ConfigError, FormulaError: when something does not fit together.
    """

    name: str
    equations: tuple[Any, ...]
    domain: Domain | Mapping[str, tuple[float, float]]
    conditions: tuple[Any, ...] = ()
    fields: tuple[str, ...] = ("u",)
    parameters: Mapping[str, float] = field(default_factory=dict)
    observations: tuple[Observations, ...] = ()
    exact: Any = None
    reference: Reference | None = None
    periodic: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        set_field = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731  (frozen)
        if isinstance(self.domain, Mapping):
            set_field("domain", Box(self.domain))
        set_field("fields", tuple(self.fields))
        set_field("periodic", (self.periodic,) if isinstance(self.periodic, str) else tuple(self.periodic))
        set_field("parameters", {name: float(value) for name, value in dict(self.parameters).items()})
        _check_names(self)
        _check_periodic(self)
        given = self.equations if isinstance(self.equations, list | tuple) else (self.equations,)
        set_field("equations", tuple(read(equation, self.words) for equation in given))
        set_field("conditions", tuple(_condition(item, self) for item in self.conditions))
        set_field("observations", tuple(_observations(item, self) for item in self.observations))
        if self.exact is not None:
            set_field("exact", _exact(self))
        _check_equations(self)

    @cached_property
    def words(self) -> Words:
        """The names that its equations may use."""
        return Words(self.coordinates, self.fields, tuple(self.parameters))

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates, (D,)."""
        return self.where.names

    @property
    def where(self) -> Domain:
        """The domain."""
        assert isinstance(self.domain, Box | Union)
        return self.domain

    def faces(self, where: str) -> tuple[Face, ...]:
        """Return the sides that a text names, see `faces_at`; those of periodic coordinates are no sides."""
        faces = faces_at(self.where, where, self.periodic)
        for name in dict.fromkeys(self.coordinates[face.axis] for face in faces):
            if name in self.periodic:
                raise ConfigError(f"a condition stands at {quote(where)}, but {name} is periodic and has no ends")
        return faces

    @cached_property
    def residuals(self) -> tuple[Residual, ...]:
        """The equations, ready for numbers."""
        return tuple(Residual.of(equation, self.words) for equation in self.equations)

    def truth(self, points: Array) -> Array | None:
        """Return the known solution at points (n, D) as (n, T); None where none is known."""
        if self.exact is not None:
            return np.stack([formula.evaluate(points) for formula in self.exact], 1)
        return None if self.reference is None else np.asarray(self.reference(points), float).reshape(len(points), -1)

    def document(self) -> dict[str, Any]:
        """Return the problem in plain values, as a TOML or JSON file holds it; a reference function is left out."""
        return {
            "name": self.name,
            "coordinates": list(self.coordinates),
            "domain": [{name: [low, high] for name, low, high in box.ranges} for box in self.where.boxes],
            "periodic": list(self.periodic),
            "fields": list(self.fields),
            "equations": [written(equation) for equation in self.equations],
            "conditions": [
                {"where": item.where, "equation": written(item.equation), "weight": item.weight}
                for item in self.conditions
            ],
            "parameters": dict(self.parameters),
            "observations": [
                {"points": item.points.tolist(), "values": item.values.tolist(), "field": item.field,
                 "weight": item.weight}
                for item in self.observations
            ],
            "exact": [written(_named(formula, self.coordinates)) for formula in self.exact or ()],
        }  # fmt: skip


def _named(expression: Expression, names: Sequence[str]) -> Expression:
    return expression.substitute([Symbol(name) for name in names])


def _check_names(problem: Problem) -> None:
    names = (*problem.coordinates, *problem.fields, *problem.parameters)
    if not problem.fields or len(set(names)) != len(names):
        raise ConfigError(
            f"problem {quote(problem.name)}: coordinates, functions and parameters need names of their own"
        )
    for name in (*problem.fields, *problem.parameters):
        if not name.isidentifier():
            raise ConfigError(f"problem {quote(problem.name)}: {quote(name)} is no name; use letters, digits and _")
    for name, value in problem.parameters.items():
        if not np.isfinite(value):
            raise ConfigError(
                f"problem {quote(problem.name)}: parameter {name} starts at {value}: give a finite number"
            )


def _check_periodic(problem: Problem) -> None:
    for name in problem.periodic:
        if name not in problem.coordinates:
            raise ConfigError(f"periodic: no coordinate is called {quote(name)}: "
                              f"{did_you_mean(name, problem.coordinates)}")  # fmt: skip
    if len(set(problem.periodic)) != len(problem.periodic):
        raise ConfigError("periodic: name every coordinate once")
    if problem.periodic and not isinstance(problem.where, Box):
        raise ConfigError("periodic coordinates need a domain that is one box")


def _check_equations(problem: Problem) -> None:
    if not problem.equations:
        raise ConfigError(f"problem {quote(problem.name)} has no equation")
    used = {node.field for equation in problem.equations for node in equation.walk() if isinstance(node, Derivative)}
    missing = [name for name in problem.fields if name not in used]
    if missing:
        raise ConfigError(f"problem {quote(problem.name)}: no equation says anything about {quote(missing[0])}")
    symbols = {node.name for equation in problem.equations for node in equation.walk() if isinstance(node, Symbol)}
    idle = [name for name in problem.parameters if name not in symbols]
    if idle:
        raise ConfigError(f"problem {quote(problem.name)}: parameter {quote(idle[0])} stands in no equation")
    if problem.parameters and not problem.observations:
        raise ConfigError(f"problem {quote(problem.name)} has unknown parameters: give observations to find them from")


def _condition(item: Any, problem: Problem) -> Condition:
    given = item if isinstance(item, Condition) else Condition(*item)
    problem.faces(given.where)
    if not (np.isfinite(given.weight) and given.weight > 0):
        raise ConfigError(f"the condition at {quote(given.where)} has weight {given.weight}: it must be above 0")
    equation = read(given.equation, problem.words)
    if not any(isinstance(node, Derivative) for node in equation.walk()):
        raise ConfigError(f"the condition at {quote(given.where)} names no function: write one such as 'u = 0'")
    return Condition(given.where, equation, float(given.weight))


def _observations(item: Observations, problem: Problem) -> Observations:
    points, values = np.asarray(item.points, float), np.asarray(item.values, float).ravel()
    if points.ndim != 2 or points.shape[1] != len(problem.coordinates) or len(points) != len(values) or not len(values):
        raise ConfigError(f"observations need one row of {len(problem.coordinates)} coordinates for every value")
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise ConfigError("observations hold numbers that are not finite: leave those rows out")
    name = item.field or problem.fields[0]
    if name not in problem.fields:
        raise ConfigError(f"observations are of {quote(name)}, which is none of the functions")
    return Observations(points, values, name, float(item.weight))


def _exact(problem: Problem) -> tuple[Expression, ...]:
    given = problem.exact if isinstance(problem.exact, list | tuple) else (problem.exact,)
    if len(given) != len(problem.fields):
        raise ConfigError(f"problem {quote(problem.name)}: give one exact formula per function")
    words = Words(problem.coordinates, ())
    places = {Symbol(name): i for i, name in enumerate(problem.coordinates)}
    place = lambda node: Variable(places[node]) if node in places else node  # noqa: E731
    return tuple(read(formula, words).map(place) for formula in given)
