"""The users of a token server: a file as Apache's htpasswd writes it, and whether a password fits.

In: the file's bytes; a name and a password. Out: yes or no, after about as long whether there is
such a user or not. Checking takes as long as the file's hashes are made to take: do it in a thread.
"""

from __future__ import annotations

from typing import Final

from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]
from passlib.context import CryptContext  # type: ignore[import-untyped]
from passlib.registry import get_crypt_handler  # type: ignore[import-untyped]

SCHEMES: Final = ("bcrypt", "sha512_crypt", "sha256_crypt", "apr_md5_crypt")
"""What `htpasswd` makes with a salt; plain text, {SHA} and DES crypt protect nobody."""
MOST: Final = 1024
"""Bytes of a name or password: more is nobody's."""


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
        self._stand_in = next(iter(self._hashes.values()))

    def __contains__(self, user: object) -> bool:
        return user in self._hashes

    def check(self, user: str, password: str) -> bool:
        """Whether this is the user's password. Takes its time, for users that are not, too."""
        if len(password.encode()) > MOST:
            return False
        hashed = self._hashes.get(user, self._stand_in)
        try:
            right = self._context.verify(password, hashed)
        except ValueError:  # NUL, or more than bcrypt's 72 bytes: nobody's password
            return False
        return bool(right) and user in self._hashes

    def _usable(self, hashed: str) -> bool:
        scheme = self._context.identify(hashed)
        if scheme is None:
            return False
        try:
            parsed = get_crypt_handler(scheme).from_string(hashed)
        except ValueError:
            return False
        return parsed.checksum is not None
