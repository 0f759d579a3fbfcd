"""``rct-collector watch``: a live view of devices, and text blocks where there is no terminal."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, TargetOptions, target_options

if TYPE_CHECKING:
    from rich.live import Live

    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.cli.targets import Targets
    from rct_collector.exits import Exit
    from rct_collector.model import Batch

#: Seconds between two redraws, so that the ages of values go on.
_STEP_S = 0.5

#: Messages of the log that are kept on the screen.
_MESSAGES = 2

_EPILOG = """\b
Examples:
  rct-collector watch --simulate
  rct-collector watch --address tcp://192.0.2.10:8899
  rct-collector watch --config config.yaml --device roof --only 'inverter_battery*'
"""


@click.command("watch", short_help="Watch devices live.", epilog=_EPILOG)
@target_options
@click.option(
    "--for", "seconds", type=DURATION, metavar="DURATION", help="End after this time, such as 30s."
)
@click.pass_context
def command(ctx: click.Context, choice: TargetOptions, seconds: float | None) -> None:
    """Watch devices live, until Ctrl-C.

    First everything is read once, then it goes on at the intervals of the configuration. Of
    what changes rarely, such as settings, only a part is shown; --all or --only shows more.
    With more than one device there is one line for each; --device chooses.
    """
    from rct_collector.cli.main import start_logging
    from rct_collector.cli.targets import targets

    start_logging(ctx.obj, "warning")
    found = targets(choice)
    watch_targets(found, seconds, complete=bool(choice.only or choice.everything))


def watch_targets(
    found: Targets, seconds: float | None, *, complete: bool = False, hint: str = ""
) -> None:
    """Watch devices until the time is over or somebody presses Ctrl-C.

    Args:
        found: The devices.
        seconds: How long, or None for ever.
        complete: Show all metrics, not only those that change.
        hint: What Ctrl-C does, for the last line of the screen.

    Raises:
        click.exceptions.Exit: No device could be read at all.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.snapshot import Snapshot

    snapshots = [Snapshot(device) for device in found.devices]
    with screen(snapshots, complete=complete, hint=hint) as view:
        try:
            status: Exit | None = run(_watch(found, view, seconds))
        except KeyboardInterrupt:
            status = None
    if status:
        for snapshot in snapshots:
            click.echo(f"Error: {snapshot.config.name}: {snapshot.trouble}", err=True)
        raise click.exceptions.Exit(status)


async def _watch(found: Targets, view: Screen, seconds: float | None) -> Exit | None:
    """Watch; returns why not, when no device could be read."""
    import asyncio
    import contextlib

    from rct_collector.cli.collect import follow
    from rct_collector.cli.targets import reachable
    from rct_collector.tasks import first_of

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), reachable(found) as devices:
            for snapshot, device in zip(view.snapshots, devices, strict=True):
                snapshot.config = device
            return await first_of(
                follow(view.snapshots, view.take, first=view.changed), _redraw(view)
            )
    return None


async def _redraw(view: Screen) -> Exit:
    """Draw again and again; ends when nobody looks any more."""
    import asyncio

    while True:
        await asyncio.sleep(_STEP_S)
        view.draw()


# -- where it is shown --------------------------------------------------------------------------


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
        from rct_collector.cli.console import console, show
        from rct_collector.cli.view import block

        device = self._by_name[batch.source]
        snapshot = device.of(batch.unit)
        if not batch.ends_round or not snapshot.answered or (snapshot is device and device.units):
            return
        try:
            show(console(), *block(snapshot, complete=self.complete))
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
        from rct_collector.cli.view import screen_view

        footer = (*self.messages, self._hint)
        self._live.update(
            screen_view(
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
    from rct_collector.cli.console import console, show

    out = console()
    if not out.is_terminal:
        yield PlainScreen(snapshots, complete=complete)
        return
    from rich.live import Live

    from rct_collector.cli.view import farewell

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
    for snapshot in (part for whole in snapshots for part in whole.each):
        if snapshot.answered:
            show(out, *farewell(snapshot))
