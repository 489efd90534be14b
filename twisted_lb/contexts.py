"""TLS settings → what handshakes need: reads certificates and keys, once, at the start.

Whatever is wrong with a file is a Problem that names the file and the key that names it; `--check`
tells all of them at once.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from .config.settings import Backend, BackendTls, Frontend, Settings
from .errors import Problem
from .tls import ClientContext, Identity, ServerContext


@attrs.frozen(eq=False)
class ServerTls:
    """How the servers of one backend are spoken to."""

    context: ClientContext
    settings: BackendTls


def server_tls(backend: Backend) -> ServerTls | None:
    """What dialling this backend's servers needs; None without TLS. Raises OSError, ValueError."""
    tls = backend.tls
    if tls.mode == "off":
        return None
    return ServerTls(
        ClientContext(
            _read_authorities(tls.ca) if tls.ca else None,
            identity=Identity.read(tls.certificate, tls.key or tls.certificate)
            if tls.certificate
            else None,
            alpn=tls.alpn,
            minimum=tls.minimum,
        ),
        tls,
    )


@attrs.frozen(eq=False)
class ClientTls:
    """What the clients of one frontend are shown, by certificate, the default one first."""

    contexts: tuple[ServerContext, ...]
    names: tuple[tuple[str, ...], ...]
    """What each certificate is for."""


def client_tls(frontend: Frontend) -> ClientTls | None:
    """What a frontend whose TLS ends here shows; None for others. Raises OSError, ValueError."""
    tls = frontend.tls
    if tls.mode != "terminate":
        return None
    identities = [Identity.read(one.file, one.key or one.file) for one in tls.certificates]
    ca = _read_authorities(tls.ca) if tls.ca else None
    return ClientTls(
        tuple(
            ServerContext(one, clients=tls.clients, ca=ca, alpn=tls.alpn, minimum=tls.minimum)
            for one in identities
        ),
        tuple(one.names for one in identities),
    )


def _read_authorities(file: str) -> bytes:
    """The authorities in a file, tried. Raises OSError, ValueError that names the file."""
    pem = Path(file).read_bytes()
    try:
        ClientContext(pem)
    except ValueError as why:
        raise ValueError(f"{file}: no certificates in PEM form: {why}") from None
    return pem


# -- for --check -----------------------------------------------------------------------------------


def faults(settings: Settings) -> tuple[Problem, ...]:
    """Everything that is wrong with the certificates and keys that the settings name."""
    return tuple(_faults(settings))


def _faults(settings: Settings) -> Iterator[Problem]:
    for frontend in settings.frontends:
        yield from _tried(f"frontend[{frontend.name}].tls", partial(client_tls, frontend))
    for backend in settings.backends.values():
        yield from _tried(f"backend[{backend.name}].tls", partial(server_tls, backend))


def _tried(path: str, build: Callable[[], object]) -> Iterator[Problem]:
    try:
        build()
    except OSError as why:
        yield Problem(path, f"{why.filename} cannot be read: {why.strerror}")
    except ValueError as why:
        yield Problem(path, str(why))


EXPIRY_WARNING: Final = 30 * 86400.0
"""Seconds before the end of a certificate of our own, from which on `--check` tells of it."""


def surprises(settings: Settings, now: float) -> tuple[Problem, ...]:
    """What is allowed for our own certificates and keys, and yet worth telling; without the faults.

    `now` is in seconds since 1970.
    """
    shown = (
        (f"frontend[{frontend.name}].tls.certificate", one.file, one.key)
        for frontend in settings.frontends
        for one in frontend.tls.certificates
    )
    ours = (
        (f"backend[{backend.name}].tls.certificate", backend.tls.certificate, backend.tls.key)
        for backend in settings.backends.values()
        if backend.tls.certificate
    )
    return tuple(one for each in (*shown, *ours) for one in _surprises(*each, now))


def _surprises(path: str, certificate: str, key: str, now: float) -> Iterator[Problem]:
    key = key or certificate
    try:
        identity = Identity.read(certificate, key)
        mode = Path(key).stat().st_mode
    except (OSError, ValueError):
        return  # a fault
    if mode & stat.S_IROTH:
        yield Problem(path, f"everybody on this machine can read the private key in {key}")
    days = (identity.ends - now) / 86400.0
    if days < 0:
        yield Problem(path, f"{certificate} has expired: clients refuse it")
    elif identity.ends - now < EXPIRY_WARNING:
        yield Problem(path, f"{certificate} ends in {days:.0f} days")
