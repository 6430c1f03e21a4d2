"""A whole training step of a small network as one CUDA graph: one launch for forward, backward and Adam."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from kansym.kernels.gpu.launch import own_counters

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of the model, targets) -> one number."""


class StaticStep:
    """One step of Adam on memory that stays where it is, recorded once and replayed.

    On a CUDA device the step is recorded as a graph, so that the many small kernels of a tiny network cost one launch;
    on any other device the same operations run one by one. The recording leaves no trace: parameters, buffers and
    moments are as before, and the first call is the first step.

    Args:
        model: its parameters are trained; their shapes, and control flow in the model, must not depend on values.
        loss: what is made small, from outputs and targets.
        x, y: a first batch; every later one has these shapes and types.
        learning_rate: > 0; may be changed between steps.
        betas: decay of the two moments, each in [0, 1).
        warm_up: steps run before the recording, >= 1, so that every kernel is compiled and loaded.

    Raises:
        ValueError: nothing to train, tensors on several devices, or a number out of its range.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015, algorithm 1.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        x: Tensor,
        y: Tensor,
        learning_rate: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        warm_up: int = 3,
    ) -> None:
        if warm_up < 1:
            raise ValueError(f"warm_up is {warm_up}: give at least 1, kernels cannot be compiled while recording")
        self.device = _common_device(model, x, y)
        self._model, self._loss = model, loss
        self._x, self._y = x.detach().clone(), y.detach().clone()
        # The fused optimizer reads the rate from the device, in single precision.
        self._rate = torch.zeros((), dtype=torch.float32, device=self.device)
        self.learning_rate = learning_rate
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        on_device = self.device.type == "cuda"
        self._optimizer = torch.optim.Adam(trained, lr=self._rate, betas=betas, fused=True, capturable=on_device)
        self._graph = self._record(warm_up) if on_device else None

    @property
    def is_recorded(self) -> bool:
        """Whether steps are replays of a graph."""
        return self._graph is not None

    @property
    def learning_rate(self) -> float:
        return float(self._rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError(f"learning_rate is {value}: give a positive number")
        self._rate.fill_(value)

    def __call__(self, x: Tensor | None = None, y: Tensor | None = None) -> Tensor:
        """Take one step, on a new batch where one is given.

        Returns:
            The loss before the step, (); the next step overwrites it.

        Raises:
            ValueError: a batch of another shape or type than the first.
        """
        _refill(self._x, x, "x")
        _refill(self._y, y, "y")
        if self._graph is None:
            return self._run()
        self._graph.replay()
        return self._value

    def _run(self) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        value = self._loss(self._model(self._x), self._y)
        value.backward()
        self._optimizer.step()
        return value.detach()

    def _record(self, warm_up: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        before = _contents(self._model)
        with torch.cuda.device(self.device), own_counters(self.device, stream.cuda_stream) as self._counters:
            with torch.cuda.stream(stream):
                for _ in range(warm_up):
                    self._run()
                self._forget(before)
            torch.cuda.current_stream(self.device).wait_stream(stream)
            with torch.cuda.graph(graph, stream=stream):
                self._value = self._run()
        return graph

    def _forget(self, before: list[Tensor]) -> None:
        """Put back what the warm-up changed, in place: the graph keeps the addresses."""
        with torch.no_grad():
            for now, then in zip(_tensors(self._model), before, strict=True):
                now.copy_(then)
        for state in self._optimizer.state.values():
            for value in state.values():
                value.zero_()


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _contents(model: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in _tensors(model)]


def _common_device(model: nn.Module, *batch: Tensor) -> torch.device:
    """Return the one device of everything.

    Raises:
        ValueError: there are several, or there is nothing to train.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("the model has no parameter that requires a gradient: there is nothing to train")
    devices = {tensor.device for tensor in (*_tensors(model), *batch)}
    if len(devices) > 1:
        names = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"model and batch are on several devices ({names}): move them to one")
    return devices.pop()


def _refill(fixed: Tensor, new: Tensor | None, name: str) -> None:
    if new is None:
        return
    if new.shape != fixed.shape or new.dtype != fixed.dtype:
        raise ValueError(
            f"{name} has shape {tuple(new.shape)} and type {new.dtype}, the first had {tuple(fixed.shape)} and "
            f"{fixed.dtype}: make another step for other batches"
        )
    fixed.copy_(new)
