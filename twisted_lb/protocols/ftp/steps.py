"""What one step of our own dealings with a server may be, and what comes of it. Sans-I/O."""

from __future__ import annotations

from collections.abc import Generator

import attrs

from ...terms import Address, Ending
from ...wire.ftp import ReplyLine
from ..actions import Listen, StartTls, Tell


@attrs.frozen
class Ask:
    """A command for the server; answered with the last line of its reply."""

    line: bytes


Step = Ask | Listen | StartTls | Tell
Heard = ReplyLine | Address | Ending | None
"""Of Ask, of Listen (a local address, or the word of its failure), of StartTls and Tell."""
Steps = Generator[Step, Heard, bytes]
"""Its last value is the answer to whoever had it begun."""


def ask(line: bytes) -> Generator[Ask, Heard, ReplyLine]:
    """Ask the server, and be told the end of its reply."""
    heard = yield Ask(line)
    assert isinstance(heard, ReplyLine), "Ask is answered with a reply"
    return heard
