"""How the documentation is built: `make docs`, or `python -m sphinx -W --keep-going docs build/docs`.

Nothing is fetched: the pages hold no script, style or font of another site, and formulas are MathML.
"""

import hashlib
import sys
from datetime import date
from pathlib import Path

import kansym

ROOT = Path(__file__).parents[1]
sys.path.append(str(Path(__file__).parent / "_extensions"))

project = "kansym"
author = "The kansym developers"
copyright = f"{date.today().year}, {author}"
version = release = kansym.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "mathml",
    "plain_docstrings",
]

# Pages are written for people who read them as plain Markdown, too.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# Every code cell runs. Results are kept until kansym or the cell changes.
_SOURCES = sorted(file for room in ("kansym", "cli", "datasets") for file in (ROOT / room).rglob("*.py"))
_DIGEST = hashlib.sha256(b"".join(file.read_bytes() for file in _SOURCES)).hexdigest()[:16]
nb_execution_mode = "cache"
nb_execution_cache_path = str(ROOT / "build" / "docs-cells" / _DIGEST)
nb_execution_in_temp = True  # files that an example writes are nobody's
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_merge_streams = True

# Docstrings are plain sentences: single backticks are code there, as in Markdown.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_ivar = True

copybutton_prompt_text = "$ "

html_theme = "furo"
html_title = "kansym"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
