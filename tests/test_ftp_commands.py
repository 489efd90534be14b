"""The client's lines: each in its turn, answered by us or passed on."""

from __future__ import annotations

import pytest

from tests.ftptalk import fresh, greeted, logged_in, moving, passive
from tests.script import play
from twisted_lb.protocols.actions import Actions, Finish, Listen, Send, Side
from twisted_lb.terms import Address


def test_a_command_waits_for_the_greeting() -> None:
    """T20."""
    play(
        fresh(),
        """
        C: USER joe
        S: 220 hello    -> C: 220 hello
                        -> S: USER joe
        """,
    )


def test_pipelined_commands_are_sent_one_by_one() -> None:
    """T20."""
    play(
        logged_in(),
        """
        C: PWD\\r\\nTYPE I\\r\\ncwd /x -> S: PWD
        S: 257 "/"                     -> C: 257 "/"
                                       -> S: TYPE I
        S: 200 ok                      -> C: 200 ok
                                       -> S: cwd /x
        S: 250 ok                      -> C: 250 ok
        """,
    )


def test_a_transfer_may_be_sent_with_its_announcement() -> None:
    """T20: `PASV` and `LIST` in one segment; `PORT` and `LIST` is in test_ftp_announcement."""
    play(
        logged_in(),
        """
        C: PASV\\r\\nLIST               -> S: PASV
        S: 227 (198,51,100,1,4,1)       -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                        -> C: 227 Entering passive mode (192,0,2,1,156,64).
                                        -> S: LIST
        """,
    )


def test_what_we_answer_is_answered_in_its_turn() -> None:
    """T20: 502 comes after the answers of the commands before it."""
    play(
        logged_in(),
        """
        C: PWD\\r\\nAUTH TLS\\r\\nNOOP  -> S: PWD
        S: 257 "/"                      -> C: 257 "/"
                                        -> C: 502 AUTH is not implemented.
                                        -> S: NOOP
        """,
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("AUTH TLS", "502 AUTH is not implemented."),
        ("auth ssl", "502 AUTH is not implemented."),
        ("ADAT x", "503 AUTH comes first."),
        ("PBSZ 0", "503 AUTH comes first."),
        ("PROT P", "503 AUTH comes first."),
        ("CCC", "533 The control connection is not protected."),
        ("MIC x", "533 The control connection is not protected."),
        ("CONF x", "533 The control connection is not protected."),
        ("ENC x", "533 The control connection is not protected."),
        ("LPRT 4,4,1,2,3,4,2,4,1", "502 LPRT is not implemented."),
        ("LPSV", "502 LPSV is not implemented."),
        ("SPSV 1", "502 SPSV is not implemented."),
        ("ESTA", "502 ESTA is not implemented."),
        ("ESTP", "502 ESTP is not implemented."),
        ("CPSV", "502 CPSV is not implemented."),
        ("PRET RETR a", "502 PRET is not implemented."),
        ("SSCN ON", "502 SSCN is not implemented."),
    ],
)
def test_security_and_strange_addresses_never_reach_the_server(command: str, code: str) -> None:
    """T31, T32, T33, T34, T45, T75, T79: every time."""
    play(logged_in(), f"C: {command}  -> C: {code}\nC: {command}  -> C: {code}")


@pytest.mark.parametrize("server_data", ["passive", "active"])
@pytest.mark.parametrize("verb", ["EPSV", "EPRT |1|192.0.2.9|51201|"])
def test_the_server_hears_what_the_client_says_and_announcements_and_nothing_else(
    verb: str, server_data: str
) -> None:
    """T13, T54: no TYPE, STRU, MODE or REST of ours, whatever is translated and tried again."""
    machine = logged_in(server_data=server_data)
    heard: list[bytes] = []

    def says(side: Side, line: bytes) -> None:
        for action in machine.received(side, line + b"\r\n", 0.0):
            if isinstance(action, Listen):
                follow(machine.listening(action.data, action.side, HERE, 0.0))
            follow([action])

    def follow(actions: Actions) -> None:
        for action in actions:
            if isinstance(action, Send) and action.to is Side.SERVER:
                heard.extend(action.data.split(b"\r\n")[:-1])
                answer(action.data)

    def answer(line: bytes) -> None:
        answers = {
            b"EPSV": b"500 what?",
            b"EPRT": b"500 what?",
            b"PASV": PASSIVE,
            b"RETR": b"150 ok",
        }
        says(Side.SERVER, answers.get(line[:4], b"200 ok"))

    said = [
        b"TYPE I",
        b"STRU F",
        b"MODE S",
        b"SIZE a",
        b"TYPE A",
        verb.encode(),
        b"REST 5",
        b"RETR a",
    ]
    for line in said:
        says(Side.CLIENT, line)
    announced = {b"EPSV", b"EPRT", b"PASV", b"PORT"}
    others = [line for line in heard if line[:4] not in announced]
    assert others == [line for line in said if line[:4] not in announced]
    assert len(heard) == len(others) + 2


HERE = Address("198.51.100.254", 30_000)
PASSIVE = b"227 Entering (198,51,100,1,4,1)"


@pytest.mark.parametrize("verb", ["LIST", "MLSD", "NLST"])
def test_a_listing_is_a_transfer_whatever_it_is_called(verb: str) -> None:
    """T56."""
    play(
        passive(),
        f"""
        C: {verb} /        -> S: {verb} /
        connected 1 client -> dial 1 server 198.51.100.1:1025
        connected 1 server
        S: 150 ok          -> C: 150 ok
        S: 226 done        -> C: 226 done
        transferred 1 done 0 9  -> tell transfer joe {verb} / 9 done 226
        """,
    )


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("RETR a\\0b", "501 Syntax error: forbidden byte in the line."),
        ("RETR a\\rDELE b", "501 Syntax error: forbidden byte in the line."),
        ("", "500 Syntax error: no command."),
        ("  NOOP", "500 Syntax error: no command."),
        ("PO\\x08RT 192,0,2,9,200,1", "500 Syntax error: no command."),
        ("x" * 9000, "500 Line too long."),
    ],
)
def test_what_is_no_command_is_answered_once_and_never_sent(line: str, reply: str) -> None:
    """T19, attack 8."""
    play(
        logged_in(),
        f"""
        C: {line}\\r\\nNOOP     -> C: {reply}
                                -> S: NOOP
        """,
    )


def test_port_in_other_white_space_is_port_all_the_same() -> None:
    """T45, attack 19: servers split at a tab."""
    play(logged_in(), "C: port\\t10,0,0,1,200,1  -> tell attack bounce\n"
         "-> C: 501 Rejected data connection to foreign address.")  # fmt: skip


def test_names_that_are_not_ascii_pass_unchanged() -> None:
    """T57: UTF-8, Latin-1, IAC doubled."""
    play(
        logged_in(),
        """
        C: MKD caf\\xc3\\xa9   -> S: MKD caf\\xc3\\xa9
        S: 257 "caf\\xc3\\xa9" -> C: 257 "caf\\xc3\\xa9"
        C: MKD caf\\xe9        -> S: MKD caf\\xe9
        S: 257 ok              -> C: 257 ok
        C: MKD \\xff\\xff      -> S: MKD \\xff\\xff
        """,
    )


def test_unknown_commands_are_the_servers_business() -> None:
    """T27, T53: SIZE, MDTM and what nobody has heard of."""
    play(
        logged_in(),
        """
        C: SIZE a              -> S: SIZE a
        S: 213 5               -> C: 213 5
        C: XFISH 1             -> S: XFISH 1
        S: 299 fine            -> C: 299 fine
        C: MLST a              -> S: MLST a
        S: 250-Listing\\r\\n type=file; a\\r\\n250 End   -> C: 250-Listing
                               -> C:  type=file; a
                               -> C: 250 End
        C: REST 5              -> S: REST 5
        S: 350 go on           -> C: 350 go on
        C: OPTS UTF8 ON        -> S: OPTS UTF8 ON
        """,
    )


def test_rest_is_followed_by_its_transfer_and_nothing_of_ours() -> None:
    """T7, T55."""
    play(
        passive(),
        """
        C: REST 100\\r\\nRETR a  -> S: REST 100
        S: 350 ok                -> C: 350 ok
                                 -> S: RETR a
        """,
    )


def test_announcements_are_judged_before_they_are_begun() -> None:
    """T12, T39, T46; the whole of it is in test_ftp_announcement."""
    machine = greeted()
    play(machine, "C: PASV  -> C: 530 Log in with USER and PASS first.")
    play(
        logged_in(),
        """
        C: PORT 1,2             -> C: 501 Invalid PORT format.
        C: PORT 10,0,0,7,200,1  -> tell attack bounce
                                -> C: 501 Rejected data connection to foreign address.
        C: EPSV ALL             -> C: 200 EPSV ALL accepted.
        C: PASV                 -> C: 503 Only EPSV after EPSV ALL.
        C: EPSV                 -> S: EPSV
        """,
    )


# -- overtaking --------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["ABOR", "STAT", "NOOP", "QUIT"])
def test_these_overtake_a_transfer_without_an_answer(verb: str) -> None:
    """T15, T30, T10."""
    play(
        passive(),
        """
        C: RETR a    -> S: RETR a
        C: PWD
        """,
    )
    play(
        passive(),
        f"""
        C: RETR a    -> S: RETR a
        C: {verb}    -> S: {verb}
        """,
    )


def test_abor_is_as_urgent_for_the_server_as_it_was_for_us() -> None:
    """T14: IAC IP, IAC DM; IAC IP alone is no Synch, and nothing else is urgent."""
    play(
        moving(),
        """
        C: \\xff\\xf4\\xff\\xf2ABOR   -> synch server
                                    -> S: ABOR
        """,
    )
    play(moving(), "C: \\xff\\xf4ABOR  -> S: ABOR")
    play(moving(), "C: \\xff\\xf4\\xff\\xf2NOOP  -> S: NOOP")


def test_any_command_passes_once_the_transfer_has_its_1xx() -> None:
    """T30."""
    play(
        moving(),
        """
        C: PWD               -> S: PWD
        S: 257 "/"           -> C: 257 "/"
        C: AUTH TLS          -> C: 502 AUTH is not implemented.
        """,
    )


def test_a_second_transfer_waits_for_the_first() -> None:
    play(
        moving(),
        """
        C: RETR b
        C: NOOP
        S: 226 done              -> C: 226 done
                                 -> S: RETR b
                                 -> S: NOOP
        """,
    )


def test_several_may_overtake_but_not_without_end() -> None:
    """Attack 20, 25: the ninth waits."""
    machine = passive()
    play(machine, "C: RETR a   -> S: RETR a")
    for _ in range(8):
        play(machine, "C: NOOP   -> S: NOOP")
    play(machine, "C: NOOP")
    play(
        machine,
        """
        S: 200 ok       -> C: 200 ok
                        -> S: NOOP
        """,
    )


def test_nothing_overtakes_a_command_that_is_no_transfer() -> None:
    play(
        logged_in(),
        """
        C: CWD /slow    -> S: CWD /slow
        C: ABOR
        S: 250 ok       -> C: 250 ok
                        -> S: ABOR
        """,
    )


def test_nothing_is_sent_while_a_reply_is_half_told() -> None:
    """T17: our 502 does not fall into the middle of the server's 211."""
    play(
        moving(),
        """
        C: STAT           -> S: STAT
        S: 211-Status     -> C: 211-Status
        C: AUTH TLS
        S: 226 no end     -> C: 226 no end
        S: 211 End        -> C: 211 End
                          -> C: 502 AUTH is not implemented.
        """,
    )


# -- somebody who is no FTP client -------------------------------------------------------------


@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "POST /x HTTP/1.1", "OPTIONS * x"])
def test_a_web_request_ends_the_connection_at_its_first_line(request_line: str) -> None:
    """Attack 4: nothing of it is echoed."""
    for machine in (greeted(), fresh()):
        play(
            machine,
            f"""
            C: {request_line}\\r\\nHost: x   -> tell attack web-request
                    -> C: 421 Protocol error, closing control connection.
                    -> finish wire-error
            """,
        )


def test_a_user_may_call_a_command_what_he_likes() -> None:
    play(logged_in(), "C: GET a  -> S: GET a")


def test_unknown_commands_before_the_login_end_the_connection() -> None:
    """Attack 4: the server's 500 and 502, and ours."""
    play(
        greeted(unknown_commands=3),
        """
        C: FISH             -> S: FISH
        S: 500 what?        -> C: 500 what?
        C:                  -> C: 500 Syntax error: no command.
        C: CAKE             -> S: CAKE
        S: 502 what?        -> C: 502 what?
                            -> tell attack unknown-commands
                            -> C: 421 Protocol error, closing control connection.
                            -> finish wire-error
        """,
    )


def test_unknown_commands_of_ours_count_alike() -> None:
    play(
        greeted(unknown_commands=2),
        """
        C: \\0\\r\\n\\0\\r\\nUSER joe   -> C: 501 Syntax error: forbidden byte in the line.
                            -> C: 501 Syntax error: forbidden byte in the line.
                            -> tell attack unknown-commands
                            -> C: 421 Protocol error, closing control connection.
                            -> finish wire-error
        """,
    )


@pytest.mark.parametrize("line", [b"", b"x" * 9000, b"AUTH TLS", b"PORT 1", b"EPRT", b"PASV 1"])
def test_commands_that_are_refused_for_ever_end_the_connection(line: bytes) -> None:
    """Attack 25: a line of two bytes costs us as much as a long one."""
    machine = logged_in()
    machine.received(Side.CLIENT, (line + b"\r\n") * 99, 0.0)
    *before, finish = machine.received(Side.CLIENT, (line + b"\r\n") * 100, 0.0)
    assert finish == Finish("wire-error")
    assert sum(action.data.count(b"\n") for action in before if isinstance(action, Send)) == 2


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("C: CWD /", "S: 550 no"),
        ("C: LIST", "S: 425 no"),
        ("C: PASV", "S: 421 no"),
        ("C: USER joe", "S: 331 who?"),
    ],
)
def test_only_a_row_of_refused_commands_ends_a_connection(said: str, answered: str) -> None:
    machine = logged_in(refused_commands=3)
    for _ in range(3):
        asked = [machine.received(Side.CLIENT, b"PROT P\r\n", 0.0) for _ in range(2)]
        assert not any(isinstance(action, Finish) for actions in asked for action in actions)
        machine.received(Side.CLIENT, said[3:].encode() + b"\r\n", 0.0)
        machine.received(Side.SERVER, answered[3:].encode() + b"\r\n", 0.0)


def test_commands_that_the_server_does_not_know_count_among_the_refused() -> None:
    play(
        logged_in(refused_commands=2),
        """
        C: FISH             -> S: FISH
        S: 500 what?        -> C: 500 what?
        C: PBSZ 0           -> C: 503 AUTH comes first.
                            -> tell attack unknown-commands
                            -> C: 421 Protocol error, closing control connection.
                            -> finish wire-error
        """,
    )


# -- back-pressure -----------------------------------------------------------------------------


def test_waiting_commands_ask_for_a_pause() -> None:
    """T20, attack 25."""
    machine = logged_in()
    play(machine, "C: CWD /slow  -> S: CWD /slow")
    assert not machine.congested(Side.CLIENT)
    assert not list(machine.received(Side.CLIENT, b"NOOP\r\n" * 4000, 0.0))
    assert machine.congested(Side.CLIENT)
    assert not machine.congested(Side.SERVER)


def test_commands_that_wait_without_end_end_the_connection() -> None:
    machine = logged_in()
    play(machine, "C: CWD /slow  -> S: CWD /slow")
    for _ in range(15):
        assert not list(machine.received(Side.CLIENT, b"NOOP\r\n" * 11_000, 0.0))
    asked = [type(each).__name__ for each in machine.received(Side.CLIENT, b"N" * 66_000, 0.0)]
    assert asked == ["Send", "Finish"]
