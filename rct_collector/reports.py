"""What is said of one device in the log: never at the pace of the device."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from rct_collector.limiter import Limiter, and_more


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Reports:
    """Logs what a device brings about, with a limit, and a summary of what exceeds it.

    Attributes:
        name: What every message begins with; may change.
    """

    __slots__ = ("_clock", "_latest", "_limiter", "name")

    def __init__(self, name: str, clock: Callable[[], float] = _loop_time) -> None:
        """Begin.

        Args:
            name: Name of the device, or of those that share a line.
            clock: Monotonic seconds; by default those of the running event loop.
        """
        self.name = name
        self._clock = clock
        self._limiter: Limiter | None = None  # of most nothing is ever said
        self._latest: dict[str, tuple[logging.Logger, int, str]]

    def say(
        self,
        logger: logging.Logger,
        level: int,
        kind: str,
        text: str,
        *args: object,
        most: int | None = None,
        exc_info: BaseException | None = None,
    ) -> bool:
        """Log something; what is too much is for those who debug.

        Args:
            logger: Where to.
            level: How bad it is.
            kind: What it is, of few kinds, each limited by itself.
            text: Message, in the form of the ``logging`` module.
            args: What is put into it.
            most: How often it may be said in an hour; None for as often as others.
            exc_info: A defect, whose traceback is logged with it.

        Returns:
            Whether it was said.
        """
        if self._limiter is None:
            self._limiter, self._latest = Limiter(self._clock), {}
        passes = self._limiter.passes(kind, most)
        message = text % args
        shown = level if passes else logging.DEBUG
        logger.log(shown, "%s: %s", self.name, message, exc_info=exc_info)
        if not passes:
            self._latest[kind] = logger, level, message
        return passes

    def sum_up(self) -> None:
        """Tell how much was not said; to be called now and then."""
        for kind, count in self._limiter.overdue() if self._limiter is not None else ():
            logger, level, text = self._latest.pop(kind)
            logger.log(level, "%s: %s%s", self.name, text, and_more(count))
