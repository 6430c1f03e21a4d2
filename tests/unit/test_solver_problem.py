"""Differential equations as values: how they are written, what is refused, where they hold."""

from pathlib import Path

import numpy as np
import pytest
import sympy
import torch

from kansym.errors import ConfigError, FormulaError
from kansym.physics.solver import Box, Condition, Observations, Problem, Union, apply, coordinates, field, read_problem
from kansym.physics.solver.domain import faces_at, on_edge
from kansym.physics.solver.files import problem_from
from kansym.physics.solver.jets import Orders
from kansym.physics.solver.periodic import Lift, seams
from kansym.physics.solver.sampling import edge, interior, latin_hypercube, where_large
from kansym.testing import ProblemContract

SQUARE = {"x": (-1, 1), "y": (0, 2)}
STRIP = {"x": (-1, 1), "t": (0, 1)}


class TestBurgersIsAProblem(ProblemContract):
    def problem(self) -> Problem:
        return Problem(
            "burgers", ("u_t + u*u_x = 0.01/pi*u_xx",), STRIP, (("t = 0", "u = -sin(pi*x)"), ("boundary", "u = 0"))
        )


class TestAnInverseProblemIsAProblem(ProblemContract):
    def problem(self) -> Problem:
        measured = Observations(np.array([[0.1, 0.2], [0.3, 0.4]]), np.array([1.0, 2.0]))
        return Problem("inverse", ("u_t = k*u_xx",), STRIP, parameters={"k": 1.0}, observations=(measured,))


class TestASystemOnAnLIsAProblem(ProblemContract):
    def problem(self) -> Problem:
        domain = Union((Box({"x": (0, 1), "y": (0, 2)}), Box({"x": (1, 2), "y": (0, 1)})))
        return Problem("l", ("u_xx = v", "v_yy = u"), domain, (("boundary", "u = 0"),), fields=("u", "v"))


class TestAProblemOnARingIsAProblem(ProblemContract):
    def problem(self) -> Problem:
        return Problem(
            "ring", ("u_t = u_xx/10",), STRIP, (("t = 0", "u = sin(pi*x)"),), periodic="x",
            exact="exp(-pi^2*t/10)*sin(pi*x)",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"periodic": ("z",)}, "no coordinate is called 'z'"),
        ({"periodic": ("x", "x")}, "name every coordinate once"),
        ({"conditions": (("x = 1", "u = 0"),)}, "x is periodic and has no ends"),
        ({"conditions": (("boundary", "u = 0"),)}, "'boundary' names no side"),
        ({"domain": Union((Box({"x": (0, 1), "t": (0, 1)}), Box({"x": (1, 2), "t": (0, 2)})))}, "one box"),
    ],
)
def test_periodic_coordinates_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Problem(**({"name": "p", "equations": ("u_t = u_xx",), "domain": STRIP, "periodic": ("x",)} | changes))


def test_the_boundary_leaves_periodic_coordinates_out_and_a_seam_asks_for_all_derivatives_below_the_highest():
    problem = Problem("p", ("u_xxx = u_yy",), SQUARE, (("boundary", "u = 0"),), periodic="x")
    assert {face.axis for face in problem.faces("boundary")} == {1}
    (seam,) = seams(problem, 9)
    assert seam.orders == ((0, 0), (1, 0), (2, 0))
    assert (set(seam.low[:, 0]), set(seam.high[:, 0])) == ({-1.0}, {1.0})
    np.testing.assert_array_equal(seam.low[:, 1], seam.high[:, 1])


def test_jets_of_what_a_network_reads_of_a_periodic_coordinate_are_those_of_its_cosine_and_sine():
    lift = Lift(((-1.0, 4.0), None))
    orders, x = Orders.closure([(3, 1)], 2), torch.rand(5, 2, dtype=torch.float64)
    jets, rate = lift.jets(orders, x), np.pi / 2
    turned = (rate * (x[:, 0] + 1)).numpy()
    slopes = [np.cos, lambda a: -np.sin(a), lambda a: -np.cos(a), np.sin]
    for times, slope in enumerate(slopes):
        cosine, sine = slope(turned), slope(turned - np.pi / 2)
        found = jets[orders.place((times, 0))] * orders.factorials[orders.place((times, 0))]
        np.testing.assert_allclose(found[:, 0], rate**times * cosine, atol=1e-12)
        np.testing.assert_allclose(found[:, 1], rate**times * sine, atol=1e-12)
    assert not jets[orders.place((1, 1))].any()
    np.testing.assert_array_equal(jets[orders.place((0, 1))][:, 2], np.ones(5))
    assert lift.width(2) == 3 == lift.inputs(x.numpy()).shape[1]


def test_the_same_equation_can_be_written_in_four_ways():
    u, (x,) = field("u"), coordinates("x")
    s_x, s_t = sympy.symbols("x t")
    s_u = sympy.Function("u")(s_x, s_t)
    ways = [
        "u_t + u*u_x - u_xx - sin(x)",
        "u.dt + u*u.dx = u.dxx + sin(x)",
        u.dt + u * u.dx - u.dxx - apply("sin", x),
        sympy.Eq(s_u.diff(s_t) + s_u * s_u.diff(s_x) - s_u.diff(s_x, 2), sympy.sin(s_x)),
    ]
    row = np.random.default_rng(0).random((5, 6))
    residuals = [Problem("p", (way,), STRIP).residuals[0] for way in ways]
    assert len({residual.slots for residual in residuals}) == 1
    for residual in residuals:
        np.testing.assert_allclose(residual.values(row), residuals[0].values(row), rtol=1e-14)


def test_derivatives_do_not_depend_on_the_order_of_their_letters():
    slots = [Problem("p", (way,), STRIP).residuals[0].slots for way in ("u_tx", "u_xt", field("u").dt.dx)]
    assert slots == [((0, (1, 1)),)] * 3


@pytest.mark.parametrize(
    ("equation", "message"),
    [
        ("u_t = u_zz", "nothing is called 'u_zz'"),
        ("u_t = w", "nothing is called 'w'"),
        ("u_t = u = 0", "more than one '='"),
        ("__import__('os')", "position"),
        ("u_t = sine(x)", "no function is called 'sine'"),
        (object(), "an equation is text"),
        ("x*t", "no equation says anything about 'u'"),
    ],
)
def test_what_is_no_equation_is_refused_in_one_line(equation, message):
    with pytest.raises((FormulaError, ConfigError)) as refusal:
        Problem("p", (equation,), STRIP)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain": {"x": (1, 0), "t": (0, 1)}}, "must be below"),
        ({"domain": {"xx": (0, 1)}}, "one letter"),
        ({"conditions": (("x = 7", "u = 0"),)}, "no side of the domain is at x = 7"),
        ({"conditions": (("z = 0", "u = 0"),)}, "no coordinate is called 'z'"),
        ({"conditions": (("somewhere", "u = 0"),)}, "names no part of the edge"),
        ({"conditions": (Condition("t = 0", "u = 0", -1.0),)}, "weight"),
        ({"conditions": (("t = 0", "x = 0"),)}, "names no function"),
        ({"parameters": {"k": 1.0}}, "stands in no equation"),
        ({"equations": ("u_t = k*u",), "parameters": {"k": 1.0}}, "give observations"),
        ({"observations": (Observations(np.zeros((2, 3)), np.zeros(2)),)}, "one row of 2 coordinates"),
        ({"fields": ("u", "u")}, "names of their own"),
        ({"exact": ("x", "t")}, "one exact formula per function"),
    ],
)
def test_a_problem_that_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Problem(**({"name": "p", "equations": ("u_t = u_xx",), "domain": STRIP} | changes))


def test_a_boundary_leaves_out_the_faces_of_time():
    domain = Box(STRIP)
    assert [domain.names[face.axis] for face in faces_at(domain, "boundary")] == ["x", "x"]
    assert len(faces_at(Box(SQUARE), "boundary")) == 4
    assert len(faces_at(domain, "x = -1, t = 0")) == 2


def test_points_on_the_edge_of_a_union_are_never_inside_it():
    domain = Union((Box({"x": (0, 1), "y": (0, 2)}), Box({"x": (1, 2), "y": (0, 1)})))
    points = edge(domain, faces_at(domain, "boundary"), 400)
    assert on_edge(domain, points).all()
    seam = (np.abs(points[:, 0] - 1) < 1e-12) & (points[:, 1] < 0.99) & (points[:, 1] > 0.01)
    assert not seam.any()
    inside = interior(domain, 500, "latin", np.random.default_rng(0))
    assert domain.contains(inside).all()
    assert len(inside) == 500
    assert not ((inside[:, 0] > 1) & (inside[:, 1] > 1)).any()


def test_a_latin_hypercube_has_one_point_in_every_slice():
    points = latin_hypercube(50, 3, np.random.default_rng(0))
    for column in points.T:
        assert sorted((column * 50).astype(int)) == list(range(50))


def test_points_follow_a_large_residual():
    random = np.random.default_rng(0)
    candidates = latin_hypercube(4000, 1, random)
    size = (np.abs(candidates[:, 0] - 0.5) < 0.05).astype(float)
    chosen = candidates[where_large(candidates, size, 1000, random), 0]
    share = np.mean(np.abs(chosen - 0.5) < 0.05)
    assert 0.3 < share < 0.6  # 10 % of the range
    assert len(np.unique(chosen)) == 1000


HEAT = """
equation = "u_t = k*u_xx"
exact = "exp(-t)*sin(x)"
[domain]
x = [0, 3]
t = [0, 1]
[[conditions]]
where = "t = 0"
equation = "u = sin(x)"
[parameters]
k = 2
[[observations]]
points = [[1.0, 0.5], [2.0, 0.5]]
values = [0.5, 0.6]
[settings]
hidden = [3]
seed = 4
"""


def test_a_problem_is_read_from_toml(tmp_path: Path):
    path = tmp_path / "heat.toml"
    path.write_text(HEAT, "utf-8")
    problem, config = read_problem(path)
    assert problem.name == "heat"
    assert problem.parameters == {"k": 2.0}
    assert problem.coordinates == ("x", "t")
    assert (config.hidden, config.seed) == ((3,), 4)
    truth = problem.truth(np.array([[1.0, 0.0]]))
    assert truth is not None and truth[0, 0] == pytest.approx(np.sin(1.0))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("equation =", "equatoin =", "unknown key 'equatoin'"),
        ("x = [0, 3]", "x = 3", "give two numbers"),
        ("x = [0, 3]", 'x = ["a", 3]', "must be a number"),
        ('where = "t = 0"', "where = 0", "a condition needs 'where'"),
        ("values = [0.5, 0.6]", "values = [0.5]", "one row of 2 coordinates"),
        ("seed = 4", "sed = 4", "unknown setting 'sed'"),
        ("hidden = [3]", "hidden = 3", "wrong kind"),
        ("k = 2", "k = ", "not valid TOML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_in_one_line(tmp_path: Path, old, new, message):
    path = tmp_path / "heat.toml"
    path.write_text(HEAT.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=message) as refusal:
        read_problem(path)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot read"):
        read_problem(tmp_path / "nothing.toml")
    with pytest.raises(ConfigError, match="needs its domain"):
        problem_from({"equation": "u_x = 0"})
