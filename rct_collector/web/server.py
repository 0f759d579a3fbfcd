"""The server: who is let in, and what is where.

Nothing of a device is told, and nothing is done, without a token. There is no TLS: a proxy does
that where others than this host are to come in.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, NamedTuple

from aiohttp import web

from rct_collector.control.messages import LONGEST, parse
from rct_collector.errors import RpcError
from rct_collector.web.browser import Browser
from rct_collector.web.guard import Guard
from rct_collector.web.overview import Overview, text_of
from rct_collector.web.prometheus import CONTENT_TYPE, page
from rct_collector.web.rpc import WebCaller
from rct_collector.web.tokens import Right, Tokens

#: Connections that are open at a time; the next ones are closed at once.
MOST = 256

#: Browsers that look on at a time.
MOST_BROWSERS = 100

#: Seconds within which a request has to be there, its body included.
PATIENCE_S = 10.0

#: Seconds from one sign of life to the next that a browser is asked for.
HEARTBEAT_S = 30.0

COOKIE = "rct-collector"
_COOKIE_S = 365 * 86400

#: Path → file and kind of what is the same for all.
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/words.json": ("words.json", "application/json"),
}

#: No other place is loaded from, spoken to or led to, nothing that was put into the page is run,
#: and no other page may show this one.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Server": "rct-collector",
}


class _File(NamedTuple):
    data: bytes
    kind: str
    tag: str


class HttpAnswer(NamedTuple):
    """What a request is answered.

    Attributes:
        status: Of HTTP.
        body: Text, or bytes.
        kind: Of the body.
        headers: Further ones.
    """

    status: int
    body: str | bytes = ""
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class RefusedError(Exception):
    """A request is not answered as it wishes."""

    def __init__(self, status: int, why: str, *headers: tuple[str, str]) -> None:
        """Keep the answer."""
        super().__init__(why)
        self.answer = HttpAnswer(status, f"{why}\n", headers=headers)


class PageServer:
    """Answers requests.

    Attributes:
        guard: Which requests are ours.
    """

    def __init__(self, overview: Overview, tokens: Tokens, guard: Guard) -> None:
        """Serve nobody yet.

        Args:
            overview: What all look at.
            tokens: Who may do what.
            guard: Which requests are ours.
        """
        self._overview = overview
        self._tokens = tokens
        self.guard = guard
        self._files = {path: _loaded(*file) for path, file in _FILES.items()}
        self._browsers = 0
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[HttpAnswer]]] = {
            ("GET", "/metrics"): self._metrics,
            ("GET", "/healthz"): self._health,
            ("GET", "/login"): self._who,
            ("POST", "/login"): self._login,
            ("POST", "/logout"): self._logout,
            ("POST", "/rpc"): self._rpc,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            self._examine(request)
            if request.path == "/api":
                return await self._api(request)
            return _response(await self._route(request))
        except RefusedError as refusal:
            return _response(refusal.answer)

    def _examine(self, request: web.BaseRequest) -> None:
        """Whether a request is ours at all.

        Raises:
            RefusedError: It is a foreign one.
        """
        here = _here(request)
        if not self.guard.host_is_ours(request.headers.get("Host"), here):
            raise RefusedError(421, "this server has no such name; --public ADDRESS gives it one")
        needed = (
            (request.method == "POST" or request.path == "/api")
            and "Authorization" not in request.headers
        )  # fmt: skip
        if not self.guard.origin_is_ours(request.headers.get("Origin"), here, needed=needed):
            raise RefusedError(403, "requests of other pages are not answered")

    async def _route(self, request: web.BaseRequest) -> HttpAnswer:
        method = "GET" if request.method == "HEAD" else request.method
        if method == "GET" and (file := self._files.get(request.path)):
            return _unless_known(file, request)
        found = self._routes.get((method, request.path))
        if found is not None:
            return await found(request)
        right = sorted({known for known, path in self._routes if path == request.path})
        if request.path in self._files:
            right = ["GET"]
        if right:
            raise RefusedError(405, f"{' or '.join(right)} is right", ("Allow", ", ".join(right)))
        raise RefusedError(404, "there is nothing here")

    def _right(self, request: web.BaseRequest, needed: Right = Right.READ) -> Right:
        """What a request may do.

        Raises:
            RefusedError: Less than is needed.
        """
        scheme, _, word = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            word = request.cookies.get(COOKIE, "")
        right = self._tokens.right(word.strip())
        if right < needed:
            raise RefusedError(
                401, "a token is needed: rct-collector web link", ("WWW-Authenticate", "Bearer")
            )
        return right

    # -- what is where ---------------------------------------------------------------------

    async def _health(self, request: web.BaseRequest) -> HttpAnswer:
        return HttpAnswer(200, "ok\n")

    async def _metrics(self, request: web.BaseRequest) -> HttpAnswer:
        self._right(request)
        return HttpAnswer(200, page(self._overview.expired()), CONTENT_TYPE)

    async def _who(self, request: web.BaseRequest) -> HttpAnswer:
        """What the page may do, so that it can ask for a token instead of failing."""
        right = self._right(request, Right.NONE)
        return HttpAnswer(200, text_of({"right": right.name.lower()}), "application/json")

    async def _login(self, request: web.BaseRequest) -> HttpAnswer:
        try:
            said = parse(await _body(request))
        except RpcError as error:
            raise RefusedError(400, error.message) from None
        word = said.get("token") if isinstance(said, dict) else None
        if not isinstance(word, str) or self._tokens.right(word) is Right.NONE:
            raise RefusedError(403, "that is no token of this server")
        return HttpAnswer(204, headers=(self._cookie(word, _COOKIE_S),))

    async def _logout(self, request: web.BaseRequest) -> HttpAnswer:
        await _body(request)
        return HttpAnswer(204, headers=(self._cookie("", 0),))

    def _cookie(self, word: str, seconds: int) -> tuple[str, str]:
        secure = "; Secure" if self.guard.secure else ""
        return (
            "Set-Cookie",
            f"{COOKIE}={word}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}",
        )

    async def _rpc(self, request: web.BaseRequest) -> HttpAnswer:
        caller = WebCaller(self._overview, self._right(request), waits=True)
        answer = await caller.answer(await _body(request))
        if answer is None:
            return HttpAnswer(204)
        return HttpAnswer(200, f"{text_of(answer)}\n", "application/json")

    async def _api(self, request: web.BaseRequest) -> web.StreamResponse:
        """Tell a browser everything, then what changes, and answer its calls."""
        right = self._right(request)
        if request.method != "GET" or "websocket" not in request.headers.get("Upgrade", "").lower():
            raise RefusedError(426, "a WebSocket is here", ("Upgrade", "websocket"))
        if self._browsers >= MOST_BROWSERS:
            raise RefusedError(503, f"{MOST_BROWSERS} browsers look on; close one")
        # Compression would take 300 kB for each of them.
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=LONGEST, heartbeat=HEARTBEAT_S
        )  # fmt: skip
        socket.headers.update(_HEADERS)
        self._browsers += 1
        try:
            if not await _begun(socket, request):
                return web.Response()
            assert request.transport is not None  # noqa: S101 - it has just answered
            browser = Browser(
                socket, request.transport, WebCaller(self._overview, right, waits=False)
            )
            await browser.attend(self._overview, right)
        finally:
            self._browsers -= 1
        return socket


class Doorkeeper(web.Server):
    """Lets connections in, no more than there is room for, and none that has nothing to say."""

    def __init__(self, server: PageServer) -> None:
        """Keep the door of a server; within its event loop."""
        super().__init__(
            server.handle,
            request_factory=self._arrived,
            access_log=None,
            keepalive_timeout=HEARTBEAT_S,
        )
        self._silent: dict[Any, asyncio.TimerHandle] = {}

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:  # noqa: ANN401
        """Somebody has called."""
        super().connection_made(handler, transport)
        if len(self.connections) > MOST:
            transport.abort()
            return
        loop = asyncio.get_running_loop()
        self._silent[handler] = loop.call_later(PATIENCE_S, transport.abort)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:  # noqa: ANN401
        """Somebody has gone."""
        super().connection_lost(handler, exc)
        self._heard(handler)

    def _arrived(
        self,
        message: Any,  # noqa: ANN401 - what aiohttp has differs from version to version
        payload: Any,  # noqa: ANN401
        protocol: Any,  # noqa: ANN401
        writer: Any,  # noqa: ANN401
        task: Any,  # noqa: ANN401
    ) -> web.BaseRequest:
        """A request is there, but for its body."""
        self._heard(protocol)
        loop = asyncio.get_running_loop()
        return web.BaseRequest(
            message, payload, protocol, writer, task, loop, client_max_size=LONGEST
        )

    def _heard(self, handler: Any) -> None:  # noqa: ANN401
        if timer := self._silent.pop(handler, None):
            timer.cancel()


async def serve(server: PageServer, host: str, port: int) -> web.ServerRunner:
    """Listen.

    Args:
        server: Answers.
        host: Address of this host.
        port: There.

    Raises:
        OSError: Somebody else listens there, or there is no such address.
    """
    runner = web.ServerRunner(Doorkeeper(server), handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner


async def _body(request: web.BaseRequest) -> bytes:
    """What a request says.

    Raises:
        RefusedError: It is no JSON by its own word, too long, or does not come.
    """
    if request.content_type != "application/json":
        raise RefusedError(415, "Content-Type: application/json is right")
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RefusedError(413, f"at most {LONGEST} bytes are read") from None
    except TimeoutError:
        raise RefusedError(408, "it did not come in time", ("Connection", "close")) from None


async def _begun(socket: web.WebSocketResponse, request: web.BaseRequest) -> bool:
    """Begin a WebSocket; whether the other end is still there."""
    try:
        await socket.prepare(request)
    except ConnectionError:
        return False
    return True


def _loaded(name: str, kind: str) -> _File:
    data = files(__package__).joinpath("page", name).read_bytes()
    return _File(data, kind, f'"{hashlib.sha256(data).hexdigest()[:16]}"')


def _unless_known(file: _File, request: web.BaseRequest) -> HttpAnswer:
    """A file, unless the browser has it already."""
    tag = ("ETag", file.tag)
    if request.headers.get("If-None-Match") == file.tag:
        return HttpAnswer(304, headers=(tag,))
    return HttpAnswer(200, file.data, file.kind, (tag,))


def _response(answer: HttpAnswer) -> web.Response:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    headers = {**_HEADERS, "Content-Type": answer.kind, **dict(answer.headers)}
    if answer.status in (204, 304):
        del headers["Content-Type"]
        body = b""
    return web.Response(status=answer.status, body=body, headers=headers)


def _here(request: web.BaseRequest) -> str:
    """The address of this host that a request has reached."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport else None
    return str(name[0]) if name else ""
