"""Which sessions a key names. Sans-I/O.

Keys are stored as keyed digests: the table holds no address or name of anybody, costs the same for
every key, and nobody outside can aim at one of its slots (attack 21). A key that no two connections
show is not stored: nobody will ask for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from ..config.settings import Group
from ..terms import ALONE, Key
from .values import Session

KEYS = 64
"""Keys of one session: the one that opened it, and the latest learned. A server may hand out a new
ticket on every connection for days; clients come back with late ones."""


class KeyTable:
    """Digest of (group, key) → the sessions that hold it; nearly always one."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._holders: dict[bytes, list[Session]] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def find(self, group: Group, key: Key) -> list[Session]:
        """The sessions that this key names."""
        if key.kind == ALONE:
            return []
        return self._holders.get(self._digest(group, key), [])

    def hold(self, session: Session, key: Key) -> None:
        """From now on this key names this session; of too many, the one learned first goes."""
        if key.kind == ALONE:
            return
        digest, held = self._digest(session.group, key), session.digests
        if digest in held[:1]:
            return
        if digest not in held:
            self._holders.setdefault(digest, []).append(session)
        first, *rest = (*(each for each in held if each != digest), digest)
        if len(rest) >= KEYS:
            self._forget(session, rest.pop(0))
        session.digests = (first, *rest)

    def restore(self, session: Session, digests: Iterable[bytes]) -> None:
        """These keys, of a table with our secret, name this session."""
        for digest in digests:
            self._holders.setdefault(digest, []).append(session)
            session.digests += (digest,)

    def release(self, session: Session) -> None:
        """The session is over: its keys are free."""
        for digest in session.digests:
            self._forget(session, digest)
        session.digests = ()

    def _forget(self, session: Session, digest: bytes) -> None:
        holders = self._holders[digest]
        holders.remove(session)
        if not holders:
            del self._holders[digest]

    def _digest(self, group: Group, key: Key) -> bytes:
        text = "\0".join((group.name, key.kind, key.value)).encode("utf-8", "surrogatepass")
        return blake2b(text, key=self.secret, digest_size=16).digest()
