"""The users of a token server: a file as Apache's htpasswd writes it, and whether a password fits.

In: the file's bytes; a name and a password. Out: yes or no, after about as long whether there is
such a user or not. Checking takes as long as the file's hashes are made to take: do it in a thread.

A file that grew old has hashes of several kinds, which take each their time. So a name that nobody
has is checked against one of the kinds, too: always the same one, since a user's does not change
either, and each as often as users have it.
"""

from __future__ import annotations

import math
from collections import Counter
from hashlib import blake2b
from typing import Any, Final

import attrs
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]
from passlib.context import CryptContext  # type: ignore[import-untyped]
from passlib.registry import get_crypt_handler  # type: ignore[import-untyped]

SCHEMES: Final = ("bcrypt", "sha512_crypt", "sha256_crypt", "apr_md5_crypt")
"""What `htpasswd` makes with a salt; plain text, {SHA} and DES crypt protect nobody."""
MOST: Final = 1024
"""Bytes of a name or password: more is nobody's."""


@attrs.frozen
class _Kind:
    """Hashes that take the same time."""

    hashed: str
    """One of them."""
    users: int
    """How many have one."""

    def drawn(self, name: str) -> float:
        """The lot that it draws for a name, below 0: weighted rendezvous hashing, whose secret is
        the hash. So a name changes its kind only with users who come and go, and with few."""
        key = blake2b(self.hashed.encode()).digest()
        lot = blake2b(name.encode("utf-8", "surrogatepass"), key=key, digest_size=6).digest()
        return math.log((int.from_bytes(lot) + 1) / (1 << 48 | 1)) / self.users


class Users:
    """Everybody who may ask for tokens."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises ValueError that names the file and every user whose entry cannot be used."""
        self._context = CryptContext(SCHEMES)
        try:
            file = HtpasswdFile.from_string(data)
            self._hashes = {user: file.get_hash(user).decode("ascii") for user in file.users()}
        except ValueError as why:
            raise ValueError(f"{name}: is not as htpasswd writes it: {why}") from None
        if not self._hashes:
            raise ValueError(f"{name}: there is nobody in it")
        if odd := [user for user, hashed in self._hashes.items() if not self._usable(hashed)]:
            raise ValueError(
                f"{name}: no hash that can be used, for {', '.join(sorted(odd))}: make it with "
                f"htpasswd -B; known are {', '.join(SCHEMES)}"
            )
        self._kinds = self._sorted()

    def __contains__(self, user: object) -> bool:
        return user in self._hashes

    def check(self, user: str, password: str) -> bool:
        """Whether this is the user's password. Takes its time, for users that are not, too."""
        if len(password.encode()) > MOST:
            return False
        stand_in = max(self._kinds, key=lambda kind: kind.drawn(user))
        hashed = self._hashes.get(user, stand_in.hashed)
        try:
            right = self._context.verify(password, hashed)
        except ValueError:  # NUL, or more than bcrypt's 72 bytes: nobody's password
            return False
        return bool(right) and user in self._hashes

    def _usable(self, hashed: str) -> bool:
        if self._context.identify(hashed) is None:
            return False
        try:
            return self._parsed(hashed).checksum is not None
        except ValueError:
            return False

    def _parsed(self, hashed: str) -> Any:
        return get_crypt_handler(self._context.identify(hashed)).from_string(hashed)

    def _sorted(self) -> tuple[_Kind, ...]:
        """The kinds of hash, by scheme and rounds."""
        one: dict[tuple[str, int], str] = {}
        count: Counter[tuple[str, int]] = Counter()
        for hashed in self._hashes.values():
            parsed = self._parsed(hashed)
            kind = parsed.name, getattr(parsed, "rounds", 0)
            one.setdefault(kind, hashed)
            count[kind] += 1
        return tuple(_Kind(hashed, count[kind]) for kind, hashed in one.items())
