"""All devices of a configuration on one event loop; one's trouble is none of the others'."""

from __future__ import annotations

import asyncio
import logging

from rct_collector.config import Config, state_dir
from rct_collector.device.device import Device, Options
from rct_collector.device.publisher import Emit
from rct_collector.model import Batch

log = logging.getLogger(__name__)

#: After a bug in the code of one device, its collection begins anew after this many seconds.
RESTART_S = 60.0


class Collector:
    """Collects from every device of a configuration.

    Attributes:
        devices: The devices of this process's share.
    """

    def __init__(self, config: Config, emit: Emit, options: Options | None = None) -> None:
        """Prepare the devices.

        Args:
            config: A checked configuration.
            emit: Takes the batches of all devices; must not block.
            options: For tests; by default what the configuration says.
        """
        options = options or Options(state_dir=state_dir(config), aligned=config.phase == "aligned")
        self._emit = emit
        shard = config.shard
        self.devices = [
            Device(item, self._guarded, options)
            for item in config.devices
            if shard is None or shard.takes(item.name)
        ]
        if not self.devices:
            log.warning("no device of the configuration falls into this share")

    async def run(self) -> None:
        """Collect until cancelled; what was read by then is handed over before it returns."""
        async with asyncio.TaskGroup() as group:
            for device in self.devices:
                group.create_task(self._keep_running(device), name=device.name)

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
        for device in self.devices:
            if device.name == source:
                device.stats.totals["samples_dropped"] += samples

    async def _keep_running(self, device: Device) -> None:
        while True:
            try:
                await device.run()
            except Exception:
                log.exception("%s: bug; its collection begins anew", device.name)
                await asyncio.sleep(RESTART_S)

    def _guarded(self, batch: Batch) -> None:
        try:
            self._emit(batch)
        except Exception:
            log.exception("%s: bug: samples could not be handed over", batch.source)
