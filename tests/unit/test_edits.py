"""Edits: what would have to stand at a node, what a change promises, and laws that no link of the target lays open."""

from __future__ import annotations

import numpy as np
import pytest

from kansym import Config, Dataset, fit
from kansym.budget import Budget
from kansym.events import StageFinished
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.edits import Task, refined
from kansym.symbolic.edits.moves import Remainder, moves
from kansym.symbolic.edits.places import places, replaced
from kansym.symbolic.edits.stock import Stock
from kansym.symbolic.expression import Constant, Expression, Tape, Variable, add, call, multiply
from kansym.symbolic.parser import parse
from kansym.symbolic.selection import description_length

Array = np.ndarray
NAMES = ("x0", "x1", "x2")
FORMULAS = (
    "2*x0 + 3*x1*x2 - 1", "x0*exp(-0.5*x1)/(1 + x2)", "sqrt(x0**2 + 2*x1)", "log(1 + x0*x1)**2 - x2**3",
    "tanh(x0 - x1) + atan(x2)/x0", "sin(0.3*x0)*cos(0.2*x1)", "(x0/x1)**(1/3)", "1/(x2 - 0.25*x1*log(1 + x0))",
    "asin(0.3*x0) + sinh(x1) - asinh(x2)",
)  # fmt: skip


def table(rows: int = 200, seed: int = 3, columns: int = 3) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 2.0, (rows, columns))


def length(formula: Expression, rows: Rows) -> float:
    misfit = mean_square(formula, rows)
    return description_length(formula, misfit, rows) if np.isfinite(misfit) else np.inf


def everything(_: Expression) -> bool:
    return True


def noisy(law: str, inputs: Array, noise: float, seed: int = 0) -> Rows:
    clean = parse(law, NAMES).evaluate(inputs)
    size = noise * np.sqrt(np.mean(clean**2))
    return Rows(inputs, clean + size * np.random.default_rng(seed).normal(size=len(inputs)))


@pytest.mark.parametrize("text", FORMULAS)
def test_every_place_knows_its_value_its_slope_and_what_is_wanted(text: str) -> None:
    formula, inputs = parse(text, NAMES), table(60)
    target = formula.evaluate(inputs) * (1.0 + 1e-3 * np.cos(np.arange(60.0)))
    found = places(formula, inputs, target)
    assert [place.node for place in found] == list(formula.walk())
    for place in found:
        assert place.value == pytest.approx(place.node.evaluate(inputs), rel=1e-12)
        opened = replaced(formula, place.path, Variable(3))
        _, slopes = Tape(opened).gradient(np.column_stack([inputs, place.value]))
        assert place.slope == pytest.approx(slopes[:, 3], rel=1e-9, abs=1e-12)
        if place.wanted is not None:
            put_in = opened.evaluate(np.column_stack([inputs, place.wanted]))
            told = np.isfinite(place.wanted)
            assert np.mean(told) > 0.9
            assert put_in[told] == pytest.approx(target[told], rel=1e-9)


def test_what_is_wanted_is_not_told_behind_a_function_that_cannot_be_undone() -> None:
    formula, inputs = parse("besselj0(x0*x1)", NAMES), table(40)
    found = places(formula, inputs, np.ones(40))
    assert [place.wanted is None for place in found] == [False, True, True, True]


def test_a_promise_is_kept_where_the_change_is_linear() -> None:
    inputs = table(150)
    rows = noisy("1 + 2*x0 + 0.3*sin(x1)", inputs, 0.01)
    start = polish(parse("1.5 + 1.5*x0", NAMES), rows).expression
    rest = Remainder.of(start, rows, len(rows), 1e-18)
    assert rest is not None
    values = np.array([np.sin(inputs[:, 1]), inputs[:, 2], inputs[:, 0]])
    nats, factors = rest.gains(np.ones(150), values, values**2)
    whole = polish(add(start, multiply(Constant(0.1), call("sin", Variable(1)))), rows).expression
    fallen = 75.0 * np.log(mean_square(whole, rows) / mean_square(start, rows))
    assert nats[0] == pytest.approx(fallen + 0.5 * np.log(150), rel=1e-6)
    assert factors[0] == pytest.approx(whole.free_constants[-1].value, rel=1e-6)
    assert nats[1] > nats[0] + 40.0
    assert nats[2] == np.inf  # x0 is one of the formula's own terms: nothing is left for it


def test_moves_are_sorted_finite_and_lead_to_other_formulas() -> None:
    inputs = table()
    rows = noisy("x0*exp(-x1)/(1 + x2)", inputs, 0.01)
    formula = polish(parse("1.1*x0*exp(-0.9*x1)", NAMES), rows).expression
    stock = Stock.of(inputs, rows.target, everything)
    found = moves(formula, rows, stock, len(rows), 1e-18)
    assert [move.nats for move in found] == sorted(move.nats for move in found)
    assert np.isfinite([move.nats for move in found]).all()
    assert found[0].nats < -100.0
    assert all(move.formula != formula for move in found)


def test_the_stock_takes_pieces_of_other_formulas_once_and_only_what_is_allowed() -> None:
    inputs = table(50)
    stock = Stock.of(inputs, inputs[:, 0], lambda tree: "sin" not in str(tree))
    assert not any("sin" in str(tree) for tree in (*stock.trees, *stock.pairs.trees))
    piece = parse("x0*log(x1 + 0.75)", NAMES)
    more = stock.with_pieces([add(piece, Constant(1.0)), add(Variable(2), piece)], inputs)
    new = more.trees[len(stock.trees) :]
    assert new.count(piece) == 1
    assert more.values[len(stock.trees) + new.index(piece)] == pytest.approx(piece.evaluate(inputs))
    assert len(more.trees) == len(more.values) == len(more.nodes)


@pytest.mark.parametrize(
    ("law", "start"),
    [
        ("0.5*x0/(2*x2 - 0.3*x1*log(1 + x0))", "0.4*x0/x2"),
        ("3*atan(2*x0*x1) - 2*x0*x2", "2 - x0*x2"),
    ],
)
def test_a_law_is_reached_from_a_formula_that_has_some_of_it_right(law: str, start: str) -> None:
    rows = noisy(law, table(400), 0.01)
    truth = length(polish(parse(law, NAMES), rows).expression, rows)
    seeds = [parse(start, NAMES), parse("1.0", NAMES)]
    found = refined(seeds, Task(rows, length, everything), Budget(60.0))
    best = polish(found[0], rows).expression
    assert length(best, rows) < truth + 6.0
    fresh = table(500, seed=9)
    clean = parse(law, NAMES).evaluate(fresh)
    assert np.std(best.evaluate(fresh) - clean) < 0.005 * np.std(clean)


def test_an_exact_formula_ends_the_search_and_the_same_is_found_again() -> None:
    inputs = table(60)
    rows = Rows(inputs, parse("x0/(1 + x1)", NAMES).evaluate(inputs))
    first, again = (
        refined([parse("0.5*x0*x2", NAMES)], Task(rows, length, everything), Budget(60.0)) for _ in range(2)
    )
    assert mean_square(first[0], rows) < 1e-16
    assert first == again


def test_an_exact_formula_takes_the_place_of_one_that_is_nearly_it() -> None:
    inputs = table(60)
    rows = Rows(inputs, parse("2*x0/(1 + x1)", NAMES).evaluate(inputs))
    nearly = multiply(Constant(2.0004), Variable(0), parse("1/(1.0002 + x1)", NAMES))
    found = refined([nearly], Task(rows, length, everything), Budget(60.0))
    assert mean_square(found[0], rows) < 1e-16


@pytest.mark.parametrize("column", [np.zeros(60), np.ones(60), 1e9 * np.linspace(1.0, 2.0, 60)])
def test_columns_of_which_no_expression_can_be_listed_do_no_harm(column: Array) -> None:
    rows = Rows(column[:, None], np.linspace(0.0, 1.0, 60))
    refined([Variable(0), Constant(0.5)], Task(rows, length, everything), Budget(2.0))


def test_nothing_is_shown_that_is_not_allowed_or_too_long() -> None:
    rows = noisy("2*exp(-x0*x1) + x2", table(150), 0.02)

    def plain(formula: Expression) -> bool:
        return not any(getattr(node, "name", "") == "exp" for node in formula.walk())

    found = refined([parse("x2 + 0.5", NAMES)], Task(rows, length, plain, most=12), Budget(4.0))
    assert found
    assert all(plain(formula) and formula.complexity <= 12 for formula in found)


def test_nothing_comes_of_too_few_rows_or_no_time() -> None:
    rows = noisy("x0 + x1", table(12), 0.01)
    assert refined([Variable(0)], Task(rows, length, everything), Budget(5.0)) == []
    rows = noisy("x0 + x1", table(60), 0.01)
    assert refined([Variable(0)], Task(rows, length, everything), Budget(0.0)) == []
    assert refined([parse("log(-x0)", NAMES)], Task(rows, length, everything), Budget(5.0)) == []


@pytest.mark.parametrize("without", [(), ("edits",)])
def test_the_stage_of_a_fit_can_be_left_out(without: tuple[str, ...]) -> None:
    inputs = table(80)
    target = noisy("x0**x1/(1 + sin(x2)) + 0.2*x1", inputs, 0.05).target
    stages: list[str] = []

    def listen(event: object) -> None:
        if isinstance(event, StageFinished):
            stages.append(event.stage)

    config = Config(time_limit=4.0, without=("network", "halves", "products", *without))
    fit(Dataset(inputs, target[:, None], NAMES, ("y",)), config, listen)
    assert ("edits" in stages) is not bool(without)
