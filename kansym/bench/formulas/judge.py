"""Whether a found formula is the law: the rule of SRBench, and a check by numbers on fresh rows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from kansym.bench.formulas.children import Child, Died
from kansym.bench.formulas.scaling import scaled, vanishes
from kansym.symbolic.expression import Expression
from kansym.symbolic.parser import parse
from kansym.symbolic.serial import expression_to_json

Array = np.ndarray
SECONDS = 30.0
SAME = 1e-6
LEAST_R2 = 0.5
ACCURATE = 0.999


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one formula.

    Attributes:
        rule: the rule of SRBench; None when sympy ran out of time or failed.
        reason: by which part, or why not.
        numeric: whether the formula equals the law on fresh rows, up to one additive or multiplicative constant, and is
            not much longer than the law.
        distance: RMS of what is left then, over the spread of the law.
        r2: on the fresh rows.
        complexity: nodes of the formula.
        definition: the rule with the quotient simplified too; None where it was not asked or sympy gave no answer.
    """

    rule: bool | None
    reason: str
    numeric: bool
    distance: float
    r2: float
    complexity: int
    definition: bool | None = None

    @property
    def found(self) -> bool:
        """The verdict: the rule of SRBench, or the numbers where sympy gave no answer."""
        return self.numeric if self.rule is None else self.rule


class Sympy:
    """Sympy in a process that is killed when it takes too long, and begun again for the next question."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def __enter__(self) -> Sympy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def ask(self, rule: str, formula: Expression, law: Expression, seconds: float) -> tuple[bool | None, str]:
        """Return (found, reason) by a rule of `kansym.bench.formulas.rule`; found is None without an answer in time."""
        from kansym.bench.formulas.rule import answer

        if self._child is None:
            self._child = Child(answer)
        try:
            return self._child.ask((rule, expression_to_json(formula), expression_to_json(law)), seconds)
        except TimeoutError:
            self._child = None
            return None, f"sympy needed more than {seconds:g} s"
        except Died as error:
            with suppress(OSError):
                self._child.kill()
            self._child = None
            return None, f"sympy died ({error})"


@dataclass(frozen=True)
class Law:
    """What is true.

    Attributes:
        expression: the law in the columns of the table.
        fresh: (M, D) clean inputs from the ranges of the law, not those of the fit.
        values: (M,) the law there.
    """

    expression: Expression
    fresh: Array
    values: Array

    @staticmethod
    def read(text: str, names: tuple[str, ...], fresh: Array) -> Law:
        """Read a law.

        Args:
            text: the law, read by kansym's own parser, never by sympy's.
            names: what the law calls the D columns; columns that it does not use need other names.
            fresh: (M, D) inputs.

        Raises:
            FormulaError: if the text is no formula.
        """
        expression = parse(text, names)
        return Law(expression, fresh, expression.evaluate(fresh))


def judge(formula: Expression, law: Law, sympy: Sympy, seconds: float = SECONDS) -> Verdict:
    """Judge a formula.

    Where rounding to 4 decimals would wipe out a constant of the law (laws in SI units), law and formula are first put
    into units that are powers of ten of the old ones and in which columns and target are of ordinary size.

    Args:
        formula: in the columns of the law.
        law: the truth.
        sympy: who works out the rule.
        seconds: limit for every question to sympy.
    """
    distance, r2 = compare(formula.evaluate(law.fresh), law.values)
    numeric = distance < SAME and formula.complexity <= longest(law)
    if not r2 > LEAST_R2:
        return Verdict(False, f"R2 {r2:.3g} on fresh rows", False, distance, r2, formula.complexity)
    pair = scaled(formula, law.expression, law.fresh) if vanishes(law.expression) else (formula, law.expression)
    rule, reason = sympy.ask("letter", *pair, seconds)
    wider = None
    if rule is False and min(distance**2, 1 - r2) < 1 - ACCURATE:
        wider, _ = sympy.ask("definition", *pair, seconds)
    return Verdict(rule, reason, numeric, distance, r2, formula.complexity, True if rule else wider)


def longest(law: Law) -> int:
    """Return how many nodes a formula may have so that no interpolation passes for the law."""
    return 3 * law.expression.complexity + 10


def compare(values: Array, law: Array) -> tuple[float, float]:
    """Return (distance, R2) of values (N,) from a law (N,); distance allows for one wrong term or factor outside."""
    if not np.all(np.isfinite(values)):
        return np.inf, -np.inf
    scale = float(np.max(np.abs(law - law.mean()))) or 1.0
    values, law = values / scale, law / scale
    if not np.all(np.isfinite(values)):
        return np.inf, -np.inf
    spread = float(np.std(law)) or 1.0
    plain = float(np.mean((values - law) ** 2))
    return min(float(np.std(values - law)), _by_a_factor(values, law)) / spread, 1.0 - plain / spread**2


def _by_a_factor(values: Array, law: Array) -> float:
    """Return the RMS of what is left after the best factor."""
    largest = float(np.max(np.abs(values)))
    unit = values / largest if largest > 0 else values
    norm = float(unit @ unit)
    factor = float(unit @ law) / norm if norm > 0 else 0.0
    return float(np.sqrt(np.mean((factor * unit - law) ** 2))) if factor else np.inf


def facts(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict for a record."""
    return {
        "found": verdict.found,
        "rule": verdict.rule,
        "definition": verdict.definition,
        "numeric": verdict.numeric,
        "reason": verdict.reason,
        "distance": verdict.distance,
        "r2": verdict.r2,
        "accurate": verdict.r2 > ACCURATE,
    }
