"""Whole populations of small networks as native calls: error, gradient, Gauss-Newton matrix, Adam steps.

The plain torch reference that these equal is `kansym.training.objective`; what is computed how is said in
`native/network.c`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kansym.kernels.native import library

BASES = {"none": 0, "silu": 1, "identity": 2, "tanh": 3}
MOST_DEGREE, MOST_LAYERS = 5, 16
# Rows that go through the network together: enough to hide the sums over them, few enough for the second cache.
TILE = {torch.float32: 256, torch.float64: 128}
LINE = 64
# The first layer's features do not change with the weights; up to this size they are computed only once.
FIRST_LAYER_BYTES = 64_000_000
# Below this many multiplications per call a second thread costs more than it brings.
LEAST_FOR_THREADS = 1_000_000
# What a call computes; the library knows the first four, an error is a value without penalties.
VALUE, GRADIENT, NORMAL, PREDICT, ERROR = range(5)


@dataclass(frozen=True)
class LayerPlan:
    """One layer of every member.

    Args:
        knots: B-spline knots, increasing, (E, I, K).
        sums: sum nodes, >= 0.
        products: product nodes, >= 0; each multiplies `arity` sums, which come after those of the sum nodes.
        edges: the edges that are there, input * S + sum, increasing; None for all. S counts the sums of both kinds.
    """

    knots: Tensor
    sums: int
    products: int = 0
    edges: Tensor | None = None


@dataclass(frozen=True)
class PopulationPlan:
    """E networks of one shape; its parameters are, per layer and edge that is there, F numbers, the base's last.

    Args:
        layers: first to last.
        degree: of the B-splines, 0 to 5 where the native path is to serve it.
        base: activation whose multiple every edge adds: "silu", "identity", "tanh" or "none".
        arity: sums that a product node multiplies, >= 2.
        mask: (E, P), True where a member has the parameter; None when all have all.
    """

    layers: tuple[LayerPlan, ...]
    degree: int = 3
    base: str = "silu"
    arity: int = 2
    mask: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        return self.layers[0].knots.dtype

    @property
    def members(self) -> int:
        return self.layers[0].knots.shape[0]

    @cached_property
    def parameters(self) -> int:
        """P."""
        return sum(self.edges(layer) * self.functions(layer) for layer in self.layers)

    def intervals(self, layer: LayerPlan) -> int:
        return layer.knots.shape[-1] - 2 * self.degree - 1

    def functions(self, layer: LayerPlan) -> int:
        """F: B-splines and, where there is one, the base activation."""
        return self.intervals(layer) + self.degree + (self.base != "none")

    def slots(self, layer: LayerPlan) -> int:
        """S."""
        return layer.sums + self.arity * layer.products

    def edges(self, layer: LayerPlan) -> int:
        return layer.knots.shape[1] * self.slots(layer) if layer.edges is None else layer.edges.numel()


class _Layer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in ("inputs", "sums", "products", "intervals", "edges", "start")] + [
        (name, ctypes.c_void_p) for name in ("edge", "knots", "pieces")
    ]


class _Plan(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("layers", "members", "degree", "base", "arity", "parameters")),
        ("layer", ctypes.c_void_p),
        ("mask", ctypes.c_void_p),
    ]


class _Rows(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x", "y", "weights")),
        *((name, ctypes.c_int64) for name in ("x_step", "y_step", "weights_step", "tiles", "tile", "targets")),
        ("count", ctypes.c_double),
        ("first", ctypes.c_void_p),
        ("first_step", ctypes.c_int64),
    ]


class _Penalty(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("l1", "entropy", "smoothness", "ridge", "group")]


class _Work(ctypes.Structure):
    _fields_ = [
        ("scratch", ctypes.c_void_p),
        ("scratch_bytes", ctypes.c_int64),
        ("partial", ctypes.c_void_p),
        ("partial_bytes", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("chunks", ctypes.c_int64),
        ("active", ctypes.c_void_p),
        ("penalty", ctypes.c_void_p),
    ]


class _Adam(ctypes.Structure):
    _fields_ = [
        ("rate", ctypes.c_void_p),
        ("fall", ctypes.c_void_p),
        ("steps", ctypes.c_int64),
        ("age", ctypes.c_int64),
        *((name, ctypes.c_double) for name in ("decay_first", "decay_second", "tiny")),
    ]


class AdamMoments(NamedTuple):
    """What Adam carries from step to step: first and second moments (E, P), and how many steps were taken."""

    first: Tensor
    second: Tensor
    age: int = 0


def native_network(plan: PopulationPlan, x: Tensor, y: Tensor, weights: Tensor | None = None) -> NativeNetwork | None:
    """Return the native functions of a population on some rows, or None where the native path does not serve them.

    Args:
        plan: the population; its grids are fixed here.
        x: rows shared by all members (N, D), or their own (E, N, D).
        y: (N, T) or (E, N, T).
        weights: of the rows, (N,) or (E, N), >= 0; None for ones.
    """
    compiled = library("network") if serves(plan, x) else None
    return None if compiled is None else NativeNetwork(_Functions(compiled, plan), x, y, weights)


def serves(plan: PopulationPlan, x: Tensor) -> bool:
    """Say whether the native path can compute a plan: small enough, a known base, on the processor, no graph."""
    tensors = [x, *(layer.knots for layer in plan.layers)]
    return (
        plan.dtype in TILE
        and plan.base in BASES
        and 0 <= plan.degree <= MOST_DEGREE
        and len(plan.layers) <= MOST_LAYERS
        and plan.parameters > 0
        and len(x.shape) in (2, 3)
        and x.shape[-2] > 0
        and all(tensor.device.type == "cpu" for tensor in tensors)
        and all(plan.intervals(layer) >= 1 for layer in plan.layers)
    )


class _Functions:
    """A plan in the form the library reads, and the library's functions for its number type."""

    def __init__(self, compiled: ctypes.CDLL, plan: PopulationPlan) -> None:
        self.plan = plan
        self._compiled = compiled
        self._kept: list[Tensor] = []
        self.lanes = self("network_vector_bytes", suffix="")() // plan.dtype.itemsize
        self.layers = (_Layer * len(plan.layers))()
        start = 0
        for native, layer in zip(self.layers, plan.layers, strict=True):
            self._fill(native, layer, start)
            start += plan.edges(layer) * plan.functions(layer)
        mask = None if plan.mask is None or bool(plan.mask.all()) else plan.mask.to(plan.dtype)
        self.native = _Plan(
            len(plan.layers), plan.members, plan.degree, BASES[plan.base], plan.arity, plan.parameters,
            ctypes.addressof(self.layers), None if mask is None else self._address(mask),
        )  # fmt: skip
        self.address = ctypes.addressof(self.native)
        self("network_pieces")(self.address)

    def __call__(self, name: str, suffix: str | None = None) -> Callable[..., Any]:
        """Return a function of the library; pointers and sizes are passed as plain integers."""
        suffix = f"_{self.plan.dtype}".replace("torch.", "") if suffix is None else suffix
        function = self._compiled[f"{name}{suffix}"]
        function.argtypes = _ARGUMENTS[name]
        function.restype = ctypes.c_int64 if name.endswith("bytes") else None
        return function

    def _fill(self, native: _Layer, layer: LayerPlan, start: int) -> None:
        plan = self.plan
        inputs, intervals, order = layer.knots.shape[1], plan.intervals(layer), plan.degree + 1
        edges = torch.arange(inputs * plan.slots(layer)) if layer.edges is None else layer.edges
        pieces = torch.empty(plan.members, inputs, intervals, order, order, dtype=plan.dtype)
        native.inputs, native.sums, native.products, native.intervals = inputs, layer.sums, layer.products, intervals
        native.edges, native.start = edges.numel(), start
        native.edge = self._address(edges.to(torch.int32))
        native.knots, native.pieces = self._address(layer.knots.detach().to(plan.dtype)), self._address(pieces)

    def _address(self, tensor: Tensor) -> int:
        """Return where a tensor's numbers are, and keep it alive as long as the plan."""
        self._kept.append(tensor.contiguous())
        return self._kept[-1].data_ptr()


_POINTER, _INTEGER = ctypes.c_void_p, ctypes.c_int64
_ARGUMENTS = {
    "network_vector_bytes": [],
    "network_pieces": [_POINTER],
    "network_scratch_bytes": [_POINTER, _POINTER, _INTEGER],
    "network_partial_bytes": [_POINTER, _INTEGER],
    "network_features": [_POINTER] * 3,
    "network_run": [_INTEGER, *[_POINTER] * 7],
    "network_adam": [_POINTER] * 8,
}


class NativeNetwork:
    """A population bound to rows; every method is one native call and gives the same bits for the same threads.

    `theta` is (E, P), contiguous, in the plan's order and number type. With `active` (E,) bool only those members are
    computed, and the results of the others are 0.
    """

    def __init__(self, functions: _Functions, x: Tensor, y: Tensor | None, weights: Tensor | None = None) -> None:
        """Use `native_network`, which says whether there is a native path."""
        plan = self.plan = functions.plan
        self._functions = functions
        self._kept: list[Tensor] = []
        self._strengths: Tensor | None = None
        self._penalty = _Penalty()
        self._work: dict[int, tuple[_Work, int, list[Tensor]]] = {}
        self.rows, self.targets = x.shape[-2], self._check(x, y, weights)
        self._tile, self._tiles = self._tiling()
        self._bind(x, y, weights)
        self._run, self._adam = functions("network_run"), functions("network_adam")
        self._rows_address = ctypes.addressof(self._native)
        self._size = (plan.members, plan.parameters)
        if y is not None:
            self._remember_first(x)

    def penalise(
        self,
        l1: Tensor | float = 0.0,
        entropy: Tensor | float = 0.0,
        smoothness: Tensor | float = 0.0,
        ridge: Tensor | float = 0.0,
        group: Tensor | float = 0.0,
    ) -> None:
        """Set the strengths of the penalties of kansym.training.penalties that all results include from now on.

        Args:
            l1, entropy, smoothness, ridge, group: one number for all members, or one each, (E,).
        """
        given = (l1, entropy, smoothness, ridge, group)
        parts = [torch.as_tensor(part, dtype=torch.float64) for part in given]
        self._strengths = torch.stack([part.expand(self.plan.members) for part in parts])
        address, step = self._strengths.data_ptr(), 8 * self.plan.members
        self._penalty = _Penalty(*(address + step * index for index in range(len(given))))
        if not bool(self._strengths.any()):
            self._strengths = None
        self._work.clear()

    def value(self, theta: Tensor, active: Tensor | None = None) -> Tensor:
        """Return error plus penalties, (E,)."""
        return self._evaluate(VALUE, theta, active)[0]

    def errors(self, theta: Tensor, active: Tensor | None = None) -> Tensor:
        """Return the mean squared error without penalties, (E,)."""
        return self._evaluate(ERROR, theta, active)[0]

    def gradient(self, theta: Tensor, active: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return value (E,) and gradient (E, P)."""
        return self._evaluate(GRADIENT, theta, active)[:2]

    def normal_equations(self, theta: Tensor, active: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return value (E,), gradient (E, P) and Gauss-Newton matrix (E, P, P)."""
        return self._evaluate(NORMAL, theta, active)

    def predict(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return the outputs on other rows, (N, D) or (E, N, D): (E, N, T)."""
        return NativeNetwork(self._functions, x, None).outputs(theta)

    def outputs(self, theta: Tensor) -> Tensor:
        """Return the outputs on the rows bound to, (E, N, T)."""
        self._checked(theta)
        work, _ = self._prepared(PREDICT, None)
        out = theta.new_empty(self.plan.members, self._tiles, self.targets, self._tile)
        plan, rows = self._functions.address, self._rows_address
        self._run(PREDICT, plan, rows, work, theta.data_ptr(), None, out.data_ptr(), None)
        return out.transpose(2, 3).flatten(1, 2)[:, : self.rows]

    def on(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> NativeNetwork:
        """Return the same population, with the same penalties, on other rows: cheap, the plan is not read again."""
        other = NativeNetwork(self._functions, x, y, weights)
        other._strengths, other._penalty = self._strengths, self._penalty
        return other

    def adam(
        self,
        theta: Tensor,
        moments: AdamMoments,
        rates: Tensor,
        falls: Tensor,
        active: Tensor | None = None,
        decays: tuple[float, float] = (0.9, 0.999),
    ) -> tuple[Tensor, AdamMoments]:
        """Take full-batch Adam steps, one per entry of `falls`; theta and the moments are changed in place.

        Args:
            theta: (E, P).
            moments: zeros at the start.
            rates: learning rate of every member, (E,).
            falls: factor of the rates at every step, (steps,).
            active: (E,) bool, which members move; None for all.
            decays: of the two moments.

        Returns:
            Value before every step (steps, E), 0 for members that do not move, and the moments.

        Source: Kingma and Ba 2015, algorithm 1.
        """
        for tensor in (theta, moments.first, moments.second):
            self._checked(tensor)
        steps = falls.numel()
        rates = rates.to(torch.float64).expand(self.plan.members).contiguous()
        falls = falls.to(torch.float64).contiguous()
        settings = _Adam(rates.data_ptr(), falls.data_ptr(), steps, moments.age, *decays, 1e-8)
        work, kept = self._prepared(GRADIENT, active)
        values = theta.new_zeros(steps, self.plan.members)
        self._adam(
            self._functions.address, self._rows_address, work, ctypes.addressof(settings), theta.data_ptr(),
            moments.first.data_ptr(), moments.second.data_ptr(), values.data_ptr(),
        )  # fmt: skip
        del kept
        return values, AdamMoments(moments.first, moments.second, moments.age + steps)

    def memory(self, threads: int | None = None) -> int:
        """Return how many bytes the buffers of `gradient` take, first-layer features included."""
        plan = self._functions.address
        one = self._functions("network_scratch_bytes")(plan, self._rows_address, GRADIENT)
        held = sum(tensor.numel() * tensor.element_size() for tensor in self._kept)
        return held + one * (threads or torch.get_num_threads())

    def _evaluate(self, mode: int, theta: Tensor, active: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        self._checked(theta)
        members, size = self._size
        make = theta.new_empty if active is None else theta.new_zeros
        value = make(members)
        gradient = make(members, size) if mode in (GRADIENT, NORMAL) else value
        matrix = make(members, size, size) if mode == NORMAL else value
        work, kept = self._prepared(mode, active)
        self._run(
            mode % ERROR, self._functions.address, self._rows_address, work, theta.data_ptr(), value.data_ptr(),
            gradient.data_ptr() if mode in (GRADIENT, NORMAL) else None, matrix.data_ptr() if mode == NORMAL else None,
        )  # fmt: skip
        del kept
        return value, gradient, matrix

    def _checked(self, theta: Tensor) -> None:
        if theta.shape != self._size or theta.dtype is not self.plan.dtype or not theta.is_contiguous():
            raise ValueError(
                f"parameters are {tuple(theta.shape)} {theta.dtype}, not contiguous {self._size} {self.plan.dtype}"
            )

    def _prepared(self, mode: int, active: Tensor | None) -> tuple[int, Tensor | None]:
        """Return where the buffers of a mode are described, and what must stay alive during the call."""
        threads = torch.get_num_threads()
        found = self._work.get(mode)
        if found is None or found[1] != threads:
            found = self._work[mode] = self._buffers(mode, threads)
        chosen = None if active is None else active.to(torch.uint8).contiguous()
        found[0].active = None if chosen is None else chosen.data_ptr()
        return ctypes.addressof(found[0]), chosen

    def _buffers(self, mode: int, threads: int) -> tuple[_Work, int, list[Tensor]]:
        """Allocate what `threads` threads need."""
        plan, functions = self.plan, self._functions
        used = threads if self._multiplications(mode) >= LEAST_FOR_THREADS else 1
        chunks = self._chunks(used)
        used = min(used, chunks * plan.members)
        scratch = functions("network_scratch_bytes")(functions.address, self._rows_address, mode % ERROR)
        partial = functions("network_partial_bytes")(functions.address, mode % ERROR)
        buffers = [
            torch.empty(used * scratch, dtype=torch.uint8),
            torch.empty(plan.members * chunks * partial if chunks > 1 else 0, dtype=torch.uint8),
        ]
        counted = self._strengths is not None and mode != ERROR
        penalty = ctypes.addressof(self._penalty) if counted else None
        places = [buffer.data_ptr() for buffer in buffers]
        return _Work(places[0], scratch, places[1], partial, used, chunks, None, penalty), threads, buffers

    def _multiplications(self, mode: int) -> int:
        """Estimate the multiplications of a call."""
        size = self.plan.parameters
        per_row = {GRADIENT: 3 * size, NORMAL: size * size // 2}.get(mode, size)
        return self.plan.members * self._tile * self._tiles * per_row

    def _chunks(self, threads: int) -> int:
        """Return into how many parts a member's rows are split so that all threads have as much to do."""
        members = self.plan.members
        return 1 if members >= 8 * threads else min(self._tiles, threads // math.gcd(members, threads))

    def _tiling(self) -> tuple[int, int]:
        """Return the rows of a tile and the number of tiles; rows are filled up to whole blocks of vectors."""
        block = 4 * self._functions.lanes
        tiles = -(-self.rows // TILE[self.plan.dtype])
        parts = self.plan.members * tiles
        threads = torch.get_num_threads()
        if parts % threads and tiles < 8 * threads and self.rows > block * threads:
            tiles = -(-tiles // threads) * threads
        rows = -(-self.rows // tiles)
        tile = -(-rows // block) * block
        return tile, -(-self.rows // tile)

    def _check(self, x: Tensor, y: Tensor | None, weights: Tensor | None) -> int:
        """Check the rows against the plan and return the number of targets."""
        inputs, last = self.plan.layers[0].knots.shape[1], self.plan.layers[-1]
        targets = last.sums + last.products
        fits = x.shape[-1] == inputs and (y is None or (y.shape[-1] == targets and y.shape[-2] == x.shape[-2]))
        fits = fits and (weights is None or weights.shape[-1] == x.shape[-2])
        many = [
            part.shape[0] for part, axes in ((x, 3), (y, 3), (weights, 2)) if part is not None and part.dim() == axes
        ]
        if not fits or any(count != self.plan.members for count in many):
            shapes = [tuple(tensor.shape) for tensor in (x, y, weights) if tensor is not None]
            raise ValueError(f"rows of shapes {shapes} do not fit {inputs} inputs and {targets} targets")
        return targets

    def _bind(self, x: Tensor, y: Tensor | None, weights: Tensor | None) -> None:
        """Lay the rows out tile by tile."""
        dtype = self.plan.dtype
        root = torch.ones(self.rows, dtype=dtype) if weights is None else weights.to(dtype).sqrt()
        x_tiles = self._tiled(x.detach().to(dtype), repeat=True)
        y_tiles = x_tiles if y is None else self._tiled(y.detach().to(dtype))
        root_tiles = self._tiled(root.unsqueeze(-1))
        self._kept += [x_tiles, y_tiles, root_tiles]
        steps = [tiles[0].numel() if tiles.shape[0] > 1 else 0 for tiles in (x_tiles, y_tiles, root_tiles)]
        self._native = _Rows(
            x_tiles.data_ptr(), y_tiles.data_ptr(), root_tiles.data_ptr(), *steps, self._tiles, self._tile,
            self.targets, float(self.rows * self.targets), None, 0,
        )  # fmt: skip

    def _tiled(self, rows: Tensor, repeat: bool = False) -> Tensor:
        """Bring (..., N, C) into tiles (1 or E, tiles, C, tile); added rows repeat the last one or are 0."""
        rows = rows if rows.dim() == 3 else rows.unsqueeze(0)
        added = self._tile * self._tiles - self.rows
        fill = rows[:, -1:].expand(-1, added, -1) if repeat else rows.new_zeros(rows.shape[0], added, rows.shape[2])
        whole = torch.cat([rows, fill], 1) if added else rows
        tiles = whole.unflatten(1, (self._tiles, self._tile)).transpose(2, 3).contiguous()
        # Vectors are read from whole lines; a view of somebody's tensor may begin anywhere.
        return tiles.clone() if tiles.data_ptr() % LINE else tiles

    def _remember_first(self, x: Tensor) -> None:
        """Compute the first layer's features once, where there is memory for that."""
        plan, layer = self.plan, self.plan.layers[0]
        shared = x.dim() == 2 and bool((layer.knots == layer.knots[:1]).all())
        terms = layer.knots.shape[1] * plan.functions(layer)
        one = self._tiles * terms * (self._tile + self._functions.lanes)
        numbers = one if shared else plan.members * one
        if numbers * plan.dtype.itemsize > FIRST_LAYER_BYTES:
            return
        # Blocks of dot products read, and leave unused, up to sixteen rows beyond the last.
        spare = 16 * (self._tile + self._functions.lanes)
        first = torch.empty(numbers + spare, dtype=plan.dtype)
        first[-spare:] = 0
        self._kept.append(first)
        work, _ = self._prepared(VALUE, None)
        self._native.first, self._native.first_step = first.data_ptr(), 0 if shared else one
        self._functions("network_features")(self._functions.address, self._rows_address, work)
        self._work.clear()
