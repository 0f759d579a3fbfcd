"""Devices collected from for a command that wants to see what goes over their lines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

from rct_collector.cli.collect import run
from rct_collector.cli.recorder import steady_clock
from rct_collector.config import Config, DeviceConfig
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers.tools import Run
from rct_collector.errors import TransportError
from rct_collector.lines.tap import Observer, tapped, tapped_calls
from rct_collector.model import Batch
from rct_collector.tasks import first_of
from rct_collector.transport import listen_at, open_line
from rct_collector.transport.base import Ends

P = ParamSpec("P")
T = TypeVar("T")


def collect(
    family: str, address: str, options: Mapping[str, Any], take: Callable[[Run], None]
) -> None:
    """Collect from a device until somebody ends it; see :class:`.drivers.outside.Outside`.

    Args:
        family: Name of its driver.
        address: Where it is.
        options: Further ones, as in a configuration.
        take: Told of all that goes over its lines.

    Raises:
        ConfigError: Such a device cannot be configured.
        TransportError: Its line cannot be opened, or its port cannot be listened at, to begin with.
        BusyError: Another process on this host has it.
        KeyboardInterrupt: Somebody has ended it.
    """
    value = {"name": "monitor", "driver": family, "address": address, **options}
    config = Config.parse({"devices": [value]}, "command line")
    run(_Live(take).collect(config.devices[0]))


class _Live:
    """One device, and what is said over its lines."""

    def __init__(self, take: Callable[[Run], None]) -> None:
        self._take = take
        self._flows = 0
        self._begun = False
        self._error: Exception | None = None
        self._failed = asyncio.Event()

    async def collect(self, device: DeviceConfig) -> None:
        clock = steady_clock()
        options = Options(
            opener=self._or_end(tapped(open_line, self._observe, clock)),
            listen=self._or_end(tapped_calls(listen_at, self._observe, clock)),
        )
        options.line(device).claim()
        await first_of(Device(device, self._emit, options).run(), self._failure())

    def _or_end(self, attempt: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """The same, but if it fails the first time all ends: somebody waits, who can mend it."""

        async def first(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                found = await attempt(*args, **kwargs)
            except TransportError as error:
                if self._begun:
                    raise
                self._fail(error)
                await asyncio.Event().wait()  # until all has ended
            self._begun = True
            return found

        return first

    def _observe(self, _began_ns: int, _opened_ns: int, _ends: Ends | None) -> Observer:
        self._flows += 2
        return _Teller(self.tell, self._flows - 2)

    def tell(self, run: Run) -> None:
        """Hand on what was said; nothing may be raised into the line."""
        if self._error is not None:
            return
        try:
            self._take(run)
        except Exception as error:  # noqa: BLE001 - raised again, where it ends the command
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End with that."""
        self._error = error
        self._failed.set()

    def _emit(self, batch: Batch) -> None:
        """All was told when it came: units may forget it, unless it could not be told."""
        if self._error is not None and batch.receipt is not None:
            batch.receipt.lose()

    async def _failure(self) -> NoReturn:
        await self._failed.wait()
        assert self._error is not None  # noqa: S101 - or nothing would have failed
        raise self._error


class _Teller:
    """Tells what goes over one line: what the device says in one flow, and we in another."""

    def __init__(self, tell: Callable[[Run], None], flow: int) -> None:
        self._tell = tell
        self._flow = flow

    def sent(self, time_ns: int, data: bytes) -> None:
        self._tell(Run(self._flow + 1, time_ns, data, to_server=False))

    def received(self, time_ns: int, data: bytes) -> None:
        self._tell(Run(self._flow, time_ns, data, to_server=True))

    def closed(self, time_ns: int, *, by_us: bool) -> None:
        self._tell(Run(self._flow, time_ns, b"", to_server=True, over=True))
        self._tell(Run(self._flow + 1, time_ns, b"", to_server=False, over=True))
