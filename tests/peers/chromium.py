"""Chromium without a screen, led by its DevTools protocol over a pipe. Blocking: for threads.

with Browser(place) as browser:
    browser.goes("http://127.0.0.1:8404/")
    browser.until("document.querySelectorAll('#servers tr').length > 1")
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.peers import ROOT, environment

PATIENCE = 20.0
"""Seconds for anything that a page is to do."""
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
TEXTS = {"Enter": "\r", " ": " "}
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}


class Browser:
    """One page of one browser."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._number = 0
        self._rest = b""
        self.errors: list[str] = []
        """What the page has thrown, and what its policy has refused."""

    def __enter__(self) -> Self:
        fonts = self._place / "fonts.conf"
        fonts.write_text(FONTS.format(fonts=ROOT / "usr/share/fonts", cache=self._place / "fonts"))
        env = environment() | {"FONTCONFIG_FILE": str(fonts), "HOME": str(self._place)}
        env["LD_LIBRARY_PATH"] += f":{next(ROOT.glob('usr/lib/*-linux-gnu/pulseaudio'))}"
        theirs_in, self._to = self._pipe()
        self._from, theirs_out = self._pipe()
        argv = [str(ROOT / "usr/lib/chromium/chromium"), *FLAGS, f"--user-data-dir={self._place}"]
        numbered = f"import os, sys; os.dup2({theirs_in}, 3); os.dup2({theirs_out}, 4)"
        become = [sys.executable, "-c", f"{numbered}; os.execv(sys.argv[1], sys.argv[1:])"]
        self._process = subprocess.Popen(
            [*become, *argv, "about:blank"],
            env=env, pass_fds=(theirs_in, theirs_out), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        target = self._asks("Target.createTarget", url="about:blank")["targetId"]
        attached = self._asks("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.asks(f"{domain}.enable")
        return self

    @staticmethod
    def _pipe() -> tuple[int, int]:
        """Of numbers that the browser's own, 3 and 4, are not among."""
        ends = os.pipe()
        high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
        for end in ends:
            os.close(end)
        return high[0], high[1]

    def __exit__(self, *_: object) -> None:
        self._asks("Browser.close")
        os.close(self._to)
        os.close(self._from)
        self._process.wait(PATIENCE)

    # -- what a test says ---------------------------------------------------------------------

    def goes(self, url: str) -> None:
        """Open this page, whole."""
        self.asks("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def looks_like(self, width: int, height: int, scheme: str = "light") -> None:
        """A window of this size, of somebody who likes it light or dark."""
        self.asks(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.asks("Emulation.setEmulatedMedia", features=features)

    def says(self, expression: str) -> Any:
        """The value of an expression of the page's."""
        told = self.asks(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, condition: str, patience: float = PATIENCE) -> float:
        """Wait until it holds; the seconds that took."""
        began = time.monotonic()
        while not self.says(f"Boolean({condition})"):
            if time.monotonic() - began > patience:
                raise AssertionError(f"not so: {condition}\n{self.says('document.body.innerText')}")
            time.sleep(0.02)
        return time.monotonic() - began

    def clicks(self, selector: str) -> None:
        """With a mouse, in the middle of what is there."""
        self.says(f"document.querySelector({json.dumps(selector)}).scrollIntoView()")
        box = self.says(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.asks(
                "Input.dispatchMouseEvent",
                type=kind, x=box[0], y=box[1], button="left", clickCount=1,
            )  # fmt: skip

    def presses(self, key: str) -> None:
        """A key, down and up."""
        text = {"Enter": "\r", " ": " "}.get(key)
        known = {"key": key, "windowsVirtualKeyCode": KEYS[key], "code": key}
        self.asks(
            "Input.dispatchKeyEvent", type="keyDown", **known, **({"text": text} if text else {})
        )
        self.asks("Input.dispatchKeyEvent", type="keyUp", **known)

    def pictures(self, to: Path) -> None:
        """The page as it looks."""
        told = self.asks("Page.captureScreenshot", format="png", captureBeyondViewport=False)
        to.write_bytes(base64.b64decode(told["data"]))

    # -- the protocol -------------------------------------------------------------------------

    def asks(self, method: str, **params: Any) -> dict[str, Any]:
        """A command for the page."""
        return self._asks(method, self._session, **params)

    def _asks(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        if session:
            asked["sessionId"] = session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._hears()
            self._minds(told)
            if told.get("id") == self._number:
                assert "error" not in told, told
                found: dict[str, Any] = told["result"]
                return found

    def _hears(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            assert ready, "the browser says nothing"
            came = os.read(self._from, 1 << 20)
            assert came, "the browser is gone"
            self._rest += came
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told

    def _minds(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        if told.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
