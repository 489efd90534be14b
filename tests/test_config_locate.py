"""Every key is found on its line, however TOML lets people write it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_lb.config.locate import Lines, Path, line_of_error, locate

TEXT = '''\
# a comment with [brackets] and "quotes"
top = 1

[[frontend]]           # the first
name = "a # not a comment"
listen = [
    "*:21",            # one ] of two
    "*:2121",
]
tls.mode = "pass"
"quoted.key" . 'in parts' = """
[not a header]
key = "nor a key" \\""" still inside """""
[frontend.timeout]
idle = "15m"

[[frontend.route]]
sni = \'\'\'
x'\'\'\'
[[frontend.route]]
check = { type = "tcp", "rise" = 2, nested = [{ a = 1 }, { b = [1, 2] }] }

[[frontend]]
name = 'second'
[frontend.timeout]
idle = 1979-05-27 07:32:00
[group."proxy.ftp".role.data]
server_port = 1
[group]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("frontend",), 4),
        (("frontend", 0), 4),
        (("frontend", 0, "name"), 5),
        (("frontend", 0, "listen"), 6),
        (("frontend", 0, "listen", 0), 7),
        (("frontend", 0, "listen", 1), 8),
        (("frontend", 0, "tls"), 10),
        (("frontend", 0, "tls", "mode"), 10),
        (("frontend", 0, "quoted.key"), 11),
        (("frontend", 0, "quoted.key", "in parts"), 11),
        (("frontend", 0, "timeout"), 14),
        (("frontend", 0, "timeout", "idle"), 15),
        (("frontend", 0, "route", 0), 17),
        (("frontend", 0, "route", 0, "sni"), 18),
        (("frontend", 0, "route", 1), 20),
        (("frontend", 0, "route", 1, "check", "type"), 21),
        (("frontend", 0, "route", 1, "check", "rise"), 21),
        (("frontend", 0, "route", 1, "check", "nested", 0, "a"), 21),
        (("frontend", 0, "route", 1, "check", "nested", 1, "b", 1), 21),
        (("frontend", 1), 23),
        (("frontend", 1, "name"), 24),
        (("frontend", 1, "timeout", "idle"), 26),
        (("group", "proxy.ftp", "role", "data"), 27),
        (("group", "proxy.ftp", "role", "data", "server_port"), 28),
    ],
)
def test_a_key_stands_on_its_line(path: Path, line: int) -> None:
    tomllib.loads(TEXT)
    assert locate(TEXT).at[path] == line


def test_carriage_returns_do_not_count_twice() -> None:
    assert locate("a = 1\r\n\r\nb = 2\r\n").at == {("a",): 1, ("b",): 3}


def test_a_key_that_is_not_there_has_the_line_of_its_table() -> None:
    lines = locate(TEXT)
    assert lines.find(("frontend", 1, "listen")) == 23
    assert lines.find(("frontend", 0, "timeout", "opening")) == 14


def test_nothing_of_the_path_there_means_no_line() -> None:
    assert Lines({}).find(("frontend", 0)) is None


def test_the_line_of_a_syntax_error_is_the_parser_s() -> None:
    text = "a = 1\nb = \n"
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert line_of_error(caught.value, text) == 2


def test_a_text_that_ends_too_early_is_wrong_on_its_last_line() -> None:
    text = 'a = 1\nb = """\nnever closed'
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert line_of_error(caught.value, text) == 3


def test_an_error_that_names_no_line_has_none() -> None:
    assert line_of_error(ValueError("a thousand digits"), "a = 9") is None


@pytest.mark.parametrize("odd", ["a = 1\n[b\nc = 2", "a = 1\n= 2", "a = 1\nb 2", "a = 1\nb = ]"])
def test_the_lines_before_what_is_odd_are_kept(odd: str) -> None:
    assert locate(odd).at[("a",)] == 1


def test_nesting_without_end_is_survived() -> None:
    assert locate("a = 1\nb = " + "[" * 100_000).at[("a",)] == 1


# -- against the parser ----------------------------------------------------------------------------

KEYS = st.text("ab.'\" ", max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text("a]}#,\"'\\\n=[", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str() if "\n" in value and "'" not in value:
            return f"'''{value}'''"
        case str():
            return quoted(value)
        case list():
            return "[ # list\n" + "".join(f"{written(item)}\n, " for item in value) + "]"
    return "{ " + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + " }"


def paths(value: Any, path: Path = ()) -> set[Path]:
    match value:
        case dict():
            inner = value.items()
        case list():
            inner = enumerate(value)
        case _:
            return {path}
    return {path}.union(*(paths(each, (*path, key)) for key, each in inner))


@given(tables=st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=4))
def test_whatever_the_parser_reads_is_found_and_nothing_else(
    tables: list[dict[str, Any]],
) -> None:
    text = "".join(
        "[[table]]\n" + "".join(f"{quoted(k)} = {written(v)}\n" for k, v in table.items())
        for table in tables
    )
    assert set(locate(text).at) | {()} == paths(tomllib.loads(text))
