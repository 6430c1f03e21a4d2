"""The errors a user can meet: each is one line that says what, where and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KansymError(Exception):
    """Anything kansym refuses or fails to do.

    Args:
        message: what went wrong, where, and what to do next. Line breaks and other unprintable characters are
            written as escapes, so that text from a file can neither add lines nor reach the terminal as control codes.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class DataError(KansymError):
    """The table cannot be used as it is."""

    exit_code = 2


class ConfigError(KansymError):
    """A setting is unknown or impossible."""

    exit_code = 2


class FormulaError(KansymError):
    """A formula cannot be read or evaluated."""

    exit_code = 2


class ModelFileError(KansymError):
    """A saved model or run folder is damaged, foreign or too new."""

    exit_code = 2


class TrainingError(KansymError):
    """Training could not produce a usable model."""

    exit_code = 1


def printable(text: str) -> str:
    """Return the text on one line, with every unprintable character written as a backslash escape."""
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def quote(text: str, limit: int = 60) -> str:
    """Return the text in single quotes for a message, cut after `limit` characters."""
    return f"'{text}'" if len(text) <= limit else f"'{text[: limit - 1]}…'"


def did_you_mean(name: str, known: Iterable[str], limit: int = 8) -> str:
    """Return the half sentence that helps after an unknown name: the nearest known names, else the first few.

    Args:
        name: what the user wrote.
        known: the names that exist.
        limit: how many known names to list when none is near.
    """
    choices = list(known)
    folded = {choice.casefold(): choice for choice in choices}
    near = [folded[match] for match in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return "did you mean " + " or ".join(quote(choice) for choice in near) + "?"
    listed = ", ".join(quote(choice) for choice in choices[:limit])
    more = f" and {len(choices) - limit} more" if len(choices) > limit else ""
    return f"choose from {listed}{more}" if choices else "there is none to choose from"
