"""Budgets: time runs out for all that share it, an interrupt ends everything, and both are remembered."""

import time

import pytest

from kansym.budget import Budget, Inner, Part
from kansym.events import Note, Progress, StageFinished, StageStarted, ignore


def test_a_budget_without_limit_never_expires() -> None:
    budget = Budget()
    assert budget.remaining == float("inf")
    assert not budget.expired and budget.fraction == 0.0 and not budget.hit


def test_a_budget_of_no_time_is_expired_and_remembers_it() -> None:
    budget = Budget(0.0)
    assert not budget.hit
    assert budget.expired
    assert budget.hit and budget.remaining == 0.0


def test_time_runs_down() -> None:
    budget = Budget(10.0, started=time.monotonic() - 4.0)
    assert budget.elapsed == pytest.approx(4.0, abs=0.5)
    assert budget.remaining == pytest.approx(6.0, abs=0.5)
    assert budget.fraction == pytest.approx(0.4, abs=0.05)
    assert Budget(10.0, started=time.monotonic() - 40.0).fraction == 1.0


def test_an_interrupt_ends_the_budget_and_its_parts() -> None:
    budget = Budget(100.0)
    part = budget.part(50.0)
    assert not part.expired
    budget.interrupt()
    assert budget.expired and part.expired and part.part(10.0).expired
    assert part.remaining == 0.0


def test_a_part_never_has_more_than_the_whole() -> None:
    budget = Budget(10.0)
    assert budget.part(1e9).remaining <= 10.0
    assert budget.part(2.0).remaining <= 2.0
    assert budget.part(2.0).part(1e9).remaining <= 2.0


def test_a_part_that_runs_out_marks_the_whole() -> None:
    budget = Budget(100.0)
    part = budget.part(50.0).part(0.0)
    assert part.expired
    assert budget.hit and not budget.expired


def test_a_part_of_an_endless_budget_still_ends() -> None:
    part = Budget().part(0.0)
    assert part.expired and part.remaining == 0.0


def test_looking_at_a_part_in_time_marks_nothing() -> None:
    budget = Budget(100.0)
    part = budget.part(50.0)
    assert not part.expired and not budget.hit
    assert part.fraction == pytest.approx(budget.fraction, abs=0.01)


def test_parts_of_parts_know_their_whole() -> None:
    budget = Budget(5.0)
    assert isinstance(budget.part(1.0).part(1.0), Part)


@pytest.mark.parametrize("event", [StageStarted("fit"), Progress("fit"), StageFinished("fit", 0.1), Note("a word")])
def test_nothing_is_said_unless_somebody_listens(event: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert ignore(event) is None  # type: ignore[arg-type]
    assert capsys.readouterr() == ("", "")


def test_a_budget_and_its_parts_run_on_the_clock_that_they_are_given() -> None:
    now = [100.0]
    budget = Budget(10.0, clock=lambda: now[0])
    part = budget.part(4.0)
    now[0] = 105.0
    assert part.expired and part.remaining == 0.0 and budget.remaining == 5.0 and budget.hit


def test_a_budget_inside_another_ends_with_it_and_does_not_tell_it_that_time_ran_out() -> None:
    whole = Budget(100.0)
    inner = Inner.of(whole.part(50.0), float("inf"))
    assert 40.0 < inner.remaining <= 50.0 and Inner.of(whole, 0.0).expired and not whole.hit
    whole.interrupt()
    assert inner.expired and inner.interrupted
