"""./run matrix: every real client, mode and operation on real servers, directly and through us.

Ends with status 1 when a cell that passes directly does not pass through the balancer.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time

from tests.matrix.fronts import FRONTS
from tests.matrix.network import Network, the_best
from tests.matrix.plan import (
    SERVERS,
    Trial,
    everything,
    everything_in_tls,
    sample,
    with_direct,
)
from tests.matrix.report import PUBLICATIONS, broken, publish, summary
from tests.matrix.rounds import Rounds
from tests.peers import PEERS

FULL, SMALL = 20_000_000, 1_000_000
"""Bytes of the file that is transferred."""

DOUBTS = 20
"""When more than so many fail, it is us: nobody asks whether they pass directly each time."""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run matrix", description=__doc__)
    parser.add_argument("--sample", action="store_true", help="a fixed pairwise sample, 1 MB files")
    parser.add_argument("--server", choices=SERVERS, help="only this kind of server")
    parser.add_argument("--front", choices=("none", *FRONTS), default="lb", help="what is between")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--tls", action="store_true", help="only those in TLS")
    what.add_argument("--plain", action="store_true", help="only those without TLS")
    parser.add_argument("--only", default="", help="only trials whose name has this text")
    return parser.parse_args()


def planned(asked: argparse.Namespace, net: Network) -> list[Trial]:
    kinds = [everything] * (not asked.tls) + [everything_in_tls] * (not asked.plain)
    trials = [trial for kind in kinds for trial in kind()]
    if asked.sample:
        trials = with_direct(trial for kind in kinds for trial in sample(kind()))
    return [
        trial
        for trial in trials
        if asked.server in (None, trial.server)
        and asked.only in str(trial)
        and (asked.front != "none" or not trial.variant.through)
        and {trial.variant.client, trial.variant.server} <= net.servers_at.keys()
    ]


def main() -> int:
    asked, started = options(), time.monotonic()
    if os.geteuid() != 0:
        sys.exit("./run matrix: the servers need root")
    net = the_best()
    trials = planned(asked, net)

    def tell(line: str) -> None:
        done = len(rounds.verdicts)
        print(f"[{done}/{len(trials)} {time.monotonic() - started:.0f}s] {line}", flush=True)

    size = SMALL if asked.sample else FULL
    rounds = Rounds.resumed(net, asked.front, size, tell)
    rounds.have(trials)
    if len(broken(rounds.verdicts)) <= DOUBTS:
        rounds.doubt(trial.directly for trial in broken(rounds.verdicts))
    rounds.finish()
    print(summary(rounds.verdicts))
    for publication in PUBLICATIONS:
        if asked.front == "lb" and size == FULL and set(publication.planned()) <= set(trials):
            publish(publication, rounds.verdicts, size, net.what)
    failed = broken(rounds.verdicts)
    for trial in failed:
        print(f"passes directly, not through {asked.front}: {trial}: {rounds.verdicts[str(trial)]}")
    return 1 if failed and asked.front == "lb" else 0


if __name__ == "__main__":
    os.umask(0o022)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lock = (PEERS / "stamp").open()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sys.exit(main())
    except BlockingIOError:
        sys.exit("./run matrix: another one is running")
    except KeyboardInterrupt:
        sys.exit("interrupted; ./run matrix goes on from here")
