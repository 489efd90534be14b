"""Three hosts on one machine: a client, a front and servers, each in a network namespace.

    client 10.77.1.2 ── 10.77.1.1 front 10.77.2.1 ── 10.77.2.11, .12 servers

Nothing is forwarded and there is no default route: an address that leaks to the wrong side is
unreachable there. The namespaces have no names; they vanish with this process. Where
they cannot be had, all hosts are on the loopback: a leaked address may work there by accident.
"""

from __future__ import annotations

import ctypes
import functools
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import attrs

from tests.certificates import Authority, written
from tests.peers import environment, program

CLONE_NEWNET = 0x4000_0000
PORTS = 50
"""What the servers and every variant listen on."""
OWN = Path("/proc/thread-self/ns/net")
_libc = ctypes.CDLL(None, use_errno=True)


def _must(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@attrs.frozen
class Namespace:
    """A network of its own, as long as this process lives; or this machine's (-1)."""

    descriptor: int

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and the processes that it starts, are in there."""
        if self.descriptor < 0:
            yield
            return
        before = os.open(OWN, os.O_RDONLY)
        _must(_libc.setns(self.descriptor, CLONE_NEWNET))
        try:
            yield
        finally:
            _must(_libc.setns(before, CLONE_NEWNET))
            os.close(before)

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def ip(self, *arguments: str) -> None:
        with self.entered():
            subprocess.run([program("ip"), *arguments], check=True, env=environment())


def new_namespace() -> Namespace:
    """Raises OSError when this process may not."""
    before = os.open(OWN, os.O_RDONLY)
    _must(_libc.unshare(CLONE_NEWNET))
    namespace = Namespace(os.open(OWN, os.O_RDONLY))
    _must(_libc.setns(before, CLONE_NEWNET))
    os.close(before)
    namespace.ip("link", "set", "lo", "up")
    return namespace


@attrs.frozen
class Hosts:
    """The three of them, each in a namespace of its own, without a cable yet."""

    client: Namespace = attrs.field(factory=new_namespace)
    front: Namespace = attrs.field(factory=new_namespace)
    servers: Namespace = attrs.field(factory=new_namespace)

    def cable(self) -> None:
        """Cables from the front to the others, and everybody's addresses."""
        _link(self.front, self.client, "10.77.1.1", "10.77.1.2")
        _link(self.front, self.client, "fd77:1::1", "fd77:1::2")
        _link(self.front, self.servers, "10.77.2.1", "10.77.2.11", "10.77.2.12")
        _link(self.front, self.servers, "fd77:2::1", "fd77:2::11", "fd77:2::12")


@attrs.frozen
class Network:
    """The three places, and their addresses by address family."""

    client: Namespace
    front: Namespace
    servers: Namespace
    front_at: dict[int, str]
    servers_at: dict[int, tuple[str, str]]
    port: int
    """Servers listen here; the front after it."""
    what: str
    ca: str
    """Files: an authority that everybody trusts, and a certificate of its for every address."""
    pem: str


def the_best() -> Network:
    """Namespaces where they can be had; else the loopback, said aloud."""
    try:
        return apart()
    except OSError as error:
        print(f"no network namespaces ({error}): all on the loopback, without IPv6, and an address "
              "that leaks to the wrong side may work by accident", file=sys.stderr)  # fmt: skip
        return loopback()


def apart() -> Network:
    """Three namespaces. Raises OSError when this process may not make them."""
    hosts = Hosts()
    hosts.cable()
    return Network(
        hosts.client,
        hosts.front,
        hosts.servers,
        {4: "10.77.1.1", 6: "fd77:1::1"},
        {4: ("10.77.2.11", "10.77.2.12"), 6: ("fd77:2::11", "fd77:2::12")},
        2121,
        "three network namespaces",
        *certificates("10.77.1.1", "10.77.2.11", "10.77.2.12"),
    )


def certificates(*addresses: str) -> tuple[str, str]:
    """An authority and a certificate of its for these addresses, as files of this process."""
    place, authority = Path(_ground().name), Authority()
    ca = written(authority.pem, place / "ca.pem")
    return ca, written(authority.sign(*addresses), place / "all.pem")


@functools.cache
def _ground() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="lb-certificates-")


def _link(here: Namespace, there: Namespace, ours: str, *theirs: str) -> None:
    """A cable between two namespaces, or further addresses on the one that is there."""
    name = f"to{there.descriptor}"
    if ":" not in ours:
        peer = ("peer", "name", "eth0", "netns", there.path)
        here.ip("link", "add", name, "type", "veth", *peer)
    _addresses(here, name, ours)
    _addresses(there, "eth0", *theirs)


def _addresses(namespace: Namespace, device: str, *addresses: str) -> None:
    for address in addresses:
        more = ("nodad",) if ":" in address else ()
        width = 64 if ":" in address else 24
        namespace.ip("address", "add", f"{address}/{width}", "dev", device, *more)
    namespace.ip("link", "set", device, "up")


def loopback() -> Network:
    """Everything on the loopback. IPv6 has one address there, too few for two servers."""
    here = Namespace(-1)
    servers = ("127.0.0.2", "127.0.0.3")
    port = next(p for p in range(2121, 19_000, PORTS) if _free("127.0.0.1", *servers, first=p))
    both = certificates("127.0.0.1", *servers)
    return Network(here, here, here, {4: "127.0.0.1"}, {4: servers}, port, "the loopback", *both)


def _free(*hosts: str, first: int) -> bool:
    """Whether these ports are free on all these hosts."""
    for host, port in product(hosts, range(first, first + PORTS)):
        with socket.socket() as sock:
            if sock.connect_ex((host, port)) == 0:
                return False
    return True
