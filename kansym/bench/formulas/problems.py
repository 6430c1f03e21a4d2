"""What is asked of a program: one table, the truth behind it, and how long it may take."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

from kansym.data.dataset import Dataset

Item = TypeVar("Item")
OWN = "kansym"


@dataclass(frozen=True)
class Identity:
    """What makes two problems the same; every line of a results file begins with it.

    Attributes:
        method: kansym, or the name of a peer.
        set: the set of laws, "noise" for tables without a law.
        law: its name within all sets.
        noise: of the training targets over their RMS.
        rows: how many rows the fit sees.
        distractors: how many extra columns, or the protocol that draws them.
        seed: of the rows and of the fit.
        units: whether the fit is told the units.
        named: whether the columns keep their names.
        time_limit: seconds.
        without: stages that the fit leaves out.
    """

    method: str
    set: str
    law: str
    noise: float
    rows: int
    distractors: str
    seed: int
    units: bool
    named: bool
    time_limit: float
    without: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The identity as text."""
        return json.dumps(self.plain(), sort_keys=True)

    def plain(self) -> dict[str, Any]:
        """Return the identity in JSON's own types."""
        return asdict(self) | {"without": list(self.without)}


@dataclass(frozen=True, eq=False)
class Material:
    """The table of a problem and what is true of it.

    Attributes:
        data: what the fit gets: noisy targets.
        truth: the law as text; None where there is none.
        names: what the law calls the D columns of the data; columns that it does not use have other names.
        fresh: (M, D) clean inputs that no fit has seen, empty where there is no law.
        noise: standard deviation of the noise over that of the noisy target.
    """

    data: Dataset
    truth: str | None
    names: tuple[str, ...]
    fresh: np.ndarray
    noise: float


@dataclass(frozen=True, eq=False)
class Problem:
    """A problem before its table is drawn.

    Attributes:
        identity: what it is.
        make: draws the table.
        groups: other tables that it counts for, such as the equations that a published rate was measured on.
    """

    identity: Identity
    make: Callable[[], Material]
    groups: tuple[str, ...] = field(default=())


def stratified(items: Sequence[Item], stratum: Callable[[Item], str], count: int, seed: int) -> list[Item]:
    """Return a sample in the order of the items, every stratum by its share; always the same for the same seed.

    Shares that are no whole numbers are settled by largest remainder, ties by the order of the strata.

    Args:
        items: what to draw from.
        stratum: the name of an item's stratum.
        count: how many to draw; all if there are not so many.
        seed: of the draw, at least 0.
    """
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        groups.setdefault(stratum(item), []).append(place)
    shares = {name: count * len(places) / len(items) for name, places in groups.items()}
    sizes = {name: min(int(share), len(groups[name])) for name, share in shares.items()}
    left = min(count, len(items)) - sum(sizes.values())
    for name in sorted(groups, key=lambda name: sizes[name] - shares[name])[:left]:
        sizes[name] += 1
    chosen = [place for name, places in groups.items() for place in _drawn(places, sizes[name], seed, name)]
    return [items[place] for place in sorted(chosen)]


def _drawn(places: Sequence[int], count: int, seed: int, name: str) -> list[int]:
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))
    return [places[int(place)] for place in generator.permutation(len(places))[:count]]
