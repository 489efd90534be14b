"""Asks an admin endpoint: a request in, what it answers as JSON out. Blocking, with a deadline.

Where it is: a unix socket's path, or `http://host:port`; of a command's options, the environment's
LB_PROXY_ADMIN, the configuration's `[admin]`, or where a package puts it.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import attrs

USUAL: Final = "/run/twisted-lb/admin.sock"
VARIABLE: Final = "LB_PROXY_ADMIN"
PATIENCE: Final = 10.0
"""Seconds that an answer may take: it is made in one turn of the balancer's loop."""


class Unreachable(Exception):
    """Nobody answers there; says where, why, and what to do."""


class Refused(Exception):
    """The endpoint does not do it; says why."""

    def __init__(self, status: int, told: Mapping[str, Any]) -> None:
        field = f"{told['field']} " if told.get("field") else ""
        super().__init__(f"{field}{told.get('error', status)}")
        self.status = status


@attrs.frozen
class Place:
    """Where an endpoint listens, and what it wants to be shown."""

    where: str
    token: str = attrs.field(default="", repr=False)

    def connection(self) -> http.client.HTTPConnection:
        """A new connection, not opened yet."""
        if self.where.startswith("http://"):
            return http.client.HTTPConnection(urlsplit(self.where).netloc, timeout=PATIENCE)
        return _UnixConnection(self.where)


def place(given: str, token_file: str, config: str, environment: Mapping[str, str]) -> Place:
    """Where to ask. Raises Unreachable for a file that cannot be used."""
    where = given or (_configured(config) if config else "") or environment.get(VARIABLE, "")
    token = _read(token_file).strip() if token_file else ""
    return Place(where or USUAL, token)


def _configured(config: str) -> str:
    try:
        admin = tomllib.loads(_read(config)).get("admin", {})
    except tomllib.TOMLDecodeError as why:
        raise Unreachable(f"{config}: is not TOML: {why}") from None
    listen = admin.get("listen", "")
    first = listen[0] if isinstance(listen, list) and listen else listen
    where = admin.get("socket") or (f"http://{first}" if first else "")
    if not where:
        raise Unreachable(f"{config}: has no [admin] with a socket: there is nobody to ask")
    return str(where)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as why:
        told = why.strerror if isinstance(why, OSError) else "is not UTF-8"
        raise Unreachable(f"{file}: cannot be read: {told}") from None


@attrs.frozen
class Client:
    """Asks one endpoint; a connection for each request."""

    place: Place

    def get(self, path: str, **query: object) -> Any:
        """What it answers. Raises Unreachable, Refused."""
        given = "&".join(f"{name}={quote(str(value))}" for name, value in query.items() if value)
        return self.ask("GET", f"{path}?{given}" if given else path)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The same for any request."""
        headers = {"Host": "localhost"} if not self.place.where.startswith("http://") else {}
        if self.place.token:
            headers["Authorization"] = f"Bearer {self.place.token}"
        raw = None
        if body is not None:
            raw, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = self.place.connection()
        try:
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as why:
            raise Unreachable(_advice(self.place.where, why)) from None
        except ValueError:
            raise Unreachable(f"{self.place.where}: no balancer answers there") from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise Refused(answer.status, told)
        return told


def path(*parts: str) -> str:
    """`/v1/…`, each part quoted."""
    return "/".join(["/v1", *(quote(part, safe="") for part in parts)])


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _advice(where: str, why: Exception) -> str:
    match why:
        case FileNotFoundError():
            told = "there is no such socket: does the balancer run, with it as [admin] socket?"
        case PermissionError():
            told = (
                f"permission denied: it is for the balancer's user and root, not uid {os.geteuid()}"
            )
        case ConnectionRefusedError():
            told = "nobody listens there: does the balancer run?"
        case TimeoutError():
            told = f"no answer within {PATIENCE:g} s"
        case _:
            told = str(why) or type(why).__name__
    return f"{where}: {told}"
