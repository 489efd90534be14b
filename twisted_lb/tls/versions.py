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


def minimum_of(name: str) -> int:
    """OpenSSL's number of a version. Raises ValueError."""
    try:
        return MINIMUM[name]
    except KeyError:
        raise ValueError(f"TLS {name}: not a version; one of {', '.join(MINIMUM)}") from None


def speak_from(context: SSL.Context, name: str) -> None:
    """Let connections of this context speak this version and all later ones. Raises ValueError."""
    context.set_min_proto_version(minimum_of(name))
    if name in ("1.0", "1.1"):
        # What these sign with, and keys of their time, is refused otherwise.
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
