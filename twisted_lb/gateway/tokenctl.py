"""`lb-proxyctl token keygen | issue | show`: an issuer's key, tokens by hand, what a token says.

In: the command line and files. Out: files, a token, or a report; exit status 0, 1 when something is
wrong, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..config.units import duration
from ..config.values import Refused
from ..terms import Address
from ..tls.facts import thumbprint
from .grants import Grant
from .keys import ALGORITHMS, SigningKey, generate, trusted
from .openingline import ROLES
from .token import TOKEN_MOST, Trust, issue
from .tokenclaims import PARALLEL_MOST, Claims, destination
from .tokenlook import look

FTP: Final = ("control", "data", "notification")
_LIFETIME: Final = duration(1.0)


def main(arguments: Sequence[str], name: str) -> int:
    """Run one of the three; returns the exit status."""
    options = _parser(name).parse_args(arguments)
    try:
        status: int = options.run(options)
    except OSError as why:
        print(f"{name}: {why.filename}: {why.strerror}", file=sys.stderr)
        return 1
    except ValueError as why:
        print(f"{name}: {why}", file=sys.stderr)
        return 1
    return status


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(name)
    commands = parser.add_subparsers(metavar="keygen|issue|show", required=True)
    keygen = commands.add_parser("keygen", help="make an issuer's key and its certificate")
    keygen.set_defaults(run=_keygen)
    keygen.add_argument("--issuer", required=True, help="who issues: iss, and the certificate's CN")
    keygen.add_argument("--algorithm", choices=ALGORITHMS, default="EdDSA")
    keygen.add_argument("--days", type=_days, default=730.0, help="the certificate's (default 730)")
    keygen.add_argument("--key", required=True, metavar="FILE", help="where the key goes, 0600")
    keygen.add_argument("--certificate", required=True, metavar="FILE", help="for the proxies")
    _add_issue(commands.add_parser("issue", help="sign a token and print it"))
    show = commands.add_parser("show", help="say what a token says, and what is wrong with it")
    show.set_defaults(run=_show)
    show.add_argument("token", nargs="?", default="-", metavar="FILE", help="default: stdin")
    show.add_argument("--trusted", nargs="+", default=[], metavar="FILE", help="issuers' PEM files")
    show.add_argument("--audience", default="", help="the front-end's name, as the proxy has it")
    show.add_argument("--issuer", default="", help="the only issuer that is taken")
    show.add_argument("--leeway", type=_seconds, default=30.0, help="default 30s")
    return parser


def _add_issue(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_issue)
    parser.add_argument("--key", required=True, metavar="FILE", help="the issuer's private key")
    parser.add_argument("--issuer", required=True)
    parser.add_argument("--audience", required=True, nargs="+", help="names of the front-end")
    parser.add_argument("--user", required=True)
    parser.add_argument("--destination", required=True, type=_place, metavar="HOST:PORT")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--roles", nargs="+", choices=ROLES, default=["terminal"])
    what.add_argument("--ftp", dest="roles", action="store_const", const=list(FTP))
    parser.add_argument("--lifetime", type=_seconds, default=8 * 3600.0, help="default 8h")
    parser.add_argument("--parallel", type=_parallel, default=1, help="sessions at once")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument(
        "--bind", metavar="FILE", help="the client's certificate: only who has its key"
    )
    key.add_argument("--unbound", action="store_true", help="anybody who sees the token can use it")


# -- keygen ----------------------------------------------------------------------------------------


def _keygen(options: argparse.Namespace) -> int:
    key, certificate = generate(options.algorithm, options.issuer, options.days, _now())
    _create(options.key, key, 0o600)
    _create(options.certificate, certificate, 0o644)
    print(f"{options.key}: the private key ({options.algorithm}); it signs tokens, keep it there")
    print(f"{options.certificate}: its certificate; security proxies trust it (tokens.trusted)")
    print(f"kid: {SigningKey.of(key, options.key).id}")
    return 0


def _create(name: str, data: bytes, mode: int) -> None:
    """Write a file that must not exist: a key that is lost is lost."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(name, flags, mode), "wb") as file:
        file.write(data)


# -- issue -----------------------------------------------------------------------------------------


def _issue(options: argparse.Namespace) -> int:
    now = int(_now())
    claims = Claims(
        issuer=options.issuer,
        audience=tuple(options.audience),
        grant=Grant(
            user=options.user,
            session=token_urlsafe(16),
            destination=options.destination,
            roles=frozenset(options.roles),
            parallel=options.parallel,
            thumbprint=_bound_to(options.bind) if options.bind else "",
        ),
        issued=now,
        not_before=now,
        expires=now + int(options.lifetime),
        id=token_urlsafe(16),
    )
    print(issue(claims, SigningKey.of(Path(options.key).read_bytes(), options.key)))
    return 0


def _bound_to(name: str) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(Path(name).read_bytes())
    except ValueError:
        raise ValueError(f"{name}: no certificate in PEM form") from None
    return thumbprint(certificate.public_bytes(Encoding.DER))


# -- show ------------------------------------------------------------------------------------------


def _show(options: argparse.Namespace) -> int:
    text = _read_token(options.token)
    keys = tuple(key for name in options.trusted for key in trusted(Path(name).read_bytes(), name))
    seen = look(text, Trust(keys, options.audience, options.issuer, options.leeway), _now())
    print("\n".join(seen.lines))
    return 1 if seen.wrong else 0


def _read_token(name: str) -> str:
    with sys.stdin.buffer if name == "-" else open(name, "rb") as file:
        data = file.read(TOKEN_MOST + 2)
    return data.decode("ascii", "replace").strip()


# -- arguments -------------------------------------------------------------------------------------


def _now() -> float:
    return time.time()


def _seconds(text: str) -> float:
    try:
        return float(_LIFETIME.read(text))
    except Refused as why:
        raise argparse.ArgumentTypeError(_LIFETIME.explain(text, why.why)) from None


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError("from 1 to 36500 days")
    return days


def _parallel(text: str) -> int:
    count = int(text)
    if not 1 <= count <= PARALLEL_MOST:
        raise argparse.ArgumentTypeError(f"from 1 to {PARALLEL_MOST}")
    return count


def _place(text: str) -> Address:
    try:
        return destination(text)
    except ValueError as why:
        raise argparse.ArgumentTypeError(str(why)) from None
