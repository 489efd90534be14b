"""Values as people write them are understood; what is not understood is explained."""

import datetime
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.configs import explained, refusal
from twisted_lb.config.units import duration
from twisted_lb.config.values import (
    FLAG,
    NAME,
    TEXT,
    Refused,
    Value,
    choice,
    describe,
    did_you_mean,
    either,
    mapping,
    matching,
    quote,
    several,
    whole,
    word,
)


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


def test_a_number_in_quotes_is_told_so_beside_a_choice_of_words_too() -> None:
    kind = either(choice("same"), whole(1, 3, 2))
    assert refusal(kind, "2").endswith('; got "2": a number stands without quotes')
    assert refusal(kind, "sane").endswith('; got "sane", did you mean "same"?')


def test_a_near_miss_of_a_choice_is_guessed() -> None:
    kind = choice("off", "pass")
    assert kind.read("pass") == "pass"
    assert refusal(kind, "pas") == 'wants one of "off", "pass"; got "pas", did you mean "pass"?'
    assert refusal(kind, "xyzzy") == 'wants one of "off", "pass"; got "xyzzy"'
    assert refusal(kind, True) == 'wants one of "off", "pass"; got true'


def test_a_word_of_a_later_version_is_said_to_be_one_with_what_to_do_until_then() -> None:
    kind = choice("off", "pass", later={"terminate": 'write "off"'})
    assert refusal(kind, "terminate") == (
        'wants one of "off", "pass"; "terminate" is not available in this version: write "off"'
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


@given(raw=ANYTHING)
def test_no_value_of_toml_breaks_a_reader(raw: object) -> None:
    for kind in (FLAG, TEXT, NAME, several(NAME), mapping(NAME, FLAG, "a")):
        assert explained(kind, raw)[:6] in ("", "wants ")
