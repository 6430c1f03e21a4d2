"""Partial differential equations in fields: terms, formulas of any form, and the equations' own solutions."""

import numpy as np
import pytest

from kansym.experiments.pde_free import LAWS, columns, distance, field_of
from kansym.physics.discovery import Field, Settings, find_field_equations, march
from kansym.physics.discovery.fields.averages import smooth_slopes
from kansym.physics.discovery.fields.marching import _turn
from kansym.physics.discovery.fields.terms import Term, by_name, opened
from kansym.symbolic.constant_units import user_unit
from kansym.symbolic.parser import parse
from kansym.symbolic.text import to_text
from kansym_datasets import fields

WAVE = "-2.0*u_x"
X, T = np.linspace(0, 3, 61), np.linspace(0, 0.5, 41)


def plane(values) -> Field:
    """u(t, x) on a window that is no period."""
    return Field({"t": T, "x": X}, {"u": values(T[:, None], X[None])})


def solved(field: Field, law: str, *names: str):
    return march(field, [(parse(law, names), names)])


def test_names_of_terms_say_what_is_differentiated():
    values = np.random.default_rng(0).random((2, 41, 61, 61))
    field = Field({"t": T, "x": X, "y": X}, {"u": values[0], "v": values[1]})
    names = by_name(field)
    assert {"u", "v", "u_x", "u_xy", "v_yy", "u^2*v", "(u^2)_xx"} <= set(names)
    assert names["u_xy"] == Term((1, 0), (0, 1, 1)) and not {"x", "u_t", "u_xxx"} & set(names)
    used: list[str] = []
    factor, formula = opened(Term((3, 0), (0, 0, 1)), field, used)
    assert factor == 3.0 and to_text(formula, used) == "u**2*u_y"


def test_units_of_terms_follow_from_field_and_axes():
    field = Field({"t": T, "x": X}, {"u": np.sin(X) * (1 + T[:, None])}, units={"t": "s", "x": "m", "u": "K"})
    assert user_unit(by_name(field)["u_xx"].unit(field) or "") == user_unit("K/m^2")
    bare = Field(field.axes, field.values, units={"u": "K"})
    assert by_name(bare)["u_xx"].unit(bare) is None and by_name(bare)["(u^2)_xx"].unit(bare) is None


@pytest.mark.parametrize(
    ("law", "names", "values"),
    [
        (WAVE, ("u_x",), lambda t, x: np.exp(-((x - 1.5 - 2 * t) ** 2))),
        ("0.5*u_xx", ("u_xx",), lambda t, x: np.exp(-0.5 * t) * np.sin(x + 0.3)),
        ("x*u", ("x", "u"), lambda t, x: np.exp(x * t) + 0 * x),
        ("-u*u_x", ("u", "u_x"), lambda t, x: (x + 1) / (t + 1)),
    ],
)
def test_a_known_solution_is_marched_between_its_own_edges(law, names, values):
    found = solved(plane(values), law, *names)
    assert found.reached == 1.0 and found.errors["u"] < 1e-5


@pytest.mark.parametrize("last", [0, 1])
def test_a_periodic_axis_closes_with_or_without_its_last_point(last: int):
    x = np.linspace(0, 2 * np.pi, 64 + last, endpoint=bool(last))
    t = np.linspace(0, 2, 41)
    field = Field({"t": t, "x": x}, {"u": np.sin(x - 2 * t[:, None]) + 0.2 * np.cos(3 * (x - 2 * t[:, None]))})
    found = solved(field, WAVE, "u_x")
    assert found.reached == 1.0 and found.errors["u"] < 1e-4


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_a_window_is_told_from_a_period_under_noise_too(noise: float):
    x, t = np.linspace(0, 3, 128), np.linspace(0, 1, 80)[:, None]
    around = np.arange(128) * 2 * np.pi / 128
    windows = [np.exp(-t / 2) * np.sin(x + 0.3), np.exp(-((x - 1 - t) ** 2)), (x + 1) / (t + 1)]
    periods = [np.sin(around - t), np.exp(np.cos(2 * (around - 3 * t)))]
    for wanted, axes in ((None, windows), (0, periods)):
        for u in axes:
            noisy = u + noise * np.std(u) * np.random.default_rng(0).standard_normal(u.shape)
            assert _turn(noisy[None], 2) == wanted


def test_two_axesin_two_dimensions_are_marched_together():
    x, t = np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(0, 1, 41)
    a, b = np.sin(x)[:, None] * np.ones(48), np.cos(x)[None] * np.ones((48, 1))
    fade = np.exp(-t)[:, None, None]
    u, v = fade * (np.cos(t)[:, None, None] * a * b), fade * (np.sin(t)[:, None, None] * a * b)
    laws = [("0.5*a + 0.5*b - c", ("u_xx", "u_yy", "v")), ("0.5*a + 0.5*b + c", ("v_xx", "v_yy", "u"))]
    field = Field({"t": t, "x": x, "y": x}, {"u": u, "v": v})
    found = march(field, [(parse(law, ("a", "b", "c")), names) for law, names in laws])
    assert found.reached == 1.0 and max(found.errors.values()) < 1e-4


def test_a_solution_that_runs_away_ends_where_it_does():
    field = plane(lambda t, x: np.sin(x) + t)
    found = solved(field, "100*u^2 + 1", "u")
    assert 0 < found.reached < 0.5 and np.isnan(found.values["u"][-1]).all() and np.isfinite(found.errors["u"])


def test_wide_polynomials_quiet_the_noise_of_slopes_and_turn_around_a_period():
    x, t = np.linspace(0, 2 * np.pi, 128, endpoint=False), np.linspace(0, 1, 60)
    clean = np.sin(x) * np.ones((60, 1))
    field = Field({"t": t, "x": x}, {"u": clean + 1e-3 * np.random.default_rng(0).standard_normal(clean.shape)})
    narrow, wide = smooth_slopes(field), smooth_slopes(field, [12, 12], [False, True])
    gaps = [np.std(slope(field.values["u"], (0, 1)) - np.cos(x)) for slope in (narrow, wide)]
    assert gaps[1] < 0.2 * gaps[0] and gaps[1] < 2e-3
    edges = wide(field.values["u"], (0, 1))[:, [0, -1]] - np.cos(x)[[0, -1]]
    assert np.max(np.abs(edges)) < 1e-2


def test_a_law_that_is_no_sum_of_terms_is_found_in_a_field_and_solved():
    law = next(each for each in LAWS if each.case == "growing front")
    field = field_of(law, 0.0, 0)
    found = find_field_equations(field, Settings(time_limit=60))
    truth = parse(law.rate, ("u", "u_x", "u_xx", "u_xxx", "u_xxxx", "x"))
    assert distance(found.equations[0], truth, field) < 1e-3 and found.equations[0].origin == "search"
    assert found.exact and found.facts["solution's error of u"] < 1e-4 and not found.notes


def test_a_library_that_only_imitates_a_law_is_not_called_exact():
    law = next(each for each in LAWS if each.case == "growing front")
    found = find_field_equations(field_of(law, 0.01, 0), Settings(search=False))
    assert not found.exact and "the best approximation" in found.notes[0]


def test_the_generator_of_the_experiment_obeys_its_law():
    law = LAWS[0]
    u = field_of(law, 0.0, 0)
    t, values = u.axes["t"], u.values["u"]
    rate = parse(law.rate, ("u", "u_x", "u_xx", "u_xxx", "u_xxxx", "x")).evaluate(columns(values[50]))
    assert np.max(np.abs((values[51] - values[49]) / (t[51] - t[49]) - rate)) < 1e-3 * np.max(np.abs(rate))


def test_burgers_solution_follows_the_noisy_field_and_shows_it():
    axes, values = fields.grid("pde-burgers", 0.05)
    found = find_field_equations(Field(axes, values), Settings(search=False))
    assert found.exact and found.facts["solution's error of u"] == pytest.approx(0.05, rel=0.1)
    assert [curve.state for curve in found.curves][:2] == ["u at t = 0", "u at t = 2"] and len(found.balance) == 1
    assert np.array_equal(found.curves[0].times, axes["x"])
