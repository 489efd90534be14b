"""Wire: the PROXY protocol header, versions 1 and 2: bytes → Header, addresses → bytes. Sans-I/O.

The specification is HAProxy's `doc/proxy-protocol.txt`; `docs/protocols/proxy.md` says line by
line what is done here and what is not. What binds below:

- The verdict (MORE, a header, WireError) falls at the first byte that allows it, and is the same
  for every split: a wrong byte is refused at once, not when the deadline passes.
- Only the header is consumed. What follows is payload, also when it looks like a second header.
- Whether the peer may send a header at all is not known here: see `ProxyIn.trusted`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from ..errors import WireError
from ..terms import MORE, Address, More, Role
from . import proxyssl
from .address import IP, ip, unmapped
from .crc32c import crc32c
from .proxyline import parse_line
from .proxyssl import ClientSsl

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_LENGTH: Final = 4096
"""What a version 2 header may announce after its 16 fixed bytes. Addresses take 216 at most, so
this leaves room for a client certificate in the SSL TLV; 65,535 would be held for every stranger
who got past the list of trusted networks."""

ALPN: Final = 0x01
AUTHORITY: Final = 0x02
CRC32C: Final = 0x03
NOOP: Final = 0x04
UNIQUE_ID: Final = 0x05
SSL: Final = 0x20
SESSION: Final = 0xE0
"""Ours, of the range for custom types: `role=ROLE;session=ID` in ASCII."""

UNIQUE_ID_MAX: Final = 128

_LOCAL, _PROXY = 0x20, 0x21
_UNSPEC, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESS_BLOCK: Final = {_UNSPEC: 0, _TCP4: 12, _TCP6: 36, _UNIX: 216}
"""Family and transport byte → size of the addresses. Datagram families are not for TCP."""


@attrs.frozen
class Header:
    """What a proxy in front of us says of the connection that it relays."""

    version: int
    local: bool
    """The proxy speaks for itself (a health check): the connection's own addresses are to be
    used, as they are whenever `source` is None."""
    source: Address | None = None
    destination: Address | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()
    """Type and value in the order they came, without padding and checksum."""

    ssl: ClientSsl | None = None
    """What TLS showed of the client; None when it is not told or there was no TLS."""

    def value(self, kind: int) -> bytes | None:
        """The first value of one type of TLV."""
        return next((value for each, value in self.tlvs if each == kind), None)

    @property
    def authority(self) -> str:
        """The name that the client asked for; empty when not told."""
        return (self.value(AUTHORITY) or b"").decode(errors="backslashreplace")

    @property
    def session(self) -> str:
        """Which session the connection belongs to, in our own TLV; empty when not sent."""
        return self._told("session")

    @property
    def role(self) -> Role:
        """What it is to that session; empty when not sent."""
        return self._told("role")

    @property
    def client_certificate(self) -> bytes:
        """The client's certificate, as DER; empty when it showed none, or it is not told."""
        return self.ssl.certificate if self.ssl is not None and self.ssl.shown else b""

    def _told(self, name: str) -> str:
        parts = (self.value(SESSION) or b"").decode("ascii", "replace").split(";")
        pairs = (part.partition("=") for part in parts)
        return next((value for key, _, value in pairs if key == name), "")

    @property
    def unique_id(self) -> bytes:
        """The proxy's own id of this connection; empty when not told."""
        return self.value(UNIQUE_ID) or b""


def parse(data: bytes) -> More | tuple[Header, int]:
    """Read the header at the start of everything received so far; also says how long it is.

    Raises WireError, with the reason for the log, when no header can come of these bytes.
    """
    if data[:1] == SIGNATURE[:1]:
        return _parse_v2(data)
    line = parse_line(data)
    return line if line is MORE else (Header(1, False, *line[0]), line[1])


def _parse_v2(data: bytes) -> More | tuple[Header, int]:
    if not data.startswith(SIGNATURE[: len(data)]):
        raise WireError("PROXY v2: wrong signature")
    command, family, size = data[12:13], data[13:14], data[14:16]
    if command and command[0] not in (_LOCAL, _PROXY):
        raise WireError("PROXY v2: version or command unknown")
    local = command == bytes([_LOCAL])
    if family and not local and family[0] not in _ADDRESS_BLOCK:
        raise WireError("PROXY v2: address family or transport not for TCP")
    if len(size) < 2:
        return MORE
    end = 16 + int.from_bytes(size)
    if end > 16 + MAX_LENGTH:
        raise WireError(f"PROXY v2: longer than {MAX_LENGTH} bytes")
    if not local and end < 16 + _ADDRESS_BLOCK[family[0]]:
        raise WireError("PROXY v2: addresses do not fit the length")
    if len(data) < end:
        return MORE
    return Header(version=2, local=True) if local else _read_block(data[:end]), end


def _read_block(header: bytes) -> Header:
    """Read a whole version 2 header whose fixed part has been checked."""
    family = header[13]
    source, destination = None, None
    if family in (_TCP4, _TCP6):
        width = 4 if family == _TCP4 else 16
        source = _v2_address(header, 16, width, 16 + 2 * width)
        destination = _v2_address(header, 16 + width, width, 18 + 2 * width)
    tlvs = tuple(_read_tlvs(header, 16 + _ADDRESS_BLOCK[family]))
    told = next((proxyssl.read(value) for kind, value in tlvs if kind == SSL), None)
    return Header(2, False, source, destination, tlvs, told)


def _v2_address(header: bytes, host_at: int, width: int, port_at: int) -> Address:
    host = unmapped(ipaddress.ip_address(header[host_at : host_at + width]))
    return Address(str(host), int.from_bytes(header[port_at : port_at + 2]))


def _read_tlvs(header: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    checked = False
    while at < len(header):
        kind, start = header[at], at + 3
        at = start + int.from_bytes(header[at + 1 : start])
        if at > len(header) or start > len(header):
            raise WireError("PROXY v2: TLV cut short")
        if kind == CRC32C:
            # Each check reads the whole header, so one is also the limit of what a peer may ask.
            if checked:
                raise WireError("PROXY v2: two checksums")
            _verify(header, start, at)
            checked = True
        elif kind == UNIQUE_ID and at - start > UNIQUE_ID_MAX:
            raise WireError(f"PROXY v2: unique id longer than {UNIQUE_ID_MAX} bytes")
        elif kind != NOOP:
            yield kind, header[start:at]


def _verify(header: bytes, start: int, end: int) -> None:
    """Hold the header to its checksum, which is computed with the checksum's own bytes zero."""
    if end - start != 4:
        raise WireError("PROXY v2: checksum is not four bytes")
    if crc32c(header[:start] + bytes(4) + header[end:]) != int.from_bytes(header[start:end]):
        raise WireError("PROXY v2: wrong checksum")


def encode_v1(source: Address | None, destination: Address | None) -> bytes:
    """The line that introduces a relayed connection; UNKNOWN when an address is not known.

    Raises ValueError when a host is not an IP address.
    """
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n"
    hosts = _one_family(source, destination)
    words = (f"TCP{hosts[0].version}", *hosts, source.port, destination.port)
    return f"PROXY {' '.join(map(str, words))}\r\n".encode("ascii")


def encode_v2(
    source: Address | None,
    destination: Address | None,
    tlvs: Iterable[tuple[int, bytes]] = (),
    crc: bool = False,
) -> bytes:
    """The header that introduces a relayed connection; UNSPEC when an address is not known.

    Raises ValueError when a host is not an IP address, or a value is longer than allowed.
    """
    family, block = _encode_ends(source, destination)
    block += b"".join(_tlv(kind, value) for kind, value in tlvs)
    if crc:
        block += _tlv(CRC32C, bytes(4))
    if len(block) > MAX_LENGTH:
        raise ValueError(f"a PROXY header of more than {MAX_LENGTH} bytes")
    header = SIGNATURE + bytes((_PROXY, family)) + len(block).to_bytes(2) + block
    return header[:-4] + crc32c(header).to_bytes(4) if crc else header


def encode_local(
    version: int, source: Address | None = None, destination: Address | None = None
) -> bytes:
    """The header of a connection of our own, as a health check is.

    Version 1 has no word for it: there the check names its own two ends, since some receivers
    refuse UNKNOWN (section 2.1).
    """
    if version == 1:
        return encode_v1(source, destination)
    return SIGNATURE + bytes((_LOCAL, _UNSPEC, 0, 0))


def session_tlv(role: Role, session: str) -> tuple[int, bytes]:
    """Our own TLV: which session a connection belongs to, and what it is to it."""
    return SESSION, f"role={role};session={session}".encode("ascii")


def ssl_tlv(ssl: ClientSsl) -> tuple[int, bytes]:
    """What TLS that ended here showed of the client."""
    return SSL, proxyssl.write(ssl)


def _tlv(kind: int, value: bytes) -> bytes:
    if kind == UNIQUE_ID and len(value) > UNIQUE_ID_MAX:
        raise ValueError(f"a unique id of more than {UNIQUE_ID_MAX} bytes")
    return bytes((kind,)) + len(value).to_bytes(2) + value


def _encode_ends(source: Address | None, destination: Address | None) -> tuple[int, bytes]:
    """The family byte and the address block."""
    if source is None or destination is None:
        return _UNSPEC, b""
    hosts = _one_family(source, destination)
    ports = source.port.to_bytes(2) + destination.port.to_bytes(2)
    family = _TCP4 if hosts[0].version == 4 else _TCP6
    return family, hosts[0].packed + hosts[1].packed + ports


def _one_family(source: Address, destination: Address) -> tuple[IP, IP]:
    """Both hosts as addresses of one family: a header has no room for two."""
    ours = ip(source.host), ip(destination.host)
    if ours[0].version == ours[1].version:
        return ours
    return _as_v6(ours[0]), _as_v6(ours[1])


def _as_v6(address: IP) -> IP:
    return ipaddress.IPv6Address(f"::ffff:{address}") if address.version == 4 else address
