"""The server's replies: in its order, none lost, none invented, no address of its own in them."""

from __future__ import annotations

import pytest

from tests.ftptalk import active, fresh, greeted, logged_in, moving, passive
from tests.script import play
from twisted_lb.protocols.actions import Side

# -- relayed as they come ----------------------------------------------------------------------


def test_the_greeting_with_its_120_is_relayed() -> None:
    """T21."""
    play(
        fresh(),
        """
        S: 120 in a minute\\r\\n220-hello\\r\\n 220\\r\\n220 go    -> C: 120 in a minute
                                    -> C: 220-hello
                                    -> C:  220
                                    -> C: 220 go
        C: NOOP                     -> S: NOOP
        """,
    )


def test_a_reply_in_pieces_is_relayed_by_lines() -> None:
    """T17, T80."""
    play(
        logged_in(),
        """
        C: STAT                     -> S: STAT
        S~ 211-Sta
        S~ tus\\r\\n one\\r\\n tw   -> C: 211-Status
                                    -> C:  one
        S~ o\\r
        S~ \\n211 End\\r\\n         -> C:  two
                                    -> C: 211 End
        """,
    )


def test_what_nobody_asked_for_reaches_the_client_at_once() -> None:
    """T18: and it is not taken for the next command's answer."""
    play(
        logged_in(),
        """
        S: 421-Idle                 -> C: 421-Idle
        S: 421 data timeout         -> C: 421 data timeout
        C: PWD                      -> S: PWD
        S: 257 "/"                  -> C: 257 "/"
        S: 120 wait                 -> C: 120 wait
        C: NOOP                     -> S: NOOP
        """,
    )


def test_lines_that_are_no_reply_are_relayed_too() -> None:
    play(
        logged_in(),
        """
        C: PWD                      -> S: PWD
        S: warning                  -> C: warning
        S:                          -> C:
        C: NOOP
        S: 257 "/"                  -> C: 257 "/"
                                    -> S: NOOP
        """,
    )


def test_bare_line_feeds_become_line_ends() -> None:
    """Attack 8: one line of theirs is one of ours."""
    play(
        logged_in(),
        """
        C: PWD                      -> S: PWD
        S~ 257 "/a\\rb"\\n          -> C: 257 "/a\\rb"
        """,
    )


def test_an_account_may_be_asked_for() -> None:
    """T22."""
    play(
        greeted(),
        """
        C: USER joe         -> S: USER joe
        S: 331 pass         -> C: 331 pass
        C: PASS x           -> S: PASS x
        S: 332 account      -> C: 332 account
        C: PASV             -> C: 530 Log in with USER and PASS first.
        C: ACCT y           -> S: ACCT y
        S: 230 in           -> C: 230 in
        C: PASV             -> S: PASV
        """,
    )


def test_feat_tells_what_is_true() -> None:
    """T35."""
    play(
        logged_in(),
        """
        C: FEAT             -> S: FEAT
        S: 211-Features:    -> C: 211-Features:
        S:  AUTH TLS
        S:  SIZE            -> C:  SIZE
        S: 211 End          -> C:  EPRT
                            -> C:  EPSV
                            -> C: 211 End
        C: HELP             -> S: HELP
        S: 214-AUTH\\r\\n AUTH\\r\\n214 End  -> C: 214-AUTH
                            -> C:  AUTH
                            -> C: 214 End
        """,
    )


# -- addresses that were not asked for ---------------------------------------------------------


@pytest.mark.parametrize("code", [227, 228, 229])
def test_an_address_nobody_asked_for_ends_the_connection(code: int) -> None:
    """Attack 22: it would be the answer to the client's next PASV."""
    play(
        logged_in(),
        f"""
        S: {code} (10,0,0,1,4,1)    -> C: 421 Protocol error, closing control connection.
                                    -> finish wire-error
        """,
    )


def test_an_address_in_answer_to_something_unknown_is_hidden() -> None:
    """T45: an address-bearing command that nobody knows."""
    play(
        logged_in(),
        """
        C: XPASV                    -> S: XPASV
        S: 227-Entering
        S: 227 (10,0,0,1,4,1)       -> C: 502 Command not implemented.
        C: NOOP                     -> S: NOOP
        """,
    )


def test_an_address_is_hidden_from_a_transfer_too() -> None:
    play(
        moving(),
        """
        S: 229 (|||1025|)           -> C: 421 Protocol error, closing control connection.
                                    -> finish wire-error
        """,
    )


# -- transfers ---------------------------------------------------------------------------------


def test_an_error_before_any_data_channel_is_relayed_at_once() -> None:
    """T2."""
    play(
        logged_in(),
        """
        C: RETR a            -> S: RETR a
        S: 425 use PASV      -> C: 425 use PASV
                             -> tell transfer joe RETR a 0 server-refused 425
        C: NOOP              -> S: NOOP
        """,
    )
    play(
        passive(),
        """
        C: RETR a            -> S: RETR a
        S: 550 no such file  -> C: 550 no such file
                             -> tell transfer joe RETR a 0 server-refused 550
        C: RETR b            -> S: RETR b
        connected 1 client   -> dial 1 server 198.51.100.1:1025
        """,
    )


def test_success_waits_until_the_data_channel_is_joined() -> None:
    """T5: the server has said 226 before our leg to the client stands."""
    play(
        active(),
        """
        C: LIST              -> S: LIST
        S: 150 ok            -> C: 150 ok
        S: 226 done
        S: 421 idle
        connected 1 server   -> dial 1 client 192.0.2.9:51201
        connected 1 client   -> C: 226 done
                             -> C: 421 idle
        at 2
        transferred 1 done 0 7  -> tell transfer joe LIST  7 done 226
        """,
    )


def test_success_of_many_lines_waits_whole() -> None:
    """T5, T17: pure-ftpd says `226-`."""
    play(
        active(),
        """
        C: LIST              -> S: LIST
        connected 1 server   -> dial 1 client 192.0.2.9:51201
        S: 150 ok            -> C: 150 ok
        S: 226-done\\r\\n226 7 bytes
        connected 1 client   -> C: 226-done
                             -> C: 226 7 bytes
        """,
    )


def test_success_becomes_425_when_the_client_could_not_be_reached() -> None:
    """T5, T23: the bytes are lost, and the client must not believe otherwise."""
    play(
        active(),
        """
        C: LIST                     -> S: LIST
        connected 1 server          -> dial 1 client 192.0.2.9:51201
        S: 150 ok                   -> C: 150 ok
        S: 226-done\\r\\n226 7 bytes
        failed 1 client client-left -> abort 1
                                    -> alarm transfer 30
                                    -> C: 425 Can't open data connection.
                                    -> alarm transfer off
                                    -> tell transfer joe LIST  0 client-left 226
        C: NOOP                     -> S: NOOP
        """,
    )


def test_a_server_that_says_nothing_of_a_lost_transfer_is_not_waited_for() -> None:
    """T2, T16: the client gets one reply, ours; the server's late ones are dropped."""
    play(
        passive(),
        """
        C: LIST                       -> S: LIST
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        failed 1 server too-slow      -> abort 1
                                      -> alarm transfer 30
        alarm transfer                -> C: 425 Can't open data connection.
        C: PWD                        -> S: PWD
        S: 150 ok
        S: 425-nobody came
        S: 425 to me                  -> alarm transfer off
                                      -> tell transfer joe LIST  0 too-slow 425
        S: 257 "/"                    -> C: 257 "/"
        """,
    )


def test_a_late_success_of_a_lost_transfer_is_dropped_too() -> None:
    play(
        passive(),
        """
        C: LIST                       -> S: LIST
        connected 1 client            -> dial 1 server 198.51.100.1:1025
        failed 1 server too-slow      -> abort 1
                                      -> alarm transfer 30
        alarm transfer                -> C: 425 Can't open data connection.
        S: 226 done                   -> alarm transfer off
                                      -> tell transfer joe LIST  0 too-slow 226
        """,
    )


def test_nothing_is_said_after_the_end() -> None:
    """What came in the same segment as the server's last straw is nobody's."""
    play(
        logged_in(),
        """
        S: 227 (10,0,0,1,4,1)\\r\\n220 x   -> C: 421 Protocol error, closing control connection.
                                    -> finish wire-error
        """,
    )
    machine = moving()
    play(
        machine,
        """
        end killed                  -> C: 421 Service not available, closing control connection.
                                    -> finish killed
        transferred 1 killed 0 5    -> tell transfer joe RETR a 5 killed 0
        """,
    )


def test_success_is_told_at_once_when_no_server_was_met() -> None:
    """The client never came, so the server had nobody to send bytes to."""
    play(
        passive(),
        """
        C: LIST              -> S: LIST
        S: 226 nothing       -> C: 226 nothing
                             -> tell transfer joe LIST  0 done 226
        """,
    )


def test_a_server_that_says_no_150_is_understood() -> None:
    play(
        active(),
        """
        C: LIST              -> S: LIST
        connected 1 server   -> dial 1 client 192.0.2.9:51201
        S: 226 done
        connected 1 client   -> C: 226 done
        """,
    )


def test_the_data_channel_may_end_before_the_226() -> None:
    """T5: the other order."""
    play(
        moving(),
        """
        transferred 1 done 0 7
        S: 226 done          -> C: 226 done
                             -> tell transfer joe RETR a 7 done 226
        """,
    )


def test_block_mode_keeps_its_channel() -> None:
    """T6: and 110 MARK passes (T7)."""
    play(
        moving(),
        """
        S: 110 MARK 1 = 2    -> C: 110 MARK 1 = 2
        S: 250 done          -> C: 250 done
        C: RETR b            -> S: RETR b
        S: 125 again         -> C: 125 again
        S: 250 done          -> C: 250 done
                             -> tell transfer joe RETR b 0 done 250
        transferred 1 done 0 9  -> tell transfer joe RETR a 9 done 250
        """,
    )


def test_stou_tells_its_name_as_the_server_wrote_it() -> None:
    """T26."""
    play(
        passive(),
        """
        C: STOU              -> S: STOU
        S: 150 FILE: x\\xff.1  -> C: 150 FILE: x\\xff.1
        """,
    )


def test_a_150_before_any_data_channel_waits_for_one() -> None:
    """T26: PORT, or PASV, comes after the 150."""
    play(
        logged_in(server_data="passive"),
        """
        C: STOU                          -> S: STOU
        S: 150 FILE: x                   -> C: 150 FILE: x
        C: PORT 192,0,2,9,200,1          -> S: PASV
        S: 227 ok (198,51,100,1,4,1)     -> C: 200 Active data connection accepted.
                                         -> dial 1 server 198.51.100.1:1025
        connected 1 server               -> dial 1 client 192.0.2.9:51201
        connected 1 client
        S: 226 done                      -> C: 226 done
        transferred 1 done 5 0           -> tell transfer joe STOU  5 done 226
        """,
    )
    play(
        logged_in(),
        """
        C: LIST                          -> S: LIST
        S: 150 ok                        -> C: 150 ok
        C: PASV                          -> S: PASV
        S: 227 ok (198,51,100,1,4,1)     -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
        connected 1 client               -> dial 1 server 198.51.100.1:1025
        connected 1 server
        S: 226 done                      -> C: 226 done
        """,
    )


def test_a_port_that_fails_does_not_end_the_transfer_that_waits_for_it() -> None:
    """T26: 425 belongs to whom has no connection yet; here both, and the transfer goes on."""
    play(
        logged_in(),
        """
        C: LIST                                 -> S: LIST
        S: 150 ok                               -> C: 150 ok
        C: PORT 192,0,2,9,200,1                 -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 425 cannot connect                   -> release 1
                                                -> C: 425 cannot connect
        S: 426 given up                         -> C: 426 given up
                                                -> tell transfer joe LIST  0 server-refused 426
        """,
    )


def test_a_command_that_turns_out_to_be_a_transfer() -> None:
    """T27: nobody knows XRETR, but 150 says what it does."""
    play(
        logged_in(server_data="passive"),
        """
        C: PORT 192,0,2,9,200,1          -> S: PASV
        S: 227 ok (198,51,100,1,4,1)     -> C: 200 Active data connection accepted.
        C: XRETR a                       -> S: XRETR a
        S: 150 ok                        -> C: 150 ok
                                         -> dial 1 server 198.51.100.1:1025
        connected 1 server               -> dial 1 client 192.0.2.9:51201
        connected 1 client
        S: 226 done                      -> C: 226 done
        transferred 1 done 0 3           -> tell transfer joe XRETR a 3 done 226
        """,
    )


# -- ABOR, STAT, QUIT, REIN --------------------------------------------------------------------


def test_abor_of_a_running_transfer() -> None:
    """T14, T16: 426, then 226, and the data channel is the server's to close."""
    play(
        moving(),
        """
        C: ABOR                        -> S: ABOR
        S: 426 aborted                 -> C: 426 aborted
        transferred 1 server-closed 0 9  -> tell transfer joe RETR a 9 client-left 426
        S: 226 abort done              -> C: 226 abort done
        C: NOOP                        -> S: NOOP
        """,
    )


@pytest.mark.parametrize("answer", ["225 nothing to abort", "226 nothing to abort"])
def test_abor_that_comes_too_late(answer: str) -> None:
    """T16: 226 of the transfer, then ABOR's own."""
    play(
        moving(),
        f"""
        C: ABOR                        -> S: ABOR
        S: 226 done                    -> C: 226 done
        S: {answer}                    -> C: {answer}
        transferred 1 done 0 9         -> tell transfer joe RETR a 9 done 226
        """,
    )


def test_a_server_that_answers_abor_and_transfer_at_once() -> None:
    """T16: the next command is not kept waiting for a reply that will not come."""
    play(
        moving(),
        """
        C: ABOR                        -> S: ABOR
        S: 226 both                    -> C: 226 both
        C: PWD                         -> S: PWD
        C: NOOP
        S: 257 "/"                     -> C: 257 "/"
                                       -> S: NOOP
        """,
    )


def test_an_abor_that_came_too_late_does_not_touch_what_came_after_it() -> None:
    """T16: its 225 is about the transfer before, not about the next one."""
    play(
        moving(),
        """
        C: ABOR                        -> S: ABOR
        S: 226 done                    -> C: 226 done
        transferred 1 done 0 9         -> tell transfer joe RETR a 9 done 226
        C: RETR b                      -> S: RETR b
        S: 225 nothing to abort        -> C: 225 nothing to abort
        S: 425 use PASV                -> C: 425 use PASV
                                       -> tell transfer joe RETR b 0 server-refused 425
        """,
    )


def test_abor_before_the_data_channel_is_used() -> None:
    """T16: 225, and what was announced is gone, here as there."""
    play(
        passive(),
        """
        C: ABOR                        -> S: ABOR
        S: 225 closed                  -> C: 225 closed
                                       -> release 1
        """,
    )
    play(
        passive(),
        """
        C: RETR a                      -> S: RETR a
        S: 150 ok                      -> C: 150 ok
        C: ABOR                        -> S: ABOR
        S: 225 closed                  -> C: 225 closed
                                       -> tell transfer joe RETR a 0 done 225
                                       -> release 1
        C: RETR b                      -> S: RETR b
        """,
    )


def test_a_server_that_does_not_know_abor() -> None:
    play(
        moving(),
        """
        C: ABOR                        -> S: ABOR
        S: 502 what?                   -> C: 502 what?
        S: 226 done                    -> C: 226 done
        """,
    )


def test_stat_during_a_transfer_is_told_before_its_end() -> None:
    """T15."""
    play(
        moving(),
        """
        C: STAT                        -> S: STAT
        S: 211-a\\r\\n226 x\\r\\n211 b -> C: 211-a
                                       -> C: 226 x
                                       -> C: 211 b
        S: 226 done                    -> C: 226 done
        C: NOOP                        -> S: NOOP
        """,
    )


def test_a_server_that_answers_noop_after_the_transfer() -> None:
    """T15, T30: it does one thing at a time."""
    play(
        moving(),
        """
        C: NOOP                        -> S: NOOP
        S: 226 done                    -> C: 226 done
        C: PWD
        S: 200 ok                      -> C: 200 ok
                                       -> S: PWD
        """,
    )


@pytest.mark.parametrize("first", ["221 bye", "226 done"])
def test_quit_during_a_transfer(first: str) -> None:
    """T10: both replies, in the server's order."""
    second = "226 done" if first == "221 bye" else "221 bye"
    play(
        moving(),
        f"""
        C: QUIT                        -> S: QUIT
        S: {first}                     -> C: {first}
        S: {second}                    -> C: {second}
        transferred 1 done 0 9         -> tell transfer joe RETR a 9 done 226
        closed server                  -> finish done
        """,
    )


def test_rein_gives_up_what_was_announced_and_keeps_the_connection() -> None:
    """T8."""
    play(
        passive(),
        """
        C: REIN                        -> S: REIN
        S: 220 again                   -> C: 220 again
                                       -> release 1
        C: USER ann                    -> S: USER ann
        """,
    )


def test_rein_that_the_server_refuses_changes_nothing() -> None:
    play(
        passive(),
        """
        C: REIN                        -> S: REIN
        S: 502 no                      -> C: 502 no
        connected 1 client             -> dial 1 server 198.51.100.1:1025
        """,
    )


# -- back-pressure and malice ------------------------------------------------------------------


def test_replies_that_must_wait_ask_for_a_pause() -> None:
    """T5, attack 25."""
    machine = active()
    play(
        machine,
        """
        C: LIST              -> S: LIST
        S: 226 done
        """,
    )
    assert not machine.congested(Side.SERVER)
    assert not list(machine.received(Side.SERVER, b"421 idle\r\n" * 14_000, 0.0))
    assert machine.congested(Side.SERVER)


def test_a_server_that_never_ends_its_line() -> None:
    """Attack 22: the client gets 421, nobody holds a gigabyte."""
    machine = logged_in()
    play(machine, "S~ 220 " + "x" * 60_000)
    play(
        machine,
        f"""
        S~ {"x" * 6_000}     -> C: 421 Protocol error, closing control connection.
                             -> finish wire-error
        """,
    )


def test_a_server_that_lets_go_in_the_middle_of_a_reply() -> None:
    """T17: the client gets a whole reply, and then 421."""
    play(
        logged_in(),
        """
        C: STAT              -> S: STAT
        S: 211-Status        -> C: 211-Status
        S~ 211 En
        closed server        -> C: 211 En
                             -> C: 421 Service not available, closing control connection.
                             -> finish server-closed
        """,
    )
    play(
        logged_in(),
        """
        C: STAT              -> S: STAT
        S: 211-Status        -> C: 211-Status
        S~ oops
        closed server        -> C: oops
                             -> C: 211 Closing.
                             -> C: 421 Service not available, closing control connection.
                             -> finish server-closed
        """,
    )


@pytest.mark.parametrize(
    ("verb", "ending", "said"),
    [
        ("STOR a", "client-left", "426 Connection closed; transfer aborted."),
        ("STOR a", "done", "226 done"),
        ("RETR a", "client-left", "226 done"),
    ],
)
def test_a_part_of_an_upload_is_never_told_as_the_whole(verb: str, ending: str, said: str) -> None:
    """T4, T68: some servers take a reset for an end."""
    machine = passive()
    play(
        machine,
        f"""
        C: {verb}               -> S: {verb}
        connected 1 client      -> dial 1 server 198.51.100.1:1025
        connected 1 server
        S: 150 ok               -> C: 150 ok
        transferred 1 {ending} 9 0
        S: 226 done             -> C: {said}
                                -> tell transfer joe {verb} 9 {ending} 226
        """,
    )
