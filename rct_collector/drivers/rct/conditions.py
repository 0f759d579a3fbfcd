"""Which parts an RCT unit has, decided from what it answers.

A fact is missing while nothing is known, and None when the unit does not answer that object.
Silence is not absence: a part is absent only when the unit said so, and undecided otherwise.
Sources: RctMon's inventory and its mistakes: battery type 5 is "none", type 0 is a real
(lead-acid) battery.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from rct_collector.drivers.base import Condition, Facts

NO_BATTERY = 5
#: Values of ``io_board.io*_usage`` under which an S0 meter is read: household and external.
S0_USAGES = (3, 10)
#: The role of an inverter that belongs to no plant.
STAND_ALONE = 0
#: Firmware before this knows neither of a second tower nor of the number of towers.
OLD = (2, 3)

_TYPE, _COUNT = "power_mng.battery_type", "power_mng.n_batteries"
_SERIAL, _SERIAL_2 = "battery.bms_sn", "battery_placeholder[0].bms_sn"
_ROLE, _SLAVES = "wifi.sockb_protocol", "net.n_slaves"
_FIRMWARE = "svnversion"


def version(facts: Facts) -> tuple[int, ...]:
    """The firmware as numbers; empty while it is not known."""
    text = facts.get(_FIRMWARE)
    match = re.match(r"\d+(?:\.\d+)+", text) if isinstance(text, str) else None
    return tuple(map(int, match[0].split("."))) if match else ()


def _is_true(name: str, part: str) -> Condition:
    """Present when one object is true (or a number other than 0, or a text with content)."""

    def check(facts: Facts) -> bool | None:
        value = facts.get(name)
        return None if value is None else bool(value)

    return Condition((name,), check, part)


def _any(names: tuple[str, ...], test: Callable[[object], bool], part: str) -> Condition:
    """Present as soon as one of several objects passes, absent when all are known and fail."""

    def check(facts: Facts) -> bool | None:
        values = [facts.get(name) for name in names]
        if any(value is not None and test(value) for value in values):
            return True
        return None if None in values else False

    return Condition(names, check, part)


def _plant(facts: Facts) -> bool | None:
    if facts.get(_ROLE) or facts.get(_SLAVES):
        return True
    if facts.get(_ROLE) != STAND_ALONE:
        return None
    # Older firmware does not count slaves; what stands alone has none.
    return False if _SLAVES in facts else None


def _battery(facts: Facts) -> bool | None:
    if facts.get(_TYPE) == NO_BATTERY:
        return False
    if _TYPE not in facts:
        return None
    if facts.get(_SERIAL) or (facts.get(_COUNT) or 0) > 0:
        return True
    return None if facts.get(_SERIAL) is None or facts.get(_COUNT) is None else False


def _second_tower(facts: Facts) -> bool | None:
    battery = _battery(facts)
    if not battery:
        return battery
    count, serial = facts.get(_COUNT), facts.get(_SERIAL_2)
    if (count or 0) >= 2 or serial:
        return True
    if _COUNT not in facts or _SERIAL_2 not in facts:
        return None
    if count is None and serial is None:
        firmware = version(facts)
        return False if firmware and firmware < OLD else None
    return False


def _module(
    name: str, whole: Callable[[Facts], bool | None], inputs: tuple[str, ...], part: str
) -> Condition:
    """A module exists when its tower does and its serial number is not empty."""

    def check(facts: Facts) -> bool | None:
        present, serial = whole(facts), facts.get(name)
        if present and serial is not None:
            return bool(serial)
        return False if present is False else None

    return Condition((name, *inputs), check, part)


_BATTERY_INPUTS = (_TYPE, _COUNT, _SERIAL)
_TOWER_INPUTS = (*_BATTERY_INPUTS, _SERIAL_2, _FIRMWARE)
_GENERATORS = tuple(f"dc_conv.dc_conv_struct[{n}].enabled" for n in range(2))
_USAGES = ("io_board.io1_usage", "io_board.io2_usage")

#: Condition name, as written in the table → how it is decided.
CONDITIONS: dict[str, Condition] = {
    "always": Condition((), lambda _facts: True),
    "genA": _is_true(_GENERATORS[0], "generator A"),
    "genB": _is_true(_GENERATORS[1], "generator B"),
    "gen": _any(_GENERATORS, bool, "generators"),
    "psw": _is_true("rb485.available", "a Power Switch"),
    "sensor": _is_true("i_ac_extern_connected", "current sensors"),
    "s0": _any(_USAGES, lambda usage: usage in S0_USAGES, "an S0 meter"),
    "plant": Condition((_ROLE, _SLAVES), _plant, "a plant"),
    "bat": Condition(_BATTERY_INPUTS, _battery, "a battery", vital=(_TYPE,)),
    "bat2": Condition(_TOWER_INPUTS, _second_tower, "a second battery tower"),
    **{
        f"mod {n}": _module(
            f"battery.module_sn[{n}]", _battery, _BATTERY_INPUTS, f"battery module {n}"
        )
        for n in range(7)
    },
    **{
        f"mod2 {n}": _module(
            f"battery_placeholder[0].module_sn[{n}]",
            _second_tower,
            _TOWER_INPUTS,
            f"battery module {n} of the second tower",
        )
        for n in range(7)
    },
}
