"""How much memory one step takes at its peak: tensors, and also what native kernels allocate for themselves.

On CUDA the allocator of torch keeps count. On the processor no counter sees every allocation (compiled kernels, oneDNN
and MKL have their own), so a fresh child process asks the operating system: it builds the model and runs the step, to
load all code, throws that model away, builds it anew, reads its resident memory, sets the mark of the peak back, runs
the step from the state that a training loop begins in (no gradients yet) and reads the mark. Freed blocks of 16 KB and
more go back to the system at once (glibc is told so), so that memory which is used again counts again. Data and
parameters stand before the first reading and do not count; gradients, activations, scratch space and an optimizer's
state do. What stays behind after the first model is gone (code, pools that are never freed) is given separately as
`kept`.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from ctypes import CDLL
from dataclasses import asdict
from pathlib import Path

import torch

from kansym.bench.engine import Step, quiet, threads, why
from kansym.bench.entrants import entrants
from kansym.bench.jobs import Job
from kansym.bench.peers import Shape, find

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "16384", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
PATIENCE = 600.0
STEPS = 3


def peak_of(job: Job, name: str, peers: Path | None, thread_count: int | None) -> dict[str, float | str]:
    """Measure one entrant of a job in a child process.

    Args:
        job: the task, on the processor.
        name: of the entrant.
        peers: where the check-outs are.
        thread_count: threads of the child.

    Returns:
        "peak" and "kept" in bytes, or "note" with the reason why there are none.
    """
    if not _CLEAR.exists():
        return {"note": "this system does not tell a process its peak memory"}
    question = json.dumps(asdict(job) | {"name": name, "peers": str(peers or ""), "threads": thread_count})
    place = os.pathsep.join(part for part in sys.path if part)
    command = [sys.executable, "-W", "ignore", "-m", "kansym.bench.memory"]
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=PATIENCE,
            env={**os.environ, **_ALLOCATOR, "PYTHONPATH": place},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"note": f"its memory was not known after {PATIENCE:.0f} s"}
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 and lines else {"note": (done.stderr or "?").strip()[-120:]}


def answer(question: str) -> dict[str, float | str]:
    """Do in the child what `peak_of` asks for."""
    asked = json.loads(question)
    name, peers, count = (asked.pop(key) for key in ("name", "peers", "threads"))
    shape = Shape(**asked.pop("shape"))
    job = Job(Shape(tuple(shape.widths), shape.intervals, shape.degree, shape.seed), **asked)
    makers = {each.name: each.make for each in entrants(job, find(Path(peers) if peers else None))}
    with threads(count):
        return resident_peak(makers[name])


def resident_peak(make: Callable[[], Step]) -> dict[str, float | str]:
    """Return the peak of a step above what was resident before it, and what an earlier model left behind, in bytes."""
    with suppress(OSError, AttributeError):
        CDLL("libc.so.6").malloc_trim(0)
    started = resident()["VmRSS"]
    try:
        with quiet():
            step = make()
            _run(step)
            del step
            kept = _settled() - started
            step = make()
    except Exception as error:  # Programs of others fail in ways of their own.
        return {"note": why(error)}
    before = _settled()
    with quiet():
        # Building the step ran the model once, without gradients; a step of training has none to begin with.
        _run(step)
    return {"peak": max(0.0, resident()["VmHWM"] - before), "kept": kept}


def _run(step: Step) -> None:
    for _ in range(STEPS):
        step()


def _settled() -> float:
    """Give free memory back to the system, set its mark of the peak back, and return what is resident, in bytes."""
    gc.collect()
    with suppress(OSError, AttributeError):
        CDLL("libc.so.6").malloc_trim(0)
    _CLEAR.write_text("5")
    return resident()["VmRSS"]


def resident() -> dict[str, float]:
    """Return this process's resident memory now (VmRSS) and at its peak (VmHWM), in bytes; empty where unknown."""
    if not _STATUS.exists():
        return {}
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return {line[0][:-1]: 1024 * float(line[1]) for line in lines if line and line[0] in ("VmRSS:", "VmHWM:")}


def peak_while(work: Callable[[], object]) -> float | None:
    """Return how far the resident memory rises while some long work is done in this process, in bytes."""
    if not _CLEAR.exists():
        work()
        return None
    before = _settled()
    work()
    return max(0.0, resident()["VmHWM"] - before)


def cuda_peak(step: Step) -> float:
    """Return the most that torch's allocator holds during a step above what it held before, in bytes."""
    step()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(sys.stdin.read())) + "\n")
