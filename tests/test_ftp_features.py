"""FEAT as it is true through us (T35)."""

from __future__ import annotations

import pytest

from tests.ftptalk import logged_in
from tests.script import play
from twisted_lb.config.settings import Features
from twisted_lb.protocols.ftp.features import FeatureList
from twisted_lb.terms import MORE
from twisted_lb.wire.ftp import ReplyReader


def through(reply: str, **rules: tuple[str, ...]) -> str:
    reader, features = ReplyReader(), FeatureList(Features(**rules))
    reader.feed(reply.replace("\n", "\r\n").encode())
    shown: list[bytes] = []
    while (line := reader.next()) is not MORE:
        shown += features.take(line)
    return "".join(f"{each.decode()}\n" for each in shown)


def test_what_we_do_not_do_is_dropped_and_what_we_do_is_added() -> None:
    assert through(
        "211-Features:\n AUTH TLS\n AUTH SSL\n PBSZ\n PROT\n CCC\n SSCN\n CPSV\n PRET\n SPSV\n"
        " lprt\n LPSV\n ESTP\n MDTM\n REST STREAM\n SIZE\n MLST type*;size*;\n UTF8\n211 End\n"
    ) == (
        "211-Features:\n MDTM\n REST STREAM\n SIZE\n MLST type*;size*;\n UTF8\n"
        " EPRT\n EPSV\n211 End\n"
    )


def test_what_the_server_names_is_not_named_twice() -> None:
    assert through("211-Ext\n EPRT\n epsv\n211 End\n") == "211-Ext\n EPRT\n epsv\n211 End\n"


def test_lines_that_carry_the_code_are_understood() -> None:
    reply = "211-Features\n211-AUTH TLS;AUTH SSL\n211-EPSV\n\n211 End\n"
    assert through(reply) == "211-Features\n211-EPSV\n\n EPRT\n211 End\n"


def test_a_server_without_features_has_ours() -> None:
    assert through("211 No features\n") == "211-Features:\n EPRT\n EPSV\n211 End\n"


@pytest.mark.parametrize("reply", ["502 What?\n", "500-FEAT\n AUTH\n500 What?\n"])
def test_a_server_that_does_not_know_feat_says_so(reply: str) -> None:
    assert through(reply) == reply


# -- what the operator wants (T38) -----------------------------------------------------------------

SAID = "211-Ext\n MDTM\n MLST size*;\n SITE CHMOD;UTIME\n UTF8\n211 End\n"


def test_only_what_is_accepted_is_named() -> None:
    assert through(SAID, accept=("MDTM", "EPSV")) == "211-Ext\n MDTM\n EPSV\n211 End\n"


def test_what_is_dropped_is_not_named_even_if_it_is_ours() -> None:
    dropped = through(SAID, drop=("MLST", "SITE", "EPSV"))
    assert dropped == "211-Ext\n MDTM\n UTF8\n EPRT\n211 End\n"


def test_what_is_inserted_is_named_once() -> None:
    inserted = through(SAID, insert=("TVFS", "mdtm", "X note"), drop=("EPRT", "EPSV"))
    assert inserted == SAID.replace("211 End", " TVFS\n X note\n211 End")


def test_a_server_without_features_may_stay_so() -> None:
    assert through("211 None\n", drop=("EPRT", "EPSV")) == "211 None\n"


def test_commands_of_a_dropped_feature_are_refused() -> None:
    """MLST stands for MLSD, too; MODE and REST belong to everybody."""
    play(
        logged_in(features=Features(drop=("MLST", "EPSV", "MODE"))),
        """
        C: MLSD         -> C: 502 MLSD is not available here.
        C: mlst /       -> C: 502 MLST is not available here.
        C: EPSV         -> C: 502 EPSV is not available here.
        C: MODE Z       -> S: MODE Z
        """,
    )
