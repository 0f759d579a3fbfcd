"""A client as mpp-solar is: one question after the other, on a serial port, with its own decoder.

What it does is what the published package does in ``inout/serialio.py`` and ``daemon``: the port is
opened for each question, what came before is dropped, the question is written, and after 0.1 s up
to one second of bytes is read, up to the first CR; nothing is repeated. What is read goes through
the package's own check and decoder. It asks at our intervals for what we ask for, as far as it
knows those questions. Nothing but this folder may import the package.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict

from mppsolar.protocols.pi30 import pi30
from mppsolar.protocols.pi30max import pi30max
from mppsolar.protocols.protocol_helpers import crcPI

from rct_collector.device.polling.schedule import Schedule, phase
from rct_collector.drivers.voltronic.command import Command
from rct_collector.errors import TransportError
from rct_collector.model import PollClass
from tests.faulty import STEP_S, Account

DECODERS = {"pi30": pi30, "pi30max": pi30max}

#: What it waits after writing, and how long it reads.
PAUSE_S, READ_S = 0.1, 1.0

#: Keys of its results that are no values.
_WORDS = ("_", "raw_response", "ERROR", "WARNING", "validity check")


def values(decoder, answer, command):
    """What it would publish of an answer: name → value; nothing if it says that something is wrong.

    Args:
        decoder: The protocol of the package.
        answer: Bytes as read.
        command: Text of the question.
    """
    if answer == decoder.get_full_command(command):
        return {}
    try:
        found = decoder.decode(answer, command)
    except Exception:  # noqa: BLE001 - its daemon would have ended here; it is let go on
        return {}
    return {
        name: item[0]
        for name, item in found.items()
        if isinstance(name, str) and not name.startswith(_WORDS)
    }


def closed(text):
    """The frame of a text as the package expects it."""
    data = text.encode()
    return data + bytes(crcPI(data)) + b"\r"


class MppSolar:
    """The client, and the account of it, as :class:`tests.faulty.Ledger` keeps that of ours.

    Attributes:
        requests: Requests sent so far.
        last_sample: When it last published something, by the loop's clock.
        account: What became of everything.
    """

    def __init__(self, world):
        """Prepare.

        Args:
            world: The simulated surroundings, see :mod:`tests.faulty_voltronic`.
        """
        self.requests = 0
        self.last_sample = None
        self.account = Account()
        self._world = world
        self._decoder = DECODERS[world.inverter.unit.scenario.dialect]()
        intervals = world.config.intervals
        self._intervals = {poll: intervals.seconds(poll) for poll in PollClass.POLLED}
        self._schedule = Schedule(world.config.name, self._intervals)
        plan, has = world.plan(), world.equipment().has
        self._commands = {
            poll: [
                query.text
                for query in plan.queries(poll)
                if isinstance(query, Command) and has(query.condition) and plan.takes[query]
                if not query.date and self._decoder.get_command_defn(query.text) is not None
            ]
            for poll in PollClass.POLLED
        }
        self._came = defaultdict(set)

    async def run(self):
        """Ask until cancelled."""
        clock = self._world.clock
        while True:
            due = self._schedule.begin(clock.wall())
            for poll in PollClass.POLLED:
                for command in self._commands[poll] if poll in due else ():
                    begun = self._world.loop.time()
                    with contextlib.suppress(TransportError, OSError):
                        self._publish(command, poll, begun, await self._ask(command))
            tick, _ = self._schedule.advance(clock.wall())
            await asyncio.sleep(tick - clock.wall())

    async def _ask(self, command):
        """Bytes up to the first CR, or what came in time."""
        self.requests += 1
        heard, ended = bytearray(), asyncio.Event()

        def receive(data):
            heard.extend(data)
            if b"\r" in heard:
                ended.set()

        address = self._world.config.address
        line = await self._world.plug(address, receive, lambda _: ended.set(), 5.0)
        try:
            line.send(self._decoder.get_full_command(command))
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_S):
                    await ended.wait()
        finally:
            line.close()
        return bytes(heard[: heard.find(b"\r") + 1] or heard)

    def _publish(self, command, poll, begun, answer):
        """Account for what it makes of an answer."""
        found = values(self._decoder, answer, command)
        if not found:
            return
        self.last_sample = now = self._world.loop.time()
        asked = begun - self._intervals[PollClass.FAST]
        said = [
            values(self._decoder, closed(sent.reply.answer.text), command)
            for sent in self._world.truth.requested(command, begun - STEP_S, now)
            if asked <= sent.reply.asked
        ]
        account = self.account
        for name, value in found.items():
            account.published += 1
            if not any(one.get(name, ...) == value for one in said):
                account.wrong += 1
                if len(account.false) < 100:
                    account.false.append(f"{command} {name} = {value}")
        self._came[command, self._slot(poll, self._world.clock.wall())].update(found)

    def _slot(self, poll, wall):
        seconds = self._intervals[poll]
        return int((wall - phase(self._world.config.name, seconds)) // seconds)

    # -- what a ledger does ------------------------------------------------------------------

    def equipped(self, scenario, wall):
        """The unit has what it has."""

    def close(self, outages, since, until):
        """Count what was due and what came; see :meth:`tests.faulty.Ledger.close`."""
        for poll, commands in self._commands.items():
            seconds = self._intervals[poll]
            shift = phase(self._world.config.name, seconds)
            for command in commands:
                names = self._names(command)
                for slot in range(self._slot(poll, since) + 1, self._slot(poll, until)):
                    begin = slot * seconds + shift
                    if any(a < begin + seconds and b > begin for a, b in outages):
                        continue
                    self.account.due += len(names)
                    self.account.in_time += len(names & self._came.get((command, slot), set()))

    def _names(self, command):
        """What it can make of the answers of this unit."""
        unit = self._world.inverter.unit
        heard = unit.hear(self._decoder.get_full_command(command)[:-1], unit.start)
        return {*values(self._decoder, closed(heard.answer.text), command)}
