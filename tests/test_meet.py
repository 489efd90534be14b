"""Two legs of a data channel come together, whoever opens them; what fails leaves nothing."""

from __future__ import annotations

from itertools import product

import pytest
from twisted.internet.error import ConnectBindError
from twisted.python.failure import Failure

from tests.circles import CLIENT, OURS, REACHED, SERVER, STALL, TIMEOUT, Heard, Round
from tests.conftest import Errors
from tests.fakes import Wire
from twisted_lb.claims import Seat
from twisted_lb.config.settings import Group, RoleRule
from twisted_lb.errors import Ended
from twisted_lb.facts import AttackSeen
from twisted_lb.meet import Meeting
from twisted_lb.protocols.actions import Side
from twisted_lb.terms import Address

HOSTS = {Side.CLIENT: CLIENT, Side.SERVER: SERVER}


class Data:
    """One data channel of a round."""

    def __init__(self, round: Round | None = None, wanted: bool = True) -> None:
        self.round = round or Round()
        self.told = Heard()
        self.meeting = Meeting(1, self.round.circle, self.told)
        if wanted:
            self.meeting.join()

    def opens(self, side: Side, how: str) -> Wire:
        """The leg comes, listened for or dialled."""
        if how == "listen":
            self.meeting.listen(side)
            wire = self.round.listener.comes(HOSTS[side])
            assert wire is not None
            return wire
        self.meeting.dial(side, Address(HOSTS[side], 1025))
        return self.round.world.dialled[-1].answers()

    def joined(self) -> tuple[Wire, Wire]:
        """The client's leg and the server's, joined."""
        return self.opens(Side.CLIENT, "listen"), self.opens(Side.SERVER, "dial")

    @property
    def log(self) -> list[tuple[object, ...]]:
        return self.told.log

    def nothing_left(self) -> None:
        """No listener, no port, no seat, no timer, no dial."""
        assert self.round.world.listeners == []
        assert all(ports.used == 0 for ports in self.round.ports.values())
        assert self.round.channels == 0
        assert self.round.server.connections == 1
        assert not self.round.world.getDelayedCalls()


# -- the four cases --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "server", "first"),
    list(product(("listen", "dial"), ("listen", "dial"), Side)),
    ids=lambda value: value if isinstance(value, str) else f"{value.value}-first",
)
def test_bytes_flow_both_ways_however_the_legs_are_opened(
    client: str, server: str, first: Side
) -> None:
    data, how = Data(), {Side.CLIENT: client, Side.SERVER: server}
    legs = {side: data.opens(side, how[side]) for side in (first, first.other)}
    assert data.meeting.joined
    assert data.round.channels == 1
    assert data.round.server.connections == 2
    legs[Side.CLIENT].says(b"up")
    legs[Side.SERVER].says(b"down")
    assert (legs[Side.SERVER].heard, legs[Side.CLIENT].heard) == (b"up", b"down")
    for leg in legs.values():
        leg.shuts()
    data.round.world.advance(0)
    for leg in legs.values():
        leg.goes()
    assert data.log[-1] == ("transferred", "done", 2, 4)
    data.nothing_left()


def test_nothing_flows_before_a_transfer_was_sent_to_the_server() -> None:
    """It would not know what to do with the bytes (pyftpdlib closes the connection)."""
    data = Data(wanted=False)
    client, server = data.joined()
    client.says(b"up")
    client.shuts()
    assert not data.meeting.joined
    assert server.heard == b""
    data.meeting.join()
    assert data.meeting.joined
    assert server.heard == b"up"


def test_the_client_is_listened_for_at_the_address_that_it_reached() -> None:
    data = Data()
    data.meeting.listen(Side.CLIENT)
    [(verb, side, address)] = data.log
    assert (verb, side, address.host) == ("listening", "client", REACHED)
    assert address.port == data.round.listener.port
    assert address.port in range(40_000, 40_010)


def test_the_server_is_listened_for_at_the_address_that_it_is_talked_to_from() -> None:
    data = Data()
    data.meeting.listen(Side.SERVER)
    assert data.round.listener.host == OURS


def test_legs_are_dialled_from_the_addresses_of_the_control_connections() -> None:
    """Servers and clients check who connects to them."""
    data = Data()
    data.meeting.dial(Side.CLIENT, Address(CLIENT, 1025))
    data.meeting.dial(Side.SERVER, Address(SERVER, 1026))
    assert [(d.host, d.port, d.source) for d in data.round.world.dialled] == [
        (CLIENT, 1025, REACHED),
        (SERVER, 1026, OURS),
    ]
    assert {d.timeout for d in data.round.world.dialled} == {TIMEOUT}


def test_what_the_client_sends_before_the_other_leg_stands_arrives_with_its_end() -> None:
    """An upload of a few bytes is over before the server was reached."""
    data = Data()
    client = data.opens(Side.CLIENT, "listen")
    client.says(b"all of it")
    client.shuts()
    server = data.opens(Side.SERVER, "dial")
    data.round.world.advance(0)
    assert server.heard == b"all of it"
    assert server.endings == ["finish"]


@pytest.mark.parametrize("first", Side, ids=lambda side: side.value)
def test_a_leg_that_closed_in_order_before_the_other_one_stands_has_said_all(first: Side) -> None:
    """A few bytes over TLS: they come with the close, which cannot be half of one."""
    data = Data()
    leg = data.opens(first, "dial")
    leg.says(b"all of it")
    leg.goes(clean=True)
    assert ("failed", first.value) not in [told[:2] for told in data.log]
    other = data.opens(first.other, "dial")
    data.round.world.advance(0)
    assert other.heard == b"all of it"
    assert other.endings == ["finish"]
    other.goes(clean=True)
    assert data.log[-1][:2] == ("transferred", "done")
    data.nothing_left()


def test_a_server_leg_of_ours_says_its_proxy_header_first() -> None:
    seats: list[Seat] = []

    def header(seat: Seat) -> bytes:
        seats.append(seat)
        return b"PROXY ...\r\n"

    data = Data(Round(header=header))
    client = data.opens(Side.CLIENT, "listen")
    client.says(b"data")
    assert data.opens(Side.SERVER, "dial").heard == b"PROXY ...\r\ndata"
    assert seats[0].channel.role == "data"


def test_a_stranger_at_the_announced_port_is_an_attack_and_not_the_client() -> None:
    """Attack 6, T48."""
    data = Data()
    data.meeting.listen(Side.CLIENT)
    assert data.round.listener.comes("192.0.2.66") is None
    [fact] = data.round.facts
    assert isinstance(fact, AttackSeen)
    assert (fact.kind, fact.frontend, fact.peer.host) == ("data-theft", "ftp", "192.0.2.66")
    assert data.round.listener.comes(CLIENT) is not None


# -- legs that cannot be had -----------------------------------------------------------------------


def test_a_range_without_a_free_port_fails_at_once() -> None:
    """T92."""
    round = Round(span=(40_000, 40_000))
    taken = Data(round)
    taken.meeting.listen(Side.CLIENT)
    data = Data(round)
    data.meeting.listen(Side.CLIENT)
    assert data.log == [("failed", "client", "full")]
    taken.meeting.release()
    data.nothing_left()


@pytest.mark.parametrize(
    ("side", "word"), [(Side.CLIENT, "client-left"), (Side.SERVER, "server-refused")]
)
def test_a_leg_that_refuses_fails_and_gives_up_its_seat(side: Side, word: str) -> None:
    data = Data()
    data.meeting.dial(side, Address(HOSTS[side], 1025))
    data.round.world.dialled[-1].refuses()
    assert data.log == [("failed", side.value, word)]
    data.meeting.abort()
    data.nothing_left()


def test_a_shortage_of_our_own_fails_with_its_word() -> None:
    """Attack 14."""
    data = Data()
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
    data.round.world.dialled[-1].refuses(ConnectBindError(24, "Too many open files"))
    assert data.log == [("failed", "server", "full")]


def test_a_leg_that_does_not_come_in_time_fails() -> None:
    data = Data()
    data.meeting.listen(Side.CLIENT)
    data.round.world.advance(TIMEOUT)
    assert data.log[-1] == ("failed", "client", "too-slow")
    data.nothing_left()


@pytest.mark.parametrize(
    ("side", "how", "word"),
    [(Side.CLIENT, "listen", "client-left"), (Side.SERVER, "dial", "server-closed")],
)
def test_a_leg_that_breaks_before_the_other_one_stands_fails(
    side: Side, how: str, word: str
) -> None:
    data = Data()
    leg = data.opens(side, how)
    leg.goes(clean=False)
    assert data.log[-1] == ("failed", side.value, word)
    data.meeting.abort()
    data.nothing_left()


def test_a_leg_that_is_lost_while_its_seat_is_awaited_fails() -> None:
    """The server came to us and left again while its session was at maxconn."""
    data = Data(Round(maxconn=1))
    data.meeting.listen(Side.SERVER)
    leg = data.round.listener.comes(SERVER)
    leg.goes(clean=False)
    assert data.log[1:] == []
    data.round.server.maxconn = 5
    extra = data.round.claims.join(data.round.seat.session, "data")
    data.round.claims.connected(extra)
    data.round.claims.left(extra, "done")
    assert data.log[1:] == [("failed", "server", "server-closed")]


@pytest.mark.parametrize("how", ["listen", "dial"])
def test_a_server_at_its_maxconn_is_waited_for_no_longer_than_the_timeout(how: str) -> None:
    data = Data(Round(maxconn=1))
    if how == "listen":
        leg = data.opens(Side.SERVER, "listen")
    else:
        data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
        assert data.round.world.dialled == []
    data.round.world.advance(TIMEOUT)
    assert data.log[-1] == ("failed", "server", "too-slow")
    if how == "listen":
        assert leg.endings == ["abort"]
    data.meeting.abort()
    data.nothing_left()


def test_a_session_that_admits_no_more_channels_fails_the_leg() -> None:
    group = Group(
        "ftp",
        "pool",
        linger=0.0,
        max_channels=1,
        roles={"control": RoleRule(principal=True), "data": RoleRule()},
    )
    data = Data(Round(group=group))
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
    assert data.log == [("failed", "server", "key-full")]
    data.nothing_left()


def test_a_session_that_ends_while_a_seat_is_awaited_fails_the_leg() -> None:
    data = Data(Round(maxconn=1))
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
    data.round.claims.end_all("killed")
    assert data.log == [("failed", "server", "killed")]
    assert data.round.world.dialled == []


def test_a_defect_of_ours_is_an_internal_error_with_its_traceback(clean_reactor: Errors) -> None:
    def header(seat: Seat) -> bytes:
        raise ZeroDivisionError

    data = Data(Round(header=header))
    data.opens(Side.SERVER, "dial")
    assert data.log == [("failed", "server", "internal-error")]
    [error] = clean_reactor.seen
    assert "ZeroDivisionError" in error
    clean_reactor.seen.clear()


# -- given up, aborted, stopped --------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["release", "abort"])
def test_giving_up_closes_listeners_dials_and_legs_and_tells_nothing_more(verb: str) -> None:
    data = Data()
    leg = data.opens(Side.CLIENT, "listen")
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
    told = list(data.log)
    getattr(data.meeting, verb)()
    assert leg.endings == ["abort"]
    assert data.round.world.dialled[-1].given_up
    leg.goes(clean=False)
    getattr(data.meeting, verb)()
    assert data.log == told
    data.nothing_left()


def test_giving_up_closes_a_listener_that_nobody_came_to() -> None:
    data = Data()
    data.meeting.listen(Side.CLIENT)
    data.meeting.release()
    assert data.log[1:] == []
    data.nothing_left()


def test_a_joined_channel_goes_on_when_it_is_released() -> None:
    data = Data()
    client, server = data.joined()
    data.meeting.release()
    client.says(b"still flowing")
    assert server.heard == b"still flowing"


def test_a_joined_channel_that_is_aborted_is_reset_on_both_legs() -> None:
    data = Data()
    client, server = data.joined()
    client.says(b"part")
    data.meeting.abort()
    assert client.endings == server.endings == ["abort"]
    client.goes(clean=False)
    server.goes(clean=False)
    assert data.log[-1] == ("transferred", "client-left", 4, 0)
    data.nothing_left()


def test_the_end_of_the_session_resets_a_joined_channel() -> None:
    data = Data()
    client, server = data.joined()
    data.round.claims.end_all("server-down")
    assert client.endings == server.endings == ["abort"]
    for leg in (client, server):
        leg.goes(clean=False)
    assert data.log[-1] == ("transferred", "server-down", 0, 0)


def test_the_end_of_the_session_closes_what_is_on_its_way() -> None:
    data = Data()
    client = data.opens(Side.CLIENT, "listen")
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025))
    data.round.claims.end_all("killed")
    assert client.endings == ["abort"]
    assert data.round.world.dialled[-1].given_up


def test_both_legs_must_stand_for_bytes_to_flow() -> None:
    data = Data()
    client = data.opens(Side.CLIENT, "listen")
    client.says(b"early")
    assert not data.meeting.joined
    assert client.transport.producerState == "producing"


# -- secured ---------------------------------------------------------------------------------------


def private(strict: bool = False) -> tuple[Data, Wire, Wire]:
    """A channel whose legs are both to be secured, and stand."""
    data = Data(Round(strict=strict))
    data.meeting.listen(Side.CLIENT, private=True)
    client = data.round.listener.comes(CLIENT)
    assert client is not None
    data.meeting.dial(Side.SERVER, Address(SERVER, 1025), private=True)
    return data, client, data.round.world.dialled[-1].answers()


def test_private_legs_are_joined_when_both_are_secured() -> None:
    """T63."""
    data, client, server = private()
    tls = data.round.tls
    assert not data.meeting.joined
    data.meeting.secure(Side.SERVER)
    data.meeting.secure(Side.CLIENT)
    assert tls.asked == [(Side.SERVER, server.end, True), (Side.CLIENT, client.end, True)]
    tls.done[1].callback(None)
    assert not data.meeting.joined
    tls.done[0].callback(None)
    assert data.meeting.joined
    assert data.log[-2:] == [("secured", "client"), ("secured", "server")]
    client.says(b"up")
    assert server.heard == b"up"
    data.meeting.abort()


@pytest.mark.parametrize("side", list(Side))
def test_a_leg_that_cannot_be_secured_is_told(side: Side) -> None:
    data, client, server = private()
    data.meeting.secure(side)
    data.round.tls.done[0].errback(Ended("tls-failed"))
    assert data.log[-1] == ("failed", side.value, "tls-failed")
    data.meeting.abort()
    assert client.endings == server.endings == ["abort"]
    data.nothing_left()


def test_a_leg_that_closes_before_it_is_secured_has_failed() -> None:
    """In the clear that would be an empty file."""
    data, client, _ = private()
    client.shuts()
    client.goes()
    assert data.log[-1] == ("failed", "client", "client-left")
    data.meeting.abort()


def test_a_client_may_shake_hands_before_it_says_what_it_wants() -> None:
    """T63: it is served at its first byte, and joined when the transfer was accepted."""
    data, client, _ = private()
    tls = data.round.tls
    client.says(b"hello")
    assert tls.asked == [(Side.CLIENT, client.end, True)]
    tls.done[0].callback(None)
    data.meeting.secure(Side.SERVER)
    tls.done[1].callback(None)
    assert not data.meeting.joined
    data.meeting.secure(Side.CLIENT)
    assert len(tls.asked) == 2
    assert data.log[-1] == ("secured", "client")
    assert data.meeting.joined
    data.meeting.abort()


def test_one_that_shakes_hands_and_fails_is_told_when_its_time_comes() -> None:
    data, client, _ = private()
    client.says(b"no hello")
    data.round.tls.done[0].errback(Ended("tls-failed"))
    assert data.log[-1] == ("connected", "server")
    data.meeting.secure(Side.CLIENT)
    assert data.log[-1] == ("failed", "client", "tls-failed")
    data.meeting.abort()
    data.nothing_left()


def test_one_that_shakes_hands_is_given_up_with_its_channel() -> None:
    data, client, _ = private()
    client.says(b"hello")
    data.meeting.release()
    assert client.endings == ["abort"]
    data.nothing_left()


def test_a_stranger_makes_place_for_the_client_behind_him() -> None:
    """Attack 6: he came first, and from the client's address."""
    data, stranger, _ = private(strict=True)
    data.meeting.secure(Side.CLIENT)
    data.round.tls.done[0].errback(Ended("tls-failed"))
    assert stranger.endings == ["abort"]
    client = data.round.listener.comes(CLIENT)
    assert client is not None
    assert data.round.tls.asked[1] == (Side.CLIENT, client.end, True)
    data.round.tls.done[1].callback(None)
    assert data.log[-1] == ("secured", "client")
    assert data.round.world.listeners == []
    data.meeting.release()
    assert client.endings == ["abort"]
    data.nothing_left()


def test_a_stranger_that_leaves_is_missed_by_nobody() -> None:
    data, stranger, _ = private(strict=True)
    stranger.shuts()
    stranger.goes()
    assert data.log[-1] == ("connected", "server")
    data.meeting.release()
    data.nothing_left()


def test_nobody_comes_behind_a_stranger() -> None:
    data, _, _ = private(strict=True)
    data.meeting.secure(Side.CLIENT)
    data.round.tls.done[0].errback(Ended("tls-failed"))
    data.round.world.advance(TIMEOUT)
    assert data.log[-1] == ("failed", "client", "too-slow")
    data.meeting.abort()
    data.nothing_left()


def test_a_server_that_is_no_server_of_tls_has_nobody_behind_it() -> None:
    data, _, _ = private(strict=True)
    data.meeting.secure(Side.SERVER)
    data.round.tls.done[0].errback(Ended("tls-failed"))
    assert data.log[-1] == ("failed", "server", "tls-failed")
    data.meeting.abort()
    data.nothing_left()


def test_a_handshake_under_way_is_given_up_with_its_channel() -> None:
    data, client, server = private()
    data.meeting.secure(Side.CLIENT)
    data.meeting.release()
    assert client.endings == server.endings == ["abort"]
    assert data.log[-1][0] == "connected"
    data.nothing_left()


# -- idle and stalled ------------------------------------------------------------------------------


def test_a_stalled_transfer_ends_although_its_session_lives() -> None:
    data = Data()
    data.round.idle.start()
    client, server = data.joined()
    data.round.world.advance(STALL - 10)
    client.says(b"x")
    data.round.world.advance(STALL)
    assert client.endings == []
    data.round.world.advance(2)
    assert client.endings == server.endings == ["abort"]
    for leg in (client, server):
        leg.goes(clean=False)
    assert data.log[-1] == ("transferred", "idle", 1, 0)
    data.round.idle.stop()


def test_a_reset_leg_resets_the_other_so_that_a_part_is_not_taken_for_the_whole() -> None:
    """T4."""
    data = Data()
    client, server = data.joined()
    client.says(b"half of the fi")
    client.protocol.connectionLost(Failure(ConnectionResetError()))
    assert server.endings == ["abort"]
    server.goes(clean=False)
    assert data.log[-1] == ("transferred", "client-left", 14, 0)


def test_a_listener_waits_as_long_as_it_is_told() -> None:
    data = Data()
    data.meeting.listen(Side.SERVER)
    data.meeting.wait(Side.SERVER, None)
    data.meeting.wait(Side.CLIENT, 1.0)  # which is not listened for
    data.round.world.advance(10 * TIMEOUT)
    assert data.round.listener.open
    data.meeting.wait(Side.SERVER, 5.0)
    data.round.world.advance(5.0)
    assert data.log[-1] == ("failed", "server", "too-slow")
