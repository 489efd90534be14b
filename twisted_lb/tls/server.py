"""The server's side: a context that shows a certificate, and asks for the client's or does not."""

from __future__ import annotations

import socket
from functools import partial
from typing import Final, Literal
from weakref import WeakKeyDictionary

import attrs
from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..errors import WireError
from ..terms import TlsFacts
from .facts import facts
from .failures import failure
from .identity import Identity
from .sealed import Handshaking
from .versions import MODERN, RETIRED, speak_from

ClientsAre = Literal["off", "any", "optional", "required"]
"""Client certificates: not asked for · asked for, anybody's will do (its thumbprint is what
counts) · one that is shown must be trusted · there must be one, and trusted."""

_VERIFY: Final[dict[str, int]] = {
    "off": SSL.VERIFY_NONE,
    "any": SSL.VERIFY_PEER,
    "optional": SSL.VERIFY_PEER,
    "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}

OFFERED_MOST: Final = 4_096
"""Bytes of protocol names that are kept with a connection: honest clients offer a few dozen."""

_OPTIONS: Final = SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
"""Renegotiation that a client asks for is refused by OpenSSL of itself."""


class ServerContext:
    """Shows `identity` to clients. Built once, shared by all its handshakes.

    `ca`: the authorities of client certificates, as PEM. `alpn`: our protocol names, best first; a
    client that offers names and none of ours is refused (attack 4), one that offers none is not.
    `ciphers`: OpenSSL's list for TLS up to 1.2; empty: what has forward secrecy and no known fault,
    or, where retired versions are spoken, all that there is.
    `resumes`: whether TLS sessions may be resumed. Raises ValueError when `ca` holds no
    certificate, or none is given where one is needed.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        clients: ClientsAre = "off",
        ca: bytes | None = None,
        alpn: tuple[str, ...] = (),
        minimum: str = "1.2",
        ciphers: str = "",
        resumes: bool = True,
    ) -> None:
        self._anew = partial(
            ServerContext,
            identity,
            clients=clients,
            ca=ca,
            alpn=alpn,
            minimum=minimum,
            ciphers=ciphers,
            resumes=resumes,
        )
        self.verifies = clients in ("optional", "required")
        """Whether a client's certificate, where one is shown, is a trusted one."""
        self._alpn = [name.encode("ascii") for name in alpn]
        self._offered: WeakKeyDictionary[SSL.Connection, list[bytes]] = WeakKeyDictionary()
        self._context = context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_options(_OPTIONS)
        speak_from(context, minimum, ciphers or ("" if minimum in RETIRED else MODERN))
        # Without it OpenSSL resumes no session of a context that asks for certificates.
        context.set_session_id(b"twisted-lb")
        if not resumes:
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            context.set_options(SSL.OP_NO_TICKET)
        identity.show(context)
        if alpn:
            context.set_alpn_select_callback(self._select)
        if clients == "any":
            context.set_verify(_VERIFY[clients], lambda *_: True)
        elif clients != "off":
            self._trust(ca, clients)

    def _trust(self, ca: bytes | None, clients: ClientsAre) -> None:
        if ca is None:
            raise ValueError(f"client certificates are {clients}: name the authorities they have")
        store = self._context.get_cert_store()
        assert store is not None, "a context has a store until it is freed"
        for authority in x509.load_pem_x509_certificates(ca):
            store.add_cert(crypto.X509.from_cryptography(authority))
        self._context.set_verify(_VERIFY[clients], lambda *given: bool(given[-1]))

    def connection(self) -> SSL.Connection:
        """A new connection."""
        return SSL.Connection(self._context, None)

    def offered(self, connection: SSL.Connection) -> tuple[str, ...]:
        """The protocol names that the client of this connection offered, when we have some."""
        names = self._offered.get(connection, ())
        return tuple(name.decode("ascii", "backslashreplace") for name in names)

    def anew(self) -> ServerContext:
        """Another one like this, which resumes no TLS session but its own."""
        return self._anew()

    def _select(self, connection: SSL.Connection, offered: list[bytes]) -> bytes:
        if sum(map(len, offered)) > OFFERED_MOST:
            raise SSL.Error([("", "", "the client offers too many protocols")])
        self._offered[connection] = offered
        for ours in self._alpn:
            if ours in offered:
                return ours
        # Whatever is raised here becomes the alert no_application_protocol, and this error.
        raise SSL.Error([("", "", "the client offers no protocol that is spoken here")])


@implementer(IOpenSSLServerConnectionCreator)
class ServerHandshake:
    """One handshake as a server."""

    def __init__(self, context: ServerContext) -> None:
        self.context = context
        self._connection = context.connection()

    def on(self, handle: socket.socket) -> Handshaking:
        """This handshake, on a socket that does not block."""
        return Handshaking(self._connection, handle, client=False)

    def facts(self) -> TlsFacts:
        """What the handshake that is done says; a client that had to be verified was."""
        seen = facts(self._connection, verifies=self.context.verifies)
        return attrs.evolve(seen, offered=self.context.offered(self._connection))

    def parting(self, record: bytes) -> bytes | None:
        """What this record says, which came after our close_notify; None: it is the client's.

        Raises WireError for one that is not of this connection.
        """
        self._connection.bio_write(record)
        try:
            return self._connection.recv(len(record))
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError:
            return None
        except SSL.Error as error:
            raise WireError(f"TLS: {failure(error)}") from None

    def ended(self) -> None:
        """The connection is gone."""

    # IOpenSSLServerConnectionCreator

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self._connection
