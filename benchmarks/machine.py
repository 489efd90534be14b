"""What the kernel tells of processes, where they may run, and a network of the benchmark's own."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import resource
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x4000_0000, 0x8914, 1
"""Of sched.h and net/if.h."""
CONGESTION = Path("/proc/sys/net/ipv4/tcp_congestion_control")
DESCRIPTORS = 65536
TICKS = os.sysconf("SC_CLK_TCK")


# -- processes -------------------------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """The process and all that it started and that still live."""
    found, parents = [pid], dict(_parents())
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            yield int(directory.name), int(_stat(int(directory.name))[1])


def _stat(pid: int) -> list[str]:
    """What proc(5) numbers from 3 on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu(pid: int) -> float:
    """Seconds that the process, its threads and its children have computed, the ended ones too."""
    return sum(_own(one) + _ended_children(one) for one in family(pid))


def _own(pid: int) -> float:
    """By the scheduler's clock, in nanoseconds; stat(5) has ticks."""
    with suppress(OSError):
        files = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(file.read_text().split()[0]) for file in files) / 1e9
    return 0.0


def _ended_children(pid: int) -> float:
    with suppress(OSError):
        user, system = _stat(pid)[13:15]
        return (int(user) + int(system)) / TICKS
    return 0.0


def resident(pid: int) -> int:
    """Bytes of memory that the process and its children hold."""
    pages = 0
    for one in family(pid):
        with suppress(OSError):
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def pin(pid: int, cpus: Iterable[int]) -> None:
    """It and its threads and children run there alone."""
    for one in family(pid):
        for task in os.listdir(f"/proc/{one}/task"):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task), cpus)


@contextmanager
def pinned(cpus: Iterable[int]) -> Iterator[None]:
    """Who is started meanwhile runs there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def many_descriptors() -> int:
    """Raise the limit as far as this user may: how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # only root may go beyond
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, max(hard, DESCRIPTORS)))
        return DESCRIPTORS
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# -- the network -----------------------------------------------------------------------------------


def into_own_network() -> bool:
    """Into a network namespace where congestion control may be set, as root; whether it was had.

    BBR paces, which halves bulk on loopback; the machine's own setting is left alone.
    """
    if os.geteuid() or ctypes.CDLL(None).unshare(CLONE_NEWNET):
        return False
    with socket.socket() as any_socket:
        up = struct.pack("16sh22x", b"lo", IFF_UP)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, up)
    CONGESTION.write_text("reno")
    return True


def congestion(own: bool) -> str:
    """What is used, in words."""
    where = "in a network namespace of its own" if own else "the machine's own network"
    return f"{CONGESTION.read_text().strip()}, {where}"


def described(own_network: bool) -> dict[str, str]:
    """This machine."""
    models = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "processor": next(models, platform.processor()),
        "processors": str(os.cpu_count()),
        "kernel": platform.release(),
        "congestion control": congestion(own_network),
        "load when it began": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
