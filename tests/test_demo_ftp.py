"""What the demo takes for together where it looks at disks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from twisted_lb.demo.ftp import row, stored, together
from twisted_lb.demo.hosts import home_of
from twisted_lb.demo.visits import Visit


def visit(*named: str, broken: str = "") -> Visit:
    channels = Counter(control=1, data=9)
    return Visit(2, "FTP active", 50_000, channels, set(named), broken=broken)


def test_a_session_is_together_when_all_of_it_was_on_one_server() -> None:
    assert together(visit("a"), {"a"})
    assert not together(visit("a"), {"b"})
    assert not together(visit("a", "b"), {"a", "b"})
    assert not together(visit("a"), set())
    assert not together(visit("a", broken="lost"), {"a"})


def test_uploads_are_looked_for_on_every_disk(tmp_path: Path) -> None:
    for name in ("a", "b"):
        home_of(tmp_path, name).mkdir(parents=True)
    (home_of(tmp_path, "b") / "session2-0.bin").touch()
    (home_of(tmp_path, "a") / "session21-0.bin").touch()
    assert stored(tmp_path, visit("b")) == {"b"}


def test_a_row_tells_what_was_named_and_what_was_found() -> None:
    assert row(visit("a"), {"a", "b"}) == (
        *("2", "FTP active", "1 control, 9 data", "a", "a b"),
        "✗ ASTRAY",
    )
