"""How tests of the configuration speak: a text in, what is wrong with it out."""

from __future__ import annotations

from twisted_lb.config.load import load
from twisted_lb.config.tables import NO_PLUGINS, Plugins
from twisted_lb.config.values import Refused, Value
from twisted_lb.errors import ConfigurationError, Problem

BACKEND = """
[[backend]]
name = "pool"
server = [{ name = "a", host = "10.0.0.1" }]
"""

FRONTEND = """
[[frontend]]
name = "web"
listen = "*:80"
backend = "pool"
"""

FTP = """
[[frontend]]
name = "ftp"
listen = "*:21"
protocol = "ftp"
backend = "pool"
"""

GROUPED = """
[[frontend]]
name = "web"
listen = "*:80"
group = "site"

[group.site]
backend = "pool"
"""


def problems(text: str, plugins: Plugins = NO_PLUGINS) -> tuple[Problem, ...]:
    """What `load` finds wrong; nothing when it is right."""
    try:
        load(text, "lb.toml", plugins=plugins)
    except ConfigurationError as error:
        return error.problems
    return ()


def wrong(text: str, plugins: Plugins = NO_PLUGINS) -> dict[str, str]:
    """The message for each path; asserts that no path has two."""
    found = problems(text, plugins)
    messages = {problem.path: problem.message for problem in found}
    assert len(messages) == len(found), found
    return messages


def explained(kind: Value, raw: object) -> str:
    """Why this value is refused; empty when it is taken."""
    try:
        kind.read(raw)
    except Refused as refused:
        return kind.explain(raw, refused.why)
    return ""


def refusal(kind: Value, raw: object) -> str:
    """Why this value is refused; asserts that it is."""
    why = explained(kind, raw)
    assert why
    return why
