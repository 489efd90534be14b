"""What an operator can ask: each command takes its options and a client, prints, and gives an exit
status.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from .client import Client, Refused, path
from .shown import cell, length, pairs, size, table

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
LATE: Final = 3
UNREACHABLE: Final = 4
STATUSES: Final = {
    DONE: "done",
    FAILED: "refused, or something is wrong",
    USAGE: "wrong usage",
    LATE: "a deadline came first",
    UNREACHABLE: "no balancer can be reached",
}

SOON: Final = 14
"""Days before its end that a certificate is marked."""
LOOKS: Final = 0.5
"""Seconds between two looks at a server that is waited for."""

Options = argparse.Namespace
Command = Callable[[Options, Client], int]


def _print(options: Options, told: Any, shown: Callable[[], str]) -> int:
    """JSON for programs, a table for people."""
    print(json.dumps(told, indent=2) if options.json else shown())
    return DONE


# -- looking ---------------------------------------------------------------------------------------


def status(options: Options, client: Client) -> int:
    told = client.get(path("status"))
    return _print(options, told, lambda: status_text(told))


def status_text(told: dict[str, Any]) -> str:
    """The balancer in a few lines."""
    astray = told["channels_astray"]
    return pairs(
        [
            ("twisted-lb", f"{told['version']}, {told['state']}"),
            ("since", f"{told['started']} ({length(told['seconds'])})"),
            ("configuration", f"generation {told['generation']}"),
            ("servers", f"{told['servers_up']} of {told['servers']} take new sessions"),
            ("sessions", told["sessions"]),
            ("connections", told["connections"]),
            ("astray", f"{astray} channels: SEE THE LOG" if astray else "no channel"),
        ]
    )


def servers(options: Options, client: Client) -> int:
    told = client.get(path("servers"))
    return _print(options, told, lambda: servers_text(told["servers"]))


def servers_text(told: Iterable[dict[str, Any]]) -> str:
    """A line for each server."""
    heads = ("SERVER", "STATE", "SESSIONS", "CONNECTIONS", "MAX", "WEIGHT", "CHECK", "SINCE", "WHY")
    return table(heads, map(_server_row, told), "no servers")


def _server_row(s: dict[str, Any]) -> tuple[Any, ...]:
    last = s["checks"][-1] if s["checks"] else None
    check = s["check"] if last is None else f"{s['check']} {last * 1000:.1f} ms"
    if s["checks"] and last is None:
        check = f"{s['check']} FAILS"
    return (
        f"{s['backend']}/{s['name']}", s["state"], s["sessions"], s["connections"], s["maxconn"],
        s["weight"], check, s["since"], s["reason"],
    )  # fmt: skip


def sessions(options: Options, client: Client) -> int:
    wanted = {n: getattr(options, n) for n in ("backend", "server", "group", "client", "state")}
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None and len(found) < options.limit:
        limit = min(1000, options.limit - len(found))
        page = client.get(path("sessions"), limit=limit, after=after, **wanted)
        found += page["sessions"]
        after = page["next"]
    more = "" if after is None else f"\nthere are more: --limit {options.limit * 10}"
    return _print(options, {"sessions": found}, lambda: sessions_text(found) + more)


def sessions_text(told: Iterable[dict[str, Any]]) -> str:
    """A line for each session."""
    heads = (
        "SESSION",
        "CLIENT",
        "SERVER",
        "STATE",
        "CHANNELS",
        "AGE",
        "SENT",
        "GOT",
    )
    return table(heads, map(_session_row, told), "no sessions")


def _session_row(s: dict[str, Any]) -> tuple[Any, ...]:
    roles = " ".join(f"{count} {role}" for role, count in s["roles"].items())
    return (
        s["id"], " ".join(s["clients"]), f"{s['backend']}/{s['server'] or '?'}", s["state"], roles,
        length(s["seconds"]), size(s["from_client"]), size(s["from_server"]),
    )  # fmt: skip


def session(options: Options, client: Client) -> int:
    told = client.get(path("sessions", options.id))
    return _print(options, told, lambda: _session_text(told))


def _session_text(s: dict[str, Any]) -> str:
    head = pairs(
        [
            ("session", s["id"]),
            ("group", f"{s['group']}, by {s['key']}"),
            ("server", f"{s['backend']}/{s['server'] or '?'}"),
            ("state", s["state"]),
            ("opened", f"{s['opened']} ({length(s['seconds'])})"),
            ("channels", f"{len(s['channels'])} of {s['channels_in_all']} that it has had"),
        ]
    )
    heads = ("CHANNEL", "ROLE", "STATE", "FRONTEND", "CLIENT", "AGE", "SENT", "GOT")
    rows = (
        (
            c["number"], c["role"], c["state"], c["frontend"], c["client"], length(c["seconds"]),
            size(c["from_client"]), size(c["from_server"]),
        )
        for c in s["channels"]
    )  # fmt: skip
    return f"{head}\n\n{table(heads, rows, 'no channels: it lingers')}"


def frontends(options: Options, client: Client) -> int:
    told = client.get(path("frontends"))
    heads = ("FRONTEND", "PROTOCOL", "TLS", "CONNECTIONS", "MAX", "LISTENING")
    rows = (
        (f["name"], f["protocol"], f["tls"], f["connections"], f["maxconn"], _few(f["listening"]))
        for f in told["frontends"]
    )
    return _print(options, told, lambda: table(heads, rows, "no frontends"))


def _few(places: list[str]) -> str:
    rest = len(places) - 3
    return " ".join(places[:3]) + (f" and {rest} more" if rest > 0 else "")


def certs(options: Options, client: Client) -> int:
    told = client.get(path("certificates"))
    heads = ("CERTIFICATE OF", "DAYS", "ENDS", "NAMES", "FILE", "")
    rows = (
        (
            f"{c['kind']} {c['of']}", f"{c['days']:.0f}", c["ends"], _few(c["names"]), c["file"],
            "EXPIRED" if c["days"] < 0 else "SOON" if c["days"] < SOON else " ",
        )
        for c in sorted(told["certificates"], key=lambda c: c["days"])
    )  # fmt: skip
    return _print(options, told, lambda: table(heads, rows, "no certificates"))


def config(options: Options, client: Client) -> int:
    told = client.get(path("configuration"))
    return _print(options, told, lambda: str(told["toml"]).rstrip("\n"))


def names(options: Options, client: Client) -> int:
    """A line each: for completion and for scripts."""
    match options.of:
        case "sessions":
            found = [s["id"] for s in client.get(path("sessions"), limit=1000)["sessions"]]
        case "frontends":
            found = [f["name"] for f in client.get(path("frontends"))["frontends"]]
        case of:
            told = client.get(path("servers"))["servers"]
            each = (
                s["backend"] if of == "backends" else f"{s['backend']}/{s['name']}" for s in told
            )
            found = list(dict.fromkeys(each))
    return _print(options, found, lambda: "\n".join(map(cell, found)))


# -- acting ----------------------------------------------------------------------------------------


def _change(options: Options, client: Client, **change: Any) -> dict[str, Any]:
    told: dict[str, Any] = client.ask("PATCH", path("servers", *options.server), change)
    return told


def drain(options: Options, client: Client) -> int:
    told = _change(options, client, admin="drain")
    if options.wait:
        return _wait(options, client)
    return _print(options, told, lambda: servers_text([told]))


def _wait(options: Options, client: Client) -> int:
    """Until the server's last session has ended."""
    until = time.monotonic() + options.timeout
    left = -1
    while True:
        told = client.get(path("servers", *options.server))
        if told["admin"] == "ready":
            print("it was made ready again: not waited for any longer", file=sys.stderr)
            return FAILED
        if told["sessions"] != left and not options.json:
            print(f"{told['backend']}/{told['name']}: {_sessions(told['sessions'])}", flush=True)
        left = told["sessions"]
        if not left:
            return _print(options, told, lambda: "drained")
        if time.monotonic() >= until:
            print(f"{_sessions(left)} left after {length(options.timeout)}", file=sys.stderr)
            return LATE
        time.sleep(LOOKS)


def _sessions(count: int) -> str:
    return "1 session" if count == 1 else f"{count} sessions"


def ready(options: Options, client: Client) -> int:
    told = _change(options, client, admin="ready")
    return _print(options, told, lambda: servers_text([told]))


def maint(options: Options, client: Client) -> int:
    told = _change(options, client, admin="maintenance")
    return _print(options, told, lambda: servers_text([told]))


def weight(options: Options, client: Client) -> int:
    told = _change(options, client, weight=options.weight)
    return _print(options, told, lambda: servers_text([told]))


def kill(options: Options, client: Client) -> int:
    """All that are there; those that are not are told, and make it fail."""
    ended, missing = [], []
    for id in options.ids:
        try:
            ended.append(client.ask("DELETE", path("sessions", id)))
        except Refused as why:
            missing.append(str(why))
    _print(options, {"ended": ended}, lambda: sessions_text(ended))
    for why_not in missing:
        print(why_not, file=sys.stderr)
    return FAILED if missing else DONE


def fail_back(options: Options, client: Client) -> int:
    told = client.ask("POST", path("backends", options.backend, "fail-back"))
    return _print(options, told, lambda: f"new sessions of {options.backend} go to its primary")


def log(options: Options, client: Client) -> int:
    if options.facility is None:
        told = client.get(path("log"))
    elif options.level is None:
        print(f"which level? {', '.join(options.levels)}", file=sys.stderr)
        return USAGE
    else:
        body = {"facility": options.facility, "level": options.level}
        told = client.ask("PATCH", path("log"), body)
    rows = told["levels"].items()
    return _print(options, told, lambda: table(("FACILITY", "LEVEL"), rows, ""))


def reload(options: Options, client: Client) -> int:
    told = client.ask("POST", path("reload"))
    return _print(options, told, lambda: f"generation {told['generation']} is in force")


def shutdown(options: Options, client: Client) -> int:
    body = {} if options.deadline is None else {"deadline": options.deadline}
    told = client.ask("POST", path("shutdown"), body)
    return _print(options, told, lambda: f"ends; {_sessions(told['sessions'])} left")


def check(options: Options, _: Client) -> int:
    """As `twistd lb-proxy --config FILE --check`, of this installation."""
    argv = [sys.executable, "-m", "twisted", "lb-proxy", "--config", options.file, "--check"]
    return subprocess.run(argv, check=False).returncode and FAILED
