"""AUTH, PBSZ, PROT and CCC: what a client gets protected, and what it may not do before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ftptalk import fresh, greeted
from tests.script import play
from twisted_lb.config.settings import BackendTls, FrontendTls, FtpTls
from twisted_lb.protocols.actions import Send, Side
from twisted_lb.protocols.ftp.control import FtpControl

EXPLICIT = FrontendTls("starttls")
ASKED = FrontendTls("starttls", required=False)
IMPLICIT = FrontendTls("terminate")
MATCH = BackendTls("match")
LOOSE = FtpTls(data="optional")

AUTH = """
        C: AUTH TLS         -> C: 234 Begin.
                            -> tls client
        secured client
"""
PRIVATE = """
        C: PBSZ 0           -> C: 200 PBSZ=0 successful.
        C: PROT P           -> C: 200 Protection set to P.
"""
LOGIN = """
        C: USER joe         -> S: USER joe
        S: 230 Welcome      -> C: 230 Welcome
"""


def protected(script: str = AUTH, **about: Any) -> FtpControl:
    """A client whose control connection is protected."""
    machine = greeted(**{"tls": EXPLICIT, **about})
    play(machine, script)
    return machine


def private(**about: Any) -> FtpControl:
    """User joe is logged in, and everything of the client's is protected."""
    machine = protected(**about)
    play(machine, PRIVATE + LOGIN)
    return machine


# -- the client's control connection ---------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["TLS", "tls", "TLS-C", "SSL", "TLS-P"])
def test_a_client_asks_for_tls_and_gets_it(mechanism: str) -> None:
    """RFC 4217 section 4; the server hears nothing of it."""
    play(greeted(tls=EXPLICIT), AUTH.replace("AUTH TLS", f"AUTH {mechanism}"))


@pytest.mark.parametrize("mechanism", ["GSSAPI", "KERBEROS_V4", "", "TLS now"])
def test_another_mechanism_is_not_known(mechanism: str) -> None:
    """T31."""
    play(greeted(tls=EXPLICIT), f"C: AUTH {mechanism} -> C: 504 AUTH TLS is what is known here.")


def test_without_tls_there_is_no_auth() -> None:
    play(greeted(), "C: AUTH TLS  -> C: 502 AUTH is not implemented.")


def test_a_connection_is_protected_once() -> None:
    """T34."""
    again = "C: AUTH TLS  -> C: 503 Already using TLS."
    play(protected(), again)
    play(greeted(tls=IMPLICIT), again)


@pytest.mark.parametrize("behind", ["USER evil", r"\x16\x03\x01", r"NOOP\r\nUSER evil"])
def test_what_stands_behind_auth_in_the_clear_ends_it(behind: str) -> None:
    """Attack 1, T58."""
    play(
        greeted(tls=EXPLICIT),
        rf"""
        C~ AUTH TLS\r\n{behind}  -> tell attack starttls-injection
                          -> C: 421 Protocol error, closing control connection.
                          -> finish wire-error
        """,
    )


@pytest.mark.parametrize("verb", ["USER joe", "PASS secret", "ACCT x"])
def test_a_login_has_to_be_protected(verb: str) -> None:
    """T60, attack 3."""
    machine = greeted(tls=EXPLICIT)
    play(machine, f"C: {verb}  -> C: 530 Say AUTH TLS first.")
    play(machine, AUTH)
    play(machine, f"C: {verb}  -> S: {verb}")


def test_a_login_may_be_in_the_clear_where_that_is_allowed() -> None:
    play(greeted(tls=ASKED), LOGIN)


def test_tls_may_not_be_left_again() -> None:
    """Attack 3, T61."""
    play(private(), "C: CCC   -> C: 534 The control connection stays protected.")
    play(greeted(tls=EXPLICIT), "C: CCC  -> C: 533 The control connection is not protected.")


LEAVES = """
        C: CCC              -> C: 200 In the clear from here on.
                            -> clear client
"""
LEAVING = FtpTls(ccc="allowed")


def test_tls_may_be_left_where_that_is_allowed() -> None:
    """T61: the server's side stays what it was; nothing more can be agreed on."""
    machine = private(data_tls=LEAVING)
    play(machine, LEAVES)
    play(
        machine,
        """
        C: PWD              -> S: PWD
        S: 257 "/"          -> C: 257 "/"
        C: PBSZ 0           -> C: 503 PBSZ not allowed on insecure control connection.
        C: PROT C           -> C: 503 PROT not allowed on insecure control connection.
        C: CCC              -> C: 533 The control connection is not protected.
        """,
    )


def test_nobody_logs_in_after_tls_was_left_where_logins_are_protected() -> None:
    """Attack 3: neither who leaves TLS before the login, nor who logs in again."""
    for machine in (private(data_tls=LEAVING), protected(data_tls=LEAVING)):
        play(machine, LEAVES + "C: USER evil  -> C: 530 Say AUTH TLS first.")
        play(machine, AUTH)
        play(machine, "C: USER joe -> S: USER joe")


def test_who_leaves_tls_does_not_get_out_of_protected_data() -> None:
    machine = protected(data_tls=LEAVING, tls=ASKED)
    play(machine, LEAVES + LOGIN)
    play(machine, "C: PASV  -> C: 522 Say PROT P first.")


def test_the_features_tell_whether_tls_may_be_left() -> None:
    for rules, told in ((FtpTls(), []), (LEAVING, [b" CCC"])):
        machine = private(data_tls=rules)
        play(machine, "C: FEAT -> S: FEAT")
        said = machine.received(Side.SERVER, b"211-Features:\r\n CCC\r\n211 End\r\n", 0.0)
        lines = b"".join(a.data for a in said if isinstance(a, Send)).split(b"\r\n")
        assert [line for line in lines if line == b" CCC"] == told


# -- PBSZ and PROT ---------------------------------------------------------------------------------


def test_pbsz_and_prot_have_their_order() -> None:
    """T33."""
    machine = greeted(tls=EXPLICIT)
    play(
        machine,
        """
        C: PBSZ 0   -> C: 503 PBSZ not allowed on insecure control connection.
        C: PROT P   -> C: 503 PROT not allowed on insecure control connection.
        """,
    )
    play(machine, AUTH)
    play(
        machine,
        """
        C: PROT P   -> C: 503 PBSZ comes first.
        C: PBSZ x   -> C: 501 A size, please.
        C: PBSZ 16384  -> C: 200 PBSZ=0 successful.
        C: PROT S   -> C: 536 PROT knows C and P.
        C: PROT E   -> C: 536 PROT knows C and P.
        C: PROT X   -> C: 504 PROT knows C and P.
        C: PROT SE  -> C: 504 PROT knows C and P.
        C: PROT     -> C: 504 PROT knows C and P.
        C: PROT C   -> C: 534 Data connections are private here.
        C: PROT P   -> C: 200 Protection set to P.
        C: PROT p   -> C: 200 Protection set to P.
        """,
    )


@pytest.mark.parametrize("verb", ["RETR a", "LIST", "PASV", "EPSV", "PORT 192,0,2,9,200,1"])
def test_data_has_to_be_protected(verb: str) -> None:
    """T60."""
    machine = protected()
    play(machine, LOGIN)
    play(machine, f"C: {verb}  -> C: 522 Say PROT P first.")


def test_data_may_be_in_the_clear_where_that_is_allowed() -> None:
    machine = private(data_tls=LOOSE)
    play(machine, "C: PROT C  -> C: 200 Protection set to C.")
    play(machine, PASSIVE.replace(" private", ""))


@pytest.mark.parametrize("mechanism", ["SSL", "TLS-P"])
def test_the_older_mechanisms_mean_private_data(mechanism: str) -> None:
    """T59."""
    machine = protected(AUTH.replace("AUTH TLS", f"AUTH {mechanism}"))
    play(machine, LOGIN)
    play(machine, PASSIVE)


def test_implicit_tls_means_private_data() -> None:
    """T73."""
    machine = greeted(tls=IMPLICIT)
    play(machine, LOGIN)
    play(machine, PASSIVE)


@pytest.mark.parametrize(
    ("tls", "features"),
    [(EXPLICIT, "AUTH TLS, AUTH SSL, PBSZ, PROT"), (IMPLICIT, "PBSZ, PROT"), (FrontendTls(), "")],
)
def test_a_client_hears_what_is_true_of_its_own_side(tls: FrontendTls, features: str) -> None:
    """T35, whatever the server does."""
    ours = "".join(f"-> C:  {line}\n" for line in features.split(", ") if line)
    play(
        greeted(tls=tls),
        f"""
        C: FEAT             -> S: FEAT
        S: 211-Features:    -> C: 211-Features:
        S:  AUTH TLS;SSL
        S:  PBSZ
        S:  PROT
        S:  CCC
        S:  SIZE            -> C:  SIZE
        S: 211 End          -> C:  EPRT
                            -> C:  EPSV
                            {ours}
                            -> C: 211 End
        """,
    )


# -- data channels ---------------------------------------------------------------------------------

PASSIVE = """
        C: PASV                                         -> S: PASV
        S: 227 Entering Passive Mode (198,51,100,1,4,1) -> listen 1 client private
        listening 1 client 192.0.2.1:40000
                                    -> C: 227 Entering passive mode (192,0,2,1,156,64).
"""
BOTH = {"server_tls": BackendTls("on")}


def both() -> FtpControl:
    """Both sides are protected, and user joe is logged in."""
    machine = fresh(tls=IMPLICIT, **BOTH)
    play(machine, PREPARED)
    play(machine, LOGIN)
    return machine


PREPARED = """
        S: 220 hello            -> C: 220 hello
                                -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT P
        S: 200 Private.
"""


def test_tls_begins_when_the_server_has_accepted() -> None:
    """T62, T63: on both legs, whoever opened them; then the bytes flow."""
    machine = both()
    play(machine, PASSIVE)
    play(
        machine,
        """
        connected 1 client      -> dial 1 server 198.51.100.1:1025 private
        connected 1 server
        C: RETR a               -> S: RETR a
        S: 150 Here it comes    -> C: 150 Here it comes
                                -> tls client 1
                                -> tls server 1
        secured server 1
        S: 226 done
        secured client 1        -> C: 226 done
        transferred 1 done 0 9  -> tell transfer joe RETR a 9 done 226
        """,
    )


def test_a_leg_that_comes_late_is_secured_at_once() -> None:
    machine = both()
    play(machine, PASSIVE)
    play(
        machine,
        """
        C: STOR a               -> S: STOR a
        S: 150 Go on            -> C: 150 Go on
        connected 1 client      -> tls client 1
                                -> dial 1 server 198.51.100.1:1025 private
        connected 1 server      -> tls server 1
        """,
    )


def test_in_active_mode_roles_are_the_same() -> None:
    """T62."""
    machine = both()
    play(
        machine,
        """
        C: PORT 192,0,2,9,200,1                  -> listen 1 server private
        listening 1 server 198.51.100.254:30000  -> S: PORT 198,51,100,254,117,48
        S: 200 Fine             -> C: 200 Active data connection accepted.
        C: RETR a               -> S: RETR a
        connected 1 server      -> dial 1 client 192.0.2.9:51201 private
        S: 150 Here it comes    -> C: 150 Here it comes
                                -> tls server 1
        connected 1 client      -> tls client 1
        secured client 1
        secured server 1
        S: 226 done             -> C: 226 done
        """,
    )


def test_a_leg_that_failed_before_the_server_accepted_begins_no_tls() -> None:
    """Attack 6: a client that speaks early may fail early, its certificate being another's."""
    machine = both()
    play(machine, PASSIVE)
    play(
        machine,
        """
        connected 1 client             -> dial 1 server 198.51.100.1:1025 private
        connected 1 server
        C: RETR a                      -> S: RETR a
        failed 1 client refused-source -> abort 1
                                       -> alarm transfer 30
        S: 150 Here it comes           -> C: 150 Here it comes
        """,
    )


def test_a_transfer_that_is_refused_begins_no_tls() -> None:
    machine = both()
    play(machine, PASSIVE)
    play(
        machine,
        """
        connected 1 client      -> dial 1 server 198.51.100.1:1025 private
        connected 1 server
        C: RETR a               -> S: RETR a
        S: 550 No such file     -> C: 550 No such file
                                -> tell transfer joe RETR a 0 server-refused 550
        C: RETR b               -> S: RETR b
        S: 150 Here it comes    -> C: 150 Here it comes
                                -> tls client 1
                                -> tls server 1
        """,
    )


def test_a_leg_that_cannot_be_secured_fails_the_transfer() -> None:
    """T63: the server's leg is reset, the control connection stays."""
    machine = both()
    play(machine, PASSIVE)
    play(
        machine,
        """
        connected 1 client      -> dial 1 server 198.51.100.1:1025 private
        connected 1 server
        C: RETR a               -> S: RETR a
        S: 150 Here it comes    -> C: 150 Here it comes
                                -> tls client 1
                                -> tls server 1
        failed 1 client tls-failed  -> abort 1
                                -> alarm transfer 30
        S: 226 done             -> C: 425 Can't open data connection.
                                -> alarm transfer off
                                -> tell transfer joe RETR a 0 tls-failed 226
        C: NOOP                 -> S: NOOP
        """,
    )


def test_what_is_announced_may_not_change_its_protection() -> None:
    """A transfer is never protected less, or more, than its data connection was announced."""
    machine = private(data_tls=LOOSE)
    play(machine, PASSIVE)
    play(
        machine,
        """
        C: PROT C               -> abort 1
                                -> C: 200 Protection set to C.
        C: RETR a               -> S: RETR a
                                -> alarm transfer 30
                                -> dial 2 server 198.51.100.1:1025
        connected 2 server      -> abort 2
        """,
    )


def test_nor_what_is_joined_already() -> None:
    """A transfer was to use it and failed: the next one may."""
    machine = private(data_tls=LOOSE)
    play(machine, "C: PROT C  -> C: 200 Protection set to C.")
    play(machine, PASSIVE.replace(" private", ""))
    play(
        machine,
        """
        connected 1 client      -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: RETR a               -> S: RETR a
        S: 550 No such file     -> C: 550 No such file
                                -> tell transfer joe RETR a 0 server-refused 550
        C: PROT P               -> abort 1
                                -> C: 200 Protection set to P.
        transferred 1 client-left 0 0
        C: RETR a               -> S: RETR a
        S: 425 Nobody came      -> C: 425 Nobody came
                                -> tell transfer joe RETR a 0 server-refused 425
        """,
    )


def test_a_transfer_under_way_goes_on_as_it_began() -> None:
    machine = private(data_tls=LOOSE)
    play(machine, PASSIVE)
    play(
        machine,
        """
        connected 1 client      -> dial 1 server 198.51.100.1:1025
        connected 1 server
        C: RETR a               -> S: RETR a
        S: 150 Here it comes    -> C: 150 Here it comes
                                -> tls client 1
        C: PROT C               -> C: 200 Protection set to C.
        secured client 1
        """,
    )


# -- the server's side -----------------------------------------------------------------------------


def test_a_server_is_protected_before_it_hears_the_client() -> None:
    """The client's first command waits."""
    machine = fresh(server_tls=BackendTls("starttls"))
    play(
        machine,
        """
        S: 220 hello            -> C: 220 hello
                                -> S: AUTH TLS
        C: USER joe
        S: 234 Go on            -> tls server
        secured server          -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT P
        S: 200 Private.         -> S: USER joe
        """,
    )


def test_a_server_may_have_its_data_in_the_clear() -> None:
    machine = fresh(tls=IMPLICIT, server_tls=BackendTls("on", data="clear"))
    play(machine, PREPARED.replace("PROT P", "PROT C"))
    play(machine, LOGIN + PASSIVE)
    play(machine, "connected 1 client  -> dial 1 server 198.51.100.1:1025")


@pytest.mark.parametrize(
    "script",
    [
        "S: 502 No such command",
        "S: 334 Go on",
        "S: 234 Go on -> tls server\n secured server -> S: PBSZ 0\n S: 503 What",
        """
        S: 234 Go on    -> tls server
        secured server  -> S: PBSZ 0
        S: 200 PBSZ=0   -> S: PROT P
        S: 536 No
        """,
    ],
)
def test_a_server_that_will_not_be_protected_gets_nothing(script: str) -> None:
    """Attack 3."""
    machine = fresh(server_tls=BackendTls("starttls"))
    play(machine, "S: 220 hello  -> C: 220 hello\n -> S: AUTH TLS\n C: USER joe")
    play(
        machine,
        f"""{script}  -> C: 421 Service not available, closing control connection.
                      -> finish tls-failed
        """,
    )


def test_what_stands_behind_a_234_in_the_clear_ends_it() -> None:
    """Attack 2."""
    machine = fresh(server_tls=BackendTls("starttls"))
    play(
        machine,
        r"""
        S: 220 hello  -> C: 220 hello
                      -> S: AUTH TLS
        S~ 234 ok\r\n230 Logged in\r\n  -> tell attack starttls-injection
                      -> C: 421 Protocol error, closing control connection.
                      -> finish wire-error
        """,
    )


# -- REIN ------------------------------------------------------------------------------------------

REIN = "C: REIN  -> S: REIN\nS: 220 Anew  -> C: 220 Anew"


def test_after_rein_control_stays_protected_and_data_is_agreed_on_anew() -> None:
    """T70, on purpose not as RFC 4217 section 13 has it."""
    machine = private()
    play(machine, LOGIN + REIN)
    play(machine, "C: PROT P  -> C: 503 PBSZ comes first.")
    play(machine, LOGIN + "C: EPSV  -> C: 522 Say PROT P first.")


def test_a_server_is_told_again_once_somebody_is_logged_in_after_rein() -> None:
    machine = fresh(tls=IMPLICIT, server_tls=BackendTls("on"))
    play(machine, PREPARED + LOGIN + REIN)
    play(
        machine,
        """
        C: USER ann       -> S: USER ann
        S: 331 Password   -> C: 331 Password
        C: PASS secret    -> S: PASS secret
        S: 230 Welcome    -> C: 230 Welcome
                          -> S: PBSZ 0
        C: EPSV
        S: 200 PBSZ=0     -> S: PROT P
        S: 200 Private.   -> S: EPSV
        """,
    )


def test_so_it_is_when_another_user_takes_the_place_of_the_first() -> None:
    machine = fresh(tls=IMPLICIT, server_tls=BackendTls("on"))
    play(machine, PREPARED + LOGIN)
    play(
        machine,
        """
        C: USER ann       -> S: USER ann
        S: 331 Password   -> C: 331 Password
        C: PASS secret    -> S: PASS secret
        S: 230 Welcome    -> C: 230 Welcome
                          -> S: PBSZ 0
        """,
    )


# -- matched ---------------------------------------------------------------------------------------


def test_data_of_a_server_may_follow_the_client_s() -> None:
    machine = fresh(tls=EXPLICIT, server_tls=BackendTls("starttls", data="match"), data_tls=LOOSE)
    play(
        machine,
        """
        S: 220 hello            -> C: 220 hello
                                -> S: AUTH TLS
        S: 234 Go on            -> tls server
        secured server          -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT C
        S: 200 Clear.
        """,
    )
    play(machine, AUTH)
    play(
        machine,
        """
        C: PBSZ 0               -> C: 200 PBSZ=0 successful.
        C: PROT P               -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT P
        S: 200 Private.         -> C: 200 Protection set to P.
        C: PROT C               -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT C
        S: 534 Never.           -> C: 534 Never.
        """,
    )
    play(machine, LOGIN + PASSIVE)
    play(machine, "connected 1 client  -> dial 1 server 198.51.100.1:1025 private")


def test_a_server_is_protected_when_the_client_is() -> None:
    play(
        greeted(tls=EXPLICIT, server_tls=MATCH),
        """
        C: AUTH TLS             -> S: AUTH TLS
        S: 234 Go on            -> tls server
        secured server          -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT P
        S: 200 Private.         -> C: 234 Begin.
                                -> tls client
        secured client
        C: USER joe             -> S: USER joe
        """,
    )
    play(
        fresh(tls=IMPLICIT, server_tls=MATCH),
        """
        S: 220 hello            -> C: 220 hello
                                -> S: AUTH TLS
        """,
    )


def test_a_client_that_does_not_ask_is_taken_on_in_the_clear() -> None:
    play(greeted(tls=ASKED, server_tls=MATCH), LOGIN)


def test_a_server_that_refuses_is_heard_by_the_client() -> None:
    """T31: nothing is protected, and where it must be nobody logs in."""
    machine = greeted(tls=EXPLICIT, server_tls=MATCH)
    play(
        machine,
        """
        C: AUTH TLS             -> S: AUTH TLS
        S: 534 Not here         -> C: 534 Not here
        C: USER joe             -> C: 530 Say AUTH TLS first.
        """,
    )


def test_what_a_client_says_while_the_server_is_asked_was_put_behind_its_auth() -> None:
    """Attack 1."""
    play(
        greeted(tls=EXPLICIT, server_tls=MATCH),
        """
        C: AUTH TLS             -> S: AUTH TLS
        C: USER evil
        S: 234 Go on            -> tls server
        secured server          -> S: PBSZ 0
        S: 200 PBSZ=0           -> S: PROT P
        S: 200 Private.         -> tell attack starttls-injection
                                -> C: 421 Protocol error, closing control connection.
                                -> finish wire-error
        """,
    )
