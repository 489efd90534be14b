"""What `--check` of a gateway program tells though it is allowed: secrets that lie open, own
certificates that end.

In: settings, and the time in seconds since 1970. Out: one Problem for each; not the faults.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..contexts import exposed, of_identity
from ..errors import Problem
from .settings import ProxySettings, TunnelSettings
from .tokensettings import TokenServerSettings

KEY = "private key"


def proxy(settings: ProxySettings, now: float) -> Iterator[Problem]:
    """Of a security proxy."""
    yield from of_identity("tls.certificate", settings.tls.certificate, settings.tls.key, now)


def tunnel(settings: TunnelSettings, now: float) -> Iterator[Problem]:
    """Of a tunnel: its certificate is only the clothing of a key, and may have expired."""
    key, server = settings.key, settings.token_server
    yield from exposed("key.key", key.key or key.certificate, KEY)
    yield from exposed("token_server.password_file", server.password_file, "password")
    for local in settings.locals:
        yield from exposed(f"local[{local.name}].token_file", local.token_file, "token")


def token_server(settings: TokenServerSettings, now: float) -> Iterator[Problem]:
    """Of a token server."""
    yield from exposed("issuer.key", settings.issuer.key, KEY)
    yield from exposed("users", settings.users, "passwords' hashes")
    if settings.tls.mode == "on":
        yield from of_identity("tls.certificate", settings.tls.certificate, settings.tls.key, now)
