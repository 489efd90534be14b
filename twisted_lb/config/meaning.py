"""What the rules of `cross` look at, and how they complain.

Sans-I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from .document import Document, WrittenFrontend, settle
from .locate import Path
from .settings import Frontend, Group, Settings


@attrs.frozen
class Complaint:
    """One thing that does not fit."""

    path: Path
    message: str
    because: tuple[Path, ...] = ()
    """The keys that it follows from, apart from its own."""


@attrs.frozen
class Member:
    """A frontend and one of the groups that its connections may belong to."""

    path: Path
    """The frontend's."""
    frontend: Frontend
    group: Group
    port_path: Path
    """The key that says which port of the server its channels dial."""


@attrs.frozen
class Meaning:
    """A document and what it means, however faulty: names may lead nowhere."""

    document: Document
    settings: Settings
    members: tuple[Member, ...]

    @classmethod
    def of(cls, document: Document) -> Meaning:
        """Settles a document and pairs its frontends with their groups."""
        settings = settle(document)
        return cls(document, settings, tuple(_members(document, settings)))

    @property
    def frontends(self) -> Iterator[tuple[Path, WrittenFrontend]]:
        """Every frontend as written, with its path."""
        for index, frontend in enumerate(self.document.frontends):
            yield ("frontend", index), frontend


def _members(document: Document, settings: Settings) -> Iterator[Member]:
    for index, frontend in enumerate(settings.frontends):
        path: Path = ("frontend", index)
        for group in settings.groups_of(frontend):
            own = group.name in document.frontends[index].own_groups
            role: Path = ("group", group.name, "role", frontend.role, "server_port")
            yield Member(path, frontend, group, (*path, "server_port") if own else role)


Rule = Callable[[Meaning], Iterator[Complaint]]
