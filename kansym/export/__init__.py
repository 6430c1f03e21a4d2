"""Results in other tools' languages. `FORMATS` is the list; a format is a function from a Result to text."""

from kansym.export.formats import FORMATS, export

__all__ = ["FORMATS", "export"]
