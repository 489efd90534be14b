"""The wire-script language: a protocol machine played as a trace of what is seen on the wire.

    play(machine, '''
        S: 220 hello                    -> C: 220 hello
        C: PASV                         -> S: PASV
        S: 227 Entering (10,9,9,9,4,1)  -> listen 1 client
        listening 1 client 192.0.2.1:40000
                                        -> C: 227 Entering passive mode (192,0,2,1,156,64).
    ''')

What stands left of `->` is an event, what stands right of it an action that the machine must ask
for; further actions stand on lines of their own. Every action must be there, in order, and no
other. Lines of the control connection are written without their line end; `\\xff` and the like
stand for bytes, `\\r\\n` for a line end within; `C~` and `S~` are bytes that are no whole line.

events    C: line    S: line    C~ bytes    S~ bytes    closed client    at 12.5
          listening N side host:port    connected N side    failed N side word
          secured side    secured side N
          transferred N ending from-client from-server    alarm name    end word
actions   C: line    S: line    listen N side    dial N side host:port    release N    abort N
          alarm name seconds|off    close side    synch side    finish word
          tell attack kind    tell transfer USER VERB PATH bytes ending reply
          tls side    tls side N    clear side
          listen and dial end with `private` where TLS is to follow
          wait N side seconds|on    join N    either kind only matters to a script that has one
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator

from twisted_lb.facts import AttackSeen, TransferEnded
from twisted_lb.protocols.actions import (
    Abort,
    Action,
    Actions,
    CloseEnd,
    Conversation,
    Dial,
    Finish,
    Join,
    Listen,
    Release,
    Send,
    SetAlarm,
    Side,
    StartTls,
    StopTls,
    Synch,
    Tell,
    Wait,
)
from twisted_lb.terms import Address

_SIDES = {"C": Side.CLIENT, "S": Side.SERVER}
_OPTIONAL = {"wait": Wait, "join": Join}
_ARROW = "->"


def play(machine: Conversation, script: str, now: float = 0.0) -> None:
    """Tell the machine the script's events, hold what it asks for against the script's actions."""
    unminded = tuple(kind for word, kind in _OPTIONAL.items() if f"{_ARROW} {word} " not in script)
    expected: list[str] = []
    actual: list[str] = []
    for event, actions in _steps(script):
        expected += [event, *(f"    {_ARROW} {action}" for action in actions)]
        actual.append(event)
        if event.startswith("at "):
            now = float(event[3:])
            continue
        asked = _tell(machine, event, now)
        asked = [action for action in asked if not isinstance(action, unminded)]
        actual += [f"    {_ARROW} {text}" for action in asked for text in rendered(action)]
    if actual != expected:
        diff = difflib.ndiff(expected, actual)
        raise AssertionError("the machine left the script\n" + "\n".join(diff))


def _steps(script: str) -> Iterator[tuple[str, list[str]]]:
    event = ""
    actions: list[str] = []
    for line in filter(None, map(str.strip, script.splitlines())):
        before, arrow, after = line.partition(_ARROW)
        if before.strip():
            if event:
                yield event, actions
            event, actions = before.strip(), []
        if arrow:
            assert event, f"an action before any event: {line}"
            actions.append(after.strip())
    if event:
        yield event, actions


# -- events ------------------------------------------------------------------------------------


def _tell(machine: Conversation, event: str, now: float) -> Actions:
    if event[:2] in ("C:", "S:", "C~", "S~"):
        data = unescaped(event[2:].removeprefix(" "))
        data += b"\r\n" if event[1] == ":" else b""
        return machine.received(_SIDES[event[0]], data, now)
    name, *words = event.split()
    return _EVENTS[name](machine, *words, now)


def unescaped(text: str) -> bytes:
    """The bytes that a script's text stands for."""
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]"), int(port))


_EVENTS: dict[str, Callable[..., Actions]] = {
    "closed": lambda m, side, now: m.closed(Side(side), now),
    "listening": lambda m, data, side, where, now: m.listening(
        int(data), Side(side), _address(where), now
    ),
    "connected": lambda m, data, side, now: m.connected(int(data), Side(side), now),
    "secured": lambda m, side, *rest: m.secured(
        Side(side), int(rest[0]) if len(rest) == 2 else None, "TLSv1.3", rest[-1]
    ),
    "failed": lambda m, data, side, word, now: m.failed(int(data), Side(side), word, now),
    "transferred": lambda m, data, ending, up, down, now: m.transferred(
        int(data), ending, int(up), int(down), now
    ),
    "alarm": lambda m, name, now: m.alarm(name, now),
    "end": lambda m, word, now: m.end(word, now),
}


# -- actions -----------------------------------------------------------------------------------


def rendered(action: Action) -> Iterable[str]:
    """An action as a script writes it; a Send of several lines is several."""
    match action:
        case Send(to, data):
            assert data.endswith(b"\r\n"), f"half a line for the {to.value}: {data!r}"
            name = "C" if to is Side.CLIENT else "S"
            lines = data[:-2].split(b"\r\n")
            return [f"{name}: {_escaped(line)}".strip() for line in lines]
        case Join(data) | Release(data) | Abort(data):
            return [f"{type(action).__name__.lower()} {data}"]
        case SetAlarm(name, seconds):
            return [f"alarm {name} {_seconds(seconds, 'off')}"]
        case CloseEnd(side) | Synch(side):
            return [f"{type(action).__name__.lower().removesuffix('end')} {side.value}"]
        case StopTls(side):
            return [f"clear {side.value}"]
        case Finish(word):
            return [f"finish {word}"]
        case Tell(fact):
            return [f"tell {_fact(fact)}"]
        case _:
            return [_of_a_leg(action)]


def _of_a_leg(action: Listen | Wait | Dial | StartTls) -> str:
    match action:
        case Listen(data, side, private):
            return f"listen {data} {side.value}{' private' * private}"
        case Wait(data, side, seconds):
            return f"wait {data} {side.value} {_seconds(seconds, 'on')}"
        case Dial(data, side, address, private):
            return f"dial {data} {side.value} {address}{' private' * private}"
        case StartTls(side, data):
            return f"tls {side.value}" + ("" if data is None else f" {data}")


def _seconds(seconds: float | None, none: str) -> str:
    return none if seconds is None else f"{seconds:g}"


def _escaped(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def _fact(fact: object) -> str:
    match fact:
        case AttackSeen():
            return f"attack {fact.kind}"
        case TransferEnded():
            ended = f"{fact.bytes} {fact.ending} {fact.reply}"
            return f"transfer {fact.user} {fact.command} {fact.path} {ended}"
    raise AssertionError(f"no such fact: {fact!r}")
