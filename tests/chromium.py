"""A real browser without a window, driven over its DevTools protocol.

Source of the protocol: https://chromedevtools.github.io/devtools-protocol/. One browser is started
for many tests; each page has a context of its own, as a private window has: no cookies of others.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tests.needs import lacking, library

#: Seconds that something is waited for, on a machine with too much to do.
PATIENCE_S = 30.0

KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Space": (32, " "),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
}


class Browser:
    """A running Chromium."""

    def __init__(self, folder: Path) -> None:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium") or lacking("Chromium")
        self._aiohttp = library("aiohttp")
        command = [
            path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-extensions", "--mute-audio", "--lang=en-GB", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._numbers = itertools.count(1)
        self._answers = {}
        self._pages = {}
        try:
            address = self._listening()
            # What it says later would fill the pipe.
            threading.Thread(target=self._process.stderr.read, daemon=True).start()
            self._thread.start()
            self.run(self._connect(address))
        except BaseException:
            self._process.kill()
            raise

    def _listening(self):
        for line in self._process.stderr:
            if found := re.search(r"DevTools listening on (ws://\S+)", line):
                return found[1]
        raise AssertionError("Chromium did not start")

    async def _connect(self, address):
        self._session = self._aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(address, max_msg_size=0)
        self._reading = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif page := self._pages.get(said.get("sessionId")):
                page.told(said["method"], said["params"])

    def run(self, job):
        return asyncio.run_coroutine_threadsafe(job, self._loop).result(PATIENCE_S)

    def ask(self, method, session=None, **params):
        """Have something done; returns what it answers."""
        return self.run(self._ask(method, session, params))

    async def _ask(self, method, session, params):
        number = next(self._numbers)
        answer = self._answers[number] = self._loop.create_future()
        message = {"id": number, "method": method, "params": params}
        await self._socket.send_json(
            message if session is None else {**message, "sessionId": session}
        )
        said = await answer
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    @contextmanager
    def page(self, *, width=1200, height=900, language="en-GB"):
        """A page in a context of its own."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self._pages[session["sessionId"]] = Page(self, session["sessionId"])
        try:
            for domain in ("Page", "Runtime", "Network", "Log", "Accessibility", "DOM"):
                page.ask(f"{domain}.enable")
            page.ask("Emulation.setLocaleOverride", locale=language)
            page.ask("Network.setUserAgentOverride", userAgent="tests", acceptLanguage=language)
            page.ask("Emulation.setScrollbarsHidden", hidden=True)  # as on a phone
            page.size(width, height)
            yield page
        finally:
            self.ask("Target.disposeBrowserContext", browserContextId=context)
            del self._pages[session["sessionId"]]

    def close(self):
        self.run(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self._process.stderr.close()

    async def _disconnect(self):
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._session.close()


class Page:
    """One page.

    Attributes:
        errors: What went wrong in it: exceptions of scripts, and what the browser complained of.
        requests: Addresses of everything it has asked for.
    """

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self.errors = []
        self.requests = []

    def told(self, method, params):
        """What the browser tells of it."""
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(params["url"])

    def ask(self, method, **params):
        return self._browser.ask(method, self._session, **params)

    def go(self, url):
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def js(self, expression):
        """What an expression is worth."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression):
        """Wait until an expression is true; returns what it is worth then."""
        end = time.monotonic() + PATIENCE_S
        tried = f"(() => {{ try {{ return {expression}; }} catch {{ return null; }} }})()"
        while not (found := self.js(tried)):
            assert time.monotonic() < end, f"{expression}; the page shows: {self.text()}"
            time.sleep(0.05)
        return found

    def text(self, selector="body"):
        """What people see there."""
        return self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def key(self, name, *, shift=False):
        code, text = KEYS[name]
        what = {
            "key": " " if name == "Space" else name, "code": name, "windowsVirtualKeyCode": code,
            "modifiers": 8 if shift else 0,
        }  # fmt: skip
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **what)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def click(self, selector):
        """Press with the mouse what is seen there."""
        place = self.wait(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " if (!e) return null;"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return b.width ? [b.x + b.width / 2, b.y + b.height / 2] : null; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left",
                clickCount=1,
            )  # fmt: skip

    def size(self, width, height, *, mobile=False, scale=1):
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, mobile=mobile,
            deviceScaleFactor=scale,
        )  # fmt: skip

    def prefers(self, **features):
        """Say what the user prefers: ``color_scheme="dark"``."""
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": f"prefers-{name.replace('_', '-')}", "value": value}
                for name, value in features.items()
            ],
        )

    def picture(self, *, whole=False):
        """A picture of it, as PNG."""
        found = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    def complaints(self):
        """What axe-core finds fault with."""
        axe = library("axe_core_python.base")
        script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        self.ask("Runtime.evaluate", expression=script)
        found = self.js("axe.run().then((found) => JSON.stringify(found.violations))")
        return [
            f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}"
            for one in json.loads(found)
        ]
