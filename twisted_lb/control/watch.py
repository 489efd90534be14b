"""`lb-proxyctl watch`: the balancer again and again on one screen, until somebody says q."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .client import Client, Unreachable, path
from .commands import DONE, Options, servers_text, sessions_text, status_text

CLEAR = "\x1b[H\x1b[2J"
ASIDE, BACK = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""To a screen of its own without a cursor, and back."""


def watch(options: Options, client: Client) -> int:
    """Redraw a terminal; elsewhere print one picture after the other."""
    client.get(path("status"))  # who cannot be reached at all is told at once
    live = sys.stdout.isatty() and sys.stdin.isatty()
    with _terminal() if live else suppress(KeyboardInterrupt):
        while True:
            size = shutil.get_terminal_size()
            shown = _picture(client, size.lines - 1 if live else 60)
            if live:
                lines = [line[: size.columns] for line in shown]
                sys.stdout.write(CLEAR + "\r\n".join(lines[: size.lines - 1]))
            else:
                print("\n".join(shown), end="\n\n")
            sys.stdout.flush()
            if _told_to_stop(options.interval, live):
                break
    return DONE


def _picture(client: Client, most: int) -> list[str]:
    try:
        status = client.get(path("status"))
        servers = client.get(path("servers"))["servers"]
        sessions = client.get(path("sessions"), limit=max(1, min(1000, most)))["sessions"]
    except Unreachable as why:
        return [time.strftime("%H:%M:%S"), "", str(why)]
    head = f"{status['time']}  q ends"
    parts = [head, status_text(status), servers_text(servers), sessions_text(sessions)]
    return "\n\n".join(parts).splitlines()[:most]


def _told_to_stop(seconds: float, live: bool) -> bool:
    if not live:
        time.sleep(seconds)
        return False
    found, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(found) and os.read(sys.stdin.fileno(), 1) in (b"q", b"Q", b"\x03", b"")


@contextmanager
def _terminal() -> Iterator[None]:
    """Keys come at once, and the screen is as it was afterwards."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    sys.stdout.write(ASIDE)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(BACK)
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
