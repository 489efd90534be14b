"""What a token grants, and whether an opening line stays within it. Sans-I/O.

In: a Grant (a verified token), the opening line, the client's certificate. Out: nothing, or Denied
with the word for the log. The client hears the same of every word but one: that a token is good and
its destination is not is said, since whoever gave the token has to mend that.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

import attrs

from ..terms import Address, Role
from .openingline import Opening
from .sessionid import belongs


class Denied(Exception):
    """A token is not taken. `word` is for the log: malformed, bad-signature, expired …

    `detail` may say more to whoever mends it; it holds nothing of the token that is secret.
    """

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(word, detail)
        self.word = word
        self.detail = detail


@attrs.frozen
class Grant:
    """What a token says of its bearer."""

    user: str
    session: str
    """The `sid`; its parallel sessions are `sid.n`."""
    destination: Address
    roles: frozenset[Role]
    parallel: int = 1
    thumbprint: str = ""
    """Of the certificate that the client has to show; empty: the token is bound to no key."""


Verify = Callable[[str], Grant]
"""A token → what it grants, verified now. Raises Denied."""


def check(grant: Grant, opening: Opening, thumbprint: str, unbound: bool) -> None:
    """Whether this client may open this channel. Raises Denied.

    `thumbprint` is of the certificate that the client showed; `unbound` allows tokens without.
    """
    if opening.role not in grant.roles:
        raise Denied("wrong-role")
    if not belongs(opening.session, grant.session, grant.parallel):
        raise Denied("wrong-session")
    if not grant.thumbprint and not unbound:
        raise Denied("unbound")
    if grant.thumbprint and not hmac.compare_digest(grant.thumbprint, thumbprint):
        raise Denied("wrong-key")
