"""Chromium without a window, by its DevTools protocol over two pipes: pages, pictures, faults."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PATIENCE = 120.0
"""Seconds for one answer: a loaded machine takes its time."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--remote-debugging-pipe",
)
Answer = dict[str, Any]


class BrowserFault(Exception):
    """The browser did not do what it was asked."""


class Page:
    """One page. What it asks for and complains about is kept."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self.requests: list[str] = []
        """The addresses that it asked for."""
        self.faults: list[str] = []
        """What its console shows, and exceptions."""
        self.dialogs: list[str] = []
        self._loaded = False

    def ask(self, method: str, **parameters: object) -> Answer:
        """The answer to a command of the protocol. Raises BrowserFault."""
        return self._browser.ask(method, self._session, **parameters)

    def open(self, address: str, *, javascript: bool = True) -> None:
        """Load an address with the network cut, and wait until it is there."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask(
            "Network.emulateNetworkConditions",
            offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
        )  # fmt: skip
        self.ask("Emulation.setScriptExecutionDisabled", value=not javascript)
        self._loaded = False
        self.ask("Page.navigate", url=address)
        self._browser.wait(lambda: self._loaded)

    def look(self, *, scheme: str = "light", media: str = "screen") -> None:
        """Show it in these colours, ``light`` or ``dark``, or as for ``print``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Give the window this size in CSS pixels."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=False,
        )  # fmt: skip

    def run(self, script: str) -> Any:
        """The value of a script, which may be a promise. Raises BrowserFault."""
        told = self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise BrowserFault(json.dumps(told["exceptionDetails"])[:2000])
        return told["result"].get("value")

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        told = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(told["data"])

    def printed(self) -> bytes:
        """The page as a PDF, on A4."""
        self.look(media="print")
        told = self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(told["data"])

    def hear(self, method: str, told: Answer) -> None:
        """Take an event."""
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(told["message"])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.faults.append(json.dumps(told)[:2000])


class Browser:
    """One running browser. ``browser`` starts it."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._rest = b""
        self._replies: dict[int, Answer] = {}
        self._pages: dict[str, Page] = {}

    def page(self) -> Page:
        """A new, empty page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._pages[session] = Page(self, session)
        return self._pages[session]

    def ask(self, method: str, session: str = "", **parameters: object) -> Answer:
        """The answer to a command of the protocol. Raises BrowserFault."""
        self._number += 1
        number = self._number
        command: Answer = {"id": number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        message = memoryview(json.dumps(command).encode() + b"\0")
        while message:
            message = message[os.write(self._commands, message) :]
        self.wait(lambda: number in self._replies)
        reply = self._replies.pop(number)
        if "error" in reply:
            raise BrowserFault(f"{method}: {reply['error']}")
        result: Answer = reply["result"]
        return result

    def wait(self, until: Any) -> None:
        """Take what the browser says until this holds. Raises BrowserFault."""
        end = time.monotonic() + _PATIENCE
        while not until():
            if not select.select([self._answers], [], [], max(0.0, end - time.monotonic()))[0]:
                raise BrowserFault(f"Chromium said nothing for {_PATIENCE:.0f} seconds")
            read = os.read(self._answers, 1 << 20)
            if not read:
                raise BrowserFault("Chromium ended")
            *messages, self._rest = (self._rest + read).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, told: Answer) -> None:
        if "id" in told:
            self._replies[told["id"]] = told
        elif page := self._pages.get(told.get("sessionId", "")):
            page.hear(told["method"], told["params"])


def program() -> str | None:
    """The path of Chromium; None where there is none."""
    return shutil.which("chromium")


@contextmanager
def browser() -> Iterator[Browser]:
    """A running Chromium with a profile of its own, which ends with the block."""
    path = program()
    if path is None:
        raise BrowserFault("there is no chromium; scripts/install-engines installs it")
    inward, commands = os.pipe()
    answers, outward = os.pipe()
    with tempfile.TemporaryDirectory(prefix="hs-chromium-", ignore_cleanup_errors=True) as folder:
        # It reads commands from descriptor 3 and answers on 4.
        line = f'exec "$0" "$@" 3<&{inward} 4>&{outward}'
        process = subprocess.Popen(
            ["bash", "-c", line, path, *_OPTIONS, f"--user-data-dir={folder}"],
            pass_fds=(inward, outward),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": folder},
        )
        os.close(inward)
        os.close(outward)
        try:
            yield Browser(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def address_of(path: Path) -> str:
    """The address of a file on this machine."""
    return path.resolve().as_uri()
