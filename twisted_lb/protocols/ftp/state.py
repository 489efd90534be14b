"""What the parts of one FTP conversation share. Sans-I/O."""

from __future__ import annotations

import attrs

from ...facts import AttackSeen
from ..actions import Side, Tell
from .circumstances import Circumstances
from .data import Channels, Transfer
from .dealings import Dealings
from .login import Login
from .outbox import Outbox
from .protection import Protection, protection
from .turns import Turns


@attrs.define(eq=False)
class State:
    """One control connection as it stands."""

    about: Circumstances
    out: Outbox = attrs.field(factory=Outbox)
    turns: Turns = attrs.field(factory=Turns)
    login: Login = attrs.field(factory=Login)
    channels: Channels = attrs.field(
        default=attrs.Factory(lambda self: Channels(self.about, self.out), takes_self=True)
    )
    dealings: Dealings = attrs.field(
        default=attrs.Factory(lambda self: Dealings(self.out, self.turns), takes_self=True)
    )
    protection: Protection = attrs.field(
        default=attrs.Factory(
            lambda self: protection(self.about.tls, self.about.server_tls), takes_self=True
        )
    )
    half: int = 0
    """The code of a reply that the client has the beginning of; 0 between replies."""
    last: int = 0
    """The code of the last reply that the client has whole."""
    only_epsv: bool = False
    """The client said EPSV ALL."""
    quit: bool = False
    """The server said good-bye to QUIT."""
    over: bool = False
    """Finish was asked for."""

    def answer(self, line: bytes) -> None:
        """Our own reply to the client, of one line."""
        self.out.line(Side.CLIENT, line)
        self.last = int(line[:3])

    def refuse(self, line: bytes) -> None:
        """Our own reply to a command of which nothing came."""
        self.answer(line)
        self.login.refused += 1

    def attack(self, kind: str) -> None:
        """The client did something that no honest one does."""
        self.out.do(Tell(AttackSeen(kind, self.about.frontend, self.about.client)))

    def transfer(self, verb: bytes, argument: bytes, now: float) -> Transfer:
        """The server was sent a transfer command."""
        transfer = Transfer(self.login.user, text(verb), text(argument), now)
        self.turns.transfer = transfer
        self.channels.use(transfer)
        return transfer


def text(data: bytes) -> str:
    """A peer's bytes for the facts."""
    return data.decode("utf-8", "backslashreplace")
