"""Many jobs at once: every one is trained as if it were alone, in chunks that fit into the memory."""

import math

import pytest
import torch
from torch import Tensor

from kansym.events import Progress
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import Job, TrainConfig, memory_of, population, train, train_many

CONFIG = TrainConfig("levenberg_marquardt", steps=20, grid_updates=2, grid_every=4, noise_floor=1e-9)
SMALL = KANOptions(LayerOptions(intervals=4))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(seed: int, count: int = 120) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.rand(count, 2, generator=generator, dtype=torch.float64) - 1
    return x, torch.sin(2 * x[:, 0]) + (1 + seed) * x[:, 1] ** 2 / 4


def jobs() -> list[Job]:
    return [
        Job((2, width, 1), *table(seed), seed=seed, options=SMALL, config=CONFIG)
        for seed in range(3)
        for width in (1, 2)
    ]


def test_every_job_ends_as_if_it_had_been_trained_alone() -> None:
    for job, outcome in zip(jobs(), train_many(jobs()), strict=True):
        alone = train(KAN(job.widths, 1, job.seed, SMALL), job.x, job.y, config=CONFIG)
        assert math.log10(outcome.validation + 1e-9) == pytest.approx(math.log10(alone.losses[0][1] + 1e-9), abs=1.5)
        assert outcome.model.members == 1
        measured = (outcome.model(job.x).detach()[0, :, 0] - job.y).square().mean()
        assert float(measured) < 10 * max(outcome.train, outcome.validation)


def test_small_memory_means_smaller_chunks_and_nearly_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    honest = population.train

    def counted(model: KAN, *args, **kwargs):
        sizes.append(model.members)
        return honest(model, *args, **kwargs)

    monkeypatch.setattr(population, "train", counted)
    together = train_many(jobs())
    assert sorted(sizes) == [3, 3]
    sizes.clear()
    apart = train_many(jobs(), memory=1)
    assert sizes == [1] * 6
    for one, other in zip(together, apart, strict=True):
        assert one.reason == other.reason or abs(math.log10(one.validation / other.validation)) < 2


def test_the_same_jobs_give_the_same_bits() -> None:
    for one, other in zip(train_many(jobs()), train_many(jobs()), strict=True):
        assert all(torch.equal(one.model.tensors()[name], part) for name, part in other.model.tensors().items())


def test_penalties_and_rates_may_differ_within_a_population() -> None:
    x, y = table(0)
    wide = torch.cat([x, x.flip(0)], 1)
    made = [
        Job((4, 1, 1), wide, y, options=SMALL, config=TrainConfig("levenberg_marquardt", steps=25, l1=strength))
        for strength in (0.0, 1e-2)
    ]
    plain, sparse = (
        float(outcome.model.stack[0].weights().detach()[:, 2:].abs().mean()) for outcome in train_many(made)
    )
    assert sparse < 0.2 * plain


def test_adam_takes_a_rate_for_every_member() -> None:
    x, y = table(0)
    config = TrainConfig("adam", steps=40, learning_rate=(0.0, 0.02), validation=0.0, grid_updates=0)
    outcome = train(KAN([2, 2, 1], 2, 0, SMALL), x, y, config=config)
    records = outcome.history.records
    assert records[-1].train[0] == pytest.approx(records[0].train[0])
    assert records[-1].train[1] < 0.7 * records[0].train[1]


def test_members_see_rows_targets_and_weights_of_their_own() -> None:
    tables = [table(seed) for seed in range(2)]
    x, y = torch.stack([t[0] for t in tables]), torch.stack([t[1] for t in tables]).unsqueeze(-1)
    weights = torch.ones(2, 120, dtype=torch.float64)
    weights[1, ::3] = 0
    y[1, ::3] = 50.0
    outcome = train(KAN([2, 1, 1], 2, 0, SMALL), x, y, weights, TrainConfig("levenberg_marquardt", steps=40))
    predicted = outcome.model(x).detach()
    errors = ((predicted - y).square().squeeze(-1) * (weights > 0)).mean(1)
    assert float(errors.max()) < 1e-3


def test_a_member_at_the_noise_floor_leaves_the_others_alone() -> None:
    x, _ = table(0)
    y = torch.stack([x[:, 0], torch.sin(9 * x[:, 0]) * x[:, 1]]).unsqueeze(-1)
    config = TrainConfig("levenberg_marquardt", steps=40, noise_floor=1e-5, first_wins=False)
    outcome = train(KAN([2, 2, 1], 2, 0, SMALL), x, y, config=config)
    assert outcome.reasons[0] == "noise_floor" and outcome.losses[1][1] > 1e-5
    first = next(i for i, record in enumerate(outcome.history.records) if record.validation[0] <= 1e-5)
    assert len(outcome.history) > first + 5


def test_the_memory_estimate_grows_with_members_rows_and_grid() -> None:
    base = memory_of(KAN([2, 2, 1], 4), 1000)
    assert memory_of(KAN([2, 2, 1], 8), 1000) > base
    assert memory_of(KAN([2, 2, 1], 4), 5000) > base
    assert memory_of(KAN([2, 2, 1], 4, 0, KANOptions(LayerOptions(intervals=20))), 1000) > base


def test_every_chunk_sends_an_event_and_a_spent_budget_still_gives_an_outcome() -> None:
    class Spent:
        expired = True

    seen: list[object] = []
    outcomes = train_many(jobs(), memory=1, budget=Spent(), on_event=seen.append)
    assert len(seen) == len(outcomes) == 6 and all(isinstance(event, Progress) for event in seen)
    assert {outcome.reason for outcome in outcomes} == {"budget"}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_device_trains_the_same_population_as_the_cpu(device: str) -> None:
    """A few steps of Levenberg-Marquardt in float64 on both, before differences in the last digit have grown."""
    few = TrainConfig("levenberg_marquardt", steps=4, noise_floor=1e-9)
    x, y = table(1)
    expected = train(KAN((2, 3, 1), 4, 0, SMALL), x, y, config=few)
    found = train(KAN((2, 3, 1), 4, 0, SMALL).to(device), x.to(device), y.to(device), config=few)
    assert torch.allclose(torch.tensor(found.losses), torch.tensor(expected.losses), rtol=1e-9)
    for name, part in expected.model.tensors().items():
        assert torch.allclose(found.model.tensors()[name].cpu(), part, rtol=1e-9, atol=1e-9)
