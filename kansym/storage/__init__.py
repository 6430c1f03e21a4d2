"""The run folder: everything a fit returned, in plain formats, written so that a crash never leaves half a file.

`result.json` says what was found and is byte-identical for identical results; `SHA256SUMS` covers every other part and
can be checked with `sha256sum -c`. Nothing here is pickled, and nothing that is read is run.
"""

from kansym.storage.folder import check_target, is_run
from kansym.storage.plain_json import plain
from kansym.storage.reading import load
from kansym.storage.writing import save

__all__ = ["check_target", "is_run", "load", "plain", "save"]
