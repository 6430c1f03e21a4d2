"""Every shipped table is checked by arithmetic: the numbers must give the law, and NIST's certified results."""

from __future__ import annotations

import ast
import csv
import operator
from importlib.resources import files

import numpy as np
import pytest

import kansym_datasets
from kansym.data.units import split_headers
from kansym.errors import DataError
from kansym_datasets import catalogue

STRD = [name for name in catalogue.names() if catalogue.card(name).kind == "strd"]
MEASURED = [name for name in catalogue.names() if catalogue.card(name).kind == "measured"]
# Rows of each set as NIST and the printed tables count them.
ROWS = {
    "bennett5": 154, "boxbod": 6, "chwirut1": 214, "chwirut2": 54, "danwood": 6, "eckerle4": 35, "enso": 168,
    "gauss1": 250, "gauss2": 250, "gauss3": 250, "hahn1": 236, "kirby2": 151, "lanczos1": 24, "lanczos2": 24,
    "lanczos3": 24, "mgh09": 11, "mgh10": 16, "mgh17": 33, "misra1a": 14, "misra1b": 14, "misra1c": 14,
    "misra1d": 14, "nelson": 128, "rat42": 9, "rat43": 15, "roszman1": 25, "thurber": 37,
    "kepler": 6, "planets": 8, "hubble1929": 24, "balmer": 18, "forbes": 17,
    "mercury": 19, "boyle": 25, "leavitt": 25, "leavitt_minimum": 25, "puromycin": 12,
    "puromycin_untreated": 11, "firas": 43,
}  # fmt: skip
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "atan": np.arctan}


def evaluate(node, values):
    """The value of a parsed formula, written anew here so that the check does not lean on kansym's own parser."""
    if isinstance(node, ast.Expression):
        return evaluate(node.body, values)
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        return OPERATORS[type(node.op)](evaluate(node.operand, values))
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](*[evaluate(argument, values) for argument in node.args])
    return OPERATORS[type(node.op)](evaluate(node.left, values), evaluate(node.right, values))


def predict(formula, data, constants):
    columns = dict(zip(data.input_names, data.inputs.T, strict=True))
    return evaluate(ast.parse(formula, mode="eval"), {"pi": np.pi, **columns, **constants})


def strd_model(card, data, parameters):
    return predict(card.law, data, {f"b{i + 1}": value for i, value in enumerate(parameters)})


def jacobian(card, data, parameters):
    """Exact derivatives (N, p) by a complex step."""
    columns = []
    for i, value in enumerate(parameters):
        moved = np.array(parameters, dtype=complex)
        moved[i] += 1e-30j * (abs(value) or 1.0)
        columns.append(strd_model(card, data, moved).imag / (1e-30 * (abs(value) or 1.0)))
    return np.stack(columns, axis=1)


def gauss_newton_step(card, data, parameters):
    """The step (p,) and the square roots of the diagonal of inv(J'J) (p,), with scaled columns."""
    slopes = jacobian(card, data, parameters)
    scale = np.linalg.norm(slopes, axis=0)
    orthogonal, triangle = np.linalg.qr(slopes / scale)
    inverse = np.linalg.inv(triangle)
    residual = data.targets[:, 0] - strd_model(card, data, parameters)
    return inverse @ (orthogonal.T @ residual) / scale, np.linalg.norm(inverse, axis=1) / scale


def line(x, y):
    """Slope, intercept and RMSE of the least-squares line."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    (slope, intercept), *_ = np.linalg.lstsq(design, y, rcond=None)
    return slope, intercept, np.sqrt(np.mean((y - slope * x - intercept) ** 2))


def columns_of(name):
    data = catalogue.load(name)
    return data.inputs[:, 0], data.targets[:, 0]


def test_all_27_strd_sets_and_twelve_measured_tables_are_there():
    assert len(STRD) == 27
    assert len(MEASURED) == 12
    assert set(ROWS) == set(catalogue.names())


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_table_has_its_rows_and_its_card_names_every_column(name):
    card, data = catalogue.card(name), catalogue.load(name)
    assert card.name == name and data.rows == ROWS[name]
    assert set(card.columns) == set(card.units) == set(card.table_columns)
    assert data.input_names == card.inputs and data.target_names == (card.target,)
    assert len(card.labels) in (0, data.rows)
    assert all((card.title, card.source, card.licence, card.law, card.notes))


def test_every_card_has_a_table_and_every_table_a_card():
    folder = files("kansym_datasets") / "data"
    assert {entry.name.removesuffix(".csv") for entry in folder.iterdir()} == set(catalogue.names())


@pytest.mark.parametrize("name", STRD)
def test_parameter_vectors_have_one_length_and_the_degrees_of_freedom_agree(name):
    strd = catalogue.card(name).strd
    assert len({len(strd.start1), len(strd.start2), len(strd.certified), len(strd.certified_sd)}) == 1
    assert strd.dof == ROWS[name] - len(strd.certified)
    assert strd.level in ("lower", "average", "higher")
    assert min(strd.certified_sd) > 0


@pytest.mark.parametrize("name", sorted(set(STRD) - {"lanczos1"}))
def test_the_certified_parameters_give_the_certified_residual_sum_of_squares(name):
    card, data = catalogue.card(name), catalogue.load(name)
    residual = data.targets[:, 0] - strd_model(card, data, card.strd.certified)
    assert residual @ residual == pytest.approx(card.strd.rss, rel=1e-9)


@pytest.mark.parametrize("name", STRD)
def test_the_certified_standard_errors_follow_from_the_jacobian(name):
    card, data = catalogue.card(name), catalogue.load(name)
    _, spread = gauss_newton_step(card, data, card.strd.certified)
    expected = spread * np.sqrt(card.strd.rss / card.strd.dof)
    np.testing.assert_allclose(card.strd.certified_sd, expected, rtol=1e-6)


@pytest.mark.parametrize("name", sorted(set(STRD) - {"lanczos1"}))
def test_the_certified_parameters_are_a_minimum(name):
    card, data = catalogue.card(name), catalogue.load(name)
    step, _ = gauss_newton_step(card, data, card.strd.certified)
    assert np.max(np.abs(step) / card.strd.certified_sd) < 1e-5


def test_lanczos1_reaches_its_certified_residual_after_a_refit():
    """Its residuals are 1e-13, below the rounding of the certified parameters to 11 digits: refit, then compare."""
    card, data = catalogue.card("lanczos1"), catalogue.load("lanczos1")
    parameters = np.array(card.strd.certified)
    for _ in range(3):
        parameters = parameters + gauss_newton_step(card, data, parameters)[0]
    residual = data.targets[:, 0] - strd_model(card, data, parameters)
    assert residual @ residual == pytest.approx(card.strd.rss, rel=1e-2)
    np.testing.assert_allclose(parameters, card.strd.certified, rtol=3e-10)


def test_the_three_levels_have_8_11_and_8_sets():
    levels = [catalogue.card(name).strd.level for name in STRD]
    assert [levels.count(level) for level in ("lower", "average", "higher")] == [8, 11, 8]


@pytest.mark.parametrize("name", MEASURED)
def test_the_truth_of_a_measured_table_is_its_law_with_the_stated_constants(name):
    card, data = catalogue.card(name), catalogue.load(name)
    target, formula = card.truth.split(" = ")
    assert target == card.target
    expected = predict(card.law, data, card.constants)
    np.testing.assert_allclose(predict(formula, data, {}), expected, rtol=2e-3)


def test_kepler_had_an_exponent_of_1_503():
    distance, period = columns_of("kepler")
    assert line(np.log(distance), np.log(period))[0] == pytest.approx(1.50314, abs=1e-5)


def test_the_planets_have_an_exponent_of_three_halves():
    distance, period = columns_of("planets")
    slope, intercept, _ = line(np.log(distance), np.log(period))
    assert slope == pytest.approx(1.49987, abs=6e-5)
    assert np.exp(intercept) == pytest.approx(1.0, abs=1e-4)
    # Jupiter's own mass, 1/1047.6 of the Sun's, shortens its period.
    assert period[4] ** 2 / distance[4] ** 3 == pytest.approx(1 / (1 + 1 / 1047.6), abs=2e-4)


def test_hubbles_line_through_the_origin_has_a_slope_of_424():
    distance, velocity = columns_of("hubble1929")
    slope = distance @ velocity / (distance @ distance)
    assert slope == pytest.approx(423.94, abs=0.01)
    assert np.sqrt(np.mean((velocity - slope * distance) ** 2)) == pytest.approx(224.2, abs=0.1)


def test_balmer_lines_agree_with_the_rydberg_formula_in_air():
    number, wavelength = columns_of("balmer")
    constant = wavelength * (number**2 - 4) / number**2
    assert constant.min() > 364.598 and constant.max() < 364.602
    vacuum = 1e9 / (10967758.34 * (1 / 4 - 1 / number**2))
    squared = (1e3 / vacuum) ** 2
    index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - squared) + 1.5998e-4 / (38.9 - squared)
    # Fine structure binds n = 2 more, by about one part in 1e5; nothing else may be left over.
    shift = wavelength * index / vacuum - 1
    np.testing.assert_allclose(shift, -9.5e-6, atol=1e-6)


def test_forbes_gives_the_heat_of_vaporisation_of_water():
    temperature, pressure = columns_of("forbes")
    slope, intercept, rmse = line(1 / temperature, np.log(pressure))
    assert rmse == pytest.approx(0.00794, abs=1e-5)
    assert -slope * 8.314462618 == pytest.approx(41.93e3, abs=10)
    residual = np.log(pressure) - slope / temperature - intercept
    assert np.argmax(np.abs(residual)) == 11


def test_mercury_follows_clausius_clapeyron_and_antoine():
    temperature, pressure = columns_of("mercury")
    assert line(1 / temperature, np.log10(pressure))[2] == pytest.approx(0.0201, abs=1e-4)
    shifted = line(1 / (temperature - 10.527), np.log10(pressure))
    assert shifted[2] == pytest.approx(0.0161, abs=1e-4)
    assert shifted[0] == pytest.approx(-3005.4, abs=0.5)


def test_boyles_products_are_constant_to_one_percent():
    volume, pressure = columns_of("boyle")
    product = pressure * volume
    assert np.max(np.abs(product / product.mean() - 1)) < 0.01
    assert product.mean() == pytest.approx(1408.1, abs=0.1)
    # Boyle read to sixteenths of an inch.
    np.testing.assert_array_equal(pressure * 16, np.round(pressure * 16))


@pytest.mark.parametrize(("name", "slope"), [("leavitt", -2.018), ("leavitt_minimum", -2.049)])
def test_leavitts_stars_gain_one_magnitude_for_about_0_48_in_log_period(name, slope):
    period, magnitude = columns_of(name)
    fitted = line(np.log10(period), magnitude)[0]
    assert fitted == pytest.approx(slope, abs=1e-3)
    assert -1 / fitted == pytest.approx(0.48, abs=0.02)


@pytest.mark.parametrize(
    ("name", "limit", "half"), [("puromycin", 212.7, 0.06412), ("puromycin_untreated", 160.3, 0.04771)]
)
def test_puromycin_follows_michaelis_menten_with_the_published_constants(name, limit, half):
    substrate, velocity = columns_of(name)
    grid = np.linspace(half - 0.002, half + 0.002, 401)
    shape = substrate / (grid[:, None] + substrate)  # (401, N)
    best = shape @ velocity / np.sum(shape**2, axis=1)  # the limit is linear
    loss = np.sum((velocity - best[:, None] * shape) ** 2, axis=1)
    assert grid[np.argmin(loss)] == pytest.approx(half, abs=2e-5)
    assert best[np.argmin(loss)] == pytest.approx(limit, abs=0.1)


def test_firas_gives_a_black_body_of_2_725_kelvin():
    data = catalogue.load("firas")
    wavenumber, radiance = data.inputs[:, 0], data.targets[:, 0]
    amplitude, rate = 39.729, 0.52799
    for _ in range(5):  # Gauss-Newton on two parameters
        growth = np.exp(rate * wavenumber)
        model = amplitude * wavenumber**3 / (growth - 1)
        slopes = np.stack([model / amplitude, -model * wavenumber * growth / (growth - 1)], axis=1)
        step, *_ = np.linalg.lstsq(slopes / data.sigma[:, None], (radiance - model) / data.sigma, rcond=None)
        amplitude, rate = amplitude + step[0], rate + step[1]
    second_radiation_constant = 6.62607015e-34 * 299792458 * 100 / 1.380649e-23  # K cm
    chi = np.sum(((radiance - model) / data.sigma) ** 2)
    assert second_radiation_constant / rate == pytest.approx(2.72501, abs=3e-5)
    assert amplitude == pytest.approx(39.729, abs=1e-3)
    assert chi / (data.rows - 2) == pytest.approx(1.0985, abs=1e-3)


def test_load_gives_units_names_and_errors():
    data = kansym_datasets.load("firas")
    assert data.input_units == ("1/cm",) and data.target_units == ("MJy/sr",)
    assert data.sigma is not None and data.sigma[0] == pytest.approx(0.014)
    assert kansym_datasets.load("misra1a").input_units == (None,)


def test_rows_and_noise_are_refused_for_a_measured_table():
    with pytest.raises(DataError, match="'kepler' is a measured table"):
        kansym_datasets.load("kepler", rows=3)
    with pytest.raises(DataError, match="measured table"):
        kansym_datasets.load("kepler", noise=0.1)


def test_an_unknown_table_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match="did you mean 'kepler'"):
        catalogue.card("keppler")


def test_a_card_cannot_be_changed():
    with pytest.raises(TypeError):
        kansym_datasets.card("kepler").columns["a"] = "other"


@pytest.mark.parametrize("name", ["forbes", "firas", "nelson"])
def test_a_written_file_has_the_units_in_its_header_and_the_same_numbers(name, tmp_path):
    path = kansym_datasets.write(name, tmp_path / "table.csv")
    with path.open(encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    card, data = catalogue.card(name), catalogue.load(name)
    names, units = split_headers(header)
    assert names == card.table_columns
    assert units == tuple(card.units[column] or None for column in names)
    numbers = np.array(rows, dtype=float)
    np.testing.assert_array_equal(numbers[:, : data.columns], data.inputs)
    np.testing.assert_array_equal(numbers[:, data.columns], data.targets[:, 0])


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot write"):
        kansym_datasets.write("kepler", tmp_path / "missing" / "table.csv")
