"""Everything that a configuration names outside of itself is found, with its key's path."""

from __future__ import annotations

from twisted_lb.config.document import Document, WrittenFrontend
from twisted_lb.config.named import files, names, outputs
from twisted_lb.config.settings import (
    Backend,
    BackendTls,
    Check,
    FrontendTls,
    Live,
    Log,
    ServerRule,
    ShownCertificate,
)

SHOWN = (ShownCertificate("a.pem"), ShownCertificate("b.pem", "b.key"))


def fronts(*frontends: WrittenFrontend, access: str = "stdout") -> Document:
    return Document(frontends, log=Log(access))


def test_files_of_tls_that_ends_here_must_be_readable() -> None:
    ends = WrittenFrontend(
        "b", tls=FrontendTls("terminate", SHOWN, clients="required", ca="ca.pem")
    )
    assert list(files(fronts(WrittenFrontend("a"), ends))) == [
        (("frontend", 1, "tls", "certificate", 0, "file"), "a.pem"),
        (("frontend", 1, "tls", "certificate", 1, "file"), "b.pem"),
        (("frontend", 1, "tls", "certificate", 1, "key"), "b.key"),
        (("frontend", 1, "tls", "ca"), "ca.pem"),
    ]


def test_files_that_nobody_reads_need_not_be_there() -> None:
    passes = WrittenFrontend("a", tls=FrontendTls("pass", SHOWN, ca="ca.pem"))
    clear = Backend("pool", (), tls=BackendTls("off", "ca.pem", "", "a.pem", "a.key"))
    assert list(files(Document((passes,), {}, (clear,)))) == []


def test_files_for_servers_must_be_readable() -> None:
    backend = Backend(
        "pool",
        (),
        tls=BackendTls("on", "t-ca", "", "t-certificate", "t-key"),
        check=Check(ca="c-ca", password_file="c-password"),
        live=Live(ca="l-ca"),
    )
    assert list(files(Document(backends=(backend,)))) == [
        (("backend", 0, "tls", "ca"), "t-ca"),
        (("backend", 0, "tls", "certificate"), "t-certificate"),
        (("backend", 0, "tls", "key"), "t-key"),
        (("backend", 0, "check", "ca"), "c-ca"),
        (("backend", 0, "check", "password_file"), "c-password"),
        (("backend", 0, "live", "ca"), "l-ca"),
    ]


def test_names_of_servers_must_resolve_and_addresses_and_missing_ones_need_not() -> None:
    servers = (ServerRule("a", "2001:db8::1"), ServerRule("b", "ftp.example"), ServerRule("c", ""))
    assert list(names(Document(backends=(Backend("pool", servers),)))) == [
        (("backend", 0, "server", 1, "host"), "ftp.example")
    ]


def test_logs_are_written_where_they_are_files() -> None:
    observing = WrittenFrontend("a", observe="seen.json")
    assert list(outputs(fronts(observing, access="access.json"))) == [
        (("log", "access"), "access.json"),
        (("frontend", 0, "observe"), "seen.json"),
    ]
    for access in ("stdout", "off"):
        assert list(outputs(fronts(WrittenFrontend("a"), access=access))) == []
