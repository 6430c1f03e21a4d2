"""kansym in scikit-learn: `KANRegressor`, `KANClassifier` and `KANTransformer`. Needs the extra `sklearn`."""

from kansym.sklearn.classifier import KANClassifier
from kansym.sklearn.regressor import KANRegressor
from kansym.sklearn.rows import merged
from kansym.sklearn.transformer import KANTransformer

__all__ = ["KANClassifier", "KANRegressor", "KANTransformer", "merged"]
