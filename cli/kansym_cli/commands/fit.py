"""`kansym fit DATA`: from a table to a law, a run folder and a page of results."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym.errors import ConfigError, ModelFileError
from kansym.events import Event, Listener, Note
from kansym_cli import console, options, output, progress, several

if TYPE_CHECKING:
    from kansym.budget import Budget
    from kansym.config import Config
    from kansym.data import Dataset, TableOptions
    from kansym.data.stream import RowSource
    from kansym.result import Result

EXIT_CODES = {"finished": 0, "time limit": 3, "interrupted": 130}
EPILOG = """\b
Exit codes: 0 finished, 1 kansym failed, 2 wrong usage or bad input,
3 the time was up and 130 Ctrl-C (in both the best formula so far was saved and printed; Ctrl-C twice stops at once)."""


@click.command(epilog=EPILOG)
@click.argument("data", nargs=-1, required=True)
@options.table_options
@options.settings_options
@click.option("--out", type=click.Path(path_type=Path), help="Run folder to write.  [default: runs/NAME-1, -2, ...]")
@click.option("--resume", is_flag=True, help="With --out: reuse a finished run of the same data and settings.")
@options.JSON
@click.option("--quiet", is_flag=True, help="No progress and no notes on stderr.")
def command(data: tuple[str, ...], out: Path | None, resume: bool, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Find the law that explains one column of the table DATA by the others, or each of several.

    DATA is a CSV, TSV, text, Parquet, NPZ, HDF5 or Excel file; - reads CSV from standard input. Several files with the
    same columns are one table. The defaults are meant to be good: no option is needed.

    \b
    kansym fit data.csv
    kansym fit monday.csv tuesday.csv --target T --noise 0.01
    """
    if resume and out is None:
        raise click.UsageError("--resume needs the run folder: give it with --out")
    config, table = options.read_config(flags), options.read_table_options(flags)
    dataset, source = _read(data, table, config.seed)
    if len(dataset.target_names) > 1:
        return _several(dataset, source, config, _Wishes(out, data, resume, as_json, quiet, flags))
    found = _finished_run(out, dataset, config, quiet) if resume and out is not None else None
    if out is not None and found is not None:
        return _print(found, out, as_json)
    with _folder(out, data) as folder, progress.recorded(folder) as record:
        if not quiet:
            _announce(dataset, folder)
        result = _with_options(_fit(dataset, config, quiet, record), flags, data)
        result = result if source is None else _judged(result, source, quiet)
        _save(result, folder)
    return _print(result, folder, as_json)


@dataclass(frozen=True)
class _Wishes:
    """What else was said on the command line."""

    out: Path | None
    data: tuple[str, ...]
    resume: bool
    as_json: bool
    quiet: bool
    flags: Mapping[str, Any]


def _several(dataset: Dataset, source: RowSource | None, config: Config, wishes: _Wishes) -> int:
    """Fit every target, each into a run folder of its own in the folder of all."""
    from kansym.vector import single

    names = dataset.target_names
    if wishes.out is not None:
        several.check_parent(wishes.out)
    if wishes.resume and wishes.out is not None:
        runs = several.folders(wishes.out, names)
        parts = [_finished_run(runs[name], single(dataset, name), config, wishes.quiet) for name in names]
        done = {name: part for name, part in zip(names, parts, strict=True) if part is not None}
        if len(done) == len(names):
            return _print_several(done, runs, wishes.out, wishes.as_json)
    with _folder(wishes.out, wishes.data, one=False) as parent, progress.recorded(parent) as record:
        if not wishes.quiet:
            _announce(dataset, parent)
        runs, results = several.folders(parent, names), {}
        for name, result in _fit(dataset, config, wishes.quiet, record, every=True).items():
            result = _with_options(result, wishes.flags, wishes.data)
            results[name] = result if source is None else _judged(result, source, wishes.quiet)
            _save(results[name], runs[name])
        options.write_output(parent / several.INDEX, several.index(runs))
    return _print_several(results, runs, parent, wishes.as_json)


def _print_several(results: Mapping[str, Result], runs: Mapping[str, Path], parent: Path, as_json: bool) -> int:
    document = several.document(results, runs, parent)
    click.echo(output.json_text(document) if as_json else several.page(results, runs))
    return max(EXIT_CODES[result.stop_reason] for result in results.values())


def _read(data: Sequence[str], table: TableOptions, seed: int) -> tuple[Dataset, RowSource | None]:
    """The table, or of a large file a random sample and the source of all rows."""
    from kansym.data import joined, read_table
    from kansym.data.stream import is_large, read_sample

    if len(data) == 1 and is_large(data[0]):
        return read_sample(data[0], table, seed=seed)
    return joined([read_table(each, table) for each in data]), None


def _judged(result: Result, source: RowSource, quiet: bool) -> Result:
    """The result of a sample with a note on the errors over all rows."""
    from kansym.data.stream import streamed_errors

    table = result.table
    errors = streamed_errors(source, table.target_name, table.input_names, result.formula)
    total, wrong = errors.rows + errors.undefined, f", undefined in {errors.undefined}" if errors.undefined else ""
    note = f"over all {total} complete rows: NRMSE {errors.nrmse:.3g}, largest error {errors.max_error:.3g}{wrong}"
    if not quiet:
        console.say(f"note: {note}")
    return replace(result, table=replace(table, notes=(*table.notes, note)))


def _announce(dataset: Dataset, folder: Path) -> None:
    for note in dataset.notes:
        console.say(f"note: {note}")
    target, inputs = ", ".join(dataset.target_names), ", ".join(dataset.input_names)
    console.say(f"{dataset.source}: {dataset.rows} rows, {target} from {inputs}; run folder {folder}")


def _fit(dataset: Dataset, config: Config, quiet: bool, record: Listener, every: bool = False) -> Any:
    """The result, or with `every` one for each target by its name; `record` hears what is shown."""
    # Loading the engine takes seconds; the budget starts after it.
    from kansym.budget import Budget
    from kansym.pipeline import fit

    budget = Budget(config.seconds)
    with console.caught(signal.SIGINT, lambda: _interrupt(budget)), console.listener(quiet, budget) as show:

        def listen(event: Event) -> None:
            show(event)
            record(event)

        if not quiet:
            listen(Note(f"searching for at most {config.seconds:g} s; Ctrl-C ends it with the best so far"))
        if every:
            from kansym.vector import fit_all

            return fit_all(dataset, config, listen, budget)
        return fit(dataset, config, listen, budget)


def _with_options(result: Result, flags: Mapping[str, Any], data: Sequence[str]) -> Result:
    """The result with what was said about the files, so that the report can tell how to repeat the fit."""
    spelled = options.spelled_file_options(flags) | (options.spelled_files(data) if len(data) > 1 else {})
    return replace(result, table=replace(result.table, options=spelled))


def _save(result: Result, folder: Path) -> None:
    from kansym.storage import save

    save(result, folder)


def _interrupt(budget: Budget) -> None:
    """Ctrl-C once lets the best so far flow on to a result; twice stops at once."""
    if budget.interrupted:
        raise KeyboardInterrupt
    budget.interrupt()


@contextmanager
def _folder(out: Path | None, data: Sequence[str], one: bool = True) -> Iterator[Path]:
    """The run folder, claimed before the fit so that a wrong --out costs no time; an unused new one is removed."""
    from kansym.storage import check_target

    try:
        folder = claim(Path(data[0]).stem) if out is None else out
        if one:
            check_target(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(f"cannot write a run folder: {error}: choose another --out") from error
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def claim(name: str) -> Path:
    """A new folder runs/NAME-1, runs/NAME-2, ...; making it is what claims it, also against other processes."""
    name = (name if name not in ("", "-") else "table").removesuffix(".csv")
    parent = Path("runs")
    parent.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            (parent / f"{name}-{number}").mkdir()
            return parent / f"{name}-{number}"
        except FileExistsError:
            number += 1


def _finished_run(out: Path, dataset: Dataset, config: Config, quiet: bool) -> Result | None:
    """The finished run in the folder if it is of these data and settings; None, with a word on why, to start over.

    Raises ConfigError when the folder holds a run of other data or settings: that one must not be overwritten.
    """
    from kansym.storage import is_run, load

    def tell(text: str) -> None:
        if not quiet:
            console.say(f"--resume: {text}")

    if not is_run(out):
        return tell(f"'{out}' holds no run yet: starting one")
    try:
        result = load(out)
    except ModelFileError as error:
        return tell(f"starting over, because {error}")
    if (result.config, _columns(result)) != (config, _columns_of(dataset)):
        raise ConfigError(f"run folder '{out}' is of other data or settings: choose another --out, or omit --resume")
    if result.stop_reason != "finished":
        return tell(f"the run ended early ({result.stop_reason}): starting over")
    tell(f"'{out}' is finished, of the same data and settings: nothing to do")
    return result


def _columns(result: Result) -> tuple[Any, ...]:
    table = result.table
    return table.digest, table.input_names, table.input_units, table.target_name, table.target_unit


def _columns_of(data: Dataset) -> tuple[Any, ...]:
    return data.digest, data.input_names, data.input_units, data.target_names[0], data.target_units[0]


def _print(result: Result, folder: Path, as_json: bool) -> int:
    run = str(folder)
    click.echo(output.json_text(output.document(result, run)) if as_json else output.page(result, run))
    return EXIT_CODES[result.stop_reason]
