"""Values as people write them are understood; what is not understood is explained."""

import datetime
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.values import (
    FLAG,
    NAME,
    TEXT,
    Refused,
    Value,
    choice,
    describe,
    did_you_mean,
    duration,
    either,
    mapping,
    matching,
    quote,
    several,
    size,
    whole,
    word,
)

DURATION = duration(0.001)
SIZE = size(1, 1 << 30)


def refusal(kind: Value, raw: object) -> str:
    with pytest.raises(Refused) as caught:
        kind.read(raw)
    return kind.explain(raw, caught.value.why)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("500ms", 0.5),
        ("300ms", 0.3),
        ("60s", 60.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1 h 30 m", 5400.0),
        ("0.001s", 0.001),
    ],
)
def test_a_duration_is_read_in_seconds(written: str, seconds: float) -> None:
    assert DURATION.read(written) == seconds


def test_a_bare_number_is_told_to_take_a_unit() -> None:
    assert refusal(DURATION, 60) == (
        'wants a duration, as "60s"; 60 has no unit: add one of d, h, m, s, ms'
    )


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("60", 'got "60"'),
        ("s", 'got "s"'),
        ("-5s", 'got "-5s"'),
        ("5 fortnights", 'there is no unit "fortnights", but d, h, m, s, ms'),
        ("0s", '"0s" is not between 1ms and 3650d'),
        ("9999999999d", '"9999999999d" is not between 1ms and 3650d'),
        (True, "got true"),
        ("٣s", 'got "٣s"'),
    ],
)
def test_what_is_no_duration_is_refused(raw: object, why: str) -> None:
    assert refusal(DURATION, raw).endswith(f"; {why}")


@given(st.floats(0.001, 3650 * 86400))
def test_a_duration_is_written_so_that_it_reads_the_same(seconds: float) -> None:
    assert DURATION.read(DURATION.show(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0, "0s"), (0.5, "500ms"), (90.0, "90s"), (86400.0, "1d"), (0.00012, "0.00012s")],
)
def test_a_duration_is_written_in_the_largest_unit_that_fits(seconds: float, written: str) -> None:
    assert duration().show(seconds) == written


@pytest.mark.parametrize(
    ("written", "amount"), [("64KiB", 65536), ("64kB", 64000), ("1MiB", 1 << 20), ("7B", 7)]
)
def test_a_size_is_read_in_bytes(written: str, amount: int) -> None:
    assert SIZE.read(written) == amount


def test_a_size_outside_its_bounds_is_refused() -> None:
    assert refusal(size(1024, 2048), "3KiB").endswith('"3KiB" is not between 1KiB and 2KiB')


def test_a_size_without_a_unit_is_refused() -> None:
    assert refusal(SIZE, 65536).endswith("65536 has no unit: add one of B, kB, KiB, MB, MiB")


@given(st.integers(1, 1 << 30))
def test_a_size_is_written_so_that_it_reads_the_same(amount: int) -> None:
    assert SIZE.read(SIZE.show(amount)) == amount


def test_a_flag_is_true_or_false_and_no_number() -> None:
    assert FLAG.read(True) is True
    assert refusal(FLAG, 1) == "wants true or false; got the number 1"


def test_a_text_is_a_text_that_prints() -> None:
    assert TEXT.read("a b") == "a b"
    assert refusal(TEXT, ["a"]).endswith("got a list")
    assert refusal(TEXT, "a\nb").endswith("it has characters that do not print")


@pytest.mark.parametrize("name", ["ftp-servers", "a.b_c", "Zürich"])
def test_a_name_may_have_letters_digits_and_three_marks(name: str) -> None:
    assert NAME.read(name) == name


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 65, 3])
def test_other_names_are_refused(name: object) -> None:
    assert refusal(NAME, name).startswith("wants a name of letters")


@pytest.mark.parametrize("raw", [0, 4, -1, True, 2.0, "2"])
def test_a_whole_number_stays_between_its_bounds(raw: object) -> None:
    assert whole(1, 3, 2).read(2) == 2
    assert refusal(whole(1, 3, 2), raw).startswith("wants a whole number from 1 to 3, as 2; got ")


def test_a_near_miss_of_a_choice_is_guessed() -> None:
    kind = choice("off", "pass", later=["terminate"])
    assert kind.read("pass") == "pass"
    assert refusal(kind, "pas") == 'wants one of "off", "pass"; got "pas", did you mean "pass"?'
    assert refusal(kind, "xyzzy") == 'wants one of "off", "pass"; got "xyzzy"'
    assert refusal(kind, True) == 'wants one of "off", "pass"; got true'


def test_a_word_of_a_later_version_is_said_to_be_one() -> None:
    kind = choice("off", "pass", later=["terminate"])
    assert refusal(kind, "terminate") == (
        'wants one of "off", "pass"; "terminate" is not available in this version'
    )


def test_never_stands_for_none() -> None:
    kind = either(duration(), word("never"))
    assert kind.read("never") is None
    assert kind.read("1s") == 1.0
    assert [kind.show(None), kind.show(1.0)] == ["never", "1s"]
    assert refusal(kind, 5) == (
        'wants a duration ("60s") or "never"; 5 has no unit: add one of d, h, m, s, ms'
    )
    assert refusal(kind, "nevr").endswith('got "nevr"')


def test_every_wrong_item_of_a_list_is_told() -> None:
    kind = several(whole(1, 3, 2))
    assert kind.read([1, 2]) == (1, 2)
    assert kind.show((1, 2)) == [1, 2]
    with pytest.raises(Refused) as caught:
        kind.read([0, 1, "x"])
    assert [path for path, _ in caught.value.items] == [(0,), (2,)]
    assert caught.value.items[1][1] == 'wants a whole number from 1 to 3, as 2; got "x"'


def test_a_value_alone_is_a_list_of_one() -> None:
    assert several(choice("a", "b")).read("a") == ("a",)
    assert (
        refusal(several(choice("a", "b")), 1)
        == 'wants a list, each one of "a", "b"; got the number 1'
    )


def test_every_wrong_key_and_value_of_a_mapping_is_told() -> None:
    kind = mapping(matching("[a-z]+", "a word", '"w"'), whole(1, 3, 2), "alone")
    assert kind.read({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert kind.show({"a": 1}) == {"a": 1}
    assert kind.read(3) == {"alone": 3}
    with pytest.raises(Refused) as caught:
        kind.read({"A": 1, "b": 9, "c": 1})
    assert [path for path, _ in caught.value.items] == [("A",), ("b",)]


def test_two_keys_that_mean_the_same_are_refused() -> None:
    lower = Value("a word", "", str.lower, str)
    assert refusal(mapping(lower, whole(1, 3, 2), "x"), {"a": 1, "A": 2}).endswith("mean the same")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (False, "false"),
        ("x" * 99, f'"{"x" * 57}..."'),
        (1.5, "the number 1.5"),
        ([], "a list"),
        ({}, "a table"),
        (datetime.date(2026, 1, 1), "a date or time"),
    ],
)
def test_what_came_is_described_in_plain_words(raw: object, words: str) -> None:
    assert describe(raw) == words


@given(st.text(st.characters(codec="utf-8")))
def test_a_quoted_text_is_toml(text: str) -> None:
    assert tomllib.loads(f"a = {quote(text)}")["a"] == text


def test_a_guess_is_made_only_when_something_is_near() -> None:
    assert did_you_mean("listne", ["listen", "name"]) == 'did you mean "listen"?'
    assert did_you_mean("zzz", ["listen", "name"]) == ""


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def explained(kind: Value, raw: object) -> str:
    """Why this value is refused; empty when it is taken."""
    try:
        kind.read(raw)
    except Refused as refused:
        return kind.explain(raw, refused.why)
    return ""


@given(raw=ANYTHING)
def test_no_value_of_toml_breaks_a_reader(raw: object) -> None:
    for kind in (DURATION, SIZE, FLAG, TEXT, NAME, several(NAME), mapping(NAME, SIZE, "a")):
        assert explained(kind, raw)[:6] in ("", "wants ")
