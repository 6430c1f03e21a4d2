"""Answers are remembered by the numbers in the arrays, and no longer than they are wanted."""

from collections.abc import Callable

import numpy as np

from kansym.structure.remembering import remembering

Array = np.ndarray


def counted(count: int) -> tuple[Callable[..., float], list[float]]:
    calls: list[float] = []

    @remembering(count)
    def total(values: Array, weights: Array | None = None, shift: float = 0.0) -> float:
        calls.append(shift)
        return float((values * (1.0 if weights is None else weights)).sum() + shift)

    return total, calls


def test_equal_arrays_are_answered_once() -> None:
    total, calls = counted(4)
    assert [total(np.arange(5.0)) for _ in range(3)] == [10.0, 10.0, 10.0]
    assert total(np.arange(10.0)[::2] / 2.0) == 10.0
    assert len(calls) == 1


def test_other_numbers_weights_and_shapes_are_other_questions() -> None:
    total, calls = counted(8)
    values = np.arange(6.0)
    answers = [total(values), total(values, np.full(6, 2.0)), total(values, shift=1.0), total(values.reshape(2, 3))]
    assert answers == [15.0, 30.0, 16.0, 15.0]
    assert len(calls) == 4


def test_an_array_that_was_changed_is_a_new_question() -> None:
    total, calls = counted(4)
    values = np.ones(3)
    assert total(values) == 3.0
    values[0] = 5.0
    assert total(values) == 7.0
    assert total(np.ones(3)) == 3.0
    assert len(calls) == 3


def test_only_the_last_answers_are_kept() -> None:
    total, calls = counted(1)
    for value in (1.0, 2.0, 1.0):
        total(np.array([value]))
    assert len(calls) == 3
