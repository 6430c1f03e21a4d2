"""Discovering differential equations in measured data.

`find_equations` takes trajectories to ordinary, `find_field_equations` takes fields to partial differential equations.
The way through: smoothing -> forms -> candidates (libraries, elimination; free_form) -> choosing (rates, integration,
shooting) -> found.
"""

from kansym.physics.discovery.equations import find_equations
from kansym.physics.discovery.fields import Field, March, find_field_equations, march
from kansym.physics.discovery.found import Curve, Discovery, Equation
from kansym.physics.discovery.reading import as_trajectories, read_field, read_trajectories
from kansym.physics.discovery.settings import Settings
from kansym.physics.discovery.simulating import simulate
from kansym.physics.discovery.trajectories import Trajectories, Trajectory
from kansym.physics.discovery.writing import check_folder, document, write

__all__ = [
    "Curve", "Discovery", "Equation", "Field", "March", "Settings", "Trajectories", "Trajectory", "as_trajectories",
    "check_folder", "discover", "document", "find_equations", "find_field_equations", "march", "read_field",
    "read_trajectories", "simulate", "write",
]  # fmt: skip


def discover(data: object, settings: Settings | None = None, **choices: object) -> Discovery:
    """Find the differential equations in data.

    Args:
        data: a `Field` gives partial equations; anything that `as_trajectories` takes gives ordinary ones.
        settings: choices; the defaults are meant to be good.
        choices: how a file is read: `time`, `states`, `trajectory`; or `names` for a pair of arrays.

    Returns:
        The equations.

    Raises:
        DataError: when the data are of no such kind.
    """
    if isinstance(data, Field):
        return find_field_equations(data, settings)
    return find_equations(as_trajectories(data, **choices), settings)
