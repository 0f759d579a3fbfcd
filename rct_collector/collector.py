"""All devices of a configuration on one event loop; one's trouble is none of the others'."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from bisect import bisect_right
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from rct_collector.config import Config, DeviceConfig, state_dir
from rct_collector.device.device import Device, Options, line_key
from rct_collector.device.publisher import Emit
from rct_collector.device.state import WRITER, sweep
from rct_collector.model import Batch
from rct_collector.process import descriptors
from rct_collector.tasks import first_of, keep_running
from rct_collector.transport import is_dialled_in, transport

log = logging.getLogger(__name__)

#: After a bug in the code of one device, its collection begins anew after this many seconds.
RESTART_S = 60.0

#: File descriptors that a process of ours needs beside its devices: loop, look-ups of names, state
#: files.
RESERVE = 24

#: At the end, what was learnt is to be on the disk within so many seconds; an agent waits.
FINISH_S = 1.0


def share(config: Config) -> tuple[DeviceConfig, ...]:
    """The devices of a configuration that are this process's: all units of a line, or none."""
    shard = config.shard
    return tuple(
        item
        for item in config.devices
        if shard is None or shard.takes(item.address.key if item.unit else item.name)
    )


def fit(
    devices: Sequence[DeviceConfig], *, reserve: int = RESERVE, who: str = "this process"
) -> tuple[int, str]:
    """How many devices the limit of open files has room for.

    Args:
        devices: All of one process.
        reserve: File descriptors that are left to the rest of the process.
        who: Whose limit it is, for the words.

    Returns:
        So many, the first ones; and what would do for all, in words, "" if they fit.
    """
    used, limit = descriptors()
    ends = list(accumulate(_descriptors(devices), initial=used + reserve))[1:]
    number = bisect_right(ends, limit)
    if number == len(devices):
        return number, ""
    need = ends[-1]
    return number, (
        f"{who} may have {limit:.0f} open files and needs {need} for {len(devices)} devices;"
        f" raise that with LimitNOFILE={need} in its systemd service, or ulimit -n {need} where it"
        " is started"
    )


def _descriptors(devices: Iterable[DeviceConfig]) -> Iterator[int]:
    """What each device adds: its line with the lock of that, or its call where it dials in."""
    lines = set()
    for device in devices:
        address = device.address
        count = int(is_dialled_in(address))
        if (key := line_key(device)) not in lines:
            lines.add(key)
            count += transport(address.scheme).descriptors(address) + 1
        yield count


class Collector:
    """Collects from every device of a configuration.

    Attributes:
        devices: The devices of this process's share; one that could not be made is added later.
    """

    def __init__(self, config: Config, emit: Emit, options: Options | None = None) -> None:
        """Prepare the devices.

        Args:
            config: A checked configuration.
            emit: Takes the batches of all devices; must not block.
            options: For tests; by default what the configuration says.
        """
        self._options = options or Options(
            state_dir=state_dir(config), aligned=config.phase == "aligned"
        )
        self._emit = emit
        mine = share(config)
        if config.devices and not mine:
            log.warning("no device of the configuration falls into this share")
        if self._options.state_dir:
            sweep(self._options.state_dir, [item.name for item in mine])
        self.devices: list[Device] = []
        self._by_name: dict[str, Device] = {}
        self._missing: list[DeviceConfig] = []
        for item in mine:
            try:
                self._make(item)
            except Exception:
                log.exception("%s: bug; it is tried again", item.name)
                self._missing.append(item)

    async def run(self) -> None:
        """Collect until cancelled; what was read by then is handed over before it returns."""
        try:
            async with asyncio.TaskGroup() as group:
                for device in self.devices:
                    running = keep_running(device.run, device.name, pause=RESTART_S)
                    group.create_task(running, name=device.name)
                for item in self._missing:
                    group.create_task(self._run_later(item), name=item.name)
                await asyncio.Event().wait()  # without devices, too, this is no end
        finally:
            # Nobody waits for this loop any more but for its end.
            WRITER.finish(FINISH_S)

    async def run_until(self, job: Coroutine[Any, Any, Any]) -> None:
        """Collect until something else has ended, which is not to be forgotten if this ends."""

        async def over() -> None:
            await job
            self.hang_up()

        await first_of(over(), self.run())

    async def first_round(self, timeout: float) -> bool:
        """Wait until every device has handed over its first fast part, or failed to.

        Args:
            timeout: Seconds.

        Returns:
            False when it did not come to that in time.
        """
        try:
            async with asyncio.timeout(timeout):
                for device in self.devices:
                    await device.settled.wait()
        except TimeoutError:
            return False
        return True

    def hurry(self) -> None:
        """Hand over what is there, and begin the rounds that are nearly due."""
        for device in self.devices:
            device.hurry()

    def dropped(self, source: str, samples: int) -> None:
        """An agent could not take samples: count them with their device."""
        device = self._by_name.get(source)
        if device is not None:
            device.stats.totals["samples_dropped"] += samples

    def hang_up(self) -> None:
        """Close all lines: nothing that comes over them is to hold up the end any more."""
        for device in self.devices:
            device.port.line.close()

    def _make(self, item: DeviceConfig) -> Device:
        device = self._by_name[item.name] = Device(item, self._guarded, self._options)
        self.devices.append(device)
        return device

    async def _run_later(self, item: DeviceConfig) -> None:
        """A device that could not be made: try again until it can."""

        async def run() -> None:
            await keep_running(self._make(item).run, item.name, pause=RESTART_S)

        await asyncio.sleep(RESTART_S)
        await keep_running(run, item.name, pause=RESTART_S)

    def _guarded(self, batch: Batch) -> None:
        try:
            self._emit(batch)
        except Exception:
            log.exception("%s: bug: samples could not be handed over", batch.source)

    @staticmethod
    def fitting(
        configs: Sequence[Config], *, reserve: int = RESERVE, who: str = "this process"
    ) -> list[Config]:
        """The same configurations, with no more devices than fit; it is told what is left out.

        Those that do not fit would take the lines of the others, to hold locks that are of no use
        without, and the files of all else in the process.

        Args:
            configs: Checked configurations, of one process.
            reserve: As for :func:`fit`.
            who: As for :func:`fit`.
        """
        mine = [item for config in configs for item in share(config)]
        number, words = fit(mine, reserve=reserve, who=who)
        if not words:
            return list(configs)
        log.error(
            "%d of %d devices are left out, %s and what follows: %s",
            len(mine) - number, len(mine), mine[number].name, words,
        )  # fmt: skip
        kept = {item.name for item in mine[:number]}
        return [
            dataclasses.replace(config, devices=tuple(x for x in share(config) if x.name in kept))
            for config in configs
        ]
