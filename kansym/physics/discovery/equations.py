"""From trajectories to ordinary differential equations, one stage after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kansym.budget import Budget
from kansym.config import Config
from kansym.events import Listener, Note, StageFinished, StageStarted, ignore
from kansym.physics.discovery.candidates import Candidate, best_of, from_library
from kansym.physics.discovery.choosing import AT_NOISE, Judge, Model, at_noise, chosen, with_exact_numbers
from kansym.physics.discovery.forms import Form, form_of
from kansym.physics.discovery.found import NOT_EXACT, Curve, Discovery, Equation, constants_of, rate_names, rate_unit
from kansym.physics.discovery.free_form import quietly, searched
from kansym.physics.discovery.libraries import LIBRARIES, own_library
from kansym.physics.discovery.network import Followed, followed, network_paths
from kansym.physics.discovery.rates import Rates
from kansym.physics.discovery.settings import Settings
from kansym.physics.discovery.shooting import CLEAN, cut, noise_of
from kansym.physics.discovery.simulating import simulate
from kansym.physics.discovery.smoothing import SmoothPath, smooth_paths
from kansym.physics.discovery.trajectories import Trajectories
from kansym.symbolic.expression import Expression
from kansym.threads import one_thread

Array = np.ndarray
POOL = 8
LIBRARY_SHARE = 0.45
TERMS_TO_DOUBT = 4  # of functions: sums of so many imitate any smooth curve
DENSE = 400
SEARCH_SHARE = 0.85  # of what is left, with its fits: the rest is the network's
LEAST_SECONDS = 1.0
NETWORK_SECONDS = 5.0  # that a network's first fit may take
NETWORK_SHARE = 0.5  # of what is left: for the network, then for its formulas
BETTER = 0.5  # times the formulas' mean square: a network that leaves no less is not worth telling


@dataclass
class _Clock:
    """Tells the stages, and adds up their seconds."""

    listen: Listener
    seconds: dict[str, float] = field(default_factory=dict)

    def finished(self, stage: str, started: float, summary: str) -> None:
        taken = time.monotonic() - started
        self.seconds[stage] = self.seconds.get(stage, 0.0) + taken
        self.listen(StageFinished(stage, taken, summary))

    def begin(self, stage: str, detail: str = "") -> float:
        self.listen(StageStarted(stage, detail))
        return time.monotonic()


@one_thread()
def find_equations(
    data: Trajectories, settings: Settings | None = None, on_event: Listener = ignore, budget: Budget | None = None
) -> Discovery:
    """Find the ordinary differential equations that trajectories obey.

    Args:
        data: one trajectory or more.
        settings: choices; the defaults are meant to be good.
        on_event: receives typed events.
        budget: a running time limit to share; a new one of `settings.time_limit` otherwise.

    Returns:
        One equation for each state, its constants fitted to the trajectories themselves, with standard errors.
    """
    settings = settings or Settings()
    budget = budget or Budget(settings.time_limit)
    clock = _Clock(on_event)
    started = clock.begin("smooth", f"{data.samples} samples")
    paths = smooth_paths(data)
    noise = _noise(data, paths, settings)
    shares = ", ".join(f"{name} {100 * s:.2g} %" for name, s in zip(data.names, noise / data.size, strict=True))
    clock.finished("smooth", started, f"noise {shares}")
    form = form_of(data, paths, settings.form)
    judge = Judge(data, cut(data, paths, noise), budget.part(LIBRARY_SHARE * budget.remaining))
    pools, model, judge = _by_libraries(form, data, settings, judge, clock)
    judge.budget = budget
    if settings.search and not budget.expired and (doubted := _doubted(model, judge)):
        pools, model, judge = _by_search(pools, model, judge, paths, form, settings, clock, doubted)
    network = None
    if settings.search and not at_noise(model, judge) and budget.remaining > NETWORK_SECONDS:
        network, model, judge = _by_network(pools, model, judge, paths, form, settings, clock)
    started = clock.begin("constants")
    model = with_exact_numbers(model, judge)
    clock.finished("constants", started, "; ".join(equation.text(5) for equation in _equations(model, data)))
    return _discovery(model, judge, network, budget, clock)


def _noise(data: Trajectories, paths: Sequence[SmoothPath], settings: Settings) -> Array:
    estimated = noise_of(data, paths)
    return estimated if settings.noise is None else np.maximum(settings.noise * data.size, CLEAN * data.size)


def _by_libraries(
    form: Form, data: Trajectories, settings: Settings, judge: Judge, clock: _Clock
) -> tuple[list[list[Candidate]], Model, Judge]:
    started = clock.begin("libraries", ", ".join(settings.libraries))
    chosen_libraries = {name: LIBRARIES.get(name) for name in settings.libraries}
    if settings.primitives:
        chosen_libraries["primitives"] = own_library(settings.primitives)
    pools = []
    for state in range(data.dimension):
        groups = [from_library(form, state, terms, name) for name, terms in chosen_libraries.items()]
        pools.append(best_of(groups, POOL) or [Candidate(_mean(form, state), 1.0, "constant", 0.0)])
    judge, model = chosen(pools, judge)
    clock.finished("libraries", started, _standing(model))
    return pools, model, judge


def _mean(form: Form, state: int) -> Expression:
    from kansym.symbolic.expression import Constant

    return Constant(float(form.target[:, state].mean()))


def _standing(model: Model) -> str:
    return f"chi2 {model.shot.chi2:.3g}" if np.isfinite(model.length) else "no solution follows the samples"


def _doubted(model: Model, judge: Judge) -> list[int]:
    """The states whose right-hand side is to be searched for: all when noise is not reached, or long sums of
    functions."""
    if not at_noise(model, judge):
        return list(range(judge.data.dimension))
    long = [len(formula.children) >= TERMS_TO_DOUBT for formula in model.formulas]
    return [i for i, origin in enumerate(model.origins) if long[i] and origin in ("everyday", "trigonometric")]


def _by_search(
    pools: list[list[Candidate]], model: Model, judge: Judge, paths: Sequence[SmoothPath], form: Form,
    settings: Settings, clock: _Clock, doubted: list[int],
) -> tuple[list[list[Candidate]], Model, Judge]:  # fmt: skip
    started = clock.begin("search", "right-hand sides of any form")
    budget, pools = judge.budget, list(pools)
    judge.budget = budget.part(SEARCH_SHARE * budget.remaining)
    doubted = sorted(doubted, key=lambda state: -pools[state][0].error)
    for place, state in enumerate(doubted):
        share = 0.7 * budget.remaining / (len(doubted) - place)
        if share < 1.0:
            break
        config = Config(seed=settings.seed, time_limit=share, without=("network", "simplification"))
        found = searched(judge.data, paths, form, state, config, budget, quietly(clock.listen))
        pools[state] = best_of([pools[state], found], POOL + 2)
    judge, model = chosen(pools, judge, model)
    judge.budget = budget
    clock.finished("search", started, _standing(model))
    return pools, model, judge


def _by_network(
    pools: list[list[Candidate]], model: Model, judge: Judge, paths: Sequence[SmoothPath], form: Form,
    settings: Settings, clock: _Clock,
) -> tuple[Followed, Model, Judge]:  # fmt: skip
    """A KAN as right-hand side, and formulas for its rates: networks pruned and matched, and the search."""
    started = clock.begin("network", "right-hand sides without a formula")
    budget, data, pools = judge.budget, judge.data, list(pools)
    network = followed(data, paths, judge.pieces, budget.part(NETWORK_SHARE * budget.remaining), settings.seed)
    smooth = network_paths(network, paths)
    for state in range(data.dimension):
        share = NETWORK_SHARE * budget.remaining / (data.dimension - state)
        if share < LEAST_SECONDS:
            break
        config = Config(seed=settings.seed, time_limit=share, without=("simplification",))
        found = searched(data, smooth, form, state, config, budget, quietly(clock.listen))
        pools[state] = best_of([pools[state], [replace(each, origin="network") for each in found]], POOL + 2)
    if not budget.expired:
        judge, model = chosen(pools, judge, model)
    clock.finished("network", started, f"network chi2 {network.shot.chi2:.3g}, formulas {_standing(model)}")
    return network, model, judge


def _equations(model: Model, data: Trajectories) -> tuple[Equation, ...]:
    found, at = [], 0
    for state, formula in enumerate(model.formulas):
        count = len(formula.free_constants)
        left, left_latex = rate_names(data.names[state], data.time)
        found.append(
            Equation(
                left, left_latex, formula, data.names, constants_of(formula, model.shot.errors[at : at + count]),
                float(model.shot.misfit[state]), model.origins[state],
                rate_unit(data.units[state], data.time_unit), data.units,
            )
        )  # fmt: skip
        at += count
    return tuple(found)


def _discovery(model: Model, judge: Judge, network: Followed | None, budget: Budget, clock: _Clock) -> Discovery:
    data = judge.data
    exact = at_noise(model, judge)
    firsts = np.cumsum([0, *[_pieces_of(part.times, judge) for part in data.parts[:-1]]])
    starts = tuple(model.shot.starts[first] for first in firsts)
    stop = "interrupted" if budget.interrupted else "time limit" if budget.expired and not exact else "finished"
    notes = data.notes if exact else (*data.notes, NOT_EXACT)
    noise = dict(zip(data.names, np.where(exact, model.shot.misfit, judge.pieces.noise).tolist(), strict=True))
    facts = {"chi2": model.shot.chi2, "samples": float(data.samples), **clock.seconds}
    rates: Sequence[Expression] | Rates = model.formulas
    if network is not None and not exact and (told := _of_network(network, model)):
        rates, notes, facts = network.rates, (*notes, told), facts | {"network chi2": network.shot.chi2}
        starts = tuple(network.shot.starts[first] for first in firsts)
    curves = _curves(rates, data, starts)
    found = Discovery("ode", _equations(model, data), exact, noise, starts, curves, stop, data.source, facts, notes,
                      network.rates if network is not None and rates is network.rates else None)  # fmt: skip
    for note in found.notes[len(data.notes) :]:
        clock.listen(Note(note))
    return replace(found)


def _pieces_of(times: Array, judge: Judge) -> int:
    length = judge.pieces.times.shape[1] - 1
    return len(range(0, len(times) - 1, length))


def _of_network(network: Followed, model: Model) -> str:
    """What a network explains that the formulas do not; nothing where it does not follow the samples better."""
    chi2, gap = network.shot.chi2, network.shot.gap
    if not (chi2 < BETTER * model.shot.chi2 or not np.isfinite(model.length)) or not gap <= max(1.0, chi2**0.5):
        return ""
    reached = "follows the samples to the noise" if chi2 <= AT_NOISE else f"leaves {chi2**0.5:.3g} times the noise"
    return (
        f"no formula was found that does better, but a network of {len(network.rates.start)} numbers {reached}: "
        "the curves are its solution, and its rates are `network` of the result"
    )


def _curves(rates: Sequence[Expression] | Rates, data: Trajectories, starts: Sequence[Array]) -> tuple[Curve, ...]:
    """Samples beside the one solution from every trajectory's first state."""
    curves = []
    largest = np.nanmax(np.abs(np.concatenate([part.states for part in data.parts])), axis=0)
    for number, (part, start) in enumerate(zip(data.parts, starts, strict=True), 1):
        dense = np.linspace(part.times[0], part.times[-1], DENSE)
        solution = simulate(rates, start, dense, largest)
        for state, name in enumerate(data.names):
            curves.append(Curve(name, number, part.times, part.states[:, state], dense, solution[:, state]))
    return tuple(curves)
