"""The scikit-learn estimator keeps scikit-learn's own contract, and finds laws."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("polars")
import pandas as pd
import polars as pl
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import kansym
from kansym.config import Config
from kansym.errors import ConfigError
from kansym.sklearn import KANClassifier, KANRegressor, KANTransformer, merged

Array = np.ndarray
# What is left are constants, monomials and sums of powers: the contract is that of any search.
QUICK = (
    "network", "halves", "dictionary", "parts", "reductions", "screening", "curves", "splines", "simplification",
    "fractions", "products", "powers", "units", "shapes", "sums", "coefficients", "polynomials",
)  # fmt: skip


@pytest.mark.slow
@parametrize_with_checks(
    [
        KANRegressor(without=QUICK, primitives=("x^2", "exp")),
        KANClassifier(without=QUICK, primitives=("x^2", "exp")),
        KANTransformer(width=(2,), preset="fast"),
    ]
)
def test_scikit_learns_own_checks(estimator: object, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def fall(rows: int = 60) -> tuple[pd.DataFrame, Array]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"v [m/s]": random.uniform(1, 5, rows), "m": random.uniform(1, 3, rows)})
    return frame, 0.5 * frame["m"].to_numpy() * frame["v [m/s]"].to_numpy() ** 2


def test_a_frame_gives_its_column_names_to_the_law() -> None:
    frame, energy = fall()
    model = KANRegressor().fit(frame, energy)
    assert model.formula_.input_names == ("v [m/s]", "m") and list(model.feature_names_in_) == ["v [m/s]", "m"]
    assert model.formula_.text() == "`v [m/s]`**2*m/2" and model.score(frame, energy) == 1.0
    assert not model.interrupted_ and model.front_.best is model.formula_


def test_a_polars_frame_does_as_well() -> None:
    frame, energy = fall()
    model = KANRegressor().fit(pl.from_pandas(frame), energy)
    assert model.formula_.input_names == ("v [m/s]", "m")
    assert model.predict(pl.from_pandas(frame)) == pytest.approx(energy)


def test_several_targets_are_several_laws() -> None:
    frame, energy = fall()
    targets = np.column_stack([energy, 3.0 / frame["m"]])
    model = KANRegressor().fit(frame.to_numpy(), targets)
    assert [formula.target_name for formula in model.formula_] == ["y0", "y1"]
    assert model.predict(frame.to_numpy()) == pytest.approx(targets)


def test_it_works_in_pipelines_and_searches() -> None:
    frame, energy = fall()
    pipeline = make_pipeline(FunctionTransformer(np.log), KANRegressor(without=("network",)))
    fitted = pipeline.fit(frame.to_numpy(), np.log(energy))
    assert fitted[-1].formula_.complexity <= 10 and fitted.score(frame.to_numpy(), np.log(energy)) > 0.999999
    search = GridSearchCV(KANRegressor(without=("network",)), {"max_complexity": [3, 20]}, cv=2)
    assert search.fit(frame.to_numpy(), energy).best_params_ == {"max_complexity": 20}


def test_weights_are_rows_given_so_often_and_the_order_does_not_matter() -> None:
    rows = np.array([[2.0, 1.0], [1.0, 5.0], [2.0, 1.0], [0.0, 0.0]])
    different, weights = merged(rows, np.array([1.0, 2.0, 0.5, 0.0]))
    assert different.tolist() == [[1.0, 5.0], [2.0, 1.0]] and weights.tolist() == [2.0, 1.5]


def test_a_warm_start_begins_from_the_law_before() -> None:
    frame, energy = fall()
    model = KANRegressor(warm_start=True).fit(frame, energy)
    model.set_params(without=("powers", *QUICK)).fit(frame, 2 * energy)
    assert model.formula_.text() == "`v [m/s]`**2*m"


def test_a_wrong_setting_is_told_at_the_fit() -> None:
    frame, energy = fall()
    with pytest.raises(ConfigError, match="preset 'quick' is unknown"):
        KANRegressor(preset="quick").fit(frame, energy)


def test_a_frame_goes_in_and_a_column_of_its_kind_comes_out() -> None:
    frame, energy = fall()
    frame.index = pd.Index(range(100, 160))
    result = kansym.fit(frame.assign(E=energy), Config(without=("network", "simplification")))
    mixed = frame[["m", "v [m/s]"]].assign(note="text")
    column = result.predict(mixed)
    assert isinstance(column, pd.Series) and column.name == "E" and column.index.equals(frame.index)
    np.testing.assert_allclose(column, energy)
    polar = result.predict(pl.from_pandas(mixed).lazy())
    assert isinstance(polar, pl.Series) and polar.name == "E" and polar.to_list() == column.to_list()
    arrow = pytest.importorskip("pyarrow")
    assert isinstance(result.predict(arrow.Table.from_pandas(mixed, preserve_index=False)), arrow.ChunkedArray)
    assert isinstance(result.predict(frame.to_numpy()), np.ndarray)
    with pytest.raises(kansym.errors.DataError, match="'m'"):
        result.predict(frame[["v [m/s]"]])


def test_fit_takes_frames_files_and_data_sets(tmp_path: Path) -> None:
    frame, energy = fall()
    frame["E"] = energy
    frame.to_csv(tmp_path / "fall.csv", index=False)
    config = Config(without=("network",))
    texts = {kansym.fit(data, config).formula.text() for data in (frame, pl.from_pandas(frame), tmp_path / "fall.csv")}
    assert len(texts) == 1
    other = kansym.fit(frame, config, target="m")
    assert other.formula.target_name == "m" and other.formula.complexity <= 8
    with pytest.raises(ConfigError, match="knows its own target"):
        kansym.fit(kansym.Dataset.from_arrays([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]), target="y")
