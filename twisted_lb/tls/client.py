"""The client's side: a context of what is trusted in, a verified `Certificate` out, or one
sentence that says exactly what is wrong.
"""

from __future__ import annotations

import socket
from typing import Final
from weakref import WeakKeyDictionary

import attrs
from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..terms import TlsFacts
from .facts import facts
from .identity import Identity
from .names import carries, is_address, names
from .resumption import Resumption
from .sealed import Handshaking
from .versions import speak_from

NAMES_SHOWN: Final = 5
"""Names of a certificate that a sentence quotes; a hostile one may carry thousands."""

_VERDICTS: Final = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself and not trusted",
    19: "its certificate chain ends in an authority that is not trusted",
    20: "its certificate is signed by an authority that is not trusted",
    21: "its certificate comes without a chain to an authority that is trusted",
    23: "its certificate was revoked",
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h, in words."""


class Untrusted(Exception):
    """The peer is not who was asked for, or nobody we trust says so."""


@attrs.frozen
class Certificate:
    """What a peer's certificate says."""

    names: tuple[str, ...]
    """DNS names and IP addresses of its subjectAltName, the only names that count (RFC 6125)."""
    ends: float
    """When it ends, in seconds since 1970."""


class ClientContext:
    """What the client's side trusts and shows: built once, shared by all its handshakes.

    `ca`: the authorities as PEM; None: the platform's, whose loading takes milliseconds. `identity`
    is shown to a server that asks for a certificate; `alpn`: the names that are offered, best
    first; `ciphers`: OpenSSL's list for TLS up to 1.2, empty: its own. Raises ValueError when `ca`
    holds no certificate.
    """

    def __init__(
        self,
        ca: bytes | None = None,
        *,
        identity: Identity | None = None,
        alpn: tuple[str, ...] = (),
        minimum: str = "1.2",
        ciphers: str = "",
    ) -> None:
        self._problems: WeakKeyDictionary[SSL.Connection, str] = WeakKeyDictionary()
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        speak_from(self._context, minimum, ciphers)
        self._context.set_verify(SSL.VERIFY_PEER, self._on_verify)
        if identity is not None:
            identity.show(self._context)
        if alpn:
            self._context.set_alpn_protos([name.encode("ascii") for name in alpn])
        if ca is None:
            self._context.set_default_verify_paths()
            return
        store = self._context.get_cert_store()
        assert store is not None, "a context has a store until it is freed"
        for authority in x509.load_pem_x509_certificates(ca):
            store.add_cert(crypto.X509.from_cryptography(authority))

    def connection(self) -> SSL.Connection:
        """A new connection, which will demand a chain to a trusted authority."""
        return SSL.Connection(self._context, None)

    def problem(self, connection: SSL.Connection) -> str:
        """Why the peer's chain was not accepted; empty as long as it was."""
        return self._problems.get(connection, "")

    def _on_verify(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int
    ) -> bool:
        """OpenSSL's word on one certificate of the chain, from the authority down to the peer."""
        if not ok:
            verdict = _VERDICTS.get(error, f"its certificate fails (X509_V_ERR {error})")
            self._problems[connection] = verdict
        return bool(ok)


@implementer(IOpenSSLClientConnectionCreator)
class ClientHandshake:
    """One handshake as a client that asks for `name` (a DNS name or an IP address) by SNI.

    `resumption`: whose TLS session it goes on with, if the server will.
    """

    def __init__(
        self, context: ClientContext, name: str, resumption: Resumption | None = None
    ) -> None:
        self.context = context
        self.name = name.removesuffix(".")  # neither SNI nor certificates have it (RFC 6066)
        self._resumption = resumption
        self._connection: SSL.Connection | None = None

    def on(self, handle: socket.socket) -> Handshaking:
        """This handshake, on a socket that does not block."""
        return Handshaking(self._begun(), handle, client=True)

    @property
    def problem(self) -> str:
        """Why the chain was not accepted; empty as long as it was."""
        return self.context.problem(self._connection) if self._connection else ""

    def verify(self) -> Certificate:
        """The peer's certificate, once the handshake is done. Raises Untrusted.

        Nothing may be sent before: the chain was verified by then, the name is only here.
        """
        assert self._connection is not None, "the handshake is done"
        shown = self._connection.get_peer_certificate()
        if shown is None:
            raise Untrusted("it shows no certificate")
        try:
            peer = shown.to_cryptography()
            certificate = _read(peer)
            right = carries(peer, self.name)
        except ValueError as why:
            raise Untrusted(f"its certificate cannot be read: {why}") from None
        if not certificate.names:
            raise Untrusted(f"its certificate names nobody, not {self.name} either")
        if not right:
            shown_names = ", ".join(certificate.names[:NAMES_SHOWN])
            raise Untrusted(f"its certificate is for {shown_names}, not for {self.name}")
        return certificate

    def facts(self) -> TlsFacts:
        """What the handshake that is done says."""
        assert self._connection is not None, "the handshake is done"
        return facts(self._connection, verifies=True)

    def resumption(self) -> Resumption:
        """What further connections to this server go on with; the handshake is done."""
        assert self._connection is not None, "the handshake is done"
        return Resumption(self._connection)

    def ended(self) -> None:
        """The connection is gone; what it was given may be gone on with."""
        if self._resumption is not None and self._connection is not None:
            self._resumption.learn(self._connection)

    # IOpenSSLClientConnectionCreator

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self._begun()

    def _begun(self) -> SSL.Connection:
        connection = self.context.connection()
        if not is_address(self.name):
            connection.set_tlsext_host_name(self.name.encode("idna"))
        if self._resumption is not None and (session := self._resumption.next()) is not None:
            connection.set_session(session)
        self._connection = connection
        return connection


def _read(certificate: x509.Certificate) -> Certificate:
    return Certificate(names(certificate), certificate.not_valid_after_utc.timestamp())
