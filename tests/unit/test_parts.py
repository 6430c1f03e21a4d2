"""Laws taken apart: the pieces are solved one by one, and the joined formula is exact on the raw rows."""

import numpy as np

from kansym.budget import Budget
from kansym.structure.splits import Split
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Constant, Expression, Variable, call
from kansym.symbolic.parts import KINDS, core_of, describe, solve_by_parts
from kansym.symbolic.primitives import PRIMITIVES
from kansym.symbolic.table import Candidate, Table

FEW = PRIMITIVES.only("x", "x^2", "x^-1", "x^(1/2)", "exp", "log", "sin", "cos")
X, Y, Z = Variable(0), Variable(1), Variable(2)


def table(law, columns: int, noise: float = 0.0, count: int = 400) -> Table:
    generator = np.random.Generator(np.random.PCG64(3))
    inputs = generator.uniform(0.5, 2.5, (count, columns))
    clean = law(*inputs.T)
    target = clean + noise * clean.std() * generator.standard_normal(count)
    cut = count * 4 // 5
    return Table(Rows(inputs[:cut], target[:cut]), Rows(inputs[cut:], target[cut:]), max(1.2 * noise, 1e-9))


def nothing(_table: Table, _budget: object) -> list[Candidate]:
    return []


def solved(data: Table, kinds: tuple[str, ...] = KINDS) -> list[Candidate]:
    return solve_by_parts(data, Budget(None), FEW, nothing, kinds)


def test_a_product_of_two_groups_is_exact() -> None:
    found = solved(table(lambda x, y, z: (x + np.sin(2 * y)) / (1 + z**2), 3), ("product",))
    assert found[0].error < 1e-10
    assert "product" in found[0].origin


def test_a_sum_under_a_link_is_exact() -> None:
    found = solved(table(lambda x, y: 1 / (np.exp(x) + np.sqrt(y + 0.3)), 2), ("sum",))
    assert found[0].error < 1e-10


def test_a_shifted_and_scaled_function_is_exact() -> None:
    found = solved(table(lambda x, y: x**2 + np.sqrt(x + 1) * np.sin(2 * y), 2), ("affine",))
    assert found[0].error < 1e-10


def test_a_noisy_product_reaches_its_noise() -> None:
    data = table(lambda x, y, z: (x - 0.5 * y) * np.sin(2 * z), 3, noise=0.02)
    found = solved(data, ("product",))
    assert found[0].error < data.goal


def test_what_has_no_pieces_gives_no_candidates() -> None:
    assert solved(table(lambda x, y, z: np.sin(x * y + z * x + y * z**2 / 2), 3)) == []


def test_pieces_that_nothing_short_explains_go_to_the_given_search() -> None:
    asked: list[int] = []

    def watched(piece: Table, _budget: object) -> list[Candidate]:
        asked.append(piece.columns)
        return []

    data = table(lambda x, y, z: (np.sin(3 * x * y) + y * np.cos(2 * x)) * np.exp(z), 3)
    solve_by_parts(data, Budget(None), FEW, watched, ("product",))
    assert asked


def test_a_budget_that_is_used_up_asks_for_nothing() -> None:
    data = table(lambda x, y: x * np.sin(y), 2)
    assert solve_by_parts(data, Budget(0.0), PRIMITIVES, nothing) == []


def test_a_table_of_one_column_has_no_parts() -> None:
    assert solved(table(lambda x: np.exp(x), 1)) == []


def test_the_core_of_a_formula_is_what_a_function_of_one_number_takes_in() -> None:
    inner: Expression = X + 2.0 * call("sin", Y)
    outer = 3.0 * call("exp", -1.0 * (inner * inner)) + 1.5
    core = core_of(call("tanh", 0.4 * inner) * 2.0 + 1.0)
    rows = np.random.Generator(np.random.PCG64(0)).uniform(0.5, 2, (50, 2))
    assert abs(np.corrcoef(core.evaluate(rows), inner.evaluate(rows))[0, 1]) > 1 - 1e-12
    assert core_of(outer).variables == (0, 1)


def test_the_core_drops_constants_that_are_added_and_multiplied() -> None:
    core = core_of(2.0 * (X * Y) + Constant(4.0))
    rows = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert core.evaluate(rows).tolist() == [2.0, 15.0]


def test_a_split_in_words_names_its_columns_and_link() -> None:
    assert describe(Split("sum", "1/y", (0, 2), (1,), 0.0)) == "sum of 1/y: columns 0 2 | 1"
