"""What stands between clients and servers: a network in, a port for each variant out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.matrix.network import Network
from tests.matrix.plan import TLS_VARIANTS, VARIANTS, Variant
from tests.peers import environment, program
from tests.peers.ready import until_it_accepts

SPAN = 300
"""Data ports of a variant: all of them stay below the ports that the system gives out."""
EVERY = (*VARIANTS, *TLS_VARIANTS)


def port(network: Network, variant: Variant) -> int:
    """Each variant has a port of the front, after that of the servers."""
    return network.port + 1 + EVERY.index(variant)


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


FRONTEND_TLS = """
[frontend.ftp.tls]
data = "optional"
[frontend.tls]
mode = "{mode}"
certificate = [{{ file = "{pem}" }}]
"""
BACKEND_TLS = """
[backend.tls]
mode = "{mode}"
ca = "{ca}"
data = "{data}"
"""


def behind(variant: Variant) -> str:
    """The name of its backend."""
    private = "-private" * variant.server_private if variant.server_tls else ""
    return f"ipv{variant.server}{variant.server_tls and '-'}{variant.server_tls}{private}"


def balancer(network: Network, variants: list[Variant], place: Path) -> list[str]:
    """One frontend a variant."""
    text = '[log]\naccess = "stdout"\n'
    for variant in variants:
        first = 20_000 + SPAN * EVERY.index(variant)
        text += FRONTEND.format(
            variant=variant, host=bracketed(network.front_at[variant.client]),
            port=port(network, variant), server_port=network.port,
            backend=behind(variant), first=first, last=first + SPAN - 1,
        )  # fmt: skip
        if variant.tls is not None:
            mode = "terminate" if variant.tls.implicit else "starttls"
            text += FRONTEND_TLS.format(mode=mode, pem=network.pem)
    for variant in {behind(variant): variant for variant in variants}.values():
        text += BACKEND.format(name=behind(variant), hosts=network.servers_at[variant.server])
        if variant.server_tls:
            data = "private" if variant.server_private else "clear"
            text += BACKEND_TLS.format(mode=variant.server_tls, ca=network.ca, data=data)
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
