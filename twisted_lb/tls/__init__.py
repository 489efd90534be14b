"""TLS, seen from the rest of the house: contexts built once, handshakes, and who the peer is.

`client` asks for a name and verifies who answers, `server` shows a certificate and may ask for the
client's; `identity` is what either of them shows. The only importer of OpenSSL; `secure` runs the
handshakes over Ends.
"""

from .client import Certificate, ClientContext, ClientHandshake, Untrusted
from .failures import failure
from .identity import Identity
from .look import VERSIONS, CertificateSeen, LookingContext, certificate_seen
from .resumption import Resumption
from .sealed import CutOff, Handshaking, Sealed
from .server import ClientsAre, ServerContext, ServerHandshake
from .versions import try_ciphers

__all__ = [
    "VERSIONS",
    "Certificate",
    "CertificateSeen",
    "ClientContext",
    "ClientHandshake",
    "ClientsAre",
    "CutOff",
    "Handshaking",
    "Identity",
    "LookingContext",
    "Resumption",
    "Sealed",
    "ServerContext",
    "ServerHandshake",
    "Untrusted",
    "certificate_seen",
    "failure",
    "try_ciphers",
]
