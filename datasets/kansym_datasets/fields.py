"""Fields that obey partial differential equations, integrated here: Burgers, Korteweg-de Vries,
Kuramoto-Sivashinsky, and
a reaction with diffusion in two dimensions."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import DataError, did_you_mean, quote

Array = np.ndarray
LICENCE = "CC0-1.0 for the generated values; equations and constants are facts"


@dataclass(frozen=True)
class FieldCard:
    """One equation and the box that its solution is sampled in; the box is periodic in space.

    Attributes:
        name: stable and unique, such as `pde-burgers`.
        title: what it is about.
        source: where the equation comes from.
        fields: names of the fields.
        rates: right-hand sides, as text for people.
        axes: names of the axes, the time first.
        shape: samples along the axes.
        extents: length of the axes; all begin at 0 but for the time's start.
        licence: of the values.
        start: the first time.
    """

    name: str
    title: str
    source: str
    fields: tuple[str, ...]
    rates: tuple[str, ...]
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    extents: tuple[float, ...]
    licence: str = LICENCE
    start: float = 0.0

    @property
    def suite(self) -> str:
        """The group that lists put it into."""
        return "fields"

    @property
    def target(self) -> str:
        """The fields in one word, for lists."""
        return ", ".join(self.fields)

    @property
    def formula(self) -> str:
        """All equations in one line."""
        return "; ".join(f"{name}_t = {rate}" for name, rate in zip(self.fields, self.rates, strict=True))


CARDS = {
    card.name: card
    for card in (
        FieldCard("pde-burgers", "Viscous Burgers equation", "Burgers (1948); viscosity 0.1 as in arXiv:1609.06401",
                  ("u",), ("-u*u_x + 0.1*u_xx",), ("t", "x"), (101, 256), (10.0, 16.0)),
        FieldCard("pde-kdv", "Two solitons of the Korteweg-de Vries equation", "Korteweg and de Vries (1895)",
                  ("u",), ("-6*u*u_x - u_xxx",), ("t", "x"), (201, 512), (10.0, 60.0)),
        FieldCard("pde-ks", "Kuramoto-Sivashinsky equation, chaotic", "Kuramoto (1978), Sivashinsky (1977)",
                  ("u",), ("-u*u_x - u_xx - u_xxxx",), ("t", "x"), (251, 512), (100.0, 100.0), start=40.0),
        FieldCard("pde-reaction-diffusion", "Spiral of a lambda-omega reaction with diffusion", "arXiv:1609.06401",
                  ("u", "v"), ("0.1*u_xx + 0.1*u_yy + u - u^3 - u*v^2 + u^2*v + v^3",
                               "0.1*v_xx + 0.1*v_yy + v - v^3 - u^2*v - u*v^2 - u^3"),
                  ("t", "x", "y"), (101, 64, 64), (5.0, 20.0, 20.0)),
    )
}  # fmt: skip


def names() -> list[str]:
    """Return the names of all fields."""
    return list(CARDS)


def card(name: str) -> FieldCard:
    """Return what is known about a field.

    Raises:
        DataError: if no field has this name.
    """
    if name not in CARDS:
        raise DataError(f"no field is called {quote(name)}: {did_you_mean(name, CARDS)}")
    return CARDS[name]


def grid(name: str, noise: float = 0.0, seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the axes and the fields on their grid.

    Args:
        name: one of `names()`.
        noise: Gaussian noise as a multiple of a field's standard deviation.
        seed: of the noise.

    Returns:
        Axes (n,) by name, the time first, and fields (n_t, n_x[, n_y]) by name.
    """
    known = card(name)
    times = known.start + np.linspace(0, known.extents[0], known.shape[0])
    space = [np.arange(n) * length / n for n, length in zip(known.shape[1:], known.extents[1:], strict=True)]
    values = _SOLVERS[name](times, *space)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    noisy = {field: u + noise * np.std(u) * generator.standard_normal(u.shape) for field, u in values.items()}
    return dict(zip(known.axes, [times, *space], strict=True)), noisy


def load(name: str, rows: int | None = None, noise: float = 0.0, seed: int = 0) -> Dataset:
    """Return a field as a long table: the axes are inputs, the fields targets; arguments as for `grid`.

    Raises:
        DataError: if the name is unknown, or a number of rows is asked for.
    """
    if rows is not None:
        raise DataError(f"{quote(name)} has a fixed grid: load it without rows")
    axes, values = grid(name, noise, seed)
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    inputs = np.column_stack([axis.ravel() for axis in mesh])
    targets = np.column_stack([field.ravel() for field in values.values()])
    return Dataset(
        inputs, targets, tuple(axes), tuple(values), source=f"{name} (generated, seed {seed}, noise {noise:g})"
    )


def _wave_numbers(axis: Array) -> Array:
    return 2 * np.pi * np.fft.rfftfreq(len(axis), axis[1] - axis[0])


def _integrated(linear: Array, nonlinear: Callable[[Array], Array], first: Array, times: Array, steps: int) -> Array:
    """Exponential time differencing of order 4 (Kassam and Trefethen, 2005) in Fourier space, from 0 on; (T, ...)."""
    start, gap = times[0], times[1] - times[0]
    h = gap / steps
    coefficients = _etd(linear, h)
    state, kept = first, []
    for _ in range(round(start / h)):
        state = _etd_step(state, nonlinear, *coefficients)
    for place in range(len(times)):
        kept.append(state)
        if place < len(times) - 1:
            for _ in range(steps):
                state = _etd_step(state, nonlinear, *coefficients)
    return np.array(kept)


def _etd(linear: Array, h: float) -> tuple[Array, ...]:
    roots = np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 32)
    z = h * linear[..., None] + roots
    real = np.iscomplexobj(linear)

    def mean(values: Array) -> Array:
        found = values.mean(axis=-1)
        return h * (found if real else found.real)

    if real:  # the contour has to go all the way round for complex exponents
        z = h * linear[..., None] + np.exp(2j * np.pi * (np.arange(1, 65) - 0.5) / 64)
    e, half = np.exp(h * linear), np.exp(h * linear / 2)
    return (
        e, half, mean((np.exp(z / 2) - 1) / z), mean((-4 - z + np.exp(z) * (4 - 3 * z + z**2)) / z**3),
        mean((2 + z + np.exp(z) * (z - 2)) / z**3), mean((-4 - 3 * z - z**2 + np.exp(z) * (4 - z)) / z**3),
    )  # fmt: skip


def _etd_step(v: Array, n: Callable[[Array], Array], e: Array, half: Array, q: Array, f1: Array, f2: Array, f3: Array
              ) -> Array:  # fmt: skip
    nv = n(v)
    a = half * v + q * nv
    na = n(a)
    b = half * v + q * na
    nb = n(b)
    c = half * a + q * (2 * nb - nv)
    return e * v + f1 * nv + 2 * f2 * (na + nb) + f3 * n(c)


def _advected(k: Array, factor: float, size: int) -> Callable[[Array], Array]:
    """factor * u * u_x in Fourier space, without the third of the wave numbers that products spoil."""
    keep = k <= 2 / 3 * k.max()
    return lambda v: keep * (0.5j * factor * k) * np.fft.rfft(np.fft.irfft(v * keep, size) ** 2)


def _burgers(times: Array, x: Array) -> dict[str, Array]:
    k = _wave_numbers(x)
    first = np.fft.rfft(np.exp(-((x - 6) ** 2)))
    path = _integrated(-0.1 * k**2, _advected(k, -1.0, len(x)), first, times, 20)
    return {"u": np.fft.irfft(path, len(x))}


def _kdv(times: Array, x: Array) -> dict[str, Array]:
    k = _wave_numbers(x)
    start = sum(0.5 * c / np.cosh(0.5 * np.sqrt(c) * (x - at)) ** 2 for c, at in ((2.0, 12.0), (0.7, 27.0)))
    path = _integrated(1j * k**3, _advected(k, -6.0, len(x)), np.fft.rfft(start), times, 40)
    return {"u": np.fft.irfft(path, len(x))}


def _ks(times: Array, x: Array) -> dict[str, Array]:
    k = _wave_numbers(x)
    turn = 2 * np.pi * x / 100
    first = np.fft.rfft(np.cos(turn) * (1 + np.sin(turn)) + 0.3 * np.sin(5 * turn))
    path = _integrated(k**2 - k**4, _advected(k, -1.0, len(x)), first, times, 8)
    return {"u": np.fft.irfft(path, len(x))}


def _reaction_diffusion(times: Array, x: Array, y: Array) -> dict[str, Array]:
    full = 2 * np.pi * np.fft.fftfreq(len(x), x[1] - x[0])
    square = full[:, None] ** 2 + _wave_numbers(y)[None] ** 2
    a, b = np.meshgrid(x - x.mean(), y - y.mean(), indexing="ij")
    radius, angle = np.hypot(a, b), np.arctan2(b, a)
    fade = np.exp(-((radius / 7) ** 8))  # the box is periodic, a spiral is not
    u, v = fade * np.tanh(radius) * np.cos(angle - radius), fade * np.tanh(radius) * np.sin(angle - radius)
    shape = (len(x), len(y))

    def reacted(both: Array) -> Array:
        u, v = (np.fft.irfft2(each, shape) for each in both)
        size = u * u + v * v
        return np.array([np.fft.rfft2((1 - size) * u + size * v), np.fft.rfft2(-size * u + (1 - size) * v)])

    first = np.array([np.fft.rfft2(u), np.fft.rfft2(v)])
    path = _integrated(-0.1 * np.array([square, square]), reacted, first, times, 4)
    fields = np.fft.irfft2(path, shape)
    return {"u": fields[:, 0], "v": fields[:, 1]}


_SOLVERS: dict[str, Callable[..., dict[str, Array]]] = {
    "pde-burgers": _burgers, "pde-kdv": _kdv, "pde-ks": _ks, "pde-reaction-diffusion": _reaction_diffusion,
}  # fmt: skip
