"""How tests cut a parser's input: byte by byte, and the verdict must stand ever after."""

from collections.abc import Callable
from typing import Any

from twisted_lb.errors import WireError
from twisted_lb.terms import MORE


def verdict(parse: Callable[[bytes], Any], data: bytes) -> Any:
    """What `parse` says of `data`: a value, MORE, or WireError (the class)."""
    try:
        return parse(data)
    except WireError:
        return WireError


def settled(parse: Callable[[bytes], Any], data: bytes) -> tuple[int, Any]:
    """After how many bytes the verdict falls, and which; asserts that no later byte changes it.

    The number is len(data) + 1 when it is MORE to the end.
    """
    verdicts = [verdict(parse, data[:length]) for length in range(len(data) + 1)]
    fell = next((n for n, each in enumerate(verdicts) if each is not MORE), len(verdicts))
    assert all(each == verdicts[fell] for each in verdicts[fell:])
    return fell, verdicts[fell] if fell < len(verdicts) else MORE
