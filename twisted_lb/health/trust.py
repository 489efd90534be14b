"""Shakes hands with a server under check, and knows it by its certificate, as channels do.

In: a visit that stands, a handshake. Out: the certificate, or Failed with what was wrong.
"""

from __future__ import annotations

from ..tls import Certificate, ClientHandshake, Untrusted
from .visit import Failed, Visit


async def trusted(visit: Visit, handshake: ClientHandshake) -> Certificate:
    """The certificate of a server that is who it should be. Raises Failed."""
    await visit.secure(handshake)
    try:
        return handshake.verify()
    except Untrusted as why:
        raise Failed(str(why)) from None
