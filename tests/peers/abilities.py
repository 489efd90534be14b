"""Which cells each client has, and why it has no others."""

from __future__ import annotations

from itertools import product, starmap

from tests.peers.cells import MODES, OPERATIONS, Cell, Tls
from tests.peers.clients import CLIENTS

IPV4 = "is a command of IPv4"

CANNOT = {
    ("curl", "*", "resume-upload"): "resumes an upload by APPE",
    ("lftp", "EPRT", "*"): "uses PORT on IPv4",
    ("lftp", "*", "append"): "has no APPE",
    ("ncftp", "EPSV", "*"): "has no EPSV",
    ("ncftp", "EPRT", "*"): "has no EPRT",
    ("ncftp", "*", "abort"): "aborts only at a terminal",
    ("wget", "EPSV", "*"): "uses PASV on IPv4",
    ("wget", "EPRT", "*"): "uses PORT on IPv4",
    ("wget", "*", "upload"): "only downloads",
    ("wget", "*", "append"): "only downloads",
    ("wget", "*", "resume-upload"): "only downloads",
    ("wget", "*", "abort"): "never aborts",
    ("aioftp", "PORT", "*"): "has no active mode",
    ("aioftp", "EPRT", "*"): "has no active mode",
    ("basic-ftp", "PORT", "*"): "has no active mode",
    ("basic-ftp", "EPRT", "*"): "has no active mode",
    ("basic-ftp", "*", "resume-upload"): "resumes an upload by APPE",
    ("basic-ftp", "*", "abort"): "aborts by closing the session",
}
"""(client, mode, operation) → why it has no such cell."""

CANNOT_6 = {("ncftp", "*", "*"): "has no IPv6", ("*", "PASV", "*"): IPV4, ("*", "PORT", "*"): IPV4}
"""The same on IPv6, where what CANNOT says of IPv4 does not hold."""


def cannot(cell: Cell) -> str:
    """Why the client has no such cell; empty when it has."""
    only = {key: why for key, why in CANNOT.items() if "IPv4" not in why}
    table = CANNOT if cell.family == 4 else only | CANNOT_6
    asked = product((cell.client, "*"), (cell.mode, "*"), (cell.operation, "*"))
    return next((table[key] for key in asked if key in table), "")


CANNOT_TLS = {
    ("ncftp", "*", "*"): "has no TLS",
    ("tnftp", "*", "*"): "has TLS for HTTP only",
    ("wget", "*", "*"): "was not tried: it only downloads",
}
"""In TLS, beside what CANNOT says."""

CANNOT_CLEAR = {
    ("aioftp", "*", "*"): "always protects data",
    ("basic-ftp", "*", "*"): "always protects data",
}
"""In TLS with data in the clear."""


def tls_cells(tls: Tls | None) -> list[Cell]:
    """Both directions in every mode, by clients that do so."""
    private = tls is None or tls.private
    table = CANNOT_TLS if private else CANNOT_TLS | CANNOT_CLEAR
    return [
        cell
        for cell in cells()
        if (cell.client, "*", "*") not in table and cell.operation in ("upload", "download")
    ]


def cells(family: int = 4) -> list[Cell]:
    """Every cell that some client has."""
    every = starmap(Cell, product(CLIENTS, MODES, OPERATIONS, [family]))
    return [cell for cell in every if not cannot(cell)]
