"""Python's ftplib as an FTPS client: explicit or implicit, resuming TLS sessions or not. Blocking:
for threads.
"""

from __future__ import annotations

import ftplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from typing import Any

import attrs

from twisted_lb.terms import Address

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Client(ftplib.FTP_TLS):
    """An FTPS client whose data connections go on with its control connection's TLS session."""

    implicit = False
    resumes: Any = True
    """True, False, or the TLS session of somebody else."""
    eager = False

    def connect(self, *args: Any, **options: Any) -> str:
        """Connect; implicitly is in TLS from the first byte."""
        self.greeted = not self.implicit
        return super().connect(*args, **options)

    def getresp(self) -> str:
        if not self.greeted:
            self.greeted = True
            self.sock = self.context.wrap_socket(self.sock, server_hostname=self.name)
            self.file = self.sock.makefile(mode="r", encoding=self.encoding)
        return super().getresp()

    def ntransfercmd(self, cmd: str, rest: Any = None) -> tuple[Any, int | None]:
        if self.eager:
            return self._at_once(cmd)
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session if self.resumes is True else self.resumes or None
            conn = self.context.wrap_socket(conn, server_hostname=self.name, session=session)
        return conn, size

    def _at_once(self, cmd: str) -> tuple[Any, int | None]:
        """The handshake first, then the command."""
        bare = socket.create_connection(self.makepasv(), self.timeout)
        conn = self.context.wrap_socket(bare, server_hostname=self.name, session=self.sock.session)
        self.sendcmd(cmd)
        return conn, None


@attrs.frozen
class Way:
    """How a client comes."""

    at: Address
    ca: str
    name: str = "front.example"
    implicit: bool = False
    private: bool = True
    passive: bool = True
    version: str = "1.3"
    resumes: bool = True
    eager: bool = False
    """It shakes hands on data connections before it says what it wants."""
    certificate: str = ""
    """What it shows, when it is asked."""
    user: str = "joe"

    @contextmanager
    def session(self, context: ssl.SSLContext | None = None) -> Iterator[Client]:
        """Its user, logged in, from here to the good-bye."""
        client = Client(context=context or self.context(), timeout=20)
        client.implicit, client.name, client.resumes = self.implicit, self.name, self.resumes
        client.eager = self.eager
        client.connect(self.at.host, self.at.port)
        client.host = self.name  # whom its certificate is held against
        try:
            client.login(self.user, "secret", secure=not self.implicit)
            client.prot_p()
            if not self.private:
                client.prot_c()
            client.set_pasv(self.passive)
            yield client
            client.quit()
        finally:
            client.close()

    def context(self) -> ssl.SSLContext:
        """One that trusts the tests' authority."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate)
        context.minimum_version = context.maximum_version = VERSIONS[self.version]
        return context


def upload(client: Client, name: str, data: bytes) -> str:
    """Store it; the server's last word."""
    return client.storbinary(f"STOR {name}", BytesIO(data))


def download(client: Client, name: str) -> bytes:
    """The file's contents."""
    parts: list[bytes] = []
    client.retrbinary(f"RETR {name}", parts.append)
    return b"".join(parts)


def digest(data: bytes) -> str:
    """What two equal files have in common."""
    return sha256(data).hexdigest()
