"""What is allowed and yet may surprise is told, and nothing is told of what does not."""

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED
from twisted_lb.config.advice import advice
from twisted_lb.config.load import load


def told(text: str) -> dict[str, str]:
    return {problem.path: problem.message for problem in advice(load(text, "f"))}


@pytest.mark.parametrize(
    "text",
    [
        BACKEND + FRONTEND,
        BACKEND + FTP,
        BACKEND + GROUPED + 'key = "connection"',
        BACKEND + 'on_down = "keep"' + FRONTEND,
        BACKEND
        + FRONTEND.replace('backend = "pool"', 'tls.mode = "pass"')
        + 'route = [{ sni = "a.example", backend = "pool" }]',
    ],
)
def test_a_plain_configuration_gets_no_advice(text: str) -> None:
    assert told(text) == {}


def test_users_behind_one_address_are_one_session() -> None:
    messages = told(BACKEND + GROUPED + "max_channels = 50")
    assert list(messages) == ["group.site.key"]
    assert messages["group.site.key"] == (
        "source is shared: users who show the same one (behind one NAT address, say) are one "
        "session on one server, of at most 50 channels"
    )


def test_keeping_sessions_of_a_server_that_is_down_needs_keys_that_separate_users() -> None:
    messages = told(BACKEND + 'on_down = "keep"' + GROUPED)
    assert list(messages) == ["group.site.key", "backend[pool].on_down"]
    assert '"keep" needs keys that separate users' in messages["backend[pool].on_down"]


def test_few_passive_ports_for_many_sessions() -> None:
    text = BACKEND + FTP + 'ftp.passive_ports = "40000-40009"\n'
    assert told(text + "maxconn = 101") == {
        "frontend[ftp].ftp.passive_ports": "10 ports for up to 101 sessions (maxconn): when more "
        "than 10 transfers start together, some are refused with 425"
    }
    assert told(text + "maxconn = 100") == {}


def test_groups_and_backends_that_nobody_uses() -> None:
    spare = BACKEND.replace("pool", "spare") + "[group.idle]\n" + 'backend = "pool"\n'
    messages = told(BACKEND + spare + 'key = "connection"' + FRONTEND)
    assert messages == {
        "group.idle": "no frontend uses it",
        "backend[spare]": "no frontend or group uses it",
    }


def test_a_role_that_never_comes() -> None:
    roles = "[group.site.role.any]\n[group.site.role.data]"
    messages = told(BACKEND + GROUPED + roles)
    assert messages["group.site.role.data"] == "no frontend of the group has this role"
    assert "group.site.role.any" not in messages


@pytest.mark.parametrize("line", ["weight = 0", 'state = "drain"', 'state = "maintenance"'])
def test_a_backend_that_takes_nobody(line: str) -> None:
    assert told(BACKEND.replace(" }]", f", {line} }}]") + FRONTEND) == {
        "backend[pool].server": "no server takes new sessions: each has weight 0, drains or is in "
        "maintenance"
    }


LEARNING = BACKEND + GROUPED.replace('group = "site"', 'group = "site"\ntls.mode = "pass"')


def test_clients_of_tls_1_3_cannot_be_told_by_their_tls_sessions() -> None:
    roles = "[group.site.role.any]\nopens = true\n[group.site.role.data]\n"
    checked = LEARNING.replace(BACKEND, BACKEND + "check.port = 80\n")
    data = FRONTEND.replace("web", "data").replace(":80", ":81")
    data = data.replace('backend = "pool"', 'group = "site"\nrole = "data"\ntls.mode = "pass"')
    assert told(checked + 'key = "tls-session"\n' + roles + data) == {
        "group.site.key": "tls-session is learned up to TLS 1.2; clients of TLS 1.3 show nothing "
        "that can be: their channels of other roles (data) are refused (unkeyed). Either servers "
        'and clients stay with TLS 1.2, or what remains is a coarse key, as "source"'
    }


def test_where_every_role_opens_channels_of_tls_1_3_are_apart() -> None:
    roles = "[group.site.role.any]\nopens = true\n"
    messages = told(LEARNING + 'key = "tls-session"\n' + roles)
    assert "each of their channels is a session of its own" in messages["group.site.key"]
