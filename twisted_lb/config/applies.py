"""Keys that mean something only beside another one: a table of conditions.

Sans-I/O. Used twice: a key that was given where nothing reads it is an error, and a dump of the
settings in force leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from .document import WrittenFrontend
from .settings import AdminEndpoint, Backend, BackendTls, Check, FrontendTls, FtpRules, ProxyIn


@attrs.frozen(eq=False)
class Only:
    """Keys of one class that are read only under a condition."""

    cls: type
    keys: tuple[str, ...]
    beside: str
    """The key that the condition looks at."""
    when: Callable[[Any], bool]
    why: str


ONLY: Final = (
    Only(
        AdminEndpoint,
        ("token_file", "allow"),
        "listen",
        lambda admin: bool(admin.listen),
        "is for who comes by TCP: it is read only with `listen`",
    ),
    Only(
        WrittenFrontend,
        ("ftp",),
        "protocol",
        lambda frontend: frontend.protocol == "ftp",
        'is read only with `protocol = "ftp"`',
    ),
    Only(
        WrittenFrontend,
        ("observe",),
        "protocol",
        lambda frontend: frontend.protocol != "ftp",
        'is for what is not understood; of `protocol = "ftp"` the access log tells all',
    ),
    Only(
        WrittenFrontend,
        ("server_port",),
        "backend",
        lambda frontend: bool(frontend.own_groups),
        "belongs to a frontend with `backend`; with a group it stands in [group.NAME.role.ROLE]",
    ),
    Only(
        ProxyIn,
        ("trusted", "bare_data"),
        "mode",
        lambda proxy: proxy.mode == "required",
        'is read only with `mode = "required"`',
    ),
    Only(
        FtpRules,
        ("server_ports",),
        "server_data",
        lambda ftp: ftp.server_data != "passive",
        'is for data connections from servers: `server_data = "active"` or "same"',
    ),
    Only(
        FtpRules,
        ("sticky_for",),
        "sticky",
        lambda ftp: bool(ftp.sticky),
        "is read only with `sticky`",
    ),
    Only(
        Backend,
        ("failback",),
        "balance",
        lambda backend: backend.balance == "first",
        'is read only with `balance = "first"`',
    ),
    Only(
        FrontendTls,
        ("certificate", "strict_sni", "clients", "alpn", "minimum", "ciphers"),
        "mode",
        lambda tls: tls.ends,
        'is read only with `mode = "terminate"` or "starttls"',
    ),
    Only(
        FrontendTls,
        ("required",),
        "mode",
        lambda tls: tls.mode == "starttls",
        'is read only with `mode = "starttls"`; with "terminate" there is nothing but TLS',
    ),
    Only(
        FrontendTls,
        ("ca",),
        "clients",
        lambda tls: tls.clients in ("optional", "required"),
        'is read only with `clients = "optional"` or "required"',
    ),
    Only(
        BackendTls,
        ("data", "ca", "identity", "certificate", "key", "alpn", "minimum", "ciphers"),
        "mode",
        lambda tls: tls.mode != "off",
        'is read only with a `mode` that is not "off"',
    ),
    Only(
        Check,
        ("name", "ca", "expiry_warning"),
        "type",
        lambda check: check.type in ("tls", "off"),
        'is read only with `type = "tls"`',
    ),
    Only(
        Check,
        ("user", "password_file", "data"),
        "type",
        lambda check: check.type in ("ftp", "off"),
        'is read only with `type = "ftp"`',
    ),
)


def unmet(value: Any) -> dict[str, Only]:
    """The keys of this table that nothing reads, each with the condition that is not met."""
    return {
        key: only
        for only in ONLY
        if type(value) is only.cls and not only.when(value)
        for key in only.keys
    }
