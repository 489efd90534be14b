"""Checks of FTPS servers: TLS as channels have it, implicit or by AUTH, data protected or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.certificates import NOW, Authority, written
from tests.loopback.farm import Farm, start
from twisted_lb.config.document import own_group
from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Check,
    Frontend,
    ServerRule,
    Settings,
)
from twisted_lb.contexts import ServerTls
from twisted_lb.health.probes import Prober
from twisted_lb.health.target import Outcome, Target
from twisted_lb.live import look_live, sought
from twisted_lb.terms import Address
from twisted_lb.tls import ClientContext

HOME = "127.0.0.2"
WALL = NOW.timestamp() - 10 * 86_400
"""Before its certificate ends soon."""
AUTHORITY = Authority()
GREET = Check(type="ftp", timeout=10.0)
LOGIN = attrs.evolve(GREET, user="joe")
DATA = attrs.evolve(LOGIN, data=True)
HANDSHAKE = Check(type="tls", timeout=10.0)


@attrs.frozen
class Place:
    """A server of each kind, which lets nobody in who is not in TLS."""

    path: Path
    farms: dict[str, Farm]

    async def asked(self, check: Check, mode: Any = "starttls", **changed: Any) -> Outcome:
        """What a check finds that speaks TLS like that."""
        farm = self.farms["on" if mode == "on" else "starttls"]
        trust = changed.pop("trust", AUTHORITY)
        name = changed.pop("name", "ftp.example")
        tls = ServerTls(ClientContext(trust.pem), BackendTls(mode, **changed))
        target = Target(check, farm.port, name=name, tls=tls, password="secret")
        return await Prober(reactor)(target, (HOME,))  # type: ignore[arg-type]

    def data(self, kind: str) -> list[str]:
        """Of each secured data connection, whether it was `resumed` or `new` to that server."""
        log = (self.path / kind / f"{HOME}.log").read_text()
        return [line.split()[1] for line in log.splitlines() if line.startswith("data ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("checks")
    server = written(AUTHORITY.sign("ftp.example"), path / "server.pem")
    farms = {
        "starttls": start(path / "starttls", HOME, tls=("explicit", server)),
        "on": start(path / "on", HOME, tls=("implicit", server)),
    }
    try:
        yield Place(path, farms)
    finally:
        for farm in farms.values():
            farm.at(HOME).kill()


@pytest.mark.parametrize("mode", ["on", "starttls", "match"])
@pytest.mark.parametrize("check", [GREET, LOGIN, DATA, HANDSHAKE], ids=["220", "in", "data", "tls"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_well_is_up(place: Place, check: Check, mode: str) -> None:
    assert (await place.asked(check, mode)).ok


@pytest.mark.parametrize("mode", ["on", "starttls"])
@pytest.mark.parametrize("data", ["private", "clear"])
@pytest_twisted.ensureDeferred
async def test_data_is_protected_as_channels_are(place: Place, mode: str, data: str) -> None:
    """T64, T65: it goes on with the control connection's TLS session, as some servers demand."""
    before = len(place.data(mode))
    assert (await place.asked(DATA, mode, data=data)).ok
    assert place.data(mode)[before:] == ["resumed"] * (data == "private")


@pytest.mark.parametrize("mode", ["on", "starttls"])
@pytest.mark.parametrize("check", [LOGIN, HANDSHAKE], ids=["ftp", "tls"])
@pytest_twisted.ensureDeferred
async def test_a_server_that_channels_would_not_trust_is_down(
    place: Place, check: Check, mode: str
) -> None:
    """T69."""
    other = await place.asked(check, mode, name="other.example")
    wrong = "handshake: its certificate is for ftp.example, not for other.example"
    assert other == Outcome(False, wrong)
    stranger = await place.asked(check, mode, trust=Authority())
    assert not stranger.ok and stranger.reason.startswith("handshake: its certificate ")


@pytest_twisted.ensureDeferred
async def test_a_certificate_that_ends_is_told_by_auth_too(place: Place) -> None:
    assert (await place.asked(HANDSHAKE)).expires is not None


# -- --check --live --------------------------------------------------------------------------------


def looked_at(place: Place, mode: str, **tls: str) -> Settings:
    farm, ca = place.farms["on" if mode == "on" else "starttls"], place.path / "ca.pem"
    ftp = Frontend("ftp", (Address("127.0.0.1", 21),), protocol="ftp", group="ftp")
    toward = BackendTls(mode, ca=written(AUTHORITY.pem, ca), **tls)  # type: ignore[arg-type]
    backend = Backend("farm", (ServerRule("a", HOME),), tls=toward, check=Check("off"))
    return Settings((ftp,), {"ftp": own_group(ftp, farm.port, "ftp", "farm")}, {"farm": backend})


@pytest.mark.parametrize("mode", ["on", "starttls", "match"])
@pytest_twisted.ensureDeferred
async def test_the_live_look_reaches_the_certificate_as_channels_do(
    place: Place, mode: str
) -> None:
    right = await look_live(looked_at(place, mode, identity="ftp.example"), reactor, WALL)
    assert right.findings == ()
    wrong = await look_live(looked_at(place, mode, identity="other.example"), reactor, WALL)
    (finding,) = wrong.findings
    assert finding.what == "its certificate is for ftp.example, not for other.example"


def test_the_live_look_shows_what_channels_show(place: Place) -> None:
    mine = written(AUTHORITY.sign("lb.example"), place.path / "mine.pem")
    settings = looked_at(place, "starttls", certificate=mine)
    (one,) = sought(settings, settings.backends["farm"])
    assert one.identity is not None
    assert one.identity.names == ("lb.example",)
    assert (one.auth, one.verifies) == (True, True)
