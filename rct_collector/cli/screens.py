"""Where ``watch`` shows things: the whole terminal, or plain text, block after block."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rct_collector.cli import view
from rct_collector.cli.console import console, show
from rct_collector.cli.snapshot import Snapshot
from rct_collector.model import Batch

if TYPE_CHECKING:
    from rich.live import Live

#: Messages of the log that are kept on the screen.
_MESSAGES = 2


class Screen:
    """Takes the batches of all devices and shows them.

    Attributes:
        snapshots: One per device.
    """

    def __init__(self, snapshots: Sequence[Snapshot], *, complete: bool) -> None:
        """Show nothing yet.

        Args:
            snapshots: One per device.
            complete: Show all metrics, not only those that change.
        """
        self.snapshots = snapshots
        self.complete = complete
        self._by_name = {snapshot.config.name: snapshot for snapshot in snapshots}

    def take(self, batch: Batch) -> None:
        """Take what a device has to say, and show it."""
        self._by_name[batch.source].take(batch)
        self.changed(batch)

    def changed(self, batch: Batch) -> None:
        """A snapshot has taken a batch."""

    def draw(self) -> None:
        """Draw anew, since time goes on."""


class PlainScreen(Screen):
    """A block of text per round: no colours, nothing drawn over."""

    _broken: OSError | None = None

    def changed(self, batch: Batch) -> None:
        """Print what a round brought, at its end."""
        if not any(series.metric.own for series, _ in batch.values):
            return
        snapshot = self._by_name[batch.source]
        if not snapshot.measured:
            return
        try:
            show(console(), *view.block(snapshot, complete=self.complete))
            sys.stdout.flush()
        except OSError as error:
            # Who hands over batches must not be disturbed; draw() tells those who can end it.
            self._broken = error

    def draw(self) -> None:
        """There is nothing to draw between the blocks.

        Raises:
            OSError: Nobody reads any more, or there is no room for it.
        """
        if self._broken is not None:
            raise self._broken


class TerminalScreen(Screen):
    """The whole terminal, on its alternate screen."""

    def __init__(
        self, snapshots: Sequence[Snapshot], live: Live, *, complete: bool, hint: str
    ) -> None:
        """Draw on ``live``.

        Args:
            snapshots: One per device.
            live: The terminal.
            complete: Show all metrics, not only those that change.
            hint: What Ctrl-C does.
        """
        super().__init__(snapshots, complete=complete)
        self._live = live
        self._hint = hint
        self.messages: deque[str] = deque(maxlen=_MESSAGES)

    def changed(self, batch: Batch) -> None:
        """Show it at once."""
        self.draw()

    def draw(self) -> None:
        """Draw everything."""
        footer = (*self.messages, self._hint)
        self._live.update(
            view.screen(
                self.snapshots, self._live.console.size, complete=self.complete, footer=footer
            ),
            refresh=True,
        )


class _Messages(logging.Handler):
    """Keeps log messages for the screen, which standard error would garble."""

    def __init__(self, kept: deque[str]) -> None:
        super().__init__()
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(f"{record.levelname}: {record.getMessage()}")


@contextmanager
def screen(snapshots: Sequence[Snapshot], *, complete: bool, hint: str) -> Iterator[Screen]:
    """The screen that suits standard output, as long as the context lasts."""
    out = console()
    if not out.is_terminal:
        yield PlainScreen(snapshots, complete=complete)
        return
    from rich.live import Live

    log = logging.getLogger()
    before = log.handlers[:]
    with Live(console=out, screen=True, auto_refresh=False) as live:
        terminal = TerminalScreen(snapshots, live, complete=complete, hint=hint or "Ctrl-C ends")
        log.handlers[:] = [_Messages(terminal.messages)]
        terminal.draw()
        try:
            yield terminal
        finally:
            log.handlers[:] = before
    for snapshot in snapshots:
        if snapshot.measured:
            show(out, *view.farewell(snapshot))
