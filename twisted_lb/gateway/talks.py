"""What the proxy and the tunnel have in common once both Ends are there: a relay, or FTP.

In: a visit with its seat, the End across. Out: the visit ended, and gone when all is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..claims import Seat
from ..config.settings import FtpRules, Group, RoleRule
from ..converse import Converse
from ..ends import End
from ..meet import Circle, Secure
from ..protocols.actions import Side
from ..protocols.ftp.circumstances import Circumstances
from ..protocols.ftp.control import FtpControl
from ..relay import Joined, join
from ..terms import Ending
from ..ways import Way
from .settings import Ftp
from .visits import Visit


def ftp_group(ftp: Ftp) -> Group:
    """The group of FTP sessions: a control channel, which ends them, and what belongs to it."""
    roles = {"control": RoleRule(principal=True), "data": RoleRule(), "notification": RoleRule()}
    return Group(
        "ftp", "host", ("connection",), linger=0.0, roles=roles, grace=ftp.grace, idle=ftp.idle
    )


def terminal_group(idle: float | None) -> Group:
    """The group of terminals: each is a session of its own."""
    roles = {"terminal": RoleRule()}
    return Group("terminal", "host", ("connection",), linger=0.0, roles=roles, idle=idle)


def seat_of(visit: Visit) -> Seat:
    """The seat of a visit that has come as far as to be joined."""
    assert visit.seat is not None, "who reached somebody has a seat"
    return visit.seat


def relay(visit: Visit, server: End) -> None:
    """Bytes there and back, which are nobody's business."""
    room, seat = visit.room, seat_of(visit)

    def over(joined: Joined) -> None:
        room.idle.unwatch(seat.session, joined)
        visit.ended(joined.ending, joined.from_client, joined.from_server)
        visit.gone()

    joined = join(visit.end, server, room.reactor, over)
    seat.on_stop = joined.stop
    visit.cut = lambda: joined.stop("killed")
    if seat.session.group.idle is not None:
        room.idle.watch(seat.session, joined)
    joined.start()


def speak_ftp(
    visit: Visit,
    server: End,
    about: Circumstances,
    ways: Mapping[Side, Way],
    secure: Secure,
    finish: Callable[[Ending], None],
) -> None:
    """A conversation that understands data channels; `finish(word)` once, when it is over.

    `secure` puts TLS on connections of either side, where `about` says that there is some.
    """
    room, seat = visit.room, seat_of(visit)

    def finished(word: Ending) -> None:
        room.idle.unwatch(seat.session, conversation)
        finish(word)
        count = conversation.count
        visit.ended(word, count[Side.CLIENT], count[Side.SERVER])

    circle = Circle(
        room.reactor,
        room.claims,
        room.idle,
        room.note,
        seat.session,
        {Side.CLIENT: visit.end, Side.SERVER: server},
        ways,
        about.rules.data_timeout,
        about.rules.stall_timeout,
        lambda seat: b"",
        secure,
    )
    conversation = Converse(FtpControl(about), circle, finished, visit.gone)
    seat.on_stop = conversation.stop
    visit.cut = conversation.abort
    room.idle.watch(seat.session, conversation)
    conversation.start()


def rules(ftp: Ftp) -> FtpRules:
    """The same, as the FTP machine knows it."""
    return FtpRules(data_timeout=ftp.data_timeout, stall_timeout=ftp.stall_timeout, grace=ftp.grace)
