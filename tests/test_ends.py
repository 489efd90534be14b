"""Ends hold what comes before somebody receives, give it back once, and pause at their cap."""

import socket

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

from tests.fakes import Ears, Wire
from twisted_lb.ends import Tuning, address
from twisted_lb.terms import Address


def test_bytes_that_came_before_a_receiver_are_given_first_and_once() -> None:
    wire, ears = Wire(), Ears()
    wire.says(b"first ")
    wire.says(b"words")
    wire.end.give(ears)
    wire.says(b"then")
    assert ears.log == [b"first words", b"then"]
    assert not wire.end.held


def test_a_talkative_peer_is_paused_at_the_cap_and_read_again_when_given_away() -> None:
    """Attack 11: nobody is held for more than the cap."""
    wire, ears = Wire(cap=4), Ears()
    wire.says(b"abc")
    assert wire.transport.producerState == "producing"
    wire.says(b"d")
    assert wire.transport.producerState == "paused"
    wire.end.give(ears)
    assert wire.transport.producerState == "producing"


def test_consumed_bytes_are_not_given_and_make_room() -> None:
    wire, ears = Wire(cap=4), Ears()
    wire.says(b"head rest")
    wire.end.consume(5)
    assert wire.transport.producerState == "producing"
    wire.end.give(ears)
    assert ears.log == [b"rest"]


def test_who_waits_for_more_wakes_for_bytes_for_the_end_and_for_the_loss() -> None:
    for event in ("says", "shuts", "goes"):
        wire, woke = Wire(), []
        wire.end.more().addCallback(woke.append)
        assert woke == []
        getattr(wire, event)(*([b"x"] if event == "says" else []))
        assert woke == [None], event


def test_waiting_for_more_after_the_end_returns_at_once() -> None:
    wire, woke = Wire(), []
    wire.shuts()
    wire.end.more().addCallback(woke.append)
    assert woke == [None]


def test_a_receiver_that_comes_late_hears_of_the_end_and_the_loss() -> None:
    wire, ears = Wire(), Ears()
    wire.says(b"bye")
    wire.shuts()
    wire.end.give(ears)
    assert ears.log == [b"bye", "eof"]
    wire, ears = Wire(), Ears()
    wire.goes(clean=False)
    wire.end.give(ears)
    assert ears.log == ["reset"]


def test_the_loss_of_an_end_that_nobody_receives_is_told_to_its_holder() -> None:
    wire, told = Wire(), []
    wire.end.on_lost = lambda: told.append("lost")
    wire.goes()
    assert told == ["lost"]
    assert wire.end.lost


def test_who_speaks_and_closes_in_order_before_anybody_receives_is_heard() -> None:
    """Under TLS that is one thing: a close_notify ends both directions."""
    wire, told, ears = Wire(), [], Ears()
    wire.end.on_lost = lambda: told.append("lost")
    wire.says(b"print job")
    wire.goes(clean=True)
    assert told == []
    wire.end.give(ears)
    assert ears.log == [b"print job", "lost"]


def test_who_speaks_and_is_cut_off_is_lost() -> None:
    wire, told = Wire(), []
    wire.end.on_lost = lambda: told.append("lost")
    wire.says(b"print j")
    wire.goes(clean=False)
    assert told == ["lost"]


def test_reading_goes_on_only_when_every_reason_to_pause_is_gone() -> None:
    wire = Wire()
    wire.end.pause("peer-full")
    wire.end.pause("congested")
    wire.end.resume("peer-full")
    assert wire.transport.producerState == "paused"
    wire.end.resume("congested")
    assert wire.transport.producerState == "producing"


def test_a_lost_end_is_neither_paused_nor_resumed() -> None:
    wire = Wire()
    wire.end.pause("congested")
    wire.goes()
    wire.end.resume("congested")
    wire.end.pause("congested")
    assert wire.transport.producerState == "paused"


def test_an_end_that_is_lost_is_not_finished_again() -> None:
    """The reactor would be given a descriptor that is closed."""
    wire = Wire()
    wire.goes()
    wire.end.finish()
    assert wire.endings == []


def test_the_socket_options_are_set_and_a_long_silence_is_cut_to_what_linux_takes() -> None:
    """Attack 13: half-open connections are found by keepalive and TCP_USER_TIMEOUT."""
    ours, theirs = socket.socketpair()
    listening = socket.create_server(("127.0.0.1", 0))
    handle = socket.create_connection(listening.getsockname())
    wire = Wire()
    wire.transport.getHandle = lambda: handle  # type: ignore[method-assign]
    Tuning(keepalive=86_400.0, user_timeout=1.5).apply(wire.end)
    tcp = {
        option: handle.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT, socket.TCP_NODELAY)
    }
    assert list(tcp.values()) == [32_767, 1500, 1]
    assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE)
    wire.transport.getHandle = lambda: ours  # type: ignore[method-assign]
    Tuning().apply(wire.end)
    assert not ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for each in (ours, theirs, listening, handle):
        each.close()


def test_addresses_are_told_plainly() -> None:
    assert address(IPv4Address("TCP", "192.0.2.7", 21)) == Address("192.0.2.7", 21)
    assert address(IPv6Address("TCP", "2001:db8::1", 21)) == Address("2001:db8::1", 21)
    assert address(IPv6Address("TCP", "::ffff:192.0.2.7", 21)) == Address("192.0.2.7", 21)
    assert address(UNIXAddress(None)) == Address("", 0)


def test_what_a_peer_has_taken_is_asked_of_the_kernel() -> None:
    """Here by hand: a transport has a real socket, whose peer reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with ours, far:
        wire = Wire()
        wire.transport.getHandle = lambda: ours  # type: ignore[method-assign]
        before = wire.end.taken
        ours.sendall(b"twelve bytes")
        assert far.recv(100) == b"twelve bytes"
        assert wire.end.taken - before == 12
        wire.goes()
        assert wire.end.taken == 0


def test_a_transport_without_a_socket_counts_nothing() -> None:
    assert Wire().end.taken == 0


def test_an_end_that_is_gone_pauses_and_stops_nobody() -> None:
    """A transport that is gone would stop who fills it: the other side of a relay."""
    wire = Wire()
    wire.goes()
    wire.end.fed_by(object())
    assert wire.transport.producer is None


def test_a_close_in_order_is_the_end_of_what_was_said() -> None:
    for clean, log in ((True, [b"all", "lost"]), (False, [b"all", "reset"])):
        wire, ears = Wire(), Ears()
        wire.says(b"all")
        wire.goes(clean)
        wire.end.give(ears)
        assert ears.log == log
        assert wire.end.eof is clean
