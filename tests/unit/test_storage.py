"""The run folder: what is saved comes back, and nothing else gets in."""

import hashlib
import io
import json
import math
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as tensors_to_bytes

from kansym.config import Config
from kansym.errors import ModelFileError
from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.result import Points, Result, Table
from kansym.storage import folder, load, save, writing
from kansym.storage.plain_json import json_bytes
from kansym.symbolic.expression import Call, Constant, Power, Product, Sum, Variable, whole
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront

NAMES = ("a [AU", 'λ "x", \n\x1b[31m')
ROOT = Path(__file__).parents[2]
WEIGHTS = {"layer0.coefficients": np.arange(6.0).reshape(2, 3), "mask": np.array([True, False])}


def made_graph(samples: int = 5) -> Graph:
    x = np.linspace(0, 1, samples)
    edges = (
        Edge(EdgeId(0, 0, 0), 0.9, x, x**2, True, "x^2", (1.0, 0.0, 1.0, 0.0), 0.999, x**2),
        Edge(EdgeId(0, 1, 0), math.nan, x, 0 * x, False),
    )
    nodes = (Node(0, 0, "input", NAMES[0]), Node(0, 1, "input", NAMES[1]), Node(1, 0, "sum", "P"))
    return Graph(nodes, edges)


def made_formula(expression: Any, **changes: Any) -> Formula:
    errors = {"train": Errors(8, 1e-3, 1e-4, 2e-3, 0.99), "leave-one-out": Errors(8, 2e-3, math.nan, 4e-3, 0.98)}
    formula = Formula(
        expression,
        NAMES,
        "P",
        constants=(FittedConstant(0.1 + 0.2, 1e-5), FittedConstant(1.5, None, "3/2")),
        errors=errors,
        box=((0.4, 30.0), (1e-34, 1e30)),
        input_units=("AU", None),
        target_unit="yr",
        description_length=12.5,
        origin="monomial",
    )
    return replace(formula, **changes)


def made_result(**changes: Any) -> Result:
    a, b = Variable(0), Variable(1)
    power = Product((Constant(0.1 + 0.2), Power(a, Fraction(3, 2))))
    rich = Sum((power, Product((whole(-1), Call("sin", b))), Constant(math.pi / 2, "pi/2")))
    result = Result(
        config=Config(seed=7, width=(4, 3), primitives=("sin", "x^2"), time_limit=12.5),
        table=Table(
            "planets.csv",
            "ab" * 32,
            8,
            NAMES,
            "P",
            ("AU", None),
            "yr",
            ("a note",),
            ((0.4, 30.0), (0.0, 1.0)),
            {"sigma": "s", "units": "a=AU"},
        ),
        front=ParetoFront((made_formula(power), made_formula(rich)), 1, (0,), False),
        graph_before=made_graph(),
        graph=made_graph(),
        network=({"widths": [2, 1], "basis": {"name": "bspline"}}, WEIGHTS),
        network_errors={"train": {"rmse": math.nan}},
        history=({"step": 0, "train": [1.0, math.inf]}, {"step": 1, "train": [0.5, 0.25]}),
        points=Points(np.ones((3, 2)), np.arange(3.0), np.array([0.0, math.nan, 2.0]), ("train", "train", "test")),
        environment={"kansym": "0.1.0"},
        stop_reason="finished",
        noise=0.01,
        timings={"training": 1.25},
    )
    return replace(result, **changes)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(made_result(), tmp_path_factory.mktemp("storage") / "run")


@pytest.fixture
def run(template: Path, tmp_path: Path) -> Path:
    """A saved run of its own for each test; drawing its pictures once is enough."""
    return Path(shutil.copytree(template, tmp_path / "run"))


def reseal(run: Path, name: str, content: bytes) -> None:
    """Write a part and correct its checksum, as someone who means harm would."""
    (run / name).write_bytes(content)
    sums = (run / "SHA256SUMS").read_text().splitlines()
    others = [line for line in sums if not line.endswith(f"  {name}")]
    mine = f"{hashlib.sha256(content).hexdigest()}  {name}"
    (run / "SHA256SUMS").write_text("\n".join([*others, mine]) + "\n")


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads((run / "result.json").read_text())
    change(document)
    reseal(run, "result.json", json.dumps(document).encode())


def refusal(run: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load(run)
    message = str(caught.value)
    assert "\n" not in message
    assert str(run) in message
    return message


def same(left: Any, right: Any) -> bool:
    """Equal, with NaN equal to NaN, by way of the JSON that is written."""
    return json_bytes({"": left}) == json_bytes({"": right})


# What is saved comes back


def test_a_saved_result_comes_back_the_same(run: Path):
    before, after = made_result(), load(run)
    assert after.config == before.config
    assert after.table == before.table
    assert (after.stop_reason, after.noise, after.environment) == ("finished", 0.01, {"kansym": "0.1.0"})
    assert after.timings == before.timings
    assert same(after.history, before.history)
    assert same(after.network_errors, before.network_errors)


def test_formulas_come_back_exactly(run: Path):
    before, after = made_result().front, load(run).front
    assert (after.chosen, after.rivals, after.exact, after.rule) == (1, (0,), False, before.rule)
    for old, new in zip(before.formulas, after.formulas, strict=True):
        assert new.expression == old.expression
        assert new.constants == old.constants
        assert (new.input_names, new.input_units, new.target_unit) == (NAMES, ("AU", None), "yr")
        assert (new.box, new.origin, new.description_length) == (old.box, "monomial", 12.5)
        assert new.errors["train"] == old.errors["train"]
        assert math.isnan(new.errors["leave-one-out"].nrmse)


def test_a_loaded_result_predicts_the_same_bits(run: Path):
    inputs = np.random.default_rng(0).uniform(0.1, 30, (50, 2))
    assert np.array_equal(load(run).predict(inputs), made_result().predict(inputs))


def test_network_graph_and_points_come_back(run: Path):
    before, after = made_result(), load(run)
    assert after.network is not None and after.graph is not None
    assert after.network[0] == {"widths": [2, 1], "basis": {"name": "bspline"}}
    assert all(np.array_equal(after.network[1][name], array) for name, array in WEIGHTS.items())
    assert same(after.graph.to_json(), made_graph().to_json())
    assert math.isnan(after.graph.edges[1].score)
    assert np.array_equal(after.points.predicted, before.points.predicted, equal_nan=True)
    assert after.points.part == before.points.part


def test_a_result_without_a_network_is_saved_without_its_files(run: Path):
    save(made_result(network=None, graph=None, graph_before=None), run)
    assert not (run / "model.safetensors").exists() and not (run / "graph.svg").exists()
    after = load(run)
    assert (after.network, after.graph, after.graph_before) == (None, None, None)


def test_every_file_of_the_run_folder_is_written_and_in_the_sums(run: Path):
    expected = {*folder.LIMITS, *folder.PICTURES}
    assert {path.name for path in run.iterdir()} == expected
    for line in (run / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((run / name).read_bytes()).hexdigest() == digest
        expected.discard(name)
    assert expected == {"SHA256SUMS"}


def test_the_same_result_gives_the_same_bytes_whatever_its_times(tmp_path: Path):
    first, second = save(made_result(), tmp_path / "1"), save(made_result(timings={"training": 9.0}), tmp_path / "2")
    for name in ("result.json", "points.npz", "model.safetensors", "history.jsonl", "formulas.json", "config.toml"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_result_json_is_strict_json_with_null_for_nan(run: Path):
    def refuse(word: str) -> None:
        raise AssertionError(word)

    text = (run / "result.json").read_text("ascii")
    document = json.loads(text, parse_constant=refuse)
    assert document["network_errors"] == {"train": {"rmse": None}}
    assert list(document) == sorted(document)
    assert "timings" not in document


def test_long_curves_of_a_graph_are_thinned_with_their_ends_kept(tmp_path: Path):
    after = load(save(made_result(graph=made_graph(5000)), tmp_path / "run"))
    assert after.graph is not None
    curve = after.graph.edges[0].x
    assert (len(curve), curve[0], curve[-1]) == (folder.MAX_SAMPLES, 0.0, 1.0)


# Writing


def test_files_that_are_not_ours_stay_when_a_run_is_written_again(run: Path):
    (run / "my notes.txt").write_text("keep")
    save(made_result(stop_reason="interrupted"), run)
    assert (run / "my notes.txt").read_text() == "keep"
    assert load(run).stop_reason == "interrupted"


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ModelFileError, match="holds other files and no run"):
        save(made_result(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ModelFileError, match="is a file, not a run folder"):
        save(made_result(), tmp_path / "run")


@pytest.mark.parametrize("step", ["_write_synced", "_sync_folder", "_pictures"])
def test_a_failure_while_writing_leaves_a_whole_run_and_no_litter(
    run: Path, monkeypatch: pytest.MonkeyPatch, step: str
):
    def fail(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, step, fail)
    with pytest.raises((ModelFileError, OSError), match="No space left on device"):
        save(made_result(noise=0.5), run)
    monkeypatch.undo()
    assert load(run).noise == (0.01 if step == "_write_synced" else 0.5)
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_a_value_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(ModelFileError, match="type object cannot be written"):
        save(made_result(history=({"row": object()},)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# Damaged and hostile folders


def test_a_missing_folder_is_one_line(tmp_path: Path):
    assert "there is no run folder" in refusal(tmp_path / "nothing")


# The settings are read from result.json; config.toml is for people.
@pytest.mark.parametrize("name", sorted(set(folder.LIMITS) - {"config.toml"}))
def test_a_missing_part_is_named(run: Path, name: str):
    (run / name).unlink()
    assert f"{name} is missing" in refusal(run)


@pytest.mark.parametrize("name", ["result.json", "points.npz", "model.safetensors", "history.jsonl", "timings.json"])
def test_a_flipped_bit_is_found(run: Path, name: str):
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    message = refusal(run)
    assert name in message and ("damaged" in message or "not valid JSON" in message)


def test_a_truncated_result_is_refused(run: Path):
    (run / "result.json").write_bytes((run / "result.json").read_bytes()[:100])
    assert "result.json is not valid JSON" in refusal(run)


def test_a_newer_format_asks_for_an_update(run: Path):
    edit(run, lambda document: document.update(version=99))
    assert "format version 99" in refusal(run) and "update kansym" in refusal(run)


def test_a_foreign_result_json_is_refused(run: Path):
    reseal(run, "result.json", b'{"format": "something else"}')
    assert "not written by kansym" in refusal(run)


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", b"\xff\xfe", b'{"format": NaN}', b"{" * 10])
def test_a_result_json_that_is_no_object_is_refused(run: Path, content: bytes):
    reseal(run, "result.json", content)
    assert "result.json" in refusal(run)


def test_json_nested_a_million_deep_is_refused(run: Path):
    reseal(run, "result.json", b"[" * 1_000_000)
    assert "nested too deep" in refusal(run)


def nested(depth: int) -> list[Any]:
    node: list[Any] = ["variable", 0]
    for _ in range(depth):
        node = ["call", "sin", node]
    return node


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (nested(150), "deeper than"),
        (["sum", *([["variable", 0]] * 30_000)], "larger than"),
        (["call", "__import__", ["variable", 0]], "primitive '__import__'"),
        (["call", ["sin"], ["variable", 0]], "primitive"),
        (["variable", 2], "column 2"),
        (["variable", -1], "whole number"),
        (["variable", True], "whole number"),
        (["constant", "1", None], "not a number"),
        (["constant", None, None], "not a number"),
        (["constant", 1.0, "__import__('os')"], "no exact number"),
        (["constant", 3.0, "2"], "another value"),
        (["constant", 1.0, 7], "should be text"),
        (["power", ["variable", 0], "9" * 30], "exponent"),
        (["power", ["variable", 0], "1/0"], "exponent"),
        (["power", ["variable", 0], 2], "exponent"),
        (["sum", ["variable", 0]], "incomplete node"),
        (["sum"], "incomplete node"),
        ({"variable": 0}, "no node"),
        ("x", "no node"),
        (None, "no node"),
    ],
)
def test_a_formula_is_read_from_known_nodes_only(run: Path, node: Any, reason: str):
    edit(run, lambda document: document["front"]["formulas"][0].update(expression=node))
    assert reason in refusal(run)


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        put("config", "seeed", value=1),
        put("config", "preset", value=3),
        put("config", value=[]),
        put("table", "inputs", value=[]),
        put("table", "inputs", 0, "name", value=5),
        put("table", "rows", value="many"),
        put("table", "ranges", value=[[1]]),
        put("front", "chosen", value=2),
        put("front", "rivals", value=[-1]),
        put("front", "exact", value="yes"),
        put("front", "formulas", value=[]),
        put("front", "formulas", 0, "box", value=3),
        put("front", "formulas", 0, "errors", "train", value=None),
        put("front", "formulas", 0, "constants", 1, "label", value="\\input{x}"),
        put("graph", "nodes", 0, "kind", value="<script>"),
        put("graph", "nodes", 0, "label", value=1),
        put("graph", "edges", 0, "x", value=[[1.0]]),
        put("graph", "edges", 0, "x", value="abc"),
        put("graph", "edges", 0, "more", value=1),
        put("graph", "edges", 0, "parameters", value=[1]),
        put("graph", "edges", 0, "id", "target", value=9),
        put("graph", "edges", 0, "score", value="high"),
        put("graph", "edges", value=None),
        put("network", "tensors", value={}),
        put("network", value=7),
        put("stop_reason", value="bored"),
        put("noise", value="none"),
        put("environment", "kansym", value=1),
    ],
)
def test_a_result_with_a_wrong_value_is_refused_in_one_line(run: Path, change: Callable[[dict[str, Any]], None]):
    edit(run, change)
    refusal(run)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


GOOD_POINTS = {"inputs": np.ones((3, 2)), "measured": np.ones(3), "predicted": np.ones(3), "part": np.array(["a"] * 3)}


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": np.ones((3, 5))},
        {"measured": np.ones((3, 1))},
        {"predicted": np.array(["1", "2", "3"])},
        {"part": np.ones(3)},
        {"more": np.ones(3)},
        {"part": np.array([{"an": "object"}] * 3, dtype=object)},
    ],
)
def test_points_of_another_shape_or_type_are_refused(run: Path, changes: dict[str, np.ndarray]):
    reseal(run, "points.npz", npz(**(GOOD_POINTS | changes)))
    assert "points.npz" in refusal(run)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(run: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("inputs.npy", "w") as entry:
        for _ in range(80):
            entry.write(bytes(1 << 20))
    reseal(run, "points.npz", buffer.getvalue())
    assert "unpacks to more" in refusal(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04\x95pickle", bytes(range(200))])
def test_points_that_are_no_archive_are_refused(run: Path, content: bytes):
    reseal(run, "points.npz", content)
    assert "points.npz" in refusal(run)


@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS | {"layer0.coefficients": np.full((2, 3), math.nan)},
        WEIGHTS | {"layer0.coefficients": np.ones((3, 2))},
        WEIGHTS | {"mask": np.ones(2)},
        {"mask": WEIGHTS["mask"]},
    ],
)
def test_weights_of_another_shape_or_type_or_nan_are_refused(run: Path, weights: dict[str, np.ndarray]):
    reseal(run, "model.safetensors", tensors_to_bytes(weights))
    assert "model.safetensors" in refusal(run)


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\x80\x04pickle" * 20, (10**9).to_bytes(8, "little") + b"{"])
def test_weights_that_are_no_safetensors_are_refused(run: Path, content: bytes):
    reseal(run, "model.safetensors", content)
    assert "model.safetensors is damaged" in refusal(run)


def test_a_link_in_the_place_of_a_part_is_refused(run: Path, tmp_path: Path):
    (tmp_path / "elsewhere").write_bytes((run / "points.npz").read_bytes())
    (run / "points.npz").unlink()
    (run / "points.npz").symlink_to(tmp_path / "elsewhere")
    assert "points.npz is not a regular file" in refusal(run)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_in_the_place_of_a_part_does_not_hang(run: Path):
    (run / "history.jsonl").unlink()
    os.mkfifo(run / "history.jsonl")
    assert "history.jsonl is not a regular file" in refusal(run)


def test_a_part_that_is_too_large_is_not_read(run: Path):
    os.truncate(run / "timings.json", folder.LIMITS["timings.json"] + 1)
    assert "timings.json is larger than 1 MB" in refusal(run)


def test_a_table_saved_without_options_has_none(run: Path):
    edit(run, lambda document: document["table"].pop("options"))
    assert load(run).table.options == {}


def test_options_that_are_no_text_are_refused(run: Path):
    edit(run, lambda document: document["table"].update(options={"sigma": 3}))
    assert "options should be text" in refusal(run)


def test_the_picture_shows_the_network_before_and_after_pruning(tmp_path: Path):
    pruned = made_graph()
    before = replace(pruned, edges=tuple(replace(edge, active=True) for edge in pruned.edges))
    picture = (save(made_result(graph_before=before), tmp_path / "run") / "graph.svg").read_text("utf-8")
    assert "before pruning" in picture and "after pruning" in picture


def test_no_picture_is_written_when_no_network_was_trained(tmp_path: Path):
    assert not (save(made_result(graph_before=None, graph=None), tmp_path / "run") / "graph.svg").exists()


def test_errors_of_the_network_are_saved_as_numbers(tmp_path: Path):
    errors = {"validation": Errors(8, 1e-3, 1e-4, 2e-3, 0.99)}
    saved = load(save(made_result(network_errors=errors), tmp_path / "run"))
    assert saved.network_errors == {"validation": asdict(errors["validation"])}


def test_loading_a_run_does_not_load_torch_or_sympy(run: Path):
    code = (
        "import sys; from kansym.storage import load; load(sys.argv[1]); print({'torch', 'sympy'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"
