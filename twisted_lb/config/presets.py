"""Presets: a name in the text → ordinary settings for the table that it stands in. Sans-I/O.

In: parsed TOML. Out: the same without `preset`, each of its settings filled in where the text says
nothing. `docs/presets.md` tells every value and why; a test holds it to this table. A preset is
what is known of a kind of server from outside. None of them reads what such servers say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .locate import Path
from .values import describe, did_you_mean, quote

Raw = dict[str, Any]
"""A table as TOML gives it."""

Wrong = Callable[[Path, str], None]
"""Told of a `preset` that cannot be used: the path of its table, and why."""

_COARSE_BACKEND: Final[Raw] = {
    "balance": "least-connections",
    "on_down": "end",
    "slow_start": "30s",
    "check": {"type": "tcp", "fall": 5},
}
"""Behind a key that users share: their sessions are of any size, and must not be kept on a server
that is gone only because one of them is still connected to it."""

_TERMINAL_GROUP: Final[Raw] = {
    "key": ["source"],
    "linger": "10m",
    "idle": "never",
    "role": {"terminal": {}},
}

PRESETS: Final[dict[str, dict[str, Raw]]] = {
    "reflection-proxy": {
        "frontend": {"tls": {"mode": "pass"}},
        "group": {"key": ["source"], "idle": "never", "role": {"any": {}}},
        "backend": _COARSE_BACKEND,
    },
    "reflection-ftp": {
        "frontend": {"tls": {"mode": "pass"}},
        "group": {
            "key": ["source"],
            "role": {"control": {"principal": True}, "data": {}, "notification": {}},
        },
        "backend": _COARSE_BACKEND | {"check": {"type": "tcp", "port": 3000, "fall": 5}},
    },
    "hod-redirector": {
        "frontend": {"protocol": "terminal", "role": "terminal"},
        "group": _TERMINAL_GROUP,
        "backend": _COARSE_BACKEND,
    },
    "tn3270e": {
        "frontend": {"protocol": "terminal", "role": "terminal"},
        "group": _TERMINAL_GROUP,
        "backend": _COARSE_BACKEND,
    },
    "tn5250": {
        "frontend": {"protocol": "terminal", "role": "terminal"},
        "group": _TERMINAL_GROUP,
        "backend": _COARSE_BACKEND,
    },
    "metering-pinned": {
        "group": {"key": ["connection"], "linger": "0s"},
        "backend": {"balance": "first", "failback": "manual", "on_down": "end"},
    },
    "lb-gateway": {
        "frontend": {"tls": {"mode": "pass"}},
        "group": {
            "key": ["alpn"],
            "pattern": {"alpn": "lb-session/(?P<session>[0-9a-f]{32})"},
        },
        "backend": {"slow_start": "30s"},
    },
    "lb-gateway-terminated": {
        "frontend": {
            "role": "control",
            "tls": {"mode": "terminate", "clients": "any", "alpn": ["lb-proxy/1"]},
        },
        "group": {
            "key": ["opening"],
            "pattern": {"opening": r"LBP/1 (?P<role>\S+) (?P<session>\S+) "},
            "role": {
                "control": {"principal": True},
                "data": {},
                "notification": {},
                "terminal": {},
            },
        },
        "backend": {
            "slow_start": "30s",
            "tls": {"mode": "on", "alpn": ["lb-proxy/1"]},
            "check": {"type": "tls"},
        },
    },
}
"""By name: what it sets in `[[frontend]]`, `[group.NAME]` and `[[backend]]`."""


def expand(raw: Raw, wrong: Wrong) -> Raw:
    """The whole file with its presets filled in; tables that are none are left as they are."""
    whole = dict(raw)
    for name in ("frontend", "backend"):
        if isinstance(tables := raw.get(name), list):
            whole[name] = [
                _filled(name, table, (name, index), wrong) for index, table in enumerate(tables)
            ]
    if isinstance(groups := raw.get("group"), dict):
        whole["group"] = {
            name: _filled("group", table, ("group", name), wrong) for name, table in groups.items()
        }
    return whole


def _filled(kind: str, table: Any, path: Path, wrong: Wrong) -> Any:
    if not isinstance(table, dict) or "preset" not in table:
        return table
    written = {key: value for key, value in table.items() if key != "preset"}
    name = table["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        wrong(path, _unknown(name))
        return written
    preset = PRESETS[name]
    if kind not in preset:
        homes = " and ".join(preset)
        wrong(path, f"{quote(name)} says nothing of a {kind}: it is for {homes}")
        return written
    return fill(written, _of_its_keys(preset[kind], written.get("key")))


def _of_its_keys(preset: Raw, key: Any) -> Raw:
    """Without patterns of kinds of key that are not in the `key` which is written, if one is."""
    if "pattern" not in preset or not isinstance(key, str | list):
        return preset
    kinds = [key] if isinstance(key, str) else key
    return preset | {"pattern": {k: v for k, v in preset["pattern"].items() if k in kinds}}


def _unknown(name: object) -> str:
    hint = did_you_mean(name, PRESETS) if isinstance(name, str) else ""
    known = f"there are {', '.join(map(quote, PRESETS))}"
    return f"wants the name of a preset, got {describe(name)}: {hint or known}"


def fill(written: Raw, preset: Raw) -> Raw:
    """What is written, and what the preset says beside it, table by table."""
    filled = dict(written)
    for key, value in preset.items():
        if key not in written:
            filled[key] = value
        elif isinstance(value, dict) and isinstance(written[key], dict):
            filled[key] = fill(written[key], value)
    return filled
