"""The pictures of a fit by name: `KINDS` maps a kind to a function from a Result to a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kansym.registry import Registry
from kansym.report.canvas import Sheet, figure_of, place_of, save
from kansym.report.pictures.domain import domain
from kansym.report.pictures.fit import fit, fit_figure
from kansym.report.pictures.front import pareto
from kansym.report.pictures.history import history
from kansym.report.pictures.network import edges, graph
from kansym.report.pictures.partial import partial
from kansym.result import Result

__all__ = ["KINDS", "fit_figure", "plot", "save"]

# A picture is drawn on a sheet of its own, or on one that is given.
KINDS: Registry[Callable[..., Sheet]] = Registry("kind of picture")
KINDS.add("graph", graph)
KINDS.add("edges", edges)
KINDS.add("pareto", pareto)
KINDS.add("fit", fit)
KINDS.add("partial", partial)
KINDS.add("domain", domain)
KINDS.add("history", history)


def plot(result: Result, kind: str = "fit", axes: Axes | None = None) -> Figure:
    """Draw a picture of a result; nothing is shown or written.

    Args:
        result: of a fit.
        kind: a name in `KINDS`: "graph", "edges", "pareto", "fit", "partial", "domain" or "history".
        axes: a place in a figure of yours; the axes themselves are hidden, the picture takes their room. Without it
            the picture gets a figure of its own.

    Returns:
        The figure.

    Raises:
        ConfigError: for an unknown kind.
    """
    return figure_of(KINDS.get(kind)(result, None if axes is None else place_of(axes)))
