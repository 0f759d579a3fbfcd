"""etcd's JSON gateway: endpoints, TLS, users, and what it means when something is refused.

Calls are POSTs of a JSON object to ``/v3/...``. A call that streams answers with one object a line,
each with ``result`` or ``error``. Whoever has a user sends the token that a password is exchanged
for; each member of etcd forgets tokens that it has not seen for a while, and at a restart all.

One endpoint serves until it fails, then the next one does, and all watches move along: a watch at a
member that is not heard of any more looks like one at which nothing happens, and it is the other
calls that show the difference.

Sources: etcd 3.4 and 3.5, "gRPC gateway" and "Authentication"; grpc-gateway 1 and 2, the shapes of
errors; the answers of etcd 3.4.23.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import Any, NamedTuple

import aiohttp

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.engine import EngineError
from rct_collector.option import Invalid, read_secret, shown

log = logging.getLogger(__name__)

#: Seconds for an endpoint to answer, at least and at most, and how many of them there are in a time
#: to live: a third of it passes from one keepalive to the next, and one endpoint may be silent.
_TIMEOUTS_S = (0.5, 5.0)
_TIMEOUTS_PER_TTL = 4

#: Seconds for an endpoint to look at a password, which it makes laborious: when a member of etcd is
#: lost, all who were there come to another one.
_PASSWORD_S = 10.0

#: Seconds from one round of all endpoints to the next, as when they look for a leader.
_PAUSE_S = 0.1

#: Calls at a time, but for those that must not wait.
_MOST_CALLS = 16

#: Seconds by which clocks may differ. ``Date`` has whole seconds.
_CLOCKS_DIFFER_S = 3.0

#: Bytes from which on aiohttp wants a body in pieces.
_LARGE = 1 << 20

_JSON = {"Content-Type": "application/json"}

#: Have a member without a leader end a watch, since it learns nothing any more.
_WITH_LEADER = {"Grpc-Metadata-hasleader": "true"}


class _Code(IntEnum):
    """What gRPC calls what went wrong, as far as it matters here."""

    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


#: Another endpoint may do what this one did not, or the same one a moment later.
_ELSEWHERE = {_Code.UNKNOWN, _Code.DEADLINE_EXCEEDED, _Code.INTERNAL, _Code.UNAVAILABLE}


class RefusedByEtcd(EngineError):
    """etcd has answered that it does not do this.

    Attributes:
        code: gRPC's number for the reason.
    """

    def __init__(self, message: str, code: int) -> None:
        """Keep the number."""
        super().__init__(message)
        self.code = code

    @property
    def is_missing(self) -> bool:
        """Whether what was named is not there."""
        return self.code == _Code.NOT_FOUND

    @property
    def is_stale(self) -> bool:
        """Whether the token is none any more: forgotten, or older than a change of users."""
        return self.code == _Code.UNAUTHENTICATED or "auth store is old" in str(self)


class _Elsewhere(Exception):  # noqa: N818 - not for callers
    """This endpoint is of no use at present.

    Attributes:
        is_done: Whether it may have done what it was asked for.
    """

    def __init__(self, message: str, *, is_done: bool = True) -> None:
        super().__init__(message)
        self.is_done = is_done


class EtcdAnswer(NamedTuple):
    """What a call has brought.

    Attributes:
        body: The object.
        is_repeated: An earlier attempt was not answered, and may have been carried out.
        endpoint: Who has answered.
    """

    body: dict[str, Any]
    is_repeated: bool
    endpoint: str


class Gateway:
    """Calls to whichever endpoint answers."""

    def __init__(self, options: FleetOptions) -> None:
        """Do nothing yet; to be used on one event loop.

        Args:
            options: Endpoints, user, certificates; the time to live sets how long is waited.
        """
        first = os.urandom(1)[0] % len(options.etcd)  # not all members of a fleet at the same one
        self._endpoints = options.etcd[first:] + options.etcd[:first]
        self._options = options
        self._timeout = min(max(_TIMEOUTS_S[0], options.ttl / _TIMEOUTS_PER_TTL), _TIMEOUTS_S[1])
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False
        self._left = asyncio.Event()
        self._token = self._refused_to_watch = ""
        self._renewing = asyncio.Lock()
        self._room = asyncio.Semaphore(_MOST_CALLS)
        self._told: set[str] = set()

    @property
    def endpoint(self) -> str:
        """The one in use."""
        return self._endpoints[0]

    async def close(self) -> None:
        """Let go of all connections."""
        session, self._session, self._is_closed = self._session, None, True
        self._left.set()
        if session is not None:
            await session.close()

    async def call(self, path: str, body: Mapping[str, Any], *, urgent: bool = False) -> EtcdAnswer:
        """Call, at one endpoint after the other until one answers.

        Args:
            path: What is called, behind ``/v3/``.
            body: The object.
            urgent: Whether it does not wait for other calls.

        Raises:
            RefusedByEtcd: etcd has understood, and does not do it.
            EngineError: No endpoint was of use, for as long as an answer may take.
        """
        if urgent:
            return await self._call(path, body)
        async with self._room:
            return await self._call(path, body)

    async def _call(self, path: str, body: Mapping[str, Any]) -> EtcdAnswer:
        clock = asyncio.get_running_loop().time
        end = clock() + self._timeout
        reasons: dict[str, str] = {}
        is_repeated = False
        while True:
            for _ in self._endpoints:
                endpoint = self.endpoint
                try:
                    return EtcdAnswer(await self._ask(endpoint, path, body), is_repeated, endpoint)
                except _Elsewhere as error:
                    is_repeated = is_repeated or error.is_done
                    reasons[endpoint] = str(error)
                    self._leave(endpoint)
            if clock() >= end:
                raise EngineError("; ".join(reasons.values()))
            await asyncio.sleep(_PAUSE_S)

    def _leave(self, endpoint: str) -> None:
        """Go on with the next one, unless somebody else has already done so."""
        if endpoint == self.endpoint:
            self._endpoints = self._endpoints[1:] + self._endpoints[:1]
            self._left.set()
            self._left = asyncio.Event()

    async def _ask(self, endpoint: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call at one endpoint; a second time with a new token where the first is not known."""
        token = await self._permit(endpoint)
        try:
            return await self._post(endpoint, path, body, token)
        except RefusedByEtcd as error:
            if not token or not error.is_stale:
                raise
        return await self._post(endpoint, path, body, await self._permit(endpoint, token))

    async def _permit(self, endpoint: str, old: str = "") -> str:
        """The token to show; "" for who has no user.

        Args:
            endpoint: Where to get one.
            old: That of which is known that it is none any more.
        """
        if self._token != old or not self._options.username:
            return self._token  # keeping a lease alive takes none that is new, and cannot wait
        async with self._renewing:  # one of many that need it asks
            if self._token == old:
                self._token = await self._authenticate(endpoint)
            return self._token

    async def _authenticate(self, endpoint: str) -> str:
        name, path = self._options.username, self._options.password_file
        try:
            password = read_secret(str(path))
        except Invalid as error:
            raise EngineError(f"password_file: expected {error}") from None
        body = {"name": name, "password": password}
        try:
            answer = await self._post(endpoint, "auth/authenticate", body, seconds=_PASSWORD_S)
        except RefusedByEtcd as error:
            if error.code == _Code.FAILED_PRECONDITION:
                raise RefusedByEtcd(
                    f"{endpoint} knows no users, so that anybody may change the fleet: turn them on"
                    " with 'etcdctl auth enable', or leave out username and password_file",
                    error.code,
                ) from None
            if error.code == _Code.INVALID_ARGUMENT:
                raise RefusedByEtcd(
                    f"{endpoint} does not let in the user {name!r}: the password in {path} is wrong"
                    f" or there is no such user; 'etcdctl user passwd {name}' sets it",
                    error.code,
                ) from None
            raise
        token = answer.get("token")
        if not isinstance(token, str) or not token:
            raise EngineError(f"{endpoint} gives no token for the user {name!r}")
        return token

    async def _post(
        self,
        endpoint: str,
        path: str,
        body: Mapping[str, Any],
        token: str = "",
        seconds: float = 0.0,
    ) -> dict[str, Any]:
        """One call, answered by one object, or by a stream of which the first counts.

        Args:
            endpoint: Where.
            path: What.
            body: The object.
            token: Who we are.
            seconds: How long it may take; 0 for what is usual.
        """
        limit = aiohttp.ClientTimeout(total=seconds or self._timeout)
        begin = time.monotonic()
        try:
            async with self._open(endpoint, path, body, token, limit) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError) as error:
            raise self._unreached(endpoint, error) from error
        self._compare_clocks(endpoint, answer, time.monotonic() - begin)
        return self._read(endpoint, text, answer)

    def _open(
        self,
        endpoint: str,
        path: str,
        body: Mapping[str, Any],
        token: str,
        limit: aiohttp.ClientTimeout,
        **more: str,
    ) -> Any:
        if self._is_closed:
            raise EngineError(f"the connection to {endpoint} has been closed")
        if self._session is None:
            self._session = self._new_session()
        headers = {**_JSON, **more, **({"Authorization": token} if token else {})}
        data: Any = json.dumps(body).encode()
        if len(data) > _LARGE:
            data = io.BytesIO(data)
        url = f"{endpoint}/v3/{path}"
        return self._session.post(
            url, data=data, headers=headers, timeout=limit, allow_redirects=False
        )

    def _new_session(self) -> aiohttp.ClientSession:
        tls: ssl.SSLContext | None = None
        if self.endpoint.startswith("https:"):
            try:
                tls = ssl.create_default_context(cafile=self._options.ca)
            except OSError as error:  # ssl's own errors are among them
                raise EngineError(
                    f"ca: {self._options.ca} has no certificates that can be used: {error}"
                ) from error
        more: dict[str, Any] = {} if tls is None else {"ssl": tls}
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, **more))

    def _unreached(self, endpoint: str, error: Exception) -> _Elsewhere:
        """What a failed connection means, and what to do about it."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = getattr(error.certificate_error, "verify_message", "") or str(error)
            ca = self._options.ca or "the certificates of the system, since no ca is given"
            return _Elsewhere(
                f"{endpoint} cannot prove who it is to {ca}: {why}; ca is to name the file with the"
                " certificate that has signed that of etcd, which is to be for this very host",
                is_done=False,
            )
        hint = _hint_at_tls(endpoint, error)
        if isinstance(error, aiohttp.ClientConnectorError):
            words = f"{endpoint} cannot be reached: {_reason(error)}{hint}"
            return _Elsewhere(words, is_done=False)
        if isinstance(error, TimeoutError):
            return _Elsewhere(f"{endpoint} has not answered in time")
        return _Elsewhere(f"{endpoint} has broken off: {_reason(error)}{hint}")

    def _read(self, endpoint: str, text: bytes, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        """The object of an answer.

        Raises:
            RefusedByEtcd: It says why not.
            _Elsewhere: The same, but another may do it; or it is not the answer of etcd.
        """
        # A stream has several lines.
        body = _object(text.strip().partition(b"\n")[0])
        if body is None:
            raise _no_etcd(endpoint, answer.status, text)
        refusal = _refusal(body)
        if refusal is not None:
            raise self._refused(endpoint, *refusal)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's "OK"
            raise _no_etcd(endpoint, answer.status, text)
        result = body.get("result", body)
        return result if isinstance(result, dict) else {}

    def _refused(self, endpoint: str, code: int, words: str) -> Exception:
        """What an error of etcd means, and what to do about it."""
        if code in _ELSEWHERE:
            return _Elsewhere(f"{endpoint} says {words!r}")
        name, prefix = self._options.username, self._options.prefix
        hint = ""
        if code == _Code.PERMISSION_DENIED:
            hint = (
                f": the user {name!r} needs a role that may read and write all keys below {prefix}/"
                f" ('etcdctl role grant-permission ROLE --prefix readwrite {prefix}/')"
            )
        elif "user name is empty" in words:
            hint = ": it wants to know who we are; set username and password_file"
        elif "request is too large" in words:
            hint = ": one shard has too many devices; a fleet with more shards has fewer in each"
        elif code == _Code.RESOURCE_EXHAUSTED:
            hint = ": see 'etcdctl alarm list'"
        return RefusedByEtcd(f"{endpoint} says {words!r}{hint}", code)

    def _compare_clocks(
        self, endpoint: str, answer: aiohttp.ClientResponse, elapsed_s: float
    ) -> None:
        """Say once of an endpoint that its clock is not ours.

        Leases and deadlines are durations, and do not depend on it; but samples have our time, and
        after a take-over those of two hosts stand in one series.
        """
        if endpoint in self._told:
            return
        self._told.add(endpoint)
        try:
            theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return
        ahead = time.time() - theirs
        if abs(ahead) > _CLOCKS_DIFFER_S + elapsed_s:
            log.warning(
                "the clock of this host is %.0f s %s that of %s: times of samples will not fit"
                " together after a take-over; let all hosts of a fleet have their time from NTP",
                abs(ahead),
                "ahead of" if ahead > 0 else "behind",
                endpoint,
            )

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The results of a call that streams, from the endpoint in use, while that is in use.

        Raises:
            RefusedByEtcd: etcd does not do it.
            EngineError: It has ended, or the endpoint is in use no more.
        """
        endpoint, left = self.endpoint, self._left
        limit = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout)
        leaving = asyncio.ensure_future(left.wait())
        try:
            token = await self._permit(endpoint, self._refused_to_watch)
            async with asyncio.timeout(self._timeout):
                answer = await self._open(endpoint, path, body, token, limit, **_WITH_LEADER)
            async with answer:
                async for line in _lines(answer, leaving):
                    yield self._read(endpoint, line, answer)
        except _Elsewhere as error:
            self._leave(endpoint)
            raise EngineError(str(error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError) as error:
            self._leave(endpoint)
            raise EngineError(str(self._unreached(endpoint, error))) from error
        finally:
            leaving.cancel()
        raise EngineError(f"{endpoint} has ended the watch")

    def may_not_watch(self) -> None:
        """Get a new token for the next watch: one that a member does not know permits none."""
        self._refused_to_watch = self._token


async def _lines(
    answer: aiohttp.ClientResponse, leaving: asyncio.Future[Any]
) -> AsyncIterator[bytes]:
    """The lines of a stream, however long, until somebody leaves."""
    rest = b""
    while True:
        reading = asyncio.ensure_future(answer.content.readany())
        try:
            await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not reading.done():
                reading.cancel()
        if not reading.done():
            raise ConnectionError("it did not answer other calls")
        if not (piece := reading.result()):
            break
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _refusal(body: dict[str, Any]) -> tuple[int, str] | None:
    """Number and words of an error; None where it is none.

    They stand in the object itself, or under ``error``, and have had several names.
    """
    error = body.get("error")
    if isinstance(error, dict):
        body = error
    elif error is None and not ("code" in body and "message" in body):
        return None
    code = body.get("grpc_code", body.get("code"))
    words = body.get("message") or body.get("error") or "something"
    return (code if isinstance(code, int) else _Code.UNKNOWN), str(words)


def _no_etcd(endpoint: str, status: int, text: bytes) -> _Elsewhere:
    said = text[:200].decode("utf-8", "replace").strip()
    return _Elsewhere(
        f"{endpoint} answers with status {status} and {shown(said)}, which is not what etcd says;"
        " expected the address for clients of etcd 3.4 or newer, by default port 2379, with its"
        " gRPC gateway enabled"
    )


def _hint_at_tls(endpoint: str, error: Exception) -> str:
    """What to look for where one end may speak TLS and the other does not: etcd just hangs up."""
    inner = getattr(error, "os_error", error)
    if endpoint.startswith("http:") and isinstance(error, aiohttp.ServerDisconnectedError):
        return "; if it wants TLS, its address begins with https://"
    if endpoint.startswith("https:") and isinstance(inner, ssl.SSLError | ConnectionResetError):
        return "; if it knows no TLS, its address begins with http://"
    return ""


def _reason(error: Exception) -> str:
    """Why a connection failed, in a few words."""
    inner = getattr(error, "os_error", error)
    return getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
