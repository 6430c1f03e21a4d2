"""Results in other tools' languages. `FORMATS` lists functions from a Result to text, `FILES` those to bytes."""

from kansym.export.formats import FILES, FORMATS, export, export_file

__all__ = ["FILES", "FORMATS", "export", "export_file"]
