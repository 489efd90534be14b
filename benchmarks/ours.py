"""lb-proxy as a rival, in each way of relaying that it knows."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.balancer import SERVER
from benchmarks.rivals import FTP_KINDS, TCP_KINDS, TLS_KINDS, Place, Rival

FRONTEND = """
[[frontend]]
name = "{name}"
listen = "{front}:{port}"
backend = "back"
server_port = {server}
startups = "unlimited"
maxconn = {most}
timeout.idle = "15m"
{more}
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


TLS = 'tls = {{ mode = "{mode}", certificate = [{{ file = "{pem}" }}] }}'
FTP = """\
protocol = "ftp"
ftp.passive_ports = "{first}-{last}"
"""
KINDS = (*TCP_KINDS, *FTP_KINDS)
WAYS = ("splice", "transports")
"""Ways of relaying that a balancer may know."""


def balancer(place: Place, relay: str = "") -> list[str]:
    """`lb-proxy`, with this way of relaying; none: with its own choice."""
    text = f'relay = "{relay}"\n' if relay else ""
    for kind in KINDS:
        server = place.servers["ftp" if kind in FTP_KINDS else "clear"]
        more, port = _more(place, kind), place.ports[kind]
        text += place.fill(FRONTEND, name=kind, port=port, server=server, more=more)
    path = place.write("lb.toml", text + BACKEND % SERVER)
    return [sys.executable, "-m", "twisted", "lb-proxy", "--config", path]


def _more(place: Place, kind: str) -> str:
    """What this frontend has that others have not."""
    if kind in TLS_KINDS:
        return TLS.format(mode="terminate", pem=place.certificates[kind])
    if kind == "ftp":
        return FTP.format(first=place.passive, last=place.passive + 999)
    if kind == "ftps":
        tls = TLS.format(mode="starttls", pem=place.certificates["ecdsa"])
        return FTP.format(first=place.passive + 1000, last=place.passive + 1999) + tls
    return ""


def known_ways(place: Place) -> dict[str, Rival]:
    """lb-proxy in each way of relaying that it knows."""
    ways = {
        f"lb-proxy {way}": Rival(KINDS, partial(balancer, relay=way))
        for way in WAYS
        if _takes(place, way)
    }
    return ways or {"lb-proxy": Rival(KINDS, balancer)}


def _takes(place: Place, way: str) -> bool:
    argv = [*balancer(place, way), "--check"]
    return subprocess.run(argv, cwd=place.home, capture_output=True).returncode == 0
