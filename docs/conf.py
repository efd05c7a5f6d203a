"""Sphinx's settings. Warnings are errors: `nox -s docs` builds with -W."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import tables  # noqa: E402 - it lies beside this file, where Sphinx does not look; what it shows, in `tests` above

tables.write()

project = "lifecycle"
author = "The lifecycle maintainers"
project_copyright = f"2026, {author}"
release = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated"]  # included by pages, no pages themselves

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
default_role = "literal"  # docstrings have single backticks, as everywhere else

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["lifecycle.css"]
html_title = "lifecycle"
html_show_sphinx = False
