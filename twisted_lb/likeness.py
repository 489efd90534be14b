"""What was seen of servers → what is wrong with each, and how those of a backend differ. Sans-I/O.

Clients must not notice which server they reached: each shows a certificate for the name that they
asked for, and all offer the same. What is wrong is told with the server's name and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from .terms import Address

DAY: Final = 86400.0


@attrs.frozen
class TlsSeen:
    """What handshakes with one server showed."""

    names: tuple[str, ...] = ()
    """Of the certificate's subjectAltName."""
    common_name: str = ""
    carried: Mapping[str, bool] = attrs.field(factory=dict)
    """Each name that clients use → whether the certificate is for it, as they verify it."""
    problem: str = ""
    """Why the chain is not trusted; empty when it is."""
    ends: float = 0.0
    """When the certificate ends, in seconds since 1970."""
    versions: tuple[str, ...] = ()
    """The versions of TLS that it offers."""
    alpn: str = ""
    """What it answered to an offer of protocols."""
    verified: bool = False
    """Whether channels or checks of ours hold it to a name."""


@attrs.frozen
class FtpSeen:
    """How an FTP server greets, and what it says it can."""

    banner: str
    features: tuple[str, ...]
    """Lines of FEAT, sorted; empty where it knows no FEAT."""


@attrs.frozen
class Seen:
    """What was seen of one server on one port."""

    backend: str
    server: str
    address: Address
    failed: str = ""
    """What could not be done, and why; empty when all could."""
    tls: TlsSeen | None = None
    ftp: FtpSeen | None = None
    status: int | None = None
    """HTTP status of the path that was asked for."""

    @property
    def where(self) -> str:
        """The server and the port, for a line of its own."""
        return f"{self.backend}/{self.server} ({self.address})"


@attrs.frozen
class Finding:
    """One thing worth mending, on one server."""

    where: str
    what: str
    remedy: str
    fault: bool = True
    """Whether clients are, or soon will be, refused or confused; else it is told only."""

    def __str__(self) -> str:
        kind = "fault" if self.fault else "notice"
        return printable(f"{kind}: {self.where}: {self.what}; {self.remedy}")


def printable(text: str) -> str:
    """The same, with nothing in it that a terminal obeys: servers may say anything (attack 18)."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def findings(
    seen: Iterable[Seen], now: float, expiry_warning: Mapping[str, float]
) -> tuple[Finding, ...]:
    """Everything that is wrong, server by server, and how servers of one backend differ.

    `now` is in seconds since 1970, `expiry_warning` in seconds, by backend.
    """
    every = tuple(seen)
    alone = (one for each in every for one in _alone(each, now, expiry_warning[each.backend]))
    return (*alone, *(one for alike in siblings(every) for one in _unlike(alike)))


# -- one server ------------------------------------------------------------------------------------


def _alone(seen: Seen, now: float, warning: float) -> Iterator[Finding]:
    if seen.failed:
        remedy = "start it, open the way to it, or take it out of the configuration"
        yield Finding(seen.where, seen.failed, remedy)
    if seen.tls is not None:
        for what, remedy, fault in _of_certificate(seen.tls, now, warning):
            yield Finding(seen.where, what, remedy, fault)


def _of_certificate(tls: TlsSeen, now: float, warning: float) -> Iterator[tuple[str, str, bool]]:
    if tls.problem:
        yield tls.problem, "install a certificate with its chain, or name its authority", True
    for name, carried in tls.carried.items():
        if not carried:
            yield _wrong_name(tls, name)
    days = (tls.ends - now) / DAY
    if days < 0 and "expired" not in tls.problem:
        yield "its certificate has expired", "renew it", True
    if 0 <= days * DAY < warning:
        yield f"its certificate ends in {days:.0f} days", "renew it", True
    if not tls.carried:
        remedy = "say in `live.names` by which names clients know it"
        yield "its certificate was held to no name", remedy, False


def _wrong_name(tls: TlsSeen, name: str) -> tuple[str, str, bool]:
    if not tls.names and matches(tls.common_name, name):
        what = f"only the common name of its certificate says {name}"
        remedy = "get one with subjectAltName: clients of today look nowhere else"
        return what, remedy + ", nor do we" * tls.verified, tls.verified
    shown = ", ".join(tls.names[:5]) or tls.common_name or "nobody"
    what = f"its certificate is for {shown}, not for {name}"
    return what, f"get one whose subjectAltName has {name}: clients that ask for it refuse", True


def matches(pattern: str, name: str) -> bool:
    """Whether a name of a certificate, perhaps with a wildcard for one label, is this one."""
    pattern, name = pattern.lower(), name.lower()
    return pattern == name or (pattern[:2] == "*." and pattern[2:] == name.partition(".")[2])


# -- siblings --------------------------------------------------------------------------------------


def siblings(seen: Iterable[Seen]) -> tuple[tuple[Seen, ...], ...]:
    """Those of one backend on one port that answered, where there are several."""
    groups: dict[tuple[str, int], list[Seen]] = {}
    for each in seen:
        if not each.failed:
            groups.setdefault((each.backend, each.address.port), []).append(each)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def traits(seen: Seen) -> dict[str, str]:
    """What a client could tell servers apart by, as text."""
    told: dict[str, str] = {}
    if seen.tls is not None:
        told["certificate"] = " ".join(seen.tls.names) or seen.tls.common_name
        told["TLS"] = " ".join(seen.tls.versions)
        told["ALPN"] = seen.tls.alpn or "-"
    if seen.ftp is not None:
        told["banner"] = alike(seen.ftp.banner, seen)
        told["FEAT"] = ", ".join(seen.ftp.features) or "-"
    if seen.status is not None:
        told["HTTP"] = str(seen.status)
    return told


def alike(banner: str, seen: Seen) -> str:
    """A greeting without what differs on purpose: the time, a count, the server's own name."""
    for own in (seen.address.host, seen.server):
        banner = banner.replace(own, "*")
    return "".join("0" if letter.isdigit() else letter for letter in banner)


def _unlike(group: Sequence[Seen]) -> Iterator[Finding]:
    """Who differs from most of the others, and in what."""
    for trait, values in differing(group).items():
        common = Counter(values).most_common(1)[0][0]
        like = ", ".join(
            seen.server for seen, value in zip(group, values, strict=True) if value == common
        )
        for seen, value in zip(group, values, strict=True):
            if value != common:
                what = f"{trait} differs: {value!r}, on {like} {common!r}"
                yield Finding(seen.where, what, "make them alike", trait != "banner")


def differing(group: Sequence[Seen]) -> dict[str, list[str]]:
    """Trait → its value for each server, where they are not all the same."""
    told = [traits(seen) for seen in group]
    names = dict.fromkeys(name for each in told for name in each)
    values = {name: [each.get(name, "-") for each in told] for name in names}
    return {name: each for name, each in values.items() if len(set(each)) > 1}


def table(group: Sequence[Seen]) -> str:
    """The traits in which servers differ, a line for each server; empty when they are alike."""
    columns = differing(group)
    if not columns:
        return ""
    rows = [["server", *columns]]
    rows += [
        [seen.server, *(printable(columns[name][index]) for name in columns)]
        for index, seen in enumerate(group)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join((f"{group[0].backend}, port {group[0].address.port}: servers differ", *lines))
