"""``rct-collector reload``: has the collectors of this host read their configuration again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from rct_collector.exits import Exit

if TYPE_CHECKING:
    from rct_collector.control.doors import Seen

_EPILOG = """\b
Examples:
  rct-collector reload
  rct-collector reload roof
"""

#: Seconds that it may take: a collector gives each of its devices time to end.
_LONGEST_S = 60.0


@click.command(
    "reload", short_help="Have collectors read their configuration again.", epilog=_EPILOG
)
@click.argument("devices", nargs=-1, metavar="[DEVICE]...")
@click.pass_obj
def command(level: str | None, devices: tuple[str, ...]) -> None:
    """Have the collectors of this host read their configuration again.

    All of them are told, whether Telegraf or collectd has started them or they are a service; with
    DEVICE those that collect from it. Devices are added, removed and changed without a disturbance
    of the others, and a configuration with a mistake changes nothing. It takes root, or the user of
    the collector.
    """
    from rct_collector.cli import collect
    from rct_collector.cli.main import start_logging

    start_logging(level, "warning")
    status = collect.run(_reload(devices))
    if status:
        raise click.exceptions.Exit(status)


async def _reload(devices: tuple[str, ...]) -> Exit:
    """Tell all that are meant, one after the other; the first failure is the status."""
    from rct_collector.cli.main import Failure
    from rct_collector.control import doors

    found = _collectors(await doors.survey())
    known = {name: seen for seen in found for name in _sources(seen)}
    unknown = [name for name in devices if name not in known]
    if unknown or not found:
        who = f"from {', '.join(unknown)}" if unknown else "from anything that could be asked"
        right = f"; there are: {', '.join(sorted(known))}" if known else ""
        raise Failure((f"nobody on this host collects {who}{right}",), Exit.UNREACHABLE)
    wanted = [seen for seen in found if not devices or {*devices} & {*_sources(seen)}]
    outcomes = [await _tell(seen, is_named=bool(devices)) for seen in wanted]
    return next(filter(None, outcomes), Exit.OK)


def _collectors(found: Iterable[Seen]) -> list[Seen]:
    """One of the doors of each collector, with the devices of all of them."""
    processes: dict[tuple[int, float], Seen] = {}
    for seen in found:
        if seen.status is None:
            continue
        collector = seen.status["collector"]
        first = processes.setdefault((collector["pid"], collector["since"]), seen)
        if first is not seen and first.status is not None:
            devices = [*first.status["devices"], *seen.status["devices"]]
            processes[collector["pid"], collector["since"]] = first._replace(
                status={**first.status, "devices": devices}
            )
    return list(processes.values())


def _sources(seen: Seen) -> list[str]:
    return [device["source"] for device in seen.status["devices"]] if seen.status else []


async def _tell(seen: Seen, *, is_named: bool) -> Exit:
    """Have one collector do it, and say what has come of it.

    Args:
        seen: One of its doors.
        is_named: Whether it is meant by name; others may have nothing that could be read again.
    """
    from rct_collector.control.client import Client
    from rct_collector.control.messages import Code
    from rct_collector.errors import RpcError, TransportError

    assert seen.status is not None  # noqa: S101 - those without were left out
    collector = seen.status["collector"]
    who = f"{collector.get('program', 'a collector')} (process {collector['pid']})"
    try:
        async with await Client.connect(seen.door.name) as client:
            told = await client.call("reload", timeout=_LONGEST_S)
    except RpcError as error:
        if error.code in (Code.NOT_ENABLED, Code.UNKNOWN) and not is_named:
            click.echo(f"{who}: left alone, {error.message}")
            return Exit.OK
        for text in error.data if isinstance(error.data, list) else [error.message]:
            click.echo(f"Error: {who}: {text}", err=True)
        return Exit.USAGE
    except TransportError as error:
        click.echo(f"Error: {who}: {error}", err=True)
        return Exit.UNREACHABLE
    return _show(who, told)


def _show(who: str, told: dict[str, Any]) -> Exit:
    from rct_collector.collector import Applied
    from rct_collector.reloading import in_words

    lists = ("added", "removed", "changed", "unchanged", "later")
    applied = Applied(
        **{name: tuple(told.get(name, ())) for name in lists}, refused=dict(told.get("refused", {}))
    )
    click.echo(f"{who}: {in_words(applied)}")
    for text in applied.later:
        click.echo(f"  {text}")
    for text in applied.refused.values():
        click.echo(f"Error: {who}: {text}", err=True)
    return Exit.USAGE if applied.refused else Exit.OK
