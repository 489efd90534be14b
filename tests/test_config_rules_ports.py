"""Listeners and ranges that would meet are told apart before anything is bound."""

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED, wrong


def two(one: str, other: str) -> str:
    second = FRONTEND.replace('"web"', '"other"').replace('"*:80"', other)
    return BACKEND + "check.port = 80" + FRONTEND.replace('"*:80"', one) + second


@pytest.mark.parametrize(
    ("one", "other", "ports"),
    [
        ('"*:80"', '"*:80"', "port 80 also belongs"),
        ('"*:80"', '"10.0.0.1:80"', "port 80 also belongs"),
        ('"[::1]:80"', '"*:80"', "port 80 also belongs"),
        ('"0.0.0.0:80"', '"10.0.0.1:80"', "port 80 also belongs"),
        ('"[2001:db8::1]:80"', '"[2001:DB8:0::1]:80"', "port 80 also belongs"),
        ('"0.0.0.0:80"', '"[::]:80"', "port 80 also belongs"),
        ('"10.0.0.1:80"', '"[::]:80"', "port 80 also belongs"),
        ('"*:80-90"', '"*:85-99"', "ports 85-90 also belong"),
    ],
)
def test_two_frontends_on_one_address_and_port_are_an_error(
    one: str, other: str, ports: str
) -> None:
    assert wrong(two(one, other)) == {
        "frontend[other].listen": f'{ports} to listen of frontend "web", on the same address'
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('"*:80"', '"*:81"'),
        ('"10.0.0.1:80"', '"10.0.0.2:80"'),
        ('"*:0"', '"*:0"'),
    ],
)
def test_listeners_that_do_not_meet_are_taken(one: str, other: str) -> None:
    assert wrong(two(one, other)) == {}


def test_a_frontend_does_not_listen_twice_on_one_port() -> None:
    text = BACKEND + FRONTEND.replace('"*:80"', '["*:80", "10.0.0.1:80"]')
    assert list(wrong(text)) == ["frontend[web].listen"]


def farm(listen: str, lines: str = "") -> str:
    ports = 'ftp.passive_ports = "40000-40009"\n'
    first = FTP.replace("*:21", "10.0.0.1:21") + ports
    second = FTP.replace('"ftp"\nlisten', '"more"\nlisten').replace("*:21", listen)
    return BACKEND + "check.port = 21" + first + second + lines


def test_passive_ranges_on_one_address_are_apart() -> None:
    text = farm("10.0.0.1:2121", 'ftp.passive_ports = "40009-40020"')
    assert wrong(text) == {
        "frontend[more].ftp.passive_ports": "port 40009 also belongs to ftp.passive_ports of "
        'frontend "ftp", on the same address'
    }


@pytest.mark.parametrize("listen", ["*:2121", "0.0.0.0:2121"])
def test_the_range_that_is_there_by_default_may_clash_as_well(listen: str) -> None:
    assert list(wrong(farm(listen))) == ["frontend[more].ftp.passive_ports"]


@pytest.mark.parametrize(
    ("listen", "lines"),
    [
        ("10.0.0.2:21", ""),
        ("[2001:db8::1]:21", ""),
        ("10.0.0.1:2121", 'ftp.passive_ports = "40010-40020"'),
    ],
)
def test_passive_ranges_that_do_not_meet_are_taken(listen: str, lines: str) -> None:
    assert wrong(farm(listen, lines)) == {}


def test_an_endpoint_may_be_on_any_address() -> None:
    text = farm("*:1").replace('listen = "*:1"', 'endpoint = "systemd:domain=INET"')
    assert list(wrong(text)) == ["frontend[more].ftp.passive_ports"]


def test_a_listener_in_a_passive_range_is_an_error() -> None:
    text = BACKEND + "check.port = 80" + FTP + FRONTEND.replace("*:80", "10.0.0.1:40500")
    assert wrong(text) == {
        "frontend[ftp].ftp.passive_ports": 'port 40500 also belongs to listen of frontend "web", '
        "on the same address"
    }
    assert wrong(text.replace("*:21", "10.0.0.2:21")) == {}


def test_a_frontend_s_own_listener_is_no_data_port() -> None:
    assert list(wrong(BACKEND + FTP.replace("*:21", "*:40021"))) == [
        "frontend[ftp].ftp.passive_ports"
    ]


def test_ranges_for_clients_and_for_servers_are_apart() -> None:
    """Toward servers any of our addresses may be the one."""
    text = BACKEND + FTP + 'ftp.server_ports = "40900-41000"'
    assert wrong(text) == {
        "frontend[ftp].ftp.server_ports": "ports 40900-40999 also belong to ftp.passive_ports of "
        'frontend "ftp", on the same address'
    }
    assert wrong(text.replace("40900", "41000")) == {}


def test_one_range_on_several_addresses_does_not_clash_with_itself() -> None:
    text = BACKEND + FTP.replace('"*:21"', '["10.0.0.1:21", "[2001:db8::1]:21"]')
    assert wrong(text) == {}


def test_a_frontend_that_could_not_be_read_clashes_with_nothing() -> None:
    text = farm("10.0.0.1:2121", "ftp.passive_ports = 5")
    assert list(wrong(text)) == ["frontend[more].ftp.passive_ports"]
    text = farm("10.0.0.1:2121").replace('"40000-40009"', "5")
    assert list(wrong(text)) == ["frontend[ftp].ftp.passive_ports"]


def test_a_check_is_told_which_of_several_ports_to_ask() -> None:
    text = BACKEND + FRONTEND.replace('"*:80"', '"*:80-82"')
    assert wrong(text) == {
        "backend[pool].check.port": "is missing: channels of this backend go to 3 ports of a "
        "server; say which one to check"
    }
    assert wrong(text + "server_port = 80") == {}
    assert wrong(text.replace("[[frontend]]", "check.port = 80\n[[frontend]]")) == {}
    assert wrong(text.replace("[[frontend]]", 'check.type = "off"\n[[frontend]]')) == {}


def test_a_check_cannot_guess_the_port_of_an_endpoint() -> None:
    text = BACKEND + FRONTEND.replace("listen = ", "endpoint = ")
    assert list(wrong(text)) == ["backend[pool].check.port"]
    assert wrong(text + "server_port = 80") == {}


def test_a_range_of_server_ports_is_several_ports() -> None:
    text = BACKEND + FRONTEND.replace("*:80", "*:80-81") + 'server_port = "90-91"'
    assert list(wrong(text)) == ["backend[pool].check.port"]


def test_a_role_that_is_not_declared_dials_nothing() -> None:
    text = BACKEND + GROUPED + "[group.site.role.control]"
    assert list(wrong(text)) == ["frontend[web].role"]


# -- FTPS that passes through: a server's passive ports --------------------------------------------

THROUGH = """
[[backend]]
name = "pool"
check = {{ type = "tcp", port = 990 }}
[[backend.server]]
name = "a"
host = "10.0.0.1"
passive_ports = "{a}"
[[backend.server]]
name = "b"
host = "10.0.0.2"
passive_ports = "{b}"
[[frontend]]
name = "ftps"
listen = "*:990"
backend = "pool"
tls.mode = "pass"
[[frontend]]
name = "data"
listen = "*:{heard}"
backend = "pool"
"""


def passing(a: str = "4000-4001", b: str = "4002-4003", heard: str = "4000-4003") -> str:
    return THROUGH.format(a=a, b=b, heard=heard)


def test_each_server_has_passive_ports_of_its_own() -> None:
    assert wrong(passing()) == {}
    assert wrong(passing(b="4001-4003")) == {
        "backend[pool].server[b].passive_ports": 'port 4001 is "a"\'s, too: whose data connection '
        "would come there?"
    }


def test_passive_ports_are_listened_on() -> None:
    told = wrong(passing(heard="4000-4002"))["backend[pool].server[b].passive_ports"]
    assert told.startswith("port 4003 is nobody's to listen on")


def test_nothing_else_comes_where_passive_ports_are() -> None:
    told = wrong(passing(heard="4000-4005"))["frontend[data].listen"]
    assert told.startswith("ports 4004-4005 are no server's, others are in `passive_ports`")
    shifted = wrong(passing() + "server_port = 5000")
    assert shifted["frontend[data].server_port"].startswith('has to be "same"')
    keyed = passing().replace('4003"\nbackend = "pool"', '4003"\ngroup = "site"\nrole = "data"')
    told = wrong(keyed + '[group.site]\nbackend = "pool"\n[group.site.role.data]')
    assert list(told) == ["frontend[data].group"]


def test_ftp_on_a_unix_socket_is_an_error() -> None:
    """Its data connections would have no address to come to."""
    told = wrong(BACKEND + FTP.replace('listen = "*:21"', "endpoint = 'unix:/run/ftp'"))
    assert "needs one of TCP" in told["frontend[ftp].endpoint"]
