"""Which release of a package runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as _installed


def version(package: str = "twisted-lb") -> str:
    """As it was installed; a checkout that is only put on the path has none."""
    try:
        return _installed(package)
    except PackageNotFoundError:
        return "unknown"
