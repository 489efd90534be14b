"""The networks are as bad as they say, by what the balancer's kernel has counted."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
import pytest_twisted

from tests.loopback.parties import together
from tests.loopback.relay_bytes import MB
from tests.loopback.relaying import Ground
from tests.networks.tunrelay import DELAY
from tests.peers import environment, program


def counted(table: str, of: str, name: str) -> int:
    """A count of the network that this thread is in."""
    lines = Path(f"/proc/thread-self/net/{table}").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith(f"{of}:"))
    return int(values[names.index(name)])


def delayed_by_buckets() -> int:
    """How often a cable of this network was asked for more than it takes."""
    command = [program("tc"), "-json", "-statistics", "qdisc", "show"]
    told = subprocess.run(command, env=environment(), capture_output=True, check=True).stdout
    return sum(each["overlimits"] for each in json.loads(told) if each["kind"] == "tbf")


async def moved(ground: Ground, size: int) -> None:
    """So much, to the server."""
    ground.start()
    client, server = await ground.pair()
    await together(client.says(bytes(size)), server.hears(size))


@pytest.mark.parametrize("place", ["lossy"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_the_lossy_one_loses(ground: Ground) -> None:
    await moved(ground, 16 * MB)
    lost = counted("snmp", "Tcp", "RetransSegs")
    print(f"{lost} segments were sent again")
    assert lost > 0


@pytest.mark.parametrize("place", ["narrow"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_the_narrow_one_takes_no_more_than_it_says(ground: Ground) -> None:
    before = time.monotonic()
    await moved(ground, 4 * MB)
    assert delayed_by_buckets() > 0
    assert time.monotonic() - before > (4 * MB - 32_768) * 8 / 40e6


@pytest.mark.parametrize("place", ["wandering"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_the_wandering_one_delays_and_reorders(ground: Ground) -> None:
    ground.start()
    before = time.monotonic()
    client = await ground.comes()
    assert time.monotonic() - before > 2 * DELAY
    server = await ground.accepts()
    await together(client.says(bytes(4 * MB)), server.hears(4 * MB))
    late = counted("netstat", "TcpExt", "TCPOFOQueue")
    print(f"{late} segments came before their turn")
    assert late > 0
