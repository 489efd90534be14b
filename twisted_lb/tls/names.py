"""The names that a certificate carries."""

from __future__ import annotations

from cryptography import x509


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names, in lower case, and IP addresses of its subjectAltName: the only names that count
    (RFC 6125). Raises ValueError for an extension that breaks the rules."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *(name.lower() for name in found.get_values_for_type(x509.DNSName)),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    )
