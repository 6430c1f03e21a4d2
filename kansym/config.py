"""What a fit may be told: one frozen object, readable from and writable to TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kansym.errors import ConfigError

PRESETS: dict[str, float] = {"fast": 15.0, "default": 60.0, "thorough": 600.0}
STAGES = (
    "screening", "units", "sums", "reductions", "parts", "polynomials", "splines", "fractions", "shapes", "curves",
    "powers", "products", "coefficients", "halves", "dictionary", "network", "edits", "simplification",
)  # fmt: skip
DEVICES = ("auto", "cpu", "cuda")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _tuple_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(check(item) for item in value)


# What every setting must be, in words and as a check; a TOML file or a notebook can hold anything.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "seed": ("a whole number", _is_whole),
    "preset": ("text", _is_text),
    "time_limit": ("a number of seconds", _optional(_is_number)),
    "device": ("text", _is_text),
    "basis": ("the name of a basis", _is_text),
    "grid": ("a whole number", _optional(_is_whole)),
    "width": ("a tuple of whole numbers, such as (4, 3)", _optional(_tuple_of(_is_whole))),
    "primitives": ("a tuple of names", _optional(_tuple_of(_is_text))),
    "drop": ("a tuple of names", _tuple_of(_is_text)),
    "max_complexity": ("a whole number", _is_whole),
    "noise": ("a number", _optional(_is_number)),
    "without": ("a tuple of stages", _tuple_of(_is_text)),
    "guess": ("a tuple of formulas", _tuple_of(_is_text)),
    "template": ("text", _optional(_is_text)),
    "assume": ('a tuple of statements, such as "even(x)"', _tuple_of(_is_text)),
    "known_constants": ('a tuple of name=value, such as "c=299792458"', _tuple_of(_is_text)),
}
STEERING = ("without", "guess", "template", "assume", "known_constants")  # written down only where they were given


@dataclass(frozen=True)
class Config:
    """Every choice of a fit; the defaults are meant to be good.

    preset: how hard to search; also gives the time limit in seconds when `time_limit` is None.
    grid, width: intervals per spline and hidden nodes per layer; None lets kansym choose.
    primitives: names to search with; None means the whole library. drop: names to leave out.
    noise: standard deviation of the target's noise over the target's RMS; None estimates it.
    without: stages of the search to leave out, of `STAGES`: to measure what each is worth, or to be quick; without
        "network" no network is trained at all, not even for its picture.
    guess: formulas to begin with, in the table's column names. template: the outline that the law must have.
    assume: statements that the law must obey, such as "even(x)". known_constants: "name=value", to be recognised.
    They are read when the columns are known, see `kansym.symbolic.steering`.
    """

    seed: int = 0
    preset: str = "default"
    time_limit: float | None = None
    device: str = "auto"
    basis: str = "bspline"
    grid: int | None = None
    width: tuple[int, ...] | None = None
    primitives: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    max_complexity: int = 60
    noise: float | None = None
    without: tuple[str, ...] = ()
    guess: tuple[str, ...] = ()
    template: str | None = None
    assume: tuple[str, ...] = ()
    known_constants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (kind, matches) in _KINDS.items():
            value = getattr(self, name)
            if not matches(value):
                raise ConfigError(f"{name} is {value!r}: it must be {kind}")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}: it must be 0 or more")
        if self.preset not in PRESETS:
            raise ConfigError(f"preset {self.preset!r} is unknown: choose from {', '.join(PRESETS)}")
        if self.device not in DEVICES:
            raise ConfigError(f"device {self.device!r} is unknown: choose from {', '.join(DEVICES)}")
        for stage in self.without:
            if stage not in STAGES:
                raise ConfigError(f"there is no stage {stage!r} to leave out: choose from {', '.join(STAGES)}")
        for name in ("time_limit", "grid", "max_complexity"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}: it must be above 0")
        if self.noise is not None and not 0 <= self.noise < 10:
            raise ConfigError(f"noise is {self.noise}: it must be 0 or more, as a share of the target's RMS")
        if self.width is not None and (not self.width or min(self.width) < 1):
            raise ConfigError("width needs one whole number above 0 per hidden layer, such as 4 or 4,3")

    @property
    def seconds(self) -> float:
        """The time limit that holds, in seconds."""
        return PRESETS[self.preset] if self.time_limit is None else self.time_limit

    def to_dict(self) -> dict[str, Any]:
        """JSON- and TOML-able, without the fields that are None and without empty ways to steer."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value is not None and not (key in STEERING and not value)
        }

    def to_toml(self) -> str:
        """The configuration as TOML text; `from_toml` reads it back."""
        return "".join(f"{key} = {_toml(value)}\n" for key, value in self.to_dict().items())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """A configuration from plain values. Raises ConfigError for an unknown key."""
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"unknown setting {unknown[0]!r}: choose from {', '.join(sorted(known))}")
        given: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
        return cls(**given)

    @classmethod
    def from_toml(cls, text: str, table: Sequence[str] = ()) -> Config:
        """A configuration from TOML text, or from a table of it such as ("tool", "kansym"); the defaults without it.

        Raises ConfigError when it is not TOML.
        """
        try:
            values: Any = tomllib.loads(text)
            for name in table:
                values = values.get(name, {}) if isinstance(values, dict) else {}
            return cls.from_dict(values)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the settings are not valid TOML: {error}") from error


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
