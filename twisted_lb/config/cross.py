"""What no single key can tell: names that are used are defined, and keys fit each other.

Sans-I/O. A rule takes the whole configuration and gives its complaints. One that follows from a
value that could not be read is dropped: mending the value may mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from . import (
    rules_admin,
    rules_groups,
    rules_names,
    rules_passive,
    rules_ports,
    rules_tables,
    rules_tls,
)
from .applies import unmet
from .document import Document
from .locate import Path
from .meaning import Complaint, Meaning, Rule
from .read import Found
from .tables import document_table, walk

RULES: Final[tuple[Rule, ...]] = (
    *rules_names.RULES,
    *rules_tables.RULES,
    *rules_tls.RULES,
    *rules_groups.RULES,
    *rules_ports.RULES,
    *rules_passive.RULES,
    *rules_admin.RULES,
)


def cross(found: Found, document: Document, looks: Iterable[Rule] = ()) -> None:
    """Notes everything that does not fit together, and what the caller's own `looks` find."""
    meaning = Meaning.of(document)
    rules = (*RULES, *looks)
    complain(found, [*_unmet(found, document), *(one for rule in rules for one in rule(meaning))])


def complain(found: Found, complaints: Iterable[Complaint]) -> None:
    """Notes complaints, each once, but those that follow from what could not be read."""
    for complaint in dict.fromkeys(complaints):
        if not any(_unread(found, path) for path in (complaint.path, *complaint.because)):
            found.add(complaint.path, complaint.message)


def _unmet(found: Found, document: Document) -> Iterator[Complaint]:
    """Keys that were given where nothing reads them."""
    for table, path in walk(document_table(), document):
        for key, only in unmet(table).items():
            if found.given((*path, key)):
                yield Complaint((*path, key), only.why, ((*path, only.beside),))


def _unread(found: Found, path: Path) -> bool:
    """Whether this key or a table around it could not be read."""
    return any(path[:length] in found.unread for length in range(1, len(path) + 1))
