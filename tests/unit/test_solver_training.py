"""Residuals made small: exact gradients, grids that grow, conditions by construction, whole solves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import curve_fit

from kansym.bases import BASES, BSpline
from kansym.budget import Budget
from kansym.errors import ConfigError, ModelFileError
from kansym.events import Progress
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.physics.solver import (
    PROBLEMS,
    Box,
    ClosedForm,
    Observations,
    Problem,
    SolveConfig,
    load_solution,
    save_solution,
    solve,
)
from kansym.physics.solver.blocks import Stage, balanced, window_of
from kansym.physics.solver.calculus import derivative
from kansym.physics.solver.checking import check
from kansym.physics.solver.closed_form import Refit, _refitted
from kansym.physics.solver.knots import insert_knots
from kansym.physics.solver.objective import Block, ResidualObjective
from kansym.physics.solver.reference import allen_cahn, burgers
from kansym.physics.solver.sampling import interior
from kansym.physics.solver.saving import _formula_from_json, _formula_to_json
from kansym.physics.solver.trial import Trial, by_construction, trial_of
from kansym.symbolic.parser import parse
from kansym.testing import ProblemContract

STRIP = {"x": (-1, 1), "t": (0, 1)}
SMALL = SolveConfig(hidden=(4,), intervals=(4, 7), rounds=2, steps=15, points=300, edge_points=60, formula=False)


def burgers_problem(**changes) -> Problem:
    return Problem(
        "burgers", ("u_t + u*u_x = u_xx/10",), STRIP, (("t = 0", "u = -sin(pi*x)"), ("boundary", "u = 0")), **changes
    )


def network(members: int = 1, widths=(2, (2, 1), 3, 1)) -> KAN:
    return KAN(widths, members, 0, KANOptions(LayerOptions(intervals=4, degree=5, base="none", noise=1.0)))


def unknown_problem() -> Problem:
    measured = Observations(np.array([[0.1, 0.2], [-0.3, 0.4]]), np.array([0.3, -0.2]))
    return Problem("unknown", ("u_t + k*u*u_x = u_xx/10",), STRIP, (("boundary", "u = 0"),),
                   parameters={"k": 2.0}, observations=(measured,))  # fmt: skip


def ring(**changes) -> Problem:
    given = {"conditions": (("t = 0", "u = -sin(pi*x)"),), "periodic": "x"} | changes
    return Problem("ring", ("u_t + u*u_x = u_xx/10",), STRIP, **given)


def objective(problem: Problem, trial: Trial | None = None, members: int = 1) -> ResidualObjective:
    stage, trial = Stage(problem), trial or trial_of(problem, SMALL)
    points = interior(problem.where, 40, "latin", np.random.default_rng(0))
    unknowns = torch.tensor(list(problem.parameters.values()), dtype=torch.float64)
    blocks = [*stage.equations(points), *stage.conditions(trial, 20)]
    model = network(members, (trial.lift.width(2), (2, 1), 3, 1))
    return ResidualObjective(model, blocks, trial, unknowns)


@pytest.mark.parametrize("kind", ["soft", "hard", "unknown", "periodic"])
def test_gradient_and_gauss_newton_matrix_are_those_of_the_loss(kind):
    problem = unknown_problem() if kind == "unknown" else ring() if kind == "periodic" else burgers_problem()
    loss = objective(problem, trial_of(problem, SolveConfig(hard=True)) if kind == "hard" else None, members=2)
    theta = loss.start
    value, slope = loss.gradient(theta)
    again, same, matrix = loss.normal_equations(theta)
    torch.testing.assert_close(value, loss.value(theta))
    torch.testing.assert_close(value, again)
    torch.testing.assert_close(slope, same)
    move = torch.randn(theta.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-6
    numerical = (loss.value(theta + step * move) - loss.value(theta - step * move)) / (2 * step)
    torch.testing.assert_close((slope * move).sum(1), numerical, rtol=1e-6, atol=1e-6)
    assert float(torch.linalg.eigvalsh(matrix).min()) > -1e-9 * float(matrix.abs().max())


def test_slices_of_rows_give_the_same_as_all_at_once(monkeypatch):
    whole = objective(burgers_problem())
    monkeypatch.setattr("kansym.physics.solver.objective.SLICE_NUMBERS", 1)
    sliced = objective(burgers_problem())
    for mine, theirs in zip(sliced.normal_equations(sliced.start), whole.normal_equations(whole.start), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_masked_edges_have_no_gradient():
    loss = objective(burgers_problem())
    masks = [layer.mask.clone() for layer in loss.model.stack]
    masks[1][0, 0, 0] = False
    pruned = ResidualObjective(loss.model.with_masks(masks), loss.blocks, loss.trial)
    assert pruned.start.shape[1] == loss.start.shape[1] - loss.model.stack[1].features_per_input
    value, slope, _ = pruned.normal_equations(pruned.start)
    torch.testing.assert_close(value, pruned.value(pruned.start))
    assert slope.isfinite().all()


def test_balancing_gives_conditions_the_trace_of_the_equation():
    loss = objective(burgers_problem())
    weighted = ResidualObjective(loss.model, balanced(loss, 1, 1.0), loss.trial)
    traces = [block.weight * trace for block, trace in zip(weighted.blocks, loss.curvatures(loss.start), strict=True)]
    assert traces[1] == pytest.approx(traces[0], rel=1e-9) or weighted.blocks[1].weight == 1.0
    assert weighted.blocks[0].weight == 1.0


def test_inserted_knots_keep_the_function_and_go_where_the_residual_is():
    model = network(widths=(2, 3, 1))
    points = Box(STRIP).place(np.random.default_rng(0).random((500, 2)))
    size = (np.abs(points[:, 0]) < 0.05).astype(float)
    finer = insert_knots(model, points, size, 9)
    x = torch.as_tensor(points)
    torch.testing.assert_close(finer(x), model(x), rtol=1e-11, atol=1e-11)
    basis = finer.stack[0].basis
    assert isinstance(basis, BSpline)
    breaks = basis.breaks[0, 0]
    assert finer.stack[0].basis.intervals == 9
    assert int((breaks.abs() < 0.2).sum()) >= 4


def test_conditions_by_construction_hold_whatever_the_network_says():
    problem = Problem(
        "p", ("u_xx + u_yy = 0",), {"x": (0, 1), "y": (-1, 2)},
        (("x = 0", "u = sin(y)"), ("x = 1", "u = sin(y) + 1"), ("y = -1", "u = x - sin(1)"),
         ("y = 2", "u = x + sin(2)")),
    )  # fmt: skip
    trial = by_construction(problem)
    loss = ResidualObjective(network(), [Block("e", problem.residuals[0], np.zeros((1, 2)))], trial)
    model, stage = loss.model, Stage(problem)
    for block in stage.conditions(Trial(), 40):
        held = ResidualObjective(model, [block], trial)
        assert float(held.value(held.start)) < 1e-24
    assert not stage.conditions(trial, 40)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ((("x = 0", "u_x = 0"),), "cannot be built in"),
        ((("x = 0", "u^2 = 1"),), "not of the form u = g"),
        ((("x = 0", "u = 0"), ("t = 0", "u = 1")), "contradicts another one"),
    ],
)
def test_conditions_that_cannot_be_built_in_are_refused(conditions, message):
    problem = Problem("p", ("u_t = u_xx",), {"x": (0, 1), "t": (0, 1)}, conditions)
    with pytest.raises(ConfigError, match=message):
        by_construction(problem)


@pytest.mark.parametrize("name", [name for name, known in PROBLEMS.items() if known.problem().exact is not None])
def test_the_known_problems_are_solved_by_their_known_solutions(name):
    class Known(ProblemContract):
        def problem(self) -> Problem:
            return PROBLEMS.get(name).problem()

        def unknowns(self) -> tuple[float, ...]:
            return (0.25,) if name.startswith("inverse") else ()  # the true diffusivity

    Known().test_a_known_solution_solves_it()
    Known().test_its_document_gives_the_same_problem()


def test_the_burgers_reference_solves_burgers():
    step = 1e-4
    x, t = np.meshgrid(np.linspace(-0.9, 0.9, 13), np.linspace(0.05, 0.25, 5))
    points = np.stack([x.ravel(), t.ravel()], 1)
    at = lambda dx, dt: burgers(points + (dx * step, dt * step))[:, 0]  # noqa: E731
    slope_t = (at(0, 1) - at(0, -1)) / (2 * step)
    slope_x, bend = (at(1, 0) - at(-1, 0)) / (2 * step), (at(1, 0) - 2 * at(0, 0) + at(-1, 0)) / step**2
    np.testing.assert_allclose(slope_t + at(0, 0) * slope_x, 0.01 / np.pi * bend, atol=2e-5)
    start = np.stack([x[0], np.zeros(13)], 1)
    np.testing.assert_allclose(burgers(start)[:, 0], -np.sin(np.pi * x[0]), atol=1e-12)
    late = np.array([[-1.0, 1.0], [0.0, 0.8], [1.0, 1.0]])
    np.testing.assert_allclose(burgers(late)[:, 0], 0, atol=1e-12)


def test_the_burgers_reference_meets_the_published_slope_of_its_shock():
    """Basdevant et al. 1986, table 1: the slope at x = 0 is least at t = 1.6037/pi, and there it is -152.00516."""
    step = 1e-5
    ends = burgers(np.array([[-step, 1.6037 / np.pi], [step, 1.6037 / np.pi]]))[:, 0]
    assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(-152.00516, rel=1e-3)


def test_the_allen_cahn_reference_is_converged_and_meets_its_conditions(monkeypatch):
    monkeypatch.setattr("kansym.physics.solver.reference.INTERVALS", 192)
    monkeypatch.setattr("kansym.physics.solver.reference.STEPS", 500)
    points = Box(STRIP).place(np.random.default_rng(0).random((40, 2)))
    coarse = allen_cahn(points)
    monkeypatch.setattr("kansym.physics.solver.reference.INTERVALS", 256)
    monkeypatch.setattr("kansym.physics.solver.reference.STEPS", 1000)
    np.testing.assert_allclose(allen_cahn(points), coarse, atol=1e-3)
    start = np.stack([np.linspace(-1, 1, 9), np.zeros(9)], 1)
    np.testing.assert_allclose(allen_cahn(start)[:, 0], start[:, 0] ** 2 * np.cos(np.pi * start[:, 0]), atol=1e-9)
    assert allen_cahn(np.array([[1.0, 0.7], [-1.0, 0.3]]))[:, 0] == pytest.approx([-1, -1], abs=1e-9)


def test_a_window_moves_the_conditions_at_the_start():
    part = window_of(burgers_problem(), 0.25, 0.5)
    assert isinstance(part.where, Box)
    assert part.where.ranges == (("x", -1.0, 1.0), ("t", 0.25, 0.5))
    assert [condition.where for condition in part.conditions] == ["t = 0.25", "boundary"]


def test_smooth_burgers_is_solved_and_conditions_hold():
    events = []
    solution = solve(burgers_problem(), SMALL, events.append)
    assert solution.stop_reason == "finished"
    assert solution.check.residuals["equation 1"] < 0.1
    assert solution.check.residuals["condition 1"] < 5e-3
    points = Box(STRIP).place(np.random.default_rng(0).random((200, 2)))
    assert np.max(np.abs(solution(points)[:, 0] - burgers(points, 0.1)[:, 0])) < 0.02
    shares = [event.fraction or 0.0 for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares)
    assert solution.history[-1]["intervals"] == 7


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path):
    quick = {"hidden": (2,), "intervals": (3,), "rounds": 2, "steps": 4, "points": 60}
    first, second, other = (solve(burgers_problem(), SMALL, **quick, seed=seed) for seed in (1, 1, 2))
    folders = [save_solution(each, tmp_path / str(place)) for place, each in enumerate((first, second, other))]
    bytes_of = [(folder / "model.safetensors").read_bytes() for folder in folders]
    assert bytes_of[0] == bytes_of[1]
    assert bytes_of[0] != bytes_of[2]


def test_windows_and_unknown_parameters_are_refused_together():
    with pytest.raises(ConfigError, match="do not go together"):
        solve("inverse-diffusion", windows=2)


def test_periodic_time_and_windows_are_refused_together():
    problem = Problem("p", ("u_t = u_xx",), STRIP, (("boundary", "u = sin(2*pi*t)"),), periodic="t")
    with pytest.raises(ConfigError, match="it is periodic"):
        solve(problem, windows=2)


@pytest.mark.parametrize("hard", [False, True])
def test_a_wave_travels_around_a_ring(hard: bool):
    solution = solve("advection", SMALL, hard=hard)
    assert solution.check.errors["max"] < 2e-3
    assert solution.check.residuals["periodic x"] < 1e-13
    ends = np.array([[-1.0, 0.3], [1.0, 0.3]])
    for order in ((0, 0), (1, 0), (2, 1), (4, 0)):
        assert np.ptp(solution.derivative(ends, order)) < 1e-9


def test_values_that_are_not_periodic_cannot_be_built_in():
    with pytest.raises(ConfigError, match="not periodic x"):
        solve(ring(conditions=(("t = 0", "u = x"),)), SMALL, hard=True)


def test_a_formula_is_held_against_the_ends_that_should_meet():
    """The equation alone would leave any slope as it is."""
    problem = Problem("p", ("u_xx = -pi^2*sin(pi*x)",), {"x": (-1, 1)}, periodic="x")
    tilted = parse("sin(pi*x) + 0.3*x", ("x",))
    found = check(problem, lambda points, order: derivative(tilted, order).evaluate(points)[:, None], [])
    assert found.residuals["equation 1"] < 1e-12
    assert found.residuals["periodic x"] == pytest.approx(0.6 / 2**0.5)  # of the value; the slopes agree
    form = _refitted(solve(problem, SMALL, rounds=1, steps=1, intervals=(3,), points=50), (tilted,))
    assert form is not None and form.exact
    assert np.ptp(form(np.array([[-1.0], [1.0]]))) < 1e-8


def decay(seed: int, weight: float = 1e-4) -> tuple[Problem, np.ndarray, np.ndarray]:
    """exp(-1.3 t) measured at 25 moments with errors of 0.02."""
    random = np.random.default_rng(seed)
    times = np.sort(random.uniform(0, 2, 25))
    values = np.exp(-1.3 * times) + 0.02 * random.standard_normal(25)
    problem = Problem(
        "decay", ("u_t + k*u = 0",), {"t": (0, 2)}, (("t = 0", "u = 1"),), parameters={"k": 1.0},
        observations=(Observations(times[:, None], values, weight=weight),),
    )  # fmt: skip
    return problem, times, values


DECAY = {"hidden": (3,), "intervals": (4,), "points": 100}


def test_standard_errors_are_those_of_least_squares_with_the_known_solution(tmp_path: Path):
    problem, times, values = decay(0)
    solution = solve(problem, SMALL, **DECAY)
    (best,), ((variance,),) = curve_fit(lambda t, k: np.exp(-k * t), times, values, [1.0])
    assert solution.unknowns["k"] == pytest.approx(best, abs=0.3 * variance**0.5)
    assert solution.standard_errors["k"] == pytest.approx(variance**0.5, rel=0.05)
    assert f"± {solution.standard_errors['k']:.2g}" in str(solution)
    again = load_solution(save_solution(solution, tmp_path / "run"))
    assert again.standard_errors == solution.standard_errors


def test_standard_errors_cover_the_true_value_as_often_as_they_say():
    solutions = [solve(decay(seed)[0], SMALL, **DECAY) for seed in range(12)]
    off = [(each.unknowns["k"] - 1.3) / each.standard_errors["k"] for each in solutions]
    assert 0.6 < np.sqrt(np.mean(np.square(off))) < 1.5
    assert sum(abs(each) < 2 for each in off) >= 10


def test_no_standard_error_is_told_where_nothing_is_left_of_the_values():
    problem = decay(0)[0]
    one = Observations(problem.observations[0].points[:1], problem.observations[0].values[:1], weight=1e-4)
    solution = solve(Problem("one", problem.equations, problem.domain, problem.conditions, parameters={"k": 1.0},
                             observations=(one,)), SMALL, **DECAY)  # fmt: skip
    assert np.isnan(solution.standard_errors["k"])
    assert "±" not in str(solution)


CHOICES = (
    {"windows": 2},
    {"windows": 2, "hard": True},
    {"hard": True},
    {"starts": 2},
    {"sampling": "grid"},
    {"method": "lbfgs"},
    {"method": "adam"},
    {"balance": "fixed"},
    {"basis": "fourier"},
)


@pytest.mark.parametrize("changes", CHOICES)
def test_every_choice_ends_in_a_solution_that_saves_and_loads(tmp_path: Path, changes):
    quick = {"hidden": (2,), "intervals": (3, 4), "rounds": 2, "steps": 3, "points": 60}
    solution = solve(burgers_problem(), SMALL, **quick, **changes)
    again = load_solution(save_solution(solution, tmp_path / "run"))
    points = Box(STRIP).place(np.random.default_rng(0).random((50, 2)))
    np.testing.assert_array_equal(again(points), solution(points))
    assert np.isfinite(solution(points)).all()
    assert len(solution.pieces) == changes.get("windows", 1)
    if changes.get("hard"):
        assert solution.check.residuals["condition 2"] < 1e-12
    if changes.get("windows"):
        joint = np.array([[0.3, 0.5 - 1e-12], [0.3, 0.5 + 1e-12]])
        assert np.ptp(solution(joint)) < 0.5


def test_an_unknown_parameter_is_found_from_measured_values():
    solution = solve("inverse-diffusion", SMALL)
    assert solution.unknowns["k"] == pytest.approx(0.25, rel=0.01)


@pytest.mark.parametrize("basis", sorted(set(BASES.names()) - {"linear"}))
def test_every_smooth_basis_solves_an_equation_on_finer_and_finer_grids(basis: str):
    solution = solve("heat", SMALL, basis=basis, hidden=(3,))
    assert solution.check.errors["relative_l2"] < (0.01 if basis == "relu" else 5e-4)
    assert solution.history[-1]["loss"] < solution.history[0]["loss"]
    assert {layer.options.basis for layer in solution.pieces[0].model.stack} == {basis}


def test_time_that_is_up_ends_with_the_best_so_far():
    budget = Budget(None)

    def stop(event: object) -> None:
        if isinstance(event, Progress):
            budget.interrupt()

    solution = solve(burgers_problem(), SMALL, stop, budget)
    assert solution.stop_reason == "interrupted"
    assert np.isfinite(solution(np.array([[0.0, 0.5]]))).all()
    assert "the time was up" in solution.notes[0]
    assert solve(burgers_problem(), SMALL, time_limit=1e-3).stop_reason == "time limit"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"degree": 2}, "degree is 2"),
        ({"basis": "linear"}, "derivatives of order 2, and those of the basis linear are zero"),
        ({"basis": "cubic"}, "unknown basis 'cubic'"),
        ({"method": "newton"}, "unknown method"),
        ({"intervals": (5, 4)}, "each must be larger"),
        ({"hidden": ()}, "hidden needs"),
        ({"points": 0}, "points is 0"),
        ({"speed": 1}, "unknown setting 'speed'"),
    ],
)
def test_choices_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        solve(burgers_problem(), SMALL, **changes)


def test_a_formula_with_rough_constants_becomes_exact_on_the_equation():
    problem = PROBLEMS.get("poisson").problem()
    solution = solve(problem, SMALL, rounds=1, steps=1, intervals=(3,), points=50)
    form = _refitted(solution, (parse("0.99*sin(3.1*x)*sin(3.2*y^2)", ("x", "y")),))
    assert isinstance(form, ClosedForm)
    assert form.exact
    assert str(form) == "sin(pi*x)*sin(pi*y**2)"
    assert form.check.errors["max"] < 1e-12
    wrong = _refitted(solution, (parse("0.9*x*y", ("x", "y")),))
    assert wrong is not None
    assert not wrong.exact


def test_formulas_of_a_system_are_refitted_together():
    problem = PROBLEMS.get("oscillators").problem()
    solution = solve(problem, SMALL, rounds=1, steps=1, intervals=(3,), points=20)
    rough = tuple(parse(text, ("t",)) for text in ("1.1*sin(0.95*t)", "0.9*cos(1.05*t)"))
    model = Refit(problem, rough, np.array([1.1, 0.95, 0.9, 1.05]))
    step = 1e-6
    residuals, slopes = (part[0] for part in model.jacobian(model.places, model.start[None]))
    assert np.allclose(residuals, model.values(model.places, model.start))
    for place in range(4):
        moved = model.start + step * np.eye(4)[place]
        assert np.allclose((model.values(model.places, moved) - residuals) / step, slopes[:, place], atol=1e-4)
    form = _refitted(solution, rough)
    assert form is not None and form.exact and str(form) == "sin(t); cos(t)"
    assert np.allclose(form(np.array([[0.5]])), [[np.sin(0.5), np.cos(0.5)]]) and form.complexity == 4
    again = _formula_from_json(_formula_to_json(form), ("t",))
    assert again is not None and again.expressions == form.expressions and "\\\\" in again.latex()


@pytest.mark.slow
def test_a_system_gives_a_formula_for_each_function():
    found = solve("oscillators")
    assert found.formula is not None and found.formula.exact
    assert found.text.startswith("u = sin(t)\nv = cos(t)\n")


def test_derivatives_of_formulas_are_formulas():
    form = parse("sin(2*x)*y^3", ("x", "y"))
    points = np.random.default_rng(0).random((5, 2))
    expected = -4 * np.sin(2 * points[:, 0]) * 6 * points[:, 1]
    np.testing.assert_allclose(derivative(form, (2, 2)).evaluate(points), expected, rtol=1e-12)


@pytest.mark.parametrize("harm", ["solution.json", "model.safetensors"])
def test_a_changed_solution_is_not_loaded(tmp_path: Path, harm):
    folder = save_solution(solve(burgers_problem(), SMALL, rounds=1, steps=1, points=30), tmp_path / "run")
    content = (folder / harm).read_bytes()
    (folder / harm).write_bytes(content[:-3] + b"0" + content[-2:])
    with pytest.raises(ModelFileError, match="damaged or was changed"):
        load_solution(folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(ModelFileError, match="other files"):
        save_solution(load_solution_of(tmp_path), tmp_path / "other")


def load_solution_of(tmp_path: Path):
    return solve(burgers_problem(), SMALL, rounds=1, steps=1, points=30)
