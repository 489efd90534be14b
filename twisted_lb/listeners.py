"""Opens a frontend's listeners, all or none; a listener that cannot bind fails the start."""

from __future__ import annotations

import errno
import socket

from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from .config.settings import Frontend
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


def listen(reactor: Reactor, frontend: Frontend, factory: ServerFactory) -> list[IListeningPort]:
    """Listen on every address of the frontend. Raises CannotListen, with nothing left open."""
    opened: list[IListeningPort] = []
    try:
        if frontend.endpoint:
            opened.append(_listen_endpoint(reactor, frontend, factory))
        for address in frontend.listen:
            opened.append(_listen_address(reactor, frontend, address, factory))
    except CannotListen:
        for port in opened:
            port.stopListening()
        raise
    return opened


def _listen_address(
    reactor: Reactor, frontend: Frontend, address: Address, factory: ServerFactory
) -> IListeningPort:
    host = ("::" if socket.has_dualstack_ipv6() else "") if address.host == "*" else address.host
    try:
        port = reactor.listenTCP(address.port, factory, frontend.backlog, host)
    except CannotListenError as error:
        why = str(error.socketError.strerror or error.socketError)
        if error.socketError.errno == errno.EACCES and address.port < PRIVILEGED:
            why += MAY_BIND
        raise CannotListen(f"frontend {frontend.name}: cannot listen on {address}: {why}") from None
    # Inherited by what is accepted: urgent data stays in line with the rest from the first byte.
    listening = getattr(port, "socket", None)
    if listening is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
    return port


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
