"""What a stranger's certificate says of itself, whatever it says."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certificates import self_signed
from twisted_lb.tls.facts import _common_name

CALLED = b"\x0c\x05alone"
"""How the common name stands in it: UTF8String."""


@pytest.mark.parametrize("tag", range(1, 31))
def test_a_name_of_whatever_kind_is_a_name_or_none(tag: int) -> None:
    """A string of bits raises something else than the others."""
    der = x509.load_pem_x509_certificate(self_signed("a")).public_bytes(Encoding.DER)
    assert der.count(CALLED) == 2
    for text in (b"alone", b"\x00lone"):
        assert isinstance(_common_name(der.replace(CALLED, bytes((tag, 5)) + text)), str)
    assert _common_name(der) == "alone"
