"""OpenSSL's words for what went wrong, in ours."""

from __future__ import annotations

from OpenSSL import SSL


def failure(error: BaseException | None) -> str | None:
    """OpenSSL's own reason when TLS is what ended a connection; else None."""
    if not isinstance(error, SSL.Error):
        return None
    queue = error.args[0] if error.args else None
    return f"TLS failed: {queue[-1][-1] if isinstance(queue, list) and queue else 'cut off'}"
