"""The configurations of docs/how-to/run-a-gateway.md are configurations."""

from __future__ import annotations

import re
from pathlib import Path

from twisted_lb.config.load import load
from twisted_lb.gateway.load import load_proxy, load_tunnel

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "run-a-gateway.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_pages_configurations_mean_something() -> None:
    proxy, port, tunnel, balancer = BLOCKS
    settings = load_proxy(proxy + port, "proxy.toml")
    assert [listener.name for listener in settings.listeners] == ["main", "printers"]
    assert [local.protocol for local in load_tunnel(tunnel, "t.toml").locals] == ["terminal", "ftp"]
    assert list(load(balancer, "lb.toml").groups) == ["gateway"]
