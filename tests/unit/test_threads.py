"""A fit takes one thread, unless the user says how many, and gives back what it took."""

import pytest
import torch
from threadpoolctl import threadpool_info

from kansym.threads import CHOSEN, one_thread


def counts() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()} | {torch.get_num_threads()}


def test_threads_are_one_inside_and_as_before_outside(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(CHOSEN, raising=False)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        outside = counts()
        with one_thread():
            assert counts() == {1}
        assert counts() == outside
        with pytest.raises(ZeroDivisionError), one_thread():
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CHOSEN, "2")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_thread():
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
