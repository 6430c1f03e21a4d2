"""kansym's small networks as a trainer runs them: loss, gradient and Adam's update of all members in one call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kansym.bench.engine import LeftOut
from kansym.bench.jobs import ADAM, FUSED_ADAM, LEARNING_RATE, Entrant, Job, kansym_model
from kansym.kernels.compiled import CompiledNetwork
from kansym.kernels.native import status
from kansym.kernels.network import AdamMoments, LayerPlan, PopulationPlan, native_network
from kansym.nn import KAN

# Wider networks are the layers' ground.
MOST_EDGES = 2_000


def whole_entrants(job: Job) -> list[Entrant]:
    """Return kansym's whole-step forms of a job; none where no update is asked for or the network is wide."""
    if job.step not in (ADAM, FUSED_ADAM) or job.shape.edges > MOST_EDGES:
        return []
    forms = {"native": native_step, "compiled": compiled_step, "plain torch": plain_step}
    return [
        Entrant(f"kansym whole step, {form}", lambda: kansym_model(job, "reference"), job, False, step)
        for form, step in forms.items()
    ]


@dataclass
class WholeStep:
    """A training at some point: calling it takes one step; `theta` are the parameters then, (E, P)."""

    advance: Callable[[Tensor, AdamMoments], tuple[Tensor, AdamMoments]]
    theta: Tensor
    moments: AdamMoments

    def __call__(self) -> None:
        self.theta, self.moments = self.advance(self.theta, self.moments)


def native_step(model: nn.Module, job: Job) -> WholeStep:
    """Return one step of the native kernel; raise LeftOut where there is none."""
    network = native_network(plan_of(model), *job.data())
    if network is None:
        raise LeftOut(f"not available: {status('network')}")
    rates, falls = torch.full((job.members,), LEARNING_RATE), torch.ones(1)
    # The kernel changes theta in place.
    return _begun(model, lambda theta, moments: (theta, network.adam(theta, moments, rates, falls)[1]))


def compiled_step(model: nn.Module, job: Job) -> WholeStep:
    """Return one step of the plain torch function that the compiler made one graph of."""
    return _torch_step(model, job, True)


def plain_step(model: nn.Module, job: Job) -> WholeStep:
    """Return one step of the same function without the compiler."""
    return _torch_step(model, job, False)


def _torch_step(model: nn.Module, job: Job, compiled: bool) -> WholeStep:
    network = CompiledNetwork(plan_of(model), *job.data(), compiled=compiled)
    rates, falls = torch.full((job.members,), LEARNING_RATE, device=job.device), torch.ones(1)
    return _begun(model, lambda theta, moments: network.adam(theta, moments, rates, falls)[1:])


def _begun(model: nn.Module, advance: Callable[[Tensor, AdamMoments], tuple[Tensor, AdamMoments]]) -> WholeStep:
    theta = parameters_of(model)
    return WholeStep(advance, theta, AdamMoments(torch.zeros_like(theta), torch.zeros_like(theta)))


def plan_of(model: nn.Module) -> PopulationPlan:
    """Return a spline network without product nodes as the kernels take it."""
    assert isinstance(model, KAN)
    options = model.options.layer
    if options.basis != "bspline":
        raise LeftOut(f"not available for the basis {options.basis}")
    layers = tuple(LayerPlan(layer.grid.detach(), layer.outputs) for layer in model.stack)
    return PopulationPlan(layers, options.degree, options.base, model.options.arity)


def parameters_of(model: nn.Module) -> Tensor:
    """Return all weights as the kernels order them, (E, P): layer by layer, edge by edge, the base activation last."""
    assert isinstance(model, KAN)
    return torch.cat([layer.weights().detach().flatten(1) for layer in model.stack], 1).contiguous()
