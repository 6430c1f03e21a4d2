"""The frame of every page: one self-contained HTML file, in which only kansym's own script may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files

from kansym.report.svg import xml_text


def page(title: str, body: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Return a complete HTML document that asks nothing of any server.

    Args:
        title: any text.
        body: HTML.
        styles, scripts: files of kansym/report/assets; a content security policy lets exactly these scripts run.
    """
    style, script = ("\n".join(map(_asset, names)) for names in (("base.css", *styles), scripts))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    policy += f"; script-src '{_digest(script)}'" if script else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{xml_text(title)}</title><style>{style}</style></head>\n<body><main>\n{body}\n</main>"
        + (f"<script>{script}</script>" if script else "")
        + "</body></html>\n"
    )


def _asset(name: str) -> str:
    return (files("kansym.report") / "assets" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The script's name in a content security policy: this text may run, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
