"""Names: given once, defined where they are used, guessed when they are nearly right."""

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED, problems, wrong


def test_an_empty_file_is_told_what_it_lacks() -> None:
    assert wrong("") == {"frontend": "is missing: without a [[frontend]] nothing is listened on"}


def test_an_empty_backend_is_an_error() -> None:
    text = BACKEND.replace('[{ name = "a", host = "10.0.0.1" }]', "[]") + FRONTEND
    assert wrong(text) == {
        "backend[pool].server": "is empty: a backend needs at least one [[backend.server]]"
    }


def test_a_backend_whose_servers_are_missing_is_told_once() -> None:
    assert wrong('[[backend]]\nname = "pool"' + FRONTEND) == {
        "backend[pool].server": "is missing: [[backend]] needs it"
    }


def test_no_two_frontends_backends_or_servers_have_one_name() -> None:
    text = BACKEND * 2 + FRONTEND + FRONTEND.replace("*:80", "10.0.0.1:80")
    text = text.replace("*:80", "10.0.0.2:80")
    text = text.replace("}]", '}, { name = "a", host = "10.0.0.2" }]', 1)
    found = [(problem.path, problem.message) for problem in problems(text)]
    assert found == [
        ("backend[pool].server[a].name", '"a" is the name of no. 1, too: rename one of the two'),
        ("backend[pool].name", '"pool" is the name of no. 1, too: rename one of the two'),
        ("frontend[web].name", '"web" is the name of no. 1, too: rename one of the two'),
    ]


def test_a_frontend_s_own_group_must_not_meet_a_real_one() -> None:
    text = BACKEND + FRONTEND + '[group.web]\nbackend = "pool"'
    assert wrong(text) == {
        "frontend[web].name": '"web" is also a [group]\'s name: a frontend with `backend` has a '
        "group of its own by its own name; rename one of the two"
    }


def test_an_ftp_frontend_takes_a_backend_and_is_told_why() -> None:
    text = BACKEND + FTP.replace("backend", "group")
    assert wrong(text) == {
        "frontend[ftp].group": "an ftp frontend takes `backend`: each control connection is a "
        "session of its own, and its data channels are announced on it, so there are no keys to "
        "configure"
    }


def test_an_ftp_frontend_without_a_backend_leads_nowhere() -> None:
    assert wrong(BACKEND + FTP) == {}
    assert wrong(BACKEND + FTP.replace('backend = "pool"', "")) == {
        "frontend[ftp].backend": "is missing: where do its connections go?"
    }


@pytest.mark.parametrize("line", ["", "route = []"])
def test_a_frontend_leads_somewhere(line: str) -> None:
    assert wrong(BACKEND + FRONTEND.replace('backend = "pool"', line)) == {
        "frontend[web].group": "is missing, and `backend` too: where do its connections go?"
    }


def test_a_frontend_with_routes_needs_no_default() -> None:
    routes = 'tls.mode = "pass"\nroute = [{ sni = "a.example.com", backend = "pool" }]'
    assert wrong(BACKEND + FRONTEND.replace('backend = "pool"', routes)) == {}


def test_a_route_leads_somewhere() -> None:
    routes = 'tls.mode = "pass"\nroute = [{ sni = "a.example.com" }]'
    assert wrong(BACKEND + FRONTEND + routes) == {
        "frontend[web].route[#1].group": "is missing, and `backend` too: where do its "
        "connections go?"
    }


def test_a_group_names_the_backend_not_its_frontend() -> None:
    text = BACKEND + GROUPED.replace("[[frontend]]", '[[frontend]]\nbackend = "pool"')
    assert wrong(text) == {
        "frontend[web].backend": "[group.site] names the backend: take `group` or `backend` away"
    }


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            BACKEND + GROUPED.replace('group = "site"', 'group = "siet"'),
            "frontend[web].group",
            'there is no [group.siet]: did you mean "site"?',
        ),
        (
            BACKEND + GROUPED.replace('group = "site"', 'group = "zzz"'),
            "frontend[web].group",
            "there is no [group.zzz]",
        ),
        (
            BACKEND + GROUPED.replace('group = "site"', 'group = "pool"'),
            "frontend[web].group",
            'there is no [group.pool]: a backend has this name: write `backend = "pool"`',
        ),
        (
            BACKEND + FRONTEND.replace('"pool"', '"pol"'),
            "frontend[web].backend",
            'there is no [[backend]] of name "pol": did you mean "pool"?',
        ),
        (
            BACKEND + GROUPED.replace('"pool"', '"pol"'),
            "group.site.backend",
            'there is no [[backend]] of name "pol": did you mean "pool"?',
        ),
        (
            BACKEND
            + FRONTEND
            + 'tls.mode = "pass"\nroute = [{ sni = "a.example.com", backend = "pol" }]',
            "frontend[web].route[#1].backend",
            'there is no [[backend]] of name "pol": did you mean "pool"?',
        ),
    ],
)
def test_an_undefined_name_is_guessed(text: str, path: str, message: str) -> None:
    assert wrong(text) == {path: message}


def test_a_backend_whose_name_could_not_be_read_may_be_the_one_that_is_meant() -> None:
    assert set(wrong(FRONTEND + BACKEND.replace('name = "pool"', ""))) == {"backend[#1].name"}
    assert set(wrong(FRONTEND + BACKEND.replace("[[backend]]", "[backend]"))) == {"backend"}
    assert set(wrong("group = 5\n" + BACKEND + FRONTEND.replace("backend", "group"))) == {"group"}


def test_a_group_that_could_not_be_read_is_not_missed_as_well() -> None:
    text = BACKEND + GROUPED.replace('group = "site"', "group = 5")
    assert list(wrong(text)) == ["frontend[web].group"]
