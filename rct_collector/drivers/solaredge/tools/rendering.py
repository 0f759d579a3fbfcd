"""What units post, as the JSON lines that the suite prints: scripts are made for these.

One line is one message, with group → id → attributes, all keys in order. The attributes and their
odd values are those of the suite, which are not ours: it prints the bytes of "no value" as a
number where it does not know of them, and of records only what it knew. Two things are better:

* Where a message has two records of one unit, the suite keeps the last. Here each further one goes
  into a line of its own behind that of the message, so that whoever reads line by line gets all of
  them in order.
* What is no number (NaN) is null, since JSON has no word for it.

Ids are printed without the bit that tells the two processors of an inverter apart, as in the suite.

Source: output of the suite for recorded frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from functools import partial
from struct import Struct
from typing import Any

from rct_collector.drivers.solaredge import records

_HEADER = Struct("<HIH")

#: What an id is printed without.
_PRINTED = 0xFFFFFFFF ^ records.BOARD_BIT

#: Groups that are in each line, even when there is nothing in them.
_ALWAYS = ("events", "inverters", "optimizers")

#: Seconds for which the difference to UTC is looked up: zones change it at such times only.
_QUARTER_S = 900


#: Where in a line something goes: its group; the id of the unit, as printed; and the name below
#: that, of a meter or battery, or None in groups that have no such level.
Place = tuple[str, str, str | None]


# -- records -----------------------------------------------------------------------------------


class _Zone:
    """The zone of this host: Unix seconds → date and time of day."""

    def __init__(self) -> None:
        self._quarters: dict[int, tuple[str, int]] = {}
        self._minutes = [f"{i // 60:02}:{i % 60:02}:" for i in range(24 * 60)]
        self._seconds = [f"{i:02}" for i in range(60)]

    def __call__(self, utc: int) -> tuple[str, str]:
        quarter, rest = divmod(utc, _QUARTER_S)
        known = self._quarters.get(quarter)
        if known is None:
            begin = datetime.fromtimestamp(quarter * _QUARTER_S)
            if begin.minute * 60 % _QUARTER_S or begin.second:  # a zone of long ago
                text = datetime.fromtimestamp(utc).isoformat(" ")
                return text[:10], text[11:]
            if len(self._quarters) > 10_000:
                self._quarters.clear()
            known = begin.date().isoformat(), 3600 * begin.hour + 60 * begin.minute
            self._quarters[quarter] = known
        date, second = known
        minutes, seconds = divmod(second + rest, 60)
        return date, self._minutes[minutes] + self._seconds[seconds]


def _printed(number: int) -> str:
    """An id as the suite prints it."""
    return f"{number & _PRINTED:X}"


def _template(*names: str) -> str:
    """Attributes in order, with room for their values."""
    assert list(names) == sorted(names)  # noqa: S101 - as all keys
    return "{" + ", ".join(f'"{name}": %s' for name in names) + "}"


def _filled(template: str, values: tuple[Any, ...]) -> str:
    """Attributes with values, in which no number is none of JSON's."""
    text: str = template % values
    if "nan" in text or "inf" in text:
        text = template % tuple(
            "null" if type(value) is float and not math.isfinite(value) else value
            for value in values
        )
    return text


def _absent(value: float) -> float:
    """A number, or NaN for the bytes of "no value": where the suite knows of them."""
    return math.nan if value == records.ABSENT else value


def _spaced(data: bytes) -> str:
    return f'"{data.hex(" ")}"'


_OLD_OPTIMIZER = Struct("<4I5f")
_OPTIMIZER = _template(
    "Date", "Eday", "ID", "Imod", "Inverter", "Temp", "Time", "Uptime", "Vmod", "Vopt"
)


def _old_optimizer(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    utc, inverter, _, uptime, *floats = _OLD_OPTIMIZER.unpack_from(body)
    panel, output, current, energy, temperature = floats
    date, time = zone(utc)
    shown = _printed(unit)
    values = (
        f'"{date}"', energy, f'"{shown}"', current, f'"{_printed(inverter)}"', temperature,
        f'"{time}"', uptime, panel, output,
    )  # fmt: skip
    return ("optimizers", shown, None), _filled(_OPTIMIZER, values)


_PACKED = Struct("<IHIHB")
_PACKED_S = Struct("<IHI")
_QUARTERS = (".0", ".25", ".5", ".75")


#: All that three fields of them can be, as it is printed.
_VOLTS = [repr(0.125 * i) for i in range(1 << 10)]
_AMPERES = [repr(0.00625 * i) for i in range(1 << 12)]
_TEMPERATURES = [repr(2.0 * (i - (i >> 7 << 8))) for i in range(1 << 8)]


def _optimizer(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    """What comes most, so it is put together at once."""
    utc, uptime, word, energy, temperature = _PACKED.unpack_from(body)
    date, time = zone(utc)
    shown = f"{unit & _PRINTED:X}"
    return ("optimizers", shown, None), (
        f'{{"Date": "{date}", "Eday": {energy >> 2}{_QUARTERS[energy & 3]}, "ID": "{shown}",'
        f' "Imod": {_AMPERES[word >> 20]}, "Inverter": 0, "Temp": {_TEMPERATURES[temperature]},'
        f' "Time": "{time}", "Uptime": {uptime}, "Vmod": {_VOLTS[word & 0x3FF]},'
        f' "Vopt": {_VOLTS[word >> 10 & 0x3FF]}}}'
    )


def _optimizer_s(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    utc, uptime, word = _PACKED_S.unpack_from(body)
    date, time = zone(utc)
    shown = _printed(unit)
    values = (
        f'"{date}"', 0, f'"{shown}"', _AMPERES[word >> 20], 0, 0, f'"{time}"', uptime,
        _VOLTS[word & 0x3FF], _VOLTS[word >> 10 & 0x3FF],
    )  # fmt: skip
    return ("optimizers", shown, None), _OPTIMIZER % values


_ONE_PHASE = Struct("<3I6f8xf4xf16xf16xf8x")
_ONE = _template(
    "Date", "Eac", "Eday", "Etot", "Freq", "ID", "Iac", "Interval", "Pac", "Pmax", "Temp", "Time",
    "Uptime", "Vac", "Vdc",
)  # fmt: skip


def _one_phase(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    utc, uptime, interval, *floats = _ONE_PHASE.unpack_from(body)
    temperature, day, energy, volts, amperes, frequency, volts_dc, total, limit, power = floats
    date, time = zone(utc)
    shown = _printed(unit)
    values = (
        f'"{date}"', energy, day, total, frequency, f'"{shown}"', amperes, interval, power,
        _absent(limit), temperature, f'"{time}"', uptime, volts, volts_dc,
    )  # fmt: skip
    return ("inverters", shown, None), _filled(_ONE, values)


_THREE_PHASES = Struct("<3I3f3f3f3f2IfI2f3I3fI3fI")
_THREE = _template(
    "CosPhi1", "CosPhi2", "CosPhi3", "Date", "Eac", "Eday", "EdayDC", "Edc", "Etot", "Freq1",
    "Freq2", "Freq3", "GndFrR", "ID", "Iac1", "Iac2", "Iac3", "Idc", "Interval", "IoutDC", "Irdc",
    "Temp", "Time", "Uptime", "Vac1", "Vac2", "Vac3", "Vdc", "data21", "data22", "data23", "data29",
    "data31", "mode",
)  # fmt: skip


def _three_phases(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    word = _THREE_PHASES.unpack_from(body)
    date, time = zone(word[0])
    shown = _printed(unit)
    values = (
        *word[24:27], f'"{date}"', word[5], word[4], word[15], word[16], word[19], *word[12:15],
        word[28], f'"{shown}"', *word[9:12], word[18], word[2], word[30], word[20], word[3],
        f'"{time}"', word[1], *word[6:9], word[17], *word[21:24], word[29], word[31], word[27],
    )  # fmt: skip
    return ("inverters", shown, None), _filled(_THREE, values)


_METER_BODY = Struct("<IbbIH2sIH2sIH2sIH2s3I2f")
_METER = _template(
    "AlwaysZero_off10_int2", "AlwaysZero_off18_int2", "AlwaysZero_off26_int2",
    "AlwaysZero_off34_int2", "Date", "E2X", "EfromX", "Flag_off12_hex", "Flag_off20_hex",
    "Flag_off28_hex", "Flag_off36_hex", "Interval", "P2X", "PfromX", "Time", "TotalE2Grid",
    "TotalEfromGrid", "Totaloff22_int4", "Totaloff30_int4", "dateTime", "devLen", "devType",
    "onlyIntervalData", "recType", "seId", "seType",
)  # fmt: skip
_METERS = {
    3: "3_Consumption",
    5: "5_GridImportExport",
    7: "7_Battery",
    8: "8_MostlyZeroes",
    9: "9_PVProduction",
}


def _meter(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    utc, kind, intervals, *totals, interval, out, back, power_out, power_in = (
        _METER_BODY.unpack_from(body)
    )
    date, time = zone(utc)
    shown = _printed(unit)
    values = (
        *totals[1::3], f'"{date}"', out, back, *map(_spaced, totals[2::3]), interval,
        _absent(power_out), _absent(power_in), f'"{time}"', *totals[0::3], utc, len(body),
        '"meters_0x0022"', intervals, kind, f'"{shown}"', '"0x0022"',
    )  # fmt: skip
    name = _METERS.get(kind, f"{kind}_UnrecognisedRecType")
    return ("meters_0x0022", shown, name), _filled(_METER, values)


_BATTERY_BODY = Struct("<I12s5fIfIf4s4sfH2f3I")
_BATTERY = _template(
    "AlwaysZero_40_float", "AlwaysZero_48_float", "AlwaysZero_66_float", "AlwaysZero_70_float",
    "BattCapacityActual", "BattCapacityNom", "BattCharge", "BattChargingStatus", "Date", "EIn",
    "EOut", "HexConst_52", "HexConst_56", "Idc", "Interval", "Temp", "Time", "TotalEnergyIn",
    "TotalEnergyOut", "Vdc", "batteryId", "dateTime", "devLen", "devType", "seId", "seType",
)  # fmt: skip


def _battery(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    word: list[Any] = [
        _absent(value) if type(value) is float else value
        for value in _BATTERY_BODY.unpack_from(body)
    ]
    date, time = zone(word[0])
    shown = _printed(unit)
    name = word[1].rstrip(b"\0").decode("latin-1")
    values = (
        word[8], word[10], word[15], word[16], word[5], word[4], word[6], word[14], f'"{date}"',
        word[18], word[19], _spaced(word[11]), _spaced(word[12]), word[3], word[17], word[13],
        f'"{time}"', word[7], word[9], word[2], json.dumps(name), word[0], len(body),
        '"batteries_0x0030"', f'"{shown}"', '"0x0030"',
    )  # fmt: skip
    return ("batteries_0x0030", shown, name), _filled(_BATTERY, values)


_EVENT_BODY = Struct("<3IiI")
_EVENT = _template("Date", "Event1", "Event2", "Event3", "ID", "Time", "Type")


def _event(zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    utc, kind, first, second, third = _EVENT_BODY.unpack_from(body)
    date, time = zone(utc)
    shown = _printed(unit)
    events: tuple[Any, Any] = (second, _moment(third))
    if kind == 0:
        events = (_moment(second & 0xFFFFFFFF), third)
    values = (f'"{date}"', _moment(first), *events, f'"{shown}"', f'"{time}"', kind)
    return ("events", shown, None), _EVENT % values


def _moment(utc: int) -> str:
    return f'"{datetime.fromtimestamp(utc).ctime()}"'


_UTC = Struct("<I")
_UNKNOWN = _template(
    "Date", "Time", "Undeciphered_data", "dateTime", "devLen", "devType", "seId", "seType"
)


def _unknown(kind: int, zone: _Zone, unit: int, body: bytes) -> tuple[Place, str]:
    (utc,) = _UTC.unpack_from(body)
    date, time = zone(utc)
    shown = _printed(unit)
    group = f"Unknown_device_0x{kind:04x}"
    rows = (body[start : start + 16].hex(" ") for start in range(4, len(body), 16))
    values = (
        f'"{date}"', f'"{time}"', f'"{" | ".join(rows)}"', utc, len(body), f'"{group}"',
        f'"{shown}"', f'"0x{kind:04x}"',
    )  # fmt: skip
    return (group, shown, None), _UNKNOWN % values


#: Type of a record → bytes that its body has at least, and what makes its attributes.
_KNOWN: dict[int, tuple[int, Callable[[_Zone, int, bytes], tuple[Place, str]]]] = {
    records.OPTIMIZER: (_OLD_OPTIMIZER.size, _old_optimizer),
    records.INVERTER: (_ONE_PHASE.size, _one_phase),
    records.INVERTER_3: (_THREE_PHASES.size, _three_phases),
    records.METER: (_METER_BODY.size, _meter),
    records.BATTERY: (_BATTERY_BODY.size, _battery),
    records.OPTIMIZER_PACKED: (_PACKED.size, _optimizer),
    records.OPTIMIZER_S: (_PACKED_S.size, _optimizer_s),
    records.EVENT: (_EVENT_BODY.size, _event),
}


# -- messages ----------------------------------------------------------------------------------


class Renderer:
    """Makes lines of posts.

    Attributes:
        records: Records so far.
        bad: Records that are too short for what they are, or longer than their message.
    """

    def __init__(self) -> None:
        """Use the zone that this host has now."""
        self.records = self.bad = 0
        self._zone = _Zone()

    def lines(self, payload: bytes) -> list[str]:
        """Make the lines of a message.

        Args:
            payload: Of the post.

        Returns:
            One line, without its end; more where units have several records; none for a message
            without records.
        """
        if not payload:
            return []
        lines: list[dict[Place, str]] = [{}]
        first, zone = lines[0], self._zone
        position, size = 0, len(payload)
        while position + 8 <= size:
            kind, unit, length = _HEADER.unpack_from(payload, position)
            start = position + 8
            position = start + length
            if position > size:
                break
            self.records += 1
            body = payload[start:position]
            least, attributes = _KNOWN.get(kind) or (4, partial(_unknown, kind))
            if length < least:
                self.bad += 1
                continue
            place, text = attributes(zone, unit, body)
            if place in first:
                _further(lines, place, text)
            else:
                first[place] = text
        if position != size:
            self.bad += 1
        return [_joined(line) for line in lines if line]


def _further(lines: list[dict[Place, str]], place: Place, text: str) -> None:
    """Put what has no room in the first line into the next one that has."""
    for line in lines:
        if place not in line:
            line[place] = text
            return
    lines.append({place: text})


def _joined(line: dict[Place, str]) -> str:
    """One line: groups, ids and names in order."""
    groups: dict[str, list[str]] = {name: [] for name in _ALWAYS}
    last = ("", "")
    group, items = "", [""]
    for place in sorted(line):  # names are compared with names only
        if place[0] != group:
            group = place[0]
            items = groups.setdefault(group, [])
        name = place[2]
        if name is None:
            items.append(f'"{place[1]}": {line[place]}')
            continue
        inner = f"{json.dumps(name)}: {line[place]}"
        if last == place[:2]:
            items[-1] = f"{items[-1][:-1]}, {inner}}}"
        else:
            items.append(f'"{place[1]}": {{{inner}}}')
        last = place[:2]
    shown = [f'"{name}": {{{", ".join(groups[name])}}}' for name in sorted(groups)]
    return f"{{{', '.join(shown)}}}"
