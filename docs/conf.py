"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from pygments.lexers.python import PythonLexer

from docs import pages
from jupyter_mlops._version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "jupyter_mlops"
author = "The jupyter_mlops developers"
copyright = author
release = version = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_copy_source = False
html_show_sourcelink = False
# Only the nouns have pages beside them.
html_sidebars = {page: [] for page in ("index", "architecture", "security", "figures", "changelog")}
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def setup(app: Sphinx) -> None:
    """Register the lexer of notebook cells, and what fills in the pages."""
    app.add_lexer("ipython", PythonLexer)
    app.connect(
        "source-read", lambda _app, _page, source: source.__setitem__(0, pages.filled(source[0]))
    )
