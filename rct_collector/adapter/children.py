"""Several processes where an agent has started one: ``python -m rct_collector.adapter.children``.

The agent's pipe to it says when to stop, and is handed on, and so are signals. Its other two pipes
are the children's own: what they write comes in pieces that the system never cuts in two
(:mod:`rct_collector.adapter.pipe`), so nobody has to put lines together. A child that ends is
started again, while the others go on; and if this process is lost, their input is at its end.

It stays as small as Python is: nothing else of the collector is loaded.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

#: Seconds until a child is started again: at first, and at most. One that has lived for a while is
#: started again as at first.
RESTART_S, SLOWEST_RESTART_S, LONG_LIFE_S = 1.0, 30.0, 60.0

#: A child that is told to end has so many seconds: the shim takes up to 4.3 (its ``STOP_S``), and
#: Telegraf waits for 5.
STOP_S = 4.6

#: What is handed on to each child; an ignored signal would stay ignored there.
HANDED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_FAILED = 1


class Child:
    """One of the processes.

    Attributes:
        process: The process, as long as it lives.
        due: When it is to be started, where it does not live.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Do not start it yet.

        Args:
            command: Program and arguments.
        """
        self._command = command
        self._began = 0.0
        self._delay = RESTART_S
        self.process: subprocess.Popen[bytes] | None = None
        self.due = 0.0

    def start(self, now: float) -> None:
        """Start it; it inherits where to write.

        Raises:
            OSError: It cannot be started.
        """
        self._began = now
        # Until it can say that it does not mind, these would end it: it begins with them blocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDED_ON)
        try:
            self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603 - ours
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDED_ON)
        if self.process.stdin is not None:
            os.set_blocking(self.process.stdin.fileno(), False)

    def ended(self, now: float) -> int | None:
        """Its exit status if it has just ended; then it is due again after a while."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        self.close()
        self.process = None
        if now - self._began > LONG_LIFE_S:
            self._delay = RESTART_S
        self.due = now + self._delay
        self._delay = min(2 * self._delay, SLOWEST_RESTART_S)
        return status

    def tell(self, data: bytes) -> None:
        """Hand on what the agent says, unless as much waits already for a child to read it."""
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(OSError):  # its pipe is full of the same, or it is ending
                os.write(self.process.stdin.fileno(), data)

    def close(self) -> None:
        """Have its input end, which tells it to end."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.stdin = None

    def send(self, number: int) -> None:
        """Send it a signal, if it lives."""
        if self.process is not None:
            self.process.send_signal(number)


class Children:
    """All of them."""

    def __init__(self, commands: Sequence[Sequence[str]]) -> None:
        """Do not start them yet.

        Args:
            commands: Program and arguments of each.
        """
        self._children = [Child(command) for command in commands]
        self._stop_by = 0.0
        self._status = 0
        self._wake, self._waker = os.pipe()
        for end in (self._wake, self._waker):
            os.set_blocking(end, False)

    def run(self) -> int:
        """Run them until the input ends, nobody reads the output, or a signal says so.

        Returns:
            Exit status: that of a child that has failed at the end, else 0.
        """
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in HANDED_ON:
            signal.signal(number, lambda number, _frame: self._send(number))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _frame: self._end(number))
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(0, select.POLLIN)
        poll.register(1, 0)  # only whether somebody is there to read
        while True:
            self._look_after(time.monotonic())
            if self._stop_by and all(child.process is None for child in self._children):
                return self._status
            for fd, _ in poll.poll(self._patience(time.monotonic())):
                if fd == self._wake:
                    os.read(fd, 4096)
                    continue
                if fd == 0 and self._hand_on():
                    continue
                if fd == 1:
                    self._status = _FAILED
                poll.unregister(fd)
                self._end()

    def _look_after(self, now: float) -> None:
        """Note who has ended, and start who is due."""
        for n, child in enumerate(self._children):
            status = child.ended(now)
            if status is not None and self._stop_by:
                self._status = max(self._status, status if status >= 0 else _FAILED)
            elif status is not None:
                _log(
                    f"W! process {n} of {len(self._children)} has ended {_in_words(status)};"
                    f" it is started again in {child.due - now:.0f} s"
                )
            if child.process is None and child.due <= now and not self._stop_by:
                try:
                    child.start(now)
                except OSError as error:
                    child.due = now + SLOWEST_RESTART_S
                    _log(f"E! process {n} of {len(self._children)} cannot be started: {error}")
            elif self._stop_by:
                child.close()  # it may just have been started when the others were told
                if self._stop_by <= now:
                    child.send(signal.SIGKILL)

    def _patience(self, now: float) -> float | None:
        """Milliseconds until something is to be done without being asked."""
        if self._stop_by:
            return max(self._stop_by - now, 0.05) * 1000
        due = [child.due for child in self._children if child.process is None]
        return max(min(due) - now, 0) * 1000 if due else None

    def _hand_on(self) -> bool:
        """Hand on what came; whether more may come."""
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if b"\n" in data:
            for child in self._children:
                child.tell(b"\n")
        return bool(data)

    def _send(self, number: int) -> None:
        for child in self._children:
            child.send(number)

    def _end(self, number: int | None = None) -> None:
        """Have all end, by their input and perhaps by a signal, too."""
        self._stop_by = self._stop_by or time.monotonic() + STOP_S
        for child in self._children:
            child.close()
            if number is not None:
                child.send(number)


def _nothing(_number: int, _frame: object) -> None:
    """Only wake up."""


def _in_words(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"


def _log(text: str) -> None:
    """Write a line into the agent's log, in one piece and if it goes without waiting."""
    if select.select((), (2,), (), 0)[1]:
        with contextlib.suppress(OSError):  # nobody is there to read it
            os.write(2, text.encode("ascii", "backslashreplace") + b"\n")


def main(words: Sequence[str]) -> int:
    """Run a command several times, each with its share as the last argument.

    Args:
        words: How many, then program and arguments.
    """
    count = int(words[0])
    return Children([[*words[1:], f"{n}/{count}"] for n in range(count)]).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
