"""Records of telemetry, which units post: bodies ↔ named values.

A post holds records one behind the other, of several devices and times::

    tttt          type
    dddddddd      device: inverter or optimizer
    llll          length of the body
    ...           body, which begins with its time, Unix seconds

The layouts grow with the firmware: a body longer than what is known of it is read as far as that,
and of a shorter one the values that lie wholly inside. A float whose bytes are ``ff ff 7f ff`` is
no value, and neither is one that is no number.

Sources: the layouts that are known in public, and records that owners have published with what
they mean. Where a reading is uncertain, the column says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from struct import Struct
from typing import Any, NamedTuple

INVERTER = 0x0010
INVERTER_3 = 0x0011
OPTIMIZER = 0x0000
OPTIMIZER_PACKED = 0x0080
OPTIMIZER_S = 0x0082
METER = 0x0022
BATTERY = 0x0030
EVENT = 0x0300

#: Types by name, whether their bodies are understood or not.
TITLES = {
    OPTIMIZER: "optimizer, old",
    0x0001: "string",
    0x0002: "cluster",
    INVERTER: "inverter, one phase",
    INVERTER_3: "inverter, three phases",
    0x0012: "combiner box",
    0x0013: "combiner box",
    0x0014: "combiner box",
    0x0015: "combiner box",
    0x0016: "Vega",
    0x0017: "daily record of the communication board",
    0x0018: "daily record of the inverter",
    0x0020: "sensor",
    METER: "meter",
    BATTERY: "battery",
    0x0040: "daily list of storages",
    0x0041: "daily list",
    0x0042: "daily list of meters",
    0x0043: "daily list of optimizers",
    OPTIMIZER_PACKED: "optimizer",
    OPTIMIZER_S: "optimizer, S series",
    0x0090: "inverter, one phase, new",
    0x0091: "inverter, three phases, new",
    0x0200: "event of the power board, one phase",
    EVENT: "event of the communication board",
    0x0301: "event of the communication board",
    0x0302: "event of the communication board",
    0x0400: "Suntracer",
    0x0800: "event of the power board, three phases",
    0x0A00: "Vega",
}

#: Modes of an inverter.
MODES = {
    1: "off",
    2: "sleeping",
    3: "starting",
    4: "producing (MPPT)",
    5: "throttled",
    6: "shutting down",
    8: "standby",
}

#: Kinds of a meter's record.
METERS = {3: "consumption", 5: "grid", 7: "battery", 9: "production"}

#: What a battery does.
CHARGING, DISCHARGING, HOLDING = 3, 4, 6
BATTERY_STATES = {CHARGING: "charging", DISCHARGING: "discharging", HOLDING: "holding"}

#: Types of an event, as far as they are known.
EVENTS = {0: "goes to sleep, or wakes up", 1: "its clock was set"}

#: The bit by which the power board of an inverter differs from its communication board.
BOARD_BIT = 0x0080_0000

_HEAD = Struct("<HIH")
_TIME = Struct("<I")

#: ``ff ff 7f ff`` as a float: the largest negative one.
ABSENT = -float.fromhex("0x1.fffffep+127")

#: Nothing that is measured comes near.
_BEYOND = 1e38

_NOT_REPORTED = 0x8000

RecordValue = float | int | str | None


class RawRecord(NamedTuple):
    """One record of a post.

    Attributes:
        kind: Its type.
        device: Id of the device, as it was sent.
        body: At least the four bytes of its time.
    """

    kind: int
    device: int
    body: bytes

    @property
    def time(self) -> int:
        """Unix seconds, as the unit says."""
        return int.from_bytes(self.body[:4], "little")


def split(payload: bytes) -> tuple[list[RawRecord], int]:
    """Cut the payload of a post into its records.

    Args:
        payload: What the frame carries.

    Returns:
        The records, and how many bytes behind them are none: a record that is longer than what
        is left, or too short for a time, is not believed, nor what follows it.
    """
    found = []
    position, size = 0, len(payload)
    while position + 8 <= size:
        kind, device, length = _HEAD.unpack_from(payload, position)
        end = position + 8 + length
        if end > size or length < 4:
            break
        found.append(RawRecord(kind, device, payload[position + 8 : end]))
        position = end
    return found, size - position


def join(records: Iterator[RawRecord] | list[RawRecord]) -> bytes:
    """Make the payload of a post."""
    return b"".join(
        _HEAD.pack(record.kind, record.device, len(record.body)) + record.body for record in records
    )


# -- layouts -----------------------------------------------------------------------------------


class Column(NamedTuple):
    """One value of a body.

    Attributes:
        name: Its name in this program.
        offset: Where it is.
        form: How, as in :mod:`struct`: ``I``, ``H``, ``b`` numbers, ``f`` a float, ``12s`` text.
        unit: What it is in; "" for codes, words and numbers.
    """

    name: str
    offset: int
    form: str
    unit: str = ""

    @property
    def end(self) -> int:
        """Where the next one may begin."""
        return self.offset + Struct("<" + self.form).size


class Layout:
    """How the bodies of one type are read and made.

    Attributes:
        kind: The type.
        sizes: Lengths that were met; the first is the usual one.
        columns: By place.
        computed: What is made of the columns, besides; see ``complete``.
    """

    def __init__(
        self,
        kind: int,
        sizes: tuple[int, ...],
        columns: tuple[Column, ...],
        *,
        computed: tuple[str, ...] = (),
        complete: Callable[[dict[str, RecordValue]], None] = lambda _values: None,
    ) -> None:
        """Describe it.

        Args:
            kind: The type.
            sizes: Lengths that were met; the first is the usual one.
            columns: By place.
            computed: Names of what ``complete`` adds.
            complete: Adds to the values what follows from them.
        """
        self.kind = kind
        self.sizes = sizes
        self.columns = columns
        self.computed = computed
        self._complete = complete
        self._has_texts = any(column.form.endswith("s") for column in columns)
        self._prefix = lru_cache(maxsize=64)(self._prefix_of)

    @cached_property
    def size(self) -> int:
        """Bytes of a body in which all columns lie."""
        return max(column.end for column in self.columns)

    def column(self, name: str) -> Column:
        """One column by name.

        Raises:
            KeyError: There is none of that name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def _prefix_of(self, size: int) -> tuple[Struct, tuple[str, ...]]:
        """What reads the columns that lie within so many bytes, and their names."""
        inside = [column for column in self.columns if column.end <= size]
        form, place = "<", 0
        for column in inside:
            form += f"{column.offset - place}x{column.form}"
            place = column.end
        return Struct(form), tuple(column.name for column in inside)

    def decode(self, body: bytes) -> dict[str, RecordValue]:
        """Read a body.

        Args:
            body: At least the four bytes of its time.

        Returns:
            Name → value, of the columns that lie wholly inside; None where the unit has none, and
            for floats that are no numbers.
        """
        return self.read(body)[0]

    def read(self, body: bytes) -> tuple[dict[str, RecordValue], bool]:
        """The same, and whether any float is no number, without being absent."""
        struct, names = self._prefix(min(len(body), self.size))
        raw = struct.unpack_from(body)
        values = dict(zip(names, raw, strict=True))
        # One look at all of them: this is hardly less than any, and no number where one is none.
        broken = (self._has_texts or not math.hypot(*raw) < _BEYOND) and _tidy(values)
        self._complete(values)
        return values, broken

    def encode(self, values: Mapping[str, RecordValue], size: int = 0) -> bytes:
        """Make a body.

        Args:
            values: Name → value; floats that are missing or None become absent, and numbers zero.
            size: Its length; 0 for the usual one. What is beyond the columns is zero.

        Raises:
            KeyError: A name that the type does not have.
            struct.error: A value that does not fit its column.
        """
        known = {column.name for column in self.columns}
        for name in values:
            if name not in known and name not in self.computed:
                raise KeyError(f"{self.kind:04x} has no {name}")
        size = size or self.sizes[0]
        struct, names = self._prefix(min(size, self.size))
        body = struct.pack(*(self._wire(name, values.get(name)) for name in names))
        return body.ljust(size, b"\0")

    def _wire(self, name: str, value: RecordValue) -> float | int | bytes:
        """A value as it is packed."""
        form = self.column(name).form
        if isinstance(value, str):
            return value.encode("latin-1")
        if value is None:
            return ABSENT if form == "f" else b"" if form.endswith("s") else 0
        return value


def _tidy(values: dict[str, Any]) -> bool:
    """Have None for what is absent or no number, and texts for bytes; see :meth:`Layout.read`."""
    broken = False
    for name, value in values.items():
        kind = type(value)
        if kind is float:
            if not ABSENT < value < math.inf:
                values[name] = None
                broken = broken or value != ABSENT
        elif kind is bytes:
            values[name] = value.rstrip(b"\0").decode("latin-1")
    return broken


def _words(start: int, form: str, *names: str, unit: str = "") -> tuple[Column, ...]:
    """Columns of four bytes, one behind the other; those without a name are left out."""
    return tuple(Column(name, start + 4 * n, form, unit) for n, name in enumerate(names) if name)


def _phases(start: int, name: str, unit: str, count: int = 3) -> tuple[Column, ...]:
    return _words(start, "f", *(f"{name}_{n}" for n in range(1, count + 1)), unit=unit)


def _total(values: dict[str, RecordValue]) -> None:
    """The lifetime energy: as a whole number where that is told, since the float has 24 bits."""
    whole = values.get("energy_total_whole")
    values["energy_total"] = float(whole) if whole else values.get("energy_total_float")


#: What the phases have together → what each of them has.
_OF_PHASES = tuple(
    (name, tuple(f"{name}_{n}" for n in (1, 2, 3)))
    for name in ("power", "apparent_power", "reactive_power")
)


def _complete_3(values: dict[str, RecordValue]) -> None:
    """Power of all phases together: only of each phase it is told."""
    _total(values)
    for name, each in _OF_PHASES:
        phases = list(map(values.get, each))
        values[name] = sum(phases) if None not in phases else None  # type: ignore[arg-type]


_INVERTER = Layout(
    INVERTER,
    (124, 104, 174, 180, 186, 196),
    (
        *_words(0, "I", "time"),
        *_words(4, "I", "uptime", "interval", unit="s"),
        *_words(12, "f", "temperature", unit="°C"),
        *_words(16, "f", "energy_day", "energy_interval", unit="Wh"),
        *_words(24, "f", "ac_voltage", unit="V"),
        *_words(28, "f", "ac_current", unit="A"),
        *_words(32, "f", "frequency", unit="Hz"),
        *_words(36, "f", "energy_day_dc", "energy_interval_dc", unit="Wh"),
        *_words(44, "f", "dc_voltage", unit="V"),
        *_words(48, "f", "dc_current", unit="A"),
        *_words(52, "f", "energy_total_float", unit="Wh"),
        *_words(56, "f", "residual_current", unit="A"),
        *_words(64, "f", "power_factor"),
        *_words(68, "I", "mode"),
        # Uncertain: a resistance, as in the record of three phases; some take it for a power.
        *_words(72, "f", "insulation", unit="kΩ"),
        *_words(76, "f", "power_limit", unit="%"),
        *_words(80, "f", "dc_component", unit="A"),
        *_words(92, "f", "power", unit="W"),
        *_words(96, "f", "apparent_power", unit="VA"),
        *_words(100, "f", "reactive_power", unit="var"),
        *_words(116, "I", "energy_total_whole", unit="Wh"),
    ),
    computed=("energy_total",),
    complete=_total,
)

_INVERTER_3 = Layout(
    INVERTER_3,
    (258, 200, 264, 266),
    (
        *_words(0, "I", "time"),
        *_words(4, "I", "uptime", "interval", unit="s"),
        *_words(12, "f", "temperature", unit="°C"),
        *_words(16, "f", "energy_day", "energy_interval", unit="Wh"),
        *_phases(24, "ac_voltage", "V"),
        *_phases(36, "ac_current", "A"),
        *_phases(48, "frequency", "Hz"),
        *_words(60, "f", "energy_day_dc", "energy_interval_dc", unit="Wh"),
        *_words(68, "f", "dc_voltage", unit="V"),
        *_words(72, "f", "dc_current", unit="A"),
        *_words(76, "f", "energy_total_float", unit="Wh"),
        *_words(80, "f", "residual_current", unit="A"),
        *_phases(96, "power_factor", ""),
        *_words(108, "I", "mode"),
        *_words(112, "f", "insulation", unit="kΩ"),
        *_words(116, "f", "power_limit", unit="%"),
        *_phases(120, "dc_component", "A"),
        *_words(132, "f", "voltage_12", "voltage_23", "voltage_31", unit="V"),
        *_phases(144, "power", "W"),
        *_phases(156, "apparent_power", "VA"),
        *_phases(168, "reactive_power", "var"),
        *_words(192, "I", "energy_total_whole", unit="Wh"),
    ),
    computed=("energy_total", "power", "apparent_power", "reactive_power"),
    complete=_complete_3,
)


def _input_power(values: dict[str, RecordValue]) -> None:
    """Power of a panel."""
    values["power"] = _product(values.get("input_voltage"), values.get("input_current"))


def _product(one: RecordValue, other: RecordValue) -> float | None:
    """Of two numbers; None where one of them is absent."""
    return one * other if isinstance(one, float) and isinstance(other, float) else None


_OPTIMIZER = Layout(
    OPTIMIZER,
    (36,),
    (
        *_words(0, "I", "time", "inverter", "destination"),
        *_words(12, "I", "uptime", unit="s"),
        *_words(16, "f", "input_voltage", "output_voltage", unit="V"),
        *_words(24, "f", "input_current", unit="A"),
        *_words(28, "f", "energy_day", unit="Wh"),
        *_words(32, "f", "temperature", unit="°C"),
    ),
    computed=("power",),
    complete=_input_power,
)


class PackedLayout(Layout):
    """Bodies whose voltages and current share one word, in steps of 1/8 V and 1/160 A."""

    _WHOLE = Struct("<IHIHb")
    _INVERTER = Struct("<I")
    _STEPS = (("energy_day", 0.25), ("temperature", 2.0))

    def read(self, body: bytes) -> tuple[dict[str, RecordValue], bool]:
        """The usual body at once, all others column by column; there are no floats."""
        size = len(body)
        if size < 13 or (self.kind == OPTIMIZER_S and size < self.size):
            return self._piecemeal(body), False
        time, uptime, word, energy, temperature = self._WHOLE.unpack_from(body)
        voltage, current = (word & 0x3FF) * 0.125, (word >> 20) * 0.00625
        values: dict[str, RecordValue] = {
            "time": time,
            "uptime": uptime,
            "input_voltage": voltage,
            "output_voltage": (word >> 10 & 0x3FF) * 0.125,
            "input_current": current,
            "energy_day": energy * 0.25,
            "temperature": temperature * 2.0,
        }
        if self.kind == OPTIMIZER_S:
            values["inverter"] = self._INVERTER.unpack_from(body, 17)[0]
        values["power"] = voltage * current
        return values, False

    def _piecemeal(self, body: bytes) -> dict[str, RecordValue]:
        """What lies wholly inside; of the short bodies of S series the rest is not known."""
        size = len(body)
        if self.kind == OPTIMIZER_S and size < self.size:
            size = min(size, 10)
        struct, names = self._prefix(size)
        raw = dict(zip(names, struct.unpack_from(body), strict=True))
        values: dict[str, RecordValue] = {"time": raw["time"]}
        if "uptime" in raw:
            values["uptime"] = raw["uptime"]
        if "word" in raw:
            word = raw["word"]
            values["input_voltage"] = (word & 0x3FF) * 0.125
            values["output_voltage"] = (word >> 10 & 0x3FF) * 0.125
            values["input_current"] = (word >> 20) * 0.00625
            _input_power(values)
        for name, step in self._STEPS:
            if name in raw:
                values[name] = raw[name] * step
        return values

    def encode(self, values: Mapping[str, RecordValue], size: int = 0) -> bytes:
        """Make a body; what lies between two steps becomes the nearer one."""
        names = ("input_voltage", "output_voltage", "input_current")
        volts, output, amperes = (float(values.get(name) or 0.0) for name in names)
        raw = {name: value for name, value in values.items() if name not in names}
        for name, step in self._STEPS:
            if name in raw:
                raw[name] = round(float(raw[name] or 0.0) / step)
        steps = round(volts * 8), round(output * 8), round(amperes * 160)
        if not (0 <= steps[0] < 1 << 10 and 0 <= steps[1] < 1 << 10 and 0 <= steps[2] < 1 << 12):
            raise ValueError(f"{volts} V, {output} V or {amperes} A is more than fits a body")
        raw["word"] = steps[0] | steps[1] << 10 | steps[2] << 20
        return super().encode(raw, size)


#: As they are packed; what comes out of them is in these units, see the steps above.
_PACKED = (
    Column("time", 0, "I"),
    Column("uptime", 4, "H", "s"),
    Column("word", 6, "I"),
    Column("energy_day", 10, "H", "Wh"),
    Column("temperature", 12, "b", "°C"),
)

_OPTIMIZER_PACKED = PackedLayout(OPTIMIZER_PACKED, (13,), _PACKED, computed=("power",))
_OPTIMIZER_S = PackedLayout(
    OPTIMIZER_S, (21, 15), (*_PACKED, Column("inverter", 17, "I")), computed=("power",)
)


def _complete_meter(values: dict[str, RecordValue]) -> None:
    """Totals that the meter does not report, and those that this record does not hold."""
    for name in ("total_to", "total_from"):
        if values.get(f"{name}_flag") or values.get("interval_only"):
            values[name] = None


_METER = Layout(
    METER,
    (58,),
    (
        Column("time", 0, "I"),
        Column("meter", 4, "b"),
        Column("interval_only", 5, "b"),
        Column("total_to", 6, "I", "Wh"),
        Column("total_to_flag", 12, "H"),
        Column("total_from", 14, "I", "Wh"),
        Column("total_from_flag", 20, "H"),
        Column("total_3", 22, "I"),
        Column("total_3_flag", 28, "H"),
        Column("total_4", 30, "I"),
        Column("total_4_flag", 36, "H"),
        Column("interval", 38, "I", "s"),
        Column("energy_to", 42, "I", "Wh"),
        Column("energy_from", 46, "I", "Wh"),
        Column("power_to", 50, "f", "W"),
        Column("power_from", 54, "f", "W"),
    ),
    complete=_complete_meter,
)


def _complete_battery(values: dict[str, RecordValue]) -> None:
    """Power and state of charge, as far as they follow.

    Which sign the current has is not known, but what the battery does is told besides.
    """
    watts, state = _product(values.get("voltage"), values.get("current")), values.get("state")
    if watts is not None:
        watts = -abs(watts) if state == CHARGING else abs(watts)
    known = watts == 0.0 or state in (CHARGING, DISCHARGING)
    values["power"] = watts if known else None
    charge, capacity = values.get("charge"), values.get("capacity")
    known = isinstance(charge, float) and isinstance(capacity, float) and capacity > 0.0
    values["charge_percent"] = 100.0 * charge / capacity if known else None  # type: ignore[operator]


_BATTERY = Layout(
    BATTERY,
    (86,),
    (
        Column("time", 0, "I"),
        Column("battery", 4, "12s"),
        Column("voltage", 16, "f", "V"),
        Column("current", 20, "f", "A"),
        Column("capacity_nominal", 24, "f", "Wh"),
        Column("capacity", 28, "f", "Wh"),
        Column("charge", 32, "f", "Wh"),
        Column("total_in", 36, "I", "Wh"),
        Column("total_out", 44, "I", "Wh"),
        Column("temperature", 60, "f", "°C"),
        Column("state", 64, "H"),
        Column("interval", 74, "I", "s"),
        Column("energy_in", 78, "I", "Wh"),
        Column("energy_out", 82, "I", "Wh"),
    ),
    computed=("power", "charge_percent"),
    complete=_complete_battery,
)

_EVENT = Layout(
    EVENT,
    (28,),
    _words(0, "I", "time", "event", "word_2", "word_3", "word_4", "word_5", "word_6"),
)

#: Types whose bodies are understood.
LAYOUTS = {
    layout.kind: layout
    for layout in (
        _INVERTER,
        _INVERTER_3,
        _OPTIMIZER,
        _OPTIMIZER_PACKED,
        _OPTIMIZER_S,
        _METER,
        _BATTERY,
        _EVENT,
    )
}


def title(kind: int) -> str:
    """What a type is of, or ``unknown``."""
    return TITLES.get(kind, "unknown")
