"""The path by hand: every step is a new value, keeps what it should keep, and ends in a law of the raw table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kansym import Dataset
from kansym.errors import ConfigError, DataError, FormulaError
from kansym.export import export
from kansym.graph import EdgeId
from kansym.nn import LayerOptions
from kansym.storage import load, save
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import PRIMITIVES
from kansym.training.penalties import Penalty
from kansym.workbench import Workbench
from kansym.workbench.compiling import network_of
from kansym.workbench.fitting import MixedObjective
from kansym.workbench.fixed import FixedEdge, fitted, suggestions

Array = np.ndarray
NAMES = ("T [K]", "N*x")


def table(rows: int = 500) -> Dataset:
    random = np.random.default_rng(0)
    x, y = random.uniform(-1, 1, (2, rows))
    return Dataset(np.column_stack([300 + 50 * x, y]), 7 * np.exp(np.sin(np.pi * x) + y**2), NAMES, ("z",))


@pytest.fixture(scope="module")
def trained() -> Workbench:
    torch.set_num_threads(1)
    return Workbench.of(table(), width=(2,)).train(steps=80)


@pytest.fixture(scope="module")
def pruned(trained: Workbench) -> Workbench:
    return trained.prune()


def values(bench: Workbench) -> Array:
    return bench.predict(table().inputs)


def test_a_session_ends_in_the_law_in_the_tables_own_names(pruned: Workbench) -> None:
    assert len(pruned.edges) == 3
    bench = pruned.auto_symbolic().train()
    assert [edge.primitive.name for edge in bench.fixed.values()] == ["sin", "x^2", "exp"]
    law = bench.formula
    assert law.input_names == NAMES and law.errors["test"].nrmse < 1e-6
    assert law(table().inputs) == pytest.approx(table().targets[:, 0], rel=1e-6)


def test_no_step_changes_what_it_began_from_and_undo_goes_back(pruned: Workbench) -> None:
    before, edges = values(pruned), pruned.edges
    after = pruned.fix(edges[0], "sin").train(20).refine(12).remove(edges[1])
    assert np.array_equal(values(pruned), before) and pruned.edges == edges and not pruned.fixed
    assert after.undo().undo().undo().undo() is pruned
    assert after.history[-4:] == ("fix (0, 0, 0) as sin", "train", "refine to 12 intervals", "remove (0, 1, 0)")
    assert Workbench.of(table()).undo().history == ("network [2, 4, 1]",)


def test_the_same_steps_give_the_same_bits(pruned: Workbench) -> None:
    again = Workbench.of(table(), width=(2,)).train(steps=80).prune()
    assert np.array_equal(values(again), values(pruned))
    first, second = (bench.fix(bench.edges[0], "sin").train(20) for bench in (pruned, again))
    assert np.array_equal(values(first), values(second))


def test_suggestions_are_ranked_and_say_how_good_they_are(pruned: Workbench) -> None:
    best, *others = pruned.suggest(pruned.edges[1])
    assert best.primitive == "x^2" and best.r2 > 0.9999 and len(others) == 4
    assert all(best.cost <= other.cost for other in others)
    assert repr(best).startswith("x^2: R² 0.9999")


def test_a_fixed_edge_goes_on_being_trained_in_its_four_constants(pruned: Workbench) -> None:
    fixed = pruned.fix(pruned.edges[0], "sin")
    trained = fixed.train(30)
    (edge,) = trained.fixed.values()
    assert trained.loss <= fixed.loss and edge.constants != fixed.fixed[pruned.edges[0]].constants


def test_unfixed_edges_keep_their_curve(pruned: Workbench) -> None:
    fixed = pruned.fix(pruned.edges[0], "sin")
    spline = fixed.unfix(pruned.edges[0])
    assert not spline.fixed and spline.edges == fixed.edges
    assert spline.errors["test"].nrmse < fixed.errors["test"].nrmse + 2e-3


def test_wider_and_deeper_networks_compute_the_same_at_first(pruned: Workbench) -> None:
    fixed = pruned.fix(pruned.edges[0], "sin").fix(pruned.edges[2], "exp")
    wide = fixed.widen(1, sums=2, products=1)
    assert len(wide.edges) == len(fixed.edges) + 2 * 4 + 3 and len(wide.fixed) == 2
    np.testing.assert_allclose(values(wide), values(fixed), rtol=1e-12)
    deep = wide.deepen()
    assert [width.nodes for width in deep.mixed.splines.widths] == [2, 4, 1, 1]
    np.testing.assert_allclose(values(deep), values(fixed), rtol=1e-8)
    assert wide.widen(1, 1).train(10).loss < np.inf


def test_nodes_put_before_products_move_the_edges_of_these() -> None:
    bench = Workbench.from_formula(table(), "`N*x`*sin(`T [K]`)").widen(1, sums=1)
    assert {edge.target for edge in bench.fixed if edge.layer == 0} == {1}
    assert {edge.source for edge in bench.fixed if edge.layer == 1} == {1}
    assert bench.errors["test"].rmse == pytest.approx(bench.undo().errors["test"].rmse, rel=1e-9)


def test_removing_an_edge_takes_what_leads_nowhere_with_it(trained: Workbench) -> None:
    bench = trained.remove((1, 0, 0))
    assert {edge.target for edge in bench.edges if edge.layer == 0} == {1}
    compact = bench.prune(threshold=0.0)
    assert {edge.target for edge in compact.edges if edge.layer == 0} == {0}
    np.testing.assert_allclose(values(compact), values(bench), rtol=1e-12)
    with pytest.raises(ConfigError, match="nothing reaches the output"):
        bench.remove((1, 1, 0))


def test_pruning_by_a_threshold_works_beside_fixed_edges(pruned: Workbench) -> None:
    wide = pruned.fix(pruned.edges[0], "sin").widen(1)
    assert wide.prune(threshold=1e-6).edges == pruned.edges
    with pytest.raises(ConfigError, match="give prune a threshold"):
        wide.prune()


def test_locked_edges_are_one_function() -> None:
    random = np.random.default_rng(1)
    x, y = random.uniform(-1, 1, (2, 300))
    data = Dataset(np.column_stack([x, y]), np.sin(2 * x) + np.sin(2 * y), ("x", "y"), ("z",))
    bench = Workbench.of(data, width=()).train(30, restarts=2).lock((0, 0, 0), (0, 1, 0)).train(20)
    layer = bench.mixed.splines.stack[0]
    assert torch.equal(layer.weights()[0, 0, 0], layer.weights()[0, 1, 0])
    assert bench.loss < 1e-3
    assert bench.unlock((0, 0, 0)).mixed.ties == ()
    assert bench.auto_symbolic().formula.text() == "sin(2*x) + sin(2*y)"


@pytest.mark.parametrize(
    "formula",
    [
        "exp(sin(3.1*x) + y**2)",
        "2*x*sqrt(y + 2)/(x + 3) + log(y + 2) + x**3 - x**2 + x",
        "x*y*sin(x)*cos(y)",
        "(x + 1)*(y - 2)**2 + sqrt(x**2 + y**2 + 1)",
        "x",
        "3*x*y - 2",
        "1/(1 + exp(-(2*x - y*x)))",
    ],
)
def test_the_network_of_a_formula_computes_the_formula(formula: str) -> None:
    x, y = np.random.default_rng(2).uniform(-1, 1, (2, 60))
    data = Dataset(np.column_stack([x, y]), x + 0.1 * y, ("x", "y"), ("z",))
    bench = Workbench.from_formula(data, formula)
    expected = parse(formula, ("x", "y")).evaluate(data.inputs)
    np.testing.assert_allclose(bench.predict(data.inputs), expected, rtol=1e-9, atol=1e-9)


def test_a_known_formula_is_corrected_by_the_data() -> None:
    bench = Workbench.from_formula(table(), "8*exp(sin(0.06*`T [K]`) + 1.2*`N*x`**2)").train(60)
    assert bench.errors["test"].nrmse < 1e-6


def test_the_derivatives_of_the_mixed_loss_are_the_numerical_ones(pruned: Workbench) -> None:
    mixed = pruned.fix(pruned.edges[0], "sin").widen(1, 1, 1).mixed
    ties = ((EdgeId(0, 0, 1), EdgeId(0, 1, 1)),)
    objective = MixedObjective(replace(mixed, ties=ties), pruned.data.rows.take(slice(0, 40)), Penalty(ridge=1e-3))
    theta = objective.start + 0.01 * torch.randn(objective.start.shape, generator=torch.Generator().manual_seed(0))
    _, slope, _ = objective.normal_equations(theta)
    for place in range(0, theta.shape[1], 3):
        step = torch.zeros_like(theta)
        step[0, place] = 1e-6
        numerical = float(objective.value(theta + step) - objective.value(theta - step)) / 2e-6
        assert float(slope[0, place]) == pytest.approx(numerical, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", [row.name for row in PRIMITIVES if row.searched and row.name != "1"])
def test_every_primitive_is_found_on_its_own_curve(name: str) -> None:
    primitive, x = PRIMITIVES[name], np.linspace(-1, 1, 120)
    low, high = primitive.domain
    b = 1.7 + max(low, 0) if np.isfinite(low) and not np.isfinite(high) else 0.2
    edge = FixedEdge(primitive, (0.6, b, 1.3, -0.4))
    assert fitted(x, edge.values(x), primitive).error < 1e-6


def test_a_primitive_that_fits_by_cancelling_comes_late() -> None:
    x = np.linspace(-1, 1, 120)
    noise = 1e-4 * np.sin(37 * x)
    assert suggestions(x, x**2 + noise, PRIMITIVES)[0].primitive == "x^2"


def test_the_result_is_saved_drawn_and_exported_like_any_other(pruned: Workbench, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    bench = pruned.fix(pruned.edges[0], "sin")
    save(pruned.result, tmp_path / "splines")
    assert load(tmp_path / "splines").network is not None
    save(bench.result, tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.formula.text() == bench.formula.text() and again.network is None
    assert "def formula" in export(again, "python")
    for kind in ("graph", "edges", "pareto", "fit", "history"):
        assert bench.plot(kind).axes
    assert bench._repr_svg_().startswith("<svg") and "T [K]" in bench._repr_svg_()
    assert repr(bench).startswith("Workbench(network [2, 2, 1] > train > prune > fix (0, 0, 0) as sin; 3 edges, 1 of")


def test_what_cannot_be_done_is_said_in_one_line(pruned: Workbench) -> None:
    fresh = Workbench.of(table())
    with pytest.raises(DataError, match="needs a trained network: call train"):
        fresh.prune()
    with pytest.raises(DataError, match="formula needs a trained network"):
        _ = fresh.formula
    with pytest.raises(ConfigError, match=r"there is no edge \(7, 0, 0\): choose from \(0, 0, 0\)"):
        pruned.suggest((7, 0, 0))
    with pytest.raises(ConfigError, match="no primitive is called 'sine'"):
        pruned.fix(pruned.edges[0], "sine")
    with pytest.raises(ConfigError, match="hidden layers are 1 to 1"):
        pruned.widen(2)
    with pytest.raises(ConfigError, match="makes no network"):
        Workbench.of(table(), width=(0,))
    with pytest.raises(ConfigError, match="two or more of one layer"):
        pruned.lock(pruned.edges[0], pruned.edges[2])
    with pytest.raises(ConfigError, match="unfix it first"):
        pruned.fix(pruned.edges[0], "sin").lock(*pruned.edges[:2])
    with pytest.raises(FormulaError, match="without columns"):
        Workbench.from_formula(table(), "3.5")
    with pytest.raises(DataError, match="never changes"):
        Workbench.of(Dataset(np.arange(10.0), np.ones(10), ("x",), ("y",)))
    with pytest.raises(DataError, match="2 target columns"):
        Workbench.of(Dataset(np.arange(10.0), np.eye(10)[:, :2], ("x",), ("y", "z")))


def test_weights_and_other_bases_are_served() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(0, 1, 200)
    y = np.where(np.arange(200) < 100, 2 * x, -5.0)
    data = Dataset(x, y, ("x",), ("y",), weights=(np.arange(200) < 100).astype(float))
    bench = Workbench.of(data, width=(), layer=LayerOptions(intervals=3, basis="chebyshev")).train(20, restarts=1)
    assert bench.predict(np.array([[0.25], [0.75]])) == pytest.approx([0.5, 1.5], abs=1e-2)
    assert network_of(parse("2*x", ("x",)), bench.data.inputs, bench.data.target, LayerOptions()).edges == (
        EdgeId(0, 0, 0),
    )
