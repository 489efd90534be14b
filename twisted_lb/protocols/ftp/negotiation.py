"""AUTH, PBSZ, PROT and CCC: what a client asks to be protected (RFC 4217, RFC 2228). Sans-I/O.

In: the client's commands in their turn, what was secured. Out: answers, StartTls, what the server
is asked for the client's sake.

Rules:
- What stands in the clear behind AUTH, or behind a 234, was put there by somebody in the middle: it
  ends the conversation (attacks 1, 2; T58).
- Nobody is talked out of TLS. A server that refuses it where it is wanted ends the conversation; a
  client that has to protect its login cannot log in before, nor after CCC (attack 3; T60).
- `match` alone asks the server when the client asks us.
- REIN takes away a login and what was agreed on for data, not the protection of the next login.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ...errors import WireError
from ...wire.ftp import Command
from ..actions import Side, StartTls, StopTls
from .protection import Unprotected, protect_data, protect_server
from .state import State
from .turns import Exchange
from .verbs import ANNOUNCEMENTS, LOGIN, REFUSED, TRANSFERS

_MECHANISMS: Final = {b"TLS": False, b"TLS-C": False, b"SSL": True, b"TLS-P": True}
"""What AUTH may name, and whether data is protected from then on: the older two say so (T59)."""
_LEVELS: Final = frozenset({b"C", b"S", b"E", b"P"})
"""What PROT may name: clear, safe, confidential, private (RFC 2228 section 3)."""
INJECTION: Final = "starttls-injection"


class Negotiation:
    """The client's side. `waiting`: whether more was said than the command whose turn it is."""

    def __init__(self, state: State, waiting: Callable[[], bool]) -> None:
        self._state = state
        self._waiting = waiting
        self._verbs = {
            b"AUTH": self._auth,
            b"PBSZ": self._pbsz,
            b"PROT": self._prot,
            b"CCC": self._ccc,
        }

    def knows(self, verb: bytes) -> bool:
        """Whether a command is answered here."""
        return self._state.about.tls.mode != "off" and verb in self._verbs

    def take(self, command: Command) -> None:
        """One of them, in its turn. Raises WireError, for an attack."""
        self._verbs[command.verb](command.argument.strip().upper())

    def objection(self, verb: bytes) -> bytes:
        """What is said to a command that may not be given as things stand; empty: it may."""
        about, protection = self._state.about, self._state.protection
        safe = Side.CLIENT in protection.control
        if verb in LOGIN and about.tls.mode == "starttls" and about.tls.required and not safe:
            return b"530 Say AUTH TLS first."
        bare = (safe or protection.left) and Side.CLIENT not in protection.data
        if bare and about.rules.tls.data == "required" and verb in TRANSFERS | ANNOUNCEMENTS:
            return b"522 Say PROT P first."
        return b""

    def greeted(self) -> None:
        """The server did: its side is protected before it hears a command of the client's."""
        state, mode = self._state, self._state.about.server_tls.mode
        if mode in ("on", "starttls") or (
            mode == "match" and Side.CLIENT in state.protection.control
        ):
            self._ask_server(b"AUTH", _must)

    def login_changed(self) -> None:
        """Somebody logged in, or is not any more: servers may forget with a user what was agreed on
        for data, and are told again when the next one is in."""
        protection, done = self._state.protection, self._state.login.done
        if not done:
            protection.told = False
        elif Side.SERVER in protection.control and not protection.told:
            self._ask_server(b"AUTH", _must)

    def secured(self, side: Side) -> None:
        """A control connection is."""
        if side is Side.SERVER:
            self._state.dealings.step(None)
        else:
            self._state.protection.control.add(side)

    # -- the commands -------------------------------------------------------------------------

    def _auth(self, mechanism: bytes) -> None:
        state = self._state
        if Side.CLIENT in state.protection.control:
            state.refuse(b"503 Already using TLS.")
        elif mechanism not in _MECHANISMS:
            state.refuse(b"504 AUTH TLS is what is known here.")
        elif state.about.server_tls.mode == "match":
            self._ask_server(b"AUTH", partial(self._matched, _MECHANISMS[mechanism]))
        else:
            self._go(_MECHANISMS[mechanism])

    def _go(self, private: bool) -> None:
        state = self._state
        if self._waiting():
            state.attack(INJECTION)
            raise WireError("commands behind AUTH")
        state.answer(b"234 Begin.")
        state.out.do(StartTls(Side.CLIENT))
        if private:
            state.protection.data.add(Side.CLIENT)

    def _pbsz(self, size: bytes) -> None:
        state = self._state
        if Side.CLIENT not in state.protection.control:
            state.refuse(b"503 PBSZ not allowed on insecure control connection.")
        elif not size.isdigit():
            state.refuse(b"501 A size, please.")
        else:
            state.protection.sized = True
            state.answer(b"200 PBSZ=0 successful.")

    def _prot(self, level: bytes) -> None:
        state = self._state
        protection = state.protection
        if Side.CLIENT not in protection.control:
            state.refuse(b"503 PROT not allowed on insecure control connection.")
        elif not protection.sized:
            state.refuse(b"503 PBSZ comes first.")
        elif level not in _LEVELS:
            state.refuse(b"504 PROT knows C and P.")
        elif level in b"SE":
            state.refuse(b"536 PROT knows C and P.")
        elif level == b"C" and state.about.rules.tls.data == "required":
            state.refuse(b"534 Data connections are private here.")
        elif state.about.server_tls.data == "match" and Side.SERVER in protection.control:
            steps = protect_data(protection, level == b"P")
            agree = partial(self._agreed, level)
            state.dealings.begin(Exchange(b"PROT", steps=steps, conclude=agree))
        else:
            self._agree(level)

    def _agreed(self, level: bytes, said: bytes) -> None:
        if said.startswith(b"2"):
            self._agree(level)
        else:
            self._state.refuse(said)

    def _agree(self, level: bytes) -> None:
        self._set(level == b"P")
        self._state.answer(b"200 Protection set to %s." % level)

    def _ccc(self, _: bytes) -> None:
        state = self._state
        protection = state.protection
        if Side.CLIENT not in protection.control:
            state.refuse(REFUSED[b"CCC"])
        elif state.about.rules.tls.ccc == "refused":
            state.refuse(b"534 The control connection stays protected.")
        else:
            state.answer(b"200 In the clear from here on.")
            state.out.do(StopTls(Side.CLIENT))
            protection.control.discard(Side.CLIENT)
            protection.left = True

    def _set(self, private: bool) -> None:
        state = self._state
        if private is not (Side.CLIENT in state.protection.data):
            state.channels.expire()
            state.protection.data ^= {Side.CLIENT}

    # -- the server's side --------------------------------------------------------------------

    def _ask_server(self, verb: bytes, conclude: Callable[[bytes], None]) -> None:
        state = self._state
        steps = protect_server(state.protection, state.about.server_tls)
        state.dealings.begin(Exchange(verb, steps=steps, conclude=conclude))

    def _matched(self, private: bool, said: bytes) -> None:
        if said.startswith(b"234"):
            self._go(private)
        else:
            self._state.refuse(said)


def _must(said: bytes) -> None:
    if said and not said.startswith(b"234"):
        raise Unprotected("the server refuses AUTH")
