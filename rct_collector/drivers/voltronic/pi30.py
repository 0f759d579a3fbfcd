"""The commands of PI30 and of its near relations PI30MAX and PI41."""

from __future__ import annotations

import re

from rct_collector.drivers.voltronic.command import (
    PI30_FAMILY,
    Command,
    Fields,
    Parts,
    Wording,
    bits,
    command,
    decimal,
    flag,
    integer,
    number,
    text,
)
from rct_collector.drivers.voltronic.texts import MODE_WORDS
from rct_collector.model import PollClass

PLAIN = frozenset({"pi30", "pi30max"})

_STATUS = (
    "sbu_priority_added",
    "config_changed",
    "scc_firmware_updated",
    "load_on",
    "battery_steady_while_charging",
    "charging",
    "scc_charging",
    "ac_charging",
)

#: Characters of a word of warnings of the newer kind, with the digits of a fault code in it.
LONG_WARNINGS = 36

#: 17 fields in 2014, 21 soon after, 24 where feeding in is prepared.
QPIGS_LAYOUT = Fields(
    decimal("grid_voltage"),
    decimal("grid_frequency"),
    decimal("output_voltage"),
    decimal("output_frequency"),
    integer("output_apparent_power"),
    integer("output_active_power"),
    integer("output_load_percent"),
    integer("bus_voltage", certain=True),
    decimal("battery_voltage", certain=True),
    integer("battery_charging_current"),
    integer("battery_capacity"),
    integer("heatsink_temperature"),
    number("pv1_current"),
    decimal("pv1_voltage"),
    decimal("scc_battery_voltage"),
    integer("battery_discharge_current"),
    bits(*_STATUS),
    optional=(
        (
            integer("fan_on_voltage_offset_10mv"),
            integer("eeprom_version"),
            integer("pv1_charging_power"),
            bits("float_charging", "switched_on", "dustproof_installed"),
        ),
        (
            flag("solar_feed_enabled"),
            text("country_code", r"\d\d"),
            integer("solar_feed_power"),
        ),
    ),
)


def _warnings(answer: str) -> Parts | None:
    """The places of a word of warnings, the first is 0.

    Newer firmware writes the digits of a fault code among them, at 31 to 33: where a fault is, the
    word is not made of 0 and 1 alone.
    """
    word = answer.replace(" ", "")
    if not re.fullmatch(r"[01]{31}[0-9]{1,3}[01]{0,4}", word) or not 32 <= len(word) <= 38:
        return None
    parts: Parts = {
        "bit_count": len(word),
        "active_bits": [place for place, char in enumerate(word) if char == "1"],
    }
    if len(word) == LONG_WARNINGS and (digits := word[31:34]) != "000":
        parts["fault_digits"] = digits
    return parts


def _serial(answer: str) -> Parts | None:
    """A serial number behind its length, in 22 digits."""
    if not re.fullmatch("[0-9]{22}", answer):
        return None
    length = int(answer[:2])
    return {"serial_number": answer[2 : 2 + length]} if 0 < length <= 20 else None


def _serial_number(parts: Parts) -> str:
    return str(parts["serial_number"])


COMMANDS: tuple[Command, ...] = (
    command("QPIGS", QPIGS_LAYOUT, 110, dialects=PLAIN, poll=PollClass.FAST),
    command(
        "QMOD",
        Wording("(?P<mode>[A-Z])", mode=lambda letter: MODE_WORDS.get(letter, letter)),
        5,
        dialects=PI30_FAMILY,
        poll=PollClass.FAST,
    ),
    command("QPIWS", _warnings, 40, dialects=PLAIN, poll=PollClass.MEDIUM),
    command(
        "QID",
        Wording("(?P<serial_number>[0-9A-Z]{10,20})"),
        18,
        dialects=PI30_FAMILY,
        tells=_serial_number,
    ),
    command("QSID", _serial, 26, dialects=PI30_FAMILY, tells=_serial_number),
)
