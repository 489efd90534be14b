"""Frontends and backends that contradict themselves are told so."""

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED, wrong
from twisted_lb.config.load import load

PASS = 'tls.mode = "pass"\n'


@pytest.mark.parametrize(
    ("written", "path", "message"),
    [
        ("", "frontend[web].listen", 'is missing: where to listen, as "*:21"'),
        (
            'listen = "*:80"\nendpoint = "tcp:80"',
            "frontend[web].endpoint",
            "stands beside `listen`: take one of the two away",
        ),
    ],
)
def test_a_frontend_listens_in_one_way(written: str, path: str, message: str) -> None:
    text = BACKEND + FRONTEND.replace('listen = "*:80"', written)
    assert wrong(text) == {path: message}


def test_an_endpoint_is_enough() -> None:
    text = BACKEND + "check.port = 80" + FRONTEND.replace("listen = ", "endpoint = ")
    assert load(text, "f").frontends[0].endpoint == "*:80"


@pytest.mark.parametrize(
    ("routes", "path", "message"),
    [
        (
            '{ backend = "pool" }',
            "frontend[web].route[#1]",
            "matches everything: that is the frontend's own `group` or `backend`",
        ),
        (
            '{ sni = ["a.example", "b.example"], backend = "pool" }, '
            '{ sni = "b.example", backend = "pool" }',
            "frontend[web].route[#2]",
            "never matches: routes before it take all that it names",
        ),
        (
            '{ alpn = "h2", backend = "pool" }, { alpn = "h2", backend = "pool" }',
            "frontend[web].route[#2]",
            "never matches: routes before it take all that it names",
        ),
        (
            '{ sni = "a.example", backend = "pool" }, '
            '{ sni = "a.example", alpn = "h2", backend = "pool" }',
            "frontend[web].route[#2]",
            "never matches: routes before it take all that it names",
        ),
    ],
)
def test_a_route_that_decides_nothing_is_an_error(routes: str, path: str, message: str) -> None:
    assert wrong(BACKEND + FRONTEND + PASS + f"route = [{routes}]") == {path: message}


def test_one_name_may_have_routes_by_protocol() -> None:
    routes = (
        '{ sni = "a.example", alpn = "h2", backend = "pool" }, '
        '{ alpn = "h2", backend = "pool" }, { sni = "a.example", backend = "pool" }'
    )
    assert wrong(BACKEND + FRONTEND + PASS + f"route = [{routes}]") == {}


def test_a_route_that_could_not_be_read_does_not_match_everything_as_well() -> None:
    text = BACKEND + FRONTEND + PASS + 'route = [{ sni = 5, backend = "pool" }]'
    assert list(wrong(text)) == ["frontend[web].route[#1].sni"]


def test_proxy_headers_are_taken_from_known_peers_only() -> None:
    """Attack 16."""
    assert wrong(BACKEND + FRONTEND + 'proxy.mode = "required"') == {
        "frontend[web].proxy.trusted": "is missing: whoever may write PROXY headers may claim any "
        "address"
    }


def test_only_ftp_has_data_connections_that_could_come_bare() -> None:
    proxy = 'proxy = { mode = "required", trusted = "10.0.0.1", bare_data = true }\n'
    assert wrong(BACKEND + FRONTEND + proxy) == {
        "frontend[web].proxy.bare_data": 'is read only with `protocol = "ftp"`'
    }
    assert wrong(BACKEND + FTP + proxy) == {}


def test_data_headers_extend_what_a_server_wants() -> None:
    text = BACKEND + FTP + "ftp.proxy_data = true"
    assert wrong(text) == {
        "frontend[ftp].ftp.proxy_data": 'no server of backend "pool" has `send_proxy`'
    }
    assert wrong(text.replace(" }]", ', send_proxy = "v2" }]')) == {}
    assert list(wrong(text.replace('backend = "pool"', 'backend = "pol"'))) == [
        "frontend[ftp].backend"
    ]


def test_with_a_group_the_idle_time_is_the_group_s() -> None:
    text = BACKEND + GROUPED.replace("[[frontend]]", '[[frontend]]\ntimeout.idle = "5m"')
    assert wrong(text) == {
        "frontend[web].timeout.idle": "is not read with a group: a session's idle time is "
        "[group.site]'s"
    }


@pytest.mark.parametrize(
    ("check", "key", "message"),
    [
        (
            'type = "tls"',
            "name",
            'is missing: the name that certificates must carry, as "lb.example.com"',
        ),
        ('type = "agent"', "port", "is missing: an agent answers on a port of its own"),
        (
            'type = "ftp", data = true',
            "user",
            "is missing: a data connection needs a login",
        ),
        (
            'type = "ftp", user = "probe"',
            "password_file",
            "is missing: passwords stand in files, not here",
        ),
        (
            'type = "ftp", password_file = "/etc/p"',
            "user",
            "is missing: whose password is in `password_file`?",
        ),
    ],
)
def test_a_check_has_what_its_type_needs(check: str, key: str, message: str) -> None:
    text = BACKEND + f"check = {{ {check} }}" + FRONTEND
    assert wrong(text) == {f"backend[pool].check.{key}": message}


def test_a_tls_check_asks_for_the_name_that_channels_ask_for() -> None:
    assert wrong(BACKEND + 'check.type = "tls"\ntls.mode = "on"' + FRONTEND) == {}


@pytest.mark.parametrize(
    "check",
    [
        'type = "tls", name = "lb.example.com"',
        'type = "agent", port = 9999',
        'type = "ftp"',
        'type = "ftp", user = "probe", password_file = "/etc/p", data = true',
        'type = "off"',
    ],
)
def test_a_check_that_has_it_can_run(check: str) -> None:
    assert wrong(BACKEND + f"check = {{ {check} }}" + FRONTEND) == {}
