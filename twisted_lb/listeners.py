"""Opens the listeners of a frontend, all or none: one that cannot bind fails the start, or the
change to another configuration."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from .config.addresses import runs
from .config.meaning import Complaint, Meaning
from .config.settings import Frontend, Settings
from .config.values import quote
from .errors import Problem
from .reactors import Reactor
from .terms import Address

PRIVILEGED = 1024
"""Ports below are for processes with a privilege (ip(7))."""
MAY_BIND = (
    f"; ports below {PRIVILEGED} are for root, and for who has CAP_NET_BIND_SERVICE: with systemd "
    "AmbientCapabilities=CAP_NET_BIND_SERVICE, else setcap on the Python that runs it"
)


class CannotListen(Exception):
    """A frontend's address cannot be listened on; says which, and why."""


Place = Address | str
"""Where a frontend listens: an address, or a Twisted endpoint string."""


def listen(reactor: Reactor, frontend: Frontend, factory: ServerFactory) -> list[IListeningPort]:
    """Listen on every address of the frontend. Raises CannotListen, with nothing left open."""
    opened: list[IListeningPort] = []
    try:
        for place in places(frontend):
            opened.append(listen_at(reactor, frontend, place, factory))
    except CannotListen:
        for port in opened:
            port.stopListening()
        raise
    return opened


def places(frontend: Frontend) -> tuple[Place, ...]:
    """Everywhere that it listens."""
    return (*((frontend.endpoint,) if frontend.endpoint else ()), *frontend.listen)


def listen_at(
    reactor: Reactor, frontend: Frontend, place: Place, factory: ServerFactory
) -> IListeningPort:
    """Listen at one of its places. Raises CannotListen."""
    if isinstance(place, str):
        return _listen_endpoint(reactor, frontend, factory)
    return _listen_address(reactor, frontend, place, factory)


def _listen_address(
    reactor: Reactor, frontend: Frontend, address: Address, factory: ServerFactory
) -> IListeningPort:
    try:
        port = reactor.listenTCP(address.port, factory, frontend.backlog, _interface(address))
    except CannotListenError as error:
        why = _why(address, error.socketError)
        raise CannotListen(f"frontend {frontend.name}: cannot listen on {address}: {why}") from None
    # Inherited by what is accepted: urgent data stays in line with the rest from the first byte.
    listening = getattr(port, "socket", None)
    if listening is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    return port


def _interface(address: Address) -> str:
    if address.host != "*":
        return address.host
    return "::" if socket.has_dualstack_ipv6() else ""


def _why(address: Address, error: OSError) -> str:
    why = str(error.strerror or error)
    privileged = error.errno == errno.EACCES and address.port < PRIVILEGED
    return why + MAY_BIND if privileged else why


def _listen_endpoint(
    reactor: Reactor, frontend: Frontend, factory: ServerFactory
) -> IListeningPort:
    results: list[IListeningPort | Failure] = []
    try:
        serverFromString(reactor, frontend.endpoint).listen(factory).addBoth(results.append)
    except Exception as error:
        raise _cannot(frontend, str(error)) from None
    if not results:
        raise _cannot(frontend, "it does not listen at once")
    [result] = results
    if isinstance(result, Failure):
        raise _cannot(frontend, result.getErrorMessage())
    # `unix:` is found by --check; a plugin's endpoint, or systemd's, may be one all the same.
    if frontend.protocol == "ftp" and isinstance(result.getHost(), UNIXAddress):
        result.stopListening()
        raise _cannot(frontend, "a unix socket has no address for ftp's data connections")
    return result


def _cannot(frontend: Frontend, why: str) -> CannotListen:
    return CannotListen(f"frontend {frontend.name}: {frontend.endpoint!r}: {why}")


# -- what is told before the start -----------------------------------------------------------------


def foreign(meaning: Meaning) -> Iterator[Complaint]:
    """Addresses that this machine does not have."""
    for path, frontend in meaning.frontends:
        for host in dict.fromkeys(address.host for address in frontend.listen):
            why = _refusal(Address(host, 0))
            if why is not None:
                yield Complaint((*path, "listen"), f"cannot listen on {host}: {why.strerror}")


def unparsed(reactor: Reactor, meaning: Meaning) -> Iterator[Complaint]:
    """Endpoint strings that say nothing, or name a file that is not there. None is listened on."""
    for path, frontend in meaning.frontends:
        if not frontend.endpoint:
            continue
        try:
            serverFromString(reactor, frontend.endpoint)
        except LookupError:
            pass  # systemd gives its sockets to the service, not to the shell of whoever checks
        except Exception as why:  # whatever a plugin for endpoints raises: the start raises it, too
            message = f"{quote(frontend.endpoint)} is no endpoint: {why}"
            yield Complaint((*path, "endpoint"), message)


def taken(settings: Settings) -> Iterator[Problem]:
    """Ports that nobody could listen on now: advice, for it may be this balancer that runs."""
    for frontend in settings.frontends:
        for run in runs(frontend.listen):
            refusals = ((address, _refusal(address)) for address in run)
            for address, why in refusals:
                if why is not None and why.errno != errno.EADDRNOTAVAIL:
                    told = f"cannot listen on {address} now: {_why(address, why)}"
                    yield Problem(f"frontend[{frontend.name}].listen", told)
                    break  # of one run the first: the others have the same reason, most likely


def _refusal(address: Address) -> OSError | None:
    """Why a listener could not bind there, if it could not; nothing is listened on to find out."""
    host = _interface(address)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, address.port))
        except OSError as why:
            return why
    return None
