"""The devices that an agent was told of in several places, each once and under a plain name.

An agent that embeds the collector may be configured in several files and blocks, and must live
with mistakes in each: what can be used is kept, what cannot is told.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from rct_collector.adapter.blocks import Block, from_blocks
from rct_collector.config import LEVELS, Config, DeviceConfig, read
from rct_collector.errors import ConfigError

#: Line of a block that names a file to be read in place of the block.
FILE_KEY = "config"

#: Longest name that agents take, in bytes.
LONGEST_NAME = 127


class Member(NamedTuple):
    """One device.

    Attributes:
        config: Its options.
        prefix: First word of its measurements.
        name: Its name in ASCII letters, digits and ``_``, which hurt no agent and no database.
    """

    config: DeviceConfig
    prefix: str
    name: str


class DeviceList:
    """Devices of all files and blocks; all names, and all addresses, differ.

    Attributes:
        configs: What was read at each place, with the devices that were kept; of a place where
            nothing could be used, a configuration without any.
        members: Name of each device that was kept → the device.
    """

    def __init__(self, agent: str) -> None:
        """Begin with none.

        Args:
            agent: Whose names must differ, for messages.
        """
        self._agent = agent
        self.configs: list[Config] = []
        self.members: dict[str, Member] = {}
        self._names: set[str] = set()
        self._identities: set[tuple[str, str]] = set()
        self._places: list[Callable[[Self], Sequence[str]]] = []

    @property
    def log_level(self) -> str:
        """The most talkative of all."""
        levels = [config.log_level for config in self.configs if config.devices]
        return max(levels or [Config().log_level], key=LEVELS.index)

    def again(self) -> tuple[Self, Sequence[str]]:
        """The devices of the same places, read anew; their measurements are still called the same.

        Returns:
            They, and what is wrong with them.
        """
        fresh = type(self)(self._agent)
        problems = [text for take in self._places for text in take(fresh)]
        for before, config in zip(self.configs, fresh.configs, strict=True):
            for device in config.devices if before.devices else ():
                member = fresh.members[device.name]
                fresh.members[device.name] = member._replace(prefix=before.prefix)
        return fresh, problems

    def add_blocks(self, blocks: Iterable[Block], origin: str) -> Sequence[str]:
        """Take the lines of one block: the name of a file, or options and devices, or nothing.

        Args:
            blocks: The lines.
            origin: The block's name, for messages.

        Returns:
            What is wrong with them.
        """
        files: list[Block] = []
        rest: list[Block] = []
        for block in blocks:
            (files if block.key.lower() == FILE_KEY else rest).append(block)
        if not files and rest:
            return self.add(from_blocks(rest), origin)
        names = [str(value) for block in files for value in block.values]
        problems = [text for name in names for text in self.add_file(Path(name))]
        if not files:
            problems += self.add_file()
        elif rest:
            keys = ", ".join(sorted({block.key for block in rest}))
            problems.append(f"ignored beside Config: {keys}; they belong into that file")
        return problems

    def add_file(self, path: Path | None = None) -> Sequence[str]:
        """Take a file, by default the one where the configuration usually is."""
        path = path or Config.default_path()
        self._places.append(lambda fresh: fresh.add_file(path))
        try:
            value = read(path)
        except ConfigError as error:
            self.configs.append(Config())
            return error.problems
        return self._take(value, str(path))

    def add(self, value: Any, origin: str) -> Sequence[str]:
        """Take options and devices.

        Args:
            value: As for :meth:`rct_collector.config.Config.parse`.
            origin: Where they are from, for messages.

        Returns:
            What is wrong with them.
        """
        self._places.append(lambda fresh: fresh.add(value, origin))
        return self._take(value, origin)

    def _take(self, value: Any, origin: str) -> Sequence[str]:
        """Take what was read at one place."""
        config, problems = Config.salvage(value, origin)
        told = list(problems)
        if config is not None and config.fleet is not None:
            told.append(
                f"{origin}: fleet: found one, expected devices: identifiers of {self._agent} name"
                " the host, so that each takeover would begin all series anew; let Telegraf or"
                " rct-collector daemon take part"
            )
            config = None
        if config is None:
            config = Config()
        kept = []
        for device in config.devices:
            member = Member(device, config.prefix, plain_name(device.name))
            reason = self._conflict(member)
            if reason:
                told.append(f"{origin}: {device.name} is left out: {reason}")
            else:
                self.members[device.name] = member
                self._names.add(member.name)
                self._identities.add(device.identity)
                kept.append(device)
        self.configs.append(dataclasses.replace(config, devices=tuple(kept)))
        return told

    def _conflict(self, new: Member) -> str:
        """Why a device cannot be read beside the others; "" if it can."""
        if new.name in self._names:
            return f"another device is called {new.name!r} in {self._agent}"
        if new.config.identity in self._identities:
            return f"{new.config.address} is asked by another one"
        return ""


def unit_name(name: str, unit: str) -> str:
    """The name of one of the units of a device that takes many: ``roof-7F101234``.

    Args:
        name: Plain name of the device, which has no dash.
        unit: As the unit calls itself; at its end the name is not cut off where it is too long.
    """
    unit = plain_name(unit)
    return f"{name[: LONGEST_NAME - len(unit) - 1]}-{unit}"


def plain_name(name: str) -> str:
    """A name in ASCII letters, digits and ``_``, cut off where it is too long for agents."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)[:LONGEST_NAME]
