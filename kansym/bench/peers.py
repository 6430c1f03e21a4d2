"""Other KAN programs: found in the user's own installs or check-outs, never copied; one row of a table each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from kansym.bench.engine import LeftOut, quiet, why


@dataclass(frozen=True)
class Shape:
    """The network that everybody is asked for.

    Args:
        widths: nodes per layer, inputs first.
        intervals: grid pieces G of every edge; bases without a grid take as many functions as a spline has, G + degree.
        degree: of the splines.
        seed: for programs that take one.
    """

    widths: tuple[int, ...]
    intervals: int = 5
    degree: int = 3
    seed: int = 0

    @property
    def functions(self) -> int:
        """Basis functions of an edge, G + degree."""
        return self.intervals + self.degree

    @property
    def edges(self) -> int:
        """Edges of all layers."""
        return sum(before * after for before, after in pairwise(self.widths))


Build = Callable[[Any, Shape], nn.Module]


@dataclass(frozen=True)
class Peer:
    """Another program.

    Args:
        name: what tables call it.
        module: the module to import.
        folders: names its check-out may have below --peers.
        build: makes a network from the imported module.
        inside: where in a check-out the module lies.
        distribution: the name under which it is installed.
        most_edges: beyond this a step takes minutes, so that it is left out.
    """

    name: str
    module: str
    folders: tuple[str, ...]
    build: Build
    inside: tuple[str, ...] = ("", "src")
    distribution: str = ""
    most_edges: int | None = None


@dataclass(frozen=True)
class Found:
    """A peer that can be used, and where it came from; or why it cannot."""

    peer: Peer
    module: ModuleType | None
    source: str

    def line(self) -> str:
        """Say in one line what was found."""
        return f"{self.peer.name}: {self.source}" if self.module else f"{self.peer.name}: not found: {self.source}"

    def build(self, shape: Shape) -> nn.Module:
        """Return a network of that shape; raise LeftOut when its steps would take minutes."""
        most = self.peer.most_edges
        if most is not None and shape.edges > most:
            raise LeftOut(f"left out: a step on {shape.edges:,} edges takes too long (limit {most:,})")
        return self.peer.build(self.module, shape)


def _chain(shape: Shape, layer: Callable[[int, int], nn.Module]) -> nn.Module:
    return nn.Sequential(*(layer(before, after) for before, after in pairwise(shape.widths)))


def _efficient_kan(module: Any, shape: Shape) -> nn.Module:
    return module.KAN(list(shape.widths), grid_size=shape.intervals, spline_order=shape.degree)


def _faster_kan(module: Any, shape: Shape) -> nn.Module:
    return module.FasterKAN(list(shape.widths), num_grids=shape.functions)


def _fast_kan(module: Any, shape: Shape) -> nn.Module:
    return module.FastKAN(list(shape.widths), num_grids=shape.functions)


def _rbf_kan(module: Any, shape: Shape) -> nn.Module:
    return module.RBFKAN(list(shape.widths), num_grids=shape.functions)


def _cheby_kan(module: Any, shape: Shape) -> nn.Module:
    return _chain(shape, lambda before, after: module.ChebyKANLayer(before, after, shape.functions - 1))


def _kanditioned(module: Any, shape: Shape) -> nn.Module:
    # Its default `impl` raises on the first forward pass; a width of 2 is the domain [-1, 1] of the others.
    settings = {"init": "random_normal", "num_control_points": shape.functions, "spline_width": 2.0}
    return _chain(shape, lambda before, after: module.KANLayer(before, after, impl="embedding_bag", **settings))


def _pykan(module: Any, shape: Shape) -> nn.Module:
    settings = {"grid": shape.intervals, "k": shape.degree, "seed": shape.seed, "auto_save": False}
    return module.KAN(width=list(shape.widths), **settings)


def _pykan_fast(module: Any, shape: Shape) -> nn.Module:
    return _pykan(module, shape).speed()  # type: ignore[operator]


PEERS: tuple[Peer, ...] = (
    Peer("efficient-kan", "efficient_kan", ("efficient-kan", "efficient_kan"), _efficient_kan),
    Peer("FasterKAN", "fasterkan", ("faster-kan", "fasterkan", "FasterKAN"), _faster_kan),
    Peer("FastKAN", "fastkan", ("fast-kan", "fastkan", "FastKAN"), _fast_kan),
    Peer("RBF-KAN", "Fast_RBF_KAN", ("RBF-KAN", "rbf-kan"), _rbf_kan),
    Peer("ChebyKAN", "ChebyKANLayer", ("ChebyKAN", "chebykan"), _cheby_kan),
    Peer("KANditioned", "KANditioned", ("KANditioned", "kanditioned"), _kanditioned, distribution="kanditioned"),
    Peer("pykan, symbolic off", "kan", ("pykan",), _pykan_fast, distribution="pykan", most_edges=2_000),
    Peer("pykan", "kan", ("pykan",), _pykan, distribution="pykan", most_edges=500),
)


def find(directory: Path | None, peers: Sequence[Peer] = PEERS) -> list[Found]:
    """Look for every peer.

    Args:
        directory: with check-outs, one folder each; None to look among the installed packages only.
        peers: whom to look for.

    Returns:
        One entry per peer, those that were not found with the reason.
    """
    return [_find(peer, directory) for peer in peers]


def _find(peer: Peer, directory: Path | None) -> Found:
    folder = _checkout(peer, directory)
    try:
        with quiet(), _path_first(folder):
            module = importlib.import_module(peer.module)
    except Exception as error:  # Code of others may fail in any way while it is imported.
        return Found(peer, None, why(error))
    return Found(peer, module, _source(peer, folder, module))


def _checkout(peer: Peer, directory: Path | None) -> Path | None:
    """Return the folder of a check-out that holds the peer's module."""
    places = [directory / folder / inside for folder in peer.folders for inside in peer.inside] if directory else []
    return next((place for place in places if _holds(place, peer.module)), None)


def _holds(place: Path, module: str) -> bool:
    return (place / module / "__init__.py").is_file() or (place / f"{module}.py").is_file()


def _source(peer: Peer, folder: Path | None, module: ModuleType) -> str:
    """Say where a module came from without naming the user's folders."""
    if folder is not None and Path(module.__file__ or "").is_relative_to(folder):
        return "check-out"
    try:
        return version(peer.distribution or peer.module)
    except PackageNotFoundError:
        return "installed"


@contextmanager
def _path_first(folder: Path | None) -> Iterator[None]:
    """Let imports look in a folder before all others; check-outs of peers hold copies of each other."""
    before = list(sys.path)
    sys.path[:0] = [str(folder)] if folder else []
    try:
        yield
    finally:
        sys.path[:] = before
