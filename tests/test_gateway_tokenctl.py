"""`lb-proxyctl token`: a key, a token, and what it says, as an operator makes and sees them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certificates import self_signed, written
from twisted_lb.gateway import tokenctl
from twisted_lb.gateway.keys import trusted
from twisted_lb.gateway.token import Trust, verify
from twisted_lb.terms import Address
from twisted_lb.tls import Identity
from twisted_lb.tls.facts import thumbprint

from .tokens import FRONT, NOW

Runs = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Runs:
    """Runs a command line in a directory of its own: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tokenctl, "_now", lambda: NOW)

    def run(line: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        try:
            status = tokenctl.main(line.split(), "lb-proxyctl token")
        except SystemExit as end:
            status = int(end.code or 0)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


KEYGEN = "keygen --issuer mss --key k.pem --certificate c.pem"
ISSUE = f"issue --key k.pem --issuer mss --audience {FRONT} --user ann --destination mainframe:23"


def test_from_a_new_key_to_a_token_that_is_good(run: Runs, tmp_path: Path) -> None:
    assert run(KEYGEN)[0] == 0
    status, token, _ = run(ISSUE + " --unbound")
    assert status == 0
    claims = verify(
        token.strip(), Trust(trusted((tmp_path / "c.pem").read_bytes(), ""), FRONT), NOW
    )
    assert claims.grant.destination == Address("mainframe", 23)
    assert claims.grant.roles == {"terminal"}
    assert claims.expires - claims.issued == 8 * 3600
    status, told, _ = run(f"show --trusted c.pem --audience {FRONT}", stdin=token)
    assert (status, told.splitlines()[-1]) == (0, "good")


def test_a_token_can_be_bound_to_a_clients_certificate(run: Runs, tmp_path: Path) -> None:
    run(KEYGEN)
    pem = self_signed("ann")
    der = Identity.of(pem, pem, "").chain[0]
    written(pem, tmp_path / "ann.pem")
    _, token, _ = run(ISSUE + " --bind ann.pem --ftp --parallel 4 --lifetime 90s")
    keys = trusted((tmp_path / "c.pem").read_bytes(), "")
    claims = verify(token.strip(), Trust(keys, FRONT), NOW)
    assert claims.grant.thumbprint == thumbprint(der.public_bytes(Encoding.DER))
    assert claims.grant.roles == {"control", "data", "notification"}
    assert (claims.grant.parallel, claims.expires - claims.issued) == (4, 90)


def test_show_tells_what_is_wrong_and_fails(run: Runs, tmp_path: Path) -> None:
    run(KEYGEN)
    (tmp_path / "token").write_text(run(ISSUE + " --unbound")[1])
    status, told, _ = run("show token --trusted c.pem --audience other --leeway 1s")
    assert (status, told.splitlines()[-1]) == (1, "not good: wrong-audience")
    status, told, _ = run("show token")
    assert (status, told.splitlines()[-1]) == (1, "not good: unverified")
    assert run("show", stdin="no token")[:2] == (
        1,
        "malformed: three parts of base64url, 6144 characters at most\n",
    )


def test_a_private_key_is_its_owners_and_never_overwritten(run: Runs, tmp_path: Path) -> None:
    run(KEYGEN)
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "k.pem").read_bytes()
    assert run(KEYGEN) == (1, "", "lb-proxyctl token: k.pem: File exists\n")
    assert (tmp_path / "k.pem").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "issue --key nowhere --issuer m --audience f --user a --destination h:1 --unbound",
            "nowhere: No such file",
        ),
        (ISSUE + " --unbound", "k.pem: no private key in PEM form"),
        (ISSUE + " --bind k.pem", "k.pem: no certificate in PEM form"),
        ("show --trusted k.pem", "k.pem: no certificate and no public key"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    run: Runs, tmp_path: Path, line: str, told: str
) -> None:
    (tmp_path / "k.pem").write_text("something else")
    status, out, err = run(line)
    assert (status, out) == (1, "")
    assert err.startswith(f"lb-proxyctl token: {told}")


def test_a_token_that_nobody_would_take_is_not_issued(run: Runs) -> None:
    run(KEYGEN)
    status, out, err = run(ISSUE.replace("ann", "a\u202eb") + " --unbound")
    assert (status, out) == (1, "")
    assert "no token can say this: sub" in err


def test_the_time_is_the_machines() -> None:
    assert abs(tokenctl._now() - time.time()) < 60


@pytest.mark.parametrize(
    "line",
    [
        "",
        "steal",
        "keygen",
        KEYGEN + " --days 0",
        KEYGEN + " --days soon",
        KEYGEN + " --algorithm HS256",
        ISSUE,
        ISSUE + " --unbound --bind c.pem",
        ISSUE + " --unbound --ftp --roles terminal",
        ISSUE + " --unbound --roles any",
        ISSUE + " --unbound --lifetime 60",
        ISSUE + " --unbound --parallel 0",
        ISSUE + " --unbound --parallel 1001",
        ISSUE.replace("mainframe:23", "mainframe") + " --unbound",
    ],
)
def test_wrong_usage_is_told_with_status_2(run: Runs, line: str) -> None:
    status, out, err = run(line)
    assert (status, out) == (2, "")
    assert "usage: lb-proxyctl token" in err
