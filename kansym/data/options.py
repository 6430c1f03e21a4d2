"""What a user may say about a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kansym.errors import ConfigError, quote

SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "whitespace": " ", "comma": ",", "semicolon": ";"}
_DECIMALS = {"point": ".", "dot": ".", "comma": ","}


@dataclass(frozen=True)
class TableOptions:
    """How a table is read and which columns take which part.

    A column may be named with or without its unit: `T` and `T [K]` both find the header `T [K]`.

    Attributes:
        target: the column to explain, or several as in "vx,vy"; the last one if None.
        features: the columns to explain it with, in this order; all that have no other part if None.
        missing: "error" refuses rows with missing or infinite numbers, "drop" leaves them out with a note.
        weights: a column of weights, at least 0; cannot be combined with sigma.
        sigma: a column of standard errors of the target, above 0.
        separator: one character, "tab" or "space" (any run of blanks); recognised if None.
        decimal: "." or ","; recognised if None.
        sheet: the sheet of an Excel file; the first if None.
        units: unit by column name, in addition to those in the header.

    Raises:
        ConfigError: if a value is impossible.
    """

    target: str | None = None
    features: tuple[str, ...] | None = None
    missing: str = "error"
    weights: str | None = None
    sigma: str | None = None
    separator: str | None = None
    decimal: str | None = None
    sheet: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.missing not in ("error", "drop"):
            raise ConfigError(f"missing must be 'error' or 'drop', got {quote(str(self.missing))}")
        if self.weights is not None and self.sigma is not None:
            raise ConfigError("weights and sigma cannot be combined: pass sigma for measurement errors, else weights")
        if self.features is not None:
            object.__setattr__(self, "features", tuple(self.features))
            if not self.features:
                raise ConfigError("features must name at least one column, or be left out to use all")
        self._normalise_marks()

    def _normalise_marks(self) -> None:
        separator = SEPARATORS.get(self.separator or "", self.separator)
        decimal = _DECIMALS.get(self.decimal or "", self.decimal)
        if separator is not None and (len(separator) != 1 or separator in "\r\n\"'.#" or separator.isalnum()):
            raise ConfigError(f"separator {quote(separator)} is not usable: pass one of , ; tab space |")
        if decimal not in (None, ".", ","):
            raise ConfigError(f"decimal must be '.' or ',', got {quote(decimal)}")
        if separator is not None and separator == decimal:
            raise ConfigError("separator and decimal mark are both ',': pass a different --separator or --decimal")
        object.__setattr__(self, "separator", separator)
        object.__setattr__(self, "decimal", decimal)
