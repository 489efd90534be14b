"""PASV, EPSV, PORT and EPRT: translated for either leg, in either family, or refused."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.ftptalk import fresh, greeted, logged_in, passive
from tests.script import play
from twisted_lb.protocols.ftp.circumstances import ServerMemory

# -- the four cases ----------------------------------------------------------------------------


@pytest.mark.parametrize("server_data", ["passive", "same"])
def test_both_legs_passive(server_data: str) -> None:
    """The client connects to us, and we to the server, when it does."""
    play(
        logged_in(server_data=server_data),
        """
        C: PASV                                -> S: PASV
        S: 227 Entering (198,51,100,1,4,1)     -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
        connected 1 client                     -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: LIST                                -> S: LIST
        S: 150 ok                              -> C: 150 ok
        """,
    )


def test_client_passive_server_active() -> None:
    """Both connect to us."""
    play(
        logged_in(server_data="active"),
        """
        C: PASV                                -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 200 ok                              -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
        C: LIST                                -> S: LIST
        connected 1 client
        connected 1 server
        S: 150 ok                              -> C: 150 ok
        """,
    )


@pytest.mark.parametrize("server_data", ["active", "same"])
def test_both_legs_active(server_data: str) -> None:
    """The server connects to us, and we to the client as soon as it has (T47)."""
    play(
        logged_in(server_data=server_data),
        """
        C: PORT 192,0,2,9,200,1                -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 200 ok                              -> C: 200 Active data connection accepted.
        C: LIST                                -> S: LIST
        connected 1 server                     -> dial 1 client 192.0.2.9:51201
        S: 150 ok                              -> C: 150 ok
        connected 1 client
        """,
    )


def test_client_active_server_passive() -> None:
    """We connect to both: to the server for the transfer, to the client when it is accepted."""
    play(
        logged_in(server_data="passive"),
        """
        C: PORT 192,0,2,9,200,1                -> S: PASV
        S: 227 ok 198,51,100,1,4,1             -> C: 200 Active data connection accepted.
        C: LIST                                -> S: LIST
                                               -> dial 1 server 198.51.100.1:1025
        connected 1 server
        S: 125 ok                              -> C: 125 ok
                                               -> dial 1 client 192.0.2.9:51201
        connected 1 client
        """,
    )


def test_port_and_its_transfer_in_one_segment() -> None:
    """T20."""
    play(
        logged_in(),
        """
        C: PORT 192,0,2,9,200,1\\r\\nLIST       -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: 200 ok                              -> C: 200 Active data connection accepted.
                                               -> S: LIST
        """,
    )


# -- families ----------------------------------------------------------------------------------


def test_ipv6_on_both_sides() -> None:
    """T42: 229 names the port only."""
    play(
        logged_in(client=6, server=6),
        """
        C: EPSV                                -> S: EPSV
        S: 229 Ok (|||1025|)                   -> listen 1 client
        listening 1 client [2001:db8:c::1]:40000
                                -> C: 229 Entering extended passive mode (|||40000|).
        connected 1 client                     -> dial 1 server [2001:db8:5::1]:1025
        C: EPRT |2|2001:db8:c::9|51201|        -> release 1
                                               -> listen 2 server
        listening 2 server [2001:db8:5::fe]:30000  -> S: EPRT |2|2001:db8:5::fe|30000|
        S: 200 ok                              -> C: 200 Active data connection accepted.
        """,
    )


def test_a_client_in_ipv6_of_a_server_in_ipv4() -> None:
    """T43: EPSV becomes PASV, EPRT becomes PORT."""
    play(
        logged_in(client=6),
        """
        C: EPSV 2                              -> S: PASV
        S: 227 ok (198,51,100,1,4,1)           -> listen 1 client
        listening 1 client [2001:db8:c::1]:40000
                                -> C: 229 Entering extended passive mode (|||40000|).
        C: EPRT |2|2001:db8:c::9|51201|        -> release 1
                                               -> listen 2 server
        listening 2 server 198.51.100.254:30000  -> S: PORT 198,51,100,254,117,48
        S: 200 ok                              -> C: 200 Active data connection accepted.
        """,
    )


def test_a_client_in_ipv4_of_a_server_in_ipv6() -> None:
    """T43: PASV becomes EPSV, PORT becomes EPRT."""
    play(
        logged_in(server=6),
        """
        C: PASV                                -> S: EPSV
        S: 229 ok (|||1025|)                   -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
        C: PORT 192,0,2,9,200,1                -> release 1
                                               -> listen 2 server
        listening 2 server [2001:db8:5::fe]:30000  -> S: EPRT |2|2001:db8:5::fe|30000|
        S: 200 ok                              -> C: 200 Active data connection accepted.
        """,
    )


def test_in_ipv4_the_server_is_spoken_to_as_the_client_speaks() -> None:
    play(
        logged_in(),
        """
        C: EPSV                                -> S: EPSV
        S: 229 ok (|||1025|)                   -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 229 Entering extended passive mode (|||40000|).
        C: EPRT |1|192.0.2.9|51201|            -> release 1
                                               -> listen 2 server
        listening 2 server 198.51.100.254:30000  -> S: EPRT |1|198.51.100.254|30000|
        S: 200 ok                              -> C: 200 Active data connection accepted.
        """,
    )


@pytest.mark.parametrize("code", [500, 501, 502, 504, 522])
def test_a_server_that_rejects_epsv_is_asked_for_pasv(code: int) -> None:
    """T44: within the same command, and remembered for the server."""
    memory = ServerMemory()
    play(
        logged_in(memory=memory),
        f"""
        C: EPSV                                -> S: EPSV
        S: {code} what?                        -> S: PASV
        S: 227 ok (198,51,100,1,4,1)           -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 229 Entering extended passive mode (|||40000|).
        """,
    )
    play(logged_in(memory=memory), "C: EPSV  -> S: PASV")


def test_a_server_that_rejects_eprt_is_told_port() -> None:
    """T44."""
    memory = ServerMemory()
    play(
        logged_in(memory=memory),
        """
        C: EPRT |1|192.0.2.9|51201|             -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: EPRT |1|198.51.100.254|30000|
        S: 502-what?\\r\\n502 not me            -> S: PORT 198,51,100,254,117,48
        S: 200 ok                               -> C: 200 Active data connection accepted.
        """,
    )
    play(
        logged_in(memory=memory),
        """
        C: EPRT |1|192.0.2.9|51201|             -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        """,
    )


def test_in_ipv6_there_is_nothing_older_to_fall_back_to() -> None:
    play(
        logged_in(server=6),
        """
        C: PASV               -> S: EPSV
        S: 502 what?          -> release 1
                              -> C: 502 what?
        """,
    )


# -- what the server answers -------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["530 not now", "421 closing", "425 no ports", "500 what?"])
def test_a_servers_refusal_is_the_clients_answer(reply: str) -> None:
    play(
        logged_in(),
        f"""
        C: PASV               -> S: PASV
        S: {reply}            -> release 1
                              -> C: {reply}
        """,
    )
    play(
        logged_in(),
        f"""
        C: PORT 192,0,2,9,200,1                 -> listen 1 server
        listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
        S: {reply}            -> release 1
                              -> C: {reply}
        """,
    )


@pytest.mark.parametrize(
    "reply", ["227 Entering", "227 (1,2,3,4,5)", "227 (1,2,3,4,256,1)", "200 ok", "350 what?"]
)
def test_a_malformed_227_opens_no_port(reply: str) -> None:
    """T11, T27."""
    play(
        logged_in(),
        f"""
        C: PASV               -> S: PASV
        S: {reply}            -> release 1
                              -> C: 425 Can't open data connection.
        """,
    )


def test_a_malformed_229_opens_no_port() -> None:
    play(
        logged_in(),
        """
        C: EPSV               -> S: EPSV
        S: 229 (||1025|)      -> release 1
                              -> C: 425 Can't open data connection.
        """,
    )


def test_a_227_of_many_lines_is_read_by_its_last_one() -> None:
    """Attack 8: `227-` is not 227."""
    play(
        logged_in(),
        """
        C: PASV                                  -> S: PASV
        S: 227-Entering (198,51,100,1,9,9)
        S: 227 Entering (198,51,100,1,4,1)       -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
        connected 1 client                       -> dial 1 server 198.51.100.1:1025
        """,
    )


def test_the_host_in_a_227_is_never_dialled() -> None:
    """Attack 5: the control connection's host is; the other one is told once."""
    memory = ServerMemory()
    machine = logged_in(memory=memory)
    for number, former, fact in ((1, "", "-> tell attack foreign-227"), (2, "-> release 1", "")):
        play(
            machine,
            f"""
            C: PASV                              {former}
                                                 -> S: PASV
            S: 227 Entering (10,0,0,99,4,1)      {fact}
                                                 -> listen {number} client
            listening {number} client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (192,0,2,1,156,64).
            connected {number} client            -> dial {number} server 198.51.100.1:1025
            connected {number} server
            """,
        )
    assert memory.foreign


def test_the_advertised_address_is_the_one_configured() -> None:
    play(
        logged_in(advertise={"default": "203.0.113.7"}),
        """
        C: PASV                                -> S: PASV
        S: 227 ok (198,51,100,1,4,1)           -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                -> C: 227 Entering passive mode (203,0,113,7,156,64).
        """,
    )


# -- no port to be had -------------------------------------------------------------------------


def test_without_a_free_port_the_client_gets_425() -> None:
    """T92: within the verb, and nothing stays behind."""
    play(
        logged_in(),
        """
        C: PASV                                -> S: PASV
        S: 227 ok (198,51,100,1,4,1)           -> listen 1 client
        failed 1 client full                   -> release 1
                                               -> C: 425 Can't open data connection.
        C: PORT 192,0,2,9,200,1                -> listen 2 server
        failed 2 server full                   -> release 2
                                               -> C: 425 Can't open data connection.
        C: NOOP                                -> S: NOOP
        """,
    )


def test_a_listener_that_expires_before_the_server_answers() -> None:
    """T92: a server that is busy answers late; no second port is opened for nothing."""
    for command in ("PORT 192,0,2,9,200,1", "PASV"):
        play(
            logged_in(server_data="active"),
            f"""
            C: {command}                            -> listen 1 server
            listening 1 server 198.51.100.254:30000 -> S: PORT 198,51,100,254,117,48
            failed 1 server too-slow                -> abort 1
            S: 200 ok                               -> C: 425 Can't open data connection.
            C: NOOP                                 -> S: NOOP
            """,
        )


# -- what a client may ask for -----------------------------------------------------------------


@pytest.mark.parametrize("command", ["PASV", "EPSV", "EPSV ALL", "PORT 192,0,2,9,200,1", "EPRT x"])
def test_before_the_login_no_port_is_opened(command: str) -> None:
    """Attack 19."""
    play(greeted(), f"C: {command}  -> C: 530 Log in with USER and PASS first.")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("PORT", "501 Syntax error: command needs an argument."),
        ("EPRT", "501 Syntax error: command needs an argument."),
        ("PASV x", "501 Syntax error: command does not accept arguments."),
        ("PORT 192,0,2,9,256,1", "501 Invalid PORT format."),
        ("PORT 192,0,2,9,200", "501 Invalid PORT format."),
        ("PORT 192,0,2,9,0200,1", "501 Invalid PORT format."),
        ("EPRT |1|192.0.2.9|65536|", "501 Invalid EPRT format."),
        ("EPRT |2|2001:db8:c::9|5000|", "522 Network protocol not supported, use (1)."),
        ("EPRT |3|x|5000|", "522 Network protocol not supported, use (1)."),
        ("EPSV 2", "522 Network protocol not supported, use (1)."),
        ("EPSV 3", "522 Network protocol not supported, use (1)."),
        ("EPSV x", "501 Invalid EPSV format."),
    ],
)
def test_a_malformed_announcement_is_answered_and_not_sent(command: str, reply: str) -> None:
    """T12, T40, T41."""
    play(logged_in(), f"C: {command}  -> C: {reply}")


@pytest.mark.parametrize(
    "command", ["PASV", "PORT 192,0,2,9,200,1", "EPSV 1", "EPRT |1|192.0.2.9|5000|"]
)
def test_a_client_in_ipv6_cannot_use_ipv4(command: str) -> None:
    """T40: the family of the client's connection counts."""
    reply = "522 Network protocol not supported, use (2)."
    play(logged_in(client=6), f"C: {command}  -> C: {reply}")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("PORT 10,0,0,7,200,1", "501 Rejected data connection to foreign address."),
        ("PORT 127,0,0,1,200,1", "501 Rejected data connection to foreign address."),
        ("PORT 0,0,0,0,200,1", "501 Rejected data connection to foreign address."),
        ("PORT 192,0,2,1,200,1", "501 Rejected data connection to foreign address."),
        ("PORT 198,51,100,1,200,1", "501 Rejected data connection to foreign address."),
        ("EPRT |1|10.0.0.7|5000|", "501 Rejected data connection to foreign address."),
        ("EPRT |2|::ffff:10.0.0.7|5000|", "501 Rejected data connection to foreign address."),
        ("PORT 192,0,2,9,3,255", "501 Can't connect over a privileged port."),
        ("EPRT |1|192.0.2.9|22|", "501 Can't connect over a privileged port."),
    ],
)
def test_a_bounce_is_refused_and_nothing_is_sent(command: str, reply: str) -> None:
    """T28, T46, attack 5: the texts say nothing about what is there (T47)."""
    play(
        logged_in(),
        f"""
        C: {command}          -> tell attack bounce
                              -> C: {reply}
        """,
    )


def test_an_allowed_peer_may_be_named() -> None:
    """T46: FXP, by option."""
    play(
        logged_in(allowed_peers=(ip_network("10.0.0.0/24"),), server_data="passive"),
        """
        C: PORT 10,0,0,7,200,1             -> S: PASV
        S: 227 ok (198,51,100,1,4,1)       -> C: 200 Active data connection accepted.
        C: RETR a                          -> S: RETR a
                                           -> dial 1 server 198.51.100.1:1025
        S: 150 ok                          -> C: 150 ok
        connected 1 server                 -> dial 1 client 10.0.0.7:51201
        """,
    )


def test_the_clients_own_address_in_ipv6s_clothes_is_its_own() -> None:
    """T41, T43."""
    play(logged_in(), "C: EPRT |2|::ffff:192.0.2.9|51201|  -> listen 1 server")


def test_epsv_all_forbids_the_other_verbs_for_good() -> None:
    """T39: also after ABOR; the server is not told, we may need PASV with it."""
    machine = logged_in()
    play(machine, "C: EPSV ALL  -> C: 200 EPSV ALL accepted.")
    for command in ("PASV", "PORT 192,0,2,9,200,1", "EPRT |1|192.0.2.9|51201|"):
        play(machine, f"C: {command}  -> C: 503 Only EPSV after EPSV ALL.")
    play(
        machine,
        """
        C: ABOR                  -> S: ABOR
        S: 225 nothing to abort  -> C: 225 nothing to abort
        C: PASV                  -> C: 503 Only EPSV after EPSV ALL.
        C: EPSV                  -> S: EPSV
        S: 500 what?             -> S: PASV
        """,
    )


def test_rein_forgets_epsv_all() -> None:
    """T8: all parameters are as they were at the beginning."""
    machine = logged_in()
    play(
        machine,
        """
        C: EPSV ALL              -> C: 200 EPSV ALL accepted.
        C: REIN                  -> S: REIN
        S: 120 wait              -> C: 120 wait
        S: 220 again             -> C: 220 again
        C: PASV                  -> C: 530 Log in with USER and PASS first.
        C: USER ann              -> S: USER ann
        S: 230 in                -> C: 230 in
        C: PASV                  -> S: PASV
        """,
    )


def test_a_227_nobody_waits_for_is_not_translated() -> None:
    """T81: in the text of another reply it is text."""
    play(
        passive(),
        """
        C: CWD x                            -> S: CWD x
        S: 250-227 Entering (1,2,3,4,5,6)   -> C: 250-227 Entering (1,2,3,4,5,6)
        S: 227 Entering (1,2,3,4,5,6)       -> C: 227 Entering (1,2,3,4,5,6)
        S: 250 227 Entering (1,2,3,4,5,6)   -> C: 250 227 Entering (1,2,3,4,5,6)
        """,
    )


def test_the_words_before_a_login_may_be_of_any_kind() -> None:
    """The greeting's own 227 text is text."""
    play(
        fresh(),
        """
        S: 220-227 Entering (1,2,3,4,5,6)   -> C: 220-227 Entering (1,2,3,4,5,6)
        S: 220 x                            -> C: 220 x
        """,
    )
