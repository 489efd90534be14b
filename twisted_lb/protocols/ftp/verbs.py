"""FTP's commands by what they mean to somebody in the middle. Sans-I/O.

Rules:
- A verb that names an address in a way we do not translate never reaches a server (T45).
- A verb that asks for security is refused until we speak it: a half understood AUTH would end
  with bytes that we rewrite without understanding them (T32, T79).
- A verb that nobody here knows goes to the server: its answer counts.
"""

from __future__ import annotations

from typing import Final

TRANSFERS: Final = frozenset({b"APPE", b"LIST", b"MLSD", b"NLST", b"RETR", b"STOR", b"STOU"})
"""Commands that move bytes over a data channel."""

UPLOADS: Final = frozenset({b"APPE", b"STOR", b"STOU"})
"""Those whose bytes come from the client."""

ANNOUNCEMENTS: Final = frozenset({b"PASV", b"EPSV", b"PORT", b"EPRT"})
"""Commands that announce a data channel."""

OVERTAKING: Final = frozenset({b"ABOR", b"STAT", b"NOOP", b"QUIT"})
"""May be sent while a transfer command has no answer yet (RFC 1123 section 4.1.3.3; T15, T30)."""

LOGIN: Final = frozenset({b"USER", b"PASS", b"ACCT"})
"""A success of one of these is a login (RFC 959 section 6: the login diagram)."""

ABOR_REPLIES: Final = frozenset({225, 226, 421, 500, 501, 502, 503, 530})
"""What a server may answer to ABOR."""

SECRET: Final = frozenset({b"PASS", b"ACCT"})
"""Their arguments are passed on and forgotten."""

WEB: Final = frozenset(
    {b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PRI", b"PUT"}
    | {b"TRACE"}
)
"""A web client was sent here to be confused with an FTP client (attack 4)."""

REFUSED: Final[dict[bytes, bytes]] = {
    # RFC 2228 and 4217: 502 for a server without AUTH, 503 for what needs AUTH first, 533 for
    # protected commands at a level that was not negotiated.
    b"AUTH": b"502 AUTH is not implemented.",
    b"ADAT": b"503 AUTH comes first.",
    b"PBSZ": b"503 AUTH comes first.",
    b"PROT": b"503 AUTH comes first.",
    b"CCC": b"533 The control connection is not protected.",
    b"MIC": b"533 The control connection is not protected.",
    b"CONF": b"533 The control connection is not protected.",
    b"ENC": b"533 The control connection is not protected.",
    # Addresses in other clothes: RFC 1639, and the inventions of single servers (T45, T75).
    b"LPRT": b"502 LPRT is not implemented.",
    b"LPSV": b"502 LPSV is not implemented.",
    b"SPSV": b"502 SPSV is not implemented.",
    b"ESTA": b"502 ESTA is not implemented.",
    b"ESTP": b"502 ESTP is not implemented.",
    b"CPSV": b"502 CPSV is not implemented.",
    b"SSCN": b"502 SSCN is not implemented.",
    b"PRET": b"502 PRET is not implemented.",
}
"""Answered here, never sent to a server."""

UNTRUE_FEATURES: Final = frozenset(REFUSED)
"""What a server's FEAT may say and we do not do (T35)."""

OUR_FEATURES: Final = (b"EPRT", b"EPSV")
"""What we do whatever the server says."""

TLS_FEATURES: Final[dict[str, tuple[bytes, ...]]] = {
    "terminate": (b"PBSZ", b"PROT"),
    "starttls": (b"AUTH TLS", b"AUTH SSL", b"PBSZ", b"PROT"),
}
"""And what the client's TLS adds, by its mode (RFC 4217 section 6; T73)."""

_ABOUT_NO_FILE: Final = ANNOUNCEMENTS | {
    b"ABOR",
    b"ALLO",
    b"FEAT",
    b"HELP",
    b"MODE",
    b"NOOP",
    b"OPTS",
    b"PASS",
    b"QUIT",
    b"REIN",
    b"REST",
    b"STAT",
    b"STRU",
    b"SYST",
    b"TYPE",
    b"USER",
}
_ENDS_ANY: Final = frozenset({226, 425, 426, 451, 551, 552})
"""Codes that RFC 959 section 5.4 knows after 1xx of a transfer; hardly any other command's."""
_OWN_SUCCESS: Final = {
    b"ABOR": frozenset({225, 226}),
    b"NOOP": frozenset({200}),
    b"QUIT": frozenset({221}),
    b"STAT": frozenset({211, 212, 213}),
}


def known(verb: bytes) -> bool:
    """Whether a line begins with something that may be a verb at all."""
    return verb.isalnum() and verb.isascii()


def ends_transfer(code: int, verb: bytes, started: bool) -> bool:
    """Whether a final reply is the transfer's, while `verb` waits for its answer too (T16).

    `started` tells whether the transfer has had its 1xx. Until then servers answer in order, and
    only what cannot be the transfer's is the other's.
    """
    if not started:
        return code not in _OWN_SUCCESS.get(verb, ()) or code == 226
    if code in _ENDS_ANY:
        return True
    return verb in _ABOUT_NO_FILE and (code == 250 or 450 <= code < 460 or 550 <= code < 560)
