"""What is wrong with servers, and in what they differ: named by server, with what to do."""

from __future__ import annotations

import attrs
import pytest

from twisted_lb.likeness import (
    DAY,
    Finding,
    FtpSeen,
    Seen,
    TlsSeen,
    findings,
    matches,
    siblings,
    table,
)
from twisted_lb.terms import Address

NOW = 1_000_000.0
FRONT = TlsSeen(
    names=("front.example", "front"),
    common_name="whoever",
    carried={"front.example": True, "front": True},
    ends=NOW + 90 * DAY,
    versions=("1.2", "1.3"),
    alpn="lb-proxy/1",
)


def seen(server: str = "a", port: int = 3000, **what: object) -> Seen:
    address = Address(f"10.0.0.{ord(server) - 96}", port)
    return Seen("pool", server, address, **what)  # type: ignore[arg-type]


def found(*every: Seen) -> tuple[Finding, ...]:
    return findings(every, NOW, {"pool": 30 * DAY})


def only(*every: Seen) -> Finding:
    [finding] = found(*every)
    return finding


class TestOneServer:
    def test_one_that_is_in_order_is_not_told_of(self) -> None:
        assert found(seen(tls=FRONT), seen(port=21, ftp=FtpSeen("220 hi", ()))) == ()

    def test_one_that_cannot_be_reached(self) -> None:
        finding = only(seen(failed="connect: Connection refused"))
        assert str(finding) == (
            "fault: pool/a (10.0.0.1:3000): connect: Connection refused; start it, open the way "
            "to it, or take it out of the configuration"
        )

    def test_a_name_that_its_certificate_does_not_carry(self) -> None:
        finding = only(seen(tls=attrs.evolve(FRONT, carried={"front": True, "10.0.0.9": False})))
        assert finding.fault
        assert finding.what == "its certificate is for front.example, front, not for 10.0.0.9"
        assert "subjectAltName has 10.0.0.9" in finding.remedy

    @pytest.mark.parametrize(("common_name", "for_whom"), [("other", "other"), ("", "nobody")])
    def test_a_certificate_without_names(self, common_name: str, for_whom: str) -> None:
        tls = attrs.evolve(FRONT, names=(), common_name=common_name, carried={"front": False})
        assert only(seen(tls=tls)).what == f"its certificate is for {for_whom}, not for front"

    def test_a_name_that_only_the_common_name_says_is_flagged(self) -> None:
        tls = attrs.evolve(FRONT, names=(), common_name="Front", carried={"front": False})
        finding = only(seen(tls=tls))
        assert not finding.fault and str(finding).startswith("notice: ")
        assert finding.what == "only the common name of its certificate says front"

    def test_it_is_a_fault_where_we_verify_too(self) -> None:
        tls = attrs.evolve(
            FRONT, names=(), common_name="front", carried={"front": False}, verified=True
        )
        (finding,) = found(seen(tls=tls))
        assert finding.fault

    def test_one_that_is_not_trusted_may_have_expired_all_the_same(self) -> None:
        tls = attrs.evolve(FRONT, problem="it is not trusted", ends=NOW - DAY)
        assert [each.what for each in found(seen(tls=tls))] == [
            "it is not trusted",
            "its certificate has expired",
        ]
        told = attrs.evolve(tls, problem="its certificate has expired")
        assert len(found(seen(tls=told))) == 1

    def test_a_common_name_beside_other_names_says_nothing(self) -> None:
        """RFC 6125 section 6.4.4."""
        tls = attrs.evolve(FRONT, common_name="gw", carried={"gw": False})
        assert only(seen(tls=tls)).fault

    def test_a_chain_that_nobody_trusts(self) -> None:
        problem = "its certificate is signed by itself and not trusted"
        finding = only(seen(tls=attrs.evolve(FRONT, problem=problem)))
        assert finding.what == problem and finding.fault

    @pytest.mark.parametrize(("days", "told"), [(29.9, True), (0.5, True), (30.1, False)])
    def test_a_certificate_that_ends_soon(self, days: float, told: bool) -> None:
        tls = attrs.evolve(FRONT, ends=NOW + days * DAY)
        assert [each.what for each in found(seen(tls=tls))] == (
            [f"its certificate ends in {days:.0f} days"] if told else []
        )

    def test_one_that_has_ended_is_told_once(self) -> None:
        """By the chain, which says so first."""
        tls = attrs.evolve(FRONT, ends=NOW - DAY, problem="its certificate has expired")
        assert only(seen(tls=tls)).what == "its certificate has expired"

    def test_a_certificate_held_to_no_name_is_flagged(self) -> None:
        finding = only(seen(tls=attrs.evolve(FRONT, carried={})))
        assert not finding.fault and "live.names" in finding.remedy


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("front.example", "Front.Example", True),
        ("*.example", "front.example", True),
        ("*.example", "a.front.example", False),
        ("*.example", "example", False),
        ("front", "front.example", False),
        ("", "front", False),
    ],
)
def test_a_wildcard_is_one_label(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


class TestSiblings:
    def test_who_differs_from_the_others_is_named_with_the_difference(self) -> None:
        odd = attrs.evolve(FRONT, versions=("1.0", "1.1", "1.2"))
        finding = only(seen("a", tls=FRONT), seen("b", tls=odd), seen("c", tls=FRONT))
        assert finding == Finding(
            "pool/b (10.0.0.2:3000)",
            "TLS differs: '1.0 1.1 1.2', on a, c '1.2 1.3'",
            "make them alike",
        )

    @pytest.mark.parametrize(
        ("change", "trait"),
        [
            ({"names": ("front.example",)}, "certificate"),
            ({"alpn": ""}, "ALPN"),
            ({"alpn": "refused"}, "ALPN"),
        ],
    )
    def test_traits_of_tls(self, change: dict[str, object], trait: str) -> None:
        odd = attrs.evolve(FRONT, **change)  # type: ignore[arg-type]
        assert only(seen("a", tls=FRONT), seen("b", tls=odd)).what.startswith(f"{trait} differs: ")

    def test_traits_of_ftp_and_http(self) -> None:
        ftp = FtpSeen("220 hello", ("MDTM", "SIZE"))
        few = FtpSeen("220 hello", ())
        assert only(seen("a", ftp=ftp), seen("b", ftp=few)).what == (
            "FEAT differs: '-', on a 'MDTM, SIZE'"
        )
        assert only(seen("a", status=200), seen("b", status=503)).what == (
            "HTTP differs: '503', on a '200'"
        )

    def test_another_greeting_is_no_fault(self) -> None:
        finding = only(
            seen("a", ftp=FtpSeen("220 vsftpd", ())), seen("b", ftp=FtpSeen("220 ProFTPD", ()))
        )
        assert finding.what.startswith("banner differs: ") and not finding.fault

    def test_greetings_may_differ_in_what_they_must(self) -> None:
        """pure-ftpd tells the time, ProFTPD its address."""
        a = FtpSeen("220 user 1 of 50, time is 10:31 [10.0.0.1]", ())
        b = FtpSeen("220 user 7 of 50, time is 10:32 [10.0.0.2]", ())
        assert found(seen("a", ftp=a), seen("b", ftp=b)) == ()

    def test_only_those_that_answered_on_the_same_port_are_compared(self) -> None:
        a, b = seen("a", tls=FRONT), seen("b", failed="connect: no")
        other = seen("c", port=3001, tls=attrs.evolve(FRONT, alpn=""))
        assert siblings([a, b, other]) == ()
        assert siblings([a, b, seen("c", tls=FRONT)]) == ((a, seen("c", tls=FRONT)),)

    def test_differences_make_a_table(self) -> None:
        odd = attrs.evolve(FRONT, versions=("1.2",), alpn="")
        assert table((seen("a", tls=FRONT), seen("b", tls=odd))) == (
            "pool, port 3000: servers differ\n"
            "server  TLS      ALPN\n"
            "a       1.2 1.3  lb-proxy/1\n"
            "b       1.2      -"
        )

    def test_without_differences_there_is_none(self) -> None:
        assert table((seen("a", tls=FRONT), seen("b", tls=FRONT))) == ""

    def test_a_trait_that_one_does_not_have_is_a_difference(self) -> None:
        group = (seen("a", tls=FRONT), seen("b"))
        assert "certificate" in table(group)


def test_nothing_that_a_server_says_is_obeyed_by_a_terminal() -> None:
    """Attack 18."""
    loud, calm = FtpSeen("220 hi \x1b[2J", ()), FtpSeen("220 hello", ())
    pair = seen("a", ftp=loud), seen("b", ftp=calm)
    told = [*map(str, found(*pair, seen("c", failed="greeting: 530 \x1b]0;x\x07"))), table(pair)]
    assert "\\x1b" in told[0]
    assert all(line.isprintable() for text in told for line in text.split("\n"))
