"""Other clients of the unit: the vendor's app and the vendor's portal.

They send requests of their own, and the answers go to everybody. Each keeps a record of how many
of its requests were answered in its time, which shows how much a collector disturbs it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from rct_collector.drivers.chance import fraction, key
from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    READ,
    RESPONSE,
    WRITE,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.drivers.rct.simulator.faults import BridgeView, OtherClient
from rct_collector.drivers.rct.simulator.profiles.chance import OnLine
from rct_collector.drivers.rct.table import BY_OID

_OIDS = {item.name: item.oid for item in BY_OID.values()}

#: What the app's overview shows, and some settings that a collector seldom asks for.
_OVERVIEW = (
    "g_sync.p_ac_grid_sum_lp",
    "g_sync.p_ac_load_sum_lp",
    "dc_conv.dc_conv_struct[0].p_dc_lp",
    "dc_conv.dc_conv_struct[1].p_dc_lp",
    "g_sync.p_acc_lp",
    "battery.soc",
    "prim_sm.state",
    "g_sync.p_ac_sum_lp",
    "energy.e_ac_day",
    "energy.e_load_day",
    "energy.e_grid_feed_day",
    "energy.e_grid_load_day",
    "io_board.s0_external_power",
    "fault[0].flt",
    "fault[1].flt",
    "fault[2].flt",
    "fault[3].flt",
    "power_mng.soc_strategy",
    "power_mng.soc_target_set",
    "power_mng.use_grid_power_enable",
    "android_description",
    "battery.cells[0]",
)

#: What the portal draws over the day, from the unit's logger.
_CURVES = (
    "logger.minutes_ea_log_ts",
    "logger.minutes_eb_log_ts",
    "logger.minutes_eload_log_ts",
    "logger.minutes_egrid_feed_log_ts",
    "logger.minutes_egrid_load_log_ts",
    "logger.minutes_ebat_log_ts",
    "logger.minutes_soc_log_ts",
    "logger.error_log_time_stamp",
)


@dataclass(slots=True)
class ClientRecord:
    """How another client fared.

    Attributes:
        asked: Requests sent whose time is over, or which were answered.
        answered: Those that were answered in time.
        seconds: Time that these answers took, all together.
    """

    asked: int = 0
    answered: int = 0
    seconds: float = 0.0


class ClientRequest(NamedTuple):
    """One request of another client.

    Attributes:
        time: When it is sent.
        data: Its bytes.
        oid: What it asks for; 0 for nothing.
    """

    time: float
    data: bytes
    oid: int = 0


@cache
def _question(oid: int) -> bytes:
    """The request to read an object; the same few are sent all the time."""
    return assemble(READ, oid)


class Other(OnLine, OtherClient):
    """A client with requests of its own; it does not wait for one answer to ask the next.

    Attributes:
        record: How it fared.
    """

    def __init__(self, every: float, timeout: float, *, seed: int = 0) -> None:
        """Set the pace.

        Args:
            every: Seconds from one round of requests to the next.
            timeout: Seconds that an answer is waited for.
            seed: When it begins, follows from it.
        """
        self.record = ClientRecord()
        self.every, self._timeout = every, timeout
        self._key = key(seed, type(self).__name__)
        self._reader = FrameReader()
        self._waiting: dict[int, float] = {}
        self._steps: deque[ClientRequest] = deque()
        self._round = 0
        self._first: float | None = None

    @abstractmethod
    def round(self, number: int, time: float) -> Iterator[ClientRequest]:
        """The requests of one round, in the order of their times; none before ``time``."""

    def clients(self) -> Sequence[OtherClient]:
        """Itself."""
        return (self,)

    def on_start(self, line: BridgeView, now: float) -> None:
        """Begin somewhere in the first period."""
        super().on_start(line, now)
        self._first = now + min(self.every, 5.0) * fraction(self._key)
        self._plan(now)

    def next_due(self) -> float | None:
        """When the next request is sent."""
        return self._steps[0].time if self._steps else None

    def send(self, now: float) -> list[tuple[float, bytes]]:
        """What is sent until ``now``."""
        sent = []
        while self._steps and self._steps[0].time <= now:
            step = self._steps.popleft()
            self._expire(step.time)
            if step.oid:
                if step.oid in self._waiting:  # asked again: the first was in vain
                    self.record.asked += 1
                self._waiting[step.oid] = step.time
            sent.append((step.time, step.data))
            if not self._steps:
                self._plan(step.time)
        return sent

    def hear(self, data: bytes, now: float) -> None:
        """Look for answers to own requests; whoever caused them, they will do."""
        for item in self._reader.feed(data):
            if not isinstance(item, Frame) or item.command not in (RESPONSE, LONG_RESPONSE):
                continue
            asked = self._waiting.pop(item.oid, None)
            if asked is None:
                continue
            self.record.asked += 1
            if now - asked <= self._timeout:
                self.record.answered += 1
                self.record.seconds += now - asked

    def _expire(self, now: float) -> None:
        """Give up what was not answered in time."""
        gone = [oid for oid, asked in self._waiting.items() if now - asked > self._timeout]
        for oid in gone:
            del self._waiting[oid]
            self.record.asked += 1

    def _plan(self, now: float) -> None:
        """Plan rounds until there is something to send."""
        assert self._first is not None  # noqa: S101 - set at the start
        while not self._steps:
            begins = max(self._first + self._round * self.every, now)
            self._steps.extend(self.round(self._round, begins))
            self._round += 1


class App(Other):
    """The vendor's app, with its overview open.

    It greets with ``2B 3C E1``, then asks for a handful of objects back to back, every second:
    evcc PR 19617 has a trace of 3 … 5 queued reads answered within the same second. Which
    objects, and how long it waits, is not known; 2 s is what other clients wait.
    """

    def __init__(
        self, every: float = 1.0, batch: int = 4, timeout: float = 2.0, *, seed: int = 0
    ) -> None:
        """Open it.

        Args:
            every: Seconds from one batch to the next.
            batch: Requests of a batch, back to back.
            timeout: Seconds that it waits for an answer.
            seed: When it begins, follows from it.
        """
        super().__init__(every, timeout, seed=seed)
        self._batch = batch

    def round(self, number: int, time: float) -> Iterator[ClientRequest]:
        """The next few objects."""
        if number == 0:
            yield ClientRequest(time, b"\x2b\x3c\xe1")
        for place in range(number * self._batch, (number + 1) * self._batch):
            oid = _OIDS[_OVERVIEW[place % len(_OVERVIEW)]]
            yield ClientRequest(time, _question(oid), oid)


class Portal(Other):
    """The vendor's portal: live values every minute, and every five minutes the logger.

    The queries of the logger are WRITEs with a time; each answer takes the line for up to half a
    second. Source: the portal shows gaps while somebody polls (issue 212 of the Home Assistant
    integration), so it asks too; its real pace is unknown.
    """

    #: Seconds between two live values, and between two queries of the logger.
    GAP, LOGGER_GAP = 0.3, 4.0

    def __init__(
        self, every: float = 60.0, history: int = 5, timeout: float = 5.0, *, seed: int = 0
    ) -> None:
        """Connect it.

        Args:
            every: Seconds from one round to the next.
            history: Of so many rounds, one also queries the logger.
            timeout: Seconds that it waits for an answer.
            seed: When it begins, follows from it.
        """
        super().__init__(every, timeout, seed=seed)
        self._history = history

    def round(self, number: int, time: float) -> Iterator[ClientRequest]:
        """Live values, then perhaps curves."""
        for name in _OVERVIEW:
            yield ClientRequest(time, _question(_OIDS[name]), _OIDS[name])
            time += self.GAP
        if number % self._history:
            return
        for name in _CURVES:
            wall = self.line.unit.world.clock.wall(self.line.unit_time(time))
            yield ClientRequest(
                time, assemble(WRITE, _OIDS[name], wall.to_bytes(4, "big")), _OIDS[name]
            )
            time += self.LOGGER_GAP
