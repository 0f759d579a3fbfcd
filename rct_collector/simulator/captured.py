"""Hours of simulated inverters that call, as a capture file: nobody waits for them to pass.

The family's own session is who answers them, so all that units wait for is in the file as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rct_collector.capture.recording import PcapFile, RecordedConversation
from rct_collector.drivers.base import Reply, Session
from rct_collector.drivers.chance import fraction, key
from rct_collector.drivers.tools import Access, FarEnd
from rct_collector.transport.base import Ends

_SERVER = ("192.0.2.1", 22222)

#: Seconds that bytes take, and until a unit calls again.
_WAY_S, _RETRY_S = 0.01, 5.0

#: Share of the pieces that arrive in two segments, the second first, with some bytes in both.
_DISORDER = 0.2


class _Disorderly(RecordedConversation):
    """Some of what is said is in two segments that overlap, and that arrive in the wrong order."""

    seed = 0
    _count = 0

    def _write(self, time_ns: int, sender: object, data: bytes) -> None:
        self._count += 1
        if len(data) < 4 or fraction(self.seed, self._count) >= _DISORDER:  # noqa: PLR2004
            super()._write(time_ns, sender, data)  # type: ignore[arg-type]
            return
        end = self._us if sender is self._us else self._device
        begin, middle = end.sequence, len(data) // 2
        end.sequence = begin + middle - 1
        super()._write(time_ns, end, data[middle - 1 :])
        end.sequence = begin
        super()._write(time_ns, end, data[:middle])
        end.sequence = begin + len(data)


class _Call:
    """One unit, and its connections one after the other."""

    def __init__(
        self,
        file: PcapFile,
        unit: FarEnd,
        session: Callable[[], Session],
        *,
        number: int,
        start: float,
        disorder: bool,
    ) -> None:
        self.due: float | None = 0.0
        self._file, self._unit, self._new = file, unit, session
        self._session = session()
        self._number, self._start, self._disorder = number, start, disorder
        self._client: int | None = None
        self._calls = 0
        unit.start(0.0)

    def go_on(self, now: float) -> None:
        """Do what is due."""
        if self._client is None and self._unit.access(now) is Access.OPEN:
            self._connect(now)
        for data in self._unit.pull(now):
            if self._client is not None:
                self._said(data, now)
        if self._unit.take_cut() is not None and self._client is not None:
            self._conversation.closed(self._ns(now), by_us=False)
            self._unit.disconnect(self._client)
            self._client = None
        due = self._unit.next_due()
        again = now + _RETRY_S if self._client is None else None
        times = [time for time in (due, again) if time is not None]
        self.due = max(min(times), now + 1e-3) if times else None

    def _connect(self, now: float) -> None:
        self._client = self._unit.connect()
        self._session = self._new()
        self._calls += 1
        remote = (f"198.51.100.{self._number % 250 + 1}", 1024 + self._calls % 60000)
        kind = _Disorderly if self._disorder else RecordedConversation
        time_ns = self._ns(now)
        self._conversation = kind(self._file, time_ns, time_ns, Ends(_SERVER, remote))
        if isinstance(self._conversation, _Disorderly):
            self._conversation.seed = key(self._number, self._calls)

    def _said(self, data: bytes, now: float) -> None:
        self._conversation.received(self._ns(now), data)
        for event in self._session.receive(data, self._ns(now)):
            if type(event) is Reply and self._client is not None:
                self._conversation.sent(self._ns(now + _WAY_S), event.data)
                self._unit.receive(self._client, event.data, now + _WAY_S)

    def _ns(self, now: float) -> int:
        return round((self._start + now) * 1e9)


def write_calls(
    path: Path,
    units: Sequence[FarEnd],
    session: Callable[[], Session],
    *,
    start: float,
    seconds: float,
    disorder: bool = False,
) -> None:
    """Write what units say while they call, and what they are answered.

    Args:
        path: Of the file, which must not be there yet.
        units: Who calls.
        session: Makes who answers, one for each call.
        start: Unix seconds at which the units begin; zero on their lines' clock.
        seconds: How long it goes on.
        disorder: Some segments overlap, and arrive in the wrong order.

    Raises:
        OSError: The file cannot be written.
    """
    with path.open("xb") as out:
        file = PcapFile(out.write)
        calls = [
            _Call(file, unit, session, number=number, start=start, disorder=disorder)
            for number, unit in enumerate(units)
        ]
        while True:
            due = [call for call in calls if call.due is not None]
            if not due:
                return
            first = min(due, key=lambda call: call.due or 0.0)
            now = first.due or 0.0
            if now > seconds:
                return
            first.go_on(now)
