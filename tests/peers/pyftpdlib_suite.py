"""pyftpdlib's own functional suite, run directly or against servers behind a front.

Each test's server stands at 127.0.0.2 (or fd77::2) behind the front and each client is sent to
the front (`pyftpdlib_front.py`). The network is such that nothing passes around it.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.matrix.network import new_namespace
from tests.peers import PEERS
from tests.peers.ready import until_it_accepts

PYTHON = PEERS / "pyftpdlib" / "bin" / "python"
SUITE = PEERS / "pyftpdlib-2.2.0"
PLAIN, TLS = "tests/test_functional.py", "tests/test_functional_ssl.py"
"""Its modules, from its own directory."""
BEHIND = ("-p", "pyftpdlib_front")
"""The option that puts servers behind the front."""
TWISTD = Path(sys.executable).with_name("twistd")
BALANCER: list[str | Path] = [TWISTD, "-n", "--pidfile=", "lb-proxy", "--config", "configuration"]

Environ = dict[str, str]
"""What the plugin must know."""


@contextmanager
def apart() -> Iterator[str]:
    """A network namespace for this thread; yields where IPv6 servers are.

    A front that dials 127.0.0.2 does so from 127.0.0.3, so that servers refuse a PORT that names
    the client: it is foreign to them. IPv6 servers have an address that clients do not dial.
    Where namespaces cannot be had it is the machine's loopback: the test tells less there.
    """
    try:
        namespace = new_namespace()
    except OSError as error:
        print(f"no network namespaces ({error}): data may pass around the front by accident")
        yield "::1"
        return
    namespace.ip("route", "add", "local", "127.0.0.2", "dev", "lo", "table", "local",
                 "src", "127.0.0.3")  # fmt: skip
    namespace.ip("address", "add", "fd77::2/128", "dev", "lo", "nodad")
    with namespace.entered():
        yield "fd77::2"
    os.close(namespace.descriptor)


def free_port(host: str, family: int = socket.AF_INET) -> int:
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def names(module: str) -> list[str]:
    """The tests that a module has."""
    said = _pytest({}, "--collect-only", "-q", module)
    found = re.findall(r"^[^\s:]*::(\S+)", said, re.M)
    assert found, said
    return found


def outcomes(
    told: Environ, *options: str, module: str = PLAIN, only: Iterable[str] = ()
) -> dict[str, str]:
    """Test name → PASSED or FAILED of one run of a module, or of some of its tests."""
    tests = [f"{module}::{name}" for name in only] or [module]
    said = _pytest(told, "-rA", "-q", "--tb=line", *options, *tests)
    found = re.findall(r"^(PASSED|FAILED|ERROR) [^\s:]*::(\S+)", said, re.M)
    assert found or "skipped" in said, said
    return {name: verdict for verdict, name in found}


def _pytest(told: Mapping[str, str], *arguments: str) -> str:
    run = subprocess.run(
        [PYTHON, "-m", "pytest", "-c", os.devnull, f"--rootdir={SUITE}", "-p", "no:cacheprovider",
         *arguments],
        cwd=SUITE,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=240,
    )  # fmt: skip
    return run.stdout + run.stderr


@contextmanager
def standing(
    command: list[str | Path],
    text: str,
    place: Path,
    host_v6: str,
    frontend: str = "",
    backend: str = "",
) -> Iterator[Environ]:
    """A front of its own process; yields its Environ. `text` configures it, with these keys of
    each frontend and backend beside its own."""
    v4, v6 = free_port("127.0.0.1"), free_port("::1", socket.AF_INET6)
    server = free_port("127.0.0.2")
    text = text.format(
        v4=v4, v6=v6, server=server, host_v6=host_v6, frontend=frontend, backend=backend
    )
    (place / "configuration").write_text(text)
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


CONFIGURATION = """\
[[frontend]]
name = "v4"
listen = "127.0.0.1:{v4}"
protocol = "ftp"
backend = "v4"
server_port = {server}
ftp.passive_ports = "25000-25999"  # below where the system draws free ports from
{frontend}[[frontend]]
name = "v6"
listen = "[::1]:{v6}"
protocol = "ftp"
backend = "v6"
server_port = {server}
ftp.passive_ports = "25000-25999"  # below where the system draws free ports from
{frontend}[[backend]]
name = "v4"
check = {{ type = "off" }}
eject = {{ after = 0 }}
{backend}[[backend.server]]
name = "a"
host = "127.0.0.2"
[[backend]]
name = "v6"
check = {{ type = "off" }}
eject = {{ after = 0 }}
{backend}[[backend.server]]
name = "a"
host = "{host_v6}"
[limits]
drain = "0s"
"""
