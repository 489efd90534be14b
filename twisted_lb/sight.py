"""What is seen of an observed channel from outside: order, direction, timing, the ClientHello.

Sans-I/O. In: that a client arrives, what either side says as it comes, the end. Out: a
ChannelObserved. No byte of theirs is kept but what a ClientHello shows in clear; of ids and tickets
only a digest, so that channels that show the same one are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from .errors import WireError
from .facts import ChannelObserved, ConnectionEnded
from .opening import Dialogue, Refuse, Verdict
from .terms import MORE, Route, TlsFacts
from .wire.clienthello import ClientHello, HelloReader
from .wire.serverflight import ServerFlight, tls_session_key
from .wire.tlsrecord import NotTls

APART: Final = 60.0
"""Seconds without a channel after which a source begins to count anew."""

SOURCES_MOST: Final = 10_000
"""Sources that are counted; beyond, the one that came first begins anew."""

DIGITS: Final = 12
"""Of a digest: enough to tell a day's tickets apart, and nothing that could be resumed."""

TEXT_MOST: Final = 255
"""Characters of what a client may make as long as it likes."""

VERSIONS: Final = {
    0x0304: "1.3",
    0x0303: "1.2",
    0x0302: "1.1",
    0x0301: "1.0",
    0x0300: "ssl3",
    0x0002: "ssl2",
}


@attrs.define(eq=False)
class _Run:
    """The channels of one source, from its first one until it has had none for a while."""

    began: float
    last: float
    count: int = 0
    open: int = 0


class Sources:
    """Counts the channels of each source over all observed frontends."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def arrives(self, host: str, port: int, now: float) -> Sight:
        """A client at this address has connected to this port of ours."""
        run = self._runs.get(host)
        if run is None or (not run.open and now - run.last > APART):
            self._runs.pop(host, None)
            run = self._runs[host] = _Run(now, now)
            if len(self._runs) > SOURCES_MOST:
                del self._runs[next(iter(self._runs))]
        run.count += 1
        run.open += 1
        return Sight(run, port, run.count, run.open - 1, now)


class Sight:
    """What is seen of one channel."""

    def __init__(self, run: _Run, port: int, order: int, beside: int, now: float) -> None:
        self._run = run
        self._port = port
        self._order = order
        self._beside = beside
        self._began = now
        self._first = ""
        self._first_after: float | None = None
        self._reader: HelloReader | None = HelloReader()
        self._hello: ClientHello | None = None
        self._flight: ServerFlight | None = None
        self._given: dict[str, None] = {}

    def client_says(self, data: bytes, now: float) -> bool:
        """Whether what the client says next may tell more."""
        self._spoke("client", now)
        if self._reader is not None:
            self._read_hello(self._reader, data)
        return self._reader is not None

    def server_says(self, data: bytes, now: float) -> bool:
        """Whether what the server says next may tell more."""
        self._spoke("server", now)
        if self._flight is None:
            return self._reader is not None
        self._given |= dict.fromkeys(map(_short, self._flight.take(data)))
        return not self._flight.done

    def relayed(self) -> None:
        """What the client has said so far comes once more, from the relay."""
        if self._reader is not None:
            self._reader = HelloReader()

    def ended(self, told: ConnectionEnded, now: float) -> ChannelObserved:
        """The channel is over, as this fact tells."""
        self._run.open -= 1
        self._run.last = now
        hello = self._hello or ClientHello(0)
        versions = hello.versions or (hello.legacy_version,)
        return ChannelObserved(
            connection=told.connection,
            frontend=told.frontend,
            port=self._port,
            client=told.client,
            order=self._order,
            after=self._began - self._run.began,
            beside=self._beside,
            first=self._first,
            first_after=self._first_after,
            versions=" ".join(map(_version, versions)) if self._hello else "",
            sni=hello.server_name or "",
            alpn=_joined(name.decode("ascii", "backslashreplace") for name in hello.alpn),
            session_id=_digest(hello.session_id),
            ticket=_digest(hello.ticket or b""),
            psk=_joined(map(_digest, hello.psk_identities)),
            given=_joined(self._given),
            ending=told.ending,
            seconds=told.seconds,
            from_client=told.from_client,
            from_server=told.from_server,
        )

    def _spoke(self, side: str, now: float) -> None:
        if not self._first:
            self._first = side
            self._first_after = now - self._began

    def _read_hello(self, reader: HelloReader, data: bytes) -> None:
        try:
            hello = reader.take(data)
        except (WireError, NotTls):
            self._reader = None  # no TLS, or none that is fit to be told of: nobody's fault here
            return
        if hello is not MORE:
            self._reader = None
            self._hello = hello
            shown = hello.ticket or hello.session_id
            key = tls_session_key(shown) if shown else ""
            self._flight = ServerFlight(hello.session_id, key)


@attrs.frozen
class Overheard:
    """A dialogue whose client is seen, too."""

    dialogue: Dialogue
    sight: Sight
    now: Callable[[], float]

    # Dialogue

    def take(self, data: bytes) -> Verdict:
        if data:
            self.sight.client_says(data, self.now())
        return self.dialogue.take(data)

    def secured(self, tls: TlsFacts) -> None:
        self.dialogue.secured(tls)

    def silence(self) -> Route | Refuse:
        return self.dialogue.silence()


def _version(number: int) -> str:
    return VERSIONS.get(number, f"{number:#06x}")


def _digest(shown: bytes) -> str:
    return _short(tls_session_key(shown)) if shown else ""


def _short(key: str) -> str:
    return key[:DIGITS]


def _joined(words: Iterable[str]) -> str:
    return " ".join(words)[:TEXT_MOST]
