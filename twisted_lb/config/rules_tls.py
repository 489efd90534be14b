"""Rules of TLS: each side's mode fits what is spoken, and has the files that it needs.

Sans-I/O. Whether the files can be read is for `contexts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .locate import Path
from .meaning import Complaint, Meaning, Rule
from .settings import FtpTls
from .values import quote


def tls_is_readable(meaning: Meaning) -> Iterator[Complaint]:
    """Routes look at the ClientHello; an ftp frontend must read what comes after it."""
    for path, frontend in meaning.frontends:
        mode, protocol = (*path, "tls", "mode"), (*path, "protocol")
        written = frontend.tls.mode
        if written == "pass" and frontend.protocol == "ftp":
            yield Complaint(mode, _NOT_FTP, (protocol,))
        if written == "starttls" and frontend.protocol != "ftp":
            message = f'is for `protocol = "ftp"`; {quote(frontend.protocol)} has no word for it'
            yield Complaint(mode, message, (protocol,))
        if frontend.routes and written in ("off", "starttls"):
            because = (mode, (*path, "tls"))
            message = 'looks at the ClientHello: it needs `tls.mode = "pass"` or "terminate"'
            yield Complaint((*path, "route"), message, because)


_NOT_FTP: Final = (
    "hides from an ftp frontend what its control connections say, and so where their data "
    'connections go: end TLS here by "terminate" or "starttls", or write `protocol = "opaque"` '
    'instead of "ftp", and have the data ports in a frontend beside it: with `passive_ports` of '
    'each server, or in one [group] with this by `key = ["source"]` or ["sni"]'
)


def ended_tls_has_its_files(meaning: Meaning) -> Iterator[Complaint]:
    """Where TLS ends, a certificate is shown, and the client's can be verified."""
    for path, frontend in meaning.frontends:
        tls = frontend.tls
        if not tls.ends:
            continue
        if not tls.certificates:
            message = 'is missing: what is shown to clients, as { file = "cert.pem" }'
            yield Complaint((*path, "tls", "certificate"), message)
        if tls.clients in ("optional", "required") and not tls.ca:
            message = f"is missing: with `clients = {quote(tls.clients)}`, whose are trusted?"
            yield Complaint((*path, "tls", "ca"), message)


def data_is_protected_with_control(meaning: Meaning) -> Iterator[Complaint]:
    """`[frontend.ftp.tls]` is about data connections of protected control connections."""
    for path, frontend in meaning.frontends:
        if not frontend.tls.ends and frontend.ftp.tls != FtpTls():
            message = 'is read only with `tls.mode = "starttls"` or "terminate"'
            yield Complaint((*path, "ftp", "tls"), message, ((*path, "tls"), (*path, "protocol")))


def hints_by_certificate_know_one(meaning: Meaning) -> Iterator[Complaint]:
    """A server is chosen before the client says AUTH: only implicit TLS shows a certificate."""
    for path, frontend in meaning.frontends:
        known = frontend.tls.mode == "terminate" and frontend.tls.clients != "off"
        if "certificate" in frontend.ftp.sticky and not known:
            message = (
                '"certificate" needs clients that show one before a server is chosen: '
                '`tls.mode = "terminate"` with `tls.clients`'
            )
            yield Complaint((*path, "ftp", "sticky"), message, ((*path, "tls"),))


def servers_are_shown_whole_identities(meaning: Meaning) -> Iterator[Complaint]:
    """A private key is of use only with its certificate."""
    for index, backend in enumerate(meaning.document.backends):
        if backend.tls.key and not backend.tls.certificate:
            path: Path = ("backend", index, "tls", "certificate")
            yield Complaint(path, "is missing: whose key is in `key`?")


def only_ftp_asks_servers_for_tls(meaning: Meaning) -> Iterator[Complaint]:
    """`starttls` and `match` are words of FTP's; so are data connections."""
    spoken: dict[str, set[bool]] = {}
    for member in meaning.members:
        spoken.setdefault(member.group.backend, set()).add(member.frontend.protocol == "ftp")
    for index, backend in enumerate(meaning.document.backends):
        ftp = spoken.get(backend.name, {True})
        path: Path = ("backend", index, "tls")
        if backend.tls.mode in ("starttls", "match") and False in ftp:
            message = 'is for backends of ftp frontends alone; others begin with TLS: "on"'
            yield Complaint((*path, "mode"), message)
        if backend.tls.data == "clear" and True not in ftp:
            yield Complaint((*path, "data"), "is read only for backends of ftp frontends")


RULES: Final[tuple[Rule, ...]] = (
    tls_is_readable,
    ended_tls_has_its_files,
    data_is_protected_with_control,
    hints_by_certificate_know_one,
    servers_are_shown_whole_identities,
    only_ftp_asks_servers_for_tls,
)
