import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kansym.bench import Contestant, Document, Plan, Row, Table, engine, race
from kansym.bench.accuracy import FUNCTIONS, errors, twelve_functions
from kansym.bench.engine import LeftOut, threads, why
from kansym.bench.entrants import entrants
from kansym.bench.jobs import (
    ADAM,
    BACKWARD,
    FORWARD,
    FUSED_ADAM,
    Entrant,
    Job,
    SideBySide,
    equal_widths,
    kansym_model,
    mlp,
    one_by_one,
    step_on,
)
from kansym.bench.layers import CASES, CUDA_CASES, Case, Growth, growth_table, placed
from kansym.bench.memory import answer, peak_of, resident_peak
from kansym.bench.peers import PEERS, Found, Peer, Shape, find
from kansym.bench.pictures import figure, write_page
from kansym.bench.problems import HELD_OUT, TIMED
from kansym.bench.scaling import SWEEPS, Sweep, sweep_tables
from kansym.bench.settings import Settings
from kansym.bench.tables import duration, megabytes, number, race_table, share
from kansym.bench.training import Attempt, _summary, by_pykan
from kansym.bench.whole import WholeStep, native_step, parameters_of, plain_step, plan_of
from kansym.errors import ConfigError

TINY = Shape((2, 3, 1), 4)


class FakeClock:
    """Takes what the step returns as its time, and remembers in which order the steps ran."""

    def __init__(self, drift: Callable[[int], float] = lambda call: 1.0) -> None:
        self.ran: list[str] = []
        self.drift = drift

    def time(self, step: Callable[[], object], repeats: int) -> float:
        name, seconds = step()  # type: ignore[misc]
        self.ran.append(name)
        return seconds * self.drift(len(self.ran))


def fake(name: str, seconds: float, parameters: int | None = None) -> Contestant:
    return Contestant(name, lambda: lambda: (name, seconds), (lambda: parameters) if parameters else None)


def failing(name: str, error: Exception) -> Contestant:
    def make() -> Callable[[], object]:
        raise error

    return Contestant(name, make)


# Races


def test_every_round_runs_everybody_once_and_the_order_changes():
    clock = FakeClock()
    race([fake(name, 1.0) for name in "abcd"], Plan(rounds=6, warm=0), clock)
    rounds = [tuple(clock.ran[start : start + 4]) for start in range(4, 28, 4)]
    assert len(rounds) == 6 and all(sorted(each) == list("abcd") for each in rounds)
    assert len(set(rounds)) > 1


def test_rows_come_in_the_order_of_the_contestants_with_a_sample_per_round():
    rows = race([fake("slow", 2.0, 7), fake("fast", 0.5)], Plan(rounds=5), FakeClock())
    assert [row.name for row in rows] == ["slow", "fast"]
    assert rows[0].seconds == (2.0,) * 5 and rows[0].median == rows[0].minimum == 2.0
    assert rows[0].parameters == 7 and rows[1].parameters is None


def test_a_ratio_is_taken_within_the_rounds_so_that_a_machine_that_slows_down_does_not_change_it():
    first, second = race([fake("a", 1.0), fake("b", 4.0)], Plan(rounds=4, warm=0), FakeClock(lambda call: 2.0**call))
    assert first.minimum != first.median
    pairs = sorted(b / a for a, b in zip(first.seconds, second.seconds, strict=True))
    assert second.ratio(first) == (pairs[1] + pairs[2]) / 2


def test_ratios_without_numbers_are_not_numbers():
    assert math.isnan(Row("a").ratio(Row("b", (1.0,)))) and math.isnan(Row("a").median) and math.isnan(Row("a").minimum)


def test_who_cannot_take_part_has_a_note_and_the_others_run():
    contestants = [
        failing("x", RuntimeError("no such layer\nat all")),
        failing("y", LeftOut("too slow")),
        fake("z", 1.0),
    ]
    broken, left, well = race(contestants, Plan(rounds=2), FakeClock())
    assert broken.note == "RuntimeError: no such layer" and not broken.seconds
    assert left.note == "too slow" and well.seconds == (1.0, 1.0)


def test_a_short_step_is_repeated_until_it_fills_a_sample():
    clock, counts = engine.WallClock(), list[int]()
    plan = Plan(rounds=1, sample=0.02)
    row = race([Contestant("a", lambda: lambda: counts.append(1))], plan, clock)[0]
    assert row.repeats > 100
    assert row.repeats * row.minimum > 0.2 * plan.sample


def test_a_race_ends_when_its_time_is_up_but_not_before_the_least_number_of_rounds():
    rows = race([fake("a", 1.0)], Plan(rounds=50, least=3, seconds=0.0), FakeClock())
    assert len(rows[0].seconds) == 3


def test_prints_and_warnings_of_a_contestant_stay_out_of_the_output(capsys: pytest.CaptureFixture[str]):
    def noisy() -> tuple[str, float]:
        import warnings

        warnings.warn("careful", UserWarning, stacklevel=1)
        sys.stdout.write("hello")
        return "a", 1.0

    race([Contestant("a", lambda: noisy)], Plan(rounds=2), FakeClock())
    assert capsys.readouterr() == ("", "")


def test_threads_are_set_back():
    before = torch.get_num_threads()
    with threads(2) as count:
        assert count == torch.get_num_threads() == 2
    assert torch.get_num_threads() == before
    with threads(None) as count:
        assert count == before


def test_a_reason_is_one_short_line():
    assert (
        why(ValueError("x" * 500 + "\nmore")).startswith("ValueError: xxx") and len(why(ValueError("x" * 500))) == 100
    )


# Peers


def write_peer(folder: Path, name: str, body: str) -> Peer:
    (folder / "my-kan" / "src" / name).mkdir(parents=True)
    (folder / "my-kan" / "src" / name / "__init__.py").write_text(body)
    return Peer("My KAN", name, ("my-kan",), lambda module, shape: module.make(list(shape.widths)))


def test_a_peer_is_loaded_from_its_check_out_and_leaves_the_path_alone(tmp_path: Path):
    peer = write_peer(
        tmp_path, "my_kan_one", "import torch\nmake = lambda widths: torch.nn.Linear(widths[0], widths[-1])"
    )
    before = list(sys.path)
    found = find(tmp_path, [peer])[0]
    assert sys.path == before and found.line() == "My KAN: check-out"
    assert found.build(TINY)(torch.zeros(5, 2)).shape == (5, 1)


@pytest.mark.parametrize(
    ("body", "reason"), [("import not_there_at_all", "No module named"), ("raise OSError('broken')", "OSError: broken")]
)
def test_a_peer_that_cannot_be_imported_is_a_line_with_the_reason(tmp_path: Path, body: str, reason: str):
    peer = write_peer(tmp_path, f"my_kan_{len(body)}", body)
    found = find(tmp_path, [peer])[0]
    assert found.module is None and "My KAN: not found: " in found.line() and reason in found.line()


def test_a_peer_that_nobody_has_is_a_line_too():
    peer = Peer("No KAN", "no_such_kan", ("no-kan",), lambda module, shape: nn.Identity())
    assert find(None, [peer])[0].line().startswith("No KAN: not found: ModuleNotFoundError")


def test_a_peer_too_slow_for_a_shape_is_left_out_with_the_reason():
    found = Found(Peer("Slow", "json", (), lambda module, shape: nn.Identity(), most_edges=5), json, "installed")
    with pytest.raises(LeftOut, match="9 edges"):
        found.build(TINY)


def test_the_table_of_peers_names_everyone_once():
    names = [peer.name for peer in PEERS]
    assert len(set(names)) == len(names)
    assert {"efficient-kan", "FasterKAN", "FastKAN", "KANditioned", "pykan"} <= set(names)


# Jobs


def test_everybody_gets_the_same_rows_in_the_dtype_of_the_job():
    job = Job(TINY, 6, dtype="float64")
    (x, y), again = job.data(), job.data()
    assert x.shape == (6, 2) and y.shape == (6, 1) and x.dtype == torch.float64
    assert torch.equal(x, again[0]) and float(x.abs().max()) <= 1
    assert torch.equal(Job(TINY, 6).data()[0], x.float())


@pytest.mark.parametrize(
    ("step", "moves", "slopes"), [(FORWARD, False, False), (BACKWARD, False, True), (ADAM, True, True)]
)
def test_a_step_does_what_its_name_says(step: str, moves: bool, slopes: bool):
    model = mlp([2, 3, 1])
    weight = next(model.parameters())
    before = weight.detach().clone()
    step_on(model, torch.ones(4, 2), torch.zeros(4, 1), step)()
    assert (weight.grad is not None) == slopes
    assert torch.equal(weight.detach(), before) != moves


def test_a_population_learns_the_same_in_a_loop_and_side_by_side():
    job = Job(TINY, 7, FUSED_ADAM, 3)
    models = nn.ModuleList(mlp([2, 3, 1]) for _ in range(3))
    middle = dict(models.named_parameters())["1.0.weight"]
    before = middle.detach().clone()
    stacked, loop = SideBySide(models, job), one_by_one(models, job)
    for step in (stacked, loop) * 3:
        step()
    assert not torch.equal(middle, before)
    torch.testing.assert_close(stacked.trained["0.weight"][1], middle)


@pytest.mark.parametrize("form", [native_step, plain_step])
def test_a_whole_step_is_the_step_that_autograd_and_adam_take(form: Callable[..., WholeStep]):
    job = Job(Shape((2, 3, 1), 4), 50, ADAM, 2, "float64")
    model = kansym_model(job, "reference")
    before = parameters_of(model)
    try:
        step = form(model, job)
    except LeftOut as reason:
        pytest.skip(str(reason))
    step()
    step_on(model, *job.data(), ADAM)()
    assert float((step.theta - before).abs().median()) > 1e-4
    # The means over members differ by a factor, which Adam's first step does not see but for its tiny constant.
    torch.testing.assert_close(step.theta, parameters_of(model), rtol=0, atol=1e-5)


def test_a_network_is_planned_with_all_its_parameters():
    model = kansym_model(Job(TINY, 4, ADAM, 2))
    assert plan_of(model).parameters == parameters_of(model).shape[1] == 9 * (4 + 3 + 1)


@pytest.mark.parametrize("widths", [(784, 256, 10), (256, 256), (4, 8, 8, 1)])
def test_the_perceptron_of_equal_size_has_as_many_parameters_as_the_network(widths: tuple[int, ...]):
    model = kansym_model(Job(Shape(widths), 1))
    wanted = sum(each.numel() for each in model.parameters())
    got = sum(each.numel() for each in mlp(equal_widths(Shape(widths))).parameters())
    assert 0.95 * wanted <= got <= wanted


def test_every_entrant_of_a_job_makes_a_step_or_says_why_not():
    job = Job(TINY, 8, ADAM)
    running = [each for each in entrants(job) if "compile" not in each.name]
    rows = race([each.contestant() for each in running], Plan(rounds=1, sample=1e-6, warm=0))
    assert {"kansym auto", "kansym reference", "MLP, same widths", "matrix products alone"} <= {
        row.name for row in rows
    }
    assert all(row.seconds or row.note for row in rows)
    auto = next(row for row in rows if row.name == "kansym auto")
    assert auto.seconds and auto.parameters == 9 * 8


def test_parameters_without_a_gradient_do_not_count():
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(2, 1), nn.Linear(5, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    entrant = Entrant("half", Half, Job(TINY, 4))
    assert race([entrant.contestant()], Plan(rounds=1, sample=1e-6))[0].parameters == 3


# Memory


def test_the_peak_of_a_step_is_what_it_allocates_in_a_process_of_its_own(tmp_path: Path):
    place = tmp_path / "efficient-kan" / "src" / "efficient_kan"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text(
        "import torch\n"
        "class KAN(torch.nn.Linear):\n"
        "    def __init__(self, widths, **options):\n"
        "        super().__init__(widths[0], widths[-1])\n"
        "    def forward(self, x):\n"
        "        return super().forward(x) + 0 * torch.ones(4_000_000).add_(1).sum()\n"
    )
    measured = peak_of(Job(TINY, 4), "efficient-kan", tmp_path, 1)
    if "does not tell" in str(measured.get("note")):
        pytest.skip(str(measured["note"]))
    assert 15e6 < float(measured["peak"]) < 30e6  # the system hands out memory in large pieces


def test_a_step_that_fails_has_a_note_instead_of_a_peak():
    def make() -> Callable[[], object]:
        raise RuntimeError("too big")

    assert resident_peak(make) == {"note": "RuntimeError: too big"}


def test_a_child_process_knows_whom_it_is_asked_about():
    question = {"shape": {"widths": [2, 1], "intervals": 3, "degree": 3, "seed": 0}, "rows": 5, "step": BACKWARD}
    with pytest.raises(KeyError, match="nobody"):
        answer(json.dumps(question | {"name": "nobody", "peers": "", "threads": 1}))


# Tables


def rows_of_a_race() -> list[Row]:
    return [
        Row("kansym auto", (2e-5, 1e-5, 3e-5), 4, 936, 2.5e6),
        Row("efficient-kan", (2e-3, 2e-3, 2e-3), 1, 1040),
        Row("gone", note="ImportError: a | b"),
    ]


def test_a_table_says_what_its_ratios_refer_to():
    table = race_table("small", "[4, 8, 8, 1]", rows_of_a_race(), ("nobody", "gone", "efficient-kan"))
    assert table.reference == "efficient-kan"
    assert [record["ratio"] for record in table.records] == [0.01, 1.0, None]
    assert table.records[0]["ratio_of_minima"] == pytest.approx(0.005)
    assert table.cells()[0] == ["program", "parameters", "median", "minimum", "x efficient-kan", "peak MB", "note"]
    assert table.cells()[1] == ["kansym auto", "936", "20 us", "10 us", "0.01", "2.5", "-"]


def test_a_race_without_its_reference_has_no_ratios():
    table = race_table("small", "small", rows_of_a_race()[:1], ("efficient-kan",))
    assert table.reference == "" and table.records[0]["ratio"] is None
    assert table.cells()[0] == ["program", "parameters", "median", "minimum", "peak MB"]


def document() -> Document:
    table = race_table("small", "[4, 8, 8, 1]", rows_of_a_race(), ("efficient-kan",))
    return Document("layers", "One step", "kansym bench layers", "by rounds", (table,), ("efficient-kan: check-out",))


def test_the_json_holds_every_sample_and_no_number_that_json_does_not_have():
    broken = Table("t", "t", (), ({"name": "a", "value": math.nan, "many": (1.0, math.inf)},))
    plain = json.loads(Document("s", "t", "c", "r", (*document().tables, broken)).json())
    first = plain["tables"][0]
    assert first["records"][0]["rounds_s"] == [2e-5, 1e-5, 3e-5] and first["reference"] == "efficient-kan"
    assert plain["tables"][1]["records"][0] == {"name": "a", "value": None, "many": [1.0, None]}
    assert plain["environment"]["torch"] == torch.__version__ and plain["threads"] == 1


def test_a_page_has_the_command_the_rule_the_tables_and_who_was_missing(tmp_path: Path):
    page, data, picture = write_page(document(), tmp_path)
    text = page.read_text()
    assert "Command: `kansym bench layers`" in text and "Measured: by rounds" in text and "(layers.svg)" in text
    assert "| kansym auto | 936 | 20 us | 10 us | 0.01 | 2.5 | - |" in text
    assert "ImportError: a \\| b" in text and "- efficient-kan: check-out" in text
    assert json.loads(data.read_text())["title"] == "One step" and picture.read_text().lstrip().startswith("<?xml")


def test_a_page_from_a_gpu_stands_beside_that_from_the_processor():
    assert Document("layers", "", "", "", (), device="NVIDIA H100").stem == "layers-cuda"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.21e-6, "3.21 us"), (9.999e-4, "1 ms"), (0.5, "500 ms"), (12.34, "12.3 s"), (4321.0, "4321 s")],
)
def test_times_are_written_in_the_unit_that_suits_them(seconds: float, text: str):
    assert duration(seconds) == text


def test_numbers_are_short():
    assert [number(value) for value in (0.0, 0.01234, 12345.6, 1.5e-7)] == ["0", "0.0123", "12,346", "1.50e-07"]
    assert megabytes(15_500_000) == "15.5" and share(0.955) == "96 %"


# Suites


def settings(**chosen: object) -> Settings:
    return Settings(**{"quick": True, "memory": False, **chosen})  # type: ignore[arg-type]


def test_an_unknown_case_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="wide"):
        settings(cases=("wid",)).chosen(CASES, lambda case: case.name)


def test_cases_have_names_of_their_own():
    for cases in (CASES, CUDA_CASES):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names)
    assert len({sweep.name for sweep in SWEEPS}) == len(SWEEPS)


def test_a_quick_case_is_small_and_says_so_in_its_title():
    case = placed(next(case for case in CASES if case.name == "population-32"), settings())
    assert isinstance(case, Case) and case.job.rows == 32 and case.job.members == 3
    assert case.title.startswith("3 networks [4, 8, 8, 1], 32 rows, G = 5, cubic")


def test_growth_compares_every_program_with_itself_in_one_race():
    case = Growth("growth", Job(Shape((3, 2), 4), 8), Job(Shape((3, 2), 16), 8))
    table = growth_table(case, [], settings())
    auto = next(record for record in table.records if record["name"] == "kansym auto")
    assert auto["coarse_s"] > 0 and auto["fine_s"] > 0 and auto["ratio"] > 0


def test_a_sweep_gives_a_column_per_value_and_the_races_behind_it():
    sweep = Sweep("grid", "grid intervals", (3, 6), lambda value: Job(Shape((2, 2), value), 8))
    summary, *races = sweep_tables(sweep, [], settings())
    assert [race.axis for race in races] == [("grid intervals", 3.0), ("grid intervals", 6.0)]
    assert {"at 3", "at 6", "growth"} <= {column.key for column in summary.columns}
    drawn = figure(Document("scaling", "", "", "", (summary, *races)))
    assert drawn is not None and len(drawn.axes) == 1


def test_attempts_are_summed_up_with_those_that_missed():
    found = _summary([Attempt(1.0, True, 1e-11), Attempt(3.0, False, 1e-3)])
    assert found["reached"] == 0.5 and found["median_s"] == 2.0 and found["seeds"] == 2 and found["tail_s"] > 2.5


def test_problems_give_rows_of_unit_scale_and_other_rows_to_be_judged_on():
    for problem in (*TIMED, *HELD_OUT):
        data = problem.rows(3, 200)
        assert data.x.shape == data.x_test.shape == (200, problem.widths[0])
        assert float(data.x.abs().max()) <= 1 and data.y.isfinite().all() and data.y_test.isfinite().all()
        assert float(data.y.std()) == pytest.approx(1) and float(data.y.mean()) == pytest.approx(0, abs=1e-12)
        assert not torch.equal(data.x, data.x_test)
        assert data.nrmse(data.y_test) == 0 and data.nrmse(0 * data.y_test) > 0.8


def test_the_recipe_of_pykan_refines_until_the_goal_is_reached():
    class FakeKAN:
        def __init__(self, grid: int, **options: object) -> None:
            self.grid, self.fits = grid, list[int]()

        def refine(self, grid: int) -> "FakeKAN":
            self.grid = grid
            return self

        def fit(self, rows: dict[str, Tensor], opt: str, steps: int) -> None:
            self.fits.append(self.grid)
            assert opt == "LBFGS" and rows["train_input"].dtype == torch.float32
            self.answer = rows["test_label"] * (1 - 1e-6 if self.grid >= 20 else 0.5)

        def __call__(self, x: Tensor) -> Tensor:
            return self.answer

    made = list[FakeKAN]()
    module = type("module", (), {"KAN": lambda **options: made.append(FakeKAN(**options)) or made[-1]})
    attempt = by_pykan(module, HELD_OUT[0], 0, Settings())
    assert made[0].fits == [3, 10, 20] and attempt.reached and attempt.error < 1e-5


# Accuracy


def test_the_twelve_functions_are_in_the_layer():
    from kansym.nn import LayerOptions

    options = LayerOptions(intervals=32, path="reference", base="none")
    model = twelve_functions(options, "float64")
    x = torch.linspace(-1, 1, 101, dtype=torch.float64).unsqueeze(1).expand(-1, 8)
    wanted = torch.stack([8 * function(x[:, 0]) for function in FUNCTIONS.values()], 1)
    out = model(x)[0].detach()
    smooth = list(FUNCTIONS).index("exp(3 x)")
    assert float((out - wanted)[:, smooth].abs().max()) < 1e-3


def test_the_reference_in_single_precision_is_within_rounding_and_a_wrong_path_is_not(monkeypatch: pytest.MonkeyPatch):
    from kansym.bench import accuracy
    from kansym.nn import LayerOptions

    options = LayerOptions(path="reference")
    found = errors(options, "float32", "cpu")
    assert all(float(found[part]) < 50 for part in accuracy.PARTS)
    true = accuracy._outcome

    def slightly_wrong(model: nn.Module, x: Tensor, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        out, inner, weights = true(model, x, slope)  # type: ignore[arg-type]
        return (out, inner * (1.001 if x.dtype == torch.float32 else 1.0), weights)

    monkeypatch.setattr(accuracy, "_outcome", slightly_wrong)
    assert float(errors(options, "float32", "cpu")["input gradient"]) > 1000
