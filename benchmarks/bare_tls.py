"""A relay of one TLS connection by bare OpenSSL, blocking: what tls_relay.py compares with.

    python -m benchmarks.bare_tls WAY up|down PEM PORT SERVER_PORT

Listens on PORT, dials SERVER_PORT, moves bytes one way and ends. WAY is `memory N` or `socket N`,
N the KiB that it reads at once, with ` gathered` after it or not.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

from OpenSSL import SSL

from benchmarks.balancer import FRONT, SERVER

DEADLINE = 60
"""Seconds after which the process ends, whatever it waits for."""
RECORD = 1 << 14
"""Bytes that a record holds at most (RFC 8446 section 5.1)."""
AROUND = 64
"""More than what is around them."""


class Memory:
    """TLS over memory BIOs. Gathered: one call passes on all records of a read."""

    def __init__(
        self, context: SSL.Context, client: socket.socket, size: int, gathered: bool
    ) -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._client = client
        self._size = size
        self._gathered = gathered

    def shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except SSL.WantReadError:
                self._flush()
                if not self._take():
                    raise SystemExit("the client left in the handshake") from None
            else:
                self._flush()
                return

    def decrypted(self) -> Iterator[bytes]:
        yield from self._inside()  # what came with the end of the handshake
        while self._take():
            yield from [b"".join(self._inside())] if self._gathered else self._inside()

    def encrypt(self, data: bytes) -> None:
        step = len(data) if self._gathered else RECORD
        for start in range(0, len(data), step):
            self._tls.sendall(data[start : start + step])
            self._client.sendall(self._tls.bio_read(step + (step // RECORD + 1) * AROUND))

    def _take(self) -> bool:
        """Whether there was more: an empty read is the end, and no BIO is given it."""
        data = self._client.recv(self._size)
        if data:
            self._tls.bio_write(data)
        return bool(data)

    def _inside(self) -> Iterator[bytes]:
        with suppress(SSL.WantReadError, SSL.ZeroReturnError):
            while True:
                yield self._tls.recv(RECORD)

    def _flush(self) -> None:
        with suppress(SSL.WantReadError):
            while True:
                self._client.sendall(self._tls.bio_read(RECORD))


class Socket:
    """TLS on the socket itself. Gathered: one call passes on as much as one read may take."""

    def __init__(
        self, context: SSL.Context, client: socket.socket, size: int, gathered: bool
    ) -> None:
        self._tls = SSL.Connection(context, client)
        self._tls.set_accept_state()
        self._size = size
        self._least = size if gathered else 1

    def shake_hands(self) -> None:
        self._tls.do_handshake()

    def decrypted(self) -> Iterator[bytes]:
        held: list[bytes] = []
        count = 0
        with suppress(SSL.ZeroReturnError, SSL.SysCallError):
            while data := self._tls.recv(self._size):
                held.append(data)
                count += len(data)
                if count >= self._least:
                    yield b"".join(held)
                    held, count = [], 0
        yield b"".join(held)

    def encrypt(self, data: bytes) -> None:
        self._tls.sendall(data)


def relay(tls: Memory | Socket, up: bool, server: socket.socket, size: int) -> None:
    """Until one side has no more."""
    tls.shake_hands()
    if up:
        for data in tls.decrypted():
            server.sendall(data)
    else:
        while data := server.recv(size):
            tls.encrypt(data)


def main() -> None:
    """Be this way, for one connection."""
    signal.alarm(DEADLINE)
    way, direction, pem, port, server_port = sys.argv[1:]
    name, kib, *gathered = way.split()
    context, size = SSL.Context(SSL.TLS_SERVER_METHOD), int(kib) << 10
    context.use_certificate_chain_file(pem)
    context.use_privatekey_file(pem)
    with socket.create_server((FRONT, int(port))) as listening:
        client, _ = listening.accept()
    with client, socket.create_connection((SERVER, int(server_port))) as server:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kind = Memory if name == "memory" else Socket
        made = kind(context, client, size, bool(gathered))
        with suppress(OSError, SSL.SysCallError):  # both leave when they have seen enough
            relay(made, direction == "up", server, size)


if __name__ == "__main__":
    main()
