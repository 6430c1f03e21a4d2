"""The outline of a law: a formula in which some functions and some numbers are still unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from kansym.errors import quote
from kansym.symbolic.expression import Constant, Expression, Variable
from kansym.symbolic.parser import Reader, Token

Array = np.ndarray
MOST_ARGUMENTS = 3
# While a text is read, unknown numbers and functions are variables from here on; they are renumbered at its end.
_NUMBERS, _APPLICATIONS = 1_000_000, 2_000_000


@dataclass(frozen=True)
class Function:
    """An unknown function: its name and its number of arguments."""

    name: str
    arity: int


@dataclass(frozen=True)
class Application:
    """One place where an unknown function (by its number) stands, with its arguments as formulas of the columns."""

    function: int
    arguments: tuple[Expression, ...]

    def values(self, inputs: Array) -> Array:
        """The arguments' values (N, k) at inputs (N, D)."""
        return np.stack([argument.evaluate(inputs) for argument in self.arguments], axis=1)


@dataclass(frozen=True)
class Outline:
    """A formula of columns, unknown numbers and unknown functions, in this order of its variables.

    body: the formula; variables 0 .. columns-1 are the columns, then the unknown numbers, then the applications.
    starts: where the search for each unknown number begins.
    """

    body: Expression
    columns: int
    names: tuple[str, ...]
    starts: tuple[float, ...]
    functions: tuple[Function, ...]
    applications: tuple[Application, ...]

    def places(self, function: int) -> list[int]:
        """The applications of one function, by their numbers."""
        return [place for place, each in enumerate(self.applications) if each.function == function]

    def filled(self, numbers: Sequence[float], formulas: Sequence[Expression]) -> Expression:
        """The formula with its unknown numbers (free constants) and functions (of Variable 0, 1, ...) put in."""
        columns: list[Expression] = [Variable(i) for i in range(self.columns)]
        inserted = [formulas[each.function].substitute(each.arguments) for each in self.applications]
        return self.body.substitute([*columns, *(Constant(float(number)) for number in numbers), *inserted])

    def described(self) -> str:
        """What is unknown, in words."""
        functions = ", ".join(function.name for function in self.functions)
        parts = [f"unknown functions: {functions}"] if functions else []
        parts += [f"unknown numbers: {', '.join(self.names)}"] if self.names else []
        return "; ".join(parts) or "nothing is unknown"


def read_outline(text: str, names: Sequence[str]) -> Outline:
    """The outline that a text says.

    text: a formula as `kansym.symbolic.parser.parse` reads it, in which a name that is no column is an unknown number,
        and a function that the library does not have is an unknown one of up to three arguments. A decimal number is
        an unknown number that begins there.
    names: column names (D,).

    Raises FormulaError, which tells the position.
    """
    reader = _OutlineReader(text, {name: place for place, name in enumerate(names)})
    return reader.outline()


class _OutlineReader(Reader):
    def __init__(self, text: str, numbers: dict[str, int]) -> None:
        super().__init__(text, numbers)
        self.parameters: dict[str, float] = {}
        self.functions: dict[str, int] = {}
        self.applications: list[Application] = []

    def outline(self) -> Outline:
        body = self.whole_text().map(self._decimal)
        columns, names = len(self.numbers), tuple(self.parameters)
        first = {_NUMBERS: columns, _APPLICATIONS: columns + len(names)}

        def renumbered(node: Expression) -> Expression:
            if not isinstance(node, Variable) or node.index < _NUMBERS:
                return node
            kind = _APPLICATIONS if node.index >= _APPLICATIONS else _NUMBERS
            return Variable(node.index - kind + first[kind])

        functions = tuple(Function(name, arity) for name, arity in self.functions.items())
        starts = tuple(self.parameters.values())
        return Outline(body.map(renumbered), columns, names, starts, functions, tuple(self.applications))

    def _decimal(self, node: Expression) -> Expression:
        if not isinstance(node, Constant) or node.label is not None:
            return node
        name = f"{node.value:g}"
        while name in self.parameters:  # the same decimal twice is two numbers
            name += "'"
        return self._parameter(name, node.value)

    def _parameter(self, name: str, start: float) -> Expression:
        self.parameters.setdefault(name, start)
        return Variable(_NUMBERS + list(self.parameters).index(name))

    def unknown_name(self, name: str, token: Token) -> Expression:
        if name in self.functions:
            self._refuse(f"{quote(name)} is an unknown function elsewhere: give it its arguments", token)
        return self._parameter(name, 1.0)

    def unknown_function(self, token: Token) -> Expression:
        name = token.text
        if name in self.numbers or name in self.parameters:
            kind = "a column" if name in self.numbers else "an unknown number"
            self._refuse(f"{quote(name)} is {kind} and cannot be a function: is a * missing?", token)
        arguments = tuple(self.arguments())
        self._check(name, arguments, token)
        self.functions[name] = len(arguments)
        place = list(self.functions).index(name)
        self.applications.append(Application(place, arguments))
        return Variable(_APPLICATIONS + len(self.applications) - 1)

    def _check(self, name: str, arguments: tuple[Expression, ...], token: Token) -> None:
        if len(arguments) > MOST_ARGUMENTS:
            self._refuse(f"{name} has {len(arguments)} arguments: at most {MOST_ARGUMENTS} are searched", token)
        if self.functions.get(name, len(arguments)) != len(arguments):
            self._refuse(f"{name} has {len(arguments)} arguments here and {self.functions[name]} elsewhere", token)
        used = {index for argument in arguments for index in argument.variables}
        if any(index >= _APPLICATIONS for index in used):
            inner = "an unknown function inside an unknown function cannot be searched"
            self._refuse(f"{inner}: write one function of the columns instead of {name}(...)", token)
        if any(index >= _NUMBERS for index in used):
            self._refuse(
                f"an unknown number inside {name}(...) cannot be searched: leave it out, the function takes it up",
                token,
            )
        if any(not argument.variables for argument in arguments):
            self._refuse(f"an argument of {name} has no column in it: a function of a number is a number", token)

    def _refuse(self, message: str, token: Token) -> NoReturn:
        raise self.fail(message, token)
