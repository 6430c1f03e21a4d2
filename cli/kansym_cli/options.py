"""Options that several commands share, and how their values become a Config, TableOptions and names from a registry."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kansym.config import DEVICES, PRESETS, Config
from kansym.errors import ConfigError, KansymError

if TYPE_CHECKING:
    from kansym.data import TableOptions
    from kansym.result import Result

OWN_FILE, PROJECT_FILE = Path("kansym.toml"), Path("pyproject.toml")
Command = TypeVar("Command", bound=Callable[..., Any])

RUN = click.argument("run", type=click.Path(path_type=Path))
OUTPUT = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def split_names(value: str) -> tuple[str, ...]:
    """The names in `a,b,"x, y"`, separated by commas as in CSV, without blanks around them."""
    row = next(csv.reader([value], skipinitialspace=True), [])
    return tuple(name.strip() for name in row if name.strip())


def split_widths(value: str) -> tuple[int, ...]:
    """The whole numbers in `4,3`. Raises click's usage error."""
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers such as 4 or 4,3") from None


def split_units(value: str) -> dict[str, str]:
    """The units in `T=K,v=m/s`, by column. Raises click's usage error."""
    pairs = [part.rpartition("=") for part in split_names(value)]
    if not all(name.strip() and unit.strip() for name, _, unit in pairs):
        raise click.BadParameter(f"{value!r} is not a list of column=unit such as T=K,v=m/s")
    return {name.strip(): unit.strip() for name, _, unit in pairs}


NAMES = {"type": split_names, "metavar": "NAME,..."}
WIDTHS = {"type": split_widths, "metavar": "N,..."}
UNITS = {"type": split_units, "metavar": "COLUMN=UNIT,..."}
VALUES = {"type": split_names, "metavar": "NAME=VALUE,..."}
# Several are given by repeating the flag: formulas hold commas.
REPEATED = {"multiple": True, "callback": lambda context, option, value: value or None}

# Settings of the fit: (flag, click's arguments). Their names are the fields of Config.
_SETTINGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--preset", {"type": click.Choice(list(PRESETS)), "help": "How hard to search: at most 15, 60 or 600 seconds."}),
    ("--time-limit", {"type": float, "help": "Seconds at most, instead of the preset's."}),
    ("--seed", {"type": click.IntRange(0), "help": "Seed of everything that is random.  [default: 0]"}),
    ("--device", {"type": click.Choice(DEVICES), "help": "Where networks are trained.  [default: auto]"}),
    ("--basis", {"help": "Functions on the network's edges.  [default: bspline]"}),
    ("--grid", {"type": click.IntRange(1), "help": "Intervals of each spline.  [default: chosen]"}),
    ("--width", {**WIDTHS, "help": "Hidden nodes per layer, such as 4 or 4,3.  [default: chosen]"}),
    ("--primitives", {**NAMES, "help": 'Search with these only, such as "sin,exp,x^2".  [default: all]'}),
    ("--drop", {**NAMES, "help": "Search without these primitives."}),
    ("--max-complexity", {"type": click.IntRange(1), "help": "Nodes of the largest formula.  [default: 60]"}),
    ("--noise", {"type": float, "help": "Noise of the target over its RMS, such as 0.01.  [default: estimated]"}),
    ("--guess", {**REPEATED, "metavar": "FORMULA", "help": "A formula to begin with; may be repeated."}),
    ("--template", {"help": 'Outline of the law, such as "a*f(x) + g(y, z)": f, g and a are to be found.'}),
    ("--assume", {**REPEATED, "metavar": "STATEMENT", "help": 'What the law obeys, such as "even(x)"; repeatable.'}),
    ("--known-constants", {**VALUES, "help": 'Numbers to recognise, such as "c=299792458,k=1.380649e-23".'}),
)
_TABLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--target", {"help": "Column to explain, or several as in vx,vy.  [default: the last]"}),
    ("--features", {**NAMES, "help": "Columns to explain it with, such as a,b.  [default: all others]"}),
    ("--units", {**UNITS, "help": "Units, such as T=K,v=m/s, besides those in the header."}),
    ("--weights", {"help": "Column of weights."}),
    ("--sigma", {"help": "Column of the target's standard errors."}),
)
_FILE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--missing", {"type": click.Choice(["error", "drop"]), "help": "Rows with missing numbers.  [default: error]"}),
    ("--separator", {"help": "Between columns: , ; | tab space.  [default: recognised]"}),
    ("--decimal", {"help": "Decimal mark: . or ,  [default: recognised]"}),
    ("--sheet", {"help": "Sheet of an Excel file.  [default: the first]"}),
)
CONFIG = (
    "--config",
    {
        "type": click.Path(dir_okay=False, path_type=Path),
        "help": "Settings as TOML; flags win.  [default: kansym.toml]",
    },
)


def _options(rows: Sequence[tuple[str, dict[str, Any]]]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for flag, arguments in reversed(rows):
            command = click.option(flag, **{"default": None, **arguments})(command)
        return command

    return decorate


settings_options = _options((*_SETTINGS, CONFIG))
"""Adds every field of Config as an option, and --config."""
table_options = _options((*_TABLE, *_FILE))
"""Adds what a user may say about the table of a fit."""
file_options = _options(_FILE)
"""Adds how a table is written."""


def _given(flags: Mapping[str, Any], rows: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    names = [flag.removeprefix("--").replace("-", "_") for flag, _ in rows]
    return {name: flags[name] for name in names if flags.get(name) is not None}


def read_config(flags: Mapping[str, Any]) -> Config:
    """The settings: defaults, then those of a file, then the flags that were given.

    The file is that of --config, or `kansym.toml` in the working folder, or `[tool.kansym]` in its `pyproject.toml`.
    Raises ConfigError when the file cannot be read or a value is impossible.
    """
    path: Path | None = flags.get("config")
    values: dict[str, Any] = {}
    if path is not None or OWN_FILE.is_file():
        values = _settings_of(path or OWN_FILE)
    elif PROJECT_FILE.is_file():
        values = _settings_of(PROJECT_FILE, ("tool", "kansym"))
    return Config.from_dict(values | _given(flags, _SETTINGS))


def _settings_of(path: Path, table: tuple[str, ...] = ()) -> dict[str, Any]:
    """The settings in a TOML file, or in a table of it."""
    try:
        return Config.from_toml(path.read_text("utf-8"), table).to_dict()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot read the settings file '{path}': {reason}: check --config") from error
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"settings file '{path}': {error}") from error


def read_table_options(flags: Mapping[str, Any]) -> TableOptions:
    """What the flags say about the table. Raises ConfigError for impossible values."""
    from kansym.data import TableOptions

    return TableOptions(**_given(flags, (*_TABLE, *_FILE)))


def spelled_file_options(flags: Mapping[str, Any]) -> dict[str, str]:
    """The flags about the table as they would be typed, but for the target and the features, which a run knows."""
    given = _given(flags, (*_TABLE, *_FILE))
    return {name: _spelled(value) for name, value in given.items() if name not in ("target", "features")}


def spelled_files(data: Sequence[str]) -> dict[str, str]:
    """The files of a fit, where there were several."""
    from kansym.report.command import FILES, listed

    return {FILES: listed(data)}


def _spelled(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    from kansym.report.command import listed

    return listed([f"{name}={unit}" for name, unit in value.items()])


def choose(registry: Any, name: str, flag: str) -> Any:
    """The entry of a registry that a flag names. Raises click's usage error with the names that exist."""
    if name in registry:
        return registry[name] if isinstance(registry, Mapping) else registry.get(name)
    names = ", ".join(registry.names()) if hasattr(registry, "names") else ", ".join(registry)
    raise click.BadParameter(f"{name!r} is unknown: choose from {names}", param_hint=flag)


def load_run(run: Path) -> Result:
    """The saved result of a run folder. Raises ModelFileError."""
    from kansym.storage import load

    return load(run)


def written(path: Path, content: str | bytes, as_json: bool) -> None:
    """Write a file; with --json say so on stdout."""
    write_output(path, content)
    if as_json:
        click.echo(json.dumps({"written": str(path)}))


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file, whole or not at all. Raises KansymError when it cannot be written."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        if path.exists() and not path.is_file():  # a device or a pipe must not be replaced by a file
            path.write_bytes(data)
        else:
            temporary.write_bytes(data)
            temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise KansymError(f"cannot write '{path}': {error.strerror or error}: choose another -o") from error
