"""Behaviours of every relay whose clients are in TLS that ends at the balancer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed

from tests.certificates import written
from tests.loopback.parties import Party, together
from tests.loopback.relay_bytes import KB, MB, said_whole
from tests.loopback.relay_pressure import ENDLESS, HELD, held_between, stuck
from tests.loopback.relaying import Ground, same
from tests.loopback.tls_site import AUTHORITY, FRONT
from twisted_lb.config.settings import FrontendTls, Settings, ShownCertificate

RECORD = 16 * KB
"""What one record of TLS holds at most."""


class TlsParty(Party):
    """A client in TLS on its own socket; it believes any certificate."""

    def __init__(self, party: Party) -> None:
        super().__init__(party.sock)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._tls = SSL.Connection(context, party.sock)
        self._tls.set_tlsext_host_name(FRONT.encode())
        self._tls.set_connect_state()

    async def shakes_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                await self.readable()
            else:
                return

    def readable(self) -> Deferred[None]:
        """What TLS has read already makes no socket readable."""
        return succeed(None) if self._tls.pending() else super().readable()

    def shuts(self) -> None:
        """It says nothing more: close_notify."""
        self._tls.shutdown()

    def is_cut_off(self) -> None:
        """Its socket is closed in order, but not its TLS."""
        self.closes()

    def _send(self, view: memoryview) -> int:
        try:
            return int(self._tls.send(view[:RECORD]))
        except SSL.WantWriteError:
            return 0
        except SSL.SysCallError as error:
            raise _as_of_a_socket(error) from None

    def _receive(self, most: int) -> bytes:
        try:
            return bytes(self._tls.recv(most))
        except SSL.WantReadError:
            raise BlockingIOError from None
        except SSL.ZeroReturnError:
            return b""
        except SSL.SysCallError as error:
            raise _as_of_a_socket(error) from None


def _as_of_a_socket(error: SSL.SysCallError) -> OSError:
    """-1: the connection ended in the middle of TLS."""
    number, told = error.args
    return OSError(number, told) if number > 0 else EOFError(told)  # type: ignore[return-value]


class TlsGround(Ground):
    """The same; the frontend ends TLS."""

    def __init__(self, *given: Any, files: Path) -> None:
        super().__init__(*given)
        self._certificate = written(AUTHORITY.sign(FRONT), files / "front.pem")

    def settings(self, port: int, **group: Any) -> Settings:
        settings = super().settings(port, **group)
        tls = FrontendTls("terminate", (ShownCertificate(self._certificate),))
        return attrs.evolve(settings, frontends=(attrs.evolve(settings.frontends[0], tls=tls),))

    async def comes(self) -> Party:
        client = TlsParty(await super().comes())
        self._parties[-1] = client
        await client.shakes_hands()
        return client


class InTls:
    """A mixin."""

    @pytest_twisted.ensureDeferred
    async def test_a_client_that_says_no_more_is_heard_to_its_last_byte(
        self, ground: Ground
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        data = ground.text(8 * MB)
        _, heard = await together(said_whole(client, data), server.hears_all())
        same(heard, data)
        server.closes()
        assert (await ground.ends()).ending == "done"

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_closes_is_heard_to_its_last_byte(self, ground: Ground) -> None:
        """Its end is close_notify for the client: nobody has cut off anything."""
        ground.start()
        client, server = await ground.pair()
        data = ground.text(8 * MB)

        async def says_and_closes() -> None:
            await server.says(data)
            server.closes()

        _, heard = await together(says_and_closes(), client.hears_all())
        same(heard, data)
        client.shuts()
        client.closes()
        assert (await ground.ends()).ending in ("done", "server-closed")

    @pytest.mark.parametrize("size", [10, MB], ids=["small", "bulk"])
    @pytest_twisted.ensureDeferred
    async def test_a_client_that_is_cut_off_is_a_reset_for_its_server(
        self, ground: Ground, size: int
    ) -> None:
        """T68: what came must not be taken for all."""
        ground.start()
        client, server = await ground.pair()
        data = ground.text(size)
        await together(client.says(data), server.hears(len(data)))
        client.is_cut_off()
        await server.is_reset()
        assert (await ground.ends()).ending == "client-left"

    @pytest_twisted.ensureDeferred
    async def test_a_client_that_resets_is_a_reset_for_its_server(self, ground: Ground) -> None:
        ground.start()
        client, server = await ground.pair()
        await client.says(b"hello")
        await server.hears(5)
        client.resets()
        await server.is_reset()
        assert (await ground.ends()).ending == "client-left"

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_resets_is_no_orderly_end_for_its_client(
        self, ground: Ground
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        await server.says(b"hello")
        await client.hears(5)
        server.resets()
        with pytest.raises((ConnectionResetError, EOFError)):
            await client.hears_all()
        assert (await ground.ends()).ending == "server-closed"

    @pytest_twisted.ensureDeferred
    async def test_a_client_that_never_reads_holds_its_server_back(self, ground: Ground) -> None:
        ground.start()
        client, server = await ground.pair()
        await stuck(ground, server)
        held = held_between(server, client)
        print(f"{server.said} bytes were taken, {held} of them are in the balancer")
        assert held <= HELD
        assert server.said < ENDLESS

    @pytest_twisted.ensureDeferred
    async def test_a_server_that_never_reads_holds_its_client_back(self, ground: Ground) -> None:
        ground.start()
        client, server = await ground.pair()
        await stuck(ground, client)
        held = held_between(client, server)
        print(f"{client.said} bytes were taken, {held} of them are in the balancer")
        assert held <= HELD
        assert client.said < ENDLESS

    @pytest.mark.parametrize("first", ["client", "server"])
    @pytest_twisted.ensureDeferred
    async def test_who_was_stuck_in_tls_reads_on_and_gets_all(
        self, ground: Ground, first: str
    ) -> None:
        ground.start()
        client, server = await ground.pair()
        reads, says = (client, server) if first == "client" else (server, client)
        reads.holds(64 * KB)
        data = ground.random.randbytes(24 * MB)
        saying = together(says.says(data))
        await ground.stands_still(lambda: says.said)
        assert says.said < len(data), "the test holds nobody back"
        heard = await reads.hears(len(data))
        await saying
        same(heard, data)
