"""A whole configuration: what it says, and where it comes from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from rct_collector.config import apart as by_child
from rct_collector.config import checking, files
from rct_collector.config.logs import parse_logging
from rct_collector.config.options import DeviceConfig
from rct_collector.config.values import LEVELS, Shard, parse_path, parse_prefix, parse_shard
from rct_collector.errors import ConfigError
from rct_collector.model import PREFIX
from rct_collector.option import Invalid, Shape, choice, number, option, parse_bool

if TYPE_CHECKING:
    from rct_collector.config.fleet import FleetOptions

#: A process of a fleet is expected to have so many devices.
_FLEET_DEVICES = 500

#: Each is a Python of its own, with its memory.
MOST_PROCESSES = 64


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration file.

    Attributes:
        devices: Its devices; none where a fleet has them.
        fleet: How to find the others of the fleet; None on a host of its own.
    """

    devices: tuple[DeviceConfig, ...] = ()
    log_level: str = option(
        choice(*LEVELS), "How much is logged.",
        example="info", takes=", ".join(LEVELS), default="info", shown="info",
    )  # fmt: skip
    logging: Mapping[str, Any] = option(
        parse_logging,
        "Where the log of the service goes, as dictConfig of Python's logging takes it. Only for"
        " rct-collector daemon; Telegraf and collectd have logs of their own.",
        example="{root: {level: DEBUG}}", takes="mapping", default={}, shown="{}",
        shape=Shape.MAPPING,
    )  # fmt: skip
    state_dir: Path | None = option(
        parse_path,
        "Folder for what was learnt about each device; by default /var/lib/rct-collector where"
        " that can be written to, else $XDG_STATE_HOME/rct-collector.",
        example="/var/lib/rct-collector", takes="path", default=None,
    )  # fmt: skip
    shard: Shard | None = option(
        parse_shard, "Take only share i of n of the devices, for many processes on one file.",
        example="0/4", takes="i/n", default=None,
    )  # fmt: skip
    processes: int = option(
        number(1, MOST_PROCESSES, whole=True),
        "How many processes of Telegraf's shim share the devices of this host. One takes one core"
        " at most.",
        example="4", takes="number", default=1, shown="1",
    )  # fmt: skip
    phase: str = option(
        choice("spread", "aligned"),
        "When rounds begin: spread over the interval by the name of the device, or aligned to"
        " full multiples of it (:00, :10, :20).",
        example="aligned", takes="spread or aligned", default="spread", shown="spread",
    )  # fmt: skip
    prefix: str = option(
        parse_prefix,
        "First word of every measurement.",
        example="inverter", takes="name", default=PREFIX, shown=PREFIX,
    )  # fmt: skip
    home_assistant: bool = option(
        parse_bool,
        "Let Telegraf tell Home Assistant by MQTT what the units have; see"
        " plugins/telegraf/outputs/home_assistant.conf.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip
    fleet: FleetOptions | None = None

    @property
    def scale(self) -> int:
        """About how many devices there will be, for what is made to suit their number."""
        return len(self.devices) if self.fleet is None else _FLEET_DEVICES

    @staticmethod
    def default_path() -> Path:
        """Where the configuration is, unless the command line says otherwise."""
        return Path(os.environ.get(files.ENVIRONMENT) or files.DEFAULT_PATH)

    def part(self, share: str) -> Self:
        """The same for one of several processes on this host.

        Args:
            share: Which one, ``i/n``. In a fleet, where each is a member, that is of no account.

        Raises:
            ConfigError: It is no share.
        """
        try:
            shard = parse_shard(share)
        except Invalid as error:
            raise ConfigError([f"--share: found {share!r}, expected {error}"]) from None
        if self.fleet is not None:
            return self
        return dataclasses.replace(self, shard=self.shard.part(shard) if self.shard else shard)

    @classmethod
    def load(cls, path: Path, *, apart: bool = False, own: bool = False) -> Self:
        """Read a YAML file.

        Args:
            path: The file.
            apart: Have a child read the YAML, so that the parser, a megabyte and more, does not
                stay; for a process that is our own and runs for long.
            own: See :meth:`parse`.

        Raises:
            ConfigError: It cannot be read, is no YAML, or says something wrong.
        """
        return cls.parse((by_child if apart else files).read(path), str(path), own=own)

    @classmethod
    def parse(cls, value: Any, origin: str = "configuration", *, own: bool = False) -> Self:
        """Check a mapping and turn it into a configuration.

        Args:
            value: What the YAML file or an agent's own configuration says.
            origin: File name or the like, for messages.
            own: Leave out the devices that are another share's, unread: each process looks after
                its own, of ten thousand perhaps.

        Raises:
            ConfigError: With every mistake, each with its path; of very many with the first.
        """
        config, problems = cls.salvage(value, origin, own=own)
        if config is None or problems:
            raise ConfigError(problems)
        return config

    @classmethod
    def salvage(
        cls, value: Any, origin: str = "configuration", *, own: bool = False
    ) -> tuple[Self | None, tuple[str, ...]]:
        """What can be used of a mapping, for an agent that must go on with the rest.

        A device with a mistake is left out; a mistake in the common options spoils everything.

        Args:
            value: As for :meth:`parse`.
            origin: File name or the like, for messages.
            own: See :meth:`parse`.

        Returns:
            The configuration, or None when nothing can be used; and every mistake, or of very many
            the first.
        """
        parts, problems = checking.check(value, cls, origin, own=own)
        return None if parts is None else cls(**parts), problems


def state_dir(config: Config) -> Path | None:
    """Folder for what was learnt: configured, else the system's, else the user's own.

    None for a user without a home, as in some containers: nothing is kept then.
    """
    if config.state_dir is not None:
        return config.state_dir
    system = Path("/var/lib/rct-collector")
    if os.access(system, os.W_OK):
        return system
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(home).expanduser() / "rct-collector"
    except RuntimeError:
        return None
