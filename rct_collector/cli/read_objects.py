"""``rct-collector read --object``: single things of a unit, asked for by name or id."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from rct_collector.cli.collect import quiet_link, run
from rct_collector.cli.console import write_json, write_utf8
from rct_collector.cli.targets import Targets, reachable
from rct_collector.config import DeviceConfig
from rct_collector.control.borrowing import borrowed
from rct_collector.device.asker import Asker
from rct_collector.device.objects import Asked, Objects
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.tools import Item
from rct_collector.errors import BusyError, ConfigError, RpcError, TransportError
from rct_collector.exits import Exit


class Questions:
    """What is asked of one device, and what came of it.

    Attributes:
        config: The device.
        objects: What it can be asked for.
        replies: In the order of asking.
        status: How it went.
        trouble: What is wrong with all of it; "" for nothing.
    """

    def __init__(self, config: DeviceConfig, words: Sequence[str]) -> None:
        """Look everything up.

        Args:
            config: The device.
            words: Names and ids.

        Raises:
            ConfigError: There are no such things, or they are secret.
            MissingToolError: Units of this family cannot be asked so.
        """
        self.config = config
        self.objects = Objects(config)
        problems: list[str] = []
        self.replies = [Asked(item) for word in words if (item := self._item(word, problems))]
        if problems:
            raise ConfigError(problems)
        self.status = Exit.OK
        self.trouble = ""

    def _item(self, word: str, problems: list[str]) -> Item | None:
        try:
            return self.objects.find(word)
        except ValueError as error:
            problems.append(f"--object: {error}")
            return None

    async def ask(self, options: Options, timeout: float) -> None:
        """Open the line, ask for one thing after the other, close the line.

        Args:
            options: What devices of the family have in common.
            timeout: Seconds for everything.
        """
        asker = Asker(self.config, options, gap=_gap(self.config))
        try:
            async with asyncio.timeout(timeout):
                try:
                    async with asker.connected(timeout):
                        await self._ask_all(asker)
                except BusyError as busy:
                    await self._ask_owner(busy)
        except BusyError as error:
            self.status, self.trouble = Exit.BUSY, str(error)
        except TransportError as error:
            self.status, self.trouble = Exit.UNREACHABLE, str(error)
        except TimeoutError:
            self.status = Exit.UNREACHABLE
            self.trouble = f"not everything was answered within {timeout:g} s"

    async def _ask_all(self, asker: Asker) -> None:
        ask = asker.inquiry.insist
        facts = await self.objects.facts(ask)
        for n, reply in enumerate(self.replies):
            if n:
                await asyncio.sleep(self.config.requests.gap)
            await self.objects.ask(reply, facts, ask)
            if reply.trouble:
                self.status = Exit.UNREACHABLE

    async def _ask_owner(self, busy: BusyError) -> None:
        """Have whoever collects from the unit ask for one thing after the other."""
        async with borrowed(self.config, busy) as owner:
            for reply in self.replies:
                try:
                    reply.said = await owner.read(reply.item.id or reply.item.name)
                except RpcError as error:
                    reply.trouble, self.status = str(error), Exit.UNREACHABLE

    def troubles(self) -> Iterator[str]:
        """What went wrong, thing by thing."""
        if self.trouble:
            yield self.trouble
        yield from (reply.trouble for reply in self.replies if reply.trouble)


def _gap(config: DeviceConfig) -> float:
    """Seconds of silence before a question, where answers do not tell what they answer."""
    polled = driver(config.driver).polled
    return config.requests.gap if polled is not None and polled.resync is not None else 0.0


def read_objects(found: Targets, words: Sequence[str], form: str, timeout: float) -> None:
    """Ask each device for some things, and print what came.

    Args:
        found: The devices.
        words: Names and ids of what is asked for.
        form: ``value``, ``verbose`` or ``json``.
        timeout: Seconds.

    Raises:
        ConfigError: There are no such things, or they are secret.
        MissingToolError: Units of a family cannot be asked so.
        click.exceptions.Exit: With the status of the first device that failed.
    """
    asked = [Questions(device, words) for device in found.devices]
    try:
        with quiet_link():
            run(_ask(found, asked, timeout))
        status = next((questions.status for questions in asked if questions.status), Exit.OK)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    _FORMS[form](asked)
    for questions in asked:
        for trouble in questions.troubles():
            click.echo(f"Error: {questions.config.name}: {trouble}", err=True)
    if status:
        raise click.exceptions.Exit(status)


async def _ask(found: Targets, asked: Sequence[Questions], timeout: float) -> None:
    families: dict[str, Options] = {}  # of all devices of one: they may share a line
    async with reachable(found) as devices:
        waiting = []
        for questions, device in zip(asked, devices, strict=True):
            questions.config = device
            options = families.setdefault(
                device.driver, Options(session=questions.objects.registry.session)
            )
            waiting.append(questions.ask(options, timeout))
        await asyncio.gather(*waiting)


# -- what is printed ----------------------------------------------------------------------------


def _print_values(asked: Sequence[Questions]) -> None:
    """Each value on a line of its own, and an empty line where there is none; tables as CSV."""
    for questions in asked:
        for reply in questions.replies:
            for line in lines(questions.objects.plain(reply)):
                write_utf8(f"{line}\n")


def lines(value: Any) -> list[str]:  # noqa: ANN401 - anything that JSON has
    """A value for scripts.

    Args:
        value: A list of mappings is a table, whose rows are written as CSV; all else is one line.
    """
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        text = io.StringIO()
        rows = (("" if cell is None else _word(cell) for cell in row.values()) for row in value)
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().splitlines()
    return ["" if value is None else _word(value)]


def _word(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _print_verbose(asked: Sequence[Questions]) -> None:
    """What each thing is as well, and what the collector makes of it."""
    many = len(asked) > 1
    blocks = (_block(questions, reply, many) for questions in asked for reply in questions.replies)
    write_utf8("\n".join(blocks))


def _block(questions: Questions, reply: Asked, many: bool) -> str:  # noqa: FBT001
    item = reply.item
    text = questions.objects.text(reply)
    value = lines(questions.objects.plain(reply))
    if text:
        value = [f"{value[0]} ({text})"]
    rows = [
        ("name", item.name),
        ("id", item.id),
        ("device", questions.config.name if many else ""),
        ("description", item.description),
        ("type", item.type),
        ("unit", item.unit),
        ("value", value[0] if value else "no records"),
        *(("", line) for line in value[1:]),
    ]
    for n, made in enumerate(questions.objects.published(reply)):
        text = f"{made['series']} = {_word(made['value'])} {made['unit']}"
        rows.append(("" if n else "metric", text.rstrip()))
    return "".join(f"{head:<12} {text}\n" for head, text in rows if text)


def _print_json(asked: Sequence[Questions]) -> None:
    """A list with one object per device and thing."""
    write_json(
        [
            questions.objects.as_mapping(reply, questions.trouble)
            for questions in asked
            for reply in questions.replies
        ]
    )


_FORMS: dict[str, Callable[[Sequence[Questions]], None]] = {
    "value": _print_values,
    "verbose": _print_verbose,
    "json": _print_json,
}
