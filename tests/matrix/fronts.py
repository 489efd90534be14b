"""What stands between clients and servers: a network in, a port for each variant out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.matrix.network import Network
from tests.matrix.plan import VARIANTS, Variant
from tests.peers import environment, program
from tests.peers.ready import until_it_accepts


def port(network: Network, variant: Variant) -> int:
    """Each variant has a port of the front, after that of the servers."""
    return network.port + 1 + VARIANTS.index(variant)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


FRONTEND = """
[[frontend]]
name = "{variant.name}"
listen = "{host}:{port}"
protocol = "ftp"
backend = "{backend}"
server_port = {server_port}
[frontend.ftp]
passive_ports = "{first}-{last}"
server_data = "{variant.server_data}"
"""
BACKEND = """
[[backend]]
name = "{name}"
balance = "round-robin"
check = {{ type = "ftp", interval = "5s" }}
server = [{{ name = "a", host = "{hosts[0]}" }}, {{ name = "b", host = "{hosts[1]}" }}]
"""


def balancer(network: Network, variants: list[Variant], place: Path) -> list[str]:
    """One frontend a variant."""
    text = '[log]\naccess = "stdout"\n'
    for variant in variants:
        first = 20_000 + 1000 * VARIANTS.index(variant)
        text += FRONTEND.format(
            variant=variant, host=bracketed(network.front_at[variant.client]),
            port=port(network, variant), server_port=network.port,
            backend=f"ipv{variant.server}", first=first, last=first + 999,
        )  # fmt: skip
    for family in {variant.server for variant in variants}:
        text += BACKEND.format(name=f"ipv{family}", hosts=network.servers_at[family])
    (place / "lb.toml").write_text(text)
    twistd = Path(sys.executable).with_name("twistd")
    return [str(twistd), "--nodaemon", "--pidfile=", "lb-proxy", "--config", "lb.toml"]


HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
"""


def haproxy(network: Network, variants: list[Variant], place: Path) -> list[str]:
    """What balances control connections and knows nothing of others: for comparison."""
    text = HAPROXY
    for variant in variants:
        host = network.front_at[variant.client]
        text += f"listen {variant.name}\n    bind {host}:{port(network, variant)}\n"
        text += "    balance roundrobin\n"
        for name, server in zip("ab", network.servers_at[variant.server], strict=True):
            text += f"    server {name} {server}:{network.port}\n"
    (place / "haproxy.cfg").write_text(text)
    return [program("haproxy"), "-db", "-f", "haproxy.cfg"]


FRONTS = {"lb": balancer, "haproxy": haproxy}


@contextmanager
def standing(front: str, network: Network, variants: list[Variant], place: Path) -> Iterator[None]:
    """The front, from when it accepts until the end of the block. Its log is in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    command = FRONTS[front](network, variants, place)
    env = environment() if front == "haproxy" else None
    log = place / "front.log"
    with network.front.entered(), log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=place, env=env)
        try:
            for variant in variants:
                address = (network.front_at[variant.client], port(network, variant))
                until_it_accepts(address, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in log.read_text(), log
