"""Logit formulas: constants are those of maximum likelihood, and laws are found from nothing but labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from kansym.structure.logits import Trials, smooth_logits
from kansym.symbolic.likelihood import Classes, logits_of, most_likely
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import CALLS

pytest.importorskip("sklearn")
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kansym.sklearn import KANClassifier, KANRegressor, KANTransformer
from kansym.sklearn.classifier import counted

Array = np.ndarray
NAMES = ("x", "y")
# What is left finds sums of products and terms of the dictionary: enough for these laws, and quick.
PLAIN = (
    "network", "halves", "parts", "reductions", "curves", "shapes", "splines", "simplification", "fractions",
    "screening", "coefficients",
)  # fmt: skip


def labels(logit: Array, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random(len(logit)) < expit(logit)


def rows(count: int = 1500, seed: int = 1) -> Array:
    return np.random.default_rng(seed).uniform(-2, 2, (count, 2))


def classes_of(x: Array, y: Array, weights: Array | None = None) -> Classes:
    return counted(x, y.astype(int), np.ones(len(x)) if weights is None else weights, int(y.max()) + 1)


def test_a_line_is_logistic_regression_with_its_standard_errors() -> None:
    x = rows(400)
    y = labels(1.5 * x[:, 0] - 0.5 * x[:, 1] + 0.3)
    found = most_likely([parse("1.0*x + 1.0*y + 0.0", NAMES)], classes_of(x, y))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, y)
    values = [constant.value for constant in found.expressions[0].free_constants]
    assert values == pytest.approx([*model.coef_[0], *model.intercept_], rel=5e-3)  # the weak prior moves them a little
    design = np.column_stack([x, np.ones(len(x))])
    share = model.predict_proba(x)[:, 1]
    covariance = np.linalg.inv(design.T @ ((share * (1 - share))[:, None] * design))
    np.testing.assert_allclose(found.covariance, covariance, rtol=2e-2, atol=1e-5)


def test_three_classes_are_fitted_together() -> None:
    x, random = rows(600), np.random.default_rng(4)
    logits = np.column_stack([np.zeros(len(x)), 2 * x[:, 0] ** 2 - 1, x[:, 0] * x[:, 1]])
    y = np.array([random.choice(3, p=p) for p in np.exp(log_softmax(logits, axis=1))])
    shapes = [parse("1.0*x**2 + 0.5", NAMES), parse("0.5*x*y", NAMES)]
    classes = classes_of(x, y)
    found = most_likely(shapes, classes)

    def surprise(theta: Array) -> float:
        values = np.column_stack([np.zeros(len(x)), theta[0] * x[:, 0] ** 2 + theta[1], theta[2] * x[:, 0] * x[:, 1]])
        return -log_softmax(values, axis=1)[np.arange(len(x)), y].sum()

    best = minimize(surprise, np.ones(3), tol=1e-10)
    values = [constant.value for expression in found.expressions for constant in expression.free_constants]
    assert values == pytest.approx(best.x, rel=1e-2) and found.surprise == pytest.approx(best.fun, rel=1e-6)
    assert logits_of(found.expressions, x).shape == (600, 3)


def test_constants_stay_finite_where_a_formula_separates_the_classes() -> None:
    x = rows(50)
    found = most_likely([parse("1.0*x", NAMES)], classes_of(x, x[:, 0] > 0))
    (slope,) = [constant.value for constant in found.expressions[0].free_constants]
    assert 5 < slope < 500 and found.covariance is not None


def test_weights_are_rows_given_so_often() -> None:
    x = rows(40)
    y, weights = labels(x[:, 0]), np.random.default_rng(5).integers(0, 4, 40)
    one, other = classes_of(x, y, weights.astype(float)), classes_of(np.repeat(x, weights, 0), np.repeat(y, weights))
    assert np.array_equal(one.inputs, other.inputs) and np.array_equal(one.counts, other.counts)


def test_the_smooth_model_is_near_the_truth_within_what_it_says() -> None:
    x = rows(600)
    truth = 3 * np.sin(1.5 * x[:, 0]) - x[:, 1]
    smooth = smooth_logits(Trials(x, labels(truth).astype(float), np.ones(len(x))))
    score = (smooth.values - truth) / smooth.deviations
    assert np.mean(np.abs(score) < 2) > 0.85
    assert np.sqrt(np.mean((smooth.values - truth) ** 2)) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(("law", "written"), [("2.0*x*y", "x*y"), ("3.0*sin(2.0*x)", "sin(x)")])
def test_a_law_is_found_from_its_labels(law: str, written: str) -> None:
    x = rows()
    truth = parse(law, NAMES)
    model = KANClassifier(preset="fast", without=("network", "halves", "parts")).fit(
        pd.DataFrame(x, columns=NAMES), labels(truth.evaluate(x))
    )
    fresh = rows(2000, 7)
    p, q = expit(truth.evaluate(fresh)), model.predict_proba(pd.DataFrame(fresh, columns=NAMES))[:, 1]
    assert np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))) < 0.004  # nats a label
    assert model.formula_.target_name == "logit(True)" and model.formula_.complexity <= 8
    told = [constant.error for constant in model.formula_.constants]
    assert told and all(error is not None and error > 0 for error in told)


@pytest.mark.slow
def test_pure_chance_has_no_law() -> None:
    x = rows(200)
    model = KANClassifier(preset="fast", without=PLAIN).fit(x, labels(np.zeros(len(x))))
    assert model.formula_.expression.variables == () and model.predict_proba(x)[:, 1] == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_classes_may_be_words_and_more_than_two() -> None:
    random = np.random.default_rng(8)
    centres = {"setosa": (0, 0), "virginica": (3, 0), "versicolor": (0, 3)}
    kinds = np.repeat(list(centres), (40, 30, 30))
    x = np.array([centres[kind] for kind in kinds]) + random.normal(size=(100, 2))
    model = KANClassifier(preset="fast", without=PLAIN).fit(x, kinds)
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"] and model.reference_ == "setosa"
    assert model.score(x, kinds) > 0.85 and model.formula_[0] is None
    assert [formula.target_name for formula in model.formula_[1:]] == ["logit(versicolor)", "logit(virginica)"]
    logits, shares = model.decision_function(x), model.predict_proba(x)
    assert logits.shape == (100, 3) and not logits[:, 0].any()
    assert shares.sum(axis=1) == pytest.approx(np.ones(100))
    assert logits[:, 1] == pytest.approx(model.formula_[1](x)) and model.front_[2].best is model.formula_[2]


def test_where_a_formula_is_not_real_the_classes_have_their_shares() -> None:
    x = np.random.default_rng(9).uniform(0.2, 4, (800, 1))
    model = KANClassifier(preset="fast", without=PLAIN, primitives=("log",)).fit(x, labels(3 * np.log(x[:, 0]) - 1))
    assert not np.isfinite(model.formula_(np.zeros((1, 1)))).any()
    share = model.predict_proba([[0.0]])[0]
    assert share[1] == pytest.approx(np.mean(labels(3 * np.log(x[:, 0]) - 1)))


@pytest.mark.slow
def test_it_works_in_a_pipeline_and_a_search() -> None:
    x = rows(200)
    y = labels(3 * x[:, 0])
    quick = KANClassifier(preset="fast", without=(*PLAIN, "dictionary", "products", "powers", "sums", "polynomials"))
    search = GridSearchCV(quick, {"max_complexity": [1, 9]}, cv=2).fit(x, y)
    assert search.best_params_ == {"max_complexity": 9} and search.score(x, y) > 0.75
    assert make_pipeline(StandardScaler(), search.best_estimator_).fit(x, y).score(x, y) > 0.75


@pytest.mark.slow
def test_inner_nodes_are_features_that_make_a_target_simple() -> None:
    x = rows(400)
    y = (x[:, 0] + 2 * x[:, 1]) ** 2
    frame = pd.DataFrame(x, columns=NAMES)
    transformer = KANTransformer(preset="fast").set_output(transform="pandas")
    nodes = transformer.fit(frame, y).transform(frame)
    assert list(nodes.columns) == ["kan_h1_0"] and len(nodes) == 400
    inner = nodes["kan_h1_0"].to_numpy()
    assert np.abs(np.corrcoef(inner, x[:, 0] + 2 * x[:, 1])[0, 1]) > 0.999
    assert {node.kind for node in transformer.graph_.nodes} == {"input", "sum"}
    pipeline = make_pipeline(transformer, KANRegressor(preset="fast", without=PLAIN)).fit(frame, y)
    assert pipeline.score(frame, y) > 0.99


@pytest.mark.slow
def test_the_dictionary_keeps_to_the_functions_that_were_chosen() -> None:
    x = rows(300)
    model = KANClassifier(preset="fast", without=PLAIN, primitives=("exp",)).fit(x, labels(3 * np.sin(2 * x[:, 0])))
    used = {node.name for node in model.formula_.expression.walk() if hasattr(node, "name")}
    assert used <= {"exp"} and "sin" in CALLS
