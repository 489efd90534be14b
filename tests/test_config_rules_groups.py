"""Groups whose connections could never meet, or never all fit, are told so."""

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED, problems, wrong
from twisted_lb.config.load import load
from twisted_lb.config.tables import Plugins

ROLES = "[group.site.role.control]\n[group.site.role.data]\n"
CONTROL = GROUPED.replace("[[frontend]]", '[[frontend]]\nrole = "control"')


def test_a_role_is_one_that_the_group_declares() -> None:
    assert wrong(BACKEND + CONTROL) == {
        "frontend[web].role": '"control" is not a role of [group.site], which has "any"'
    }
    assert wrong(BACKEND + GROUPED + ROLES) == {
        "frontend[web].role": '"any" is not a role of [group.site], which has "control", "data"'
    }
    assert wrong(BACKEND + CONTROL + ROLES) == {}


def test_a_role_that_could_not_be_read_is_not_undeclared_as_well() -> None:
    text = BACKEND + CONTROL.replace('"control"', '"contrl"')
    assert list(wrong(text)) == ["frontend[web].role"]
    assert list(wrong(BACKEND + CONTROL + "role = 5")) == ["group.site.role"]


def test_an_ftp_frontend_is_the_control_channel() -> None:
    assert wrong(BACKEND + FTP + 'role = "data"') == {
        "frontend[ftp].role": '"data" is not an ftp frontend\'s role: `control` is'
    }


@pytest.mark.parametrize(
    ("key", "path", "message"),
    [
        ("[]", "", "is empty: without a key every connection would be refused"),
        ('["source", "source"]', "[#2]", '"source" is there already'),
        (
            '["source", "local-port"]',
            "[#2]",
            '"local-port" is never asked: "source" is always there',
        ),
    ],
)
def test_every_kind_of_key_can_be_the_one_that_decides(key: str, path: str, message: str) -> None:
    assert wrong(BACKEND + GROUPED + f"key = {key}") == {f"group.site.key{path}": message}


def test_kinds_that_may_be_missing_are_followed_by_others() -> None:
    plugins = Plugins(keys=frozenset({"mine"}))
    assert wrong(BACKEND + GROUPED + 'key = ["mine", "source"]', plugins) == {}


def test_channels_of_several_roles_never_meet_by_a_key_of_their_own() -> None:
    assert wrong(BACKEND + CONTROL + 'key = "connection"\n' + ROLES) == {
        "group.site.key": '"connection" makes each connection a session of its own: "control", '
        '"data" never meet'
    }
    assert wrong(BACKEND + GROUPED + 'key = "connection"') == {}


@pytest.mark.parametrize(
    ("kind", "needs", "given"),
    [
        ("sni", 'tls.mode = "pass" or "terminate"', 'tls.mode = "pass"'),
        (
            "certificate",
            'tls.clients = "any" or "optional" or "required"',
            'tls = { mode = "terminate", clients = "any", certificate = [{ file = "a.pem" }] }',
        ),
        (
            "proxy",
            'proxy.mode = "required"',
            'proxy = { mode = "required", trusted = "10.0.0.1" }',
        ),
    ],
)
def test_a_key_that_a_frontend_never_shows_is_an_error(kind: str, needs: str, given: str) -> None:
    text = BACKEND + GROUPED + f'key = ["{kind}", "source"]'
    assert wrong(text) == {
        "group.site.key": f'"{kind}" is never shown on frontend "web": it needs `{needs}` there'
    }
    assert wrong(text.replace("[[frontend]]", f"[[frontend]]\n{given}")) == {}


RANGE = '[group.site.role.any]\nserver_port = "3000-3002"'


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ('"*:80"', 'frontend "web" listens on 1'),
        ('"*:80-83"', 'frontend "web" listens on 4'),
        ('["*:80-81", "*:83"]', 'frontend "web" listens on ports with gaps'),
    ],
)
def test_a_range_of_server_ports_is_as_long_as_the_one_listened_on(listen: str, why: str) -> None:
    text = BACKEND + "check.port = 3000" + GROUPED.replace('"*:80"', listen) + RANGE
    assert wrong(text) == {"group.site.role.any.server_port": f"has 3 ports, but {why}"}


def test_a_range_cannot_be_mapped_to_an_endpoint() -> None:
    frontend = GROUPED.replace('listen = "*:80"', 'endpoint = "systemd:domain=INET"')
    assert wrong(BACKEND + "check.port = 3000" + frontend + RANGE) == {
        "group.site.role.any.server_port": 'has 3 ports, but frontend "web" does not say in '
        "`listen` which ports it has"
    }


def test_equal_ranges_map_one_to_one_on_every_address() -> None:
    frontend = GROUPED.replace('"*:80"', '["10.0.0.1:80-82", "10.0.0.2:80-82"]')
    settings = load(BACKEND + "check.port = 3000" + frontend + RANGE, "f")
    assert settings.groups["site"].roles["any"].server_port == (3000, 3002)


def test_the_same_holds_for_a_frontend_with_a_backend() -> None:
    text = BACKEND + "check.port = 3000" + FRONTEND + 'server_port = "3000-3002"'
    assert wrong(text) == {
        "frontend[web].server_port": 'has 3 ports, but frontend "web" listens on 1'
    }


def test_a_session_has_room_for_a_channel_of_each_role() -> None:
    assert wrong(BACKEND + CONTROL + "max_channels = 1\n" + ROLES) == {
        "group.site.max_channels": "1 is less than the 2 roles of a session"
    }


def test_a_server_has_room_for_one_session() -> None:
    backend = BACKEND.replace(" }]", ", maxconn = 1 }]")
    assert wrong(backend + CONTROL + ROLES) == {
        "backend[pool].server[a].maxconn": '1 has no room for one session of group "site", which '
        "has 2 channels"
    }
    assert wrong(backend + FRONTEND) == {}
    assert [p.path for p in problems(backend + FTP)] == ["backend[pool].server[a].maxconn"]


def test_a_backend_that_nobody_uses_has_room() -> None:
    spare = BACKEND.replace("pool", "spare").replace(" }]", ", maxconn = 1 }]")
    assert wrong(BACKEND + spare + FRONTEND) == {}


ALPN = "pattern.alpn = 's/(?P<session>.+)'\n"


@pytest.mark.parametrize("kind", ["alpn", "opening"])
def test_a_kind_that_a_pattern_finds_needs_the_pattern(kind: str) -> None:
    mode = {"alpn": 'tls.mode = "pass"\n', "opening": ""}[kind]
    text = BACKEND + GROUPED.replace("group =", mode + "group =") + f'key = "{kind}"\n'
    assert wrong(text) == {
        f"group.site.pattern.{kind}": f'is missing: the key "{kind}" is what this pattern finds'
    }


def test_a_pattern_that_no_key_asks_for_is_an_error() -> None:
    assert wrong(BACKEND + GROUPED + ALPN) == {
        "group.site.pattern.alpn": 'is read only with "alpn" in `key`'
    }


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("'('", '"(" is no regular expression (RE2): missing ): ('),
        ("'(?P<session>.)(?=x)'", "is no regular expression (RE2): invalid perl operator: (?="),
        ("'(.*)'", "does not say what the session is: (?P<session>…)"),
        ("'(?P<session>.)(?P<roll>.)'", '"roll" is no group that is read: session and role are'),
        ('"(?P<session>.)\\u20ac"', "has a character that is no byte"),
        ("5", "wants a regular expression"),
    ],
)
def test_a_pattern_must_find_a_session(pattern: str, why: str) -> None:
    text = BACKEND + GROUPED + f"pattern.alpn = {pattern}\n"
    assert why in wrong(text)["group.site.pattern.alpn"]


RESUMED = GROUPED.replace("group =", 'tls.mode = "pass"\ngroup =') + 'key = "tls-session"\n'


def test_a_tls_session_needs_a_role_that_opens_one() -> None:
    assert list(wrong(BACKEND + RESUMED)) == ["group.site.role"]
    assert wrong(BACKEND + RESUMED + "role.any.opens = true") == {}


def test_a_tls_session_stands_alone() -> None:
    text = RESUMED.replace('"tls-session"', '["tls-session", "source"]')
    messages = wrong(BACKEND + text + "role.any.opens = true")
    assert list(messages) == ["group.site.key"]
    assert "stands alone" in messages["group.site.key"]


def test_a_role_opens_sessions_only_where_they_cannot_be_shown() -> None:
    assert wrong(BACKEND + GROUPED + "role.any.opens = true") == {
        "group.site.role.any.opens": 'is read only with "tls-session" as `key`'
    }


def test_roles_that_are_carried_need_no_frontend_of_their_own() -> None:
    text = GROUPED + "key = \"opening\"\npattern.opening = '(?P<role>.) (?P<session>.)'\n"
    roles = "role.control.server_port = 1\nrole.data.server_port = 2\n"
    check = BACKEND + "check.port = 80\n"
    assert wrong(check + text + roles) == {}
    assert list(wrong(BACKEND + text + roles)) == ["backend[pool].check.port"]


def test_a_range_of_a_role_that_is_carried_is_as_long_as_its_frontends() -> None:
    """The role comes with the key: it may be any of the group's."""
    text = (
        BACKEND
        + "check.port = 80"
        + """
        [[frontend]]
        name = "web"
        listen = "*:3000-3004"
        group = "g"
        [group.g]
        backend = "pool"
        key = ["opening"]
        pattern.opening = '(?P<role>\\S+) (?P<session>\\S+) '
        role.any = {}
        role.data = { server_port = "4000-4001" }
        """
    )
    assert wrong(text) == {
        "group.g.role.data.server_port": 'has 2 ports, but frontend "web" listens on 5'
    }
