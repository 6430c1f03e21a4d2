"""The problems of `kansym bench formulas`: laws of kansym_datasets, drawn, disguised and hidden among other columns."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from kansym.bench.formulas import pure_noise
from kansym.bench.formulas.problems import OWN, Identity, Material, Problem, stratified
from kansym.config import STAGES
from kansym.data.dataset import Dataset, default_names
from kansym.errors import DataError, did_you_mean, quote
from kansym_datasets import generators
from kansym_datasets.sampling import draw_variable

if TYPE_CHECKING:
    from kansym_datasets.laws import Law

NOISE_SET, MONOMIALS = "noise", "monomials"
SETS = ("feynman", "monomials", "bonus", "strogatz", "nguyen", "srsd", "srsd-easy", "srsd-medium", "srsd-hard",
        "empirical", "everyday", "everyday-view", "everyday-unseen", "textbook", "field", "workshop",
        "handbook", NOISE_SET)  # fmt: skip
ALL = ("feynman", "bonus", "strogatz", "nguyen", "srsd-easy", "srsd-medium", "srsd-hard", "empirical",
       "everyday-view", "everyday-unseen", "textbook", "field", "workshop", "handbook", NOISE_SET)  # fmt: skip
LEVELS = {
    "srsd": ("srsd-easy", "srsd-medium", "srsd-hard"),
    "everyday": ("everyday-view", "everyday-unseen"),
}
ROWS = {"feynman": 2000, "bonus": 2000, "srsd": 2000}  # other sets have as many as their cards say
FRESH_ROWS, FRESH_SEED = 1000, 10_007
SRSD_PROTOCOL = "srsd"
INDISTINCT = "data cannot tell them apart"  # so the cards say of laws that are monomials on their ranges

# 116 of the 120 equations are in SRBench's tables: these four are not in them or left out there.
NOT_IN_SRBENCH = ("feynman-I.26.2", "feynman-I.30.5", "feynman-II.11.17", "bonus-10")
# Never found without units and without noise by any of the 20 programs whose SRBench runs are published.
NEVER_FOUND = (
    *(f"feynman-{name}" for name in ("III.4.32", "III.4.33", "III.9.52", "II.13.34", "II.24.17", "II.35.18", "II.35.21",
                                     "I.15.3t", "I.15.3x", "I.29.16", "I.32.17", "I.41.16", "I.48.2", "I.6.2b")),
    *(f"bonus-{number}" for number in (1, 2, 4, 6, 7, 9, 12, 13, 14, 15, 16, 20)),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """What the user asked for; see `kansym bench formulas --help`."""

    sets: tuple[str, ...]
    laws: tuple[str, ...]
    noises: tuple[float, ...]
    rows: int | None
    distractors: str
    seeds: int
    units: bool
    named: bool
    time_limit: float
    sample: int | None
    sample_seed: int
    methods: tuple[str, ...]
    without: tuple[str, ...]
    ablation: bool

    @property
    def left_out(self) -> tuple[tuple[str, ...], ...]:
        """The stages that are left out, run after run."""
        singly = [(*self.without, stage) for stage in STAGES if stage not in self.without] if self.ablation else []
        return (self.without, *singly)


@dataclass(frozen=True)
class _Member:
    """A law, or a table of pure noise, in a set."""

    set: str
    name: str

    @property
    def stratum(self) -> str:
        return f"{self.set}, {self.columns} columns"

    @property
    def columns(self) -> int:
        return pure_noise.columns(self.name) if self.set == NOISE_SET else len(generators.card(self.name).variables)

    @property
    def rows(self) -> int:
        if self.set == NOISE_SET:
            return pure_noise.rows(self.name)
        law = generators.card(self.name)
        return ROWS.get(law.suite, law.rows)


def problems(choice: Choice) -> list[Problem]:
    """Return all problems: stages left out, then noise, law, seed and program, the last of which changes fastest.

    Raises:
        DataError: if a set or a law is unknown.
    """
    members = _members(choice)
    # Tables of pure noise are what they are: noise on top of it would be a second set of them.
    return [
        _problem(choice, member, noise, seed, method, without)
        for without in choice.left_out
        for noise in choice.noises
        for member in members
        if member.set != NOISE_SET or noise == choice.noises[0]
        for seed in range(choice.seeds)
        for method in choice.methods
        if method == OWN or without == choice.without
    ]


def _members(choice: Choice) -> list[_Member]:
    members = [_Member(each, name) for each in _sets(choice) for name in _names(each)]
    known = {member.name for member in members}
    for name in choice.laws:
        if name not in known:
            raise DataError(f"no law of the chosen sets is called {quote(name)}: {did_you_mean(name, known)}")
    if choice.laws:
        members = [member for member in members if member.name in choice.laws]
    if choice.sample is None:
        return members
    return stratified(members, lambda member: member.stratum, choice.sample, choice.sample_seed)


def _sets(choice: Choice) -> tuple[str, ...]:
    for name in choice.sets:
        if name not in (*SETS, "all"):
            raise DataError(f"no set is called {quote(name)}: {did_you_mean(name, (*SETS, 'all'), limit=12)}")
    chosen = choice.sets or (ALL if choice.laws else ("feynman",))
    return ALL if "all" in chosen else tuple(dict.fromkeys(part for name in chosen for part in _parts(name)))


def _parts(name: str) -> tuple[str, ...]:
    return LEVELS.get(name, (name,))


def _names(each: str) -> list[str]:
    if each == MONOMIALS:
        return [name for name in generators.suite("feynman") if generators.card(name).monomial]
    return pure_noise.names() if each == NOISE_SET else generators.suite(each)


def _problem(
    choice: Choice, member: _Member, noise: float, seed: int, method: str, without: tuple[str, ...]
) -> Problem:
    pure = member.set == NOISE_SET
    identity = Identity(
        method, member.set, member.name, 1.0 if pure else noise, choice.rows or member.rows,
        "0" if pure else choice.distractors, seed, choice.units and not pure, choice.named and not pure,
        choice.time_limit, without,
    )  # fmt: skip
    make = partial(pure_noise.material, member.name, identity.rows, seed) if pure else partial(material, identity)
    return Problem(identity, make, () if pure else tuple(_groups(member)))


def _groups(member: _Member) -> Iterator[str]:
    if member.set in ("feynman", "bonus") and member.name not in NOT_IN_SRBENCH:
        yield "feynman as SRBench counts"
    if member.name in NEVER_FOUND:
        yield "never found before"
    if member.set.startswith("srsd") and INDISTINCT not in (generators.card(member.name).note or ""):
        yield f"{member.set}, data can tell"


def material(identity: Identity) -> Material:
    """Draw the table of a law and fresh rows.

    Args:
        identity: what is asked.

    Raises:
        DataError: if the law cannot be drawn.
    """
    law = generators.card(identity.law)
    noisy = generators.load(identity.law, identity.rows, identity.noise, identity.seed)
    clean = generators.load(identity.law, identity.rows, 0.0, identity.seed).targets
    fresh = generators.load(identity.law, FRESH_ROWS, 0.0, FRESH_SEED + identity.seed)
    hidden = Hiding.drawn(law, noisy, identity)
    data = hidden.table(noisy, 0)
    spread = float(np.std(noisy.targets)) or 1.0
    return Material(
        _disguised(data, identity), law.formula, data.input_names, np.array(hidden.table(fresh, 1).inputs),
        float(np.std(noisy.targets - clean) / spread),
    )  # fmt: skip


def _disguised(data: Dataset, identity: Identity) -> Dataset:
    """Return the table under names that tell nothing, and without units, unless they were asked for."""
    names = data.input_names if identity.named else default_names(data.columns)
    target = data.target_names if identity.named else ("y",)
    units = (data.input_units, data.target_units) if identity.units else ((), ())
    return Dataset(data.inputs, data.targets, names, target, *units)


@dataclass(frozen=True)
class _Extra:
    """A column that does not matter: like a column of the law, or log-uniform over two decades somewhere (SRSD)."""

    place: int
    like: int | None
    decade: int = 0
    signed: bool = False


@dataclass(frozen=True)
class Hiding:
    """Where columns that do not matter are put in, one after the other, and how they are drawn."""

    law: Law
    extras: tuple[_Extra, ...]
    key: tuple[int, ...]

    @staticmethod
    def drawn(law: Law, data: Dataset, identity: Identity) -> Hiding:
        """Draw places and kinds by the seed.

        Args:
            law: whose columns they are put among.
            data: its table.
            identity: how many: a number, or `srsd` for the protocol of SRSD: one to three columns, each log-uniform
                over the two decades around 10^r, r from -32 to 32, in half the cases of either sign (Matsubara et al.,
                arXiv:2206.10540; omron-sinicx/srsd-benchmark, dummy_column_mixer.py).
        """
        key = (identity.seed, zlib.crc32(law.name.encode()), 2)
        generator = np.random.Generator(np.random.PCG64(key))
        theirs = identity.distractors == SRSD_PROTOCOL
        count = int(generator.integers(1, 4)) if theirs else int(identity.distractors)
        extras = [_extra(generator, data.columns + already, data.columns, theirs) for already in range(count)]
        return Hiding(law, tuple(extras), key)

    def table(self, data: Dataset, part: int) -> Dataset:
        """Return the table with the columns put in; `part` keeps the random numbers of two tables apart."""
        generator = np.random.Generator(np.random.PCG64((*self.key, part)))
        inputs, names, units = list(data.inputs.T), list(data.input_names), list(data.input_units)
        for number, extra in enumerate(self.extras, 1):
            inputs.insert(extra.place, self._column(extra, data, generator))
            names.insert(extra.place, _unused(f"extra_{number}", names))
            units.insert(extra.place, None if extra.like is None else data.input_units[extra.like])
        return replace(data, inputs=np.column_stack(inputs), input_names=tuple(names), input_units=tuple(units))

    def _column(self, extra: _Extra, data: Dataset, generator: np.random.Generator) -> np.ndarray:
        if extra.like is None:
            size = 10.0 ** generator.uniform(extra.decade - 1, extra.decade + 1, data.rows)
            return np.where(generator.random(data.rows) < 0.5, -size, size) if extra.signed else size
        variable = self.law.variables[extra.like]
        if variable.rate is None:
            return draw_variable(variable, data.rows, generator)
        column = data.inputs[:, extra.like]
        return generator.uniform(column.min(), column.max(), data.rows)


def _extra(generator: np.random.Generator, columns: int, own: int, theirs: bool) -> _Extra:
    place = int(generator.integers(columns + 1))
    if theirs:
        return _Extra(place, None, int(generator.integers(-32, 33)), bool(generator.random() < 0.5))
    return _Extra(place, int(generator.integers(own)))


def _unused(name: str, names: Sequence[str]) -> str:
    while name in names:
        name += "_"
    return name
