"""Who is compared: a configuration and a command each, one process that serves all rows.

All have timeouts, count and log to a file, as in production; `portforward` has none of that. Each
has three ports: in clear, and TLS that ends there with an ECDSA and with an RSA key.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.balancer import DEADLINE, FRONT, SERVER, free_port
from benchmarks.machine import cpu, pin, pinned, resident
from tests.peers import ROOT, environment, program
from tests.peers.ready import until_it_accepts

KINDS = ("clear", "ecdsa", "rsa")


@attrs.frozen
class Place:
    """Where a rival lives: its directory, its ports, the server behind, the certificates."""

    home: Path
    ports: dict[str, int]
    server: int
    certificates: dict[str, Path]
    most: int
    """Connections at one time."""

    def fill(self, text: str, **more: object) -> str:
        pems = {f"{kind}_pem": path for kind, path in self.certificates.items()}
        return text.format(
            home=self.home,
            front=FRONT,
            host=SERVER,
            server=self.server,
            most=self.most,
            **self.ports,
            **pems,
            **more,
        )

    def write(self, name: str, text: str) -> str:
        path = self.home / name
        path.write_text(text)
        return str(path)


HAPROXY = """
global
    nbthread 1
    maxconn {most}
    maxpipes 256
    log stdout format raw local0
defaults
    mode tcp
    log global
    option tcplog
    {option}
    timeout connect 5s
    timeout client 15m
    timeout server 15m
    default_backend back
frontend clear
    bind {front}:{clear}
frontend ecdsa
    bind {front}:{ecdsa} ssl crt {ecdsa_pem}
frontend rsa
    bind {front}:{rsa} ssl crt {rsa_pem}
backend back
    server a {host}:{server}
"""


def haproxy(place: Place, option: str = "") -> list[str]:
    path = place.write("haproxy.cfg", place.fill(HAPROXY, option=option))
    return [program("haproxy"), "-db", "-f", path]


def haproxy_splice(place: Place) -> list[str]:
    """Always: by its own choice (splice-auto) it does not, and costs what it does without."""
    return haproxy(place, "option splice-request\n    option splice-response")


NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
load_module {module};
events {{ worker_connections {connections}; }}
stream {{
    log_format ended '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received'
                     ' $session_time "$upstream_addr"';
    access_log {home}/access.log ended;
    proxy_connect_timeout 5s;
    proxy_timeout 15m;
    upstream back {{ server {host}:{server}; }}
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {front}:{clear}; proxy_pass back; }}
    server {{ listen {front}:{ecdsa} ssl; proxy_pass back; {ecdsa_keys} }}
    server {{ listen {front}:{rsa} ssl; proxy_pass back; {rsa_keys} }}
}}
"""


def nginx(place: Place) -> list[str]:
    keys = {
        f"{kind}_keys": f"ssl_certificate {path}; ssl_certificate_key {path};"
        for kind, path in place.certificates.items()
    }
    module = next(ROOT.glob("usr/lib/nginx/modules/ngx_stream_module.so"))
    text = place.fill(NGINX, module=module, connections=2 * place.most, **keys)
    return [program("nginx"), "-p", str(place.home), "-c", place.write("nginx.conf", text)]


def portforward(place: Place) -> list[str]:
    endpoints = [f"tcp:{place.ports['clear']}:interface={FRONT}"]
    for kind, path in place.certificates.items():
        port = place.ports[kind]
        endpoints.append(f"ssl:{port}:interface={FRONT}:privateKey={path}:certKey={path}")
    return [sys.executable, "-m", "benchmarks.forward", str(place.server), *endpoints]


FRONTEND = """
[[frontend]]
name = "{name}"
listen = "{front}:{port}"
backend = "back"
server_port = {server}
startups = "unlimited"
maxconn = {most}
timeout.idle = "15m"
{tls}
"""
BACKEND = """
[[backend]]
name = "back"
check.type = "off"
server = [{ name = "a", host = "%s" }]

[limits]
drain = "0s"

[log]
access = "access.json"
"""


def balancer(place: Place, relay: str = "") -> list[str]:
    """`lb-proxy`, with this way of relaying; none: with its own choice."""
    text = f'relay = "{relay}"\n' if relay else ""
    for kind in KINDS:
        pem = place.certificates.get(kind)
        tls = f'tls = {{ mode = "terminate", certificate = [{{ file = "{pem}" }}] }}' if pem else ""
        text += place.fill(FRONTEND, name=kind, port=place.ports[kind], tls=tls)
    path = place.write("lb.toml", text + BACKEND % SERVER)
    return [sys.executable, "-m", "twisted", "lb-proxy", "--config", path]


def relaying(relay: str) -> Callable[[Place], list[str]]:
    return lambda place: balancer(place, relay)


WAYS = ("splice", "transports")
"""Ways of relaying that a balancer may know."""
OTHERS: dict[str, Callable[[Place], list[str]]] = {
    "HAProxy": haproxy,
    "HAProxy splice": haproxy_splice,
    "nginx": nginx,
    "portforward": portforward,
}


def known_ways(place: Place) -> dict[str, Callable[[Place], list[str]]]:
    """lb-proxy in each way of relaying that it knows."""
    ways = {f"lb-proxy {way}": relaying(way) for way in WAYS if _takes(place, way)}
    return ways or {"lb-proxy": balancer}


def _takes(place: Place, way: str) -> bool:
    argv = [*balancer(place, way), "--check"]
    return subprocess.run(argv, cwd=place.home, capture_output=True).returncode == 0


@attrs.frozen
class Running:
    """A rival that runs, or nothing in between: direct."""

    name: str
    pid: int
    ports: dict[str, int]

    def cpu(self) -> float:
        return cpu(self.pid) if self.pid else 0.0

    def resident(self) -> int:
        return resident(self.pid) if self.pid else 0


@contextmanager
def running(
    name: str, command: Callable[[Place], list[str]], place: Place, cpus: set[int]
) -> Iterator[Running]:
    """It, from its first answer on, on these processors."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    argv = command(place)
    log = place.home / "output.log"
    with log.open("wb") as output, pinned(cpus):
        started = subprocess.Popen(
            argv,
            cwd=place.home,
            stdout=output,
            stderr=output,
            env=env if argv[0] == sys.executable else environment(),
        )
    try:
        for port in place.ports.values():
            until_it_accepts((FRONT, port), started, log)
        pin(started.pid, cpus)
        yield Running(name, started.pid, place.ports)
    finally:
        started.terminate()
        try:
            started.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def at(home: Path, server: int, certificates: dict[str, Path], most: int) -> Place:
    """A new place with ports of its own."""
    home.mkdir()
    return Place(home, {kind: free_port() for kind in KINDS}, server, certificates, most)
