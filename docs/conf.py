"""Sphinx: the documentation as a site. `./run docs` builds it, warnings are errors."""

from twisted_lb.version import version as installed

project = "twisted-lb"
copyright = "the twisted-lb authors"
release = installed()
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "twisted-lb"
html_static_path: list[str] = []
exclude_patterns = ["_build", "man"]
nitpicky = True
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]
