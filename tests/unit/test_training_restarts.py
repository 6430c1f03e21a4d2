"""Starts from data, waves of restarts, the choice of the method, and grids with room."""

import math

import pytest
import torch
from torch import Tensor

from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import RestartConfig, Stage, TrainConfig, choose, train, train_with_restarts
from kansym.training.choice import MOST_FOR_FULL_BATCH, MOST_FOR_NEWTON
from kansym.training.grids import fit_grids
from kansym.training.objective import Objective, Rows
from kansym.training.optimizers import LevenbergMarquardt, Polished
from kansym.training.penalties import Penalty
from kansym.training.starts import Recipe, directions, start_from_data, start_from_slopes


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def inputs(columns: int, count: int = 500, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, columns, generator=generator, dtype=torch.float64) - 1


def standardised(y: Tensor) -> Tensor:
    return ((y - y.mean()) / y.std()).unsqueeze(-1)


def rows_of(x: Tensor, y: Tensor) -> Rows:
    return Rows(x, y, torch.ones_like(x[:, 0]))


def test_the_directions_of_a_product_are_sum_and_difference() -> None:
    x = inputs(2, 2000)
    found = directions(x, (x[:, :1] * x[:, 1:]), 2).abs()
    torch.testing.assert_close(found, torch.full((2, 2), 0.5**0.5, dtype=torch.float64), rtol=0.1, atol=0)


def test_the_directions_of_a_distance_are_its_two_differences() -> None:
    x = inputs(4, 3000)
    distance = ((x[:, 0] - x[:, 1]) ** 2 + (x[:, 2] - x[:, 3]) ** 2).sqrt().unsqueeze(-1)
    found = directions(x, distance, 2).abs()
    pairs = sorted(tuple((column > 0.5).tolist()) for column in found.T)
    assert pairs == [(False, False, True, True), (True, True, False, False)]


@pytest.mark.parametrize("kind", ["additive", "directions", "noise"])
def test_a_start_from_data_is_repeatable_and_keeps_masked_edges_silent(kind: str) -> None:
    x = inputs(3)
    model = KAN([3, 2, 2], 2)
    model.stack[0].mask[1, 2, 0] = False
    model.stack[1].mask[0, 1, 1] = False
    rows = rows_of(x, torch.cat([x[:, :1] * x[:, 1:2], x[:, 2:]], 1))
    first, second = (start_from_data(model, rows, 7, (Recipe(kind, 0.1),) * 2) for _ in range(2))
    assert all(torch.equal(first.tensors()[name], part) for name, part in second.tensors().items())
    samples = first.edge_samples(x)
    assert (samples.layers[0].outputs[1, :, 2, 0] == 0).all() and (samples.layers[1].outputs[0, :, 1, 1] == 0).all()
    assert first(x).isfinite().all()


def test_an_additive_start_is_near_an_additive_law_before_any_step() -> None:
    x = inputs(2)
    y = standardised(torch.exp(x[:, 0]) + x[:, 1] ** 2)
    model = start_from_data(KAN([2, 1, 1], 1), rows_of(x, y), 0, (Recipe("additive", 0.0),))
    assert float((model(x).detach()[0] - y).square().mean()) < 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_restarts_reach_a_ten_billionth_on_a_ratio_of_products(seed: int) -> None:
    x = inputs(4, 1000, seed)
    y = standardised((x[:, 0] + 1.5) * (x[:, 1] + 1.5) / ((x[:, 2] + 2) * (x[:, 3] + 2)))
    config = RestartConfig(goal=1e-10, validation=0.0, seed=seed)
    outcome = train_with_restarts([4, 1, 1], x, y, config=config)
    assert outcome.reason == "goal" and outcome.validation <= 1e-10
    assert float((outcome.model(x).detach()[0] - y).square().mean()) < 1.1e-10


def test_restarts_reach_a_product_on_rows_they_never_saw_and_repeat_bit_by_bit() -> None:
    x = inputs(2, 1500)
    y = standardised(x[:, 0] * x[:, 1])
    first, second = (
        train_with_restarts([2, 2, 1], x[:1000], y[:1000], config=RestartConfig(goal=1e-9)) for _ in range(2)
    )
    assert float((first.model(x[1000:]).detach()[0] - y[1000:]).square().mean().sqrt()) < 1e-4
    assert all(torch.equal(first.model.tensors()[name], part) for name, part in second.model.tensors().items())


def test_restarts_end_after_their_waves_and_say_so() -> None:
    x = inputs(2, 200)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 1, generator=generator, dtype=torch.float64)
    config = RestartConfig(waves=(2, 3), stages=(Stage(3, 2, 1, 2, 0.5, 50), Stage(5, 2)))
    outcome = train_with_restarts([2, 1, 1], x, noise, config=config)
    assert outcome.reason == "waves" and outcome.started == 5
    assert outcome.model.members == 1 and outcome.model.stack[0].basis.intervals in (3, 5)


def test_grids_have_room_beyond_what_hidden_nodes_saw_and_functions_stay() -> None:
    x, model = inputs(2), KAN([2, 2, 1], 2, 3, KANOptions(LayerOptions(intervals=8)))
    fitted = fit_grids(model, x, 0.5, 0.1)
    seen = fitted.edge_samples(x).layers[1].inputs
    low, high = fitted.stack[1].basis.domain
    assert ((seen.amin(1) - low) > 0.08 * (high - low) / 1.2).all()
    assert ((high - seen.amax(1)) > 0.08 * (high - low) / 1.2).all()


def test_settling_finds_the_least_value_over_the_last_layer() -> None:
    x = inputs(2)
    y = torch.cat([standardised(x[:, 0] * x[:, 1]), standardised(x[:, 0] ** 2)], 1)
    model = KAN([2, (2, 1), 2], 3)
    model.stack[1].mask[1, 0, 1] = False
    loss = Objective(model, rows_of(x, y), Penalty(ridge=1e-6, smoothness=1e-5, base=True))
    settled = loss.settle(loss.start)
    first = sum(loss.packing.sizes[:-1])
    assert torch.equal(settled[:, :first], loss.start[:, :first])
    assert (loss.value(settled) < loss.value(loss.start)).all()
    assert float(loss.gradient(settled)[1][:, first:].abs().max()) < 1e-7


@pytest.mark.parametrize("native", ["0", "1"])
def test_projection_needs_fewer_steps(native: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANSYM_NATIVE", native)
    x = inputs(2, 300)
    y = standardised(torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2))
    start = start_from_data(KAN([2, 1, 1], 2), rows_of(x, y), 0)
    values = []
    for project in (False, True):
        method, loss = LevenbergMarquardt(project=project), Objective(start, rows_of(x, y), Penalty(ridge=1e-12))
        state = method.begin(loss)
        for _ in range(3):
            state = method.step(loss, state)
        values.append(float(state.value.min()))
    assert values[1] < values[0]


def test_a_polished_run_ends_with_second_order_steps() -> None:
    x = inputs(2, 300)
    y = standardised(torch.sin(2 * x[:, 0]) + x[:, 1] ** 2)
    loss = Objective(KAN([2, 2, 1], 2), rows_of(x, y), Penalty(ridge=1e-10))
    method = Polished(most=40)
    state = method.begin(loss)
    kinds = []
    for _ in range(12):
        state = method.step(loss, state)
        kinds.append(type(state).__name__)
    assert kinds[0] == "QuickState" and kinds[-1] == "DampedState"
    assert float(state.value.max()) < 1e-3


@pytest.mark.parametrize(
    ("widths", "rows", "expected"),
    [
        ((2, 1, 1), 1000, "levenberg_marquardt"),
        ((40, 40, 1), 1000, "lbfgs"),
        ((2, 1, 1), MOST_FOR_FULL_BATCH + 1, "adam"),
    ],
)
def test_the_choice_of_the_method_follows_size_and_rows_and_says_why(
    widths: tuple[int, ...], rows: int, expected: str
) -> None:
    choice = choose(KAN(widths), rows)
    assert choice.name == expected
    assert f"{rows:,} rows" in choice.why and "parameters" in choice.why


def test_the_outcome_of_training_names_its_method_and_the_reason() -> None:
    x = inputs(2, 100)
    chosen = train(KAN([2, 1, 1]), x, x[:, :1], config=TrainConfig(steps=3))
    asked = train(KAN([2, 1, 1]), x, x[:, :1], config=TrainConfig("lbfgs", steps=3))
    assert chosen.optimizer == "levenberg_marquardt" and str(MOST_FOR_NEWTON) in chosen.why
    assert asked.optimizer == "lbfgs" and "asked for" in asked.why


def test_members_that_stand_still_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x = inputs(2, 200)
    y = torch.stack([x[:, :1], torch.sin(4 * x[:, :1]) * x[:, 1:], torch.cos(4 * x[:, :1] * x[:, 1:])])
    sizes: list[int] = []
    honest = LevenbergMarquardt.step

    def counted(self, objective, state):
        sizes.append(len(state.theta))
        return honest(self, objective, state)

    monkeypatch.setattr(LevenbergMarquardt, "step", counted)
    config = TrainConfig("levenberg_marquardt", steps=40, grid_updates=0, patience=3, tolerance=0.2)
    outcome = train(KAN([2, 2, 1], 3), x, y, config=config)
    assert sizes[0] == 3 and min(sizes) < 3
    predicted = outcome.model(x).detach()
    assert float((predicted[0] - y[0]).square().mean()) < 1e-6


def test_slopes_give_a_start_where_noise_finds_only_local_minima() -> None:
    x = inputs(2, 600)
    scaled = x * torch.tensor([2.5, 2.0]).double()
    inner = scaled[:, 0] ** 2 + scaled[:, 1]
    y = standardised(torch.cos(inner))
    slopes = torch.stack([-2.5 * torch.sin(inner) * 2 * scaled[:, 0], -2.0 * torch.sin(inner)], 1)
    empty = KAN([2, 1, 1], 2, 0, KANOptions(LayerOptions(intervals=10)))
    begun = start_from_slopes(empty, rows_of(x, y), slopes)
    assert float((begun(x).detach()[0] - y).square().mean()) < 1e-3
    outcome = train(begun, x, y, config=TrainConfig("levenberg_marquardt", steps=20, refine=(20,)))
    assert outcome.losses[outcome.best][1] < 1e-6


def test_slopes_need_a_network_of_one_hidden_unit() -> None:
    x = inputs(2, 50)
    with pytest.raises(ValueError, match="widths"):
        start_from_slopes(KAN([2, 2, 1]), rows_of(x, x[:, :1]), x)
