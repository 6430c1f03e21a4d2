"""Tables larger than the memory: seconds per pass, peak memory and error of networks that see every row of a file."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import numpy as np

from tests.benchmarks.runs import Problem, Record, single_thread
from tests.benchmarks.tables import Report, number

ROWS, COLUMNS, FORMATS = 10_000_000, 20, ("parquet", "npz", "npy")
WRITTEN = 100_000  # rows that are made and written at a time
NOISE = 0.3  # standard deviation of the noise over that of the law
METHODS = {"levenberg_marquardt": (2,), "adam": (16,)}
STEPS, EPOCHS = 3, 1
SAMPLE = 10_000
RULE = (
    "y = exp(sin(pi x0) + x1^2) + (x2 + 2 x3^2)^2 plus noise of 0.3 of its spread, columns even in [-1, 1], the others "
    "not used by the law; float64, one thread, 256 MiB to work in. The file is made block by block by another process, "
    "so it may still be in the system's cache when it is read. Memory: the process's peak (VmHWM), with torch and all. "
    f"Errors: RMS distance from the law without noise over the law's spread, over all rows; 'sample' after {SAMPLE:,} "
    f"rows, 'all rows' after at most {STEPS} full-data steps of Levenberg-Marquardt or {EPOCHS} epoch of Adam. Seconds "
    "are processor seconds; per pass: the median of the passes that take errors only, and of those that make normal "
    "equations or Adam's steps"
)


def law(inputs: np.ndarray) -> np.ndarray:
    """The law, (n, D >= 4) -> (n,)."""
    first = np.exp(np.sin(np.pi * inputs[:, 0]) + inputs[:, 1] ** 2)
    return first + (inputs[:, 2] + 2 * inputs[:, 3] ** 2) ** 2


def rows_of(start: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows from number `start` on: inputs (n, D) and noisy target (n,)."""
    random = np.random.Generator(np.random.PCG64([7, start]))
    inputs = random.uniform(-1, 1, (min(WRITTEN, rows - start), columns))
    true = law(inputs)
    return inputs, true + NOISE * true.std() * random.normal(size=len(true))


def write_table(path: Path, rows: int, columns: int) -> None:
    """Make a file of the format of its suffix, some rows at a time."""
    writers = {".parquet": _write_parquet, ".npz": _write_npz, ".npy": _write_npy}
    writers[path.suffix](path, rows, columns)


def _write_parquet(path: Path, rows: int, columns: int) -> None:
    import pyarrow
    from pyarrow import parquet

    names = [*(f"x{i}" for i in range(columns)), "y"]
    schema = pyarrow.schema([(name, pyarrow.float64()) for name in names])
    with parquet.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, rows, WRITTEN):
            inputs, target = rows_of(start, rows, columns)
            writer.write_table(pyarrow.table(dict(zip(names, [*inputs.T, target], strict=True)), schema))


def _write_npz(path: Path, rows: int, columns: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, part, shape in (("X", 0, (rows, columns)), ("y", 1, (rows,))):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                _write_array(stream, shape, (rows_of(start, rows, columns)[part] for start in range(0, rows, WRITTEN)))


def _write_npy(path: Path, rows: int, columns: int) -> None:
    parts = (rows_of(start, rows, columns) for start in range(0, rows, WRITTEN))
    with path.open("wb") as stream:
        _write_array(stream, (rows, columns + 1), (np.column_stack(part) for part in parts))


def _write_array(stream: IO[bytes], shape: tuple[int, ...], parts: Iterator[np.ndarray]) -> None:
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    for part in parts:
        stream.write(np.ascontiguousarray(part).tobytes())


def problems(options: argparse.Namespace) -> tuple[Callable[[Problem], Record], list[Problem]]:
    """One problem per training method."""
    rows = options.rows or ROWS
    worker = partial(run_method, columns=options.columns, form=options.format)
    return worker, [Problem(name, rows=rows, noise=NOISE) for name in options.names or METHODS]


def run_method(problem: Problem, columns: int = COLUMNS, form: str = "parquet") -> Record:
    """Make a file, train on it, and measure."""
    rows = problem.rows or ROWS
    with tempfile.TemporaryDirectory() as folder:
        size, free = 8 * rows * (columns + 1), shutil.disk_usage(folder).free
        if free < 1.5 * size:
            raise SystemExit(
                f"{size >> 20} MiB are to be written, and only {free >> 20} are free in {folder}: set TMPDIR"
            )
        path = Path(folder) / f"table.{form}"
        started = time.perf_counter()
        _alone(write_table, path, rows, columns)
        written = time.perf_counter() - started
        record = {"name": problem.name, "format": form, "rows": rows, "columns": columns,
                  "megabytes": path.stat().st_size >> 20, "write_seconds": round(written, 1)}  # fmt: skip
        return record | _alone(_trained, path, problem.name, columns, problem.seed)


def _alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do something in a process of its own, so that its memory is not counted with that of the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=single_thread) as pool:
        return pool.submit(work, *arguments).result()


def _trained(path: Path, method: str, columns: int, seed: int) -> Record:
    import torch

    from kansym.data.stream import column_statistics, open_rows
    from kansym.events import Event, Progress
    from kansym.nn import KAN
    from kansym.training import TrainConfig
    from kansym.training.streaming import StreamConfig, train_streamed

    torch.set_num_threads(1)
    source, before = open_rows(path), peak()
    started = time.process_time()
    column_statistics(source, 100_000)
    record: Record = {"statistics_seconds": round(time.process_time() - started, 1), "memory_before": before}
    ends: list[float] = []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "read":
            ends.extend([time.process_time()] * ((event.fraction == 0.0) + (event.fraction == 1.0)))

    sample = TrainConfig("levenberg_marquardt" if method != "adam" else "lbfgs", steps=60, l1=1e-5, seed=seed)
    passes = EPOCHS if method == "adam" else STEPS
    config = StreamConfig(sample, SAMPLE, optimizer=method, passes=passes)
    started, worked = time.perf_counter(), time.process_time()
    outcome = train_streamed(KAN([columns, *METHODS[method], 1], 4, seed), source, config=config, on_event=listen)
    record |= {"train_seconds": round(time.perf_counter() - started, 1), "memory": peak()}
    record["processor_seconds"] = round(time.process_time() - worked, 1)
    record["pass_seconds"] = [round(after - now, 1) for now, after in zip(ends[::2], ends[1::2], strict=True)]
    record["reasons"] = list(outcome.passes.reasons)
    best = outcome.start.model.member(outcome.start.best)

    def of_sample(inputs: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return outcome.target.invert(best(torch.from_numpy(outcome.inputs.apply(inputs)))[0].numpy())

    record |= {"sample_error": distance(source, of_sample), "error": distance(source, outcome.predict)}
    record["parameters"] = sum(layer.features_per_input * layer.inputs * layer.outputs for layer in best.stack)
    record["solved"] = record["error"] < record["sample_error"]
    record["seconds"] = record["train_seconds"]
    return record


def distance(source, predict: Callable[[np.ndarray], np.ndarray]) -> float:
    """RMS distance of a prediction from the law over the law's spread."""
    count, total, first, second = 0, 0.0, 0.0, 0.0
    for block in source.blocks(8192):
        true = law(block.values[:, :-1])
        total += float(np.square(predict(block.values[:, :-1])[:, 0] - true).sum())
        first, second, count = first + float(true.sum()), second + float(np.square(true).sum()), count + len(true)
    return float(np.sqrt(total / (second - first**2 / count)))


def peak() -> float:
    """The most memory this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def report(records: Sequence[Record]) -> Report:
    """One row a method."""
    header = ("method", "network", "rows", "file", "statistics s", "errors: s a pass", "equations or steps: s a pass",
              "passes", "training s (wall)", "peak MB (before)", "error: sample", "error: all rows")  # fmt: skip
    rows = tuple(_row(record) for record in records)
    summary = tuple(
        f"{r['name']}: {r['rows']:,} rows of {r['columns']} columns in a {r['megabytes']} MiB {r['format']} file: "
        f"{r['processor_seconds']:.0f} s in {r['memory']:.0f} MB; error {r['sample_error']:.2g} from the sample, "
        f"{r['error']:.2g} from all rows"
        for r in records
    )
    return Report("streaming", "Tables larger than the memory", RULE, summary, header, rows, records)


def _row(record: Record) -> tuple[str, ...]:
    shape = [record["columns"], *METHODS[record["name"]], 1]
    short, long = _kinds(record["pass_seconds"])
    spent = f"{record['processor_seconds']:.0f} ({record['train_seconds']:.0f})"
    return (
        record["name"], f"{shape}, {record['parameters']} weights", f"{record['rows']:,}",
        f"{record['megabytes']} MiB {record['format']}", number(record["statistics_seconds"]), number(short),
        number(long), str(len(record["pass_seconds"]) + 1), spent,
        f"{record['memory']:.0f} ({record['memory_before']:.0f})", number(record["sample_error"], 2),
        number(record["error"], 2),
    )  # fmt: skip


def _kinds(seconds: Sequence[float]) -> tuple[float | None, float | None]:
    """The medians of the short and of the long passes, told apart by the middle (in logarithms) of their range."""
    if not seconds:
        return None, None
    middle = float(np.sqrt(max(min(seconds), 1e-3) * max(seconds)))
    short, long = ([s for s in seconds if (s > middle) == wanted] for wanted in (False, True))
    return float(np.median(short)) if short else None, float(np.median(long)) if long else None
