"""What all devices of a process have in common, the lines that they share among it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.clock import Clock, Doubt, SystemClock
from rct_collector.device.state import KEYS, LEARNT, Content, Memory, StateFile
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Session, SessionOptions, Vault
from rct_collector.lines.fence import MaySend, fenced, fenced_calls
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.lock import DeviceLock, Reception
from rct_collector.lines.shared import SharedLine
from rct_collector.model import GapOrder
from rct_collector.transport import (
    Address,
    Listen,
    Opener,
    is_dialled_in,
    is_recorded,
    listen_at,
    open_line,
)

#: Makes sure that a device is still ours.
Confirm = Callable[[DeviceConfig], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class _Shared:
    """A line, and the devices on it: name → address as each says it."""

    line: KeptLine
    users: dict[str, Address] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Options:
    """What is common to all devices of a process.

    Attributes:
        state_dir: Where to keep what was learnt; None keeps nothing.
        aligned: Rounds begin at full multiples of the interval.
        opener: Opens the lines, exchangeable for tests.
        listen: Waits for devices that dial in, exchangeable for tests.
        clock: Wall clock.
        lock: Take the lock of each line on this host.
        session: Makes the sessions, in place of the drivers of the devices; None for those.
        doubt: Whether the wall clock may be wrong.
        restore: What was missed is restored from the memory of the unit, in this order; None for
            whoever has no use for the past.
        reception: Makes what takes the calls that come in on the lock of a device's line; None
            where nobody does.
        may_send: Asked before anything is sent to a device, which must be allowed at this moment;
            None where nobody forbids it, and then that costs nothing.
        confirm: Makes sure that a device is still ours, just before a setting is written; raises
            TransportError if it is not. None where nobody can take it over.
    """

    state_dir: Path | None = None
    aligned: bool = False
    opener: Opener = open_line
    listen: Listen = listen_at
    clock: Clock = SystemClock()
    lock: bool = True
    session: Callable[[SessionOptions], Session] | None = None
    restore: GapOrder | None = None
    reception: Callable[[DeviceConfig], Reception] | None = field(default=None, compare=False)
    may_send: MaySend | None = field(default=None, compare=False)
    confirm: Confirm | None = field(default=None, compare=False)
    doubt: Doubt = field(init=False, repr=False, compare=False)
    #: By :attr:`DeviceConfig.line`.
    _lines: dict[tuple[str, str], _Shared] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """What is told of the clock is told by the one that is given."""
        object.__setattr__(self, "doubt", Doubt(self.clock))

    def line(self, config: DeviceConfig) -> KeptLine:
        """The line of a device, which it shares with all others of the same one.

        Args:
            config: The device.
        """
        shared = self._lines.get(config.line)
        if shared is None:
            shared = self._lines[config.line] = _Shared(self._new_line(config))
        shared.users[config.name] = config.address
        return shared.line

    def beside(self, config: DeviceConfig) -> Address | None:
        """The address of a device that is on the same line already, if there is one."""
        shared = self._lines.get(config.line)
        return next(iter(shared.users.values())) if shared else None

    def leave(self, config: DeviceConfig) -> None:
        """A device is there no more. With the last one goes the line, whoever remembers it still.

        Whoever comes next may reach it in another way, such as at another rate.

        Args:
            config: The device; it need not have come so far as to have its :meth:`line`.
        """
        shared = self._lines.get(config.line)
        if shared is not None:
            shared.users.pop(config.name, None)
            if not shared.users:
                del self._lines[config.line]

    def memory(self, config: DeviceConfig, content: Content = LEARNT) -> Memory | None:
        """Where what is learnt of a device is kept; None where nothing is.

        Args:
            config: The device.
            content: What is to be kept.
        """
        file = self.file(config, content)
        return Memory(file) if file else None

    def file(self, config: DeviceConfig, content: Content) -> StateFile | None:
        """The file in which something about a device is kept; None where nothing is."""
        if not self.state_dir:
            return None
        return StateFile(self.state_dir, config.name, config.driver, content)

    def _vault(self, config: DeviceConfig) -> Vault | None:
        """Where a line keeps what is nobody else's business; recordings have nothing to keep."""
        if not self.state_dir or is_recorded(config.address):
            return None
        return self.memory(config, KEYS)

    def _new_line(self, config: DeviceConfig) -> KeptLine:
        driver, name, address = load_driver(config.driver), config.name, config.address
        lock = self._new_lock(config) if self.lock else None
        resync = driver.polled.resync if driver.polled else None
        vault, knows_time = self._vault(config), self.doubt.knows_time
        known = config.session._replace(vault=vault, knows_time=knows_time)
        now, session = self.clock.wall_ns, partial(self.session or driver.session, known)
        if is_recorded(address):
            from rct_collector.lines.played import PlayedLine  # who has none needs no captures

            return PlayedLine(name, address, session, wall_ns=now)
        if is_dialled_in(address):
            from rct_collector.lines.gathering import GatheringLine  # few are
            from rct_collector.lines.listener import ListeningLine

            many = driver.pushed is not None and driver.pushed.many
            return (GatheringLine if many else ListeningLine)(
                name, address, self._listen(config), session, wall_ns=now, resync=resync, lock=lock
            )
        opener = fenced(self.opener, self.may_send) if self.may_send else self.opener
        return SharedLine(name, opener, address, session(), wall_ns=now, resync=resync, lock=lock)

    def _new_lock(self, config: DeviceConfig) -> DeviceLock:
        reception = self.reception(config) if self.reception else None
        return DeviceLock(config.address, config.name, reception)

    def _listen(self, config: DeviceConfig) -> Listen:
        """What takes calls, and puts them through where the device wants that."""
        portal = config.portal
        listen = fenced_calls(self.listen, self.may_send) if self.may_send else self.listen
        if portal is None:
            return listen
        from rct_collector.lines.forwarding import Forwarding

        return Forwarding(listen, self.opener, portal, name=config.name).listen
