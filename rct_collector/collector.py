"""All devices of a configuration on one event loop; one's trouble is none of the others'.

Devices come and go while it runs: :meth:`Collector.add`, :meth:`Collector.remove`, and
:meth:`Collector.apply` for a configuration that has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from bisect import bisect_right
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rct_collector.config import Config, DeviceConfig, state_dir
from rct_collector.control.broker import Broker
from rct_collector.control.doorway import opened
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.publisher import Emit
from rct_collector.device.state import WRITER, sweep
from rct_collector.errors import BusyError, ConfigError
from rct_collector.model import Batch, GapOrder
from rct_collector.process import descriptors
from rct_collector.reports import Reports
from rct_collector.tasks import first_of, keep_running, sleep_until
from rct_collector.transport import is_dialled_in, transport

if TYPE_CHECKING:
    from rct_collector.control.following import Following, Owners

log = logging.getLogger(__name__)

#: Devices begin so many seconds apart, so that a network is not flooded with connections and the
#: first of many does not wait until all are prepared; all of them have begun after so many. That is
#: about what beginning takes the processor: further apart, the last one would only come later.
APART_S, ALL_BEGUN_S = 0.0005, 1.0

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
        if device.line not in lines:
            lines.add(device.line)
            count += transport(address.scheme).descriptors(address) + 1
        yield count


def begin_after(number: int, count: int) -> float:
    """How long the start of a line is put off, in seconds.

    Args:
        number: Its place among all of a collector, from 0.
        count: How many there are.
    """
    return number * min(APART_S, ALL_BEGUN_S / count)


def starts(devices: Sequence[DeviceConfig]) -> list[float]:
    """How long the start of each device is put off, in seconds.

    All of a line begin together. Where units dial in, one that calls while some are yet to begin
    would be taken for that of another device, or be heard by nobody when it says who it is.
    """
    lines = [device.line for device in devices]
    places = {line: number for number, line in enumerate(dict.fromkeys(lines))}
    return [begin_after(places[line], len(places)) for line in lines]


class Applied(NamedTuple):
    """What a new configuration has changed; names of devices.

    Attributes:
        added: Those that were not there before.
        removed: Those that are not there any more.
        changed: Those that were removed and added, since their options differ.
        unchanged: Those that go on as before: same line, same rounds.
        refused: Name of each that should have been added, or added again, and was not → why.
        later: What else was changed, and counts from the next start on, in words.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    refused: dict[str, str]
    later: tuple[str, ...] = ()


#: Reads the configuration of a process again, and applies it; see :mod:`rct_collector.reloading`.
Reload = Callable[[], Coroutine[Any, Any, Applied]]


async def _told(reload: Reload) -> dict[str, Any]:
    """What has changed, for JSON."""
    return (await reload())._asdict()


class Owning(Protocol):
    """Tells what is ours of devices that other hosts may take over."""

    def may_send(self) -> bool:
        """Whether anything may be sent to any device at this moment."""

    async def confirm(self, device: DeviceConfig) -> None:
        """Make sure that a device is ours, just before a setting of it is written.

        Raises:
            TransportError: It is not, or that cannot be told.
        """


class Sharing:
    """Devices that other processes on this host may have: then theirs is what is handed over."""

    def __init__(self, reload: Reload | None = None) -> None:
        """Follow nobody yet.

        Args:
            reload: Called where an owner has its configuration read again; none has any where this
                process has not.
        """
        self._owners: Owners | None = None
        self._reload = reload
        self._reloads: set[asyncio.Task[None]] = set()

    async def run(self, device: Device) -> None:
        """Collect from a device, or follow whoever does, until cancelled."""
        following, refused = None, 0
        while True:
            try:
                await device.run(refused)
            except BusyError as busy:
                if following is None:
                    following = self._following(device)
                refused = await following.run(busy)

    def _following(self, device: Device) -> Following:
        from rct_collector.control.following import Following, Owners  # few need to

        if self._owners is None:
            self._owners = Owners(reload=self._begin_reload)
        return Following(device, self._owners)

    def _begin_reload(self) -> None:
        async def attempt(reload: Reload) -> None:
            with contextlib.suppress(ConfigError):  # it is in the log
                await reload()

        if self._reload is not None:
            task = asyncio.create_task(attempt(self._reload), name="reload")
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)


class _Member:
    """One device of a collector.

    Attributes:
        config: Its options.
        device: What collects from it; None while that could not be made.
        task: Runs it; None while the collector does not run.
    """

    def __init__(self, config: DeviceConfig) -> None:
        self.config = config
        self.device: Device | None = None
        self.task: asyncio.Task[None] | None = None


class Collector:
    """Collects from every device of a configuration.

    Attributes:
        broker: What others on this host can ask of the devices.
        config: The configuration that was applied last.
    """

    def __init__(
        self,
        config: Config,
        emit: Emit,
        options: Options | None = None,
        *,
        restore: GapOrder | None = None,
        reload: Reload | None = None,
        fleet: Owning | None = None,
    ) -> None:
        """Prepare the devices.

        Args:
            config: A checked configuration.
            emit: Takes the batches of all devices; must not block.
            options: For tests; by default what the configuration says.
            restore: In which order what was missed is wanted from the memories of units; None for
                not at all.
            reload: Has the configuration of the process read again, see
                :class:`rct_collector.reloading.Reloading`.
            fleet: Tells which devices are ours at each moment, where other hosts may take them
                over; None where none can.
        """
        self.config = config
        self._fleet = fleet
        self._given = options
        self._restore = restore
        self.broker = Broker()
        self.broker.reload = partial(_told, reload) if reload is not None else None
        self._options = self._common(config)
        self._emit = emit
        self._reports = Reports("collector")
        self._members: dict[str, _Member] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._group: asyncio.TaskGroup | None = None
        self._sharing = Sharing(reload)
        self._changing = asyncio.Lock()
        mine = share(config)
        if config.devices and not mine:
            log.warning("no device of the configuration falls into this share")
        self._sweep(mine)
        for item in mine:
            self._take_up(item)

    @property
    def devices(self) -> list[Device]:
        """The devices at present; one that could not be made is added as soon as it can."""
        return [member.device for member in self._members.values() if member.device is not None]

    async def run(self) -> None:
        """Collect until cancelled; what was read by then is handed over before it returns."""
        try:
            async with asyncio.TaskGroup() as self._group:
                self._start(list(self._members.values()))
                await asyncio.Event().wait()  # without devices, too, this is no end
        finally:
            self._group = None
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
        device = self.device(source)
        if device is not None:
            device.stats.totals["samples_dropped"] += samples

    def device(self, source: str) -> Device | None:
        """The device of a name; None where there is none, or it could not be made."""
        member = self._members.get(source)
        return None if member is None else member.device

    def hang_up(self) -> None:
        """Close all lines: nothing that comes over them is to hold up the end any more."""
        for device in self.devices:
            device.port.line.close()

    # -- devices that come and go ----------------------------------------------------------

    def add(self, item: DeviceConfig) -> None:
        """Collect from one more device, from now on, or from the start of :meth:`run`.

        One that cannot be made, which is a bug, is logged and tried again.

        Args:
            item: Its options, checked.

        Raises:
            ConfigError: There is one of that name or at that address already, or there are no
                file descriptors left for it; nothing has changed then.
        """
        if refused := self._add([item]):
            raise ConfigError(refused.values())

    async def remove(self, name: str) -> None:
        """Collect from a device no more.

        What was read of it is handed over first, then a batch that says that it was the last
        (:attr:`rct_collector.model.Health.removed`). When this returns, its line is closed, unless
        others are on it, and its lock given back.

        Args:
            name: Its configured name.

        Raises:
            ConfigError: There is none of that name.
        """
        async with self._changing:
            if name not in self._members:
                known = ", ".join(self._members) or "none"
                raise ConfigError([f"there is no device {name!r} to be removed; known: {known}"])
            await self._remove(name)

    async def apply(self, config: Config) -> Applied:
        """Collect from the devices of another configuration; who stays the same notices nothing.

        All devices change where an option of this process does that they depend on (``state_dir``,
        ``phase``). What is none of the collector's, such as ``prefix``, is the caller's.

        Args:
            config: A checked configuration.

        Returns:
            What was done. A device that cannot be added stops no other.
        """
        async with self._changing:
            self.config = config
            mine = {item.name: item for item in share(config)}
            options = self._common(config)
            restart = options != self._options
            if restart:  # else these have the lines that are shared
                self._options = options
            old = {name: member.config for name, member in self._members.items()}
            added = tuple(name for name in mine if name not in old)
            removed = tuple(name for name in old if name not in mine)
            kept = [name for name in mine if name in old]
            changed = tuple(name for name in kept if restart or mine[name] != old[name])
            # Before anything is added, since one may move to where another was.
            await asyncio.gather(*map(self._remove, (*removed, *changed)))
            self._sweep(mine[name] for name in added)
            refused = self._add([mine[name] for name in (*changed, *added)])
            for reason in refused.values():
                log.error("%s", reason)
            return Applied(
                added=tuple(name for name in added if name not in refused),
                removed=removed,
                changed=tuple(name for name in changed if name not in refused),
                unchanged=tuple(name for name in kept if name not in changed),
                refused=refused,
            )

    def _common(self, config: Config) -> Options:
        """What all devices of a configuration share."""
        options = self._given
        if options is None:
            options = Options(
                state_dir=state_dir(config),
                aligned=config.phase == "aligned",
                restore=self._restore,
            )
        if self._fleet is not None:
            fleet = self._fleet
            options = dataclasses.replace(options, may_send=fleet.may_send, confirm=fleet.confirm)
        return opened(options, self.broker)

    def _sweep(self, items: Iterable[DeviceConfig]) -> None:
        if self._options.state_dir:
            sweep(self._options.state_dir, [item.name for item in items])

    def _add(self, items: Sequence[DeviceConfig]) -> dict[str, str]:
        """Add what can be added; name of each other one → why not, in words."""
        room, lacking = fit(items)
        refused, added = {}, []
        for n, item in enumerate(items):
            reason = self._conflict(item) or (lacking if n >= room else "")
            if reason:
                refused[item.name] = f"{item.name} is not added: {reason}"
            else:
                added.append(self._take_up(item))
        if self._group is not None:
            self._start(added)
        return refused

    def _conflict(self, item: DeviceConfig) -> str:
        """Why a device cannot be beside those that there are; "" if it can."""
        if item.name in self._members:
            return "there is a device of that name already; names must differ"
        if other := self._places.get(item.identity):
            return f"{item.address} is asked by {other} already; ask a device only once"
        beside = self._options.beside(item)
        if beside and (right := beside.differs(item.address)):
            return f"others on the line of {item.address} say {right}; all must say the same"
        return ""

    def _take_up(self, item: DeviceConfig) -> _Member:
        member = self._members[item.name] = _Member(item)
        self._places[item.identity] = item.name
        try:
            member.device = self._make(item)
        except Exception:
            log.exception("%s: bug; it is tried again", item.name)
        return member

    def _make(self, item: DeviceConfig) -> Device:
        return self.broker.join(Device(item, self._guarded, self._options))

    def _start(self, members: Sequence[_Member]) -> None:
        """Have devices begin, one line after the other."""
        assert self._group is not None  # noqa: S101 - the caller has looked
        now = asyncio.get_running_loop().time()  # once, so that all of a line begin at one time
        for member, after in zip(members, starts([m.config for m in members]), strict=True):
            job = self._keep(member, now + after if after else None)
            member.task = self._group.create_task(job, name=member.config.name)

    async def _keep(self, member: _Member, begins: float | None) -> None:
        """Run a device from a time of the loop on; one that could not be made is made later."""
        if begins is not None:
            await sleep_until(begins)
        if member.device is None:
            await asyncio.sleep(RESTART_S)
        await keep_running(partial(self._run, member), member.config.name, pause=RESTART_S)

    async def _run(self, member: _Member) -> None:
        if member.device is None:
            member.device = self._make(member.config)
        await self._sharing.run(member.device)

    async def _remove(self, name: str) -> None:
        member = self._members[name]
        try:
            if member.task is not None:
                member.task.cancel()
                await asyncio.wait([member.task])
        finally:
            del self._members[name]
            self._places.pop(member.config.identity, None)
            self._options.leave(member.config)
            if member.device is not None:
                member.device.removed()
            self.broker.leave(name)

    def _guarded(self, batch: Batch) -> None:
        try:
            self._emit(batch)
        except Exception as error:
            if batch.receipt is not None:
                batch.receipt.lose()
            self._reports.say(
                log, logging.ERROR, "emit", "bug: samples of %s could not be handed over",
                batch.source, exc_info=error,
            )  # fmt: skip
        self.broker.take(batch)
        if batch.ends_round:
            self._reports.sum_up()

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
