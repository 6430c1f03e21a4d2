"""What users install: the wheel built from the sdist works outside the checkout, from a table to LaTeX."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def call(*command: str | Path, folder: Path) -> str:
    """Run a command in `folder` without the checkout on its path; return stdout, or fail with everything it said."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, timeout=280
    )
    assert run.returncode == 0, f"{command} ended with {run.returncode}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, folder=out)
    assert len(list(out.glob("kansym-*.tar.gz"))) == 1
    return next(out.glob("kansym-*.whl"))


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; torch and the others come from the environment of the tests."""
    home = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", home / "venv", folder=home)
    python = home / "venv/bin/python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=home)
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=home).strip()
    # A plain path line: .pth files in that folder are not read, so an editable install of kansym stays out of sight.
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site, "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return home / "venv/bin/kansym"


def test_the_wheel_holds_all_three_packages_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert folders == {"kansym", "kansym_cli", "kansym_datasets"}
    assert {f"{folder}/py.typed" for folder in folders} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_packages_do_not_come_from_the_checkout(program: Path):
    script = "import kansym, kansym_cli, kansym_datasets as d; print(kansym.__file__, kansym_cli.__file__, d.__file__)"
    files = call(program.with_name("python"), "-c", script, folder=program.parents[2]).split()
    assert len(files) == 3
    assert all(Path(file).is_relative_to(program.parents[1]) for file in files)


def test_the_installed_command_fits_a_table_and_exports_the_law(program: Path, tmp_path: Path):
    call(program, "datasets", "write", "planets", "-o", "planets.csv", folder=tmp_path)
    assert (tmp_path / "planets.csv").read_text().count("\n") > 8
    (tmp_path / "exact.csv").write_text("a,P\n" + "".join(f"{a},{a**1.5!r}\n" for a in range(1, 12)))
    report = json.loads(call(program, "fit", "exact.csv", "--out", "run", "--json", folder=tmp_path))
    assert report["formula"]
    latex = call(program, "export", "run", "--format", "latex", folder=tmp_path)
    assert r"\frac{3}{2}" in latex or "3/2" in latex or "1.5" in latex
