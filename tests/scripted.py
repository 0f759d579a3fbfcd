"""A unit that answers exactly what a test says, for tests of the device layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rctclient.types import DataType

from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.table import BY_OID, OBJECTS, RctObject

BY_NAME = {item.name: item for item in OBJECTS}

#: What every unit of the tests has, unless a test says otherwise.
FULL: dict[str, Any] = {
    "android_description": "PS 6.0 TEST",
    "inverter_sn": "TESTSERIAL01",
    "svnversion": "2.3.5673",
    "dc_conv.dc_conv_struct[0].enabled": True,
    "dc_conv.dc_conv_struct[1].enabled": True,
    "power_mng.battery_type": 3,
    "power_mng.n_batteries": 1,
    "battery.bms_sn": "BMS1",
    "battery.module_sn[0]": "MODULE0",
    "rb485.available": True,
    "io_board.io1_usage": 10,
    "i_ac_extern_connected": True,
}


def payload(item: RctObject, value: Any) -> bytes:
    """Encode a value, or a plausible default for None."""
    if item.type is DataType.STRING:
        return str(value or "").encode() + b"\0" * 4
    if item.type is DataType.BATTERY_MODULE_STATUS:
        cells = value or [(20 + n % 5, 3300 + n) for n in range(24)]
        return b"".join(bytes((t, mv & 255, mv >> 8, 0)) for t, mv in cells)
    if item.type is DataType.BATTERY_MODULE_RESISTANCE:
        return b"".join((512 + n).to_bytes(2, "big") + b"\0\0" for n in range(24))
    if item.type is DataType.BATTERY_MODULE_STATISTICS:
        return bytes(48)
    if isinstance(value, bytes):
        return value
    return wire.encode(item.type, value if value is not None else 0)


class ScriptedUnit:
    """Answers reads with the values of a dictionary; everything else about it can be changed.

    Attributes:
        values: Object name → value; missing ones answer 0 or "".
        silent: Names of objects that are never answered.
        latency: Seconds from request to answer.
        mangle: (object, answer frame, request number) → bytes on the wire, or None for silence.
        asked: (time, object name) of every request.
    """

    def __init__(self, values: dict[str, Any] | None = None) -> None:
        self.values = {**FULL, **(values or {})}
        self.silent: set[str] = set()
        self.latency = 0.02
        self.mangle: Callable[[RctObject, bytes, int], bytes | None] | None = None
        self.asked: list[tuple[float, str]] = []
        self._readers: dict[int, frame.FrameReader] = {}
        self._due: list[tuple[float, bytes]] = []
        self._clients = 0

    def connect(self) -> int:
        self._clients += 1
        self._readers[self._clients] = frame.FrameReader()
        return self._clients

    def disconnect(self, client: int) -> None:
        self._readers.pop(client, None)

    def receive(self, client: int, data: bytes, now: float) -> None:
        for item in self._readers[client].feed(data):
            assert isinstance(item, frame.Frame), item
            assert item.command == frame.READ
            self._answer(BY_OID[item.oid], now)

    def say(self, data: bytes, at: float) -> None:
        """Put bytes on the line unasked."""
        self._due.append((at, data))
        self._due.sort(key=lambda entry: entry[0])

    def answer_to(self, name: str, value: Any = None) -> bytes:
        """The frame of an answer."""
        item = BY_NAME[name]
        content = payload(item, self.values.get(name) if value is None else value)
        return b"\0" + frame.assemble(frame.RESPONSE, item.oid, content)

    def next_due(self) -> float | None:
        return self._due[0][0] if self._due else None

    def pull(self, now: float) -> list[bytes]:
        out = [data for at, data in self._due if at <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        return out

    def times(self, name: str) -> list[float]:
        return [at for at, asked in self.asked if asked == name]

    def _answer(self, item: RctObject, now: float) -> None:
        self.asked.append((now, item.name))
        if item.name in self.silent:
            return
        data: bytes | None = self.answer_to(item.name)
        if self.mangle is not None:
            data = self.mangle(item, data or b"", len(self.asked))
        if data is not None:
            self.say(data, now + self.latency)
