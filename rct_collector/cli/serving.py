"""Serving something in place of an inverter, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from rct_collector.cli.collect import run
from rct_collector.cli.console import console
from rct_collector.drivers.tools import FarEnd
from rct_collector.simulator import Hub, serve
from rct_collector.transport.tcp import explain

if TYPE_CHECKING:
    from rct_collector.drivers.base import Driver

#: Seconds between two looks at the counters.
_STATUS_S = 2.0


class Entrance(Protocol):
    """Where a unit is reached, or what dials for it: classes of :mod:`rct_collector.simulator`."""

    @property
    def hub(self) -> Hub:
        """The unit, and its clients."""

    @property
    def where(self) -> str:
        """Where it is, or whom it calls, in words."""

    def close(self) -> None:
        """Let nobody in any more, or hang up."""


#: Makes a unit reachable.
Opening = Callable[[], Awaitable[Entrance]]


def serve_until_stopped(unit: FarEnd, host: str, port: int, *, name: str) -> None:
    """Serve over TCP until Ctrl-C.

    Args:
        unit: Who answers there.
        host: Address to listen on.
        port: TCP port; 0 for any that is free.
        name: The same for people.

    Raises:
        click.UsageError: It cannot listen there.
    """
    open_until_stopped([lambda: serve(unit, host, port)], where=f"{host}:{port}", name=name)


def plugged_in(transport: str, hub: Callable[[], Hub], path: Path) -> Opening:
    """What puts a unit in the place of a serial port or of a USB device.

    Args:
        transport: ``pty`` or ``hid``.
        hub: Makes the unit's hub, on the running loop.
        path: Where it is to be.
    """

    async def plug_in() -> Entrance:
        from rct_collector.simulator import ReportNode, SerialNode

        return (SerialNode if transport == "pty" else ReportNode)(hub(), path)

    return plug_in


def dialling(hub: Callable[[], Hub], host: str, port: int) -> Opening:
    """What lets a unit call somebody.

    Args:
        hub: Makes the unit's hub, on the running loop.
        host: Who is called.
        port: Port there.
    """

    async def dial() -> Entrance:
        from rct_collector.simulator.dialler import Dialler

        return Dialler(hub(), host, port)

    return dial


def called_at(text: str, family: Driver) -> tuple[str, int]:
    """Host and port that units call.

    Args:
        text: An address of TCP; its scheme may be left out, and the usual port.
        family: Whose units call.

    Raises:
        click.UsageError: It is none.
    """
    from rct_collector.option import Invalid
    from rct_collector.transport import has_scheme, hosts, parse_address

    ways = {"tcp": {"port": family.ways["listen"]["port"]}}
    full = text if has_scheme(text) else f"tcp://{text}"
    try:
        return hosts.split(parse_address(full, ways).place)
    except Invalid as error:
        raise click.UsageError(f"--to: found {text!r}, expected {error}") from error


def open_until_stopped(
    openings: Sequence[Opening], *, where: str, name: str, hints: Sequence[str] = ()
) -> None:
    """Let units be reached until Ctrl-C.

    Args:
        openings: One for each of them.
        where: What is opened, for messages.
        name: What answers, for people.
        hints: What else is to be said, line by line.

    Raises:
        click.UsageError: It cannot be opened.
    """
    try:
        run(_serve(openings, name, hints))
    except OSError as error:
        raise click.UsageError(f"cannot listen on {where}: {explain(error)}") from error
    except KeyboardInterrupt:
        click.echo(err=True)


async def _serve(openings: Sequence[Opening], name: str, hints: Sequence[str]) -> None:
    with ExitStack() as stack:
        doors = []
        for opening in openings:
            doors.append(await opening())
            stack.callback(doors[-1].close)
        for door in doors:
            click.echo(f"{name} {door.where}; end with Ctrl-C")
        for hint in hints:
            click.echo(hint)
        sys.stdout.flush()
        if sys.stdout.isatty():
            await _tell([door.hub for door in doors])
        await asyncio.Event().wait()


async def _tell(hubs: Sequence[Hub]) -> None:
    """A status line, now and then."""
    with console().status("no client yet") as status:
        before = _requests(hubs)
        while True:
            await asyncio.sleep(_STATUS_S)
            now = _requests(hubs)
            clients = sum(hub.clients for hub in hubs)
            noun = "client" if clients == 1 else "clients"
            rate = (now - before) / _STATUS_S
            status.update(f"{clients} {noun}, {rate:.1f} requests/s, {now} so far")
            before = now


def _requests(hubs: Sequence[Hub]) -> int:
    return sum(hub.bridge.request_count for hub in hubs)
