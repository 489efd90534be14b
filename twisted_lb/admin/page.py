"""The status page: one file with all that it needs, and the policy that lets it do nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

PAGE: Final = files(__package__).joinpath("page.html").read_bytes()


def _hashes(element: str) -> str:
    """Of what the page has between tags of this kind, as a policy names them."""
    inside = re.findall(rf"<{element}[^>]*>(.*?)</{element}>".encode(), PAGE, re.DOTALL)
    digests = (b64encode(sha256(text).digest()).decode() for text in inside)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


POLICY: Final = (
    f"default-src 'none'; connect-src 'self'; script-src {_hashes('script')}; "
    f"style-src {_hashes('style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
).encode()
"""Content-Security-Policy: whatever a peer's name or address contains, nothing of it runs."""
