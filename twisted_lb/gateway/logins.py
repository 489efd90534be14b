"""Who asks the token server is whom they say: allowances, then a thread that checks the password.

In: an address, a name and a password. Out: whether they fit; or NotGiven, and none was checked.

Rules:
- Too many failures, by user or by address, and no password is tried.
- A password is checked in a thread. How many are being checked has a cap, and another one for each
  address: nobody is kept waiting by one who guesses.
- What a check found counts when it is found, whether anybody still waits for the answer or not:
  else whoever leaves early could guess for ever.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..config.settings import LoginRules
from ..facility import logger
from ..protocols.ftp.failedlogins import FailedLogins, source
from .tokenrequest import NotGiven
from .users import Users

CHECKS_MOST: Final = 64
"""Passwords that are being checked; the next request hears 503."""
CHECKS_OF_ONE: Final = 8
"""Of them those that one address asked for: a few users, or one with a few terminals."""

log = logger(__name__)


@attrs.frozen
class Passwords:
    """How passwords are checked."""

    users: Users
    aside: Callable[[Callable[[], bool]], Deferred[bool]]
    """Runs a function that takes its time where it holds up nobody."""


class Logins:
    """The logins of one token server. `seconds` tells the time."""

    def __init__(
        self, passwords: Passwords, rules: LoginRules, seconds: Callable[[], float]
    ) -> None:
        self._passwords = passwords
        self._failed = FailedLogins(rules, os.urandom(32))
        self._seconds = seconds
        self._checking: Counter[str] = Counter()
        """By address, how many threads are at it or wait to be."""

    def check(self, host: str, user: str, password: str) -> Deferred[bool]:
        """Whether this is the user's password. Raises NotGiven.

        To cancel it is not to wait any longer; a thread goes on all the same, and is counted.
        """
        if self._failed.refuses(host, user, self._seconds()):
            raise NotGiven(429, "limit")
        of = source(host)
        if self._checking.total() >= CHECKS_MOST or self._checking[of] >= CHECKS_OF_ONE:
            raise NotGiven(503, "busy")
        self._checking[of] += 1

        def checked(result: bool | Failure) -> bool | Failure:
            self._checking[of] -= 1
            self._checking += Counter()  # keeps those that are not 0
            if result is False:
                self._failed.failed(host, user, self._seconds())
            elif result is True:
                self._failed.succeeded(host, user)
            return result

        checking = self._passwords.aside(lambda: self._passwords.users.check(user, password))
        return _shielded(checking.addBoth(checked))


def _shielded(working: Deferred[bool]) -> Deferred[bool]:
    """The same result; cancelling it leaves the work alone."""
    waiting: Deferred[bool] = Deferred()

    def done(result: bool | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)
        elif isinstance(result, Failure):
            log.failure("a password could not be checked", result)

    working.addBoth(done)
    return waiting
