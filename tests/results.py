"""Results made by hand for the tests of pictures and pages, with harmless and hostile names."""

import dataclasses
from fractions import Fraction

import numpy as np

from kansym.config import Config
from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.result import Points, Result, Table
from kansym.symbolic.expression import Constant, Variable, add, multiply, raise_to
from kansym.symbolic.formula import FittedConstant, Formula, ParetoFront, errors_of

A = Variable(0)
HOSTILE = (
    "$x_1$ \\frac{",
    "</text></td><script>alert(1)</script>",
    "]]> & \"' %s {0}",
    "温度 😀 λ\u202e",
    "line\nbreak\x00\x1b[31m",
    "a very long name " * 20,
    "\ud800",
    "^_~'`#%&",
    " ",
)


def graph_of(names: tuple[str, ...], target: str, matched: bool = True) -> Graph:
    x = np.linspace(0.4, 30, 40)
    fit = (
        {"primitive": "x^(3/2)", "parameters": (1.0, 0.0, 1.0, 0.0), "r2": 0.99999, "fitted": x**1.5} if matched else {}
    )
    nodes = [Node(0, place, "input", name) for place, name in enumerate(names)]
    nodes += [Node(1, 0, "sum", "h1_0"), Node(1, 1, "product", "h1_1"), Node(2, 0, "sum", target)]
    inputs = [Edge(EdgeId(0, place, 0), 1.0 / (place + 1), x, x**1.5, **fit) for place in range(len(names))]
    factors = [Edge(EdgeId(0, place, 1, place % 2), 0.1, x, np.cos(x)) for place in range(len(names))]
    last = [Edge(EdgeId(1, place, 0), 0.9, x, 2 * x) for place in (0, 1)]
    return Graph(tuple(nodes), tuple(inputs + factors + last))


def _formulas(names: tuple[str, ...], target: str, inputs: np.ndarray, measured: np.ndarray) -> tuple[Formula, ...]:
    everything = add(*(Variable(place) for place in range(len(names))))
    shapes = (multiply(Constant(3.0), A), raise_to(A, Fraction(3, 2)), multiply(Constant(1.0001), everything, A))
    return tuple(
        Formula(
            shape,
            names,
            target,
            tuple(FittedConstant(constant.value, 0.01) for constant in shape.free_constants),
            {"validation": errors_of(shape.evaluate(inputs), measured)},
            tuple((float(column.min()), float(column.max())) for column in inputs.T),
        )
        for shape in shapes
    )


def result_of(names: tuple[str, ...] = ("a",), target: str = "P", rows: int = 40) -> Result:
    inputs = np.geomspace(0.4, 30, rows * len(names)).reshape(rows, len(names))
    measured = inputs[:, 0] ** 1.5
    after = graph_of(names, target)
    gone = [edge.id for edge in after.edges if edge.id.layer == 0 and edge.id.target == 1]
    stages = [("train", 30), ("prune", 10), ("symbols\x1b", 1)]
    history = [
        {
            "stage": stage,
            "step": step,
            "loss": 2.0**-step + 1e-9,
            "validation": 3.0**-step + 1e-9,
            "edges": 9 - len(stage),
        }
        for stage, count in stages
        for step in range(count)
    ]
    return Result(
        Config(seed=7),
        Table("planets.csv", "sha256:0", rows, names, target, ("AU",) + (None,) * (len(names) - 1), "yr", ("a note",)),
        ParetoFront(_formulas(names, target, inputs, measured), 1, (2,)),
        graph_of(names, target, matched=False),
        after.without([*gone, EdgeId(1, 1, 0)]),
        None,
        {"train": {"rows": rows, "rmse": 1e-3, "nrmse": 1e-4, "max_error": 2e-3, "r2": 0.9999}},
        tuple(history),
        Points(inputs, measured, measured * 1.001, ("train",) * (rows - 4) + ("validation", "test") * 2),
        {"kansym": "0.1.0", "numpy": "2"},
        "finished",
        noise=1e-3,
    )


def hostile_result() -> Result:
    return result_of(HOSTILE, "<b>$T$</b> & {λ}")


def without_network() -> Result:
    return dataclasses.replace(result_of(), graph=None, graph_before=None, history=())
