"""`kansym.bench.formulas` around the judge: tables, samples, records, processes that hang or die, peers and rates."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from kansym.bench.formulas import peers, pure_noise, run, summary
from kansym.bench.formulas.problems import Identity, Material, Problem, stratified
from kansym.bench.formulas.records import Record, append, identity_of, read
from kansym.bench.formulas.work import Found, config_of, judged
from kansym.config import STAGES
from kansym.data.dataset import Dataset
from kansym.errors import ConfigError, DataError
from kansym.symbolic.parser import parse
from kansym_cli import formula_sets
from kansym_cli.formula_sets import Choice, material, problems
from kansym_datasets import generators

BASE = Identity("kansym", "feynman", "feynman-I.12.2", 0.0, 50, "0", 0, False, False, 1.0)
CHOICE = Choice((), (), (0.0,), None, "0", 1, False, False, 60.0, None, 0, ("kansym",), (), False)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_names_and_units_tell_nothing_unless_asked_for():
    plain = material(BASE).data
    assert plain.input_names == ("x0", "x1", "x2", "x3") and plain.target_names == ("y",)
    assert set(plain.input_units) == {None} and plain.target_units == (None,)
    assert BASE.law not in plain.source
    told = material(replace(BASE, units=True)).data
    law = generators.card(BASE.law)
    assert told.input_units == tuple(variable.unit for variable in law.variables)
    assert told.target_units == (law.target_unit,) and told.input_names == plain.input_names
    assert material(replace(BASE, named=True)).data.input_names == law.input_names


def test_noise_is_on_the_training_targets_only():
    clean, noisy = material(BASE), material(replace(BASE, noise=0.1))
    assert (clean.data.inputs == noisy.data.inputs).all() and (clean.fresh == noisy.fresh).all()
    change = noisy.data.targets - clean.data.targets
    assert np.std(change) == pytest.approx(0.1 * np.sqrt(np.mean(clean.data.targets**2)), rel=0.3)
    assert noisy.noise == pytest.approx(np.std(change) / np.std(noisy.data.targets))
    assert clean.noise == 0


def truth_of(made: Material, inputs: np.ndarray) -> np.ndarray:
    assert made.truth is not None
    return parse(made.truth, made.names).evaluate(inputs)


@pytest.mark.parametrize("distractors", ["1", "4", "srsd"])
def test_the_law_holds_among_columns_that_do_not_matter(distractors: str):
    made = material(replace(BASE, distractors=distractors))
    own = generators.card(BASE.law).input_names
    extra = [place for place, name in enumerate(made.names) if name not in own]
    assert len(extra) == made.data.columns - len(own) == made.fresh.shape[1] - len(own) >= 1
    assert len(extra) == int(distractors) if distractors != "srsd" else len(extra) <= 3
    assert truth_of(made, made.data.inputs) == pytest.approx(made.data.targets[:, 0], rel=1e-9)
    moved = made.fresh.copy()
    moved[:, extra] = 7.0
    assert (truth_of(made, moved) == truth_of(made, made.fresh)).all()
    again = material(replace(BASE, distractors=distractors))
    assert (again.data.inputs == made.data.inputs).all() and (again.fresh == made.fresh).all()


def test_distractors_stand_at_other_places_for_other_seeds_and_have_the_range_of_a_column():
    made = [material(replace(BASE, distractors="2", seed=seed, rows=400)) for seed in range(6)]
    assert len({each.names for each in made}) > 1
    low = min(variable.low for variable in generators.card(BASE.law).variables)
    high = max(variable.high for variable in generators.card(BASE.law).variables)
    assert all(each.data.inputs.min() >= low and each.data.inputs.max() <= high for each in made)


def test_states_of_a_system_get_distractors_from_the_range_of_their_column():
    name = generators.suite("strogatz")[0]
    made = material(replace(BASE, set="strogatz", law=name, distractors="2", rows=100))
    extra = [made.data.inputs[:, place] for place, each in enumerate(made.names) if each.startswith("extra")]
    own = [made.data.inputs[:, place] for place, each in enumerate(made.names) if not each.startswith("extra")]
    assert all(any(one.min() <= each.min() and each.max() <= one.max() for one in own) for each in extra)


def test_the_protocol_of_srsd_draws_columns_over_two_decades():
    made = [material(replace(BASE, distractors="srsd", seed=seed, rows=300)) for seed in range(8)]
    extra = [each.data.inputs[:, place] for each in made for place, name in enumerate(each.names) if "extra" in name]
    assert {1, 2, 3} == {sum("extra" in name for name in each.names) for each in made}
    assert all(np.abs(column).max() / np.abs(column).min() <= 100 for column in extra)
    assert len({(column < 0).any() for column in extra}) == 2


def test_tables_of_pure_noise_differ_and_repeat():
    assert len(pure_noise.names()) == 200
    first, other = (pure_noise.material(name, 40, 0).data for name in ("noise-001", "noise-007"))
    assert first.columns == other.columns == 1 and first.rows == 40
    assert (pure_noise.material("noise-001", 40, 0).data.targets == first.targets).all()
    assert (pure_noise.material("noise-001", 40, 1).data.targets != first.targets).all()
    assert {pure_noise.columns(name) for name in pure_noise.names()} == set(range(1, 7))
    assert {pure_noise.rows(name) for name in pure_noise.names()} == set(pure_noise.ROWS)


# --- which problems --------------------------------------------------------------------------------------------------


def laws_of(choice: Choice) -> list[str]:
    return [problem.identity.law for problem in problems(choice)]


def test_a_sample_is_stratified_and_always_the_same():
    choice = replace(CHOICE, sets=("feynman", "bonus"), sample=30)
    chosen = laws_of(choice)
    assert len(chosen) == len(set(chosen)) == 30
    assert chosen == laws_of(replace(choice, seeds=1, rows=10)) and chosen != laws_of(replace(choice, sample_seed=1))
    assert sum(name.startswith("bonus") for name in chosen) == 5
    noisy = replace(choice, noises=(0.0, 0.1), seeds=2)
    assert len(laws_of(noisy)) == 120 and set(laws_of(noisy)) == set(chosen)


def test_a_sample_keeps_the_shares_of_its_strata():
    items = ["a"] * 50 + ["b"] * 30 + ["c"] * 20
    assert sorted(stratified(items, str, 10, 3)) == ["a"] * 5 + ["b"] * 3 + ["c"] * 2
    assert len(stratified(items, str, 7, 3)) == 7
    assert stratified(items, str, 1000, 3) == items


def test_sets_hold_the_laws_that_tables_count():
    assert len(laws_of(CHOICE)) == 100
    assert len(laws_of(replace(CHOICE, sets=("monomials",)))) == 38
    assert len(laws_of(replace(CHOICE, sets=("srsd",)))) == 120
    assert len(laws_of(replace(CHOICE, sets=("noise",), noises=(0.0, 0.1)))) == 200
    everything = problems(replace(CHOICE, sets=("all",)))
    assert len(everything) == 100 + 20 + 14 + 12 + 120 + 9 + 91 + 40 + 60 + 69 + 64 + 200
    groups = [group for problem in everything for group in problem.groups]
    assert groups.count("feynman as SRBench counts") == 116
    assert groups.count("never found before") == 26
    rows = {problem.identity.set: problem.identity.rows for problem in everything}
    assert (rows["feynman"], rows["strogatz"], rows["srsd-hard"]) == (2000, 400, 2000)


def test_one_law_is_found_in_whatever_set_it_is():
    assert laws_of(replace(CHOICE, laws=("nguyen-3",))) == ["nguyen-3"]
    with pytest.raises(DataError, match="no law of the chosen sets is called 'feynman-I.12.2'"):
        problems(replace(CHOICE, sets=("bonus",), laws=("feynman-I.12.2",)))
    with pytest.raises(DataError, match="no set is called 'feyman': did you mean 'feynman'"):
        problems(replace(CHOICE, sets=("feyman",)))


def test_an_ablation_leaves_out_every_stage_once_and_asks_peers_only_with_all():
    choice = replace(CHOICE, laws=("nguyen-3",), methods=("kansym", "pykan"), without=("halves",), ablation=True)
    asked = [(each.identity.method, each.identity.without) for each in problems(choice)]
    assert asked[:2] == [("kansym", ("halves",)), ("pykan", ("halves",))]
    assert asked[2:] == [("kansym", ("halves", stage)) for stage in STAGES if stage != "halves"]


def test_stages_can_only_be_left_out_where_the_fit_knows_them(monkeypatch: pytest.MonkeyPatch):
    assert config_of(BASE).time_limit == 1.0

    @dataclass(frozen=True)
    class Plain:
        seed: int
        time_limit: float

    monkeypatch.setattr("kansym.bench.formulas.work.Config", Plain)
    with pytest.raises(ConfigError, match="without --without"):
        config_of(replace(BASE, without=("screening",)))


# --- records ---------------------------------------------------------------------------------------------------------


def test_a_results_file_is_read_again_and_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path):
    path = tmp_path / "lines.jsonl"
    records = [BASE.plain() | {"found": True, "r2": np.inf}, replace(BASE, seed=1, without=("a",)).plain()]
    append(path, records[0])
    with path.open("a") as stream:
        stream.write('{"method": "kansym", "set": "fey')
    append(path, records[1])
    found = read(path)
    assert [identity_of(record) for record in found.values()] == [BASE, replace(BASE, seed=1, without=("a",))]
    assert found[BASE.key]["r2"] is None
    assert "NaN" not in path.read_text() and "Infinity" not in path.read_text()


@pytest.mark.parametrize("text", ["a,b\n1,2\n", '{"law": "x"}\n', "[1]\n"])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path):
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(DataError, match="line 1 of .* is no record"):
        read(path)


# --- processes -------------------------------------------------------------------------------------------------------


def behave(question: tuple[Identity, Material]) -> Iterator[Record]:
    """Work that hangs, dies or fails by the name of the law."""
    identity, _ = question
    if identity.law == "hangs":
        time.sleep(60)
    if identity.law == "dies":
        os._exit(3)
    record = identity.plain() | {"found": False, "lost": "error", "detail": "", "error": None, "seconds": 0.1}
    yield record | {"detail": "not judged"}
    if identity.law == "dies later":
        os._exit(4)
    yield record | {"found": True, "lost": None, "process": os.getpid()}


def table() -> Material:
    data = Dataset.from_arrays([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0])
    return Material(data, "a", ("a",), np.ones((2, 1)), 0.0)


def broken() -> Material:
    raise DataError("cannot be drawn")


def asked(*names: str) -> list[Problem]:
    return [Problem(replace(BASE, law=name), broken if name == "undrawn" else table, ("group",)) for name in names]


def test_a_fit_that_hangs_or_dies_is_recorded_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(run, "GRACE", 0.0)
    told: list[Record] = []
    lines = tmp_path / "lines.jsonl"
    names = ("fine", "dies", "undrawn", "hangs", "dies later", "good")
    outcome = run.run(asked(*names), 2, lines, told.append, behave)
    by_law = {record["law"]: record for record in outcome.records}
    assert tuple(by_law) == names and not outcome.stopped
    assert by_law["fine"]["found"] and by_law["good"]["found"]
    assert "exit code 3" in by_law["dies"]["error"] and by_law["dies"]["lost"] == "error"
    assert by_law["hangs"]["error"].startswith("killed after 2 s")
    assert by_law["undrawn"]["error"] == "cannot be drawn"
    # What had been found before the judge died is kept.
    assert by_law["dies later"]["error"] is None and "exit code 4" in by_law["dies later"]["detail"]
    assert len(told) == len(lines.read_text().splitlines()) == len(names)
    assert all(record["groups"] == ["group"] for record in outcome.records)


def test_what_a_results_file_holds_is_not_run_again(tmp_path: Path):
    lines, told = tmp_path / "lines.jsonl", []
    first = run.run(asked("a", "b"), 1, lines, told.append, behave).records
    again = run.run(asked("a", "b", "c"), 1, lines, told.append, behave).records
    assert [record["law"] for record in told] == ["a", "b", "c"]
    assert [record["process"] for record in again[:2]] == [record["process"] for record in first]
    assert run.run(asked("a", "b"), 1, lines, told.append, behave).records == first and len(told) == 3


def test_a_run_that_is_stopped_keeps_what_it_has(tmp_path: Path):
    def tell(record: Record) -> None:
        raise KeyboardInterrupt

    outcome = run.run(asked("a", "b"), 1, tmp_path / "lines.jsonl", tell, behave)
    assert outcome.stopped and [record["law"] for record in outcome.records] == ["a"]


def test_a_constant_is_right_where_there_is_no_law():
    noise = pure_noise.material("noise-003", 30, 0)
    assert judged(Found("1.25", (), {}), noise)["found"]
    assert judged(Found("1.25*x0", (), {}), noise)["lost"] == "invented"
    assert judged(Found("1.25*x0", (), {}, says_no_law=True), noise)["found"]


# --- peers -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    name: str
    arity: int


def test_programs_of_gplearn_become_formulas():
    program = [Function("add", 2), Function("mul", 2), 1, -0.5, Function("sqrt", 1), Function("div", 2), 0, np.int64(1)]
    formula = parse(peers.gplearn_text(program, ("a", "b")), ("a", "b"))
    points = np.array([[1.0, 2.0], [-3.0, 4.0]])
    assert formula.evaluate(points) == pytest.approx(-0.5 * points[:, 1] + np.sqrt(np.abs(points[:, 0] / points[:, 1])))


def test_models_of_pysindy_become_formulas():
    text = peers.pysindy_text([2.0, 0.0, -0.5, 1.5, 3.0], ["1", "x0", "x0 x1^2", "sin(1 x0)", "x1"])
    points = np.array([[1.0, 2.0], [-3.0, 4.0]])
    x, y = points.T
    assert parse(text, ("x0", "x1")).evaluate(points) == pytest.approx(2 - 0.5 * x * y**2 + 1.5 * np.sin(x) + 3 * y)
    assert peers.pysindy_text([0.0], ["x0"]) == "0"


def test_a_peer_that_is_missing_or_unknown_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="peer operon is not installed here: pip install pyoperon"):
        peers.find("operon")
    with pytest.raises(ConfigError, match="no peer is called 'gplern': did you mean 'gplearn'"):
        peers.find("gplern")


class FakeRegressor:
    """pyoperon's regressor as far as the adapter uses it."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.model_ = "model"

    def fit(self, inputs: np.ndarray, target: np.ndarray) -> None:
        assert inputs.flags.writeable and target.shape == (len(inputs),)

    def get_model_string(self, model: str, precision: int, names: list[str]) -> str:
        return f"({self.options['max_time']} * ({names[0]} ^ 2))"


def test_operon_gets_its_time_and_its_formula_is_read(monkeypatch: pytest.MonkeyPatch):
    module = type("module", (), {"SymbolicRegressor": FakeRegressor})
    monkeypatch.setattr(peers, "import_module", lambda name: module)
    data = Dataset.from_arrays([[1.0], [2.0]], [1.0, 4.0])
    assert parse(peers.by_operon(data, 7.2, 0), ("x0",)).evaluate(np.array([[2.0]])) == pytest.approx(28)


# --- rates -----------------------------------------------------------------------------------------------------------


def record(law: str, found: bool, **facts: object) -> Record:
    known = {"found": found, "rule": found, "numeric": found, "accurate": True, "complexity": 5, "seconds": 2.0,
             "truth": "x", "lost": None if found else "matching", "detail": "why", "groups": []}  # fmt: skip
    return replace(BASE, law=law).plain() | known | facts


def test_rates_are_taken_over_laws_and_seeds():
    records = [
        record("a", True), record("a", False, seed=1, seconds=9.0), record("b", True, rule=None, seconds=4.0),
        record("b", True, seed=1, groups=["both"]), record("a", False, noise=0.1, definition=True),
    ]  # fmt: skip
    rows = {(row["set"], row["noise"]): row for row in summary.rates(records)}
    clean = rows["feynman", 0.0]
    assert (clean["laws"], clean["runs"], clean["found"], clean["by_numbers"]) == (2, 4, 0.75, 1)
    assert clean["solved_s"] == 2.0 and clean["longest_s"] == 9.0
    assert rows["both", 0.0]["runs"] == 1
    assert rows["feynman", 0.1]["definition"] == 1.0
    a, b, _ = summary.laws(records)
    assert (a["hits"], b["hits"], a["lost"]) == ("1/2", "2/2", "matching: why")


def test_an_ablation_names_what_is_lost_and_won_without_a_stage():
    records = [
        record("a", True), record("b", False), record("a", False, without=["sums"], seconds=5.0),
        record("b", True, without=["sums"]), record("a", False, method="pykan"),
    ]  # fmt: skip
    whole, without = summary.ablation(records)
    assert (whole["left_out"], whole["found"], whole["lost_laws"], whole["won_laws"]) == ("nothing", 0.5, "-", "-")
    assert (without["left_out"], without["lost_laws"], without["won_laws"]) == ("sums", "a", "b")
    assert without["total_s"] == 7
    page = summary.document(records, "command", {}, ()).markdown()
    assert "What every stage is worth" in page
    assert "What every stage is worth" not in summary.document(records[:2], "command", {}, ()).markdown()


def test_a_group_that_is_a_whole_set_is_not_shown_twice():
    both = [record("a", True, groups=["g", "h"]), record("b", True, groups=["g"])]
    assert [row["set"] for row in summary.rates(both)] == ["feynman", "h"]


def test_tables_of_noise_have_no_accuracy():
    rows = summary.rates([record("noise-001", True, set="noise", truth=None, accurate=False)])
    assert rows[0]["accurate"] is None and rows[0]["found"] == 1


def test_the_page_names_command_commit_and_peers_and_shows_only_what_varies():
    page = summary.document([record("a", True), record("b", False)], "kansym bench x", {"commit": "abc"}, ["a peer"])
    text = page.markdown()
    assert "`kansym bench x`" in text and "commit abc" in text and "- a peer" in text
    assert "| distractors |" not in text and "| matching |" in text
    assert json.loads(page.json())["tables"][2]["records"][1]["lost"] == "matching: why"
    units = summary.document([record("a", True, units=True)], "command", {}, ()).markdown()
    assert "| units |" in units


def test_every_loss_has_a_set_of_laws_that_exist():
    known = set(generators.names())
    assert set(formula_sets.NOT_IN_SRBENCH) | set(formula_sets.NEVER_FOUND) <= known
