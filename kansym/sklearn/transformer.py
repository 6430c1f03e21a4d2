"""The transformer: the inner nodes of a network that was trained to explain a target, as new columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from kansym.budget import Budget
from kansym.config import Config
from kansym.data import Dataset
from kansym.data.dataset import default_names
from kansym.discovery import pruned_network
from kansym.errors import DataError
from kansym.events import ignore
from kansym.problem import check_reach, prepare
from kansym.sklearn.rows import merged

Array = np.ndarray
FEWEST_ROWS = 10  # below, too little is left to train on


class KANTransformer(TransformerMixin, BaseEstimator):
    """New columns: the inner nodes of a Kolmogorov-Arnold network that was trained on a target and pruned.

    Networks of several shapes are trained, the best is pruned, and what its inner sums and products are for each row
    become the features: few numbers in which the target is simple. Nothing is searched. A network without inner nodes,
    as for a single column, gives its output.

    Args:
        width: hidden nodes of every layer, such as (3,) or (4, 2); None tries several.
        preset: how much to train, "fast", "default" or "thorough".
        max_time: seconds at most, instead of the preset's 15, 60 or 600.
        random_state: seed, a whole number; None means 0.
        basis: functions on the edges, a name in `kansym.bases`.

    Attributes:
        graph_: the pruned network as a `kansym.graph.Graph`.
        n_features_in_, feature_names_in_: the columns, as in scikit-learn.
    """

    n_features_in_: int

    def __init__(
        self,
        *,
        width: tuple[int, ...] | None = None,
        preset: str = "default",
        max_time: float | None = None,
        random_state: int | None = None,
        basis: str = "bspline",
    ) -> None:
        self.width = width
        self.preset = preset
        self.max_time = max_time
        self.random_state = random_state
        self.basis = basis

    def fit(self, X: Any, y: Any) -> KANTransformer:
        """Train the network on inputs (N, D) and a target (N,) of numbers.

        Raises ValueError for fewer than 10 different rows, missing or infinite values; ConfigError for a setting that
        is wrong.
        """
        inputs, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=FEWEST_ROWS)
        rows, _ = merged(np.column_stack([inputs, target]), np.ones(len(inputs)))
        if len(rows) < FEWEST_ROWS:
            raise ValueError(f"Found {len(rows)} different rows (n_samples = {len(inputs)}): at least 10 are needed")
        config = Config(
            seed=0 if self.random_state is None else int(self.random_state),
            preset=self.preset,
            time_limit=None if self.max_time is None else float(self.max_time),
            width=None if self.width is None else tuple(self.width),
            basis=self.basis,
        )
        names = tuple(map(str, getattr(self, "feature_names_in_", default_names(self.n_features_in_))))
        dataset = Dataset(rows[:, :-1], rows[:, -1], names, ("y" if "y" not in names else "y_target",))
        try:
            check_reach(dataset)
            problem = prepare(dataset, config)
        except DataError as error:
            raise ValueError(str(error)) from error
        self._powers = problem.input_powers
        network = pruned_network(problem.task(known=False), Budget(config.seconds), ignore)
        assert network is not None  # there are enough rows
        self._scaler, self._structure = network.scaled.inputs, network.model.structure()
        self._tensors = {name: tensor.cpu().numpy().copy() for name, tensor in network.model.tensors().items()}
        self.graph_ = network.after
        self._nodes = inner_nodes(network.after)
        return self

    def transform(self, X: Any) -> Array:
        """The inner nodes (N, M) at rows (N, D)."""
        import torch

        from kansym.nn import KAN

        check_is_fitted(self, "graph_")
        inputs = np.asarray(validate_data(self, X, dtype=np.float64, reset=False))
        model = KAN.from_tensors(
            self._structure, {name: torch.from_numpy(array) for name, array in self._tensors.items()}
        )
        with torch.no_grad():
            hidden, layers = model.expand(torch.from_numpy(self._scaler.apply(inputs / self._powers))), []
            for place, layer in enumerate(model.stack):
                hidden = model.combine(layer(hidden), place)
                layers.append(hidden[0].numpy())
        return np.column_stack([layers[layer - 1][:, index] for layer, index in self._nodes])

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """The names (M,) of the features: kan_h1_0 is node 0 of the first hidden layer."""
        check_is_fitted(self, "graph_")
        return np.array([f"kan_h{layer}_{index}" for layer, index in self._nodes], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def inner_nodes(graph: Any) -> list[tuple[int, int]]:
    """The places (layer, index) of nodes that are neither inputs nor the output; the output where there are none."""
    last = len(graph.layers) - 1
    inner = [(node.layer, node.index) for node in graph.active_nodes() if 0 < node.layer < last]
    return inner or [(last, 0)]
