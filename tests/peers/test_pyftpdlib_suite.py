"""pyftpdlib's own functional suite, run through one long-living `twistd lb-proxy`.

Each test's server stands at 127.0.0.2 (or fd77::2) behind the balancer and each client is sent to
the balancer (`pyftpdlib_front.py`). The same tests run directly first: only what passes directly
counts. What cannot pass through a balancer that rewrites addresses is named below with its reason,
and in docs/protocols/ftp.md. The network is such that nothing passes around the balancer.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.matrix.network import new_namespace
from tests.peers import PEERS, environment, program
from tests.peers.ready import until_it_accepts

PYTHON = PEERS / "pyftpdlib" / "bin" / "python"
SUITE = PEERS / "pyftpdlib-2.2.0"

Environ = dict[str, str]
"""What the plugin must know."""

CANNOT_PASS = {
    "TestConfigurableOptions::test_masquerade_address": "the address advertised is ours",
    "TestConfigurableOptions::test_masquerade_address_map": "the address advertised is ours",
    "TestConfigurableOptions::test_passive_ports": "the data ports are ours",
    "ThreadedFTPTests::test_permit_privileged_ports": "PORT below 1024 is always refused (T46)",
    "TestIPv6Environment::test_eprt_v6": "`::foo` is refused as no address, not as a foreign one",
    "TestCornerCases::test_active_conn_error": "200 to PORT is said before the client is dialled",
}
LEAST = 150

LEADS_ASTRAY = {
    "TestFtpStoreData::test_stor",
    "TestFtpStoreData::test_stor_active",
    "TestFtpRetrieveData::test_retr",
    "TestIPv4Environment::test_port_v4",
    "TestIPv6Environment::test_eprt",
    "TestIPv6Environment::test_epsv",
}
"""What does not pass when addresses are not rewritten: one of each way to open data connections."""

CONFIGURATION = """\
[[frontend]]
name = "v4"
listen = "127.0.0.1:{v4}"
protocol = "ftp"
backend = "v4"
server_port = {server}
ftp.passive_ports = "25000-25999"  # below where the system draws free ports from
[[frontend]]
name = "v6"
listen = "[::1]:{v6}"
protocol = "ftp"
backend = "v6"
server_port = {server}
ftp.passive_ports = "25000-25999"  # below where the system draws free ports from
[[backend]]
name = "v4"
check = {{ type = "off" }}
eject = {{ after = 0 }}
[[backend.server]]
name = "a"
host = "127.0.0.2"
[[backend]]
name = "v6"
check = {{ type = "off" }}
eject = {{ after = 0 }}
[[backend.server]]
name = "a"
host = "{host_v6}"
[limits]
drain = "0s"
"""

HAPROXY = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen v4
    bind 127.0.0.1:{v4}
    server a 127.0.0.2:{server}
listen v6
    bind ::1:{v6}
    server a {host_v6}:{server}
"""


@pytest.fixture(autouse=True)
def network() -> Iterator[str]:
    """Where this test is; yields where IPv6 servers are.

    A front that dials 127.0.0.2 does so from 127.0.0.3, so that servers refuse a PORT that names
    the client: it is foreign to them. IPv6 servers have an address that clients do not dial.
    Where namespaces cannot be had it is the machine's loopback: the test tells less there.
    """
    try:
        apart = new_namespace()
    except OSError as error:
        print(f"no network namespaces ({error}): data may pass around the front by accident")
        yield "::1"
        return
    apart.ip("route", "add", "local", "127.0.0.2", "dev", "lo", "table", "local",
             "src", "127.0.0.3")  # fmt: skip
    apart.ip("address", "add", "fd77::2/128", "dev", "lo", "nodad")
    with apart.entered():
        yield "fd77::2"
    os.close(apart.descriptor)


def free_port(host: str, family: int = socket.AF_INET) -> int:
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def outcomes(told: Environ, *options: str, only: Iterable[str] = ()) -> dict[str, str]:
    """Test name → PASSED or FAILED of one run of the suite, or of some of its tests."""
    tests = [f"tests/test_functional.py::{name}" for name in only] or ["tests/test_functional.py"]
    run = subprocess.run(
        [PYTHON, "-m", "pytest", "-c", os.devnull, f"--rootdir={SUITE}", "-rA", "-q", *options,
         "-p", "no:cacheprovider", "--tb=line", *tests],
        cwd=SUITE,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=240,
    )  # fmt: skip
    found = re.findall(r"^(PASSED|FAILED|ERROR) tests/test_functional\.py::(\S+)", run.stdout, re.M)
    assert found, run.stdout + run.stderr
    return {name: verdict for verdict, name in found}


@contextmanager
def standing(command: list[str | Path], text: str, place: Path, host_v6: str) -> Iterator[Environ]:
    """A front of its own process; yields its Environ. `text` configures it."""
    v4, v6 = free_port("127.0.0.1"), free_port("::1", socket.AF_INET6)
    server = free_port("127.0.0.2")
    (place / "configuration").write_text(text.format(v4=v4, v6=v6, server=server, host_v6=host_v6))
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=place)
    try:
        until_it_accepts(("127.0.0.1", v4), process, place / "log")
        yield {
            "FRONT_V4": str(v4),
            "FRONT_V6": str(v6),
            "SERVER_V4": str(server),
            "SERVER_V6": str(server),
            "SERVER_HOST_V6": host_v6,
            "PYTHONPATH": str(Path(__file__).parent),
        }
    finally:
        process.terminate()
        process.wait(20)
    assert b"Traceback" not in (place / "log").read_bytes()


@pytest.fixture
def front(tmp_path: Path, network: str) -> Iterator[Environ]:
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "-n", "--pidfile=", "lb-proxy", "--config", "configuration"]
    with standing(command, CONFIGURATION, tmp_path, network) as told:
        yield told


@pytest.fixture
def haproxy(tmp_path: Path, network: str) -> Iterator[Environ]:
    if network == "::1":
        pytest.skip("accidents are ruled out in network namespaces only")
    libraries = f"LD_LIBRARY_PATH={environment()['LD_LIBRARY_PATH']}"
    command: list[str | Path] = ["env", libraries, program("haproxy"), "-db", "-f", "configuration"]
    with standing(command, HAPROXY, tmp_path, network) as told:
        yield told


@pytest.mark.peers("pyftpdlib")
def test_the_suite_passes_through_the_balancer_as_it_does_directly(front: Environ) -> None:
    direct = outcomes({})
    through = outcomes(front, "-p", "pyftpdlib_front")
    fine = {name for name, verdict in direct.items() if verdict == "PASSED"}
    failed = {name for name in fine if through.get(name) != "PASSED"}
    # The suite gives some answers a tenth of a second: on a busy machine one may be late. Whoever
    # fails unexpectedly is asked once more, by himself.
    if late := failed - set(CANNOT_PASS):
        again = outcomes(front, "-p", "pyftpdlib_front", only=sorted(late))
        print(f"asked once more: {again}")
        failed -= {name for name, verdict in again.items() if verdict == "PASSED"}
    assert failed == set(CANNOT_PASS), {"direct": direct, "through": through}
    assert len(fine - failed) >= LEAST


@pytest.mark.peers("haproxy")
def test_what_needs_the_balancer_does_not_pass_by_accident(haproxy: Environ) -> None:
    """Through a front that passes on what it hears, addresses included."""
    through = outcomes(haproxy, "-p", "pyftpdlib_front", only=LEADS_ASTRAY)
    assert through == dict.fromkeys(LEADS_ASTRAY, "FAILED")
