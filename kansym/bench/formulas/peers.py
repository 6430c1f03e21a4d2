"""Other symbolic-regression programs on the same tables, each used as its own documentation says, where installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import ConfigError, did_you_mean, quote

Fit = Callable[[Dataset, float, int], str]


@dataclass(frozen=True)
class Peer:
    """Another program.

    Attributes:
        name: what --peer calls it.
        module: what it is imported as.
        package: what it is installed as.
        fit: data, seconds and seed to a formula in the names of the columns.
        settings: what it is told, in words.
    """

    name: str
    module: str
    package: str
    fit: Fit
    settings: str

    def line(self) -> str:
        """Return one line for the page."""
        try:
            found = version(self.package)
        except PackageNotFoundError:
            found = "unknown version"
        return f"{self.name} ({self.package} {found}): {self.settings}"


def find(name: str) -> Peer:
    """Return a peer that is installed.

    Raises:
        ConfigError: if there is no such peer, or it is not installed.
    """
    if name not in PEERS:
        raise ConfigError(f"no peer is called {quote(name)}: {did_you_mean(name, PEERS)}")
    peer = PEERS[name]
    if find_spec(peer.module) is None:
        raise ConfigError(f"peer {name} is not installed here: pip install {peer.package}, or leave out --peer {name}")
    return peer


# --- operon ----------------------------------------------------------------------------------------------------------

OPERON_SYMBOLS = "add,sub,mul,div,constant,variable,sqrt,square,exp,log,sin,cos,tanh,asin,acos"
OPERON_GENERATIONS = 1_000_000
OPERON_EVALUATIONS = 1_000_000_000


def by_operon(data: Dataset, seconds: float, seed: int) -> str:
    """Run operon until the time is up."""
    regressor = import_module("pyoperon.sklearn").SymbolicRegressor(
        allowed_symbols=OPERON_SYMBOLS, optimizer_iterations=5, max_length=50, n_threads=1, max_time=round(seconds),
        generations=OPERON_GENERATIONS, max_evaluations=OPERON_EVALUATIONS, random_state=seed,
    )  # fmt: skip
    regressor.fit(np.array(data.inputs), np.array(data.targets[:, 0]))
    return regressor.get_model_string(regressor.model_, precision=17, names=list(data.input_names)).replace("^", "**")


# --- gplearn ---------------------------------------------------------------------------------------------------------

GPLEARN_FUNCTIONS = ("add", "sub", "mul", "div", "sqrt", "log", "sin", "cos")
GPLEARN_GENERATIONS = 10_000
# gplearn protects these from arguments outside their domain; inside it they are what they are called.
_GPLEARN_TEXT = {
    "add": "({} + {})", "sub": "({} - {})", "mul": "({}*{})", "div": "({}/{})",
    "sqrt": "sqrt(abs({}))", "log": "log(abs({}))", "sin": "sin({})", "cos": "cos({})",
}  # fmt: skip


def by_gplearn(data: Dataset, seconds: float, seed: int) -> str:
    """Run gplearn, one generation after the other, until the time is up."""
    regressor = import_module("gplearn.genetic").SymbolicRegressor(
        population_size=1000, generations=1, function_set=GPLEARN_FUNCTIONS, metric="mse", const_range=(-5.0, 5.0),
        parsimony_coefficient=0.001, random_state=seed, warm_start=True, low_memory=True,
    )  # fmt: skip
    inputs, target, deadline = np.array(data.inputs), np.array(data.targets[:, 0]), time.monotonic() + seconds
    best: tuple[float, Any] | None = None
    for generation in range(1, GPLEARN_GENERATIONS):
        regressor.set_params(generations=generation)
        regressor.fit(inputs, target)
        program = regressor._program
        if best is None or program.raw_fitness_ < best[0]:
            best = (float(program.raw_fitness_), list(program.program))
        if time.monotonic() > deadline or best[0] == 0.0:
            break
    assert best is not None
    return gplearn_text(best[1], data.input_names)


def gplearn_text(program: Iterable[Any], names: tuple[str, ...]) -> str:
    """Return a program of gplearn, nodes in prefix order, as a formula.

    Args:
        program: functions with `name` and `arity`, whole numbers for columns, floats for constants.
        names: of the columns.
    """
    return _gplearn_node(iter(program), names)


def _gplearn_node(nodes: Any, names: tuple[str, ...]) -> str:
    node = next(nodes)
    if isinstance(node, (int, np.integer)):
        return names[int(node)]
    if isinstance(node, (float, np.floating)):
        return f"({float(node)!r})"
    return _GPLEARN_TEXT[node.name].format(*(_gplearn_node(nodes, names) for _ in range(node.arity)))


# --- pykan -----------------------------------------------------------------------------------------------------------

PYKAN_HIDDEN, PYKAN_GRID, PYKAN_STEPS, PYKAN_PENALTY = 5, 5, 5, 0.01
PYKAN_MATCHED = 50
PYKAN_SHARES = (0.3, 0.4, 0.9)  # of the time: sparse training, training of the pruned network, its symbolic form


def by_pykan(data: Dataset, seconds: float, seed: int) -> str:
    """Run pykan's recipe: train with a penalty, prune, train, make every edge symbolic, train its constants."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with TemporaryDirectory() as folder:  # pykan keeps a log of its fits in a folder
            return _pykan_text(data, seconds, {"seed": seed, "auto_save": False, "ckpt_path": folder})
    finally:
        torch.set_default_dtype(before)


def _pykan_text(data: Dataset, seconds: float, options: dict[str, Any]) -> str:
    import torch

    from kansym.symbolic.sympy_form import from_sympy
    from kansym.symbolic.text import to_text

    started = time.monotonic()
    x, y = torch.tensor(np.array(data.inputs)), torch.tensor(np.array(data.targets))
    rows = {"train_input": x, "train_label": y, "test_input": x, "test_label": y}

    def train(model: Any, share: float, penalty: float = 0.0) -> None:
        while time.monotonic() - started < share * seconds:
            model.fit(rows, opt="LBFGS", steps=PYKAN_STEPS, lamb=penalty)

    model = import_module("kan").KAN(width=[data.columns, PYKAN_HIDDEN, 1], grid=PYKAN_GRID, k=3, **options)
    train(model, PYKAN_SHARES[0], PYKAN_PENALTY)
    model = model.prune()
    train(model, PYKAN_SHARES[1])
    model(x[:PYKAN_MATCHED])  # its search for primitives costs rows times ten thousand for each of them
    model.auto_symbolic(verbose=0)
    train(model, PYKAN_SHARES[2])
    formula = model.symbolic_formula(var=list(data.input_names))[0][0]
    return to_text(from_sympy(formula, data.input_names), data.input_names)


# --- pysindy ---------------------------------------------------------------------------------------------------------

PYSINDY_DEGREES, PYSINDY_THRESHOLDS = (3, 2, 1), (0.5, 0.1, 0.03, 0.01, 1e-3, 1e-4)
PYSINDY_TERMS = 400
PYSINDY_HELD = 0.25


def by_pysindy(data: Dataset, seconds: float, seed: int) -> str:
    """Run pysindy's sparse regression on polynomials and sines, with the threshold that predicts held rows best."""
    sindy = import_module("pysindy")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(data.rows)
    held, kept = np.split(order, [round(PYSINDY_HELD * data.rows)])
    deadline, best = time.monotonic() + seconds, (np.inf, "0")
    for threshold in PYSINDY_THRESHOLDS:
        model = sindy.SINDy(optimizer=sindy.STLSQ(threshold=threshold), feature_library=_library(sindy, data.columns))
        inputs, target = np.array(data.inputs), np.array(data.targets)
        model.fit(inputs[kept], t=1.0, x_dot=target[kept], feature_names=list(data.input_names))
        error = float(np.mean((np.asarray(model.predict(inputs[held])) - target[held]) ** 2))
        if error < best[0]:
            best = (error, pysindy_text(model.coefficients()[0], model.get_feature_names()))
        if time.monotonic() > deadline:
            break
    return best[1]


def _library(sindy: Any, columns: int) -> Any:
    from math import comb

    degree = next(degree for degree in PYSINDY_DEGREES if comb(columns + degree, degree) < PYSINDY_TERMS)
    return sindy.PolynomialLibrary(degree=degree) + sindy.FourierLibrary(n_frequencies=1)


def pysindy_text(coefficients: Iterable[float], features: Iterable[str]) -> str:
    """Return a model of pysindy as a formula: features such as `x0 x1^2` and `sin(1 x0)`."""
    terms = [f"({float(number)!r})*{feature.replace('^', '**').replace(' ', '*')}"
             for number, feature in zip(coefficients, features, strict=True) if number]  # fmt: skip
    return " + ".join(terms) or "0"


PEERS = {
    peer.name: peer
    for peer in (
        Peer("operon", "pyoperon", "pyoperon", by_operon,
             f"{OPERON_SYMBOLS.replace(',', ', ')}; 5 iterations of local search, 50 nodes, until the time is up"),
        Peer("gplearn", "gplearn", "gplearn", by_gplearn,
             f"{', '.join(GPLEARN_FUNCTIONS)}; 1,000 programs, mean square error, until the time is up"),
        Peer("pykan", "kan", "pykan", by_pykan,
             f"[D, {PYKAN_HIDDEN}, 1], G = {PYKAN_GRID}, penalty {PYKAN_PENALTY}, prune, auto_symbolic, in float64"),
        Peer("pysindy", "pysindy", "pysindy", by_pysindy,
             "polynomials to the third degree and sines, STLSQ, threshold chosen on a quarter of the rows"),
    )
}  # fmt: skip
