"""FEAT as it is true through us (T35)."""

from __future__ import annotations

import pytest

from twisted_lb.protocols.ftp.features import FeatureList
from twisted_lb.terms import MORE
from twisted_lb.wire.ftp import ReplyReader


def through(reply: str) -> str:
    reader, features = ReplyReader(), FeatureList()
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
