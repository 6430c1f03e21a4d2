"""One thread for small matrices: two are slower, and beside a busy neighbour 10 to 300 times slower."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CHOSEN = "OMP_NUM_THREADS"


@contextmanager
def one_thread() -> Iterator[None]:
    """Give numpy, scipy and torch one thread each while it lasts, unless OMP_NUM_THREADS says how many they get.

    So a fit in Python takes as long, and gives the same bytes, as one by the command.
    """
    if CHOSEN in os.environ:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(before)
