"""A dump tells all settings in force, and loads to the same settings."""

import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.configs import BACKEND, FRONTEND, FTP
from twisted_lb.config import settings as s
from twisted_lb.config.document import Document, WrittenFrontend, WrittenRoute, settle
from twisted_lb.config.dump import dump
from twisted_lb.config.load import load
from twisted_lb.config.tables import Plugins
from twisted_lb.terms import Address

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.toml"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_dumped_and_loaded_to_the_same(example: Path) -> None:
    settings = load(example.read_text(), example.name)
    assert load(dump(settings), "dump") == settings


def test_defaults_are_told() -> None:
    told = tomllib.loads(dump(load(BACKEND + FRONTEND, "f")))
    (frontend,), (backend,) = told["frontend"], told["backend"]
    assert frontend["listen"] == ["*:80"]
    assert frontend["backend"] == "pool"
    assert frontend["timeout"]["opening"] == "5s"
    assert frontend["timeout"]["idle"] == "never"
    assert backend["check"]["port"] == "auto"
    assert backend["server"][0]["maxconn"] == "unlimited"
    assert told["limits"] == {"sessions": 100000, "hold": "64KiB", "drain": "30s", "unread": "4MiB"}


def test_what_a_protocol_presets_is_told() -> None:
    (frontend,) = tomllib.loads(dump(load(BACKEND + FTP, "f")))["frontend"]
    assert (frontend["role"], frontend["timeout"]["idle"]) == ("control", "15m")


def test_keys_that_nothing_reads_are_left_out() -> None:
    told = tomllib.loads(dump(load(BACKEND + FRONTEND, "f")))
    assert "ftp" not in told["frontend"][0]
    assert "failback" not in told["backend"][0]
    assert "user" not in told["backend"][0]["check"]
    assert "group" not in told["frontend"][0]


def test_names_that_need_quotes_get_them() -> None:
    text = BACKEND + FRONTEND + '[group."a.b"]\nbackend = "pool"'
    settings = load(text, "f")
    assert '[group."a.b".role.any]' in dump(settings)
    assert load(dump(settings), "dump") == settings


def test_a_plugin_s_words_are_told() -> None:
    plugins = Plugins(policies=frozenset({"mine"}))
    settings = load(BACKEND + 'balance = "mine"' + FRONTEND, "f", plugins=plugins)
    assert load(dump(settings), "dump", plugins=plugins) == settings


# -- any settings ----------------------------------------------------------------------------------

SECONDS = st.integers(1, 10**8).map(lambda milliseconds: milliseconds / 1000)
OR_NEVER = st.none() | SECONDS
COUNTS = st.integers(1, 10_000_000)
NETWORKS = st.lists(
    st.sampled_from(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]).map(s.ipaddress.ip_network),
    max_size=2,
).map(tuple)
FILES = st.sampled_from(["", "/etc/ca.pem", 'odd "name" \\ \u263a'])

CHECKS = st.one_of(
    st.builds(s.Check, st.sampled_from(["off", "tcp"]), SECONDS, SECONDS, SECONDS, COUNTS),
    st.builds(
        s.Check,
        type=st.just("tls"),
        name=st.just("lb.example.com"),
        ca=FILES,
        expiry_warning=SECONDS,
        fall=COUNTS,
    ),
    st.builds(
        s.Check,
        type=st.just("ftp"),
        user=st.just("probe"),
        password_file=st.just("/etc/p"),
        data=st.booleans(),
    ),
).map(lambda check: attrs.evolve(check, port=21))

SERVERS = st.lists(
    st.builds(
        s.ServerRule,
        name=st.sampled_from(["a", "b-1", "c.d"]),
        host=st.sampled_from(["10.0.0.1", "2001:db8::1", "ftp.example.com"]),
        weight=st.integers(0, 256),
        maxconn=st.none() | st.integers(9, 10_000),
        state=st.sampled_from(["ready", "drain", "maintenance"]),
        send_proxy=st.sampled_from(["off", "v1", "v2"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda server: server.name,
).map(tuple)

BACKENDS = st.builds(
    s.Backend,
    name=st.just("pool"),
    servers=SERVERS,
    balance=st.sampled_from(["round-robin", "source-hash"]),
    on_down=st.sampled_from([None, "end", "keep"]),
    check=CHECKS,
    eject=st.builds(s.Eject, st.integers(0, 9), SECONDS),
    slow_start=st.just(0.0) | SECONDS,
    timeout=st.builds(s.BackendTimeout, SECONDS, SECONDS),
) | st.builds(
    s.Backend,
    name=st.just("pool"),
    servers=SERVERS,
    balance=st.just("first"),
    failback=st.sampled_from(["manual", "at-once"]),
    check=CHECKS,
)

ROLES = st.dictionaries(
    st.sampled_from(["data", "web", "notification"]),
    st.builds(s.RoleRule, st.booleans(), st.sampled_from(["same", 21, (5, 9)])),
).map(lambda roles: {"any": s.RoleRule(), **roles})

GROUPS = st.builds(
    s.Group,
    name=st.just("site"),
    backend=st.just("pool"),
    key=st.sampled_from([("alpn", "source"), ("alpn", "local-port")]),
    pattern=st.builds(
        s.Patterns,
        alpn=st.sampled_from(["(?P<session>.)", "x/(?P<session>'\"\\\\w+)"]),
        opening_bytes=st.integers(1, 16_384),
        opening_ends=st.sampled_from(["line", "bytes"]),
    ),
    source_prefix=st.builds(s.Prefix, st.integers(1, 32), st.integers(1, 128)),
    linger=st.just(0.0) | SECONDS,
    max_channels=st.integers(9, 99),
    roles=ROLES,
    grace=SECONDS,
    idle=OR_NEVER,
)

FTP_RULES = st.builds(
    s.FtpRules,
    server_ports=st.sampled_from([None, (50000, 50009)]),
    advertise=st.sampled_from([{}, {"default": "203.0.113.7", "10.0.0.0/8": "10.0.0.5"}]),
    server_data=st.sampled_from(["active", "same"]),
    data_timeout=SECONDS,
    stall_timeout=OR_NEVER,
    grace=SECONDS,
    sticky=st.just(("source",)),
    sticky_for=SECONDS,
    allowed_peers=NETWORKS,
)


def frontends(port: int, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[WrittenFrontend]:
    return st.builds(
        WrittenFrontend,
        name=st.just(f"front-{port}"),
        listen=st.sampled_from([(Address("*", port),), (Address("10.0.0.1", port),)]),
        allow=NETWORKS,
        deny=NETWORKS,
        maxconn=COUNTS,
        keepalive=OR_NEVER,
        user_timeout=OR_NEVER,
        **fields,
    )


FTP_FRONTENDS = frontends(
    21,
    protocol=st.just("ftp"),
    role=st.just("control"),
    backend=st.just("pool"),
    server_port=st.sampled_from(["same", 2121]),
    ftp=FTP_RULES,
    timeout=st.builds(s.FrontendTimeout, idle=OR_NEVER),
)
OWN_FRONTENDS = frontends(
    80,
    protocol=st.sampled_from(["opaque", "terminal"]),
    backend=st.just("pool"),
    server_port=st.sampled_from(["same", 8080, (8080, 8080)]),
    timeout=st.builds(s.FrontendTimeout, SECONDS, SECONDS, SECONDS, OR_NEVER),
)
GROUP_FRONTENDS = frontends(
    443,
    group=st.just("site"),
    tls=st.just(s.FrontendTls("pass")),
    proxy=st.just(s.ProxyIn("required", (s.ipaddress.ip_network("192.0.2.0/24"),))),
    routes=st.lists(
        st.builds(
            WrittenRoute,
            sni=st.sampled_from([("a.example",), ("b.example", "*.b.example"), ("c.example",)]),
            alpn=st.sampled_from([(), ("h2", "http/1.1")]),
            backend=st.just("pool"),
        ),
        max_size=2,
        unique_by=lambda route: route.sni,
    ).map(tuple),
)

DOCUMENTS = st.builds(
    Document,
    frontends=st.tuples(FTP_FRONTENDS, OWN_FRONTENDS, GROUP_FRONTENDS),
    groups=GROUPS.map(lambda group: {"site": group}),
    backends=BACKENDS.map(lambda backend: (backend,)),
    limits=st.builds(
        s.Limits, sessions=COUNTS, hold=st.integers(16_389, 1 << 20), drain=st.just(0.0) | SECONDS
    ),
    log=st.builds(s.Log, st.sampled_from(["off", "/var/log/lb.log"])),
    admin=st.sampled_from(
        [
            s.AdminEndpoint(),
            s.AdminEndpoint("/run/lb.sock"),
            s.AdminEndpoint("", (Address("127.0.0.1", 8404),), allow="act"),
            s.AdminEndpoint("/run/lb.sock", (Address("10.0.0.1", 8404),), "/etc/token"),
        ]
    ),
    takeover=st.sampled_from([s.Takeover(), s.Takeover("/run/takeover")]),
)


@given(DOCUMENTS)
def test_any_settings_are_dumped_and_loaded_to_the_same(document: Document) -> None:
    settings = settle(document)
    assert load(dump(settings), "dump") == settings
