"""What goes with a call, and who makes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from rct_collector.control.broker import Topic
from rct_collector.control.messages import Code
from rct_collector.control.rights import Rights
from rct_collector.control.subscriptions import Subscriber
from rct_collector.errors import RpcError
from rct_collector.lines.holder import Holder

#: Globs that one may be given; and characters of each.
MOST_GLOBS = 64
LONGEST_GLOB = 200

#: The year 2100 begins, in Unix seconds.
LAST_S = 4_102_444_800


class RpcCaller(Subscriber, Protocol):
    """Who asks.

    Attributes:
        caller: The process at the other end.
        rights: What it may do.
        follows: The devices that it has subscribed to.
        stays: It waits for an answer that it is to get although the door is closed.
    """

    caller: Holder
    rights: Rights
    follows: set[Topic]
    stays: bool


class Params:
    """What goes with a call; wrong ones are told with what would be right."""

    def __init__(self, said: Mapping[str, Any], known: Collection[str]) -> None:
        """Look whether all of them are known.

        Args:
            said: What was said.
            known: Those that the method takes.

        Raises:
            RpcError: One is not.
        """
        for name in said:
            if name not in known:
                right = ", ".join(known) or "none"
                raise RpcError(Code.PARAMS, f"there is no parameter {name}; there are: {right}")
        self._said = said

    def globs(self, name: str) -> tuple[str, ...]:
        """Globs of series."""
        found = self._said.get(name, [])
        if (
            isinstance(found, list)
            and len(found) <= MOST_GLOBS
            and all(isinstance(glob, str) and len(glob) <= LONGEST_GLOB for glob in found)
        ):
            return tuple(found)
        right = f"at most {MOST_GLOBS} globs of at most {LONGEST_GLOB} characters, in a list"
        raise RpcError(Code.PARAMS, f"{name} is {right}")

    def text(self, name: str) -> str | None:
        """Some text, if it was said."""
        found = self._said.get(name)
        if found is None or isinstance(found, str):
            return found
        raise RpcError(Code.PARAMS, f"{name} is text, not {found!r}")

    def flag(self, name: str) -> bool | None:
        """True or false, if it was said."""
        found = self._said.get(name)
        if found is None or isinstance(found, bool):
            return found
        raise RpcError(Code.PARAMS, f"{name} is true or false, not {found!r}")

    def moment(self, name: str, default: float | None = None) -> float:
        """A time, in Unix seconds.

        Args:
            name: Of the parameter.
            default: What is taken where it was not said; None where it must be.
        """
        found = self._said.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise RpcError(Code.PARAMS, f"{name} is a time, in seconds since 1970, not {found!r}")
        if not 0 <= found < LAST_S:
            raise RpcError(Code.PARAMS, f"{name} is a time from 1970 to 2100, not {found!r:.40}")
        return float(found)

    def needed_text(self, name: str) -> str:
        """Some text."""
        found = self.text(name)
        if found is None:
            raise RpcError(Code.PARAMS, f"{name} is missing")
        return found

    def scalar(self, name: str, default: Any = None) -> Any:
        """A number, a text, true or false, or null, if it was said."""
        found = self._said.get(name, default)
        if found is default or found is None or isinstance(found, str | int | float):
            return found
        raise RpcError(Code.PARAMS, f"{name} is a number, a text, true or false, not {found!r}")

    def needed_scalar(self, name: str) -> Any:
        """A number, a text, true or false."""
        if self._said.get(name) is None:
            raise RpcError(Code.PARAMS, f"{name} is missing")
        return self.scalar(name)
