"""One problem from table to record, in a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from kansym.bench.formulas import peers
from kansym.bench.formulas.children import Work
from kansym.bench.formulas.diagnosis import Evidence, Loss, loss
from kansym.bench.formulas.judge import Law, Sympy, facts, judge
from kansym.bench.formulas.problems import OWN, Identity, Material
from kansym.bench.formulas.records import Record
from kansym.budget import Budget
from kansym.config import Config
from kansym.data.dataset import Dataset
from kansym.errors import ConfigError, FormulaError, KansymError
from kansym.symbolic.expression import Expression, Variable
from kansym.symbolic.parser import parse

FAILURES = (KansymError, ArithmeticError, ValueError, TypeError, RuntimeError, LookupError, AttributeError,
            AssertionError, OSError, ImportError)  # fmt: skip
NO_LAW = "no law"
SLACK = 2.0  # times its limit, and a minute, that a fit may take by the clock on the wall before it is killed
_SYMPY: list[Sympy] = []


@dataclass(frozen=True, eq=False)
class Found:
    """What a program handed over.

    Attributes:
        text: the chosen formula in the names of the columns.
        front: other formulas that it showed, in the columns of the table.
        facts: for the record.
        columns: numbers of the columns that its pruned network uses.
        noise: what it took the noise for.
        says_no_law: whether it says that there is none.
    """

    text: str
    front: tuple[Expression, ...]
    facts: Record
    columns: frozenset[int] = frozenset()
    noise: float | None = None
    says_no_law: bool = False


def config_of(identity: Identity) -> Config:
    """Return what kansym is told.

    Raises:
        ConfigError: if this kansym cannot leave out stages, or does not know one of them.
    """
    chosen: dict[str, Any] = {"seed": identity.seed, "time_limit": identity.time_limit}
    if identity.without:
        if "without" not in {item.name for item in fields(Config)}:
            raise ConfigError("this kansym has no stages that can be left out: run without --without")
        chosen["without"] = identity.without
    return Config(**chosen)


def solve(question: tuple[Identity, Material], clock: Callable[[], float] = time.monotonic) -> Iterator[Record]:
    """Fit and judge one problem.

    Args:
        question: the problem and its table.
        clock: of the time limit and of the times.

    Yields:
        The record of the fit, and then the same with the verdict. A crash is told in it.
    """
    identity, material = question
    started = clock()
    try:
        _load(identity)
        started = clock()
        found = (
            _by_kansym(identity, material.data, clock) if identity.method == OWN else _by_peer(identity, material.data)
        )
    except FAILURES as error:
        seconds = round(clock() - started, 3)
        yield failed(identity, f"{type(error).__name__}: {str(error)[:200]}", seconds)
        return
    record = identity.plain() | {"error": None, "seconds": round(clock() - started, 3)} | found.facts
    yield record | {"found": False, "lost": "error", "detail": "not judged"}
    try:
        yield record | judged(found, material)
    except FAILURES as error:
        yield record | {"found": False, "lost": "error", "detail": f"cannot be judged: {str(error)[:200]}"}


def _load(identity: Identity) -> None:
    """Import what the fit needs: a program is not timed while it loads."""
    if identity.method == OWN:
        import_module("torch").set_num_threads(1)
        import_module("kansym.pipeline")
    else:
        with _silent():
            import_module(peers.PEERS[identity.method].module)


def failed(identity: Identity, why: str, seconds: float) -> Record:
    """Return the record of a problem without a formula."""
    return identity.plain() | {"error": why, "seconds": seconds, "found": False, "lost": "error", "detail": why}


def _by_peer(identity: Identity, data: Dataset) -> Found:
    peer = peers.PEERS[identity.method]
    with _silent():
        text = peer.fit(data, identity.time_limit, identity.seed)
    formula = parse(text, data.input_names)
    return Found(text, (formula,), {"formula": text, "short": text[:200], "complexity": formula.complexity})


class _silent:
    """Nothing that a peer writes reaches the terminal, whatever wrote it."""

    def __enter__(self) -> None:
        self.kept = [os.dup(number) for number in (1, 2)]
        sink = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(sink, number)
        os.close(sink)

    def __exit__(self, *_: object) -> None:
        for number, kept in zip((1, 2), self.kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)


def _by_kansym(identity: Identity, data: Dataset, clock: Callable[[], float]) -> Found:
    from kansym.pipeline import fit

    result = fit(data, config_of(identity), budget=Budget(identity.time_limit, clock=clock))
    formula = result.formula
    places = {name: place for place, name in enumerate(data.input_names)}
    front = tuple(_in_columns(each.expression, each.input_names, places) for each in result.front.formulas)
    told = {
        "formula": formula.text(),
        "short": formula.text(6),
        "complexity": formula.complexity,
        "origin": formula.origin,
        "stop_reason": result.stop_reason,
        "exact": result.front.exact,
        "front": len(front),
        "noise_taken": result.noise,
        "stages": {name: round(seconds, 2) for name, seconds in result.timings.items()},
    }
    notes = [note.casefold() for note in result.table.notes]
    return Found(formula.text(), front, told, _columns(result, places), result.noise,
                 any(NO_LAW in note for note in notes))  # fmt: skip


def _in_columns(expression: Expression, names: tuple[str, ...], places: dict[str, int]) -> Expression:
    return expression.substitute([Variable(places[name]) for name in names])


def _columns(result: Any, places: dict[str, int]) -> frozenset[int]:
    """Return the columns that the pruned network still uses."""
    if result.graph is None:
        return frozenset()
    labels = [node.label for node in result.graph.active_nodes() if node.layer == 0]
    return frozenset(places[label] for label in labels if label in places)


def judged(found: Found, material: Material) -> Record:
    """Return what the judge says of a formula, and where the law was lost.

    Args:
        found: what the program handed over.
        material: the truth behind its table.

    Raises:
        FormulaError: if a text is no formula.
    """
    formula = parse(found.text, material.data.input_names)
    if material.truth is None:
        return _without_a_law(formula, found)
    law = Law.read(material.truth, material.names, material.fresh)
    if not np.all(np.isfinite(law.values)):
        raise FormulaError("the law is not finite on fresh rows")
    verdict = judge(formula, law, _sympy())
    record = {"truth": material.truth, "law_complexity": law.expression.complexity} | facts(verdict)
    if verdict.found:
        return record | {"lost": None, "detail": None}
    evidence = Evidence(law, formula, verdict, found.front, found.columns, found.noise, material.noise,
                        str(found.facts.get("stop_reason", "")))  # fmt: skip
    where = loss(evidence) if found.facts.get("front") else _of_one_formula(evidence)
    return record | {"lost": where.stage, "detail": where.detail}


def _of_one_formula(evidence: Evidence) -> Loss:
    """Return what can be told of a program that shows one formula: not in which of its stages the law was lost."""
    where = loss(evidence)
    known = where.stage in ("simplification", "constants", "selection")
    return where if known else Loss("not told", f"1-R2 {1 - evidence.verdict.r2:.1g}")


def _without_a_law(formula: Expression, found: Found) -> Record:
    right = not formula.variables or found.says_no_law
    lost = (None, None) if right else ("invented", "a formula for noise")
    return {"found": right, "numeric": right, "truth": None, "lost": lost[0], "detail": lost[1]}


def _sympy() -> Sympy:
    if not _SYMPY:
        _SYMPY.append(Sympy())
    return _SYMPY[0]


# By which clock a fit is limited and timed, and its slack. The processor's counts what the fit's own process has used:
# what a fit of one thread takes on a machine that has nothing else to do.
CLOCKS: dict[str, tuple[Work, float]] = {
    "wall": (solve, SLACK),
    "processor": (partial(solve, clock=time.process_time), 10.0),
}
