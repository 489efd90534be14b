"""The units for systemd and the Containerfile do what their comments say."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from configparser import ConfigParser
from pathlib import Path

import pytest

from twisted_lb.config.load import load
from twisted_lb.config.settings import Limits
from twisted_lb.service import FLUSH

EXAMPLES = Path(__file__).parent.parent / "examples"
SYSTEMD = EXAMPLES / "systemd"
PAGES = ("systemd", "upgrade")
MOST = 2.0
"""The exposure that systemd-analyze may find."""


def directives(name: str) -> dict[str, list[str]]:
    """Of a unit: every directive with all that it is set to, in order."""
    found: dict[str, list[str]] = {}
    for line in (SYSTEMD / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


SERVICE = directives("twisted-lb.service")


@pytest.mark.parametrize(
    "key",
    [
        *("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers"),
        *("ProtectClock", "ProtectHostname", "ProtectControlGroups", "ProtectKernelLogs"),
        *("ProtectKernelModules", "ProtectKernelTunables", "RestrictNamespaces"),
        *("RestrictRealtime", "RestrictSUIDSGID", "RemoveIPC", "LockPersonality"),
    ],
)
def test_the_service_is_shut_in(key: str) -> None:
    assert SERVICE[key] == ["yes"]


def test_the_service_has_no_privilege() -> None:
    assert SERVICE["User"] == ["twisted-lb"]
    assert SERVICE["CapabilityBoundingSet"] == SERVICE["AmbientCapabilities"] == [""]


def test_a_stop_leaves_time_to_drain() -> None:
    [seconds] = SERVICE["TimeoutStopSec"]
    assert float(seconds.removesuffix("s")) > Limits().drain + 2 * FLUSH


def test_every_file_has_sections_that_systemd_knows() -> None:
    for path in SYSTEMD.iterdir():
        parser = ConfigParser(strict=False, interpolation=None)
        parser.read(path)
        assert set(parser.sections()) <= {"Unit", "Service", "Socket", "Install"}, path


def test_drop_ins_reset_what_they_replace() -> None:
    for name in ("notify-reload.conf", "upgrade-on-reload.conf"):
        assert directives(name)["ExecReload"][0] == ""
    assert directives("notify-reload.conf")["Type"] == ["notify-reload"]


def test_an_upgrade_starts_what_the_service_starts() -> None:
    [start] = SERVICE["ExecStart"]
    assert start in directives("upgrade-on-reload.conf")["ExecReload"][1]


def test_systemd_finds_little_exposed() -> None:
    """Where systemd-analyze can be run; elsewhere the tests above are all there is, and say so."""
    analyze = shutil.which("systemd-analyze")
    argv = [analyze or "", "security", "--offline=yes", str(SYSTEMD / "twisted-lb.service")]
    told = ""
    if analyze:
        told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", told)
    if found is None:
        warnings.warn("systemd-analyze security --offline cannot be run here", stacklevel=1)
        return
    assert float(found[1]) <= MOST


def test_the_configurations_told_can_be_read() -> None:
    texts = [(EXAMPLES.parent / f"docs/how-to/{name}.md").read_text() for name in PAGES]
    blocks = [re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for text in texts]
    [[systemd], [upgrade]] = blocks
    assert load(systemd, "").frontends[0].endpoint.endswith(":name=ftp")
    assert directives("twisted-lb.socket")["FileDescriptorName"] == ["ftp"]
    settings = load(systemd + upgrade, "")
    assert settings.takeover.socket in directives("upgrade-on-reload.conf")["ExecReload"][1]
    assert SERVICE["RuntimeDirectory"] == [Path(settings.takeover.socket).parent.name]


# -- the container ---------------------------------------------------------------------------------

STEPS = re.sub(r"\\\n\s*", "", (EXAMPLES / "Containerfile").read_text()).splitlines()


def steps(word: str) -> list[str]:
    """What stands behind this instruction, each time."""
    return [step.partition(" ")[2] for step in STEPS if step.startswith(f"{word} ")]


def test_the_container_is_nobodys_root() -> None:
    assert re.fullmatch(r"[1-9]\d+", steps("USER")[-1]), "a number, so that a cluster can tell"
    assert STEPS.index(f"USER {steps('USER')[-1]}") > STEPS.index(f"FROM {steps('FROM')[-1]}")


def test_the_container_is_stopped_asked_and_started_as_we_mean() -> None:
    assert steps("STOPSIGNAL") == ["SIGTERM"]
    assert 'CMD ["lb-proxyctl", "status"]' in steps("HEALTHCHECK")[0]
    assert steps("ENTRYPOINT") == ['["twistd", "--nodaemon", "--pidfile=", "lb-proxy"]']


def test_the_container_is_made_of_what_there_is() -> None:
    assert all(":" in image and not image.endswith(":latest") for image in steps("FROM"))
    for copied in steps("COPY"):
        if not copied.startswith("--from"):
            *sources, _ = copied.split()
            assert all((EXAMPLES.parent / source).exists() for source in sources), copied
    assert not steps("ADD")
