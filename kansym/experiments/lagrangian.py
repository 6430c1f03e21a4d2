"""Which Lagrangian moves a body? From coordinates, velocities and accelerations to a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.integrate import solve_ivp

from kansym.bench.tables import Column, Record, duration, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.mechanics import Lagrangian, lagrangian, terms

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

Array = np.ndarray
Forces = Callable[[Array, Array], Array]
ROWS, QUICK_ROWS, FRESH_SEED = 600, 200, 10_007
EXACT = 1e-8
GRAVITY = 9.81
START, SPAN, SHOWN = (2.0, 1.0, 0.0, 0.0), 4.0, 120


@dataclass(frozen=True)
class Body:
    """A motion that a Lagrangian drives.

    Args:
        names: of the coordinates, then of the velocities.
        accelerations: (N, n) at coordinates and velocities (N, n).
        reach: coordinates are even within +- this, speeds within +- `speed`.
        library: (degree, functions) of `terms`; None leaves the choice to `lagrangian`.
        exists: whether there is a Lagrangian among the candidates.
        apart: distance from the origin that the coordinates must have.
        parts: of how many independent parts the motion is made.
    """

    names: tuple[str, ...]
    accelerations: Forces
    reach: float = 2.0
    speed: float = 2.0
    library: tuple[int, tuple[str, ...]] | None = None
    exists: bool = True
    apart: float = 0.0
    parts: int = 1

    def draw(self, rows: int, seed: int) -> tuple[Array, Array]:
        """Coordinates and velocities (rows, n)."""
        generator, count = np.random.default_rng(seed), len(self.names) // 2
        coordinates = generator.uniform(-self.reach, self.reach, (4 * rows, count))
        coordinates = coordinates[np.linalg.norm(coordinates, axis=1) >= self.apart][:rows]
        return coordinates, generator.uniform(-self.speed, self.speed, coordinates.shape)


def double_pendulum(angles: Array, rates: Array) -> Array:
    """Accelerations (N, 2) of two equal masses on two massless rods of length 1."""
    between = angles[:, 0] - angles[:, 1]
    cosine, sine, one = np.cos(between), np.sin(between), np.ones(len(angles))
    mass = np.stack([np.stack([2 * one, cosine], -1), np.stack([cosine, one], -1)], -2)
    force = np.column_stack(
        [
            -sine * rates[:, 1] ** 2 - 2 * GRAVITY * np.sin(angles[:, 0]),
            sine * rates[:, 0] ** 2 - GRAVITY * np.sin(angles[:, 1]),
        ]
    )
    return np.linalg.solve(mass, force[..., None])[..., 0]


QUICK, DOUBLE, ANGLES = "charge in a magnetic field", "double pendulum", ("a", "b", "u", "w")
PLANE = ("x", "y", "vx", "vy")
BODIES: dict[str, Body] = {
    "relativistic mass": Body(("x", "v"), lambda q, v: (1 - v**2) ** 1.5, speed=0.9),
    "pendulum": Body(("q", "v"), lambda q, v: -np.sin(q), 3.0),
    "two springs": Body(PLANE, lambda q, v: np.column_stack([-4 * q[:, 0], -np.sin(q[:, 1])]), parts=2),
    DOUBLE: Body(ANGLES, double_pendulum, 3.0, 3.0, (3, ("cos(a)", "cos(b)", "cos(a - b)", "sin(a - b)"))),
    "planet": Body(
        PLANE, lambda q, v: -q / np.linalg.norm(q, axis=1)[:, None] ** 3, library=(2, ("1/sqrt(x**2 + y**2)",)),
        apart=0.4,
    ),
    "charge in a magnetic field": Body(
        PLANE, lambda q, v: np.column_stack([0.7 * v[:, 1] - q[:, 0], -0.7 * v[:, 0] - q[:, 1]]), library=(2, ())
    ),
    "friction": Body(PLANE, lambda q, v: -q - 0.2 * v, library=(3, ()), exists=False),
}  # fmt: skip


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per body."""
    bodies = {QUICK: BODIES[QUICK]} if setting.quick else BODIES
    return [{"case": name, **_row(name, body, setting)} for name, body in bodies.items()]


def _row(name: str, body: Body, setting: Setting) -> dict[str, Any]:
    coordinates, velocities = body.draw(QUICK_ROWS if setting.quick else ROWS, setting.seed)
    library = None if body.library is None else terms(body.names, *body.library)
    started = setting.clock()
    found = lagrangian(coordinates, velocities, body.accelerations(coordinates, velocities), body.names, library)
    row = {"seconds": setting.clock() - started, "short": "; ".join(each.formula.text(5) for each in found) or "none"}
    if not body.exists:
        return row | {"found": not found}
    error = _error(body, found, setting.seed)
    facts = {"error": error, "found": len(found) == body.parts and error < EXACT}
    return row | facts | ({"curve": _swing(found[0].accelerations)} if name == DOUBLE and found else {})


def _error(body: Body, found: Sequence[Lagrangian], seed: int) -> float:
    """Largest error of the accelerations on fresh rows, over the spread of the true ones."""
    q, v = body.draw(ROWS, FRESH_SEED + seed)
    truth = body.accelerations(q, v)
    given = np.zeros_like(truth)
    for each in found:
        moved = each.moves
        given[:, moved] = each.accelerations(q, v)[:, moved]
    return float(np.max(np.abs(given - truth)) / np.std(truth))


def _swing(accelerations: Forces) -> list[float]:
    """The angle of the lower rod while the double pendulum swings."""

    def rates(_: float, state: Array) -> Array:
        return np.concatenate([state[2:], accelerations(state[None, :2], state[None, 2:])[0]])

    times = np.linspace(0, SPAN, SHOWN)
    return [float(f"{each:.4g}") for each in solve_ivp(rates, (0, SPAN), START, t_eval=times, rtol=1e-8).y[1]]


def picture(records: Sequence[Record]) -> Figure:
    """The double pendulum as the Lagrangian of every seed moves it, over the true motion."""
    from kansym.report.pictures.curves import small_multiples

    curves = {f"double pendulum, seed {row['seed']}": np.array(row["curve"]) for row in records if "curve" in row}
    truth = np.array(_swing(double_pendulum))
    return small_multiples(np.linspace(0, SPAN, SHOWN), truth, curves, "time in s", "lower angle")


EXPERIMENT = Experiment(
    name="lagrangian",
    title="Which Lagrangian moves a body",
    rule=(
        f"{ROWS} coordinates, velocities and accelerations, no noise. Found: the accelerations that follow from the "
        f"formula are those of {ROWS} fresh rows to {EXACT:g} of their spread; with friction, none is found"
    ),
    columns=(
        Column("found", "found", lambda value: "yes" if value else "no"),
        Column("error", "accelerations, largest error", number),
        Column("seconds", "time", duration),
        Column("short", "formula", lambda text: text if len(text) <= 110 else text[:109] + "…"),
    ),
    bars=(
        Bar("found", 1.0, at_least=True, over="mean", beats="KAN 2.0: no formula came out"),
        Bar("seconds", 60.0, over="most", beats="KAN 2.0: 179 s for the relativistic mass, without a formula"),
    ),
    run=run,
    picture=picture,
)
