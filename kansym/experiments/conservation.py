"""What do motions conserve? Quantities from flows and trajectories, where there are some and where there are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from kansym.bench.tables import Column, duration, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.mechanics import Quantity, conserved, conserved_along, terms
from kansym.physics.mechanics.terms import slopes
from kansym.symbolic.parser import parse

Array = np.ndarray
Flow = Callable[[Array], Array]
ROWS, QUICK_ROWS, FRESH_SEED = 800, 300, 10_007
EXACT, INSIDE = 1e-9, 1e-6
TRAJECTORIES, LENGTH, SPAN = 12, 60, 6.0


@dataclass(frozen=True)
class System:
    """A motion whose conserved quantities are known.

    Args:
        names: of the state's columns.
        flow: rates (N, D) at states (N, D).
        truth: independent quantities; () for none.
        low, high: states are even between them; `apart` is how far from the origin the first two columns must be.
        library: (degree, functions) of `terms`; None leaves the choice to `conserved`.
        trajectories: whether only trajectories are seen, not rates.
    """

    names: tuple[str, ...]
    flow: Flow
    truth: tuple[str, ...]
    low: float = -1.5
    high: float = 1.5
    apart: float = 0.0
    library: tuple[int, tuple[str, ...]] | None = None
    trajectories: bool = False

    def draw(self, rows: int, seed: int) -> Array:
        """States (rows, D)."""
        states = np.random.default_rng(seed).uniform(self.low, self.high, (4 * rows, len(self.names)))
        return states[np.hypot(states[:, 0], states[:, 1]) >= self.apart][:rows]


def _kepler(s: Array) -> Array:
    cube = np.hypot(s[:, 0], s[:, 1]) ** 3
    return np.column_stack([s[:, 2], s[:, 3], -s[:, 0] / cube, -s[:, 1] / cube])


def _pendulum(s: Array) -> Array:
    return np.column_stack([s[:, 1], -np.sin(s[:, 0])])


def _henon_heiles(s: Array) -> Array:
    x, y, px, py = s.T
    return np.column_stack([px, py, -x - 2 * x * y, -y - x**2 + y**2])


def _rigid_body(s: Array) -> Array:
    a, b, c = s.T  # angular momenta about axes of inertia 1, 2 and 3
    return np.column_stack([(1 / 3 - 1 / 2) * b * c, (1 - 1 / 3) * c * a, (1 / 2 - 1) * a * b])


PLANE = ("x", "y", "px", "py")
SYSTEMS: dict[str, System] = {
    "oscillator": System(("x", "p"), lambda s: np.column_stack([s[:, 1], -s[:, 0]]), ("x**2 + p**2",)),
    "oscillator in the plane": System(
        PLANE, lambda s: np.column_stack([s[:, 2], s[:, 3], -s[:, 0], -s[:, 1]]),
        ("x**2 + px**2", "y**2 + py**2", "x*py - y*px"),
    ),
    "pendulum": System(("q", "v"), _pendulum, ("v**2/2 - cos(q)",), -3.0, 3.0),
    "predators and prey": System(
        ("x", "y"), lambda s: np.column_stack([1.5 * s[:, 0] - s[:, 0] * s[:, 1], s[:, 0] * s[:, 1] - 3 * s[:, 1]]),
        ("x + y - 3*log(x) - 3/2*log(y)",), 0.3, 3.0,
    ),
    "planet": System(
        PLANE, _kepler,
        ("px**2 + py**2 - 2/sqrt(x**2 + y**2)", "x*py - y*px", "py*(x*py - y*px) - x/sqrt(x**2 + y**2)"),
        apart=0.3, library=(3, ("1/sqrt(x**2 + y**2)",)),
    ),
    "Henon-Heiles": System(
        PLANE, _henon_heiles, ("px**2 + py**2 + x**2 + y**2 + 2*x**2*y - 2/3*y**3",), library=(4, ())
    ),
    "rigid body": System(("a", "b", "c"), _rigid_body, ("a**2 + b**2 + c**2", "a**2 + b**2/2 + c**2/3")),
    "pendulum, trajectories": System(
        ("q", "v"), _pendulum, ("v**2/2 - cos(q)",), -1.5, 1.5, library=(2, ("sin(q)", "cos(q)")), trajectories=True
    ),
    "damped oscillator": System(("x", "p"), lambda s: np.column_stack([s[:, 1], -s[:, 0] - 0.2 * s[:, 1]]), ()),
    "Lorenz": System(
        ("x", "y", "z"),
        lambda s: np.column_stack([
            10 * (s[:, 1] - s[:, 0]), s[:, 0] * (28 - s[:, 2]) - s[:, 1], s[:, 0] * s[:, 1] - 8 / 3 * s[:, 2],
        ]), (),
    ),
}  # fmt: skip


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per system."""
    systems = dict(list(SYSTEMS.items())[:1]) if setting.quick else SYSTEMS
    return [{"case": name, **_row(system, setting)} for name, system in systems.items()]


def _row(system: System, setting: Setting) -> dict[str, Any]:
    states = system.draw(QUICK_ROWS if setting.quick else ROWS, setting.seed)
    library = None if system.library is None else terms(system.names, *system.library)
    started = setting.clock()
    if system.trajectories:
        found = conserved_along(_followed(system, setting.seed), system.names, library)
    else:
        found = conserved(states, system.flow(states), system.names, library)
    seconds = setting.clock() - started
    fresh = system.draw(ROWS, FRESH_SEED + setting.seed)
    worst = max((_violation(quantity, system, fresh) for quantity in found), default=0.0)
    facts = {"quantities": len(found), "wanted": len(system.truth), "violation": worst, "seconds": seconds}
    exact = len(found) == len(system.truth) and worst < EXACT and _all_inside(system, found, fresh)
    return facts | {"found": exact, "short": "; ".join(quantity.formula.text(5) for quantity in found) or "none"}


def _followed(system: System, seed: int) -> list[Array]:
    """Trajectories (60, D) of the system from different starts."""
    times = np.linspace(0, SPAN, LENGTH)
    rates: Callable[[float, Array], Array] = lambda _, state: system.flow(state[None])[0]  # noqa: E731
    starts = system.draw(TRAJECTORIES, seed)
    return [solve_ivp(rates, (0, SPAN), start, t_eval=times, rtol=1e-10, atol=1e-10).y.T for start in starts]


def _violation(quantity: Quantity, system: System, states: Array) -> float:
    """Root mean square of the rate of change over that of its parts."""
    parts = slopes(quantity.formula.expression, states) * system.flow(states)
    return float(np.linalg.norm(parts.sum(axis=1)) / np.linalg.norm(parts))


def _all_inside(system: System, found: Sequence[Quantity], states: Array) -> bool:
    """Whether every known quantity is a function of the found ones: its slopes lie in the space of theirs."""
    if not found:
        return not system.truth
    basis, _ = np.linalg.qr(np.stack([slopes(each.formula.expression, states) for each in found], axis=-1))
    return all(_outside(slopes(parse(text, system.names), states), basis) < INSIDE for text in system.truth)


def _outside(slope: Array, basis: Array) -> float:
    inside = np.einsum("ndk,nk->nd", basis, np.einsum("ndk,nd->nk", basis, slope))
    return float(np.linalg.norm(slope - inside) / np.linalg.norm(slope))


EXPERIMENT = Experiment(
    name="conservation",
    title="What motions conserve",
    rule=(
        f"{ROWS} states and their rates, no noise (or {TRAJECTORIES} trajectories of {LENGTH} states without rates). "
        f"Found: as many quantities as there are, each conserved on {ROWS} fresh states to {EXACT:g} of its parts, and "
        "the known ones are functions of them; where nothing is conserved, nothing is found"
    ),
    columns=(
        Column("found", "found", lambda value: "yes" if value else "no"),
        Column("quantities", "quantities"),
        Column("wanted", "wanted"),
        Column("violation", "violation, fresh", number),
        Column("seconds", "time", duration),
        Column("short", "formulas", lambda text: text if len(text) <= 110 else text[:109] + "…"),
    ),
    bars=(Bar("found", 1.0, at_least=True, over="mean", beats="KAN 2.0: one seed, shapes and primitives by hand"),),
    run=run,
)
