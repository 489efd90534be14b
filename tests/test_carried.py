"""What a client carries: found by a pattern in its ALPN names, its server name, its first bytes."""

from __future__ import annotations

import pytest

from twisted_lb.carried import NOTHING, Carried, Said, in_alpn, in_name, in_opening
from twisted_lb.config.settings import Patterns
from twisted_lb.errors import WireError
from twisted_lb.terms import MORE

OURS = Patterns(
    alpn="lb-session/(?P<session>[0-9a-f]{4})",
    sni=r"(?P<session>[a-z]+)\.(?P<role>control|data)\.example",
    opening=r"LBP/1 (?P<role>\S+) (?P<session>\S+) ",
    opening_bytes=32,
)


class TestAlpn:
    @pytest.mark.parametrize(
        ("offered", "found"),
        [
            ((b"lb-session/00ff", b"lb-proxy/1"), Carried("00ff")),
            ((b"h2", b"lb-session/00ff", b"lb-session/1111"), Carried("00ff")),
            ((b"lb-session/00ff0",), None),
            ((b"xlb-session/00ff",), None),
            ((), None),
        ],
    )
    def test_the_first_name_that_fits_as_a_whole(
        self, offered: tuple[bytes, ...], found: Carried | None
    ) -> None:
        assert in_alpn(OURS, offered) == found


class TestName:
    def test_a_session_and_a_role(self) -> None:
        assert in_name(OURS, "alice.data.example") == Carried("alice", "data")

    def test_capitals_do_not_matter(self) -> None:
        """A ClientHello's name comes here in small letters, the pattern as it was written."""
        written = Patterns(sni=r"(?P<session>[a-z]+)\.Proxy\.Example")
        assert in_name(written, "alice.proxy.example") == Carried("alice")

    @pytest.mark.parametrize("name", [None, "alice.example", "x.alice.data.example"])
    def test_other_names_carry_nothing(self, name: str | None) -> None:
        assert in_name(OURS, name) is None


class TestOpening:
    def test_it_is_judged_when_its_line_is_whole_and_not_before(self) -> None:
        """However it is cut: a session that ends in the middle would be another one."""
        whole = b"LBP/1 data 17.1 token\r\nbytes"
        at = whole.index(b"\n") + 1
        found = [in_opening(OURS, Said(whole[:length])) for length in range(len(whole) + 1)]
        assert found[:at] == [MORE] * at
        assert found[at:] == [Carried("17.1", "data")] * (len(whole) + 1 - at)

    def test_it_may_be_a_number_of_bytes(self) -> None:
        binary = Patterns(opening=r"\x00(?P<session>....)", opening_bytes=8, opening_ends="bytes")
        assert in_opening(binary, Said(b"\x00ab\ncde")) is MORE
        assert in_opening(binary, Said(b"\x00ab\rcdef")) == Carried("ab\rc")

    def test_no_pattern_stops_everybody_else(self) -> None:
        """Who tries every way to cut these letters into words ends after the sun has."""
        careless = Patterns(opening=r"(?:[a-z]+ ?)+:(?P<session>\S+)", opening_bytes=4096)
        assert in_opening(careless, Said(b"a" * 4000 + b"\n")) is None
        assert in_opening(careless, Said(b"see you:17\n")) == Carried("17")

    def test_more_than_may_be_looked_at_is_not_waited_for(self) -> None:
        assert in_opening(OURS, Said(b"x" * 31)) is MORE
        assert in_opening(OURS, Said(b"x" * 32)) is None

    def test_what_stands_beyond_is_not_seen(self) -> None:
        assert in_opening(OURS, Said(b"LBP/1 data " + b"1" * 40 + b" token\n")) is None

    @pytest.mark.parametrize("half", [b"L", b"LBP/1 data 17", b"LBP/1 data 17.1 t"])
    def test_half_a_line_names_nobody_and_is_not_nothing(self, half: bytes) -> None:
        """17 is another session than 17.1, and a weaker key would merge it with strangers."""
        with pytest.raises(WireError):
            in_opening(OURS, Said(half, final=True))

    def test_nothing_is_nothing(self) -> None:
        assert in_opening(OURS, NOTHING) is None

    def test_a_line_that_is_cut_off_where_we_stop_reading_names_nobody(self) -> None:
        endless = Patterns(opening=r"(?P<session>\S+)", opening_bytes=8)
        with pytest.raises(WireError):
            in_opening(endless, Said(b"abcdefghi\n"))

    def test_of_a_number_of_bytes_what_is_there_must_do(self) -> None:
        binary = Patterns(opening=r"\x00(?P<session>..)", opening_bytes=8, opening_ends="bytes")
        assert in_opening(binary, Said(b"\x00ab", final=True)) == Carried("ab")

    def test_it_begins_with_the_first_byte(self) -> None:
        assert in_opening(OURS, Said(b" LBP/1 data 17.1 token\n")) is None

    @pytest.mark.parametrize("session", [b"", b"a" * 256])
    def test_a_session_that_is_empty_or_endless_is_none(self, session: bytes) -> None:
        """Everybody without one would share it."""
        letters = Patterns(opening="(?P<session>[a-z]*);")
        assert in_opening(letters, Said(session + b";\n")) is None

    def test_bytes_that_are_no_text_are_a_session_like_any_other(self) -> None:
        found = in_opening(Patterns(opening=r"(?P<session>.{2});"), Said(b"\xff\x00;\n"))
        assert found == Carried("\xff\x00")
