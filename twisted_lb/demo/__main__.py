"""Entry: `./run demo [--once]`: both scenes, then everything stays up until Ctrl-C.

With --once it ends: exit status 0, or 1 when a channel went astray.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from ..reactors import Reactor
from . import ftp, gateway
from .hosts import Site


async def main(reactor: Reactor, *options: str) -> None:
    """Play, print, and end or stay. Raises SystemExit: 1 when a channel went astray."""
    unknown = [option for option in options if option != "--once"]
    if unknown:
        raise SystemExit(f"demo: no option {unknown[0]!r}; there is only --once")
    site = Site()
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(site.stop()))
    with TemporaryDirectory(prefix="twisted-lb-demo-") as directory:
        shown = []
        for scene in (ftp, gateway):
            home = Path(directory, scene.__name__.rpartition(".")[2])
            home.mkdir()
            shown.append(await scene.play(reactor, site, home))
            print(shown[-1].text, end="\n\n", flush=True)
        well = all(each.well for each in shown)
        if "--once" in options or not well:
            raise SystemExit(0 if well else 1)
        print("Everything stays up. Try, in another terminal:\n")
        print("\n".join(each.tries for each in shown))
        print("Ctrl-C ends it.", flush=True)
        await Deferred()  # until Ctrl-C


if __name__ == "__main__":
    react(lambda reactor, *args: Deferred.fromCoroutine(main(reactor, *args)), sys.argv[1:])
