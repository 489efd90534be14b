"""An announcement on its way: what may come between."""

from __future__ import annotations

import pytest

from tests.ftptalk import logged_in, moving, passive
from tests.script import play
from twisted_lb.protocols.ftp.data import CHANNELS_MOST

ASKED = """
        C: PORT 192,0,2,9,200,1                 -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
"""


def test_the_server_may_come_before_it_says_200() -> None:
    """Some servers connect when they are told PORT, before they answer."""
    machine = logged_in()
    play(machine, ASKED)
    play(
        machine,
        """
        connected 1 server
        S: 200 ok                  -> C: 200 Active data connection accepted.
                                   -> dial 1 client 192.0.2.9:51201
        C: RETR a                  -> S: RETR a
        S: 150 ok                  -> C: 150 ok
        """,
    )


def test_a_listener_that_expires_before_the_server_says_200() -> None:
    """A server that is busy answers late; the client must know that it was in vain."""
    machine = logged_in()
    play(machine, ASKED)
    play(
        machine,
        """
        failed 1 server too-slow   -> abort 1
        S: 200 ok                  -> C: 425 Can't open data connection.
        C: NOOP                    -> S: NOOP
        """,
    )


def test_a_transfer_under_way_does_not_mind_the_next_announcement() -> None:
    """T16, T30: their replies in either order."""
    pasv = """
        S: 227 ok (198,51,100,1,4,2)     -> listen 2 client
        listening 2 client 192.0.2.1:40001
                                -> C: 227 Entering passive mode (192,0,2,1,156,65).
    """
    done = """
        S: 226 done             -> C: 226 done
        transferred 1 done 0 9  -> tell transfer joe RETR a 9 done 226
    """
    for first, second in ((pasv, done), (done, pasv)):
        machine = moving()
        play(machine, "C: PASV   -> S: PASV")
        play(machine, first)
        play(machine, second)
        play(machine, "connected 2 client  -> dial 2 server 198.51.100.1:1026")


def test_what_the_server_says_while_we_open_a_port_is_no_answer() -> None:
    """T18: it was not asked yet."""
    play(
        logged_in(),
        """
        C: PORT 192,0,2,9,200,1                 -> listen 1 server
        S: 421 idle                             -> C: 421 idle
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        """,
    )


def test_a_servers_leg_may_fail_while_the_clients_port_is_opened() -> None:
    """T92: the client gets its 425, whichever leg it is."""
    play(
        logged_in(server_data="active"),
        """
        C: PASV                                 -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 200 ok                               -> listen 1 client
        failed 1 server too-slow                -> release 1
                                                -> C: 425 Can't open data connection.
        """,
    )


@pytest.mark.parametrize("code", [120, 150])
def test_a_1xx_is_not_yet_an_answer(code: int) -> None:
    play(
        logged_in(),
        f"""
        C: PASV                            -> S: PASV
        S: {code} wait
        S: 227 ok (198,51,100,1,4,1)       -> listen 1 client
        """,
    )


def test_a_fact_is_told_on_the_way() -> None:
    """Attack 5."""
    play(
        logged_in(),
        """
        C: PASV                            -> S: PASV
        S: 227 ok (10,0,0,1,4,1)           -> tell attack foreign-227
                                           -> listen 1 client
        """,
    )


def test_channels_of_one_client_are_counted() -> None:
    """Attack 14: somebody who opens and never reads."""
    machine = passive()
    for number in range(1, CHANNELS_MOST + 1):
        play(
            machine,
            f"""
            connected {number} client      -> dial {number} server 198.51.100.1:1025
            connected {number} server
            C: RETR a                      -> S: RETR a
            S: 150 Here it comes           -> C: 150 Here it comes
            S: 226 Sent                    -> C: 226 Sent
            """,
        )
        if number == CHANNELS_MOST:
            break
        play(
            machine,
            f"""
            C: PASV                            -> S: PASV
            S: 227 ok (198,51,100,1,4,1)       -> listen {number + 1} client
            listening {number + 1} client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
            """,
        )
    play(
        machine,
        """
        C: PASV                    -> C: 425 Can't open data connection.
        transferred 1 done 0 0     -> tell transfer joe RETR a 0 done 226
        C: PASV                    -> S: PASV
        """,
    )
