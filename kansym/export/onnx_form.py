"""The formula as an ONNX model in float64: (rows, columns) in, (rows,) out; needs the extra `onnx`.

onnxruntime has no double-precision kernels for tan, the inverse and hyperbolic functions and erf: they are written with
those that it has. What is said of accuracy here is relative to the size of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kansym.errors import ConfigError, FormulaError
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.formula import Formula
from kansym.symbolic.notation import as_real_power

OPSET, IR = 18, 9
NODES = 64  # of the Gauss-Legendre rule for erf: exact to rounding up to 6, where erf is 1
FAR = 6.0
POINTS = 512  # of the midpoint rule for J0: exact to rounding for arguments up to about 400


class Graph:
    """An ONNX graph under construction; values are named by text, nodes are added in order."""

    def __init__(self) -> None:
        self.onnx = load_onnx()
        self.nodes: list[Any] = []
        self.tensors: dict[str, np.ndarray] = {}

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A new value by an operator of others."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """A constant tensor; equal ones are stored once."""
        array = np.asarray(value, dtype=dtype)
        for name, known in self.tensors.items():
            if known.dtype == array.dtype and known.shape == array.shape and np.array_equal(known, array):
                return name
        name = f"c{len(self.tensors)}"
        self.tensors[name] = array
        return name

    def model(self, output: str, columns: Sequence[str], target: str) -> bytes:
        """The finished model: input "rows" (rows, D), output "value" (rows,), both float64."""
        helper, kind = self.onnx.helper, self.onnx.TensorProto.DOUBLE
        self.nodes.append(helper.make_node("Identity", [output], ["value"]))
        graph = helper.make_graph(
            self.nodes,
            "kansym",
            [helper.make_tensor_value_info("rows", kind, ["rows", len(columns)])],
            [helper.make_tensor_value_info("value", kind, ["rows"])],
            [self.onnx.numpy_helper.from_array(array, name) for name, array in self.tensors.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="kansym")
        model.ir_version = IR
        facts = {f"column {place}": name for place, name in enumerate(columns)} | {"target": target}
        self.onnx.helper.set_model_props(model, facts)
        self.onnx.checker.check_model(model)
        return model.SerializeToString()


def load_onnx() -> Any:
    """The package. Raises ConfigError where it is missing."""
    try:
        import onnx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ConfigError("onnx is not installed: pip install 'kansym[onnx]'") from error
    return onnx


def formula_onnx(formula: Formula) -> bytes:
    """The formula as an ONNX model; its properties say which column is which.

    Raises ConfigError without onnx, FormulaError for a primitive that a user registered.
    """
    graph = Graph()
    value = _Writer(graph).write(formula.expression)
    rows = graph.add("Shape", column(graph, "rows", 0))  # a formula of constants alone has one value for all rows
    return graph.model(graph.add("Expand", value, rows), formula.input_names, formula.target_name)


def column(graph: Graph, table: str, place: int) -> str:
    """One column (N,) of a table (N, D)."""
    bounds = [graph.constant([bound], np.int64) for bound in (place, place + 1, 1)]
    return graph.add("Squeeze", graph.add("Slice", table, *bounds), graph.constant([1], np.int64))


class _Writer:
    """Writes trees into a graph; a part that occurs twice is computed once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[Expression, str] = {}

    def write(self, node: Expression) -> str:
        if node not in self.known:
            self.known[node] = self._written(node)
        return self.known[node]

    def _written(self, node: Expression) -> str:
        graph = self.graph
        if isinstance(node, Constant):
            return graph.constant(node.value)
        if isinstance(node, Variable):
            return column(graph, "rows", node.index)
        if isinstance(node, Call) and (power := as_real_power(node)) is not None:
            return graph.add("Pow", self.write(power[0]), self.write(power[1]))
        below = [self.write(child) for child in node.children]
        if isinstance(node, Sum | Product):
            total = below[0]
            for other in below[1:]:
                total = graph.add("Add" if isinstance(node, Sum) else "Mul", total, other)
            return total
        if isinstance(node, Power):
            return _power(graph, below[0], node)
        assert isinstance(node, Call)
        if node.name not in CALLS:
            raise FormulaError(f"ONNX has no form of the primitive {node.name!r}: export as latex or json")
        return CALLS[node.name](graph, below[0])


def _power(graph: Graph, base: str, node: Power) -> str:
    exponent = node.exponent
    if exponent.denominator % 2 == 0 or exponent.denominator == 1:
        if exponent == -1:
            return graph.add("Reciprocal", base)
        half = exponent.numerator == 1 and exponent.denominator == 2
        return graph.add("Sqrt", base) if half else graph.add("Pow", base, graph.constant(float(exponent)))
    size = graph.add("Pow", graph.add("Abs", base), graph.constant(float(exponent)))
    return graph.add("Mul", size, graph.add("Sign", base)) if exponent.numerator % 2 else size


Writer = Callable[[Graph, str], str]


def _plain(operator: str) -> Writer:
    return lambda graph, x: graph.add(operator, x)


def _times(graph: Graph, factor: float, x: str) -> str:
    return graph.add("Mul", graph.constant(factor), x)


def _plus(graph: Graph, term: float, x: str) -> str:
    return graph.add("Add", graph.constant(term), x)


def _square(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, x)


def _where(graph: Graph, small: str, bound: float, yes: str, no: str) -> str:
    """yes where |small| < bound, else no."""
    return graph.add("Where", graph.add("Less", graph.add("Abs", small), graph.constant(bound)), yes, no)


def _half_tanh(graph: Graph, x: str) -> str:
    return graph.add("Tanh", _times(graph, 0.5, x))


def _expm1(graph: Graph, x: str) -> str:
    """exp(x) - 1 = 2 t/(1 - t), t = tanh(x/2), which does not cancel near 0."""
    t = _half_tanh(graph, x)
    near = graph.add("Div", _times(graph, 2.0, t), graph.add("Sub", graph.constant(1.0), t))
    return _where(graph, x, 1.0, near, _plus(graph, -1.0, graph.add("Exp", x)))


def _sinh(graph: Graph, x: str) -> str:
    """2 t/(1 - t**2) near 0, and half the difference of exponentials elsewhere."""
    t = _half_tanh(graph, x)
    near = graph.add("Div", _times(graph, 2.0, t), graph.add("Sub", graph.constant(1.0), _square(graph, t)))
    apart = graph.add("Sub", graph.add("Exp", x), graph.add("Exp", graph.add("Neg", x)))
    return _where(graph, x, 1.0, near, _times(graph, 0.5, apart))


def _cosh(graph: Graph, x: str) -> str:
    return _times(graph, 0.5, graph.add("Add", graph.add("Exp", x), graph.add("Exp", graph.add("Neg", x))))


def _log1p(graph: Graph, x: str) -> str:
    """log(u) x/(u - 1) with u = 1 + x as it is rounded: the errors of both cancel (W. Kahan)."""
    u = _plus(graph, 1.0, x)
    change = _plus(graph, -1.0, u)
    none = graph.add("Equal", change, graph.constant(0.0))
    safe = graph.add("Where", none, graph.constant(1.0), change)
    return graph.add("Where", none, x, graph.add("Mul", graph.add("Log", u), graph.add("Div", x, safe)))


def _atan(graph: Graph, x: str) -> str:
    """Single precision, made double by two Newton steps for tan(y) = z, with z = x or 1/x."""
    double, single = graph.onnx.TensorProto.DOUBLE, graph.onnx.TensorProto.FLOAT
    large = graph.add("Greater", graph.add("Abs", x), graph.constant(1.0))
    z = graph.add("Where", large, graph.add("Reciprocal", x), x)
    y = graph.add("Cast", graph.add("Atan", graph.add("Cast", z, to=single)), to=double)
    for _ in range(2):
        sine, cosine = graph.add("Sin", y), graph.add("Cos", y)
        gap = graph.add("Sub", graph.add("Mul", z, cosine), sine)
        y = graph.add("Add", y, graph.add("Mul", cosine, gap))
    quarter = _times(graph, np.pi / 2, graph.add("Sign", x))
    return graph.add("Where", large, graph.add("Sub", quarter, y), y)


def _one_minus_square(graph: Graph, x: str) -> str:
    return graph.add("Mul", graph.add("Sub", graph.constant(1.0), x), _plus(graph, 1.0, x))


def _asin(graph: Graph, x: str) -> str:
    return _atan(graph, graph.add("Div", x, graph.add("Sqrt", _one_minus_square(graph, x))))


def _acos(graph: Graph, x: str) -> str:
    """2 atan(sqrt((1 - x)/(1 + x)))."""
    ratio = graph.add("Div", graph.add("Sub", graph.constant(1.0), x), _plus(graph, 1.0, x))
    return _times(graph, 2.0, _atan(graph, graph.add("Sqrt", ratio)))


def _asinh(graph: Graph, x: str) -> str:
    """sign(x) log1p(|x| + x**2/(1 + sqrt(1 + x**2)))."""
    size, square = graph.add("Abs", x), _square(graph, x)
    root = _plus(graph, 1.0, graph.add("Sqrt", _plus(graph, 1.0, square)))
    return graph.add("Mul", graph.add("Sign", x), _log1p(graph, graph.add("Add", size, graph.add("Div", square, root))))


def _acosh(graph: Graph, x: str) -> str:
    """log1p(t + sqrt(2 t + t**2)) with t = x - 1."""
    t = _plus(graph, -1.0, x)
    root = graph.add("Sqrt", graph.add("Mul", t, _plus(graph, 2.0, t)))
    return _log1p(graph, graph.add("Add", t, root))


def _atanh(graph: Graph, x: str) -> str:
    ratio = graph.add("Div", _times(graph, 2.0, x), graph.add("Sub", graph.constant(1.0), x))
    return _times(graph, 0.5, _log1p(graph, ratio))


def _sinc(graph: Graph, x: str) -> str:
    zero = graph.add("Equal", x, graph.constant(0.0))
    safe = graph.add("Where", zero, graph.constant(1.0), x)
    return graph.add("Where", zero, graph.constant(1.0), graph.add("Div", graph.add("Sin", safe), safe))


def _averaged(graph: Graph, values: str, weights: np.ndarray) -> str:
    """The sum over the last axis with these weights."""
    weighted = graph.add("Mul", values, graph.constant(weights))
    return graph.add("ReduceSum", weighted, graph.constant([-1], np.int64), keepdims=0)


def _spread(graph: Graph, x: str, points: np.ndarray) -> str:
    """x times every point, on one more axis."""
    return graph.add("Mul", graph.add("Unsqueeze", x, graph.constant([-1], np.int64)), graph.constant(points))


def _erf(graph: Graph, x: str) -> str:
    """2/sqrt(pi) x times the integral of exp(-(x t)**2) over t from 0 to 1, by the rule of Gauss and Legendre."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    near = graph.add("Max", graph.add("Min", x, graph.constant(FAR)), graph.constant(-FAR))
    spread = _spread(graph, near, 0.5 * (points + 1.0))
    bell = graph.add("Exp", graph.add("Neg", _square(graph, spread)))
    integral = _averaged(graph, bell, weights / np.sqrt(np.pi))
    return graph.add("Mul", near, integral)


def _besselj0(graph: Graph, x: str) -> str:
    """The mean of cos(x sin(a)) over a quarter turn, by the midpoint rule."""
    points = np.sin(np.pi * (np.arange(POINTS) + 0.5) / POINTS)
    return _averaged(graph, graph.add("Cos", _spread(graph, x, points)), np.full(POINTS, 1.0 / POINTS))


CALLS: dict[str, Writer] = {
    "exp": _plain("Exp"),
    "log": _plain("Log"),
    "log1p": _log1p,
    "sin": _plain("Sin"),
    "cos": _plain("Cos"),
    "tan": lambda graph, x: graph.add("Div", graph.add("Sin", x), graph.add("Cos", x)),
    "asin": _asin,
    "acos": _acos,
    "atan": _atan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _plain("Tanh"),
    "asinh": _asinh,
    "acosh": _acosh,
    "atanh": _atanh,
    "sigmoid": lambda graph, x: _times(graph, 0.5, _plus(graph, 1.0, _half_tanh(graph, x))),
    "softplus": lambda graph, x: graph.add(
        "Add", graph.add("Relu", x), _log1p(graph, graph.add("Exp", graph.add("Neg", graph.add("Abs", x))))
    ),
    "gaussian": lambda graph, x: graph.add("Exp", graph.add("Neg", _square(graph, x))),
    "lorentzian": lambda graph, x: graph.add("Reciprocal", _plus(graph, 1.0, _square(graph, x))),
    "sinc": _sinc,
    "abs": _plain("Abs"),
    "sign": _plain("Sign"),
    "erf": _erf,
    "besselj0": _besselj0,
    "planck": lambda graph, x: graph.add("Reciprocal", _expm1(graph, x)),
}
