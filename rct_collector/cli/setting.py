"""Shows and writes the settings of one unit: through whoever collects from it, or from here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import click

from rct_collector.cli.collect import quiet_link, run
from rct_collector.cli.console import console, show, write_json
from rct_collector.cli.targets import hurried
from rct_collector.config import Config, DeviceConfig, state_dir
from rct_collector.control.borrowing import device_in
from rct_collector.control.client import Client
from rct_collector.control.messages import Code
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.settings import ANY, Cause, Gate, State
from rct_collector.drivers import driver
from rct_collector.errors import ConfigError, NobodyError, RpcError, TransportError
from rct_collector.exits import Exit
from rct_collector.option import nearest
from rct_collector.trust import user_name

#: Seconds that a unit may take to say who it is, and a setting to show.
_FIRST_S = 60.0
_SET_S = 180.0

#: What a setting is, as :meth:`Gate.describe` has it.
Described = dict[str, Any]

_FLAGS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


class SetOutcome(NamedTuple):
    """What became of it.

    Attributes:
        state: Word for it.
        why: In words; "" for nothing to say.
        is_away: The unit could not be asked.
    """

    state: str
    why: str = ""
    is_away: bool = False


class SettingAccess(Protocol):
    """The way to the settings of one unit."""

    async def describe(self) -> list[Described]:
        """All settings, with present values as far as the unit tells them."""

    async def set(self, name: str, value: Any, expect: Any, *, dry: bool) -> SetOutcome:
        """Write one."""


# -- the ways ------------------------------------------------------------------------------------


class FromHere:
    """The unit is asked by this process."""

    def __init__(self, gate: Gate) -> None:
        """Keep the gate."""
        self._gate = gate

    async def describe(self) -> list[Described]:
        """See :class:`SettingAccess`."""
        await self._gate.refresh()
        return self._gate.describe()

    async def set(self, name: str, value: Any, expect: Any, *, dry: bool) -> SetOutcome:
        """See :class:`SettingAccess`."""
        who = f"{user_name(os.getuid())}, process {os.getpid()}"
        result = await self._gate.set(name, value, expect=expect, who=who, dry=dry)
        is_away = result.denied is not None and result.denied.cause is Cause.AWAY
        return SetOutcome(str(result.state), result.why, is_away)


class ThroughDoor:
    """Whoever collects from the unit does it."""

    def __init__(self, client: Client, source: str) -> None:
        """Keep the connection.

        Args:
            client: At the door.
            source: What the device is called there.
        """
        self._client = client
        self._source = {"source": source}

    async def describe(self) -> list[Described]:
        """See :class:`SettingAccess`."""
        params = {**self._source, "read": True}
        found = await self._client.call("settings", params, timeout=_FIRST_S)
        settings: list[Described] = found["settings"]
        return settings

    async def set(self, name: str, value: Any, expect: Any, *, dry: bool) -> SetOutcome:
        """See :class:`SettingAccess`."""
        params = {**self._source, "name": name, "value": value}
        if expect is not ANY:
            params["expect"] = expect
        if dry:
            params["dry"] = True
        try:
            ticket = (await self._client.call("set", params, timeout=_FIRST_S))["ticket"]
        except RpcError as error:
            if error.code in (Code.PARAMS, Code.UNKNOWN, Code.INTERNAL):
                raise
            return SetOutcome(State.REFUSED, str(error), is_away=error.code == Code.AWAY)
        try:
            async with asyncio.timeout(_SET_S):
                async for method, told in self._client.notifications:
                    if method == "setting" and told.get("ticket") == ticket:
                        return SetOutcome(told["state"], told.get("why", ""))
        except TimeoutError:
            pass
        return SetOutcome(State.UNKNOWN, "whoever collects from the device does not tell any more")


@asynccontextmanager
async def access(device: DeviceConfig, folder: Path | None) -> AsyncIterator[SettingAccess]:
    """The way to a device's settings.

    Args:
        device: Which.
        folder: State folder, where what is written is recorded.

    Raises:
        ConfigError: Its family has none.
        RpcError: Whoever has the line does not collect from this device.
        TransportError: It cannot be reached.
    """
    family = driver(device.driver)
    if not family.settings:
        raise ConfigError([f"{family.title} units have no settings that can be written"])
    try:
        client = await Client.connect(device.address)
    except NobodyError:
        client = None
    if client is None:
        async with _own_line(device, folder) as gate:
            yield FromHere(gate)
        return
    async with client:
        status = await client.call("status", timeout=_FIRST_S)
        yield ThroughDoor(client, str(device_in(status, device)["source"]))


@asynccontextmanager
async def _own_line(device: DeviceConfig, folder: Path | None) -> AsyncIterator[Gate]:
    # What it is has to be known, and nothing else.
    asked = replace(hurried(device), include=(), exclude=("*",))
    found = Device(asked, lambda _batch: None, Options(state_dir=folder))
    gate = found.settings
    assert gate is not None  # noqa: S101 - its family has settings
    if folder is None:
        raise ConfigError(
            ["state_dir is missing: there is no place for a record of what is written"]
        )
    with quiet_link():
        async with found.held(_FIRST_S):
            loop = asyncio.get_running_loop()
            end = loop.time() + _FIRST_S
            while not found.discovery.identified and loop.time() < end:
                await found.round(max(end - loop.time(), 1.0))
                if not found.stats.totals["answers"]:
                    reason = found.port.last_error or "the line is open, but nothing is answered"
                    raise TransportError(reason)
            yield gate


def _chosen(name: str, path: Path | None) -> tuple[DeviceConfig, Path | None]:
    """The device of that name, and the state folder.

    Raises:
        ConfigError: There is none.
    """
    path = path or Config.default_path()
    if not path.exists():
        raise ConfigError([f"{path} does not exist; name the configuration with --config"])
    config = Config.load(path)
    names = [device.name for device in config.devices]
    if name not in names:
        text = f"there is no device {name!r} in {path}{nearest(name, names)}"
        raise ConfigError([f"{text}; there are: {', '.join(names)}"])
    return config.devices[names.index(name)], state_dir(config)


# -- what is done --------------------------------------------------------------------------------


def list_settings(name: str, path: Path | None, form: str) -> None:
    """Print all settings of a device.

    Args:
        name: Of the device.
        path: Of the configuration; None for the usual one.
        form: ``table`` or ``json``.
    """
    device, folder = _chosen(name, path)

    async def main() -> list[Described]:
        async with access(device, folder) as way:
            return await way.describe()

    found = run(main())
    if form == "json":
        write_json(found)
    else:
        _print_table(found)


def get_settings(name: str, path: Path | None, names: Sequence[str]) -> None:
    """Print present values, one line each.

    Args:
        name: Of the device.
        path: Of the configuration; None for the usual one.
        names: Of the settings.
    """
    device, folder = _chosen(name, path)

    async def main() -> list[Described]:
        async with access(device, folder) as way:
            return await way.describe()

    settings = {item["name"]: item for item in run(main())}
    found = [_known(settings, each) for each in names]
    for item in found:
        click.echo(text_of(item["value"]))
    if any(item["value"] is None for item in found):
        raise click.exceptions.Exit(Exit.UNREACHABLE)


def set_setting(
    device_name: str, path: Path | None, name: str, text: str, *, dry: bool, yes: bool
) -> None:
    """Write one setting; the last line tells what became of it.

    Args:
        device_name: Of the device.
        path: Of the configuration; None for the usual one.
        name: Of the setting.
        text: Its new value.
        dry: Do all but write it.
        yes: Do not ask.
    """
    if not dry and not yes and not may_ask():
        raise click.UsageError("there is no terminal to ask at; --yes writes without asking")
    device, folder = _chosen(device_name, path)

    async def main() -> SetOutcome | None:
        async with access(device, folder) as way:
            setting = _known({item["name"]: item for item in await way.describe()}, name)
            value, before = value_of(setting, text), setting["value"]
            click.echo(f"{device_name}: {name}: {text_of(before)} → {text_of(value)}")
            if dry or yes or not setting["enabled"]:
                return await way.set(name, value, ANY, dry=dry)
            if not await asyncio.to_thread(click.confirm, "Write it?"):
                return None
            return await way.set(name, value, ANY if before is None else before, dry=dry)

    outcome = run(main())
    if outcome is None:
        click.echo("Nothing was written.", err=True)
        raise click.exceptions.Exit(Exit.INTERRUPTED)
    if outcome.why:
        click.echo(outcome.why)
    if dry and outcome.state == State.ACCEPTED_NOT_VISIBLE:
        return
    click.echo(outcome.state)
    if outcome.state != State.APPLIED:
        status = Exit.REFUSED if outcome.state == State.REFUSED else Exit.UNCONFIRMED
        raise click.exceptions.Exit(Exit.UNREACHABLE if outcome.is_away else status)


def may_ask() -> bool:
    """Whether somebody is at a terminal."""
    return sys.stdin.isatty()


def _known(settings: dict[str, Described], name: str) -> Described:
    if name in settings:
        return settings[name]
    hint = nearest(name, settings)
    known = ", ".join(settings) or "none"
    raise ConfigError([f"the unit has no setting {name}{hint}; there are: {known}"])


# -- values and text -----------------------------------------------------------------------------


def value_of(setting: Described, text: str) -> Any:
    """A value as it was written on the command line; what is none of its kind stays a text.

    Args:
        setting: What it is to be set, as it is described.
        text: The value.
    """
    if setting["kind"] == "flag":
        return _FLAGS.get(text.lower(), text)
    if setting["kind"] == "number":
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() else number
    return text


def text_of(value: Any) -> str:
    """A value for people; "" for one that is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _takes(setting: Described) -> str:
    if setting["kind"] == "flag":
        return "on, off"
    if setting["choices"]:
        return ", ".join(map(text_of, setting["choices"]))
    step = f" in steps of {setting['step']:g}" if setting["step"] else ""
    return f"{setting['low']:g} to {setting['high']:g}{step}"


def _print_table(found: Sequence[Described]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    out = console()
    for n, head in enumerate(("setting", "value", "unit", "takes", "may be set")):
        table.add_column(head, no_wrap=n < 3 or not out.is_terminal, overflow="fold")
    notes: dict[str, int] = {}  # most settings may not be set for one and the same reason
    for item in found:
        why = item["why"].replace(item["name"], "it")
        allowed = "yes" if item["enabled"] else f"no ({notes.setdefault(why, len(notes) + 1)})"
        table.add_row(
            item["name"], text_of(item["value"]), item["unit"], _takes(item), allowed
        )  # fmt: skip
    show(out, table)
    if notes:
        show(out, "")
    for why, number in notes.items():
        show(out, f"({number}) {why}")
