"""One FTP conversation from its first word to its last: its ends, its deadlines, its endings."""

from __future__ import annotations

import pytest

from tests.ftptalk import active, fresh, greeted, logged_in, moving, passive
from tests.script import play
from twisted_lb.protocols.actions import Conversation, Send, Side
from twisted_lb.terms import ENDINGS

GONE = "-> C: 421 Service not available, closing control connection."


def test_it_is_a_conversation() -> None:
    machine: Conversation = fresh()
    assert not machine.congested(Side.CLIENT)


def test_a_session_from_first_to_last() -> None:
    play(
        fresh(),
        """
        S: 220 hello                        -> C: 220 hello
        C: USER joe                         -> S: USER joe
        S: 331 Password?                    -> C: 331 Password?
        C: PASS secret                      -> S: PASS secret
        S: 230 Welcome                      -> C: 230 Welcome
        C: TYPE I                           -> S: TYPE I
        S: 200 ok                           -> C: 200 ok
        C: EPSV                             -> S: EPSV
        S: 229 ok (|||1025|)                -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 229 Entering extended passive mode (|||40000|).
        connected 1 client                  -> dial 1 server 198.51.100.1:1025
        C: STOR a                           -> S: STOR a
        connected 1 server
        S: 150 go                           -> C: 150 go
        at 4
        transferred 1 done 5000 0
        S: 226 done                         -> C: 226 done
                                            -> tell transfer joe STOR a 5000 done 226
        C: QUIT                             -> S: QUIT
        S: 221 bye                          -> C: 221 bye
        closed server                       -> finish done
        """,
    )


# -- the server goes ---------------------------------------------------------------------------


def test_a_server_that_dies_is_told_with_421() -> None:
    """T83: nobody else would tell the client."""
    play(logged_in(), f"closed server {GONE}\n -> finish server-closed")
    play(fresh(), f"closed server {GONE}\n -> finish server-closed")
    play(
        passive(),
        f"""
        C: RETR a            -> S: RETR a
        closed server        {GONE}
                             -> release 1
                             -> tell transfer joe RETR a 0 server-closed 0
                             -> finish server-closed
        """,
    )


def test_a_server_that_says_good_bye_has_the_last_word() -> None:
    """T18, T83: one 421, its own."""
    play(
        logged_in(),
        """
        S: 421 idle for too long   -> C: 421 idle for too long
        closed server              -> finish done
        """,
    )


def test_a_421_of_long_ago_is_not_the_last_word() -> None:
    play(
        logged_in(),
        f"""
        S: 421 data timeout        -> C: 421 data timeout
        C: NOOP                    -> S: NOOP
        S: 200 ok                  -> C: 200 ok
        closed server              {GONE}
                                   -> finish server-closed
        """,
    )


def test_a_server_that_has_had_enough_of_wrong_passwords_may_just_close() -> None:
    """T16, T83: its 530 was its last word; none is invented."""
    play(
        greeted(),
        """
        C: USER joe                -> S: USER joe
        S: 331 password            -> C: 331 password
        C: PASS wrong              -> S: PASS wrong
        S: 530 no, and good-bye    -> C: 530 no, and good-bye
        closed server              -> finish done
        """,
    )


def test_a_half_line_of_a_dying_server_is_relayed() -> None:
    """T83."""
    play(
        logged_in(),
        """
        S~ 421 bye
        closed server              -> C: 421 bye
                                   -> finish done
        """,
    )


def test_a_transfer_under_way_has_its_grace_from_who_joined_it() -> None:
    """T83: the joined channel is not touched, and it is told when it ends."""
    play(
        moving(),
        f"""
        closed server              {GONE}
                                   -> finish server-closed
        at 3
        transferred 1 done 0 100   -> tell transfer joe RETR a 100 done 0
        """,
    )


def test_success_that_must_wait_is_told_before_the_end() -> None:
    """T5, T83: the server said 226 and left while the client is being dialled."""
    play(
        active(),
        """
        C: LIST                    -> S: LIST
        connected 1 server         -> dial 1 client 192.0.2.9:51201
        S: 150 ok                  -> C: 150 ok
        S: 226 done
        closed server
        connected 1 client         -> C: 226 done
                                   -> C: 421 Service not available, closing control connection.
                                   -> finish server-closed
        """,
    )


# -- the client goes ---------------------------------------------------------------------------


def test_a_client_that_leaves_ends_the_conversation() -> None:
    """T82."""
    play(logged_in(), "closed client  -> finish client-left")
    play(passive(), "closed client  -> release 1\n -> finish client-left")


def test_what_a_client_asked_for_before_it_left_is_answered() -> None:
    """T20: a half-closed client still reads."""
    play(
        logged_in(),
        """
        C: PWD\\r\\nNOOP           -> S: PWD
        C~ half a li
        closed client              -> alarm leave 10
        S: 257 "/"                 -> C: 257 "/"
                                   -> S: NOOP
        S: 200 ok                  -> C: 200 ok
                                   -> finish client-left
        """,
    )


def test_a_client_that_leaves_after_quit_is_done() -> None:
    play(
        logged_in(),
        """
        C: QUIT                    -> S: QUIT
        S: 221 bye                 -> C: 221 bye
        closed client              -> finish done
        """,
    )


def test_a_client_that_leaves_in_mid_transfer_is_waited_for_no_longer_than_the_grace() -> None:
    """T82."""
    play(
        moving(grace=7.0),
        """
        closed client              -> alarm leave 7
        S: 110 MARK                -> C: 110 MARK
        alarm leave                -> abort 1
                                   -> finish client-left
        transferred 1 client-left 0 9  -> tell transfer joe RETR a 9 client-left 0
        """,
    )


def test_what_a_client_still_reads_when_it_leaves_is_waited_for_within_the_same_grace() -> None:
    """T5, T82: the server has said all, the last bytes are on their way to a slow reader."""
    play(
        moving(),
        """
        S: 226 done                -> C: 226 done
        closed client              -> alarm leave 10
        transferred 1 done 0 9     -> tell transfer joe RETR a 9 done 226
                                   -> finish client-left
        """,
    )
    play(
        moving(),
        """
        S: 226 done                -> C: 226 done
        closed client              -> alarm leave 10
        alarm leave                -> abort 1
                                   -> finish client-left
        transferred 1 client-left 0 7  -> tell transfer joe RETR a 7 client-left 226
        """,
    )


def test_an_upload_that_ends_with_its_client_is_finished() -> None:
    play(
        moving(),
        """
        closed client              -> alarm leave 10
        transferred 1 done 0 9
        S: 226 done                -> C: 226 done
                                   -> tell transfer joe RETR a 9 done 226
                                   -> finish client-left
        """,
    )


# -- the session is ended ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("drained", "Going down for maintenance, closing control connection."),
        ("idle", "Idle for too long, closing control connection."),
        ("server-down", "Service not available, closing control connection."),
        ("killed", "Service not available, closing control connection."),
    ],
)
def test_the_last_word_is_421(word: str, words: str) -> None:
    """T85, rule 13 of a session."""
    assert word in ENDINGS
    play(logged_in(), f"end {word}  -> C: 421 {words}\n -> finish {word}")


def test_the_last_word_does_not_fall_into_a_reply() -> None:
    """T17."""
    play(
        logged_in(),
        """
        C: STAT                    -> S: STAT
        S: 211-Status              -> C: 211-Status
        end drained                -> C: 211 Closing.
                    -> C: 421 Going down for maintenance, closing control connection.
                                   -> finish drained
        """,
    )


def test_the_last_word_is_said_in_the_middle_of_an_announcement() -> None:
    play(
        logged_in(),
        f"""
        C: PASV                    -> S: PASV
        end server-down            {GONE}
                                   -> release 1
                                   -> finish server-down
        """,
    )


# -- deadlines ---------------------------------------------------------------------------------


def test_a_deadline_does_not_fall_into_a_reply() -> None:
    """T17: our 425 waits until the reply under way is whole."""
    play(
        passive(),
        """
        C: LIST                       -> S: LIST
        C: STAT                       -> S: STAT
        S: 211-Status                 -> C: 211-Status
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        failed 1 server too-slow      -> abort 1
                                      -> alarm transfer 30
        alarm transfer                -> alarm transfer 30
        S: 211 End                    -> C: 211 End
        alarm transfer                -> C: 425 Can't open data connection.
        """,
    )


def test_a_deadline_of_a_transfer_that_is_over_means_nothing() -> None:
    """It may ring in the moment in which it is cleared."""
    play(logged_in(), "alarm transfer")


def test_a_port_that_cannot_be_had_is_answered() -> None:
    """T92."""
    play(
        logged_in(),
        """
        C: PORT 192,0,2,9,200,1    -> listen 1 server
        failed 1 server full       -> release 1
                                   -> C: 425 Can't open data connection.
        """,
    )


# -- caps --------------------------------------------------------------------------------------


def test_an_end_that_does_not_pause_is_ended() -> None:
    """Attack 25."""
    machine = active()
    play(
        machine,
        """
        C: LIST              -> S: LIST
        S: 226 done
        """,
    )
    flood = b"421 idle\r\n" * 60_000
    assert not list(machine.received(Side.SERVER, flood, 0.0))
    asked = [type(each).__name__ for each in machine.received(Side.SERVER, flood, 0.0)]
    assert asked == ["Send", "Release", "Tell", "Finish"]


def test_each_side_is_asked_to_pause_by_itself() -> None:
    """T20, attack 25."""
    machine = active()
    play(machine, "C: LIST  -> S: LIST")
    assert not list(machine.received(Side.CLIENT, b"LIST\r\n" * 4000, 0.0))
    assert machine.congested(Side.CLIENT)
    assert not machine.congested(Side.SERVER)
    said = machine.received(Side.SERVER, b"226 done\r\n" + b"421 x\r\n" * 20_000, 0.0)
    assert not [action for action in said if isinstance(action, Send)]
    assert machine.congested(Side.SERVER)


def test_bytes_that_no_server_sends_end_the_conversation() -> None:
    """Attack 22."""
    play(
        logged_in(),
        """
        S: 229 (|||1025|)  -> C: 421 Protocol error, closing control connection.
                           -> finish wire-error
        """,
    )


def test_a_line_costs_little() -> None:
    """Attack 25, as a cap on work: many commands and replies in one segment each."""
    machine = logged_in()
    asked = list(machine.received(Side.CLIENT, b"NOOP\r\n" * 2000, 0.0))
    assert len(asked) == 1
    for _ in range(1999):
        assert len(list(machine.received(Side.SERVER, b"200 ok\r\n", 0.0))) == 2
    play(machine, "S: 200 ok  -> C: 200 ok")


def test_many_reply_lines_leave_in_one_piece() -> None:
    machine = greeted()
    play(machine, "C: HELP  -> S: HELP")
    text = b"214-Help\r\n" + b" verb\r\n" * 5000 + b"214 End\r\n"
    (send,) = machine.received(Side.SERVER, text, 0.0)
    assert getattr(send, "data", b"") == text


# -- in time ---------------------------------------------------------------------------------------

HURRIED = """
        S: 220 hello          -> C: 220 hello
                              -> alarm login 60
"""


def test_who_does_not_log_in_in_time_is_told_and_goes() -> None:
    """Attack 11: whatever was said meanwhile."""
    machine = fresh(login_timeout=60.0)
    play(
        machine,
        HURRIED
        + """
        C: USER joe           -> S: USER joe
        S: 331 Password?      -> C: 331 Password?
        C: PASS wrong         -> S: PASS wrong
        S: 530 No             -> C: 530 No
        C: NOOP               -> S: NOOP
        S: 200 ok             -> C: 200 ok
        alarm login           -> C: 421 Nobody logged in in time, closing control connection.
                              -> finish too-slow
        """,
    )


def test_who_is_logged_in_has_all_the_time() -> None:
    machine = fresh(login_timeout=60.0)
    play(
        machine,
        HURRIED
        + """
        C: USER joe           -> S: USER joe
        S: 230 Welcome        -> C: 230 Welcome
                              -> alarm login off
        C: USER ann           -> S: USER ann
        S: 331 Password?      -> C: 331 Password?
                              -> alarm login 60
        C: PASS right         -> S: PASS right
        S: 230 Welcome        -> C: 230 Welcome
                              -> alarm login off
        C: REIN               -> S: REIN
        S: 220 Begin again    -> C: 220 Begin again
                              -> alarm login 60
        """,
    )
