"""Running devices for a command: one complete round of each, with words for what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from rct_collector.cli.snapshot import Snapshot
from rct_collector.cli.targets import hurried
from rct_collector.collector import Sharing
from rct_collector.control.broker import Broker
from rct_collector.control.doorway import opened
from rct_collector.control.following import Following, Owners
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.publisher import Emit
from rct_collector.errors import BusyError, TransportError
from rct_collector.exits import Exit
from rct_collector.loop import new_event_loop
from rct_collector.model import Batch
from rct_collector.transport import Listen, Opener, listen_at, open_line

T = TypeVar("T")

#: Where somebody else asks the unit for our sake it is looked after so many seconds what has come.
STEP_S = 0.2

#: Seconds that the first, complete round of a device that is followed may take.
_FIRST_ROUND_S = 90.0

#: A device that has not answered anything within this many seconds will not; units that talk by
#: themselves may yet.
SILENCE_S = 10.0


async def read_once(
    snapshot: Snapshot,
    timeout: float,
    *,
    patient: bool = True,
    started: Callable[[Device], None] | None = None,
    emit: Emit | None = None,
    options: Options | None = None,
    broker: Broker | None = None,
    alone: bool = False,
) -> tuple[Device, Exit]:
    """Read everything of one device once, quickly; the snapshot takes the values and the trouble.

    Args:
        snapshot: Of the device.
        timeout: Seconds for everything.
        patient: Wait so long for a device that talks by itself, too.
        started: Told of the device before anything is asked.
        emit: Told of the batches too, after the snapshot.
        options: What it shares with the others that are read.
        broker: Answers those on this host who ask about it meanwhile.
        alone: Nothing is taken from another process that has the device; see :func:`follow`.

    Returns:
        The device, for what was learnt about it, and how it went.
    """

    def take(batch: Batch) -> None:
        snapshot.take(batch)
        if emit:
            emit(batch)

    device = Device(hurried(snapshot.config), broker.through(take) if broker else take, options)
    if broker:
        broker.join(device)
    if started:
        started(device)
    begun = asyncio.get_running_loop().time()
    following: Following | None = None
    while True:
        try:
            with quiet_link():
                await _round(device, timeout, patient=patient)
        except BusyError as busy:
            if alone:
                snapshot.trouble = str(busy)
                return device, Exit.BUSY
            following = following or Following(device, Owners())
            status = await _through_owner(following, snapshot, busy, timeout)
            if status is not None:
                return device, status
        else:
            break
    elapsed = asyncio.get_running_loop().time() - begun
    snapshot.trouble = _trouble(device, timeout if elapsed >= timeout else None)
    if device.stats.totals["answers"]:
        # What was cut off may simply not have been asked for.
        found = (i for i in device.polling.undecided() if i.silent or not snapshot.trouble)
        snapshot.undecided = tuple(map(str, found))
    incomplete = snapshot.trouble or snapshot.undecided
    return device, Exit.UNREACHABLE if incomplete else Exit.OK


async def _through_owner(
    following: Following, snapshot: Snapshot, busy: BusyError, timeout: float
) -> Exit | None:
    """Take what whoever has a device knows of it, and what that asks the unit for our sake.

    Args:
        following: Of the device.
        snapshot: Takes the values and the trouble.
        busy: Says who has it.
        timeout: Seconds for everything.

    Returns:
        How it went; None where nobody has it any more.
    """
    task = asyncio.create_task(following.run(busy))
    complete = asyncio.create_task(_complete(following, snapshot))
    try:
        await asyncio.wait({task, complete}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not task.result():
            return None
    finally:
        for part in (task, complete):
            part.cancel()
        await asyncio.gather(task, complete, return_exceptions=True)
    if following.trouble:
        snapshot.trouble = following.trouble
        return Exit.BUSY
    if not following.known.is_set():
        snapshot.trouble = str(busy)
        return Exit.BUSY
    if not snapshot.answered:
        snapshot.trouble = snapshot.trouble or following.health.error or "nothing was heard of it"
    return Exit.UNREACHABLE if snapshot.trouble else Exit.OK


async def _complete(following: Following, snapshot: Snapshot) -> None:
    """Wait until an owner has told what it knows, and what it asks the unit for our sake."""
    await following.known.wait()
    if following.early or not snapshot.answered:  # of what is wanted nothing is known yet
        await _round_after(snapshot, snapshot.rounds)
    while following.wider:
        rounds = snapshot.rounds
        try:
            is_all = not await following.asking()
        except TransportError:  # it has gone, or hangs, which ends the following or the time
            await asyncio.Event().wait()
        await _round_after(snapshot, rounds)
        if is_all:
            return


async def _round_after(snapshot: Snapshot, rounds: int) -> None:
    """Wait until more rounds have ended than had."""
    while snapshot.rounds <= rounds:
        await asyncio.sleep(STEP_S)


async def follow(
    snapshots: Sequence[Snapshot],
    emit: Emit,
    *,
    first: Emit | None = None,
    opener: Opener = open_line,
    listen: Listen = listen_at,
    alone: bool = False,
) -> Exit:
    """One complete round of each device at a quick pace, then rounds by schedule for ever.

    Args:
        snapshots: Of the devices; they take what the first round brings.
        emit: Takes what the later rounds bring.
        first: Told of the batches of the first round too, after the snapshots.
        opener: Opens the lines.
        listen: Waits for devices that dial in.
        alone: The lines themselves are wanted: a device that another process has cannot be read.

    Returns:
        Why not, when no device could be read.
    """
    broker = Broker()
    options = opened(Options(opener=opener, listen=listen), broker)
    results = await asyncio.gather(
        *(
            read_once(
                s,
                _FIRST_ROUND_S,
                patient=False,
                emit=first,
                options=options,
                broker=broker,
                alone=alone,
            )  # fmt: skip
            for s in snapshots
        )
    )
    if alone and any(status is Exit.BUSY for _, status in results):
        return Exit.BUSY
    heard = any(snapshot.answered for snapshot in snapshots)
    if not heard and not any(
        device.stats.totals["answers"] or _may_speak(device) for device, _ in results
    ):
        return results[0][1]
    # Other lines: of those of the first round, what was wrong was said where nobody hears it.
    options = opened(Options(opener=opener, listen=listen), broker)
    told = broker.through(emit)
    devices = [broker.join(Device(snapshot.config, told, options)) for snapshot in snapshots]
    for device, (known, _) in zip(devices, results, strict=True):
        # What the first round has learnt need not be asked again.
        device.discovery.adopt(known.discovery)
    sharing = Sharing()
    await asyncio.gather(*map(sharing.run, devices))
    raise AssertionError("devices run for ever")


def _may_speak(device: Device) -> bool:
    """Whether it is a matter of waiting: nothing is asked, and the line is well and has no end."""
    line = device.port.line
    return device.driver.polled is None and line.ended is None and not line.link.last_error


async def _round(device: Device, timeout: float, *, patient: bool) -> None:
    """Do the round, but do not wait long for a device that is silent when it is asked.

    Args:
        device: Whose.
        timeout: Seconds for everything.
        patient: Wait that long for one that talks by itself.
    """
    reading = asyncio.create_task(device.read_once(timeout))
    try:
        done, _ = await asyncio.wait({reading}, timeout=SILENCE_S)
        # To find out what a line is good for, and what it speaks, may take longer.
        answers = done or device.stats.totals["answers"] or device.port.is_drained
        if answers or (patient and _may_speak(device)):
            await reading
    finally:
        reading.cancel()
        # What was read so far is handed over all the same.
        await asyncio.gather(reading, return_exceptions=True)


def _trouble(device: Device, timeout: float | None) -> str:
    """What went wrong, in words; "" when nothing did.

    Args:
        device: After its round.
        timeout: The limit, if the round came up to it.
    """
    answered = bool(device.stats.totals["answers"])
    if not answered and _may_speak(device):
        reason = device.port.last_error or "the line is open, but nothing comes"
        within = (
            f" within {timeout:g} s; some units speak every few minutes only" if timeout else ""
        )
        return f"{reason}{within}"
    if reason := device.port.last_error:
        return f"{reason}; the values are incomplete" if answered else reason
    if not device.port.opened:
        return "no connection in time"
    if not answered and device.port.line.ended is not None:
        return f"no record of a unit was found in {device.config.address.place}"
    if not answered:
        return "the line is open, but nothing is answered"
    return f"not everything was answered within {timeout:g} s" if timeout else ""


def run(main: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the coroutine returns
    """Run a coroutine; SIGTERM ends it as Ctrl-C does.

    Raises:
        KeyboardInterrupt: One of the two came; the coroutine has cleaned up.
    """

    async def guarded() -> Any:  # noqa: ANN401
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are in one
        # Not everywhere, and not in every thread, can a loop take signals.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    try:
        # With look-ups of names that nobody waits for at the end.
        with asyncio.Runner(loop_factory=lambda: new_event_loop(0)) as runner:
            return runner.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def quiet_link() -> Iterator[None]:
    """Silence the lines: they promise another attempt, which a single reading does not make."""
    logs = [logging.getLogger(f"rct_collector.lines.{name}") for name in ("reconnect", "listener")]

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    # A filter of its own for each reading: several of them overlap.
    for log in logs:
        log.addFilter(nothing)
    try:
        yield
    finally:
        for log in logs:
            log.removeFilter(nothing)
