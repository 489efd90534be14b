"""Networks that lose, that are narrow, that delay and reorder: three namespaces each, as a Place.

The balancer is between: clients and servers are an impaired cable away from it, each on one of its
own. The tests' thread is in the balancer's namespace while a test runs; sockets of clients and
servers are made in theirs. Needs root, `ip`, `tc`, `iptables` and /dev/net/tun.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import attrs

from tests.loopback.relaying import SEED, Place
from tests.matrix.network import Hosts, Namespace
from tests.peers import CHECKOUT, environment, program

TUN = "/dev/net/tun"
TUNSETIFF = 0x4004_54CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000

BAD = Place(share=1 / 8, pace=1 / 8, idle=3.0, still=200)
"""Less is moved, and less is asked, in the time in which the loopback does more."""

CLIENT, FRONT = "10.77.1.2", "10.77.1.1"
BEYOND, SERVER = "10.77.2.1", "10.77.2.11"


def lacking() -> str:
    """What these networks need and this machine or process has not; empty: nothing."""
    if os.geteuid() != 0:
        return "bad networks need root"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return f"bad networks need {TUN}"
    for name in ("ip", "tc", "iptables-nft"):
        try:
            program(name)
        except FileNotFoundError as error:
            return str(error)
    return ""


@contextmanager
def lossy() -> Iterator[Place]:
    """Every link loses 2 % of the packets in each direction.

    Not those that say RST: they are said once only, and who has missed one is not told otherwise.
    """
    hosts = Hosts()
    hosts.cable()
    chance = ("-m", "statistic", "--mode", "random", "--probability", "0.02")
    for namespace in (hosts.client, hosts.front, hosts.servers):
        rule = ("-A", "INPUT", "-p", "tcp", "--tcp-flags", "RST", "NONE", *chance, "-j", "DROP")
        _call(namespace, "iptables-nft", *rule)
    with _stood_on(hosts) as place:
        yield place


@contextmanager
def narrow() -> Iterator[Place]:
    """Every link takes 40 Mbit/s in each direction, after a burst of 32 KB."""
    hosts = Hosts()
    hosts.cable()
    bucket = ("root", "tbf", "rate", "40mbit", "burst", "32kb", "latency", "200ms")
    for namespace in (hosts.client, hosts.front, hosts.servers):
        for device in _cables(namespace):
            _call(namespace, "tc", "qdisc", "add", "dev", device, *bucket)
    with _stood_on(hosts) as place:
        yield place


@contextmanager
def wandering() -> Iterator[Place]:
    """Every link delays by 20 ms, and lets some packets overtake others."""
    hosts = Hosts()
    ends = [
        *(_tun(hosts.front, "near", FRONT), _tun(hosts.client, "far", CLIENT)),
        *(_tun(hosts.front, "beyond", BEYOND), _tun(hosts.servers, "far", SERVER)),
    ]
    relay = [sys.executable, "-m", "tests.networks.tunrelay", str(SEED), *map(str, ends)]
    process = subprocess.Popen(relay, pass_fds=ends, cwd=CHECKOUT)
    for descriptor in ends:
        os.close(descriptor)
    try:
        with _stood_on(hosts) as place:
            yield place
    finally:
        process.kill()
        process.wait()


@contextmanager
def _stood_on(hosts: Hosts) -> Iterator[Place]:
    """This thread is on the front's host; where that is, seen from there."""
    threads = threading.active_count()
    with hosts.front.entered():
        yield attrs.evolve(
            BAD,
            front=FRONT,
            server=SERVER,
            in_client=hosts.client.entered,
            in_servers=hosts.servers.entered,
        )
    assert threading.active_count() == threads, "a thread was begun that stays in the namespace"
    for namespace in (hosts.client, hosts.front, hosts.servers):
        os.close(namespace.descriptor)


def _call(namespace: Namespace, name: str, *arguments: str) -> str:
    with namespace.entered():
        command = [program(name), *arguments]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert not done.returncode, f"{command}: {done.stderr}"
    return done.stdout


def _cables(namespace: Namespace) -> list[str]:
    told = json.loads(_call(namespace, "ip", "-json", "link", "show", "type", "veth"))
    return [link["ifname"] for link in told]


def _tun(namespace: Namespace, name: str, address: str) -> int:
    """A network device there, with this address; what is sent to its network is read from here."""
    with namespace.entered():
        descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        wanted = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(descriptor, TUNSETIFF, wanted)
    namespace.ip("address", "add", f"{address}/24", "dev", name)
    namespace.ip("link", "set", name, "up")
    return descriptor


NETWORKS: dict[str, Callable[[], AbstractContextManager[Place]]] = {
    "lossy": lossy,
    "narrow": narrow,
    "wandering": wandering,
}
