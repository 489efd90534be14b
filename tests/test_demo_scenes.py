"""How the demo's tables look."""

from __future__ import annotations

from twisted_lb.demo.scenes import counted, mark, table, tick


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    text = table(("a", "longer", ""), [("1", "x", "✓ together"), ("200", "-", "")])
    assert text.splitlines() == [
        "a    longer",
        "1    x       ✓ together",
        "200  -",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert table(("a", "b"), []) == "a  b"


def test_channels_are_counted_by_role() -> None:
    assert counted({"notification": 1, "control": 1, "data": 9}) == (
        "1 control, 9 data, 1 notification"
    )
    assert counted({}) == "-"


def test_a_row_says_whether_its_channels_are_together() -> None:
    assert mark(True, "") == "✓ together"
    assert mark(False, "") == "✗ ASTRAY"


def test_a_session_that_broke_off_says_why() -> None:
    assert mark(False, "its control connection was lost") == "✗ its control connection was lost"


def test_a_line_has_a_tick_or_a_cross() -> None:
    assert (tick(True), tick(False)) == ("✓", "✗")
