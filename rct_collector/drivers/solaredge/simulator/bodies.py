"""Bodies of records, made by an encoder of its own, so that driver and simulator check each other.

All numbers are little endian; a float that has no value is ``ff ff 7f ff``.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct, pack, pack_into, unpack
from typing import NamedTuple

OPTIMIZER, INVERTER, INVERTER_3, METER, BATTERY = 0x0000, 0x0010, 0x0011, 0x0022, 0x0030
PACKED, NEWER, EVENT = 0x0080, 0x0082, 0x0300

#: The bit that tells the power board of an inverter from its communication board.
BOARD = 0x0080_0000

#: A float that has no value.
ABSENT = b"\xff\xff\x7f\xff"

#: Kinds of a meter's record.
CONSUMPTION, GRID, PRODUCTION = 3, 5, 9

#: What a battery does.
CHARGING, DISCHARGING, HOLDING = 3, 4, 6

_HEADER = Struct("<HIH")

#: What a record says, by the names that the driver has for it.
Said = Mapping[str, float | str]


class Telemetry(NamedTuple):
    """One record.

    Attributes:
        kind: Its type.
        device: Whose it is, as it is sent.
        time: Unix seconds by the unit's clock.
        body: Its bytes, which begin with the time.
        said: What they say.
    """

    kind: int
    device: int
    time: int
    body: bytes
    said: Said

    @property
    def data(self) -> bytes:
        """Header and body, as a post has them."""
        return _HEADER.pack(self.kind, self.device, len(self.body)) + self.body


def inverter(device: int, time: int, values: Mapping[str, float]) -> Telemetry:
    """Record of an inverter of one phase.

    Args:
        device: Id of its power board.
        time: Unix seconds.
        values: ``power``, ``ac_voltage`` and so on; those of the class ``float`` are sent as such.
    """
    names = {
        **{4: "uptime", 8: "interval", 12: "temperature", 16: "energy_day"},
        **{20: "energy_interval", 24: "ac_voltage", 28: "ac_current", 32: "frequency"},
        **{44: "dc_voltage", 56: "residual_current", 64: "power_factor", 68: "mode"},
        **{72: "insulation", 76: "power_limit", 80: "dc_component", 92: "power"},
        **{96: "apparent_power", 100: "reactive_power"},
    }
    body, said = _laid(124, time, names, values, absent=(36, 40, 48, 60, 84, 88, 112))
    _lifetime(body, said, values["energy_total"], 52, 116)
    return Telemetry(INVERTER, device, time, bytes(body), said)


def inverter_3(device: int, time: int, values: Mapping[str, float]) -> Telemetry:
    """Record of an inverter of three phases; see :func:`inverter`."""
    names = {
        **{4: "uptime", 8: "interval", 12: "temperature", 16: "energy_day"},
        **{20: "energy_interval", 68: "dc_voltage", 80: "residual_current", 108: "mode"},
        **{112: "insulation", 116: "power_limit"},
    }
    phased = (
        *((24, "ac_voltage"), (36, "ac_current"), (48, "frequency"), (96, "power_factor")),
        *((120, "dc_component"), (144, "power"), (156, "apparent_power"), (168, "reactive_power")),
    )
    names |= {at + 4 * n: f"{name}_{n + 1}" for at, name in phased for n in range(3)}
    body, said = _laid(258, time, names, values, absent=(60, 64, 72, 84, 88, 92))
    _lifetime(body, said, values["energy_total"], 76, 192)
    pack_into("<I", body, 218, int(values["energy_total"]))
    pack_into("<f", body, 226, values["energy_interval"])
    return Telemetry(INVERTER_3, device, time, bytes(body), said)


def _lifetime(
    body: bytearray, said: dict[str, float | str], energy: float, as_float: int, whole: int
) -> None:
    """Watt-hours since commissioning, in both spellings."""
    pack_into("<f", body, as_float, energy)
    pack_into("<I", body, whole, int(energy))
    said["energy_total"] = float(int(energy))


def optimizer(device: int, board: int, time: int, values: Mapping[str, float]) -> Telemetry:
    """Record of an optimizer, of the oldest kind.

    Args:
        device: Its id.
        board: Id of the power board that it is at.
        time: Unix seconds.
        values: ``input_voltage``, ``output_voltage``, ``input_current``, ``energy_day``,
            ``temperature`` and ``uptime``.
    """
    names = {
        **{12: "uptime", 16: "input_voltage", 20: "output_voltage"},
        **{24: "input_current", 28: "energy_day", 32: "temperature"},
    }
    body, said = _laid(36, time, names, values)
    pack_into("<II", body, 4, board, board & ~BOARD)
    return Telemetry(OPTIMIZER, device, time, bytes(body), said)


def packed(device: int, time: int, values: Mapping[str, float]) -> Telemetry:
    """Record of an optimizer in 13 bytes: steps of 1/8 V, 1/160 A, 1/4 Wh and 2 °C."""
    body, said = _packed(time, values)
    return Telemetry(PACKED, device, time, body, said)


def newer(device: int, board: int, time: int, values: Mapping[str, float]) -> Telemetry:
    """Record of an optimizer of the S series, in 21 bytes."""
    body, said = _packed(time, values)
    body += b"\x02\x06\0\0" + board.to_bytes(4, "little")
    return Telemetry(NEWER, device | BOARD, time, body, said)


def _packed(time: int, values: Mapping[str, float]) -> tuple[bytes, Said]:
    into, out = round(values["input_voltage"] * 8), round(values["output_voltage"] * 8)
    current = round(values["input_current"] * 160)
    energy, warmth = int(values["energy_day"] * 4), round(values["temperature"] / 2)
    uptime = int(values["uptime"]) % 65536
    body = pack("<IHIHb", time, uptime, into | out << 10 | current << 20, energy % 65536, warmth)
    return body, {
        "uptime": uptime,
        "input_voltage": into / 8,
        "output_voltage": out / 8,
        "input_current": current / 160,
        "energy_day": energy % 65536 / 4,
        "temperature": warmth * 2.0,
    }


def meter(
    device: int,
    time: int,
    what: int,
    *,
    interval: int,
    out: tuple[int, float | None],
    into: tuple[int, float | None],
    totals: tuple[int, int] | None = None,
) -> Telemetry:
    """Record of a meter.

    Args:
        device: Id of the inverter that it is at.
        time: Unix seconds.
        what: What it counts: ``CONSUMPTION``, ``GRID`` or ``PRODUCTION``.
        interval: Seconds that it covers.
        out: Watt-hours meanwhile, and watts, towards what it is at; None for no power.
        into: The same the other way.
        totals: Watt-hours since commissioning, to and from the grid; None where not reported.
    """
    body = bytearray(58)
    pack_into("<IBB", body, 0, time, what, totals is None)
    for at in (6, 14, 22, 30):  # each is a number of 64 bits, or not reported
        pack_into("<Q", body, at, 1 << 63)
    said: dict[str, float | str] = {"interval": interval}
    if totals is not None:
        pack_into("<QQ", body, 6, *totals)
        said |= {"total_to": totals[0], "total_from": totals[1]}
    pack_into("<III", body, 38, interval, out[0], into[0])
    said |= {"energy_to": out[0], "energy_from": into[0]}
    for at, name, power in ((50, "power_to", out[1]), (54, "power_from", into[1])):
        body[at : at + 4] = ABSENT if power is None else pack("<f", power)
        if power is not None:
            said[name] = _single(power)
    return Telemetry(METER, device, time, bytes(body), said)


def battery(
    device: int, time: int, serial: str, state: int, values: Mapping[str, float]
) -> Telemetry:
    """Record of a battery.

    Args:
        device: Id of the inverter that it is at.
        time: Unix seconds.
        serial: Its number, at most 12 characters.
        state: ``CHARGING``, ``DISCHARGING`` or ``HOLDING``.
        values: ``voltage``, ``current``, ``capacity_nominal``, ``capacity``, ``charge``,
            ``temperature``, and as whole numbers the energies.
    """
    names = {
        **{16: "voltage", 20: "current", 24: "capacity_nominal", 28: "capacity"},
        **{32: "charge", 36: "total_in", 44: "total_out", 60: "temperature"},
        **{74: "interval", 78: "energy_in", 82: "energy_out"},
    }
    body, said = _laid(86, time, names, values, absent=(52, 56))
    body[4:16] = serial.encode().ljust(12, b"\0")
    pack_into("<H", body, 64, state)
    return Telemetry(
        BATTERY, device, time, bytes(body), {**said, "battery": serial, "state": state}
    )


def event(device: int, time: int, what: int, *words: int) -> Telemetry:
    """An event.

    Args:
        device: Id of the inverter.
        time: Unix seconds.
        what: Number of the event.
        words: Five more.
    """
    body = pack("<7I", time, what, *(word & 0xFFFF_FFFF for word in words))
    return Telemetry(EVENT, device, time, body, {"event": what})


def unknown(kind: int, device: int, time: int, rest: bytes) -> Telemetry:
    """A record of a type that nobody has explained."""
    return Telemetry(kind, device, time, time.to_bytes(4, "little") + rest, {})


def _laid(
    size: int,
    time: int,
    names: Mapping[int, str],
    values: Mapping[str, float],
    absent: tuple[int, ...] = (),
) -> tuple[bytearray, dict[str, float | str]]:
    """Put values of four bytes into their places: whole numbers, floats, and none."""
    body = bytearray(size)
    pack_into("<I", body, 0, time)
    said: dict[str, float | str] = {}
    for at, name in names.items():
        if name not in values:
            body[at : at + 4] = ABSENT
            continue
        value = values[name]
        pack_into("<I" if isinstance(value, int) else "<f", body, at, value)
        said[name] = value if isinstance(value, int) else _single(value)
    for at in absent:
        body[at : at + 4] = ABSENT
    return body, said


def _single(value: float) -> float:
    """A number as four bytes hold it."""
    return float(unpack("<f", pack("<f", value))[0])
