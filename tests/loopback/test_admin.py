"""What operators and their programs see of a running balancer, and what they can do to it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.conftest import Errors
from tests.loopback.admins import Admin, socket_in
from tests.loopback.site import LIMITS, Site, Talk, backend
from twisted_lb.admin.routes import ROUTES
from twisted_lb.config.settings import AdminEndpoint, Frontend, Group, RoleRule, Settings
from twisted_lb.facts import Announced, AttackSeen, ConnectionEnded
from twisted_lb.listeners import CannotListen
from twisted_lb.terms import Address

ANYWHERE = (Address("127.0.0.1", 0),)
TOKEN = "correct horse battery staple"


def settings(port: int, **group: Any) -> Settings:
    """Sessions by source over two frontends, before two servers."""
    roles = {"control": RoleRule(True, port), "data": RoleRule(server_port=port)}
    fronts = tuple(Frontend(role, ANYWHERE, group="ftp", role=role) for role in roles)
    return Settings(
        fronts,
        {"ftp": Group("ftp", "pool", linger=0.0, roles=roles, **group)},
        {"pool": backend("pool", "127.0.0.2", "127.0.0.3")},
        LIMITS,
    )


@pytest_twisted.async_yield_fixture()
async def admin(site: Site, tmp_path: Path) -> AsyncIterator[Admin]:
    """A site that runs, and its endpoint: a unix socket, and TCP to read."""
    site.start(settings(site.serve("127.0.0.2", "127.0.0.3")))
    admin = Admin(site, attrs.evolve(socket_in(tmp_path), listen=ANYWHERE))
    yield admin
    await admin.stop()


async def session(site: Site, source: str = "127.0.0.1") -> tuple[Talk, Talk]:
    """A session of two channels, each of which has said a word."""
    channels = []
    for role in ("control", "data"):
        client = await site.client(role, source)
        client.says(b"word")
        channels.append(client)
    return channels[0], channels[1]


# -- reading ---------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_the_status_tells_what_is_there(admin: Admin) -> None:
    before = await admin.get("/v1/status")
    assert (before["state"], before["generation"], before["version"]) == ("running", 1, "1.2.3")
    assert (before["servers"], before["servers_up"], before["channels_astray"]) == (2, 2, 0)
    await session(admin.site)
    await admin.site.until(lambda: len(admin.site.balancer.stories) == 2)
    after = await admin.get("/v1/status")
    assert (after["connections"], after["sessions"]) == (2, 1)


@pytest_twisted.ensureDeferred
async def test_a_session_is_told_with_its_channels_and_what_they_moved(admin: Admin) -> None:
    await session(admin.site)
    heard = lambda: sum(len(t.heard) for host in admin.site.hosts for t in host.talks)  # noqa: E731
    await admin.site.until(lambda: heard() == 8)
    [told] = (await admin.get("/v1/sessions"))["sessions"]
    assert (told["group"], told["backend"], told["state"]) == ("ftp", "pool", "pinned")
    assert told["clients"] == ["127.0.0.1"]
    assert told["roles"] == {"control": 1, "data": 1}
    assert told["from_client"] == 8
    assert [each["frontend"] for each in told["channels"]] == ["control", "data"]
    assert [each["from_client"] for each in told["channels"]] == [4, 4]
    assert await admin.get(f"/v1/sessions/{told['id']}") == {
        **told,
        "seconds": pytest.approx(told["seconds"], abs=2.0),
        "channels": [
            {**each, "seconds": pytest.approx(each["seconds"], abs=2.0)}
            for each in told["channels"]
        ],
    }


@pytest_twisted.ensureDeferred
async def test_sessions_come_in_pages_and_by_what_is_asked_for(admin: Admin) -> None:
    for number in range(5):
        await session(admin.site, f"127.0.1.{number}")
    await admin.site.until(lambda: len(admin.site.balancer.claims.sessions) == 5)
    seen, after = [], ""
    while True:
        page = await admin.get(f"/v1/sessions?limit=2{after}")
        seen += [one["id"] for one in page["sessions"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(seen) == len(set(seen)) == 5
    [one] = (await admin.get("/v1/sessions?client=127.0.1.3"))["sessions"]
    assert one["clients"] == ["127.0.1.3"]
    servers = [s["server"] for s in (await admin.get("/v1/sessions?backend=pool"))["sessions"]]
    for name in ("a", "b"):
        found = (await admin.get(f"/v1/sessions?server={name}"))["sessions"]
        assert len(found) == servers.count(name)
    for nobody in ("group=other", "state=lingering", "backend=other", "client=127.0.0.77"):
        assert (await admin.get(f"/v1/sessions?{nobody}"))["sessions"] == []


@pytest_twisted.ensureDeferred
async def test_pages_go_on_after_a_session_that_is_gone_meanwhile(admin: Admin) -> None:
    for number in range(3):
        await session(admin.site, f"127.0.1.{number}")
    await admin.site.until(lambda: len(admin.site.balancer.claims.sessions) == 3)
    page = await admin.get("/v1/sessions?limit=2")
    await admin.ask("DELETE", f"/v1/sessions/{page['next']}")
    rest = await admin.get(f"/v1/sessions?after={page['next']}")
    assert len(rest["sessions"]) == 1


@pytest_twisted.ensureDeferred
async def test_frontends_and_the_configuration_are_told(admin: Admin) -> None:
    control, data = (await admin.get("/v1/frontends"))["frontends"]
    assert control["name"], data["name"] == ("control", "data")
    assert control["listening"] == [str(admin.site.balancer.address("control"))]
    told = await admin.get("/v1/configuration")
    assert told["generation"] == 1
    assert 'name = "pool"' in told["toml"]


@pytest_twisted.ensureDeferred
async def test_the_document_has_every_route_and_no_other(admin: Admin) -> None:
    told = await admin.get("/v1/openapi.json")
    there = {(route.path, route.method.lower()) for route in ROUTES}
    assert {(path, method) for path, ways in told["paths"].items() for method in ways} == there
    for path, ways in told["paths"].items():
        fields = set(re.findall(r"\{(\w+)\}", path))
        for way in ways.values():
            assert {p["name"] for p in way["parameters"] if p["in"] == "path"} == fields


@pytest_twisted.ensureDeferred
async def test_the_page_is_there_and_may_run_nothing_but_itself(admin: Admin) -> None:
    found = await admin.ask("GET", "/")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"://" not in re.sub(rb"http://www\.w3\.org/\S+", b"", found.body), "outside assets"


@pytest_twisted.ensureDeferred
async def test_head_is_get_without_a_body(admin: Admin) -> None:
    found = await admin.ask("HEAD", "/v1/status")
    assert (found.status, found.body) == (200, b"")


# -- acting ----------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_a_server_is_drained_and_taken_back(admin: Admin) -> None:
    """And what was done to it is remembered, with who did it."""
    found = await admin.ask("PATCH", "/v1/servers/pool/a", {"admin": "drain"})
    assert (found.status, found.json["state"]) == (200, "drain")
    for number in range(4):
        await session(admin.site, f"127.0.2.{number}")
    await admin.site.until(lambda: len(admin.site.balancer.stories) == 8)
    a, b = (await admin.get("/v1/servers"))["servers"]
    assert (a["sessions"], b["sessions"]) == (0, 4)
    await admin.ask("PATCH", "/v1/servers/pool/a", {"admin": "ready", "weight": 7})
    told = await admin.get("/v1/servers/pool/a")
    assert (told["state"], told["weight"]) == ("up", 7)
    assert [each["state"] for each in told["history"]] == ["drain", "ready", "weight"]
    assert all(f"uid {os.getuid()}" in each["reason"] for each in told["history"])


@pytest_twisted.ensureDeferred
async def test_a_session_is_ended_with_all_its_channels(admin: Admin) -> None:
    control, data = await session(admin.site)
    await admin.site.until(lambda: len(admin.site.balancer.stories) == 2)
    [told] = (await admin.get("/v1/sessions"))["sessions"]
    found = await admin.ask("DELETE", f"/v1/sessions/{told['id']}")
    assert (found.status, found.json["id"]) == (200, told["id"])
    await control.gone()
    await data.gone()
    assert admin.site.endings(ConnectionEnded) == ["killed"] * 2
    assert (await admin.ask("DELETE", f"/v1/sessions/{told['id']}")).status == 404


@pytest_twisted.ensureDeferred
async def test_a_reload_is_done_or_said_why_not(admin: Admin) -> None:
    assert (await admin.ask("POST", "/v1/reload")).json["generation"] == 2
    admin.refusal = "lb.toml:7: frontend[web].listen: is missing"
    found = await admin.ask("POST", "/v1/reload", {})
    assert (found.status, found.json) == (409, {"error": admin.refusal})


@pytest_twisted.ensureDeferred
async def test_the_process_is_told_to_end(admin: Admin) -> None:
    assert (await admin.ask("POST", "/v1/shutdown")).status == 202
    assert (await admin.ask("POST", "/v1/shutdown", {"deadline": 1.5})).status == 202
    assert admin.stopped == [None, 1.5]


@pytest_twisted.ensureDeferred
async def test_failing_back_is_for_a_policy_that_knows_a_primary(admin: Admin) -> None:
    found = await admin.ask("POST", "/v1/backends/pool/fail-back")
    assert (found.status, found.json["error"]) == (409, "backend pool: its policy knows no primary")
    assert (await admin.ask("POST", "/v1/backends/other/fail-back")).status == 404


@pytest_twisted.ensureDeferred
async def test_a_facility_is_let_say_more(admin: Admin) -> None:
    found = await admin.ask("PATCH", "/v1/log", {"facility": "health", "level": "debug"})
    assert found.json["levels"] == {"all": "info", "health": "debug"}
    assert (await admin.ask("PATCH", "/v1/log", {"level": "info"})).status == 200
    assert (await admin.get("/v1/log"))["levels"] == {"all": "info"}


# -- what is wrong ---------------------------------------------------------------------------------

WRONG = [
    ("GET", "/v1/nothing", None, 404, ""),
    ("GET", "/v1/servers/pool/z", None, 404, ""),
    ("GET", "/v1/servers/pool", None, 404, ""),
    ("GET", "/v1/servers/%ff/a", None, 400, "path"),
    ("GET", "/v1/sessions/nobody", None, 404, ""),
    ("GET", "/v1/sessions?limit=0", None, 400, "limit"),
    ("GET", "/v1/sessions?limit=x", None, 400, "limit"),
    ("GET", "/v1/sessions?limit=", None, 400, "limit"),
    ("GET", "/v1/sessions?limit=1&limit=2", None, 400, "limit"),
    ("GET", "/v1/sessions?state=gone", None, 400, "state"),
    ("GET", "/v1/sessions?after=zz", None, 400, "after"),
    ("GET", "/v1/sessions?color=red", None, 400, "color"),
    ("GET", "/v1/sessions?client=" + "x" * 300, None, 400, "client"),
    ("POST", "/v1/status", None, 405, ""),
    ("OPTIONS", "/v1/status", None, 405, ""),
    ("PATCH", "/v1/servers/pool/a", None, 400, "body"),
    ("PATCH", "/v1/servers/pool/a", {}, 400, "body"),
    ("PATCH", "/v1/servers/pool/a", [], 400, "body"),
    ("PATCH", "/v1/servers/pool/a", b"{", 400, "body"),
    ("PATCH", "/v1/servers/pool/a", b"\xff", 400, "body"),
    ("PATCH", "/v1/servers/pool/a", b"[" * 4000, 400, "body"),
    ("PATCH", "/v1/servers/pool/a", b" " * 5000, 413, "body"),
    ("PATCH", "/v1/servers/pool/a", {"admin": "gone"}, 400, "admin"),
    ("PATCH", "/v1/servers/pool/a", {"admin": None}, 400, "admin"),
    ("PATCH", "/v1/servers/pool/a", {"weight": 257}, 400, "weight"),
    ("PATCH", "/v1/servers/pool/a", {"weight": True}, 400, "weight"),
    ("PATCH", "/v1/servers/pool/a", {"weight": 1.5}, 400, "weight"),
    ("PATCH", "/v1/servers/pool/a", {"name": "x"}, 400, "name"),
    ("POST", "/v1/shutdown", {"deadline": -1}, 400, "deadline"),
    ("POST", "/v1/shutdown", b'{"deadline": NaN}', 400, "deadline"),
    ("POST", "/v1/shutdown", b'{"deadline": 1e999}', 400, "deadline"),
    ("POST", "/v1/reload", {"now": True}, 400, "now"),
    ("PATCH", "/v1/log", {"facility": "health"}, 400, "level"),
    ("PATCH", "/v1/log", {"facility": "moon", "level": "info"}, 404, "facility"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), WRONG)
@pytest_twisted.ensureDeferred
async def test_what_is_wrong_is_told_by_its_field_and_changes_nothing(
    admin: Admin, method: str, path: str, body: Any, status: int, field: str
) -> None:
    before = [(s.admin, s.weight) for s in admin.site.balancer.servers]
    found = await admin.ask(method, path, body)
    assert found.status == status, found
    assert found.headers["content-type"] == "application/json"
    assert found.json.get("field", "") == field
    assert found.json["error"]
    assert [(s.admin, s.weight) for s in admin.site.balancer.servers] == before
    assert admin.stopped == []


@pytest_twisted.ensureDeferred
async def test_a_body_has_to_say_that_it_is_json(admin: Admin) -> None:
    """A form of another site's page cannot."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        found = await admin.ask("POST", "/v1/shutdown", {"deadline": 1}, Content_Type=kind)
        assert (found.status, found.json["field"]) == (415, "Content-Type")


@pytest_twisted.ensureDeferred
async def test_our_own_fault_is_no_one_else_s(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, clean_reactor: Errors
) -> None:
    monkeypatch.setattr(type(admin.site.balancer), "listening", property(lambda _: 1 / 0))
    found = await admin.ask("GET", "/v1/status")
    assert (found.status, found.json) == (500, {"error": "our fault: the log has a traceback"})
    assert "ZeroDivisionError" in clean_reactor.seen.pop()


# -- who may ---------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_the_socket_is_for_its_owner(admin: Admin) -> None:
    mode = os.stat(admin.settings.socket).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


STRANGER = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as s:
    try:
        s.connect(sys.argv[1])
        s.sendall(b"GET /v1/status HTTP/1.0\\r\\n\\r\\n")
        print(s.recv(100))
    except OSError as why:
        print(type(why).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o600, 0o666], ids=["by its mode", "by who they are"])
@pytest_twisted.ensureDeferred
async def test_others_come_no_further_than_to_the_socket(
    admin: Admin, tmp_path: Path, mode: int
) -> None:
    """The mode keeps them out; where somebody has changed it, what the kernel says of them does."""
    for place in (tmp_path, *tmp_path.parents):
        if place.owner() == "root" and place != Path("/"):
            place.chmod(0o755)
    os.chmod(admin.settings.socket, mode)
    asks = [sys.executable, "-c", STRANGER, admin.settings.socket]
    done = await deferToThread(subprocess.run, asks, capture_output=True, text=True, timeout=30)
    refused = {
        0o600: ["PermissionError"],
        0o666: ["b''", "ConnectionResetError", "BrokenPipeError"],
    }
    assert done.stdout.strip() in refused[mode]


@pytest_twisted.ensureDeferred
async def test_by_tcp_one_reads_unless_more_is_allowed(admin: Admin) -> None:
    [at] = admin.endpoint.addresses
    assert (await admin.ask("GET", "/v1/status", at=at)).status == 200
    found = await admin.ask("POST", "/v1/reload", at=at)
    assert (found.status, found.json["error"][:24]) == (403, "this way is for reading:")
    admin.endpoint.change(attrs.evolve(admin.settings, allow="act")).commit()
    assert (await admin.ask("POST", "/v1/reload", at=at)).status == 200


@pytest_twisted.ensureDeferred
async def test_with_a_token_everybody_by_tcp_shows_it(admin: Admin, tmp_path: Path) -> None:
    [at] = admin.endpoint.addresses
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    admin.endpoint.change(attrs.evolve(admin.settings, token_file=str(file))).commit()
    for path in ("/v1/status", "/metrics", "/v1/openapi.json", "/v1/nothing"):
        found = await admin.ask("GET", path, at=at)
        assert (found.status, found.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert (await admin.ask("GET", "/", at=at)).status == 200, "the page asks for the token"
    for wrong in ("Bearer guess", f"Basic {TOKEN}", "Bearer"):
        assert (await admin.ask("GET", "/v1/status", at=at, Authorization=wrong)).status == 401
    seen = [fact.kind for fact in admin.site.facts if isinstance(fact, AttackSeen)]
    assert seen == ["admin-token", "admin-token"]
    right = await admin.ask("GET", "/v1/status", at=at, Authorization=f"Bearer {TOKEN}")
    assert right.status == 200
    assert (await admin.get("/v1/status"))["state"] == "running", "the socket needs none"
    told = [right.body, (await admin.ask("GET", "/v1/configuration")).body]
    assert not any(TOKEN.encode() in text for text in told)
    assert TOKEN not in repr(admin.site.facts)


@pytest_twisted.ensureDeferred
async def test_another_site_s_page_does_nothing_in_its_reader_s_name(admin: Admin) -> None:
    [at] = admin.endpoint.addresses
    admin.endpoint.change(attrs.evolve(admin.settings, allow="act")).commit()
    found = await admin.ask("POST", "/v1/reload", at=at, Origin="http://evil.example")
    assert (found.status, found.json["field"]) == (403, "Origin")
    rebound = await admin.ask("GET", "/v1/status", at=at, Host="evil.example")
    assert (rebound.status, rebound.json["field"]) == (403, "Host")
    for host in (str(at), f"localhost:{at.port}", "[::1]:80"):
        ours = await admin.ask("POST", "/v1/reload", at=at, Host=host, Origin=f"http://{host}")
        assert ours.status == 200


# -- where it listens ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["short", "x" * 20 + "\x07", ""])
def test_a_token_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    from twisted_lb.admin.endpoint import access

    (tmp_path / "token").write_text(text)
    with pytest.raises(ValueError, match=r"admin\.token_file: .* holds no token"):
        access(AdminEndpoint(listen=ANYWHERE, token_file=str(tmp_path / "token")))


@pytest_twisted.ensureDeferred
async def test_a_change_that_fails_leaves_everything_as_it_was(
    admin: Admin, tmp_path: Path
) -> None:
    before = admin.endpoint.addresses
    gone = AdminEndpoint("/nowhere/admin.sock", ANYWHERE)
    with pytest.raises(CannotListen, match=r"admin\.socket: /nowhere/admin\.sock: "):
        admin.endpoint.change(gone)
    assert admin.endpoint.addresses == before
    other = tmp_path / "other.sock"
    change = admin.endpoint.change(AdminEndpoint(str(other)))
    assert other.exists()
    change.undo()
    await admin.site.until(lambda: not other.exists())
    admin.endpoint.change(AdminEndpoint(str(other))).commit()
    assert admin.endpoint.addresses == ()
    await admin.site.until(lambda: not Path(admin.settings.socket).exists())
    assert Announced("listening", f"admin on {other}") in admin.site.facts


@pytest_twisted.ensureDeferred
async def test_a_socket_that_a_crash_left_is_taken_over_and_a_living_one_is_not(
    admin: Admin, tmp_path: Path
) -> None:
    import socket

    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
        dead.listen()
    admin.endpoint.change(attrs.evolve(admin.settings, socket=str(left))).commit()
    with pytest.raises(CannotListen, match="another process listens there"):
        Admin(admin.site, AdminEndpoint(str(left)))
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(CannotListen, match=r"admin\.socket"):
        admin.endpoint.change(AdminEndpoint(str(file)))
    assert file.read_text() == "precious"
