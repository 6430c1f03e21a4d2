"""What every contestant is asked to do: a network of given widths, rows to learn from, and what counts as one step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from kansym.bench.engine import Contestant, Step
from kansym.bench.peers import Found, Shape
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.nn.paths import PATHS

# What one step is: the outputs alone, the loss and all its gradients, that and an update by Adam as torch's users get
# it, or by the variant of Adam that updates everything in one loop.
BACKWARD, ADAM, FUSED_ADAM = "forward + backward", "Adam step", "fused Adam step"
FORWARD = "forward"
# A Python loop over more models than this is not run.
MOST_IN_A_LOOP = 100
LEARNING_RATE = 1e-3


_CASTS = {"float64": nn.Module.double, "float32": nn.Module.float, "bfloat16": nn.Module.bfloat16}


@dataclass(frozen=True)
class Job:
    """One task.

    Args:
        shape: of the network.
        rows: N.
        step: FORWARD, BACKWARD, ADAM or FUSED_ADAM.
        members: networks that learn the same rows, each for itself.
        dtype: "float32", "float64" or "bfloat16".
        device: "cpu" or a CUDA device.
    """

    shape: Shape
    rows: int
    step: str = BACKWARD
    members: int = 1
    dtype: str = "float32"
    device: str = "cpu"

    def data(self) -> tuple[Tensor, Tensor]:
        """Return inputs (N, D) in [-1, 1] and targets (N, T), the same ones for everybody."""
        generator = torch.Generator().manual_seed(0)
        x = 2 * torch.rand(self.rows, self.shape.widths[0], generator=generator, dtype=torch.float64) - 1
        y = torch.randn(self.rows, self.shape.widths[-1], generator=generator, dtype=torch.float64)
        return self.place(x), self.place(y)

    @property
    def title(self) -> str:
        """What is done, in words."""
        networks = f"{self.members:,} networks " if self.members > 1 else ""
        degree = {1: "linear", 3: "cubic"}.get(self.shape.degree, f"degree {self.shape.degree}")
        kind = f"G = {self.shape.intervals}, {degree}, {self.dtype}"
        return f"{networks}{list(self.shape.widths)}, {self.rows:,} rows, {kind}: {self.step}"

    def place(self, tensor: Tensor) -> Tensor:
        """Return a tensor in the job's dtype, on its device."""
        return tensor.to(device=self.device, dtype=getattr(torch, self.dtype))


@dataclass
class Entrant:
    """A model that takes part, made when its turn comes.

    Args:
        name: what tables call it.
        build: makes the model, or a list of models that train one after the other.
        job: what it does.
        compiled: run the model through torch.compile.
        stepper: makes the step from (model, job); the usual loss, backward and update if left out.
    """

    name: str
    build: Callable[[], nn.Module]
    job: Job
    compiled: bool = False
    stepper: Callable[[nn.Module, Job], Step] | None = None
    _model: nn.Module | None = field(default=None, init=False)

    def contestant(self) -> Contestant:
        """Return what the race needs of it."""
        return Contestant(self.name, self.make, self.parameters)

    def parameters(self) -> int:
        """Return how many numbers the steps so far have trained; before the first one, how many may be trained."""
        may = [each for each in self._model.parameters() if each.requires_grad] if self._model is not None else []
        return sum(each.numel() for each in [each for each in may if each.grad is not None] or may)

    def make(self) -> Step:
        """Build the model and return its step."""
        torch.manual_seed(0)
        # Two steps: pykan's own `to` takes a device and nothing else.
        model = _CASTS[self.job.dtype](self.build().to(self.job.device))
        self._model = model
        if self.compiled:
            model.compile()
        return (self.stepper or torch_step)(model, self.job)


def torch_step(model: nn.Module, job: Job) -> Step:
    """Return one step of a model as torch's users write it."""
    x, y = job.data()
    return step_on(model, x, y, job.step)


def step_on(model: nn.Module, x: Tensor, y: Tensor, step: str) -> Step:
    """Return one step on rows x (N, D), y (N, T); outputs may have leading axes that y then gets as well."""
    with torch.no_grad():
        y = y.expand(model(x).shape).contiguous()
    trained = [each for each in model.parameters() if each.requires_grad]
    update = _adam(trained, step).step if step in (ADAM, FUSED_ADAM) else None
    if step == FORWARD:
        return torch.no_grad()(lambda: model(x))

    def one() -> None:
        for each in trained:
            each.grad = None
        # The mean over members too: Adam does not see the scale, and the gradients' cost is the same.
        nn.functional.mse_loss(model(x), y).backward()
        if update is not None:
            update()

    return one


def _adam(trained: list[Any], step: str) -> torch.optim.Optimizer:
    return torch.optim.Adam(trained, lr=LEARNING_RATE, fused=True if step == FUSED_ADAM else None)


def one_by_one(model: nn.Module, job: Job) -> Step:
    """Return one step of every model of a ModuleList, in a Python loop."""
    x, y = job.data()
    steps = [step_on(each, x, y, job.step) for each in model.children()]

    def all_of_them() -> None:
        for step in steps:
            step()

    return all_of_them


class SideBySide:
    """One step of every model of a ModuleList by torch.func.vmap over their stacked parameters, `trained`."""

    def __init__(self, model: nn.Module, job: Job) -> None:
        self._rows = job.data()
        models = list(model.children())
        self._shell = models[0]
        stacked, buffers = torch.func.stack_module_state(models)
        self.trained = {name: value for name, value in stacked.items() if value.requires_grad}
        self._fixed = {name: value.detach() for name, value in stacked.items() if name not in self.trained} | buffers
        self._gradients = torch.func.vmap(torch.func.grad(self._loss), randomness="different")
        self._update = _adam(list(self.trained.values()), job.step)

    def __call__(self) -> None:
        found = self._gradients({name: value.detach() for name, value in self.trained.items()}, self._fixed)
        for name, value in self.trained.items():
            value.grad = found[name]
        self._update.step()

    def _loss(self, trained: dict[str, Tensor], fixed: dict[str, Tensor]) -> Tensor:
        x, y = self._rows
        return nn.functional.mse_loss(torch.func.functional_call(self._shell, (trained, fixed), (x,)), y)


def layer_options(shape: Shape, path: str = "auto") -> LayerOptions:
    """Return kansym's options for a shape, evaluated along a path of `LayerOptions.path`."""
    basis = "linear" if shape.degree == 1 else "bspline"
    return LayerOptions(intervals=shape.intervals, degree=shape.degree, basis=basis, path=path)


def kansym_model(job: Job, path: str = "auto") -> KAN:
    """Return kansym's network for a job."""
    options = KANOptions(layer_options(job.shape, path), dtype=job.dtype)
    return KAN(job.shape.widths, job.members, job.shape.seed, options)


def kansym_entrants(job: Job) -> list[Entrant]:
    """Return kansym along every path for the device; one that cannot serve the job says so in its row."""
    names = ["auto", *paths_on(job.device)]
    return [Entrant(f"kansym {path}", lambda path=path: kansym_model(job, path), job) for path in names]


def paths_on(device: str) -> list[str]:
    """Return the names of the paths that are made for a device."""
    others = ("native",) if device.startswith("cuda") else ("gpu",)
    return [name for name in PATHS.names() if name not in others]


def mlp(widths: Iterable[int]) -> nn.Sequential:
    """Return a perceptron with SiLU between its layers."""
    steps: list[nn.Module] = []
    for before, after in pairwise(widths):
        steps += [nn.Linear(before, after), nn.SiLU()]
    return nn.Sequential(*steps[:-1])


def equal_widths(shape: Shape) -> list[int]:
    """Return widths of a perceptron with about as many parameters as kansym's network of that shape.

    The hidden layers grow in proportion; a network without any gets one.
    """
    wanted = shape.edges * (shape.functions + 1)
    hidden = shape.widths[1:-1] or (1,)
    low, high = 1, wanted
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _size(_scaled(shape, hidden, middle)) <= wanted else (low, middle - 1)
    return _scaled(shape, hidden, low)


def _scaled(shape: Shape, hidden: tuple[int, ...], first: int) -> list[int]:
    """Return the widths whose first hidden layer has `first` nodes."""
    return [shape.widths[0], *(max(1, round(width * first / hidden[0])) for width in hidden), shape.widths[-1]]


def _size(widths: list[int]) -> int:
    return sum((before + 1) * after for before, after in pairwise(widths))


def product_entrants(job: Job) -> list[Entrant]:
    """Return the matrix products alone that a dense form of the network cannot do without: the machine's limit."""

    def step(model: nn.Module, job: Job) -> Step:
        layers = [(each.detach(), job.place(torch.randn(job.rows, each.shape[0]))) for each in model.parameters()]
        slopes = [job.place(torch.randn(job.rows, weight.shape[1])) for weight, _ in layers]

        def products() -> None:
            for (weight, features), slope in zip(layers, slopes, strict=True):
                torch.mm(features, weight)
                if job.step != FORWARD:
                    torch.mm(slope, weight.mT)
                    torch.mm(features.mT, slope)

        return products

    def weights() -> nn.Module:
        functions = job.shape.functions + 1
        return nn.ParameterList(torch.randn(before * functions, after) for before, after in pairwise(job.shape.widths))

    return [Entrant("matrix products alone", weights, job, False, step)] if job.members == 1 else []


def peer_entrants(job: Job, found: Iterable[Found]) -> list[Entrant]:
    """Return the peers that were found; one that is too slow for the job says so in its row."""
    usable = [each for each in found if each.module is not None]
    ways = _ways(job)
    return [
        Entrant(each.peer.name + suffix, _builder(each, job, many), job, False, stepper)
        for each in usable
        for suffix, many, stepper in ways
    ]


def _ways(job: Job) -> list[tuple[str, bool, Callable[[nn.Module, Job], Step]]]:
    if job.members == 1:
        return [("", False, torch_step)]
    loop = [(", loop", True, one_by_one)] if job.members <= MOST_IN_A_LOOP else []
    return [*loop, (", vmap", True, SideBySide)]


def _builder(found: Found, job: Job, many: bool) -> Callable[[], nn.Module]:
    def one() -> nn.Module:
        return found.build(job.shape)

    return (lambda: nn.ModuleList(one() for _ in range(job.members))) if many else one


def mlp_entrants(job: Job) -> list[Entrant]:
    """Return perceptrons of the same widths and of the same number of parameters."""
    kinds = {"MLP, same widths": list(job.shape.widths), "MLP, same parameters": equal_widths(job.shape)}
    return [
        Entrant(name + suffix, _many_mlps(widths, job.members if many else 0), job, False, stepper)
        for name, widths in kinds.items()
        for suffix, many, stepper in _ways(job)
    ]


def _many_mlps(widths: list[int], members: int) -> Callable[[], nn.Module]:
    return lambda: nn.ModuleList(mlp(widths) for _ in range(members)) if members else mlp(widths)
