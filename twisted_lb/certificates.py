"""Takes certificates, keys and authorities anew when their files change, and cuts nobody off.

In: what was read from files, the files. Out: the same, renewed, and a fact that tells of it.

Rules:
- New connections get what is new. A connection that stands has what it began with, and so has the
  whole of its FTP session, whose data connections go on with its TLS sessions.
- What cannot be used changes nothing: the former files' stays in force.
- A certificate and its key are two files that nobody replaces at once. They are tried at every
  look; only what has stood still from one look to the next is told as wrong, and then once.
- All files of one frontend or backend are taken together or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

import attrs
from twisted.internet.interfaces import IReactorTime

from .config.settings import Backend, Frontend
from .contexts import ClientTls, ServerTls
from .facts import Announced, Note
from .health.rounds import Rounds

EVERY: Final = 1.0
"""Seconds between two looks: a few calls of `stat`, which cost nothing."""

Stamps = tuple[tuple[int, ...], ...]
"""What changes with each file, in order; empty for one that is not there."""


@attrs.define(eq=False)
class _Watched:
    """The files of one frontend or backend."""

    name: str
    files: tuple[str, ...]
    renew: Callable[[], None]
    """Reads them. Raises OSError, ValueError, having changed nothing."""
    settled: Stamps
    """They were like that when they were last taken, or told as wrong."""
    failed: Stamps = ()
    """They were like that when they last could not be taken."""


class Certificates(Rounds):
    """Looks at the files of frontends and backends again and again, as a service."""

    def __init__(self, clock: IReactorTime, note: Note) -> None:
        super().__init__(clock)
        self._note = note
        self._watched: dict[str, _Watched] = {}
        self._looking = False

    def shown_by(self, frontend: Frontend, tls: ClientTls | None) -> None:
        """Renew what this frontend shows; None: it shows nothing."""
        if tls is not None:
            shown = [each for one in frontend.tls.certificates for each in (one.file, one.key)]
            files = (*shown, frontend.tls.ca)
            self._watch(f"frontend {frontend.name}", files, lambda: tls.renew(frontend))

    def used_by(self, backend: Backend, tls: ServerTls | None) -> None:
        """Renew what servers of this backend are spoken to with; None: nothing."""
        if tls is not None:
            files = (backend.tls.ca, backend.tls.certificate, backend.tls.key)
            self._watch(f"backend {backend.name}", files, lambda: tls.renew(backend))

    def forget(self, name: str) -> None:
        """`frontend NAME` or `backend NAME` is not in force any more, or without TLS."""
        self._watched.pop(name, None)

    def _watch(self, name: str, files: Iterable[str], renew: Callable[[], None]) -> None:
        if not self._looking:
            self._looking = True
            self.add(self._look, EVERY)
        named = tuple(dict.fromkeys(file for file in files if file))
        self._watched[name] = _Watched(name, named, renew, _stamps(named))

    async def _look(self) -> float:
        for each in self._watched.values():
            now = _stamps(each.files)
            if now != each.settled:
                self._take(each, now)
        return EVERY

    def _take(self, watched: _Watched, now: Stamps) -> None:
        """Stamped before they are read: what changes meanwhile is seen at the next look."""
        try:
            watched.renew()
        except (OSError, ValueError) as why:
            if now == watched.failed:
                watched.settled = now
                self._note(Announced("certificates-kept", f"{watched.name}: {why}"))
            watched.failed = now
        else:
            watched.settled = now
            self._note(Announced("certificates-renewed", watched.name))


def _stamps(files: Iterable[str]) -> Stamps:
    return tuple(map(_stamp, files))


def _stamp(file: str) -> tuple[int, ...]:
    """Of what a link leads to; who may read it counts, too."""
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
