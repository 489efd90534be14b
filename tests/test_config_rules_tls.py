"""TLS that does not fit what is spoken, or lacks what it needs, is told so."""

import re
from pathlib import Path

import pytest

from tests.configs import BACKEND, FRONTEND, FTP, wrong
from twisted_lb.config.load import load

PASS = 'tls.mode = "pass"\n'
EXPLICIT = 'tls = { mode = "starttls", certificate = [{ file = "a.pem" }] }\n'


def test_ftp_cannot_be_read_through_tls() -> None:
    messages = wrong(BACKEND + FTP + PASS)
    assert list(messages) == ["frontend[ftp].tls.mode"]
    assert (
        'write `protocol = "opaque"` instead of "ftp", and have the data ports in a frontend '
        "beside it: with `passive_ports` of each server, or in one [group] with this by "
        '`key = ["source"]` or ["sni"]'
    ) in messages["frontend[ftp].tls.mode"]


def test_what_is_told_to_be_written_for_ftps_that_passes_through_can_be_written() -> None:
    decision = Path(__file__).parents[1] / "docs/decisions/ftps-pass-through.md"
    exact, coarse = re.findall(r"(?ms)^```toml\n(.*?)^```", decision.read_text())
    for written in (exact, coarse):
        assert {front.name for front in load(written, "f").frontends} == {"ftps", "ftps-data"}


def test_routes_need_a_client_hello() -> None:
    text = BACKEND + FRONTEND + 'route = [{ sni = "a.example.com", backend = "pool" }]'
    assert wrong(text) == {
        "frontend[web].route": "looks at the ClientHello: it needs `tls.mode = "
        '"pass"` or "terminate"'
    }


def test_tls_that_ends_here_needs_a_certificate() -> None:
    assert wrong(BACKEND + FRONTEND + 'tls.mode = "terminate"') == {
        "frontend[web].tls.certificate": "is missing: what is shown to clients, as "
        '{ file = "cert.pem" }'
    }


@pytest.mark.parametrize("clients", ["optional", "required"])
def test_client_certificates_that_are_to_be_trusted_need_authorities(clients: str) -> None:
    ends = (
        f'tls = {{ mode = "terminate", certificate = [{{ file = "a.pem" }}], clients = "{clients}"'
    )
    assert wrong(BACKEND + FRONTEND + ends + " }") == {
        "frontend[web].tls.ca": f'is missing: with `clients = "{clients}"`, whose are trusted?'
    }
    assert wrong(BACKEND + FRONTEND + ends + ', ca = "ca.pem" }') == {}


@pytest.mark.parametrize(
    ("mode", "clients", "fits"),
    [("terminate", "any", True), ("terminate", "off", False), ("starttls", "any", False)],
)
def test_a_hint_by_certificate_needs_one_before_a_server_is_chosen(
    mode: str, clients: str, fits: bool
) -> None:
    tls = (
        f'tls = {{ mode = "{mode}", certificate = [{{ file = "a.pem" }}], clients = "{clients}" }}'
    )
    messages = wrong(BACKEND + FTP + tls + '\nftp.sticky = ["certificate"]')
    assert list(messages) == ([] if fits else ["frontend[ftp].ftp.sticky"])


def test_a_private_key_comes_with_its_certificate() -> None:
    text = BACKEND + 'tls = { mode = "on", key = "key.pem" }' + FRONTEND
    assert wrong(text) == {"backend[pool].tls.certificate": "is missing: whose key is in `key`?"}


@pytest.mark.parametrize("mode", ["starttls", "terminate"])
def test_ftp_is_spoken_in_tls_that_ends_here(mode: str) -> None:
    text = BACKEND + FTP + EXPLICIT.replace("starttls", mode)
    assert load(text, "f").frontends[0].tls.mode == mode
    assert load(text + "ftp.tls.reuse = 'required'", "f").frontends[0].ftp.tls.reuse == "required"


def test_explicit_tls_needs_a_certificate_too() -> None:
    messages = wrong(BACKEND + FTP + 'tls.mode = "starttls"')
    assert list(messages) == ["frontend[ftp].tls.certificate"]


def test_only_ftp_has_a_word_for_tls() -> None:
    messages = wrong(BACKEND + FRONTEND + EXPLICIT)
    assert messages == {
        "frontend[web].tls.mode": 'is for `protocol = "ftp"`; "opaque" has no word for it'
    }


def test_explicit_tls_shows_no_hello_to_route_by() -> None:
    route = 'route = [{ sni = "a.example.com", backend = "pool" }]'
    assert "frontend[ftp].route" in wrong(BACKEND + FTP + EXPLICIT + route)


def test_a_login_is_required_to_be_protected_only_where_it_might_not_be() -> None:
    text = BACKEND + FTP + EXPLICIT.replace("starttls", "terminate")
    messages = wrong(text.replace(" }] }", " }], required = false }"))
    assert list(messages) == ["frontend[ftp].tls.required"]


def test_data_is_protected_with_its_control_connection() -> None:
    assert wrong(BACKEND + FTP + 'ftp.tls.data = "optional"') == {
        "frontend[ftp].ftp.tls": 'is read only with `tls.mode = "starttls"` or "terminate"'
    }


@pytest.mark.parametrize("mode", ["on", "starttls", "match"])
def test_ftp_servers_may_be_spoken_to_in_tls(mode: str) -> None:
    text = BACKEND + f'tls = {{ mode = "{mode}", data = "clear" }}\n' + FTP
    assert load(text, "f").backends["pool"].tls.data == "clear"


@pytest.mark.parametrize("mode", ["starttls", "match"])
def test_only_ftp_servers_are_asked_for_tls(mode: str) -> None:
    messages = wrong(BACKEND + f'tls.mode = "{mode}"' + FRONTEND)
    assert messages == {
        "backend[pool].tls.mode": "is for backends of ftp frontends alone; others begin with "
        'TLS: "on"'
    }


def test_only_ftp_has_data_connections_of_its_own() -> None:
    messages = wrong(BACKEND + 'tls = { mode = "on", data = "clear" }' + FRONTEND)
    assert messages == {"backend[pool].tls.data": "is read only for backends of ftp frontends"}
