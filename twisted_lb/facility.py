"""The process' log by facility: which of our rooms says what, from which level on.

In: a module's name. Out: its Logger. A facility is a module or package of ours, `connection`,
`health`, `health.watch`; a level set for a package counts for its modules that have none of their
own. What Twisted itself logs passes by here.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogPublisher,
)

OURS: Final = "twisted_lb"
LEVELS: Final = ("debug", "info", "warn", "error", "critical")

_predicate: Final = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)
_observer: Final = FilteringLogObserver(globalLogPublisher, [_predicate])
_known: Final[set[str]] = set()
_set: Final[dict[str, str]] = {}


class _Ours(Logger):
    """Says nothing fast: most of what connections have to say is for when somebody asks."""

    debugging = False
    """Whether any facility is asked to say all."""

    def debug(self, format: str | None = None, **kwargs: object) -> None:
        if _Ours.debugging:
            super().debug(format, **kwargs)


def logger(module: str) -> Logger:
    """Of this module, `__name__`; says what its facility's level lets through."""
    _known.add(module.removeprefix(f"{OURS}."))
    return _Ours(namespace=module, observer=_observer)


def facilities() -> tuple[str, ...]:
    """All that can be named: modules that log, and their packages."""
    packages = {name.rpartition(".")[0] for name in _known if "." in name}
    return tuple(sorted(_known | packages))


def levels() -> dict[str, str]:
    """What is in force: `all`, and each facility that has a level of its own."""
    return {"all": _predicate.logLevelForNamespace(OURS).name, **_set}


def set_level(facility: str, level: str) -> None:
    """From this level on it is said; `all`: of every facility, none has one of its own any more.

    Raises ValueError for a facility or level that there is not.
    """
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}: {', '.join(LEVELS)}")
    wanted = LogLevel.levelWithName(level)
    if facility == "all":
        _predicate.clearLogLevels()
        _set.clear()
        _predicate.setLogLevelForNamespace(OURS, wanted)
    elif facility in facilities():
        _predicate.setLogLevelForNamespace(f"{OURS}.{facility}", wanted)
        _set[facility] = level
    else:
        raise ValueError(f"there is no facility {facility!r}: all, {', '.join(facilities())}")
    _Ours.debugging = "debug" in levels().values()
