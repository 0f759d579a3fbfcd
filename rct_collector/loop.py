"""The event loop, tuned for many devices.

With many devices something happens every other millisecond, and a process that wakes up for each
single answer spends most of its time on waking up. So the loop has a beat: it looks around at the
points of a fixed grid instead (:mod:`.beat`) and finds several answers at a time, as a network
driver does under load. One or a few devices are served at once.

Names are looked up in a few threads that nobody waits for: a resolver that is silent for half a
minute must neither keep an agent from stopping nor fill the process with threads.

What goes wrong in a callback or in a task that nobody waits for is logged as all else is.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from rct_collector.beat import EVERY_S, Beat
from rct_collector.sockets import Sockets

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

#: From so many devices on, the loop has a beat.
MANY = 10

#: Look-ups at a time; the others wait for their turn.
MOST_THREADS = 8


class BeatingSelector(selectors.DefaultSelector):
    """Looks for events and timers at the points of a grid, and then finds several of them.

    Attributes:
        every: Seconds from one point to the next.
        seen_at: What had come until then was found by the last look, in monotonic seconds.
    """

    def __init__(self) -> None:
        """Begin with the usual grid."""
        super().__init__()
        self.every = EVERY_S
        self.seen_at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as asked, and then until the next point, unless there is work at hand."""
        if timeout is None or timeout > 0:
            now = time.monotonic()
            point = self._nap(now)
            rest = None if timeout is None else now + timeout - max(point, time.monotonic())
            if rest is None or rest > 0:
                found = super().select(rest)
                late = time.monotonic()
                if found and late - point >= self.every / 2:
                    # Nothing was there for some time. What comes first does not come alone.
                    self._nap(late)
        self.seen_at = time.monotonic()
        return super().select(0)

    def _nap(self, now: float) -> float:
        """Sleep until the next point of the grid; when that is."""
        left = self.every - now % self.every
        time.sleep(left)
        return now + left


class BeatingLoop(asyncio.SelectorEventLoop):
    """A loop with a beat.

    Attributes:
        beat: Its alarms.
        sockets: Those of devices.
    """

    #: It is asked several times for each answer, so that a function around it would tell.
    time = staticmethod(time.monotonic)

    def __init__(self) -> None:
        """Begin with the usual grid."""
        selector = BeatingSelector()
        super().__init__(selector)

        def pace(every: float) -> None:
            selector.every = every

        self.beat = Beat(self, seen=lambda: selector.seen_at, pace=pace)
        self.sockets = Sockets(self)

    def close(self) -> None:
        """See the base class."""
        if not self.is_closed():
            self.sockets.close()
        super().close()


class _Question:
    """A call, and everybody who waits for its answer."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._waiting: list[Future[Any]] = []

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits; who has given up is forgotten."""
        self._waiting = [future for future in self._waiting if not future.cancelled()]
        return bool(self._waiting)

    def wait(self) -> Future[Any]:
        """Wait for the answer too."""
        future: Future[Any] = Future()
        self._waiting = [*(other for other in self._waiting if not other.cancelled()), future]
        return future

    def ask(self) -> tuple[Any, BaseException | None]:
        """Call; what it returns, and what it raises."""
        try:
            return self._call(), None
        except BaseException as error:
            return None, error

    def tell(self, answer: Any, error: BaseException | None) -> None:  # noqa: ANN401
        """Tell those who wait by now."""
        for future in self._waiting:
            if not future.set_running_or_notify_cancel():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)


class LookUps(ThreadPoolExecutor):
    """Runs calls in a few daemon threads; neither loop nor interpreter waits for them.

    What is asked while the same is asked already shares the answer: a name that cannot be found
    out holds one thread, however often it is tried. So this is for questions, not for deeds.
    """

    def __init__(self, most: int = MOST_THREADS) -> None:
        """Start no thread yet.

        Args:
            most: Threads at a time.
        """
        super().__init__(most)
        self._most = most
        self._lock = threading.Lock()
        self._busy = 0
        self._open: dict[Any, _Question] = {}
        self._queue: deque[Any] = deque()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Ask.

        Raises:
            RuntimeError: There is no thread for it, and none can be had.
        """
        key = fn, args, tuple(kwargs.items())
        with self._lock:
            question = self._open.get(key)
            if question is None:
                question = self._open[key] = _Question(lambda: fn(*args, **kwargs))
                self._queue.append(key)
                self._serve(key)
            return question.wait()

    def _serve(self, key: Any) -> None:  # noqa: ANN401
        """See to it that a thread comes for what was just put into the queue."""
        if self._busy >= self._most:
            return
        try:
            threading.Thread(target=self._work, name="look-up", daemon=True).start()
        except RuntimeError:  # no thread to be had; one that is there will do
            if not self._busy:
                self._queue.remove(key)
                del self._open[key]
                raise
        else:
            self._busy += 1

    def _work(self) -> None:
        """Ask what is in the queue, until it is empty."""
        while True:
            with self._lock:
                key = self._next()
                if key is None:
                    self._busy -= 1
                    return
                question = self._open[key]
            outcome = question.ask()
            with self._lock:
                del self._open[key]
            question.tell(*outcome)

    def _next(self) -> Any:  # noqa: ANN401
        """What to ask next, None if nobody wants to know anything any more."""
        while self._queue:
            key = self._queue.popleft()
            if self._open[key].wanted:
                return key
            del self._open[key]
        return None


def new_event_loop(devices: int) -> asyncio.AbstractEventLoop:
    """Make the loop for so many devices."""
    loop = BeatingLoop() if devices >= MANY else asyncio.new_event_loop()
    loop.set_default_executor(LookUps())
    loop.set_exception_handler(_unobserved)
    return loop


def _unobserved(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody else has noticed; asyncio's own log is not always one that is read."""
    log.error("bug: %s", context["message"], exc_info=context.get("exception"))
