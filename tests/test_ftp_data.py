"""Data channels: when a leg is dialled, what happens when one fails, what is told of a transfer."""

from __future__ import annotations

import attrs
import pytest

from tests.ftptalk import active, circumstances, logged_in, moving, passive
from tests.script import play
from twisted_lb.facts import TransferEnded
from twisted_lb.protocols.actions import Side, Tell, Wait
from twisted_lb.protocols.ftp.data import (
    CHANNELS_MOST,
    Channels,
    DataChannel,
    Leg,
    Stand,
    Transfer,
)
from twisted_lb.protocols.ftp.outbox import Outbox
from twisted_lb.terms import Address


def away(target: Address) -> Leg:
    """A leg to be dialled."""
    leg = Leg()
    leg.dial(target)
    return leg


# -- when a leg is dialled ---------------------------------------------------------------------


def test_a_server_that_comes_by_itself_has_accepted_and_the_client_is_dialled() -> None:
    """T26, T47: some servers connect at PORT; the client sees it when it would see it directly."""
    play(
        active(),
        """
        connected 1 server   -> dial 1 client 192.0.2.9:51201
        C: RETR a            -> S: RETR a
        S: 550 no            -> C: 550 no
                             -> tell transfer joe RETR a 0 server-refused 550
        """,
    )


def test_a_channel_that_a_refused_transfer_left_serves_the_next() -> None:
    """T28: no new PORT is needed, and the server's leg stands already."""
    play(
        active(),
        """
        connected 1 server   -> dial 1 client 192.0.2.9:51201
        C: RETR a            -> S: RETR a
        S: 550 no            -> C: 550 no
                             -> tell transfer joe RETR a 0 server-refused 550
        C: RETR b            -> S: RETR b
        S: 150 ok            -> C: 150 ok
        """,
    )


def test_a_joined_channel_that_a_refused_transfer_left_serves_the_next() -> None:
    play(
        passive(),
        """
        connected 1 client   -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: RETR a            -> S: RETR a
        S: 550 no            -> C: 550 no
                             -> tell transfer joe RETR a 0 server-refused 550
        C: RETR b            -> S: RETR b
        S: 150 ok            -> C: 150 ok
        transferred 1 done 0 7
        S: 226 done          -> C: 226 done
                             -> tell transfer joe RETR b 7 done 226
        """,
    )


def test_a_leg_is_dialled_once() -> None:
    channel = DataChannel(1, server=away(Address("198.51.100.1", 1025)))
    channel.client.stand = Stand.STANDS
    assert [each.side for each in channel.due()] == [Side.SERVER]
    assert list(channel.due()) == []


# -- replaced and released ---------------------------------------------------------------------


def test_a_new_announcement_releases_the_former_one() -> None:
    """T3: whichever verb it was, and whichever it is."""
    play(
        passive(),
        """
        C: PORT 192,0,2,9,200,1                 -> release 1
                                                -> listen 2 server
        listening 2 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 200 ok                               -> C: 200 Active data connection accepted.
        C: PASV                                 -> release 2
                                                -> S: PASV
        """,
    )


def test_a_joined_channel_goes_on_when_another_is_announced() -> None:
    """T3."""
    play(
        moving(),
        """
        C: PASV                  -> S: PASV
        S: 227 ok (198,51,100,1,4,2) -> listen 2 client
        transferred 1 done 0 9
        S: 226 done              -> C: 226 done
                                 -> tell transfer joe RETR a 9 done 226
        """,
    )


def test_a_transfer_that_waits_moves_to_the_new_announcement() -> None:
    """T3, T26: the server has said 150 and still waits."""
    play(
        passive(),
        """
        C: LIST                          -> S: LIST
        S: 150 ok                        -> C: 150 ok
        C: PASV                          -> release 1
                                         -> S: PASV
        S: 227 ok (198,51,100,1,4,2)     -> listen 2 client
        listening 2 client 192.0.2.1:40001
                                -> C: 227 Entering passive mode (192,0,2,1,156,65).
        connected 2 client               -> dial 2 server 198.51.100.1:1026
        connected 2 server
        S: 226 done                      -> C: 226 done
        transferred 2 done 0 9           -> tell transfer joe LIST  9 done 226
        """,
    )


# -- a leg that cannot be had ------------------------------------------------------------------


def test_a_client_that_refuses_gets_the_servers_425() -> None:
    """T23: the server's leg is aborted, the session is usable."""
    play(
        active(),
        """
        C: RETR a                     -> S: RETR a
        connected 1 server            -> dial 1 client 192.0.2.9:51201
        S: 150 ok                     -> C: 150 ok
        failed 1 client client-left   -> abort 1
                                      -> alarm transfer 30
        S: 426 you hung up            -> C: 426 you hung up
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 client-left 426
        C: NOOP                       -> S: NOOP
        """,
    )


def test_a_client_that_never_comes_frees_the_server() -> None:
    """T2: the server waits for us: it is knocked at, and ends the transfer."""
    play(
        passive(),
        """
        C: RETR a                     -> S: RETR a
        S: 150 ok                     -> C: 150 ok
        failed 1 client too-slow      -> abort 1
                                      -> alarm transfer 30
                                      -> dial 2 server 198.51.100.1:1025
        connected 2 server            -> abort 2
        S: 426 broken                 -> C: 426 broken
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 too-slow 426
        """,
    )


def test_a_knock_that_fails_is_no_news() -> None:
    play(
        passive(),
        """
        C: RETR a                     -> S: RETR a
        failed 1 client too-slow      -> abort 1
                                      -> alarm transfer 30
                                      -> dial 2 server 198.51.100.1:1025
        failed 2 server server-refused
        S: 425 nobody                 -> C: 425 nobody
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 too-slow 425
        """,
    )


def test_a_transfer_after_the_announcement_expired_fails_and_does_not_hang() -> None:
    """T2, attack 6: announced, never used, expired; and the next one is a fresh start."""
    play(
        passive(),
        """
        failed 1 client too-slow      -> abort 1
        C: RETR a                     -> S: RETR a
                                      -> alarm transfer 30
                                      -> dial 2 server 198.51.100.1:1025
        connected 2 server            -> abort 2
        S: 226 done                   -> C: 425 Can't open data connection.
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 too-slow 226
        C: RETR a                     -> S: RETR a
        S: 425 use PASV               -> C: 425 use PASV
                                      -> tell transfer joe RETR a 0 server-refused 425
        """,
    )


def test_a_new_announcement_after_one_that_expired() -> None:
    play(
        passive(),
        """
        failed 1 client too-slow      -> abort 1
        C: PASV                       -> S: PASV
        S: 227 ok (198,51,100,1,4,2)  -> listen 2 client
        """,
    )


def test_a_lost_transfer_does_not_take_the_next_announcement() -> None:
    """T16: the server is ending it; the new channel is for the next one."""
    play(
        active(),
        """
        C: RETR a                     -> S: RETR a
        S: 150 ok                     -> C: 150 ok
        failed 1 server too-slow      -> abort 1
                                      -> alarm transfer 30
        C: PASV                       -> S: PASV
        S: 227 ok (198,51,100,1,4,2)  -> listen 2 client
        listening 2 client 192.0.2.1:40001
                                -> C: 227 Entering passive mode (192,0,2,1,156,65).
        S: 425 cannot connect         -> C: 425 cannot connect
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 too-slow 425
        C: RETR a                     -> S: RETR a
        connected 2 client            -> dial 2 server 198.51.100.1:1026
        """,
    )


def test_a_leg_that_breaks_before_the_other_stands() -> None:
    """T4: the server resets while we are still dialling the client."""
    play(
        active(),
        """
        C: STOR a                     -> S: STOR a
        connected 1 server            -> dial 1 client 192.0.2.9:51201
        S: 150 ok                     -> C: 150 ok
        failed 1 server server-closed -> abort 1
                                      -> alarm transfer 30
        S: 552 disk full              -> C: 552 disk full
                                      -> alarm transfer off
                                      -> tell transfer joe STOR a 0 server-closed 552
        """,
    )


def test_a_server_that_goes_away_before_its_150_takes_the_clients_leg_along() -> None:
    """T4: its leg broke before it said 150."""
    play(
        active(),
        """
        C: RETR a                     -> S: RETR a
        connected 1 server            -> dial 1 client 192.0.2.9:51201
        failed 1 server server-closed -> abort 1
                                      -> alarm transfer 30
        S: 150 ok                     -> C: 150 ok
        S: 426 oh                     -> C: 426 oh
                                      -> alarm transfer off
                                      -> tell transfer joe RETR a 0 server-closed 426
        """,
    )


# -- what is told ------------------------------------------------------------------------------


def test_a_transfer_is_told_with_everything_but_passwords() -> None:
    """T94."""
    machine = moving()
    facts = [
        *machine.received(Side.SERVER, b"226 done\r\n", 2.0),
        *machine.transferred(1, "done", 3, 1000, 5.5),
    ]
    told = [each.fact for each in facts if isinstance(each, Tell)]
    assert told == [
        TransferEnded(
            session="s1",
            user="joe",
            server="pool/a",
            command="RETR",
            path="a",
            bytes=1003,
            seconds=5.5,
            ending="done",
            reply=226,
        )
    ]
    assert "secret" not in repr(attrs.asdict(told[0]))


def test_a_path_that_is_no_text_is_told_escaped() -> None:
    """Attack 18."""
    play(
        passive(),
        """
        C: RETR \\xe9\\x1b[31m   -> S: RETR \\xe9\\x1b[31m
        """,
    )
    machine = passive()
    list(machine.received(Side.CLIENT, b"RETR \xe9\r\n", 0.0))
    *_, tell = machine.received(Side.SERVER, b"550 no\r\n", 0.0)
    assert isinstance(tell, Tell)
    assert isinstance(tell.fact, TransferEnded)
    assert tell.fact.path == "\\xe9"


def test_every_way_to_finish_leaves_nothing_behind() -> None:
    """T82: listeners and half-open legs are released, knocks too, joined channels go on."""
    play(
        passive(),
        """
        failed 1 client too-slow      -> abort 1
        C: RETR a                     -> S: RETR a
                                      -> alarm transfer 30
                                      -> dial 2 server 198.51.100.1:1025
        end killed                    -> C: 421 Service not available, closing control connection.
                                      -> release 2
                                      -> tell transfer joe RETR a 0 too-slow 0
                                      -> finish killed
        """,
    )
    play(
        passive(),
        """
        C: RETR a                     -> S: RETR a
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        end server-down               -> C: 421 Service not available, closing control connection.
                                      -> release 1
                                      -> tell transfer joe RETR a 0 server-down 0
                                      -> finish server-down
        """,
    )


def test_a_transfer_whose_channel_has_ended_is_told_at_the_finish() -> None:
    play(
        moving(),
        """
        transferred 1 done 0 7
        closed server                 -> C: 421 Service not available, closing control connection.
                                      -> tell transfer joe RETR a 7 server-closed 0
                                      -> finish server-closed
        """,
    )


def test_a_channel_without_transfer_is_told_of_nothing() -> None:
    play(
        passive(),
        """
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        connected 1 server
        failed 1 server server-closed -> abort 1
        """,
    )
    play(
        passive(),
        """
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: PASV                       -> release 1
                                      -> S: PASV
        """,
    )


def test_bytes_flow_from_the_first_transfer_on() -> None:
    """Not before its command was sent: a server may have no use for them yet (pyftpdlib). A second
    one goes over the same channel (T6)."""
    play(
        passive(),
        """
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: STOR a                     -> S: STOR a
                                      -> join 1
        S: 150 Go on                  -> C: 150 Go on
        S: 250 Stored                 -> C: 250 Stored
        C: STOR b                     -> S: STOR b
        """,
    )


def test_a_command_that_nobody_knows_is_a_transfer_when_the_server_says_so() -> None:
    play(
        passive(),
        """
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: XLST                       -> S: XLST
        S: 150 Here it comes          -> C: 150 Here it comes
                                      -> join 1
        """,
    )


def test_dropping_a_channel_that_is_gone_asks_for_nothing() -> None:
    out = Outbox()
    channels = Channels(circumstances(), out)
    channel = channels.replace()
    assert channel is not None
    channels.failed(channel.number, "too-slow")
    out.empty()
    channels.drop(channel)
    assert out.empty() == []


def test_what_may_be_lost_is_undecided() -> None:
    """T5."""
    there = Address("198.51.100.1", 1025)
    assert DataChannel(1).undecided
    assert not DataChannel(1, server=away(there)).undecided
    assert not DataChannel(1, failed="too-slow").undecided
    both = DataChannel(1, client=Leg(stand=Stand.STANDS), server=Leg(stand=Stand.STANDS))
    assert both.undecided
    both.used = True
    assert both.joined
    assert not both.undecided


def test_too_many_channels_are_refused() -> None:
    """Attack 14."""
    channels = Channels(circumstances(), Outbox())
    for _ in range(CHANNELS_MOST):
        assert channels.replace() is not None
    assert channels.replace() is None


def test_a_transfer_without_channel_starts_all_the_same() -> None:
    """T26."""
    transfer = Transfer("joe", "STOU", "", 0.0)
    Channels(circumstances(), Outbox()).started(transfer)
    assert transfer.started


def test_a_finished_transfer_wants_no_leg() -> None:
    """A client that listens is not dialled for a transfer that is over."""
    transfer = Transfer("joe", "RETR", "a", 0.0, started=True, reply=550)
    channel = DataChannel(
        1, away(Address("192.0.2.9", 5000)), away(Address("198.51.100.1", 1)), transfer
    )
    assert list(channel.due()) == []


def test_logged_in_and_nothing_announced_moves_nothing() -> None:
    play(logged_in(), "closed client  -> finish client-left")


# -- how a transfer ended --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "reply", "told"),
    [
        ("done", 226, "done"),
        ("done", 250, "done"),
        ("done", 426, "client-left"),
        ("done", 451, "server-refused"),
        ("client-left", 426, "client-left"),
        ("server-closed", 426, "server-closed"),
        ("client-left", 226, "client-left"),
        ("idle", 426, "idle"),
    ],
)
def test_a_transfer_ended_as_its_channel_unless_the_server_knows_better(
    channel: str, reply: int, told: str
) -> None:
    """T94."""
    play(
        moving(),
        f"""
        transferred 1 {channel} 0 9
        S: {reply} so it is  -> C: {reply} so it is
                             -> tell transfer joe RETR a 9 {told} {reply}
        """,
    )


def test_an_upload_that_is_aborted_and_had_arrived_is_done() -> None:
    """T16: ABOR came too late."""
    play(
        moving(),
        """
        C: ABOR              -> S: ABOR
        transferred 1 done 9 0
        S: 226 stored        -> C: 226 stored
                             -> tell transfer joe RETR a 9 done 226
        """,
    )


# -- how long a leg may take -----------------------------------------------------------------------


def test_a_server_that_takes_its_time_finds_its_listener_still_there() -> None:
    """A file on tape: 1xx, and the connection minutes later."""
    play(
        active(data_timeout=30.0, stall_timeout=300.0),
        """
        C: RETR a     -> S: RETR a
                      -> wait 1 server on
        S: 150 soon   -> C: 150 soon
                      -> wait 1 server 300
        """,
    )


def test_a_client_has_its_time_from_the_servers_word() -> None:
    play(
        passive(data_timeout=30.0),
        """
        C: RETR a     -> S: RETR a
                      -> wait 1 client on
        S: 150 soon   -> C: 150 soon
                      -> wait 1 client 30
        """,
    )


def test_what_a_refused_transfer_left_waits_as_if_newly_announced() -> None:
    play(
        active(data_timeout=30.0),
        """
        C: RETR a     -> S: RETR a
                      -> wait 1 server on
        S: 550 no     -> C: 550 no
                      -> wait 1 server 30
                      -> tell transfer joe RETR a 0 server-refused 550
        """,
    )


def test_a_leg_that_came_is_not_waited_for() -> None:
    machine = active()
    play(machine, "connected 1 server  -> dial 1 client 192.0.2.9:51201")
    asked = machine.received(Side.CLIENT, b"RETR a\r\n", 0.0)
    assert not [action for action in asked if isinstance(action, Wait)]


def test_at_the_end_of_the_grace_what_is_joined_is_reset_and_what_is_not_is_given_up() -> None:
    """T82."""
    play(
        moving(),
        """
        C: PASV                          -> S: PASV
        S: 227 (198,51,100,1,4,2)        -> listen 2 client
        listening 2 client 192.0.2.1:40001
                                         -> C: 227 Entering passive mode (192,0,2,1,156,65).
        closed client                    -> alarm leave 10
        alarm leave                      -> abort 1
                                         -> release 2
                                         -> finish client-left
        """,
    )
