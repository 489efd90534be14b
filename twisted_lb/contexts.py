"""TLS settings → what handshakes need: reads certificates and keys, at the start and when renewed.

Whatever is wrong with a file is told with its name and the key that names it: all at once, beside
everything else that is wrong with the configuration.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from .config.locate import Path as Key
from .config.meaning import Complaint, Meaning
from .config.named import files
from .config.settings import Backend, BackendTls, Frontend, Settings
from .errors import Problem
from .tls import ClientContext, Identity, ServerContext, try_ciphers

FTP_ALPN: Final = ("ftp",)
"""What FTP clients that offer protocols must offer (attack 4): RFC 7301 section 6's registry."""


@attrs.define(eq=False)
class ServerTls:
    """How the servers of one backend are spoken to."""

    context: ClientContext
    """For new connections."""
    settings: BackendTls

    def renew(self, backend: Backend) -> None:
        """Read its files anew. Raises OSError, ValueError, having changed nothing."""
        newer = server_tls(backend)
        assert newer is not None, "a backend has TLS or has none"
        self.context = newer.context


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
            ciphers=tls.ciphers,
        ),
        tls,
    )


@attrs.define(eq=False)
class ClientTls:
    """What the clients of one frontend are shown, by certificate, the default one first."""

    contexts: tuple[ServerContext, ...]
    """For new connections."""
    names: tuple[tuple[str, ...], ...]
    """What each certificate is for."""
    apart: bool = False
    """Each session has a context of its own: it resumes no TLS session but its own."""
    ends: tuple[float, ...] = ()
    """When each certificate ends, in seconds since 1970."""

    def context(self, certificate: int) -> ServerContext:
        """What a new session shows."""
        found = self.contexts[certificate]
        return found.anew() if self.apart else found

    def renew(self, frontend: Frontend) -> None:
        """Read its files anew. Raises OSError, ValueError, having changed nothing."""
        newer = client_tls(frontend)
        assert newer is not None, "a frontend ends TLS or does not"
        self.contexts, self.names, self.ends = newer.contexts, newer.names, newer.ends


def client_tls(frontend: Frontend) -> ClientTls | None:
    """What a frontend whose TLS ends here shows; None for others. Raises OSError, ValueError."""
    tls, ftp = frontend.tls, frontend.protocol == "ftp"
    if not tls.ends:
        return None
    identities = [Identity.read(one.file, one.key or one.file) for one in tls.certificates]
    ca = _read_authorities(tls.ca) if tls.ca else None
    show = partial(
        ServerContext,
        clients=tls.clients,
        ca=ca,
        alpn=tls.alpn or (FTP_ALPN if ftp else ()),
        minimum=tls.minimum,
        ciphers=tls.ciphers,
        resumes=not ftp or frontend.ftp.tls.reuse != "off",
    )
    return ClientTls(
        tuple(show(one) for one in identities),
        tuple(one.names for one in identities),
        apart=ftp and frontend.ftp.tls.reuse == "required",
        ends=tuple(one.ends for one in identities),
    )


def _read_authorities(file: str) -> bytes:
    """The authorities in a file, tried. Raises OSError, ValueError that names the file."""
    pem = Path(file).read_bytes()
    try:
        ClientContext(pem)
    except ValueError as why:
        raise ValueError(f"{file}: no certificates in PEM form: {why}") from None
    return pem


# -- what is told before the start -----------------------------------------------------------------


def unreadable(meaning: Meaning) -> Iterator[Complaint]:
    """Every file that must be read and cannot be."""
    for key, name in files(meaning.document):
        try:
            Path(name).read_bytes()
        except OSError as why:
            yield Complaint(key, f"{name} cannot be read: {why.strerror}")


def faults(meaning: Meaning) -> Iterator[Complaint]:
    """Everything that is wrong with the certificates and keys that can be read."""
    for path, frontend in meaning.frontends:
        if frontend.tls.ends:
            tls: Key = (*path, "tls")
            for index, one in enumerate(frontend.tls.certificates):
                at: Key = (*tls, "certificate", index)
                yield from _odd_identity(at, one.file, one.key, (*at, "key"))
            yield from _odd_authorities((*tls, "ca"), frontend.tls.ca)
            yield from _tried((*tls, "ciphers"), partial(try_ciphers, frontend.tls.ciphers))
    for index, backend in enumerate(meaning.document.backends):
        path = ("backend", index)
        if backend.tls.mode != "off":
            tls, ours = (*path, "tls"), backend.tls
            at = (*tls, "certificate")
            yield from _odd_identity(at, ours.certificate, ours.key, (*tls, "key"))
            yield from _odd_authorities((*tls, "ca"), ours.ca)
            yield from _tried((*tls, "ciphers"), partial(try_ciphers, ours.ciphers))
        yield from _odd_authorities((*path, "check", "ca"), backend.check.ca)
        yield from _odd_authorities((*path, "live", "ca"), backend.live.ca)


def _odd_identity(path: Key, certificate: str, key: str, key_path: Key) -> Iterator[Complaint]:
    if certificate:
        read = partial(Identity.read, certificate, key or certificate)
        yield from _tried(path, lambda: ServerContext(read()), key_path)


def _odd_authorities(path: Key, ca: str) -> Iterator[Complaint]:
    if ca:
        yield from _tried(path, partial(_read_authorities, ca))


def _tried(path: Key, build: Callable[[], object], *because: Key) -> Iterator[Complaint]:
    try:
        build()
    except OSError:
        pass  # `unreadable` tells it, with the key of the very file
    except ValueError as why:
        yield Complaint(path, str(why), because)


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
    return tuple(one for each in (*shown, *ours) for one in of_identity(*each, now))


def of_identity(path: str, certificate: str, key: str, now: float) -> Iterator[Problem]:
    """The surprises of a certificate of our own and its key; an empty key stands beside it."""
    key = key or certificate
    try:
        identity = Identity.read(certificate, key)
    except (OSError, ValueError):
        return  # a fault
    yield from exposed(path, key, "private key")
    days = (identity.ends - now) / 86400.0
    if days < 0:
        yield Problem(path, f"{certificate} has expired: clients refuse it")
    elif identity.ends - now < EXPIRY_WARNING:
        yield Problem(path, f"{certificate} ends in {days:.0f} days")


def exposed(path: str, file: str, what: str) -> Iterator[Problem]:
    """A file with a secret that everybody can read; no file, no secret."""
    try:
        mode = Path(file).stat().st_mode if file else 0
    except OSError:
        return  # a fault
    if mode & stat.S_IROTH:
        yield Problem(path, f"everybody on this machine can read the {what} in {file}")
