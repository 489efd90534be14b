"""Counts sessions and channels on one way through their table: sessions in, figures out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import product
from typing import Final

from ..config.settings import Group
from ..session import Place, Session, State

STATES: Final = tuple(state for state in State if state is not State.GONE)
PLACES: Final = tuple(place for place in Place if place is not Place.GONE)
PINNED: Final = State.PINNED
JOINED: Final = Place.JOINED
"""Names of our own: in this loop an enum's attributes cost more than the counting."""


class Census:
    """What was counted. What these groups may have, and have none of, is 0, not missing."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self.sessions: Counter[tuple[str, ...]] = Counter()
        """By group and state."""
        self.channels: Counter[tuple[str, ...]] = Counter()
        """By group, role and place."""
        self.most: Counter[tuple[str, ...]] = Counter()
        """Channels of the session that has the most, by group."""
        for group in groups:
            self._expect(group)

    def _expect(self, group: Group) -> None:
        self.most[(group.name,)] = 0
        self.sessions.update({(group.name, state.value): 0 for state in STATES})
        for role, place in product(group.roles, PLACES):
            self.channels[group.name, role, place.value] = 0

    def count(self, sessions: Iterable[Session]) -> None:
        """What nearly all of them are, pinned and joined, is counted without a key to be made."""
        pinned: dict[str, int] = defaultdict(int)
        joined: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        most: dict[str, int] = defaultdict(int)
        for session in sessions:
            group, living = session.group.name, session.channels
            if session.state is PINNED:
                pinned[group] += 1
            else:
                self.sessions[group, session.state.value] += 1
            roles = joined[group]
            for channel in living:
                if channel.place is JOINED:
                    roles[channel.role] += 1
                else:
                    self.channels[group, channel.role, channel.place.value] += 1
            if len(living) > most[group]:
                most[group] = len(living)
        self.sessions.update({(g, PINNED.value): count for g, count in pinned.items()})
        for group, roles in joined.items():
            self.channels.update({(group, role, JOINED.value): n for role, n in roles.items()})
        self.most.update({(group,): count for group, count in most.items()})
