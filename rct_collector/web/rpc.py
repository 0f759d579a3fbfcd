"""Calls of browsers and programs: who may make which, and what they are answered."""

from __future__ import annotations

import asyncio
from typing import Any

from rct_collector.control.messages import Call, Code, Mistake, failure, read, result
from rct_collector.errors import CollectorError, RpcError
from rct_collector.web.overview import METHODS, Overview
from rct_collector.web.tokens import Right

#: Calls of one browser that may be under way at a time.
MOST = 4


class WebCaller:
    """Whoever calls, with the right of its token."""

    def __init__(self, overview: Overview, right: Right, *, waits: bool) -> None:
        """Nothing is under way yet.

        Args:
            overview: Asks the collectors.
            right: What the caller may do.
            waits: It hears nothing but the answer, so a setting is answered by what became of it.
        """
        self._overview = overview
        self._right = right
        self._waits = waits
        self._under_way = 0

    async def answer(self, said: bytes) -> Any:  # noqa: ANN401 - a message, a list of them or None
        """Answer what was said.

        Args:
            said: One message of JSON-RPC.

        Returns:
            The answer, a list of them to a list of calls, or None where nothing is to be answered.
        """
        calls, together = read(said)
        found = [one for one in await asyncio.gather(*map(self._one, calls)) if one is not None]
        if together:
            return found or None
        return found[0] if found else None

    async def _one(self, call: Call | Mistake) -> dict[str, Any] | None:
        if isinstance(call, Mistake):
            return failure(call.id, call.error)
        try:
            answer = result(call.id, await self._counted(call))
        except RpcError as error:
            answer = failure(call.id, error)
        except CollectorError as error:
            # What changes something may have been done.
            data = {"state": "unknown"} if METHODS[call.method] else None
            answer = failure(call.id, RpcError(Code.AWAY, str(error), data))
        return answer if call.is_answered else None

    async def _counted(self, call: Call) -> Any:  # noqa: ANN401 - whatever the method returns
        if call.method not in METHODS:
            raise RpcError(Code.UNKNOWN, f"{call.method!r} is none of {', '.join(METHODS)}")
        if METHODS[call.method] and self._right < Right.SET:
            raise RpcError(
                Code.NOT_PERMITTED,
                "you have come in with the token for reading; that for setting is needed",
            )
        if self._under_way >= MOST:
            raise RpcError(Code.TOO_OFTEN, f"{MOST} calls are under way; wait for an answer")
        self._under_way += 1
        try:
            found = await self._overview.call(call.method, call.params)
            if self._waits and METHODS[call.method]:
                return await self._overview.outcome(str(found["ticket"]))
            return found
        finally:
            self._under_way -= 1
