"""Training on tables larger than the memory: the sums over blocks are those in memory, and the memory is bounded."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kansym.data import Scaler
from kansym.data.stream import RowSource, open_rows, rows_of_arrays, streamed_errors
from kansym.errors import ConfigError, DataError
from kansym.events import Event, Progress
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import Penalty, TrainConfig
from kansym.training.blocks import StreamedObjective, Table, rows_within, widened
from kansym.training.objective import Objective, Rows
from kansym.training.optimizers import LevenbergMarquardt
from kansym.training.streaming import StreamConfig, StreamOutcome, train_streamed

ROOT = Path(__file__).parents[2]
FEATURES = ("a", "b")
LEARN = TrainConfig("levenberg_marquardt", steps=25, grid_updates=2)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def columns(rows: int = 3000, noise: float = 0.0) -> dict[str, np.ndarray]:
    random = np.random.Generator(np.random.PCG64(4))
    a, b = random.uniform(-1, 1, rows), random.uniform(2, 6, rows)
    y = 50 + 3 * np.exp(np.sin(math.pi * a) + ((b - 4) / 2) ** 2)
    return {"a": a, "b": b, "w": random.uniform(0.5, 2, rows), "y": y + noise * random.normal(size=rows)}


def source(rows: int = 3000, noise: float = 0.0) -> RowSource:
    return rows_of_arrays(columns(rows, noise))


def population(members: int = 3) -> KAN:
    model = KAN([2, (2, 1), 1], members, 1, KANOptions(LayerOptions(spline_scale=True)))
    model.stack[0].mask[1, 0, 0] = False
    return model


def table_of(rows: RowSource, like: Tensor, held_out: tuple[int, ...] = ()) -> Table:
    data = columns(rows.rows)
    scale = Scaler(np.array([0.0, 4.0]), np.array([1.0, 2.0]))
    target = Scaler.fit(data["y"][:, None])
    held = np.array(held_out, dtype=np.int64)
    return Table(rows, FEATURES, ("y",), "w", scale, target, float(data["w"].mean()), like, held)


def in_memory(table: Table, most: int) -> Rows:
    parts = list(table.blocks(most))
    return Rows(*(torch.cat([getattr(part, name) for part in parts]) for name in ("x", "y", "weights")))


def pair(most: int, penalty: Penalty) -> tuple[Objective, StreamedObjective]:
    model = population()
    table = table_of(source(), model.stack[0].grid.detach())
    rows = in_memory(table, 10_000)
    return Objective(model, rows, penalty), StreamedObjective(model, table, len(rows), most, penalty)


def assert_close(one: Tensor, other: Tensor) -> None:
    assert float((one - other).abs().max() / one.abs().max()) < 1e-12


PENALTIES = [Penalty(), Penalty(1e-2, 1e-3, 1e-2, 1e-3, True)]


@pytest.mark.parametrize("most", [7, 640, 10_000])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_normal_equations_in_blocks_are_those_in_memory(most: int, penalty: Penalty) -> None:
    whole, streamed = pair(most, penalty)
    theta = whole.start
    for one, other in zip(whole.normal_equations(theta), streamed.normal_equations(theta), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_errors_values_and_gradients_in_blocks_are_those_in_memory(penalty: Penalty) -> None:
    whole, streamed = pair(640, penalty)
    theta = whole.start
    assert_close(whole.errors(theta), streamed.errors(theta))
    assert_close(whole.value(theta), streamed.value(theta))
    for one, other in zip(whole.gradient(theta), streamed.gradient(theta), strict=True):
        assert_close(one, other)


def test_levenberg_marquardt_steps_in_blocks_are_those_in_memory() -> None:
    whole, streamed = pair(640, Penalty(ridge=1e-6))
    optimizer = LevenbergMarquardt(project=False)
    first, second = optimizer.begin(whole), optimizer.begin(streamed)
    for _ in range(3):
        first, second = optimizer.step(whole, first), optimizer.step(streamed, second)
        torch.testing.assert_close(first.theta, second.theta, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(first.value, second.value, rtol=1e-9, atol=1e-14)


def test_a_choice_of_rows_is_refused() -> None:
    _, streamed = pair(640, Penalty())
    with pytest.raises(ValueError, match="not numbered"):
        streamed.gradient(streamed.start, torch.arange(3))


def test_held_out_rows_are_in_no_pass_in_any_order() -> None:
    like = population().stack[0].grid.detach()
    held_out = tuple(range(0, 3000, 7))
    table = table_of(source(), like, held_out)
    kept = np.setdiff1d(np.arange(3000), held_out)
    expected = np.sort(columns()["a"][kept])
    for blocks in (table.blocks(500), table.shuffled(500, 0)):
        np.testing.assert_array_equal(np.sort(torch.cat([rows.x for rows in blocks])[:, 0].numpy()), expected)


# Training


def trained(rows: RowSource, model: KAN | None = None, **choices: Any) -> StreamOutcome:
    settings = {"sample": LEARN, "sample_rows": 300, "validation_rows": 300, "passes": 4} | choices
    model = KAN([2, 2, 1], 2, 0) if model is None else model
    return train_streamed(model, rows, "y", FEATURES, StreamConfig(**settings))  # type: ignore[arg-type]


def error(outcome: StreamOutcome, rows: int = 3000) -> float:
    return streamed_errors(source(rows), "y", FEATURES, lambda x: outcome.predict(x)[:, 0], 512).nrmse


@pytest.mark.parametrize(
    ("method", "passes", "share"),
    [("levenberg_marquardt", 4, 0.7), ("lbfgs", 25, 0.98), ("adam", 5, 0.7), ("auto", 4, 0.7)],
)
def test_passes_over_noisy_rows_come_closer_to_the_law_than_the_sample(method: str, passes: int, share: float) -> None:
    noisy = source(20_000, noise=2.0)
    rows: dict[str, Any] = {"sample_rows": 600, "validation_rows": 4000}
    sampled = trained(noisy, passes=0, **rows)
    streamed = trained(noisy, optimizer=method, passes=passes, batch_size=200, learning_rate=0.01, **rows)
    assert sampled.passes is sampled.start
    assert error(streamed) < share * error(sampled)
    assert len(streamed.passes.losses) == 1 and streamed.passes.reasons[0] in ("steps", "plateau")


def test_the_best_step_is_kept_and_it_is_that_of_the_model_returned() -> None:
    outcome = trained(source(noise=1.0))
    records = outcome.passes.history.records
    assert outcome.passes.losses[0][1] == min(record.validation[0] for record in records)
    assert outcome.start.losses[outcome.start.best][0] > 0


def test_files_and_arrays_give_the_same_bits(tmp_path: Path) -> None:
    data = columns()
    np.savez(tmp_path / "t.npz", **data)  # type: ignore[arg-type]
    one, other = trained(rows_of_arrays(data)), trained(open_rows(tmp_path / "t.npz"))
    assert one.passes.history == other.passes.history
    assert all(torch.equal(one.model.tensors()[key], tensor) for key, tensor in other.model.tensors().items())


def test_every_member_that_goes_on_keeps_its_own_penalty() -> None:
    learn = TrainConfig("levenberg_marquardt", steps=15, l1=(10.0, 0.0, 0.0))
    outcome = trained(source(), KAN([2, 2, 1], 3, 0), sample=learn, members=2, passes=2)
    assert outcome.model.members == 2
    norms = [layer.weights().detach().abs().mean((1, 2, 3)) for layer in outcome.model.stack]
    assert all((norm > 0.01).all() for norm in norms), "the member that is pulled to nothing should not have gone on"
    assert outcome.passes.optimizer == "levenberg_marquardt" and "parameters" in outcome.passes.why


def test_the_model_given_is_not_changed_and_the_best_members_go_on() -> None:
    model = KAN([2, 2, 1], 4, 0)
    before = {key: tensor.clone() for key, tensor in model.tensors().items()}
    outcome = trained(source(), model, members=2, passes=1)
    assert all(torch.equal(model.tensors()[key], tensor) for key, tensor in before.items())
    assert outcome.start.model.members == 4 and outcome.model.members == 2


def test_the_grids_hold_a_value_that_only_one_row_in_thousands_has() -> None:
    data = columns(20_000)
    data["a"][777] = 9.0
    outcome = trained(rows_of_arrays(data), sample_rows=200, validation_rows=100)
    low, high = outcome.model.stack[0].basis.domain
    scaled = torch.from_numpy(outcome.inputs.apply(np.array([[9.0, 2.0], [-1.0, 6.0]])))
    assert (scaled >= low[0]).all() and (scaled <= high[0]).all()
    assert outcome.start.model.stack[0].basis.domain[1][0, 0] >= 1


def test_hidden_grids_are_widened_to_what_all_rows_reach() -> None:
    model = KAN([2, 3, 1], 2, 0)
    table = table_of(source(), model.stack[0].grid.detach())
    x = in_memory(table, 10_000).x
    narrow = model.adapt_grids(0.1 * x[:50])
    wide = widened(narrow, table, x[:50], 400, 0.5)
    with torch.no_grad():
        hidden = wide.stack[0](wide.expand(x))
    low, high = wide.stack[1].basis.domain
    assert (hidden.amin(1) >= low).all() and (hidden.amax(1) <= high).all()
    assert not (hidden.amax(1) <= narrow.stack[1].basis.domain[1]).all()
    assert widened(wide, table, x[:50], 400, 0.5) is wide


def test_weights_decide_which_rows_count() -> None:
    data = columns(4000)
    data["w"] = np.where(np.arange(4000) % 4 == 0, 0.0, 1.0)
    data["y"] = np.where(np.arange(4000) % 4 == 0, 500.0, data["y"])
    outcome = trained(rows_of_arrays(data), weights="w", sample_rows=1000)
    apart = np.abs(outcome.predict(np.column_stack([data["a"], data["b"]]))[:, 0] - data["y"])
    assert np.median(apart[data["w"] > 0]) < 0.5


def test_two_targets_are_learnt_together_in_single_precision() -> None:
    data = columns()
    data["z"] = data["a"] * data["b"]
    rows = rows_of_arrays(data, precision="float32")
    model = KAN([2, 3, 2], 2, 0, KANOptions(dtype="float32"))
    config = StreamConfig(LEARN, 500, 300, passes=2)
    outcome = train_streamed(model, rows, ["y", "z"], ["a", "b"], config)
    found = outcome.predict(np.column_stack([data["a"], data["b"]]))
    assert found.shape == (3000, 2)
    for column, name in enumerate(("y", "z")):
        assert np.std(found[:, column] - data[name]) < 0.1 * np.std(data[name])


def test_without_names_the_last_column_is_explained_by_all_others() -> None:
    data = {name: column for name, column in columns().items() if name != "w"}
    outcome = train_streamed(KAN([2, 2, 1]), rows_of_arrays(data), config=StreamConfig(LEARN, 300, passes=1))
    assert outcome.statistics.names == ("a", "b", "y")


def test_rows_with_missing_numbers_are_left_out_everywhere() -> None:
    data = columns()
    data["b"][[5, 1000]] = np.nan
    data["y"][2000] = np.inf
    outcome = trained(rows_of_arrays(data, missing="drop"), passes=1)
    assert outcome.statistics.rows == 2997
    with pytest.raises(DataError, match="column 'b' has missing values"):
        trained(rows_of_arrays(data))


class Ending:
    """A budget that ends after so many questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    @property
    def expired(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_budget_that_ends_inside_a_pass_keeps_the_best_so_far() -> None:
    config = StreamConfig(LEARN, 300, 300, memory=1 << 20, passes=50, optimizer="levenberg_marquardt")
    on_sample = train_streamed(KAN([2, 2, 1], 2), source(), "y", FEATURES, config, Ending(10))
    assert on_sample.passes is on_sample.start and on_sample.start.reasons == ("budget", "budget")
    in_pass = train_streamed(KAN([2, 2, 1], 2), source(), "y", FEATURES, config, Ending(200))
    assert in_pass.passes.reasons == ("budget",)
    assert in_pass.passes.losses[0][1] <= in_pass.start.losses[in_pass.start.best][1] * 1.5
    assert len(in_pass.passes.history) >= 1


def test_every_block_and_every_step_sends_an_event() -> None:
    seen: list[Event] = []
    config = StreamConfig(LEARN, 300, 300, passes=2)
    train_streamed(KAN([2, 2, 1]), source(), "y", FEATURES, config, on_event=seen.append)
    reads = [event.fraction for event in seen if isinstance(event, Progress) and event.stage == "read"]
    assert reads and max(fraction for fraction in reads if fraction is not None) == 1.0
    assert any(isinstance(event, Progress) and event.stage == "train" and event.loss is not None for event in seen)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"target": "q"}, "no column 'q' for the target"),
        ({"features": ["a", "y"]}, "column 'y' has two parts"),
        ({"features": ["a", "a"]}, "none of them twice"),
    ],
)
def test_impossible_columns_are_refused(choices: dict[str, object], words: str) -> None:
    arguments = {"target": "y", "features": FEATURES} | choices
    with pytest.raises(DataError, match=words):
        train_streamed(KAN([2, 2, 1]), source(), **arguments)  # type: ignore[arg-type]


def test_negative_weights_and_wrong_widths_and_settings_are_refused() -> None:
    data = columns()
    data["w"][5] = -1
    with pytest.raises(DataError, match="column 'w' for the weights has negative values"):
        trained(rows_of_arrays(data), weights="w")
    with pytest.raises(ValueError, match="2 features and 1 targets; this network takes 3 and gives 1"):
        trained(source(), KAN([3, 1, 1]))
    with pytest.raises(ConfigError, match="sample_rows is 0"):
        StreamConfig(sample_rows=0)
    with pytest.raises(ConfigError, match="lbfgs"):
        StreamConfig(optimizer="lbfg")


# Memory


def test_less_memory_and_larger_networks_mean_fewer_rows_at_once() -> None:
    small, large = KAN([20, 2, 1]), KAN([20, 8, 1], 4)
    assert rows_within(64 << 20, small, 21, True) < rows_within(256 << 20, small, 21, True)
    assert rows_within(256 << 20, large, 21, True) < rows_within(256 << 20, small, 21, True)
    assert rows_within(64 << 20, small, 21, True) < rows_within(64 << 20, small, 21, False)
    assert rows_within(1, large, 21, True) == 1


CHILD = """
import sys
import torch
from kansym.data.stream import open_rows
from kansym.nn import KAN
from kansym.training import TrainConfig
from kansym.training.streaming import StreamConfig, train_streamed

torch.set_num_threads(1)

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

learn = TrainConfig("levenberg_marquardt", steps=3, grid_updates=1, grid_every=2)
config = StreamConfig(learn, 1000, 1000, sys.argv[1], 1, memory=32 << 20)
for path in sys.argv[2:]:
    train_streamed(KAN([4, 1, 1]), open_rows(path), "y", ["x0", "x1", "x2", "x3"], config)
    sys.stdout.write(f"{peak()} ")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak memory from")
@pytest.mark.parametrize("method", ["levenberg_marquardt", "adam"])
def test_the_memory_of_training_does_not_grow_with_the_table(method: str, tmp_path: Path) -> None:
    paths = []
    for rows in (20_000, 600_000):  # 4 and 120 MB
        paths.append(tmp_path / f"{rows}.npy")
        table = np.random.Generator(np.random.PCG64(0)).uniform(-1, 1, (rows, 25))
        table[:, -1] = table[:, 0] ** 2
        np.save(paths[-1], table)
    child = [sys.executable, "-c", CHILD, method, *map(str, paths)]
    found = subprocess.run(child, capture_output=True, text=True, check=True, cwd=ROOT)
    small, large = map(float, found.stdout.split())
    assert large - small < 48, f"{small} MB for a small table, {large} MB for one of 120 MB, with 32 MB to work in"
