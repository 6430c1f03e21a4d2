"""`kansym doctor`: what a report of a problem needs."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import click

import kansym
from kansym_cli import options, output
from kansym_cli.main import THREAD_VARIABLES

REQUIRED = ("torch", "numpy", "scipy", "sympy", "networkx", "click", "rich", "safetensors", "narwhals", "threadpoolctl")
# Extra -> (packages, what they are for).
EXTRAS = {
    "plot": (("matplotlib",), "kansym plot"),
    "gpu": (("triton",), "fused kernels on CUDA devices"),
    "io": (("pyarrow", "h5py", "openpyxl"), "Parquet, HDF5 and Excel tables"),
    "sklearn": (("scikit-learn",), "the estimators"),
    "onnx": (("onnx",), "kansym export --format onnx"),
    "track": (("tensorboard",), "events for TensorBoard"),
}


@click.command()
@options.JSON
def command(as_json: bool) -> int:
    """Show versions, devices, threads and extras; exit code 1 when something that is needed is missing.

    \b
    kansym doctor
    """
    versions = {name: _version(name) for name in REQUIRED}
    facts = {
        "kansym": kansym.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "devices": _devices() if versions["torch"] else [],
        "kernels": _kernels() if versions["torch"] else {},
        "packages": versions,
        "extras": {name: {part: _version(part) for part in parts} for name, (parts, _) in EXTRAS.items()},
    }
    click.echo(output.json_text(facts) if as_json else _page(facts))
    return 0 if all(versions.values()) else 1


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    """The processor and every CUDA device by name."""
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cpu ({torch.get_num_threads()} threads)", *(torch.cuda.get_device_name(i) for i in range(found))]


def _kernels() -> dict[str, str]:
    """Which fast paths there are, and where they come from."""
    from kansym.kernels import gpu, native

    return {
        "wide layers": native.status("local", ("BITS=32", "DEGREE=3", "BASE=1")),
        "populations": native.status("network"),
        "CUDA": "triton" if gpu.has_triton() else "triton is not installed: pip install 'kansym[gpu]'",
    }


def _page(facts: dict) -> str:
    rows = [[name, str(facts[name])] for name in ("kansym", "python", "system", "cores")]
    rows += [["devices", ", ".join(facts["devices"]) or "-"]]
    rows += [[f"kernels: {name}", said] for name, said in facts["kernels"].items()]
    rows += [[name, value or "not set"] for name, value in facts["threads"].items()]
    rows += [[name, found or "MISSING: pip install kansym"] for name, found in facts["packages"].items()]
    for extra, found in facts["extras"].items():
        listed = ", ".join(f"{name} {number or 'not installed'}" for name, number in found.items())
        advice = "" if all(found.values()) else f": pip install 'kansym[{extra}]'"
        rows.append([f"[{extra}]", f"{EXTRAS[extra][1]}: {listed}{advice}"])
    return output.columns(rows, indent="")
