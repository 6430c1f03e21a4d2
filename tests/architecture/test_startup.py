"""The command line answers at once: nothing heavy is loaded before it is needed."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "sympy", "scipy", "matplotlib", "sklearn", "pandas"}
SOURCE_TREE = os.pathsep.join(str(ROOT / folder) for folder in ("", "cli", "datasets"))


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": SOURCE_TREE}
    return subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def loaded_packages(run: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the top-level packages in the report that `-X importtime` writes on stderr."""
    return set(re.findall(r"^import time:.*\|\s*(\w+)", run.stderr, flags=re.MULTILINE))


def cpu_seconds(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_python(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_import_report_would_show_a_heavy_package():
    assert "scipy" in loaded_packages(run_python("-c", "import scipy"))


@pytest.mark.parametrize("command", ["", "fit", "show", "predict", "export", "plot", "datasets", "config", "doctor",
                                     "bench formulas"])  # fmt: skip
def test_help_loads_nothing_heavy(command: str):
    run = run_python("-m", "kansym_cli", *command.split(), "--help")
    assert "Usage" in run.stdout
    assert "kansym_cli" in loaded_packages(run)
    assert not loaded_packages(run) & HEAVY


def test_help_answers_well_under_half_a_second():
    # The quickest of three: what the program costs, not what else the machine was doing.
    assert min(cpu_seconds("-m", "kansym_cli", "--help") for _ in range(3)) < 0.4


def test_importing_the_library_loads_nothing_heavy_and_costs_little():
    assert not loaded_packages(run_python("-c", "import kansym")) & (HEAVY | {"numpy"})
    assert min(cpu_seconds("-c", "import kansym") for _ in range(3)) < 0.2


def test_every_public_name_of_the_library_exists():
    import kansym

    assert all(getattr(kansym, name) is not None for name in kansym.__all__)
    assert set(kansym.__all__) <= set(dir(kansym))


def test_an_unknown_name_of_the_library_is_an_attribute_error():
    import kansym

    with pytest.raises(AttributeError, match="kansym.*no_such_name"):
        kansym.no_such_name  # noqa: B018
