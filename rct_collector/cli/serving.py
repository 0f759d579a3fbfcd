"""Serving something in place of an inverter, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys

import click

from rct_collector.cli.collect import run
from rct_collector.cli.console import console
from rct_collector.drivers.tools import FarEnd
from rct_collector.simulator import Server, serve
from rct_collector.transport.tcp import explain

#: Seconds between two looks at the counters.
_STATUS_S = 2.0


def serve_until_stopped(unit: FarEnd, host: str, port: int, *, name: str) -> None:
    """Serve until Ctrl-C.

    Args:
        unit: Who answers there.
        host: Address to listen on.
        port: TCP port; 0 for any that is free.
        name: The same for people.

    Raises:
        click.UsageError: It cannot listen there.
    """
    try:
        run(_serve(unit, host, port, name))
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {explain(error)}") from error
    except KeyboardInterrupt:
        click.echo(err=True)


async def _serve(unit: FarEnd, host: str, port: int, name: str) -> None:
    async with await serve(unit, host, port) as server:
        click.echo(f"{name} at {server.address}; end with Ctrl-C")
        sys.stdout.flush()
        if sys.stdout.isatty():
            await _tell(server)
        await asyncio.Event().wait()


async def _tell(server: Server) -> None:
    """A status line, now and then."""
    with console().status("no client yet") as status:
        before = server.hub.bridge.request_count
        while True:
            await asyncio.sleep(_STATUS_S)
            now = server.hub.bridge.request_count
            clients = server.hub.clients
            noun = "client" if clients == 1 else "clients"
            rate = (now - before) / _STATUS_S
            status.update(f"{clients} {noun}, {rate:.1f} requests/s, {now} so far")
            before = now
