"""What a server's agent may say, and what it may change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.health.agent import Agent, Words, parse
from twisted_lb.terms import Server


def server(**more: object) -> Server:
    return Server("pool", "a", "10.0.0.1", **more)  # type: ignore[arg-type]


class TestParse:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            (b"up", Words(up=True)),
            (b"down", Words(up=False)),
            (b"stopped", Words(up=False)),
            (b"fail", Words(up=False)),
            (b"failed", Words(up=False)),
            (b"ready", Words(admin="ready")),
            (b"drain", Words(admin="drain")),
            (b"maint", Words(admin="maintenance")),
            (b"75%", Words(percent=75)),
            (b"0%", Words(percent=0)),
            (b"maxconn:30", Words(maxconn=30)),
            (b"UP Ready,50%\tmaxconn:8\r\n", Words(True, "ready", 50, 8)),
            (b"down # disk full\n", Words(up=False, remark="disk full")),
            (b"", Words()),
            (b"# only a remark", Words(remark="only a remark")),
        ],
    )
    def test_words_of_the_agent_check(self, line: bytes, words: Words) -> None:
        assert parse(line) == words

    @pytest.mark.parametrize("word", ["sleepy", "75", "-5%", "1001%", "12345%", "maxconn:x", "%"])
    def test_an_unknown_word_is_kept_aside(self, word: str) -> None:
        assert parse(f"up {word} drain".encode()) == Words(True, "drain", unknown=(word,))

    def test_the_last_word_of_a_kind_counts(self) -> None:
        assert parse(b"up down") == Words(up=False)

    @given(st.binary(max_size=200))
    def test_no_line_is_an_accident(self, line: bytes) -> None:
        words = parse(line)
        assert words.percent is None or 0 <= words.percent <= 1000


class TestAgent:
    def test_it_drains_and_readies_its_server(self) -> None:
        subject, agent = server(), Agent(100)
        assert agent.said(subject, parse(b"drain # backup")) == [("drain", "agent: backup")]
        assert subject.admin == "drain"
        assert agent.said(subject, parse(b"drain # backup")) == []
        assert agent.said(subject, parse(b"maint")) == [("maintenance", "agent")]
        assert agent.said(subject, parse(b"ready")) == [("ready", "agent")]
        assert subject.admin == "ready"

    @pytest.mark.parametrize("admin", ["drain", "maintenance"])
    def test_it_cannot_undo_what_an_operator_decided(self, admin: str) -> None:
        subject = server(admin=admin)
        assert Agent(100).said(subject, parse(b"ready up 100%")) == []
        assert subject.admin == admin

    def test_a_percentage_is_of_the_configured_weight(self) -> None:
        subject, agent = server(weight=40), Agent(40)
        assert agent.said(subject, parse(b"75%")) == [("weight", "agent, now 30")]
        assert agent.said(subject, parse(b"50%")) == [("weight", "agent, now 20")]
        assert agent.said(subject, parse(b"50%")) == []
        assert subject.weight == 20

    def test_only_0_percent_takes_all_weight(self) -> None:
        subject, agent = server(weight=5), Agent(5)
        agent.said(subject, parse(b"1%"))
        assert subject.weight == 1
        agent.said(subject, parse(b"0%"))
        assert subject.weight == 0

    def test_it_sets_maxconn(self) -> None:
        subject, agent = server(), Agent(100)
        assert agent.said(subject, parse(b"maxconn:30")) == [("maxconn", "agent, now 30")]
        assert agent.said(subject, parse(b"up")) == []
        assert subject.maxconn == 30
