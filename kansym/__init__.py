"""Data in, law out: symbolic regression with Kolmogorov-Arnold networks.

    import kansym

    table = kansym.read_table("planets.csv")
    result = kansym.fit(table)

Names are loaded on first use (PEP 562), so that `import kansym` costs milliseconds and loads neither torch nor sympy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kansym.config import Config as Config
    from kansym.data import Dataset as Dataset
    from kansym.data import read_table as read_table
    from kansym.pipeline import fit as fit
    from kansym.report.figures import plot as plot
    from kansym.result import Result as Result
    from kansym.vector import fit_all as fit_all

    __version__: str

_HOME = {
    "Config": "kansym.config",
    "Dataset": "kansym.data",
    "Result": "kansym.result",
    "fit": "kansym.pipeline",
    "fit_all": "kansym.vector",
    "plot": "kansym.report.figures",
    "read_table": "kansym.data",
}

__all__ = ["Config", "Dataset", "Result", "__version__", "fit", "fit_all", "plot", "read_table"]


def _version() -> str:
    """Return the installed version, or `0+source` for a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kansym")
    except PackageNotFoundError:
        return "0+source"


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'kansym' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
