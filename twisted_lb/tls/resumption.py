"""The TLS session that one FTP session's connections to its server go on with, and nobody else's
(RFC 4217 section 10.2; T65, T67).

In: a control connection, then each data connection that has ended. Out: what the next one resumes.
"""

from __future__ import annotations

from typing import Any, Final

from OpenSSL import SSL

_lib: Final[Any] = SSL._lib  # type: ignore[attr-defined]
_ffi: Final[Any] = SSL._ffi  # type: ignore[attr-defined]


class Resumption:
    """It is the newest session that the server gave: tickets come after the handshake, and are used
    once (RFC 8446 appendix C.4). Until a data connection brings one, it is the control
    connection's.
    """

    def __init__(self, control: SSL.Connection) -> None:
        self._control = control
        self._newest: SSL.Session | None = None

    def next(self) -> SSL.Session | None:
        """The one to go on with; None when the server gave none."""
        newest = self._newest or self._control.get_session()
        return copied(newest) if newest is not None else None

    def learn(self, connection: SSL.Connection) -> None:
        """This connection has ended, in order or not."""
        newest = connection.get_session()
        self._newest = copied(newest) if newest is not None else self._newest


def copied(session: SSL.Session) -> SSL.Session:
    """One that stays good: OpenSSL spoils the session of a connection that is cut off, and with it
    every other connection's that shares it. pyOpenSSL has no copy of its own.
    """
    source: Any = session
    size = _lib.i2d_SSL_SESSION(source._session, _ffi.NULL)
    text = _ffi.new("unsigned char[]", size)
    _lib.i2d_SSL_SESSION(source._session, _ffi.new("unsigned char **", text))
    read = _lib.d2i_SSL_SESSION(_ffi.NULL, _ffi.new("unsigned char **", text), size)
    assert read != _ffi.NULL, "what OpenSSL wrote it reads"
    twin: Any = SSL.Session.__new__(SSL.Session)
    twin._session = _ffi.gc(read, _lib.SSL_SESSION_free)
    twin._context = source._context
    return twin  # type: ignore[no-any-return]
