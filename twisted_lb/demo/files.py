"""The files of the gateway's scene: configurations as an operator writes them, keys, certificates,
users. In: an empty directory. Out: all of that in it, under the names that the configurations say.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from passlib.apache import HtpasswdFile  # type: ignore[import-untyped]

from ..gateway.keys import generate
from .hosts import PASSWORD, USER

T = TypeVar("T")

FRONT: Final = "front.demo.example"
"""The name that clients know the security proxies by; both show a certificate of it."""
ISSUER: Final = "demo token server"

TOKEN_SERVER: Final = """\
listen = "127.0.0.1:0"
users = "{home}/users"

[issuer]
name = "demo token server"
key = "{home}/issuer.key"
audience = "front.demo.example"

[tls]
certificate = "{home}/front.pem"

[[destination]]
address = "{files}"
users = "demo"
roles = ["control", "data", "notification"]

[[destination]]
address = "{terminals}"
users = "demo"
"""

PROXY: Final = """\
[tls]
certificate = "{home}/front.pem"

[tokens]
trusted = "{home}/issuer.pem"
audience = "front.demo.example"

[[listener]]
name = "proxy"
listen = "{at}"

[[destination]]
host = "127.0.0.1"
ports = "1024-65535"

[limits]
drain = "1s"
"""

KEY: Final = """\
key = "alpn"
pattern.alpn = "lb-session/(?P<session>[0-9a-f]{32})"\
"""
"""What the tunnel's ClientHellos show of their session."""

BALANCER: Final = """\
[[frontend]]
name = "gateway"
listen = "127.0.0.1:0"
group = "gateway"
tls.mode = "pass"

[group.gateway]
backend = "security-proxies"
{key}
role.any.server_port = {port}

[[backend]]
name = "security-proxies"
server = [{{ name = "a", host = "127.0.0.5" }}, {{ name = "b", host = "127.0.0.6" }}]

[limits]
drain = "1s"
"""

TUNNEL: Final = """\
[front]
address = "{front}"
name = "front.demo.example"
ca = "{home}/front.pem"

[token_server]
url = "https://{tokens}/token"
user = "demo"
password_file = "{home}/password"
ca = "{home}/front.pem"

[[local]]
name = "ftp"
listen = "127.0.0.1:0"
protocol = "ftp"
destination = "{files}"

[[local]]
name = "terminal"
listen = "127.0.0.1:0"
destination = "{terminals}"

[limits]
drain = "1s"
"""


class Files:
    """The directory. `configure` adds a configuration to it, and reads it."""

    def __init__(self, home: Path, wall: float) -> None:
        self._home = home
        key, certificate = generate("ES256", ISSUER, 30.0, wall)
        users = HtpasswdFile(default_scheme="bcrypt")
        users.set_password(USER, PASSWORD)
        self._keep("issuer.key", key)
        self._keep("issuer.pem", certificate)
        self._keep("front.pem", certified(FRONT, IPv4Address("127.0.0.1"), wall))
        self._keep("users", users.to_string())
        self._keep("password", PASSWORD.encode())

    def configure(self, name: str, text: str, load: Callable[[str, str], T], **about: Any) -> T:
        """The settings that this text means, once `about` is filled in."""
        whole = text.format(home=self._home, **about)
        self._keep(name, whole.encode())
        return load(whole, name)

    def _keep(self, name: str, data: bytes) -> None:
        (self._home / name).write_bytes(data)


def certified(name: str, address: IPv4Address, wall: float) -> bytes:
    """A key and its certificate for this name and address as PEM: trusted by those to whom it is
    given, since nobody else vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(address)])
    now = datetime.datetime.fromtimestamp(wall, datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(names, False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    return private + certificate.public_bytes(pem.Encoding.PEM)
