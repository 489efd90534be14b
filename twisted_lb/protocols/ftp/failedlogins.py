"""How often a password may be wrong, by address and by user, whichever server is asked. Sans-I/O.

In: logins that failed. Out: whether a password may be tried at all.

Rules (RFC 2577 section 5; T49, T50):
- An address and a user have an allowance of failures each. It grows back evenly, all of it within
  `within`: whoever has used it up goes on at that pace, however many servers there are.
- Many tries at once are all let through, since their failures come only later; they are counted
  all the same, up to twice the allowance, and what was too much is waited for.
- A user counts by the name as it was given, whether there is one of that name or not.
- Who has logged in as a user from an address is let try again there, whoever guesses elsewhere:
  else anybody could lock out anybody by wrong passwords. The address' own allowance remains.
- Names are kept as keyed digests of one size: nobody who sees the table can tell who failed, nor
  choose names that meet in it. There is a cap: when it is reached, who failed longest ago is
  forgotten.
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

    def __init__(self, rules: LoginRules, secret: bytes = b"") -> None:
        self._addresses = _Allowances(rules.per_address, rules.within, secret)
        self._users = _Allowances(rules.per_user, rules.within, secret)
        self._secret = secret
        self._known: dict[bytes, None] = {}
        """Users with the addresses that they logged in from, the latest last."""

    def refuses(self, address: str, user: str, now: float) -> bool:
        """Whether no password may be tried now."""
        if self._addresses.spent(source(address), now):
            return True
        return self._users.spent(user, now) and self._place(address, user) not in self._known

    def succeeded(self, address: str, user: str) -> None:
        """A password was right."""
        place = self._place(address, user)
        self._known.pop(place, None)
        self._known[place] = None
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def failed(self, address: str, user: str, now: float) -> None:
        """A password was wrong."""
        self._addresses.take(source(address), now)
        self._users.take(user, now)

    def tries(self, whence: str, host: str = "") -> Tries:
        """How a conversation sees it: whence its client comes, and whose user names it gives."""
        return Tries(self, whence, host)

    def _place(self, address: str, user: str) -> bytes:
        return _digest(f"{source(address)} {user}", self._secret)


@attrs.frozen
class Tries:
    """The logins that one conversation tries."""

    table: FailedLogins
    whence: str
    """An address; or, where all come from one, what tells people apart."""
    host: str = ""
    """Whose user names they are; empty where all servers have the same."""

    def refuses(self, user: str, now: float) -> bool:
        """Whether no password may be tried now."""
        return self.table.refuses(self.whence, self._name(user), now)

    def succeeded(self, user: str) -> None:
        """A password was right."""
        self.table.succeeded(self.whence, self._name(user))

    def failed(self, user: str, now: float) -> None:
        """A password was wrong."""
        self.table.failed(self.whence, self._name(user), now)

    def _name(self, user: str) -> str:
        return f"{self.host} {user}" if self.host else user


@attrs.define
class _Used:
    """How much of an allowance was used at a time."""

    count: float
    at: float


class _Allowances:
    """By name, how many failures are left; `most` None: any number."""

    def __init__(self, most: int | None, within: float, secret: bytes) -> None:
        self._most = most
        self._secret = secret
        self._pace = (most or 0) / within
        self._used: dict[bytes, _Used] = {}

    def spent(self, name: str, now: float) -> bool:
        """Whether there is not one left."""
        if self._most is None:
            return False
        used = self._used.get(_digest(name, self._secret))
        return used is not None and self._left(used, now) < 1

    def take(self, name: str, now: float) -> None:
        """One is used."""
        if self._most is None:
            return
        digest = _digest(name, self._secret)
        used = self._used.pop(digest, None)
        count = 1 + (self._most - self._left(used, now) if used else 0)
        self._used[digest] = _Used(min(count, 2 * self._most), now)
        if len(self._used) > MOST:
            del self._used[next(iter(self._used))]

    def _left(self, used: _Used, now: float) -> float:
        assert self._most is not None, "without a limit nothing is counted"
        return min(self._most, self._most - used.count + (now - used.at) * self._pace)


def _digest(name: str, secret: bytes) -> bytes:
    text = name.encode("utf-8", "surrogatepass")
    return blake2b(text, key=secret, digest_size=16).digest()


def source(address: str) -> str:
    """What an address counts as: an IPv6 client has a whole /64 to come from; a name is a name."""
    try:
        found = ip(address)
    except ValueError:
        return address
    return address if found.version == 4 else str(found.packed[:8].hex())
