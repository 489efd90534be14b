"""TLS versions by the names that people call them, and what each takes to be spoken."""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL

MINIMUM: Final[dict[str, int]] = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}
"""1.0 and 1.1 are retired (RFC 8996); servers of long ago speak nothing else."""

RETIRED: Final = ("1.0", "1.1")

MODERN: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers of TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325 section 4.2)."""


def minimum_of(name: str) -> int:
    """OpenSSL's number of a version. Raises ValueError."""
    try:
        return MINIMUM[name]
    except KeyError:
        raise ValueError(f"TLS {name}: not a version; one of {', '.join(MINIMUM)}") from None


def speak_from(context: SSL.Context, name: str, ciphers: str = "") -> None:
    """Let connections of this context speak this version and all later ones.

    `ciphers`: OpenSSL's list for TLS up to 1.2; empty: OpenSSL's own. Raises ValueError.
    """
    context.set_min_proto_version(minimum_of(name))
    if name in RETIRED:
        # What these sign with, and keys of their time, is refused otherwise.
        ciphers = f"{ciphers or 'DEFAULT'}:@SECLEVEL=0"
    if ciphers:
        try:
            context.set_cipher_list(ciphers.encode("ascii"))
        except (SSL.Error, UnicodeEncodeError):
            raise ValueError(f"{ciphers}: OpenSSL knows no cipher by this list") from None


def try_ciphers(ciphers: str) -> None:
    """Raises ValueError when there is nothing in this list."""
    speak_from(SSL.Context(SSL.TLS_METHOD), "1.2", ciphers)
