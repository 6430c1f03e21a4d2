"""What a discovery may be told."""

from __future__ import annotations

from dataclasses import dataclass

from kansym.errors import ConfigError
from kansym.physics.discovery.forms import FORMS
from kansym.physics.discovery.libraries import LIBRARIES

DEFAULT_SECONDS = 120.0


@dataclass(frozen=True)
class Settings:
    """Every choice of a discovery; the defaults are meant to be good.

    Args:
        seed: of the search and of networks.
        time_limit: seconds in all.
        form: how candidates are held against the smooth path: "weak", "integral" or "derivative".
        libraries: which sums of terms are tried, of `LIBRARIES`.
        primitives: functions of the user's choice; sums of them, the states and their products are tried too.
        search: whether formulas of any form are searched for where no library reaches the noise.
        noise: (as a share of every state's root mean square) what is known of it; None estimates it.

    Raises:
        ConfigError: for an impossible choice.
    """

    seed: int = 0
    time_limit: float = DEFAULT_SECONDS
    form: str = "weak"
    libraries: tuple[str, ...] = ("polynomial", "trigonometric", "everyday")
    primitives: tuple[str, ...] = ()
    search: bool = True
    noise: float | None = None

    def __post_init__(self) -> None:
        FORMS.get(self.form)
        for name in self.libraries:
            LIBRARIES.get(name)
        if not self.time_limit > 0:
            raise ConfigError(f"time limit {self.time_limit:g}: give seconds above 0")
        if self.noise is not None and not 0 <= self.noise < 10:
            raise ConfigError(f"noise {self.noise:g}: give a share of the states' size, 0 or more")
        if not (self.libraries or self.primitives or self.search):
            raise ConfigError("nothing to try: name a library or primitives, or allow the search")
