"""Serving something in place of an inverter, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import click

from rct_collector.cli.collect import run
from rct_collector.cli.console import console
from rct_collector.simulator import Server
from rct_collector.transport.tcp import explain

#: Seconds between two looks at the counters.
_STATUS_S = 2.0


def serve_until_stopped(
    start: Callable[[str, int], Awaitable[Server]],
    host: str,
    port: int,
    *,
    name: str,
    asked: Callable[[], int],
) -> None:
    """Serve until Ctrl-C.

    Args:
        start: Opens the server.
        host: Address to listen on.
        port: TCP port; 0 for any that is free.
        name: Who answers there, for people.
        asked: Number of requests so far.

    Raises:
        click.UsageError: It cannot listen there.
    """
    try:
        run(_serve(lambda: start(host, port), name, asked))
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {explain(error)}") from error
    except KeyboardInterrupt:
        click.echo(err=True)


async def _serve(
    start: Callable[[], Awaitable[Server]], name: str, asked: Callable[[], int]
) -> None:
    async with await start() as server:
        click.echo(f"{name} at {server.address}; end with Ctrl-C")
        sys.stdout.flush()
        if sys.stdout.isatty():
            await _tell(server, asked)
        await asyncio.Event().wait()


async def _tell(server: Server, asked: Callable[[], int]) -> None:
    """A status line, now and then."""
    with console().status("no client yet") as status:
        before = asked()
        while True:
            await asyncio.sleep(_STATUS_S)
            now = asked()
            clients = server.hub.clients
            noun = "client" if clients == 1 else "clients"
            rate = (now - before) / _STATUS_S
            status.update(f"{clients} {noun}, {rate:.1f} requests/s, {now} so far")
            before = now
