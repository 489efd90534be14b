"""The status page in a real browser: what it shows, how soon, and what clicking it does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.loopback.admins import Admin, socket_in
from tests.loopback.ftp_site import FtpSite
from tests.loopback.site import LIMITS, backend
from tests.loopback.test_admin import ANYWHERE, session
from tests.peers import CHECKOUT
from tests.peers.chromium import Browser
from twisted_lb.config.settings import Frontend, Group, RoleRule, ServerRule, Settings
from twisted_lb.facts import Checked

IMAGES = CHECKOUT / "docs" / "images"
HOSTILE = '<script>document.title="owned"</script><b>x'
ROWS = "document.querySelectorAll('#sessions .channels .channel')"
DRAINED = "document.querySelector('[data-server=\"pool/a\"] .state.drain')"

SEEN = "((all) => WHAT)((selector) => [...document.querySelectorAll(selector)])"
WHATS = (
    "all('#servers tr[data-server] td:first-child span').map(e => e.firstChild.textContent)",
    "all('#sessions tr').map(e => e.querySelectorAll('.channel').length)",
    "document.title",
    "all('#servers tr:nth-child(3) .no').length",
)

pytestmark = pytest.mark.peers


def settings(port: int, third: str = HOSTILE) -> Settings:
    """Sessions of three channels by source, before three servers, the third of this name."""
    roles = {"control": RoleRule(True, port), "data": RoleRule(server_port=port),
             "notification": RoleRule(server_port=port)}  # fmt: skip
    fronts = tuple(Frontend(role, ANYWHERE, group="ftp", role=role) for role in roles)
    servers = (
        ServerRule("a", "127.0.0.2"), ServerRule("b", "127.0.0.3", maxconn=100),
        ServerRule(third, "127.0.0.4", weight=0),
    )  # fmt: skip
    return Settings(
        fronts,
        {"ftp": Group("ftp", "pool", linger=0.0, roles=roles)},
        {"pool": backend("pool", servers=servers)},
        LIMITS,
    )


@pytest_twisted.async_yield_fixture()
async def admin(ftp_site: FtpSite, tmp_path: Path) -> AsyncIterator[Admin]:
    """A balancer with two sessions of two channels, and its endpoint, which may act."""
    ftp_site.start(settings(ftp_site.serve("127.0.0.2", "127.0.0.3")))
    admin = Admin(ftp_site, attrs.evolve(socket_in(tmp_path), listen=ANYWHERE, allow="act"))
    for number in range(2):
        await session(ftp_site, f"127.0.1.{number}")
    await ftp_site.until(lambda: len(ftp_site.balancer.stories) == 4)
    for number in range(60):
        for server in ("pool/a", "pool/b"):
            ok = server != "pool/b" or number not in (40, 41, 42)
            admin.past(Checked(server, ok, 0.001 + number % 7 * 0.0004))
    yield admin
    await admin.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


async def led(browser: Browser, admin: Admin, lead: Callable[[str], Any]) -> Any:
    """Lead the browser from a thread of its own; nothing of the page may have gone wrong."""
    [at] = admin.endpoint.addresses
    browser.errors.clear()
    try:
        return await deferToThread(lead, f"http://{at}/")
    finally:
        await deferToThread(browser.asks, "Page.navigate", url="about:blank")
        assert browser.errors == []


@pytest_twisted.ensureDeferred
async def test_servers_and_sessions_are_shown_and_nothing_of_them_runs(
    browser: Browser, admin: Admin
) -> None:
    """Each session is one row with all its channels; a name full of HTML stays a name."""

    def lead(url: str) -> Any:
        browser.looks_like(1280, 800)
        browser.goes(url)
        browser.until(f"{ROWS}.length === 4")
        return [browser.says(SEEN.replace("WHAT", what)) for what in WHATS]

    names, channels, title, failed = await led(browser, admin, lead)
    assert names == ["a", "b", HOSTILE]
    assert title == "twisted-lb"
    assert channels == [2, 2]
    assert failed == 3


@pytest_twisted.ensureDeferred
async def test_a_new_session_is_seen_within_two_seconds(browser: Browser, admin: Admin) -> None:
    def until_shown(url: str) -> None:
        browser.goes(url)
        browser.until(f"{ROWS}.length === 4")

    await led_on(browser, admin, until_shown)
    await session(admin.site, "127.0.1.9")
    await admin.site.until(lambda: len(admin.site.balancer.stories) == 6)
    seconds = await led(browser, admin, lambda _: browser.until(f"{ROWS}.length === 6", 2.0))
    assert seconds <= 2.0


async def led_on(browser: Browser, admin: Admin, lead: Callable[[str], Any]) -> None:
    """The same, and the page stays."""
    [at] = admin.endpoint.addresses
    await deferToThread(lead, f"http://{at}/")


@pytest_twisted.ensureDeferred
async def test_a_click_drains_after_a_question(browser: Browser, admin: Admin) -> None:
    def lead(url: str) -> str:
        browser.goes(url)
        browser.until("document.querySelector('[data-key=\"pool/a drain\"]')")
        browser.clicks('[data-key="pool/a drain"]')
        browser.until("document.getElementById('ask').open")
        asked = str(browser.says("document.getElementById('ask').innerText"))
        assert admin.site.balancer.server("pool", "a").admin == "ready", "not before it is answered"
        browser.clicks("#ask button[value=no]")
        browser.until("!document.getElementById('ask').open")
        browser.clicks('[data-key="pool/a drain"]')
        browser.clicks("#yes")
        browser.until(DRAINED, 2.0)
        return asked

    asked = await led(browser, admin, lead)
    assert "Drain pool/a?" in asked
    assert "It gets no new sessions" in asked
    server = admin.site.balancer.server("pool", "a")
    assert server.admin == "drain"
    assert admin.past.of(server).changes[-1].reason == "set by the API, 127.0.0.1"


@pytest_twisted.ensureDeferred
async def test_a_keyboard_is_enough(browser: Browser, admin: Admin) -> None:
    """The focus is seen, stays where it is while the page is drawn anew, and comes back."""

    def lead(url: str) -> None:
        browser.goes(url)
        browser.until("document.querySelector('[data-key=\"pool/a drain\"]')")
        for _ in range(20):
            browser.presses("Tab")
            if browser.says("document.activeElement.dataset.key") == "pool/a drain":
                break
        looks = browser.says("performance.getEntriesByType('resource').length")
        browser.until(f"performance.getEntriesByType('resource').length > {looks} + 5")
        assert browser.says("document.activeElement.dataset.key") == "pool/a drain"
        assert browser.says("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        browser.presses("Enter")
        browser.until("document.getElementById('ask').open")
        browser.presses("Tab")
        browser.until("document.activeElement.id === 'yes'")
        browser.presses("Enter")
        browser.until(DRAINED, 2.0)

    await led(browser, admin, lead)
    assert admin.site.balancer.server("pool", "a").admin == "drain"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest_twisted.ensureDeferred
async def test_it_fits_phones_and_can_be_read_in_the_dark(
    browser: Browser, admin: Admin, width: int, scheme: str
) -> None:
    def lead(url: str) -> tuple[int, list[float]]:
        browser.looks_like(width, 900, scheme)
        browser.goes(url)
        browser.until(f"{ROWS}.length === 4")
        wide = browser.says("document.documentElement.scrollWidth")
        return wide, browser.says(CONTRASTS)

    wide, contrasts = await led(browser, admin, lead)
    assert wide <= width
    assert len(contrasts) > 10
    assert min(contrasts) >= 4.5, "WCAG AA"


CONTRASTS = """
(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const bent = (c) => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * bent(r) + .7152 * bent(g) + .0722 * bent(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const says = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const contrast = (e) => {
    const a = light(rgb(getComputedStyle(e).color)), b = light(ground(e));
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  };
  return [...document.querySelectorAll("body *:not(script)")]
    .filter((e) => e.offsetParent && says(e) && !e.disabled).map(contrast);
})()
"""


@pytest_twisted.ensureDeferred
async def test_who_may_only_read_finds_no_buttons(browser: Browser, admin: Admin) -> None:
    admin.endpoint.change(attrs.evolve(admin.settings, allow="read")).commit()

    def lead(url: str) -> int:
        browser.goes(url)
        browser.until(f"{ROWS}.length === 4")
        found: int = browser.says("document.querySelectorAll('#servers button').length")
        return found

    assert await led(browser, admin, lead) == 0


@pytest_twisted.ensureDeferred
async def test_a_token_is_asked_for_where_one_is_wanted(
    browser: Browser, admin: Admin, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("correct horse battery staple")
    token = attrs.evolve(admin.settings, token_file=str(tmp_path / "token"))
    admin.endpoint.change(token).commit()

    def lead(url: str) -> None:
        browser.goes(url)
        browser.until("document.getElementById('login').open")
        browser.says("document.getElementById('token').value = 'correct horse battery staple'")
        browser.clicks("#login button")
        browser.until(f"{ROWS}.length === 4")
        browser.says("sessionStorage.clear()")

    [at] = admin.endpoint.addresses
    await deferToThread(lead, f"http://{at}/")
    refused = re.compile(r"status of 401|Unauthorized")
    assert [each for each in browser.errors if not refused.search(each)] == []


@pytest_twisted.ensureDeferred
async def test_an_endpoint_that_is_gone_is_told_and_found_again(
    browser: Browser, admin: Admin
) -> None:
    [at] = admin.endpoint.addresses

    def shows(url: str) -> None:
        browser.goes(url)
        browser.until(f"{ROWS}.length === 4")

    await led_on(browser, admin, shows)
    admin.endpoint.change(socket_in(tmp := Path(admin.settings.socket).parent)).commit()
    told = "document.getElementById('trouble').innerText.includes('No answer since')"
    await deferToThread(browser.until, told)
    admin.endpoint.change(attrs.evolve(socket_in(tmp), listen=(at,), allow="act")).commit()
    await deferToThread(browser.until, "document.getElementById('trouble').hidden")


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [
        ("status-page", 1280, 800, "light"),
        ("status-page-dark", 1280, 800, "dark"),
        ("status-page-phone", 390, 844, "light"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_it_is_pictured(
    browser: Browser, admin: Admin, tmp_path: Path, name: str, width: int, height: int, scheme: str
) -> None:
    """TWISTED_LB_PICTURES=1 renews those of the docs."""
    import os

    balancer = admin.site.balancer
    port = balancer.settings.groups["ftp"].roles["data"].server_port
    assert isinstance(port, int)
    balancer.reload(settings(port, "c"))
    to = IMAGES if os.environ.get("TWISTED_LB_PICTURES") else tmp_path
    balancer.set_admin(balancer.server("pool", "a"), "drain")
    channel = await admin.site.client("notification", "127.0.1.0")
    channel.says(b"listening")
    await admin.site.until(lambda: len(admin.site.balancer.stories) == 5)

    def lead(url: str) -> None:
        browser.looks_like(width, height, scheme)
        browser.goes(url)
        browser.until(f"{ROWS}.length === 5")
        browser.until("!document.getElementById('tiles').innerText.includes('–')")
        browser.pictures(to / f"{name}.png")

    await led(browser, admin, lead)
    assert 5_000 < (to / f"{name}.png").stat().st_size < 150_000
