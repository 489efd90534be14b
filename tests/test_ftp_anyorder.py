"""Commands, replies, legs and closes in any order: what always holds (attack 20).

A model of a server answers every line it is sent, once, in an order that servers use (errors come
in the order of the commands until a transfer has its 1xx); a model of `converse` opens, fails and
joins legs when it likes. Every reply of the server's carries a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.ftptalk import logged_in
from twisted_lb.protocols.actions import (
    Abort,
    Action,
    Dial,
    Finish,
    Join,
    Listen,
    Release,
    Send,
    SetAlarm,
    Side,
    Tell,
)
from twisted_lb.protocols.ftp.verbs import ANNOUNCEMENTS, OVERTAKING, TRANSFERS
from twisted_lb.terms import MORE, Address
from twisted_lb.wire.ftp import ReplyReader

COMMANDS = [
    b"PASV",
    b"EPSV",
    b"PORT 192,0,2,9,200,1",
    b"EPRT |1|192.0.2.9|51201|",
    b"PORT 10,0,0,1,200,1",
    b"RETR a",
    b"STOR b",
    b"LIST",
    b"NOOP",
    b"STAT",
    b"ABOR",
    b"CWD x",
    b"AUTH TLS",
    b"LPSV",
    b"",
    b"RETR \0",
    b"DELE " + b"x" * 9000,
]
LOCAL = Address("192.0.2.1", 40000)
SUCCESS = {b"NOOP": 200, b"STAT": 211, b"CWD": 250, b"PASV": 227, b"EPSV": 229}
HOSTS = {Side.CLIENT: "192.0.2.9", Side.SERVER: "198.51.100.1"}


class Conversations(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.numbers = 0
        self.todo: list[bytes] = []
        """Verbs that the server was sent and has not answered."""
        self.started = False
        """Whether the server said 1xx to the transfer among them."""
        self.legs: dict[tuple[int, Side], str] = {}
        """coming | stands, of channels that are not joined."""
        self.joined: set[int] = set()
        self.wanted: set[int] = set()
        """Channels that a transfer was sent for."""
        self.alarms: set[str] = set()
        self.said = ReplyReader()
        self.seen: list[int] = []
        self.finals = 0
        self.commands = 0
        self.unasked = 0
        self.finished = ""

    @initialize(server_data=st.sampled_from(["same", "passive", "active"]))
    def begin(self, server_data: str) -> None:
        self.machine = logged_in(server_data=server_data)

    # -- what the machine asks ----------------------------------------------------------------

    def obey(self, actions: Iterable[Action]) -> None:
        for action in actions:
            assert not self.finished or isinstance(action, Tell)
            if isinstance(action, Send):
                (self.hear if action.to is Side.CLIENT else self.serve)(action.data)
            elif isinstance(action, Finish):
                self.finished = action.word
            elif isinstance(action, SetAlarm):
                on = action.seconds is not None
                (self.alarms.add if on else self.alarms.discard)(action.name)
            else:
                self.mind_the_legs(action)

    def mind_the_legs(self, action: Action) -> None:
        match action:
            case Listen(number, side):
                assert (number, side) not in self.legs
                self.legs[number, side] = "coming"
                self.obey(self.machine.listening(number, side, LOCAL, self.now))
            case Dial(number, side, address):
                assert address.host == HOSTS[side]
                assert (number, side) not in self.legs
                self.legs[number, side] = "coming"
            case Join(number):
                assert number not in self.wanted
                self.wanted.add(number)
                self.join(number)
            case Release(number) | Abort(number):
                assert number not in self.joined
                for side in Side:
                    self.legs.pop((number, side), None)

    def hear(self, data: bytes) -> None:
        assert data.endswith(b"\r\n")
        self.said.feed(data)
        while (line := self.said.next()) is not MORE:
            self.finals += line.final and line.code >= 200
            self.seen += [int(number) for number in re.findall(rb"#(\d+)", line.line)]

    def serve(self, data: bytes) -> None:
        assert data.endswith(b"\r\n")
        for line in data[:-2].split(b"\r\n"):
            assert not re.search(rb"[\r\n\0]", line)
            self.todo.append(line.split(b" ")[0])

    # -- the client ---------------------------------------------------------------------------

    @rule(lines=st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=3), cut=st.integers(0, 30))
    def client_sends(self, lines: list[bytes], cut: int) -> None:
        if self.finished or self.machine.congested(Side.CLIENT):
            return
        data = b"".join(line + b"\r\n" for line in lines)
        self.commands += len(lines)
        self.obey(self.machine.received(Side.CLIENT, data[:cut], self.now))
        if data[cut:] and not self.finished:
            self.obey(self.machine.received(Side.CLIENT, data[cut:], self.now))

    # -- the server ---------------------------------------------------------------------------

    def choices(self) -> list[bytes]:
        """The verbs that a server may answer next."""
        transfer = [verb for verb in self.todo if verb in TRANSFERS]
        others = [verb for verb in self.todo if verb not in TRANSFERS]
        if transfer and others and self.todo[0] in TRANSFERS:
            by = self.started or others[0] in OVERTAKING
            return transfer + (others[:1] if by else [])
        return self.todo[:1]

    @precondition(lambda self: self.todo and not self.finished)
    @rule(data=st.data(), fails=st.booleans())
    def server_answers(self, data: st.DataObject, fails: bool) -> None:
        verb = data.draw(st.sampled_from(self.choices()))
        overtakes = self.todo[0] in TRANSFERS and verb not in TRANSFERS and not self.started
        self.answer(verb, fails and not overtakes)

    def answer(self, verb: bytes, fails: bool) -> None:
        if verb in TRANSFERS:
            if not self.started and not fails:
                self.started = True
                self.reply(150)
                return
            code = (426 if self.started else 550) if fails else 226
            self.started = False
        elif verb == b"ABOR":
            if self.todo[0] in TRANSFERS:
                self.todo.pop(0)
                self.started = False
                self.reply(426)
            code = 226 if fails else 225
        elif verb in ANNOUNCEMENTS:
            code = (502 if verb in (b"EPSV", b"EPRT") else 530) if fails else SUCCESS.get(verb, 200)
        else:
            code = 500 if fails else SUCCESS.get(verb, 200)
        self.todo.remove(verb)
        self.reply(code)

    def reply(self, code: int) -> None:
        if self.finished:
            return
        self.numbers += 1
        address = {227: "(198,51,100,1,4,1)", 229: "(|||1025|)"}.get(code, "")
        text = f"{code}-#\r\n226 #\r\n" if code == 211 else ""
        line = f"{text}{code} #{self.numbers} {address}\r\n".encode()
        self.obey(self.machine.received(Side.SERVER, line, self.now))

    @precondition(lambda self: not self.todo and not self.finished)
    @rule()
    def server_says_something_unasked(self) -> None:
        self.unasked += 1
        self.reply(421)

    # -- the legs -----------------------------------------------------------------------------

    @precondition(lambda self: "coming" in self.legs.values() and not self.finished)
    @rule(data=st.data(), stands=st.booleans())
    def a_leg_comes_or_fails(self, data: st.DataObject, stands: bool) -> None:
        coming = [leg for leg, stand in self.legs.items() if stand == "coming"]
        self.leg(data.draw(st.sampled_from(coming)), stands)

    @precondition(lambda self: "stands" in self.legs.values() and not self.finished)
    @rule(data=st.data())
    def a_leg_breaks(self, data: st.DataObject) -> None:
        standing = [leg for leg, stand in self.legs.items() if stand == "stands"]
        self.leg(data.draw(st.sampled_from(standing)), False)

    def join(self, number: int) -> None:
        legs = [(number, side) for side in Side]
        if number in self.wanted and all(self.legs.get(leg) == "stands" for leg in legs):
            for leg in legs:
                del self.legs[leg]
            self.joined.add(number)

    def leg(self, leg: tuple[int, Side], stands: bool) -> None:
        number, side = leg
        if not stands:
            del self.legs[leg]
            self.obey(self.machine.failed(number, side, "too-slow", self.now))
            return
        self.legs[leg] = "stands"
        self.join(number)
        self.obey(self.machine.connected(number, side, self.now))

    @precondition(lambda self: self.joined)
    @rule(data=st.data())
    def a_channel_ends(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.joined)))
        self.joined.remove(number)
        self.obey(self.machine.transferred(number, "done", 1, 1, self.now))

    @precondition(lambda self: "transfer" in self.alarms and not self.finished)
    @rule()
    def the_alarm_rings(self) -> None:
        self.alarms.discard("transfer")
        self.obey(self.machine.alarm("transfer", self.now))

    # -- what always holds --------------------------------------------------------------------

    @invariant()
    def replies_keep_their_order(self) -> None:
        assert self.seen == sorted(set(self.seen))

    @invariant()
    def no_reply_is_invented(self) -> None:
        assert self.finals <= self.commands + self.unasked

    def teardown(self) -> None:
        """Let everything come to its end: every command was answered once; nothing stays."""
        if not hasattr(self, "machine"):
            return
        for _ in range(10_000):
            coming = [leg for leg, stand in self.legs.items() if stand == "coming"]
            if coming:
                self.leg(coming[0], False)
            elif self.todo:
                self.answer(self.choices()[0], False)
            else:
                break
        assert not self.finished
        assert self.finals == self.commands + self.unasked
        self.obey(self.machine.end("drained", self.now))
        assert self.finished == "drained"
        assert not self.legs
        for number in sorted(self.joined):
            self.obey(self.machine.transferred(number, "drained", 0, 0, self.now))


Conversations.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConversations = Conversations.TestCase
