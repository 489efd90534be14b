"""Wire: bytes → their CRC32c (RFC 4960 appendix B), which PROXY v2 headers may carry. Sans-I/O.

Written out because the standard library has only the other polynomial, and a header is too short
(`proxyheader.MAX_LENGTH`) to be worth a compiled dependency.
"""

from __future__ import annotations

from typing import Final

POLYNOMIAL: Final = 0x82F63B78
"""Castagnoli's, bits reversed."""


def _entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (POLYNOMIAL if index & 1 else 0)
    return index


_TABLE: Final = tuple(_entry(index) for index in range(256))


def crc32c(data: bytes) -> int:
    """The checksum, as an unsigned 32-bit number."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
