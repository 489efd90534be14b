"""What the benchmark makes of figures: medians, ratios of one round, goals, tables, a picture."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks import plot, report
from benchmarks.figures import Results, Spread, measured, ratio
from benchmarks.goals import Goal
from benchmarks.rows import FTP_KINDS, TRAFFIC, Idle, Row, scaled

RESULTS: Results = {
    "bulk-up-1": {
        "HAProxy": [{"cpu": 1.0, "rate": 100.0}, {"cpu": 2.0, "rate": 50.0}, {}],
        "HAProxy splice": [{"cpu": 0.5}, {"cpu": 0.5}, {"cpu": 0.5}],
        "lb-proxy": [{"cpu": 0.25, "rate": 300.0}, {"cpu": 1.0, "rate": 100.0}, {"cpu": 9.0}],
    },
    "ftp-login": {"mod_proxy": [{"rate": 20.0}], "lb-proxy": [{}]},
}
RIVALS = ["HAProxy", "HAProxy splice", "mod_proxy", "lb-proxy"]


def test_a_ratio_is_of_the_same_round_and_a_round_that_one_failed_does_not_count() -> None:
    assert ratio(RESULTS, "bulk-up-1", "cpu", "lb-proxy", "HAProxy") == Spread(0.375, 0.25, 0.5)
    assert ratio(RESULTS, "bulk-up-1", "p50", "lb-proxy", "HAProxy") is None
    assert ratio(RESULTS, "ftp-login", "rate", "lb-proxy", "mod_proxy") is None
    assert ratio(RESULTS, "nothing", "rate", "lb-proxy", "mod_proxy") is None


def test_a_figure_is_the_median_of_the_rounds_that_have_it() -> None:
    assert measured(RESULTS, "bulk-up-1", "lb-proxy", "cpu") == Spread(1.0, 0.25, 9.0)
    assert measured(RESULTS, "bulk-up-1", "HAProxy splice", "rate") is None


def test_a_goal_is_the_most_or_the_least() -> None:
    most = Goal("cost", "bulk-up-1", "cpu", "HAProxy", 0.375)
    assert most.verdict(most.found(RESULTS, "lb-proxy")) == "✓"
    assert most.words == "≤ 0.375"
    least = Goal("speed", "bulk-up-1", "rate", "HAProxy", 2.6, lower=False)
    assert least.found(RESULTS, "lb-proxy") == Spread(2.5, 2.0, 3.0)
    assert least.verdict(least.found(RESULTS, "lb-proxy")) == "✗"
    assert least.words == "≥ 2.6"
    assert least.verdict(None) == ""


def test_tables_are_of_those_who_take_part_and_tell_who_failed() -> None:
    tcp, ftp = report.groups(RESULTS, [row for row in TRAFFIC if row.name in RESULTS], RIVALS)
    assert tcp[1] == ["HAProxy", "HAProxy splice", "lb-proxy"]
    assert ftp[1] == ["mod_proxy", "lb-proxy"]
    head, cpu, speed = report.table(RESULTS, *tcp)
    assert head == ["", *tcp[1]]
    assert cpu == ["bulk up, one connection: CPU, s/GiB", "1.5", "0.500", "1"]
    assert speed[2] == report.NONE
    *_, rate = report.table(RESULTS, *ftp)
    assert rate == ["FTP logins, 4 at once: rate, /s", "20", "failed"]
    assert report.ratios(RESULTS, *tcp)[1][1:] == ["0.38 (0.25–0.50)", "0.38 (0.25–0.50)"]


def test_goals_are_told_of_what_was_measured() -> None:
    head, cpu = report.goals(RESULTS, RIVALS)
    assert head == ["", "against", "goal", "lb-proxy"]
    assert cpu[1:] == ["HAProxy splice", "≤ 0.85", "2.00 (0.50–18.00) ✗"]


def test_a_table_for_a_terminal_is_in_columns_and_one_for_a_page_has_bars() -> None:
    lines = [["", "ab"], ["longer", "1"]]
    assert report.text(lines) == "        ab\nlonger   1"
    assert report.markdown(lines) == "|  | ab |\n| --- | ---: |\n| longer | 1 |"


def test_figures_have_three_digits() -> None:
    assert [report.short(value) for value in (1234.5, 99.96, 1.234, 0.0126)] == [
        "1,234", "100", "1.23", "0.013",
    ]  # fmt: skip


def test_the_picture_has_a_mark_for_each_rival_and_a_goal_where_it_lies() -> None:
    references = {"bulk-up-1": "HAProxy"}
    [line] = plot.lines(RESULTS, RIVALS, references)
    assert line.costs == {"HAProxy splice": 0.375, "lb-proxy": 0.375}
    assert line.bound == 0.85 * 0.375
    root = ElementTree.fromstring(plot.svg([line], RIVALS))
    marks = [one for one in root.iter() if one.tag.endswith(("circle", "path")) and one.get("fill")]
    assert len(marks) == 2 * 2  # in the legend, and in the line
    assert plot.place(1000) == plot.place(plot.MOST) == plot.RIGHT
    assert plot.place(plot.LEAST) == plot.LEFT


def test_a_rate_is_drawn_as_the_time_that_each_takes() -> None:
    results: Results = {"connect": {"HAProxy": [{"rate": 100.0}], "lb-proxy": [{"rate": 50.0}]}}
    [line] = plot.lines(results, RIVALS, {"connect": "HAProxy"})
    assert line.costs == {"lb-proxy": 2.0}
    assert line.title == "connections per second: time for each"


def test_a_part_of_a_load_is_a_part_of_its_bytes_seconds_or_sessions() -> None:
    quarter = [scaled(row, 0.25) for row in (*TRAFFIC, Idle())]
    for row, whole in zip(quarter, (*TRAFFIC, Idle()), strict=True):
        if isinstance(row, Row) and isinstance(whole, Row):
            assert row.amount == whole.amount / 4
        else:
            assert list(row.figures)[-1].title == "memory in all, 2,250"


def test_no_two_rows_have_a_name_and_ftp_is_measured_as_ftps_is() -> None:
    names = [row.name for row in TRAFFIC]
    assert len(set(names)) == len(names)
    for mode in ("login", "small", "retr", "stor"):
        assert {f"{kind}-{mode}" for kind in FTP_KINDS} < set(names)
