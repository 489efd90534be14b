"""Real FTP servers for a test: pyftpdlib in processes of its own, at one port of many addresses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

PROGRAM = Path(__file__).with_name("ftpd.py")
BACKLOG = 512


@attrs.frozen
class Process:
    """pyftpdlib in a process group of its own. Its home has a file `who` that tells its address."""

    address: str
    home: Path
    process: subprocess.Popen[bytes]

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """As a crash would. Saying it twice does no harm."""
        if self.process.poll() is None:
            self.tell(signal.SIGKILL)
            self.process.wait()


@attrs.frozen
class Farm:
    """Servers that share a port."""

    port: int
    processes: list[Process]

    @property
    def addresses(self) -> list[str]:
        return [process.address for process in self.processes]

    def at(self, address: str) -> Process:
        return self.processes[self.addresses.index(address)]


def start(
    place: Path,
    *addresses: str,
    tls: Sequence[str] = (),
    passive: Sequence[tuple[int, int]] = (),
) -> Farm:
    """A server at each address; `tls`: `explicit` or `implicit`, and its certificate's file;
    `passive`: each server's own passive ports, which it announces at 127.0.0.1.

    They take over sockets that listen already: nobody has to wait until they are ready.
    """
    sockets = _listen_alike(addresses)
    processes = []
    announced = [tuple(map(str, ports)) for ports in passive] or [()] * len(addresses)
    for address, listening, ports in zip(addresses, sockets, announced, strict=True):
        home = place / address
        home.mkdir(parents=True)
        (home / "who").write_text(address)
        with listening, (place / f"{address}.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    Path(__file__).with_name("ftpd.py"),
                    str(listening.fileno()),
                    home,
                    *tls,
                    *ports,
                ],
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            port = listening.getsockname()[1]
        processes.append(Process(address, home, process))
    return Farm(port, processes)


def _listen_alike(addresses: tuple[str, ...]) -> list[socket.socket]:
    for _ in range(50):
        sockets: list[socket.socket] = []
        port = 0
        try:
            for address in addresses:
                sockets.append(socket.create_server((address, port), backlog=BACKLOG))
                port = sockets[0].getsockname()[1]
        except OSError:
            for each in sockets:
                each.close()
            continue
        return sockets
    raise AssertionError("no port is free at every address")
