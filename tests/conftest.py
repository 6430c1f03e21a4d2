"""Settings for every test: one thread, repeatable hypothesis runs, GPU tests only where there is a GPU."""

import os

import pytest
from hypothesis import settings

# Before anything imports numpy or torch: they read these once, at import.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# Figures are drawn to files, never to a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

# The same examples in every run: a red test must stay red until the code changes.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50, database=None)
settings.load_profile("repeatable")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked gpu on a machine without a CUDA device."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not _has_gpu():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
