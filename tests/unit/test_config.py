"""Settings: what is refused, and the way through TOML and back."""

from dataclasses import fields
from typing import Any

import pytest

from kansym.config import _KINDS, PRESETS, Config
from kansym.errors import ConfigError


def test_the_preset_gives_the_time_limit_unless_one_is_told():
    assert Config().seconds == PRESETS["default"]
    assert Config(preset="fast").seconds == PRESETS["fast"]
    assert Config(preset="fast", time_limit=2.5).seconds == 2.5


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(seed=3, preset="thorough", time_limit=1e-3, device="cpu", basis="rbf", grid=7, width=(4, 3)),
        Config(primitives=("sin", "x^(1/2)"), drop=("tan",), max_complexity=9, noise=0.0),
        Config(basis='odd "name" \\ with = signs #'),
    ],
)
def test_settings_survive_toml(config: Config):
    assert Config.from_toml(config.to_toml()) == config
    assert Config.from_dict(config.to_dict()) == config


def test_settings_that_are_none_are_not_written():
    assert "time_limit" not in Config().to_toml()
    assert "noise" not in Config().to_dict()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"seed": "3"}, "seed is '3': it must be a whole number"),
        ({"seed": True}, "seed is True: it must be a whole number"),
        ({"seed": -1}, "seed is -1"),
        ({"time_limit": "60"}, "time_limit is '60': it must be a number of seconds"),
        ({"grid": 2.5}, "grid is 2.5: it must be a whole number"),
        ({"width": 4}, "width is 4: it must be a tuple of whole numbers"),
        ({"width": (4, "3")}, "width is"),
        ({"primitives": "sin"}, "primitives is 'sin': it must be a tuple of names"),
        ({"drop": ("sin", 3)}, "drop is"),
        ({"preset": ["fast"]}, "preset is"),
        ({"max_complexity": None}, "max_complexity is None"),
        ({"preset": "quick"}, "choose from fast, default, thorough"),
        ({"device": "tpu"}, "choose from auto, cpu, cuda"),
        ({"time_limit": 0.0}, "time_limit is 0.0"),
        ({"time_limit": float("nan")}, "time_limit is nan"),
        ({"grid": -1}, "grid is -1"),
        ({"max_complexity": 0}, "max_complexity is 0"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"noise": float("nan")}, "noise is nan"),
        ({"width": ()}, "width needs"),
        ({"width": (4, 0)}, "width needs"),
    ],
)
def test_an_impossible_setting_is_refused(values: dict[str, Any], reason: str):
    with pytest.raises(ConfigError, match=reason):
        Config(**values)


def test_a_settings_file_with_a_value_of_the_wrong_kind_is_refused():
    with pytest.raises(ConfigError, match="grid is '5': it must be a whole number"):
        Config.from_toml('grid = "5"')


def test_every_setting_has_a_kind():
    assert set(_KINDS) == {item.name for item in fields(Config)}


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="unknown setting 'sed': choose from .*seed"):
        Config.from_dict({"sed": 1})


def test_text_that_is_not_toml_is_refused():
    with pytest.raises(ConfigError, match="not valid TOML"):
        Config.from_toml("seed = = 1")


def test_settings_cannot_be_changed_after_they_are_made():
    with pytest.raises(AttributeError):
        Config().seed = 1  # type: ignore[misc]
