"""The table of ``metrics --budget`` and the words of ``config check``."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import NamedTuple

import click

from rct_collector.config import Config, DeviceConfig
from rct_collector.device.polling.budget import REPEATS, Budget, budget
from rct_collector.device.polling.plan import Choice, Plan
from rct_collector.drivers import DEFAULT, driver
from rct_collector.errors import ConfigError
from rct_collector.model import PollClass
from rct_collector.transport import examples, parse_address

#: Longer durations are told in minutes.
LONGEST_IN_SECONDS = 120

#: Where fast rounds alone would have to come less often than this, all classes give way alike.
MOST_STRETCH = 3.0

#: What there is to say of a device whose family has no rounds.
UNASKED = "asked for nothing, since its units talk by themselves"


def default_device() -> DeviceConfig:
    """A device of which the user has said nothing."""
    ways = driver(DEFAULT).ways
    address = parse_address(examples(ways)[0], ways)
    return DeviceConfig(name="default", driver=DEFAULT, address=address)


class Equipment(NamedTuple):
    """What a device is taken to have.

    Attributes:
        name: For people.
        conditions: Names of the conditions that are met.
    """

    name: str
    conditions: Collection[str]


def equipment(family: str, assume: str | None = None, only: Collection[str] = ()) -> Equipment:
    """What a device is taken to have.

    Args:
        family: Name of its driver.
        assume: Name of an installation. Where the family has none of that name, its usual one.
        only: If there are any, exactly these conditions, and what is always there.

    Raises:
        ConfigError: There is no condition of such a name.
    """
    known = driver(family).conditions
    if only:
        for name in only:
            if name not in known:
                raise ConfigError([f"--condition: {name!r} is none; known: {', '.join(known)}"])
        always = {name for name, condition in known.items() if not condition.inputs}
        return Equipment(", ".join(only), always | {*only})
    installations = driver(family).tools().installations() or {"all there can be": {*known}}
    name = assume if assume and assume in installations else next(iter(installations))
    return Equipment(name, installations[name])


def device_budget(device: DeviceConfig, conditions: Collection[str]) -> Budget:
    """The budget of one device."""
    return budget(plan_of(device), conditions, device)


def plan_of(device: DeviceConfig) -> Plan:
    """The plan of one device. Of many devices most want the same, and a plan takes long."""
    return _plan(device.driver, Choice(device.enabled, device.include, device.exclude))


@lru_cache(maxsize=64)
def _plan(family: str, choice: Choice) -> Plan:
    return Plan(driver(family), choice)


def verdict(found: Budget) -> str:
    """Whether it fits and by how much, and if not, how often the classes come instead."""
    if found.timed:
        share = f"{found.needed:.0%} of the line's time, of which {found.usable:.0%} are usable"
        if found.fits:
            return f"fits: {share}"
        return f"does not fit: {share}; so {_stretched(found)}"
    share = f"{found.usable:.2f} usable ({found.pace:g} less {REPEATS:.0%} for repeats)"
    if found.fits:
        return f"fits: {found.needed:.2f} of {share}, {found.spare:.2f} requests/s to spare"
    return (
        f"does not fit: {found.needed:.2f} of {share}, {-found.spare:.2f} requests/s too many;"
        f" so {_stretched(found)}"
    )


def would_fit(found: Budget) -> dict[str, str]:
    """Intervals with which all would fit, as the configuration says them.

    The fast one alone is longer where that is enough, and no more than so many times as long;
    else all are.
    """
    fast, *slower = found.shares
    left = found.usable - sum(share.per_second for share in slower)
    if left > 0 and fast.takes / left <= MOST_STRETCH * fast.interval:
        return {fast.poll.option: _longer(fast.takes / left)}
    stretch = found.needed / found.usable
    return {share.poll.option: _longer(stretch * share.interval) for share in found.shares}


def _longer(seconds: float) -> str:
    """A duration of at least so many seconds, as it may be configured: ``7s``, ``3m``."""
    return f"{ceil(seconds)}s" if seconds <= LONGEST_IN_SECONDS else f"{ceil(seconds / 60)}m"


def _stretched(found: Budget) -> str:
    """How often each class comes where not all of them fit."""
    rest = [poll for poll in PollClass.POLLED if poll is not PollClass.FAST or found.ticks > 1]
    texts = [f"{poll.option} comes every {spelt(found.seconds(poll))}" for poll in rest]
    totals = {found.seconds(s.poll, total=True) for s in found.shares if s.totals}
    texts += [f"energy totals every {spelt(min(totals))}"] if totals else []
    kept = "" if found.ticks > 1 else "fast keeps its interval, "
    return kept + ", ".join(texts)


def spelt(seconds: float) -> str:
    """A duration as in the configuration, to the second: ``1m06s``, ``1h``."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    parts = [(hour, "h"), (minute, "m"), (second, "s")]
    while len(parts) > 1 and not parts[0][0]:
        del parts[0]
    while len(parts) > 1 and not parts[-1][0]:
        del parts[-1]
    return "".join(f"{n:02d}{unit}" if k else f"{n}{unit}" for k, (n, unit) in enumerate(parts))


def print_budget(config: Path | None, assume: str | None, conditions: tuple[str, ...]) -> None:
    """Print one table per device."""
    from rich.table import Table

    from rct_collector.cli.console import console, show

    devices = Config.load(config).devices if config else (default_device(),)
    out = console()
    for n, device in enumerate(devices):
        if n:
            click.echo()
        if device.requests.per_second == 0:
            click.echo(f"{device.name}: {UNASKED}.")
            continue
        has = equipment(device.driver, assume, conditions)
        found = device_budget(device, has.conditions)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("class")
        line = bool(device.byte_s)
        heads = ["requests", "every", "requests/s", *(["on the line", "of its time"] * line)]
        for head in (*heads, *([] if found.fits else ["comes every"])):
            table.add_column(head, justify="right")
        for share in found.shares:
            time = [f"{share.line_s:.2f} s", f"{share.line_s / share.interval:.1%}"]
            table.add_row(
                f"{share.poll} {share.poll.option}",
                str(share.queries),
                f"{share.interval:g} s",
                f"{share.requests_per_second:.3f}",
                *(time * line),
                *([] if found.fits else [spelt(found.seconds(share.poll))]),
            )
        total = sum(share.requests_per_second for share in found.shares)
        time = ["", f"{sum(share.line_s / share.interval for share in found.shares):.1%}"]
        table.add_row("total", "", "", f"{total:.3f}", *(time * line))
        click.echo(f"{device.name}, with the equipment '{has.name}':")
        show(out, table)
        click.echo(verdict(found))
        click.echo(f"The fast part of a round takes {found.fast_seconds:.1f} s to ask.")
