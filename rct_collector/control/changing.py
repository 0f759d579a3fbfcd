"""Settings at a door: what may be set, and setting it, for those who may.

Whether a value may be written is decided by the gate of the device (:mod:`.device.settings`) alone;
here it is decided who may ask for it, and told what became of it.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from rct_collector.control.broker import Topic
from rct_collector.control.messages import Code, line_of, notification
from rct_collector.control.params import Params, RpcCaller
from rct_collector.control.rights import CONTROL
from rct_collector.device.settings import ANY, Cause, Denied, Result, State
from rct_collector.errors import RpcError
from rct_collector.lines.holder import Holder
from rct_collector.trust import how_to_join, user_name

log = logging.getLogger(__name__)

_CODES = {
    Cause.UNKNOWN: Code.PARAMS,
    Cause.DISABLED: Code.NOT_ENABLED,
    Cause.RULE: Code.REFUSED,
    Cause.UNIT: Code.REFUSED,
    Cause.AWAY: Code.AWAY,
    Cause.OFTEN: Code.TOO_OFTEN,
}


class Changes:
    """The settings of the devices of one line, and what is being written."""

    def __init__(self, keep: Callable[[Coroutine[Any, Any, None], str], object]) -> None:
        """Write nothing yet.

        Args:
            keep: Has something done to its end, see :meth:`.broker.Broker.keep`.
        """
        self._keep = keep
        self._written: set[Topic] = set()

    def set(self, caller: RpcCaller, topic: Topic, params: Params) -> dict[str, Any]:
        """Have a setting written; what becomes of it is told to the caller and to subscribers.

        Returns:
            The ticket that the notification has, too.

        Raises:
            RpcError: The caller may not, or something stands against it that is known already.
        """
        if not caller.rights.sets:
            text = (
                f"only members of the group {CONTROL} may change settings:"
                f" {how_to_join(CONTROL, caller.caller.uid)}"
            )
            raise RpcError(Code.NOT_PERMITTED, text)
        gate = topic.device.settings
        if gate is None:
            text = f"{topic.device.driver.title} units have no settings that can be written"
            raise RpcError(Code.PARAMS, text)
        name, value = params.needed_text("name"), params.needed_scalar("value")
        expect, dry = params.scalar("expect", ANY), bool(params.flag("dry"))
        if denied := gate.objection(name, value):
            raise error_of(denied)
        if topic in self._written:  # its task may not have come to the gate yet
            raise RpcError(Code.TOO_OFTEN, "another setting is being written; one at a time")
        self._written.add(topic)
        ticket = secrets.token_hex(8)  # whoever asks at several doors tells them apart by it
        who = _words_for(caller.caller)

        async def writing() -> Result:
            return await gate.set(name, value, expect=expect, who=who, dry=dry)

        self._keep(self._write(caller, topic, ticket, name, writing), f"set {name}")
        return {"state": "accepted", "ticket": ticket}

    async def _write(
        self,
        caller: RpcCaller,
        topic: Topic,
        ticket: str,
        name: str,
        writing: Callable[[], Awaitable[Result]],
    ) -> None:
        """Write it, whatever becomes of the caller, and tell."""
        try:
            result = await writing()
        except Exception as error:
            log.exception("bug: %s of %s", name, topic.device.name)
            result = Result(State.UNKNOWN, why=f"bug: {error!r}")
        finally:
            self._written.discard(topic)
        told = {
            "source": topic.device.name,
            "ticket": ticket,
            "name": name,
            "state": str(result.state),
            "before": result.before,
            "after": result.after,
            "why": result.why,
        }
        line = line_of(notification("setting", told))
        if topic not in caller.follows:
            caller.send(line)
        if topic.feed is not None:
            topic.feed.tell(line)


def error_of(denied: Denied) -> RpcError:
    """The error that tells what stands against a write."""
    data = {"rule": denied.rule, "right": denied.right}
    return RpcError(_CODES[denied.cause], denied.rule, data)


def _words_for(caller: Holder) -> str:
    """Who asks, for the journal."""
    who = user_name(caller.uid) if caller.uid is not None else "somebody"
    return f"{who}, process {caller.pid}" if caller.pid else who
