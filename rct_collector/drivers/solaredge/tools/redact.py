"""Takes secrets out of the bytes of a SolarEdge line: ids, serial numbers, keys, and the unknown.

An id is a serial number: another one stands in for it, the same in all of a recording, so that
the units of a plant still differ; its first digits stay, and so does the bit by which the boards
of an inverter differ. Of records whose layout is known, the numbers pass, energies and times with
them; the serial numbers of batteries do not. All other payloads are replaced by zeros: parameters
may be keys, lists name meters, and what is encrypted can be read by whoever finds the key.

Each byte is replaced by one byte: lengths and the places of frames stay, a frame gets the checksum
of what it then holds, and what is no frame is replaced by zeros.
"""

from __future__ import annotations

from rct_collector.drivers.base import Fault
from rct_collector.drivers.solaredge.frame import MAGIC, Frame, assemble
from rct_collector.drivers.solaredge.functions import (
    ENERGIES,
    POST,
    READ_PARAMETER,
    S_OK,
    STATUS,
    TIME,
    TYPE,
    VERSION,
)
from rct_collector.drivers.solaredge.records import (
    BATTERY,
    BOARD_BIT,
    LAYOUTS,
    OPTIMIZER,
    OPTIMIZER_S,
    RawRecord,
    join,
    split,
)
from rct_collector.drivers.solaredge.session import FIRST_SERVICE
from rct_collector.drivers.solaredge.tools.walk import walk

#: Functions whose payloads hold no secret.
_HARMLESS = frozenset((ENERGIES, READ_PARAMETER, S_OK, STATUS, TIME, TYPE, VERSION))

#: Ids within bodies, by type.
_IDS = {OPTIMIZER: (4, 8), OPTIMIZER_S: (17,)}

#: Where a battery has its serial number.
_SERIAL = slice(4, 16)

_LOW = BOARD_BIT - 1


class IdStandIns:
    """Ids and serial numbers that stand in for secrets: the first is 1, whoever asks."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[int | bytes, int] = {}

    def of(self, secret: int) -> int:
        """What stands in for an id; addresses of services are none, and 0 is nobody."""
        if secret >= FIRST_SERVICE or not secret:
            return secret
        number = self._number(secret & ~BOARD_BIT)
        return secret & ~_LOW | number & _LOW

    def of_serial(self, secret: bytes) -> bytes:
        """What stands in for a serial number: digits, as many as it has characters."""
        text = secret.rstrip(b"\0")
        number = str(self._number(text)) if text else ""
        return number.rjust(len(text), "9")[-len(text) :].encode().ljust(len(secret), b"\0")

    def _number(self, secret: int | bytes) -> int:
        return self._known.setdefault(secret, len(self._known) + 1)


class Redactor:
    """Takes secrets out of one direction of one line; see :class:`.drivers.tools.Redactor`."""

    def __init__(self, stand_ins: IdStandIns) -> None:
        """Start between frames.

        Args:
            stand_ins: Those of the whole recording.
        """
        self._held = b""
        self._stand_ins = stand_ins

    def feed(self, data: bytes) -> bytes:
        """Take bytes, cut anywhere; give those that are settled, one for each that came."""
        self._held += data
        settled = b""
        for passage in walk(self._held):
            if passage.found is None:
                break
            raw = self._held[passage.start : passage.end]
            settled += (
                self._frame(passage.found)
                if isinstance(passage.found, Frame)
                else (bytes(len(raw)) if passage.found is Fault.NOISE else _blank(raw))
            )
        self._held = self._held[len(settled) :]
        return settled

    def flush(self) -> bytes:
        """The line has ended: what is left is no whole frame."""
        held, self._held = self._held, b""
        return _blank(held)

    def _frame(self, found: Frame) -> bytes:
        payload = found.payload
        if found.function == POST:
            payload = self._post(payload)
        elif found.function not in _HARMLESS:
            payload = bytes(len(payload))
        source, destination = map(self._stand_ins.of, (found.source, found.destination))
        return assemble(found._replace(source=source, destination=destination, payload=payload))

    def _post(self, payload: bytes) -> bytes:
        records, rest = split(payload)
        return join([self._record(record) for record in records]) + bytes(rest)

    def _record(self, record: RawRecord) -> RawRecord:
        body = bytearray(record.body)
        layout = LAYOUTS.get(record.kind)
        known = layout.size if layout else 4
        body[known:] = bytes(max(len(body) - known, 0))
        for place in _IDS.get(record.kind, ()):
            if place + 4 <= len(body):
                secret = int.from_bytes(body[place : place + 4], "little")
                body[place : place + 4] = self._stand_ins.of(secret).to_bytes(4, "little")
        if record.kind == BATTERY:
            body[_SERIAL] = self._stand_ins.of_serial(bytes(body[_SERIAL]))
        return RawRecord(record.kind, self._stand_ins.of(record.device), bytes(body))


def _blank(raw: bytes) -> bytes:
    """What stands for a frame that does not check out: its begin, and nothing."""
    return MAGIC[: len(raw)].ljust(len(raw), b"\0")
