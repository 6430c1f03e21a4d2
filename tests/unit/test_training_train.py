"""Training end to end on small problems: it learns, keeps its best, stops when it should, and repeats bit by bit."""

import math

import pytest
import torch
from torch import Tensor

from kansym.errors import ConfigError
from kansym.events import Event, Progress
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import TrainConfig, train
from kansym.training.optimizers import OPTIMIZERS, LevenbergMarquardt


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(count: int = 400, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(11)
    x = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
    y = torch.exp(torch.sin(math.pi * x[:, 0]) + x[:, 1] ** 2)
    y = (y - y.mean()) / y.std()
    return x, y + noise * torch.randn(count, generator=generator, dtype=torch.float64)


def error(model: KAN, x: Tensor, y: Tensor) -> Tensor:
    return (model(x).detach()[..., 0] - y).square().mean(1).sqrt()


def test_levenberg_marquardt_reaches_a_ten_thousandth_on_rows_it_never_saw() -> None:
    x, y = table(1500)
    config = TrainConfig("levenberg_marquardt", steps=90, refine=(10, 20), noise_floor=2e-10)
    outcome = train(KAN([2, 3, 1], 6), x[:1200], y[:1200], config=config)
    assert float(error(outcome.model.member(outcome.best), x[1200:], y[1200:])) < 1e-4
    assert "noise_floor" in outcome.reasons


@pytest.mark.parametrize(("name", "steps", "goal"), [("lbfgs", 80, 0.06), ("adam", 150, 0.3)])
def test_first_order_methods_learn_too(name: str, steps: int, goal: float) -> None:
    x, y = table()
    outcome = train(KAN([2, 3, 1], 3), x, y, config=TrainConfig(name, steps=steps))
    assert math.sqrt(outcome.losses[outcome.best][1]) < goal


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    x, y = table(150)
    config = TrainConfig(name, steps=12, grid_every=3, batch_size=40, l1=1e-4)
    first, second = (train(KAN([2, 2, 1], 3, 5), x, y, config=config) for _ in range(2))
    assert first.history == second.history
    assert all(torch.equal(first.model.tensors()[key], value) for key, value in second.model.tensors().items())


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_the_loss_reported_is_the_least_and_is_that_of_the_model_returned(name: str) -> None:
    x, y = table(200, noise=0.1)
    held_out = tuple(range(0, 200, 4))
    config = TrainConfig(name, steps=15, grid_every=4, validation_rows=held_out, refine=(8,))
    outcome = train(KAN([2, 2, 1], 3, 5), x, y, config=config)
    for member, (_, validation) in enumerate(outcome.losses):
        assert validation == min(record.validation[member] for record in outcome.history.records)
    measured = error(outcome.model, x[list(held_out)], y[list(held_out)]).square()
    torch.testing.assert_close(measured, torch.tensor(outcome.losses)[:, 1].double(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_masked_edges_stay_masked_and_the_given_model_is_not_changed(name: str) -> None:
    x, y = table(120)
    model = KAN([2, 2, 1], 2)
    model.stack[0].mask[0, 0, 1] = False
    before = {key: value.clone() for key, value in model.tensors().items()}
    outcome = train(model, x, y, config=TrainConfig(name, steps=6, grid_every=2))
    assert all(torch.equal(model.tensors()[key], value) for key, value in before.items())
    assert torch.equal(outcome.model.stack[0].mask, model.stack[0].mask)
    assert (outcome.model.edge_samples(x).layers[0].outputs[0, :, 0, 1] == 0).all()


def test_weight_l1_makes_unneeded_edges_small() -> None:
    x, y = table(300)
    wide = torch.cat([x, x.flip(0)], 1)
    config = TrainConfig("levenberg_marquardt", steps=40, l1=1e-3)
    plain, sparse = (
        train(KAN([4, 1, 1], 2), wide, y, config=c).model for c in (TrainConfig(config.optimizer, 40, l1=0.0), config)
    )
    norms = [model.stack[0].weights().detach()[:, 2:].abs().mean() for model in (plain, sparse)]
    assert float(norms[1]) < 0.02
    assert float(sparse.stack[0].weights().detach()[:, :2].abs().mean()) > 10 * float(norms[1])


def test_training_ends_with_the_best_so_far_when_the_time_is_up() -> None:
    class Spent:
        expired = True

    x, y = table(100)
    outcome = train(KAN([2, 2, 1], 2), x, y, budget=Spent())
    assert outcome.reasons == ("budget", "budget")
    assert len(outcome.history) == 1


def test_every_step_sends_an_event() -> None:
    x, y = table(100)
    seen: list[Event] = []
    train(KAN([2, 2, 1], 2), x, y, config=TrainConfig(steps=5), on_event=seen.append)
    assert all(isinstance(event, Progress) for event in seen)
    assert seen[0].active_edges == 6 and seen[-1].loss is not None  # type: ignore[union-attr]


def test_numbers_that_overflow_set_a_member_back(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table(100)
    calls = []
    honest = LevenbergMarquardt.step

    def broken(self, objective, state):
        calls.append(1)
        after = honest(self, objective, state)
        if len(calls) % 4 == 2:
            after.theta[0] = float("nan")
        return after

    monkeypatch.setattr(LevenbergMarquardt, "step", broken)
    outcome = train(KAN([2, 2, 1], 2), x, y, config=TrainConfig("levenberg_marquardt", steps=14))
    assert all(math.isfinite(loss) for pair in outcome.losses for loss in pair)
    assert outcome.losses[0][1] < 0.1
    assert "diverged" not in outcome.reasons


def test_a_member_that_always_overflows_counts_as_diverged(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table(100)
    honest = LevenbergMarquardt.step

    def broken(self, objective, state):
        after = honest(self, objective, state)
        after.theta[0] = float("inf")
        return after

    monkeypatch.setattr(LevenbergMarquardt, "step", broken)
    outcome = train(KAN([2, 2, 1], 2), x, y, config=TrainConfig("levenberg_marquardt", steps=20))
    assert outcome.reasons[0] == "diverged"
    assert outcome.losses[1][1] < 0.1
    assert outcome.model(x).isfinite().all()


def test_two_targets_are_learnt_together() -> None:
    x, _ = table(300)
    y = torch.stack([x[:, 0] * x[:, 1], x[:, 0] ** 2], 1)
    outcome = train(KAN([2, 4, 2], 2), x, y, config=TrainConfig("levenberg_marquardt", steps=40))
    assert outcome.losses[outcome.best][1] < 1e-4


def test_rows_of_weight_nothing_are_ignored() -> None:
    x, y = table(200)
    spoiled = y.clone()
    spoiled[::5] = 100.0
    weights = torch.ones(200, dtype=torch.float64)
    weights[::5] = 0
    outcome = train(KAN([2, 3, 1], 2), x, spoiled, weights, TrainConfig("levenberg_marquardt", steps=40))
    good = weights > 0
    assert float(error(outcome.model.member(outcome.best), x[good], y[good])) < 0.02


def test_a_network_without_base_branch_trains_in_single_precision() -> None:
    x, y = table(200)
    model = KAN([2, 2, 1], 2, 0, KANOptions(LayerOptions(base="none"), dtype="float32"))
    outcome = train(model, x, y, config=TrainConfig("levenberg_marquardt", steps=20))
    assert outcome.model(x).dtype == torch.float32
    assert outcome.losses[outcome.best][1] < 0.05


@pytest.mark.parametrize("spoil", ["nan", "inf", "rows", "columns"])
def test_unusable_rows_are_refused(spoil: str) -> None:
    x, y = table(50)
    if spoil in ("nan", "inf"):
        y[3] = float(spoil)
    x = x[:40] if spoil == "rows" else x[:, :1] if spoil == "columns" else x
    with pytest.raises(ValueError, match="finite|shape"):
        train(KAN([2, 2, 1]), x, y)


def test_an_unknown_optimizer_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="lbfgs"):
        TrainConfig(optimizer="lbfg")


@pytest.mark.filterwarnings("error")
def test_other_methods_keep_grids_that_are_parameters_and_give_no_warning() -> None:
    x, y = table(100)
    model = KAN([2, 2, 1], 2, 0, KANOptions(LayerOptions(learn_grid=True)))
    outcome = train(model, x, y, config=TrainConfig("levenberg_marquardt", steps=5, grid_updates=0))
    for layer, before in zip(outcome.model.stack, model.stack, strict=True):
        assert torch.equal(layer.grid, before.grid)


def test_adam_learns_grids_that_are_parameters_and_keeps_their_knots_in_order() -> None:
    x, y = table(200)
    model = KAN([2, 2, 1], 2, 0, KANOptions(LayerOptions(learn_grid=True)))
    outcome = train(model, x, y, config=TrainConfig(steps=60, grid_updates=1, grid_every=2, l1=1e-6))
    still = train(
        KAN([2, 2, 1], 2, 0), x, y, config=TrainConfig("adam", steps=60, grid_updates=1, grid_every=2, l1=1e-6)
    )
    assert outcome.optimizer == "adam" and "grids" in outcome.why
    for layer, other in zip(outcome.model.stack, still.model.stack, strict=True):
        assert (layer.grid.diff(dim=-1) > 0).all()
        assert not torch.allclose(layer.grid, other.grid, atol=1e-3)
    assert outcome.losses[outcome.best][1] < 0.5
    measured = error(outcome.model, x, y)
    assert measured.isfinite().all()
