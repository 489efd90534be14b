"""The client's lines, each in its turn: answered here, translated, or passed on. Sans-I/O.

In: the client's bytes. Out: lines for the server, our own answers, announcements begun.
"""

from __future__ import annotations

from ...errors import WireError
from ...terms import MORE
from ...wire.ftp import Command, CommandReader, Fault
from ..actions import Side, Synch
from .announcement import Refused, read
from .announcer import begin_announcement
from .features import FeatureList, dropped
from .negotiation import Negotiation
from .state import State
from .turns import Exchange
from .verbs import ANNOUNCEMENTS, REFUSED, SECRET, TLS_FEATURES, TRANSFERS, WEB, known

_FAULTS = {
    Fault.TOO_LONG: b"500 Line too long.",
    Fault.FORBIDDEN: b"501 Syntax error: forbidden byte in the line.",
}


class Commands:
    """The client's half of the control connection. Raises WireError when it must end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._reader = CommandReader()
        self.negotiation = Negotiation(state, lambda: self._reader.held > 0 or not self.done)
        self._next: Command | Fault | None = None
        """The line whose turn has not come."""
        self._dropped = dropped(state.about.rules.features)

    @property
    def held(self) -> int:
        """Bytes that wait, but for the next line."""
        return self._reader.held

    @property
    def done(self) -> bool:
        """Whether no whole line waits."""
        return self._next is None

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._reader.feed(data)

    def hear(self, now: float) -> None:
        """Take lines as long as it is their turn."""
        state = self._state
        while not state.over:
            self._mind_the_useless()
            if self._next is None:
                item = self._reader.next()
                if item is MORE:
                    return
                self._mind_the_web(item)
                self._next = item
            verb = self._next.verb if isinstance(self._next, Command) else b""
            if state.half or not state.turns.may_go(verb):
                return
            item, self._next = self._next, None
            self._take(item, now)

    def _mind_the_web(self, item: Command | Fault) -> None:
        if isinstance(item, Command) and item.verb in WEB and not self._state.login.done:
            self._state.attack("web-request")
            raise WireError("a web client")

    def _take(self, item: Command | Fault, now: float) -> None:
        if isinstance(item, Fault):
            self._misunderstood(_FAULTS[item])
        elif not known(item.verb):
            self._misunderstood(b"500 Syntax error: no command.")
        elif self.negotiation.knows(item.verb):
            self.negotiation.take(item)
        elif item.verb in REFUSED:
            self._state.refuse(REFUSED[item.verb])
        elif item.verb in self._dropped:
            self._state.refuse(b"502 %s is not available here." % item.verb)
        elif objection := self.negotiation.objection(item.verb):
            self._state.refuse(objection)
        elif item.verb in ANNOUNCEMENTS:
            self._announce(item)
        elif item.verb == b"PASS" and self._guesses(now):
            self._state.refuse(b"530 Login incorrect.")
        else:
            self._pass_on(item, now)

    def _pass_on(self, command: Command, now: float) -> None:
        state, verb = self._state, command.verb
        if command.synch and verb == b"ABOR":
            state.out.do(Synch(Side.SERVER))
        state.out.line(Side.SERVER, command.line)
        if verb in TRANSFERS:
            state.login.refused = 0
            state.transfer(verb, command.argument, now)
            return
        if verb == b"ABOR" and state.turns.transfer is not None:
            state.turns.transfer.aborted = True
        argument = b"" if verb in SECRET else command.argument
        features = self._features() if verb == b"FEAT" else None
        state.turns.sent(Exchange(verb, argument, now, features=features))

    def _features(self) -> FeatureList:
        about = self._state.about
        ours = TLS_FEATURES.get(about.tls.mode, ())
        if ours and about.rules.tls.ccc == "allowed":
            ours = (*ours, b"CCC")
        return FeatureList(about.rules.features, ours)

    def _guesses(self, now: float) -> bool:
        """Whether too many passwords were wrong for one more to be tried (T49)."""
        state = self._state
        guesses = state.about.tries.refuses(state.login.user, now)
        if guesses:
            state.attack("password-guessing")
        return guesses

    def _announce(self, command: Command) -> None:
        state = self._state
        if not state.login.done:  # no port is opened for a stranger (attack 19)
            self._state.refuse(b"530 Log in with USER and PASS first.")
            return
        wish = read(command, state.about)
        if isinstance(wish, Refused):
            if wish.bounce:
                self._state.attack("bounce")
            self._state.refuse(wish.reply)
        elif wish.only_epsv:
            state.only_epsv = True
            state.answer(b"200 EPSV ALL accepted.")
        elif state.only_epsv and command.verb != b"EPSV":
            self._state.refuse(b"503 Only EPSV after EPSV ALL.")
        else:
            state.login.refused = 0
            begin_announcement(state, command.verb, wish)

    def _misunderstood(self, reply: bytes) -> None:
        self._state.answer(reply)
        self._state.login.misunderstood()

    def _mind_the_useless(self) -> None:
        """Whoever has said too much that nobody understands is no FTP client (attacks 4, 25)."""
        login, rules = self._state.login, self._state.about.rules
        if login.unknown >= rules.unknown_commands or login.refused >= rules.refused_commands:
            self._state.attack("unknown-commands")
            raise WireError("too many unknown commands")
