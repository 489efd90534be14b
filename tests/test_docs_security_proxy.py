"""docs/protocols/security-proxy.md says what the code does: its tables are the code's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from twisted_lb.gateway import grants, notices, openingline, token, tokenclaims
from twisted_lb.gateway.openingline import Answer
from twisted_lb.gateway.tokensettings import load

from .tokens import CLAIMS

TESTS = Path(__file__).parent
ROOT = TESTS.parent
TEXT = (ROOT / "docs" / "protocols" / "security-proxy.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+)`", TEXT)))
DEFINED = {
    name
    for file in TESTS.rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))
}


def section(title: str) -> str:
    """What stands under a heading, up to the next."""
    [text] = re.findall(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", TEXT, re.DOTALL | re.MULTILINE
    )
    return text


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    assert name in DEFINED


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(gateway/\w+\.py)`", TEXT))))
def test_a_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / "twisted_lb" / path).exists()


def test_every_answer_is_in_the_table() -> None:
    told = set(re.findall(r"^\| `(\d{3} [\w-]+)` \|", section("The answer"), re.MULTILINE))
    ours = {value for value in vars(openingline).values() if isinstance(value, Answer)}
    assert told == {f"{answer.code} {answer.text}" for answer in ours}


def test_every_claim_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section("The token"), re.MULTILINE)
    claims = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert set(claims) >= set(tokenclaims.spell(CLAIMS))


def test_every_word_of_a_refused_token_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", section("The token").partition("| word |")[2], re.M)
    told = {word for row in rows for word in re.findall(r"`([a-z-]+)`", row)}
    said = {"malformed"}
    for module in (token, grants):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        said |= set(re.findall(r'(?:Denied\(|yield )"([a-z-]+)"', source))
        for pair in re.findall(r'"([a-z-]+)" if named else "([a-z-]+)"', source):
            said |= set(pair)
    assert said == told


def test_every_notification_line_is_in_the_table() -> None:
    told = set(re.findall(r"^\| \w+ \| `(.*?)` \|", section("Notification lines"), re.MULTILINE))
    ours = [
        notices.Ready(1024),
        notices.HostConnected(1024),
        notices.Failed(1024, "idle"),
        notices.TransferOver(1024, 7),
        notices.Closing("idle"),
        notices.Ping(),
        notices.Pong(),
        notices.Cancel(1024),
    ]
    spelt = {
        re.sub(r"(ended) 7", r"\1 BYTES", str(line).replace("1024", "n").replace("idle", "WORD"))
        for line in ours
    }
    assert told == spelt


def test_the_limits_are_the_codes() -> None:
    assert f"at most {openingline.LINE_MOST:,} bytes" in section("The opening line")
    assert f"at most {openingline.ANSWER_MOST} bytes" in section("The answer")
    assert f"at most {token.TOKEN_MOST:,} characters" in section("The token")
    assert f"At most {notices.LINE_MOST} bytes" in section("Notification lines")


def test_the_configuration_of_the_token_server_is_one() -> None:
    [text] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    settings = load(text, "page.toml")
    assert [str(place.address) for place in settings.destinations] == [
        "ftp.example.com:21",
        "mainframe.example.com:23",
    ]
