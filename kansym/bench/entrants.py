"""Who takes part in a race."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kansym.bench.jobs import Entrant, Job, kansym_entrants, mlp_entrants, peer_entrants, product_entrants, torch_step
from kansym.bench.peers import Found
from kansym.bench.whole import whole_entrants


def entrants(job: Job, found: Iterable[Found] = (), compiled: bool = False) -> list[Entrant]:
    """Return everybody who can do a job: kansym, perceptrons, peers.

    Args:
        job: the task.
        found: the peers at hand.
        compiled: with everybody once more through torch.compile.
    """
    everyone = [*kansym_entrants(job), *whole_entrants(job), *product_entrants(job), *mlp_entrants(job)]
    everyone += peer_entrants(job, found)
    modules = [each for each in everyone if each.stepper in (None, torch_step)] if compiled else []
    return everyone + [replace(each, name=f"{each.name} + compile", compiled=True) for each in modules]
