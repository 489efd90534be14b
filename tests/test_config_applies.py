"""A key that nothing reads is not taken in silence."""

import attrs
import pytest

from tests.configs import BACKEND, FRONTEND, FTP, GROUPED, wrong
from twisted_lb.config.applies import ONLY, unmet
from twisted_lb.config.settings import Check, FtpRules
from twisted_lb.config.tables import document_table


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            BACKEND + FRONTEND + 'ftp.server_data = "active"',
            "frontend[web].ftp",
            'is read only with `protocol = "ftp"`',
        ),
        (
            BACKEND + GROUPED.replace("[[frontend]]", "[[frontend]]\nserver_port = 5"),
            "frontend[web].server_port",
            "belongs to a frontend with `backend`; with a group it stands in "
            "[group.NAME.role.ROLE]",
        ),
        (
            BACKEND + FRONTEND + 'proxy.trusted = "10.0.0.1"',
            "frontend[web].proxy.trusted",
            'is read only with `mode = "required"`',
        ),
        (
            BACKEND + FTP + 'ftp = { server_data = "passive", server_ports = "50000-50009" }',
            "frontend[ftp].ftp.server_ports",
            'is for data connections from servers: `server_data = "active"` or "same"',
        ),
        (
            BACKEND + FTP + 'ftp.sticky_for = "1h"',
            "frontend[ftp].ftp.sticky_for",
            "is read only with `sticky`",
        ),
        (
            BACKEND + 'failback = "manual"' + FRONTEND,
            "backend[pool].failback",
            'is read only with `balance = "first"`',
        ),
        (
            BACKEND + FRONTEND + 'tls = { mode = "pass", strict_sni = true }',
            "frontend[web].tls.strict_sni",
            'is read only with `mode = "terminate"` or "starttls"',
        ),
        (
            BACKEND
            + FRONTEND
            + 'tls = { mode = "terminate", certificate = [{ file = "a.pem" }], ca = "b.pem" }',
            "frontend[web].tls.ca",
            'is read only with `clients = "optional"` or "required"',
        ),
        (
            BACKEND + 'tls.identity = "lb.example.com"' + FRONTEND,
            "backend[pool].tls.identity",
            'is read only with a `mode` that is not "off"',
        ),
        (
            BACKEND + 'check.name = "lb.example.com"' + FRONTEND,
            "backend[pool].check.name",
            'is read only with `type = "tls"`',
        ),
        (
            BACKEND + "check.data = false" + FRONTEND,
            "backend[pool].check.data",
            'is read only with `type = "ftp"`',
        ),
        (
            BACKEND + FTP + 'observe = "seen.json"',
            "frontend[ftp].observe",
            'is for what is not understood; of `protocol = "ftp"` the access log tells all',
        ),
    ],
)
def test_a_key_without_the_one_it_needs_is_an_error(text: str, path: str, message: str) -> None:
    assert wrong(text) == {path: message}


@pytest.mark.parametrize(
    "text",
    [
        BACKEND + FTP + 'ftp = { server_data = "active", server_ports = "50000-50009" }',
        BACKEND + FTP + 'ftp = { sticky = "source", sticky_for = "1h" }',
        BACKEND + 'balance = "first"\nfailback = "manual"' + FRONTEND,
        BACKEND + 'check = { type = "tls", name = "lb.example.com", ca = "ca.pem" }' + FRONTEND,
        BACKEND + 'check = { type = "off", name = "lb.example.com", user = "u" }' + FRONTEND,
        BACKEND + FRONTEND + 'observe = "seen.json"',
        BACKEND + FRONTEND + 'proxy = { mode = "required", trusted = "10.0.0.1" }',
    ],
)
def test_a_key_beside_the_one_it_needs_is_taken(text: str) -> None:
    assert wrong(text) == {}


def test_a_misspelt_condition_is_one_error_not_two() -> None:
    text = BACKEND + FTP.replace('"ftp"\nbackend', '"fpt"\nbackend') + "ftp.proxy_data = false"
    assert list(wrong(text)) == ["frontend[ftp].protocol"]


def test_unmet_conditions_are_those_of_the_value_s_own_class() -> None:
    assert set(unmet(Check())) == {"name", "ca", "expiry_warning", "user", "password_file", "data"}
    assert set(unmet(Check(type="off"))) == set()
    assert set(unmet(FtpRules(sticky=("source",)))) == set()


def test_every_condition_speaks_of_keys_that_exist() -> None:
    keys = {table.cls: set(table.keys) for table in document_table()}
    for only in ONLY:
        assert {*only.keys, only.beside} <= keys[only.cls], attrs.asdict(only)
