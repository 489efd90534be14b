"""How often a password may be wrong, by address and by user, whichever server is asked. Sans-I/O.

In: a login that is tried, and how it came out. Out: whether the next one may be tried at all.

Rules (RFC 2577 section 5; T49, T50):
- An address and a user have an allowance of failures each. It grows back evenly, all of it within
  `within`: whoever has used it up goes on at that pace, however many servers there are.
- A try counts from the moment the password is sent, so that many at once find out no more than
  many in turn. A success gives back what it counted; a server that never answers gives nothing.
- A user counts by the name as it was given, whether there is one of that name or not.
- Names are kept as digests of one size and there is a cap: when it is reached, who failed longest
  ago is forgotten.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import attrs

from ...config.settings import LoginRules
from ...wire.address import ip

MOST: Final = 20_000
"""Addresses and users that are remembered, each."""


class FailedLogins:
    """The failed logins of one frontend."""

    def __init__(self, rules: LoginRules) -> None:
        self._addresses = _Allowances(rules.per_address, rules.within)
        self._users = _Allowances(rules.per_user, rules.within)

    def begin(self, address: str, user: str, now: float) -> bool:
        """Whether a password may be tried; if so it counts as wrong until it was right."""
        source = _source(address)
        if self._addresses.spent(source, now) or self._users.spent(user, now):
            return False
        self._addresses.take(source, now)
        self._users.take(user, now)
        return True

    def right(self, address: str, user: str, now: float) -> None:
        """The password that was tried was right."""
        self._addresses.give_back(_source(address), now)
        self._users.give_back(user, now)


@attrs.define
class _Used:
    """How much of an allowance was used at a time."""

    count: float
    at: float


class _Allowances:
    """By name, how many failures are left; `most` None: any number."""

    def __init__(self, most: int | None, within: float) -> None:
        self._most = most
        self._pace = (most or 0) / within
        self._used: dict[bytes, _Used] = {}

    def spent(self, name: str, now: float) -> bool:
        """Whether there is not one left."""
        if self._most is None:
            return False
        used = self._used.get(_digest(name))
        return used is not None and self._left(used, now) < 1

    def take(self, name: str, now: float) -> None:
        """One is used."""
        self._change(name, 1, now)

    def give_back(self, name: str, now: float) -> None:
        """One was not used after all."""
        self._change(name, -1, now)

    def _change(self, name: str, by: int, now: float) -> None:
        if self._most is None:
            return
        digest = _digest(name)
        used = self._used.pop(digest, None)
        count = by + (self._most - self._left(used, now) if used else 0)
        if count <= 0:
            return
        self._used[digest] = _Used(count, now)
        if len(self._used) > MOST:
            del self._used[next(iter(self._used))]

    def _left(self, used: _Used, now: float) -> float:
        assert self._most is not None, "without a limit nothing is counted"
        return min(self._most, self._most - used.count + (now - used.at) * self._pace)


def _source(address: str) -> str:
    """An IPv6 client has a whole /64 to come from."""
    found = ip(address)
    return address if found.version == 4 else str(found.packed[:8].hex())


def _digest(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
