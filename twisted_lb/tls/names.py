"""The names that a certificate carries, and whether it is for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from cryptography import x509
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import (
    DNS_ID,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
    verify_service_identity,
)


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names, in lower case, and IP addresses of its subjectAltName: the only names that count
    (RFC 6125). Raises ValueError for an extension that breaks the rules."""
    found = _names(certificate)
    if found is None:
        return ()
    return (
        *(name.lower() for name in found.get_values_for_type(x509.DNSName)),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    )


def carries(certificate: x509.Certificate, name: str) -> bool:
    """Whether it is for this DNS name or address, as clients verify it (RFC 6125).

    A name in it that means nothing, such as an address written as a DNS name, is for nobody, and
    takes nothing from the others. Raises ValueError as `names` does.
    """
    asked = IPAddress_ID(name) if is_address(name) else DNS_ID(name.encode("idna").decode("ascii"))
    try:
        verify_service_identity([*_patterns(certificate)], [asked], [])
    except (VerificationError, CertificateError):
        return False
    return True


def _patterns(certificate: x509.Certificate) -> Iterator[DNSPattern | IPAddressPattern]:
    found = _names(certificate)
    if found is not None:
        for name in found.get_values_for_type(x509.DNSName):
            with suppress(CertificateError):
                yield DNSPattern.from_bytes(name.encode())
        for address in found.get_values_for_type(x509.IPAddress):
            yield IPAddressPattern(address)  # type: ignore[arg-type]  # never a network


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as why:
        raise ValueError(str(why)) from None


def is_address(name: str) -> bool:
    """Whether this is an IP address and no DNS name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
