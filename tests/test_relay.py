"""What a relay owes its two sides: every byte, the half-close, back-pressure, one ending."""

import socket

from twisted.internet.task import Clock

from tests.fakes import Wire
from twisted_lb.relay import FLUSH_TIMEOUT
from twisted_lb.relay.transports import READ_IN_TLS, TransportsJoined
from twisted_lb.terms import TlsFacts


class Pair:
    """Two Ends, joined."""

    def __init__(self, client: Wire | None = None, *, eof_waits: bool = False) -> None:
        self.clock = Clock()
        self.client, self.server = client or Wire(), Wire()
        self.ended: list[str] = []
        self.joined = TransportsJoined(
            self.client.end,
            self.server.end,
            self.clock,
            lambda joined: self.ended.append(joined.ending),
            eof_waits=eof_waits,
        )
        self.joined.start()


def test_bytes_pass_both_ways_and_are_counted() -> None:
    pair = Pair()
    pair.client.says(b"hello")
    pair.server.says(b"welcome!")
    assert (pair.server.heard, pair.client.heard) == (b"hello", b"welcome!")
    assert (pair.joined.from_client, pair.joined.from_server) == (5, 8)


def test_both_sides_are_read_in_larger_pieces_where_one_is_in_tls() -> None:
    for side in ("client", "server"):
        wires = {"client": Wire(), "server": Wire()}
        wires[side].end.tls = TlsFacts("TLSv1.3", "", "")
        TransportsJoined(wires["client"].end, wires["server"].end, Clock(), lambda joined: None)
        assert {wire.transport.bufferSize for wire in wires.values()} == {READ_IN_TLS}


def test_in_clear_both_sides_are_read_as_twisted_reads() -> None:
    pair = Pair()
    assert {pair.client.transport.bufferSize, pair.server.transport.bufferSize} == {65_536}


def test_what_the_client_said_before_it_was_joined_comes_first() -> None:
    client = Wire()
    client.says(b"early ")
    pair = Pair(client)
    client.says(b"late")
    assert pair.server.heard == b"early late"


def test_who_looks_sees_the_beginning_of_each_side_until_it_has_seen_enough() -> None:
    heard: list[bytes] = []
    overheard: list[bytes] = []

    def watch(data: bytes) -> bool:
        heard.append(data)
        return len(heard) < 2

    def overhear(data: bytes) -> bool:
        overheard.append(data)
        return False

    clock, client, server = Clock(), Wire(), Wire()
    client.says(b"held")
    TransportsJoined(
        client.end, server.end, clock, lambda joined: None, watch=watch, overhear=overhear
    ).start()
    client.says(b" more")
    for data in (b"1", b"2", b"3"):
        server.says(data)
    assert (heard, overheard) == ([b"1", b"2"], [b"held"])
    assert (server.heard, client.heard) == (b"held more", b"123")


def test_a_server_that_does_not_read_pauses_the_client() -> None:
    """Back-pressure is the transports' own: the server's transport holds the client's."""
    pair = Pair()
    pair.server.transport.producer.pauseProducing()
    assert pair.client.transport.producerState == "paused"
    pair.server.transport.producer.resumeProducing()
    assert pair.client.transport.producerState == "producing"


def test_a_half_close_is_passed_on_and_the_answer_still_comes() -> None:
    """Twisted's own port forwarder loses this answer."""
    pair = Pair()
    pair.client.says(b"request")
    pair.client.shuts()
    assert pair.server.endings == ["finish"]
    pair.server.says(b"answer")
    assert pair.client.heard == b"answer"
    pair.server.shuts()
    assert pair.client.endings == ["close"]
    assert pair.server.endings == ["finish", "close"]
    pair.client.goes()
    pair.server.goes()
    assert pair.ended == ["done"]
    assert not pair.clock.getDelayedCalls()


def test_a_reset_by_one_side_is_a_reset_for_the_other() -> None:
    """T4: an aborted transfer never looks like a complete one."""
    for first, second, word in (
        ("client", "server", "client-left"),
        ("server", "client", "server-closed"),
    ):
        pair = Pair()
        getattr(pair, first).goes(clean=False)
        assert getattr(pair, second).endings == ["abort"]
        getattr(pair, second).goes(clean=False)
        assert pair.ended == [word]


def test_a_reset_after_the_last_byte_still_lets_the_other_side_have_it_all() -> None:
    """A server that answers and closes while the client still talks resets the connection."""
    pair = Pair()
    pair.server.says(b"552 quota exceeded")
    pair.server.shuts()
    pair.client.says(b"more and more")
    pair.server.goes(clean=False)
    assert pair.client.endings == ["finish"]
    pair.client.says(b"and still more")
    pair.client.shuts()
    assert pair.client.endings == ["finish", "close"]
    pair.client.goes()
    assert pair.ended == ["server-closed"]


def test_a_reset_that_answers_a_side_which_left_at_once_is_not_the_other_sides_fault() -> None:
    """A client that closes its download in the middle: its server sends to nobody, and resets."""
    pair = Pair()
    pair.server.says(b"the first half")
    pair.client.shuts()
    pair.server.goes(clean=False)
    pair.client.goes()
    assert pair.ended == ["client-left"]


def test_a_stop_resets_both_sides_and_gives_the_ending() -> None:
    pair = Pair()
    pair.joined.stop("server-down")
    assert pair.client.endings == pair.server.endings == ["abort"]
    pair.server.goes(clean=False)
    pair.client.goes(clean=False)
    assert pair.ended == ["server-down"]


def test_a_side_that_never_reads_its_rest_is_reset_at_the_deadline() -> None:
    """Attack 11: a closed connection does not stay because its peer does not read."""
    pair = Pair()
    pair.client.shuts()
    pair.server.shuts()
    pair.server.goes()
    pair.clock.advance(FLUSH_TIMEOUT)
    assert pair.client.endings[-1] == "abort"
    pair.client.goes(clean=False)
    assert pair.ended == ["done"]


def test_joining_what_is_gone_already_ends_at_once() -> None:
    client = Wire()
    client.goes(clean=False)
    pair = Pair(client)
    assert pair.server.endings == ["abort"]
    pair.server.goes(clean=False)
    assert pair.ended == ["client-left"]


def test_when_a_byte_last_moved_is_remembered() -> None:
    pair = Pair()
    pair.clock.advance(7)
    pair.server.says(b"x")
    pair.clock.advance(5)
    assert pair.joined.moved == 7


def test_a_peer_that_takes_bytes_moves_and_one_that_does_not_does_not() -> None:
    """Attack 11: a slow reader is told from one that never reads by what its kernel took."""
    pair = Pair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    with ours, peer:
        pair.client.transport.getHandle = lambda: ours  # type: ignore[method-assign]
        pair.clock.advance(7)
        ours.sendall(b"some bytes")
        peer.recv(100)
        pair.joined.look()
        pair.clock.advance(5)
        pair.joined.look()
        assert pair.joined.moved == 7


def test_a_data_channels_end_lets_what_came_before_it_on_control_go_first() -> None:
    """T16: ABOR, then the end of the upload, reach the server in that order."""
    clock, client, server = Clock(), Wire(), Wire()
    ended: list[str] = []
    over = lambda joined: ended.append(joined.ending)  # noqa: E731
    TransportsJoined(client.end, server.end, clock, over, eof_waits=True).start()
    client.says(b"a file")
    client.shuts()
    assert server.endings == []
    clock.advance(0)
    assert server.endings == ["finish"]
    server.goes(clean=False)
    client.shuts()
    clock.advance(0)
    client.goes()
    assert ended == ["server-closed"]
    assert not clock.getDelayedCalls()


def test_a_client_that_goes_after_its_half_close_leaves_no_deadline_behind() -> None:
    """Closing a side whose half-close was sent loses it within the call."""
    pair = Pair()
    pair.client.shuts()
    pair.server.transport.loseConnection = pair.server.goes
    pair.server.shuts()
    pair.client.goes()
    assert pair.ended == ["done"]
    assert not pair.clock.getDelayedCalls()


def test_who_has_said_all_and_goes_is_heard_whatever_the_other_says() -> None:
    """A socket that is closed with bytes unread is reset, with what was yet to be sent."""
    pair = Pair()
    pair.client.says(b"all of it")
    pair.client.goes(clean=True)
    assert pair.server.endings == ["finish"]
    pair.server.says(b"to nobody")
    pair.server.goes()
    assert (pair.server.heard, pair.ended) == (b"all of it", ["done"])
    assert not pair.clock.getDelayedCalls()


def test_who_still_speaks_to_one_that_said_nothing_and_went_is_reset() -> None:
    """A download that is broken off by an end and then a reset, while its server waited for the
    client to read: the server hears of it at once, as it would without us (T16)."""
    pair = Pair()
    pair.server.says(b"the beginning of much")
    pair.client.transport.producer.pauseProducing()  # its buffer is full
    pair.client.shuts()
    pair.client.goes(clean=False)
    assert pair.server.transport.producerState == "producing"
    pair.server.says(b"more")
    assert pair.server.endings == ["finish", "abort"]
    pair.server.goes(clean=False)
    assert pair.ended == ["client-left"]
    assert not pair.clock.getDelayedCalls()


def test_whoever_never_ends_has_a_deadline() -> None:
    pair = Pair()
    pair.client.goes(clean=True)
    pair.clock.advance(FLUSH_TIMEOUT)
    assert pair.server.endings == ["finish", "abort"]


def test_a_side_that_is_gone_stops_nobody() -> None:
    """Its transport knows the other one as who fills it, and would close it."""
    pair = Pair()
    pair.client.transport.producer.stopProducing()
    assert pair.server.endings == []


def test_an_end_that_waits_for_its_turn_is_forgotten_when_all_is_over() -> None:
    pair = Pair(eof_waits=True)
    pair.client.shuts()
    pair.client.goes()
    pair.server.goes()
    assert pair.ended == ["done"]
    assert not pair.clock.getDelayedCalls()
