"""What can go wrong, said by whose fault it is: the peer's, the configuration's, or nobody's.

Sans-I/O. The lowest room of the house: everybody may import it, it imports nobody.
"""

from __future__ import annotations

import attrs


class Ended(Exception):
    """A connection or session ends here, with one word of `terms.ENDINGS`.

    `detail` is for the log, never for the peer; `last_words` are for the peer.
    """

    def __init__(self, word: str, detail: str = "", last_words: bytes = b"") -> None:
        super().__init__(word, detail)
        self.word = word
        self.detail = detail
        self.last_words = last_words

    def __str__(self) -> str:
        return f"{self.word}: {self.detail}" if self.detail else self.word


class WireError(Exception):
    """The peer sent bytes that its protocol does not allow."""


@attrs.frozen
class Problem:
    """One thing wrong with a configuration: where it is, what it is, what to do."""

    path: str
    """The key's path, as `backend[ftp-servers].server[a].weight`; empty for the whole file."""
    message: str
    line: int | None = None
    """Counted from 1; None where no line can be named (a key that is missing)."""


class ConfigurationError(Exception):
    """The configuration cannot be used; carries every problem found, not just the first."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self._told(problem) for problem in self.problems)

    def _told(self, problem: Problem) -> str:
        line = f":{problem.line}" if problem.line else ""
        path = f"{problem.path}: " if problem.path else ""
        return f"{self.file}{line}: {path}{problem.message}"
