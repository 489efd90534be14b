"""What a configuration names outside of itself: files and host names.

Sans-I/O: a document in, each name with its key's path out. Names that were not given are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from .addresses import is_address
from .document import Document, WrittenFrontend
from .locate import Path
from .settings import Backend

Named = tuple[Path, str]
"""The path of a key, and what it names."""


def files(document: Document) -> Iterator[Named]:
    """Files that must be readable."""
    for index, frontend in enumerate(document.frontends):
        if frontend.tls.ends:
            yield from _given(("frontend", index), _shown(frontend))
    for index, backend in enumerate(document.backends):
        yield from _given(("backend", index), _asked(backend))
    yield from _given(("admin",), iter([(("token_file",), document.admin.token_file)]))


def _shown(frontend: WrittenFrontend) -> Iterator[Named]:
    for index, one in enumerate(frontend.tls.certificates):
        yield ("tls", "certificate", index, "file"), one.file
        yield ("tls", "certificate", index, "key"), one.key
    yield ("tls", "ca"), frontend.tls.ca


def _asked(backend: Backend) -> Iterator[Named]:
    if backend.tls.mode != "off":
        yield ("tls", "ca"), backend.tls.ca
        yield ("tls", "certificate"), backend.tls.certificate
        yield ("tls", "key"), backend.tls.key
    yield ("check", "ca"), backend.check.ca
    yield ("check", "password_file"), backend.check.password_file
    yield ("live", "ca"), backend.live.ca


def _given(path: Path, named: Iterator[Named]) -> Iterator[Named]:
    for key, name in named:
        if name:
            yield (*path, *key), name


def names(document: Document) -> Iterator[Named]:
    """Host names that must resolve."""
    for index, backend in enumerate(document.backends):
        for number, server in enumerate(backend.servers):
            if server.host and not is_address(server.host):
                yield ("backend", index, "server", number, "host"), server.host


def outputs(document: Document) -> Iterator[Named]:
    """Files that are written."""
    if document.log.access not in ("stdout", "off"):
        yield ("log", "access"), document.log.access
    for index, frontend in enumerate(document.frontends):
        if frontend.observe:
            yield ("frontend", index, "observe"), frontend.observe
