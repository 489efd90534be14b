"""What is missing on this machine is told with what is wrong in the text, each with its line."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from twisted_lb.config.load import load
from twisted_lb.errors import ConfigurationError
from twisted_lb.outside import AT_START, LOOKS

TEXT = """
[[frontend]]
name = "web"
listen = "192.0.2.1:3000"
backend = "pool"
maxcon = 5
[frontend.tls]
mode = "terminate"
[[frontend.tls.certificate]]
file = "{missing}/a.pem"
[[frontend.tls.certificate]]
file = "{missing}/b.pem"
key = "{missing}/b.key"

[[backend]]
name = "pool"
server = [
    {{ name = "a", host = "up.example" }},
    {{ name = "b", host = "gone.example" }},
    {{ name = "c", host = "gone.example", weight = -1 }},
]

[log]
access = "{missing}/access.json"
"""

UNREADABLE = [
    "10: frontend[web].tls.certificate[#1].file: {missing}/a.pem cannot be read: No such file or "
    "directory",
    "12: frontend[web].tls.certificate[#2].file: {missing}/b.pem cannot be read: No such file or "
    "directory",
    "13: frontend[web].tls.certificate[#2].key: {missing}/b.key cannot be read: No such file or "
    "directory",
]
LOG = "24: log.access: {missing}/access.json cannot be written: there is no directory {missing}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; only one of them is there."""
    names: list[str] = []

    def getaddrinfo(name: str, port: None, **keywords: Any) -> list[Any]:
        names.append(name)
        if name == "up.example":
            return []
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def told(missing: Path, looks: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(TEXT.format(missing=missing), "lb.toml", looks=looks)
    return [line.removeprefix("lb.toml:") for line in str(caught.value).splitlines()]


def expected(missing: Path, *parts: str | list[str]) -> list[str]:
    lines = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return [line.format(missing=missing) for line in lines]


TYPO = '6: frontend[web].maxcon: is not a key of [[frontend]]: did you mean "maxconn"?'
WEIGHT = (
    "20: backend[pool].server[c].weight: wants a whole number from 0 to 256, as 100; got the "
    "number -1"
)


def test_a_check_tells_typos_files_names_and_addresses_in_one_run(
    tmp_path: Path, asked: list[str]
) -> None:
    """And asks for each name once."""
    missing = tmp_path / "gone"
    unresolved = "'gone.example' does not resolve: Name or service not known"
    assert told(missing, LOOKS) == expected(
        missing,
        "4: frontend[web].listen: cannot listen on 192.0.2.1: Cannot assign requested address",
        TYPO,
        UNREADABLE,
        f"19: backend[pool].server[b].host: {unresolved}",
        WEIGHT,
        f"20: backend[pool].server[c].host: {unresolved}",
        LOG,
    )
    assert asked == ["up.example", "gone.example"]


def test_a_start_waits_for_no_name(tmp_path: Path, asked: list[str]) -> None:
    """A name may come to resolve; without its files nothing can begin."""
    missing = tmp_path / "gone"
    assert told(missing, AT_START) == expected(missing, TYPO, UNREADABLE, WEIGHT, LOG)
    assert asked == []
