"""The pages of the site: what they say to write can be written, and every page is in the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.configs import FRONTEND
from twisted_lb import facts
from twisted_lb.config.load import load
from twisted_lb.textline import shape

DOCS = Path(__file__).parents[1] / "docs"
FRONT = FRONTEND.replace('"pool"', "BACKEND")


def blocks(page: str) -> list[str]:
    text = (DOCS / page).read_text()
    found = re.findall(r"(?ms)^( *)```toml\n(.*?)^ *```", text)
    return [re.sub(rf"(?m)^{indent}", "", block) for indent, block in found]


def test_the_tutorial_s_configuration_is_a_whole_one() -> None:
    [written] = blocks("tutorial.md")
    settings = load(written, "lb.toml")
    assert settings.log.format == "text"
    assert [server.name for server in settings.backends["ftp-servers"].servers] == ["a", "b"]


def test_the_farm_is_a_whole_configuration() -> None:
    [written] = blocks("how-to/ftp-farm.md")
    assert load(written, "lb.toml").backends["farm"].timeout.drain == 1800.0


def test_ftps_is_one_with_and_without_the_servers_side() -> None:
    clients, servers = blocks("how-to/ftps.md")
    assert load(clients, "lb.toml").frontends[0].tls.mode == "starttls"
    assert load(clients + servers, "lb.toml").backends["farm"].tls.identity == "ftp.example.com"


def test_a_check_of_names_is_one() -> None:
    [backend] = blocks("how-to/reflection-mss.md")
    front = FRONT.replace("BACKEND", '"proxies"')
    assert load(front + backend, "lb.toml").backends["proxies"].check.name == "front.example.com"


@pytest.mark.parametrize("page", ["migrate-from-haproxy.md", "migrate-from-mod-proxy.md"])
def test_what_is_ours_in_a_table_of_settings_there_is(page: str) -> None:
    """Every word in the right column that is written as a key is one, or a policy's name."""
    text = (DOCS / "how-to" / page).read_text()
    known = (DOCS / "configuration.md").read_text() + (DOCS / "lb-proxyctl.md").read_text()
    ours = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| `")]
    words = {word for cell in ours for word in re.findall(r"`([a-z][a-z_-]+)[`. =]", cell)}
    assert words, "the test looks at something"
    ways = ("`{}", '"{}"', ".{}]")
    unknown = {word for word in words if not any(way.format(word) in known for way in ways)}
    assert unknown == set()


def test_the_access_log_s_lines_are_all_told() -> None:
    text = (DOCS / "log.md").read_text()
    told = dict(re.findall(r"(?m)^\| `([a-z-]+)` \| [^|]* \| (.*) \|$", text))
    del told["fact"]  # the table's head
    kinds: list[Any] = [kind for kind in facts.Fact.__args__]
    silent = {facts.Checked, facts.Secured}  # for those who measure
    names = {shape(kind.__new__(kind))[0]: kind for kind in kinds if kind not in silent}
    assert set(told) == set(names)
    for name, kind in names.items():
        fields = {field.name for field in attrs.fields(kind)}
        assert name == "channel-observed" or set(re.findall(r"`(\w+)`", told[name])) == fields


def test_every_page_is_in_the_site() -> None:
    index = (DOCS / "index.md").read_text()
    pages = {
        str(page.relative_to(DOCS).with_suffix(""))
        for page in DOCS.rglob("*.md")
        if "decisions" not in page.parts and page.name != "index.md" and "_build" not in page.parts
    }
    listed = set(re.findall(r"(?m)^([a-z][a-z0-9/-]+)$", index))
    assert pages == listed & pages
    assert listed - pages == set()
