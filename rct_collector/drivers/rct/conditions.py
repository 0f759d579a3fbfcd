"""Which parts an RCT unit has, decided from what it answers.

A fact is missing while nothing is known, and None when the unit does not answer that object at
all (older firmware). Sources: RctMon's inventory and its mistakes: battery type 5 is "none",
type 0 is a real (lead-acid) battery.
"""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.drivers.base import Condition, Facts

NO_BATTERY = 5
#: Values of ``io_board.io*_usage`` under which an S0 meter is read: household and external.
S0_USAGES = (3, 10)

_TYPE, _COUNT = "power_mng.battery_type", "power_mng.n_batteries"
_SERIAL, _SERIAL_2 = "battery.bms_sn", "battery_placeholder[0].bms_sn"


def _is_true(name: str) -> Condition:
    """Present when one object is true (or a number other than 0, or a text with content)."""
    return Condition((name,), lambda facts: bool(facts[name]) if name in facts else None)


def _any(names: tuple[str, ...], test: Callable[[object], bool]) -> Condition:
    """Present as soon as one of several objects passes, absent when all are known and fail."""

    def check(facts: Facts) -> bool | None:
        if any(name in facts and test(facts[name]) for name in names):
            return True
        return False if all(name in facts for name in names) else None

    return Condition(names, check)


def _battery(facts: Facts) -> bool | None:
    if facts.get(_TYPE) == NO_BATTERY:
        return False
    if _TYPE not in facts:
        return None
    if facts.get(_SERIAL) or (facts.get(_COUNT) or 0) > 0:
        return True
    return False if _SERIAL in facts and _COUNT in facts else None


def _second_tower(facts: Facts) -> bool | None:
    battery = _battery(facts)
    if not battery:
        return battery
    if (facts.get(_COUNT) or 0) >= 2 or facts.get(_SERIAL_2):
        return True
    return False if _COUNT in facts and _SERIAL_2 in facts else None


def _module(name: str, whole: Callable[[Facts], bool | None], inputs: tuple[str, ...]) -> Condition:
    """A module exists when its tower does and its serial number is not empty."""

    def check(facts: Facts) -> bool | None:
        present = whole(facts)
        if present and name in facts:
            return bool(facts[name])
        return False if present is False else None

    return Condition((name, *inputs), check)


_BATTERY_INPUTS = (_TYPE, _COUNT, _SERIAL)
_TOWER_INPUTS = (*_BATTERY_INPUTS, _SERIAL_2)
_GENERATORS = tuple(f"dc_conv.dc_conv_struct[{n}].enabled" for n in range(2))

#: Condition name, as written in the table → how it is decided.
CONDITIONS: dict[str, Condition] = {
    "always": Condition((), lambda _facts: True),
    "genA": _is_true(_GENERATORS[0]),
    "genB": _is_true(_GENERATORS[1]),
    "gen": _any(_GENERATORS, bool),
    "psw": _is_true("rb485.available"),
    "sensor": _is_true("i_ac_extern_connected"),
    "s0": _any(("io_board.io1_usage", "io_board.io2_usage"), lambda usage: usage in S0_USAGES),
    "plant": _any(("wifi.sockb_protocol", "net.n_slaves"), bool),
    "bat": Condition(_BATTERY_INPUTS, _battery),
    "bat2": Condition(_TOWER_INPUTS, _second_tower),
    **{f"mod {n}": _module(f"battery.module_sn[{n}]", _battery, _BATTERY_INPUTS) for n in range(7)},
    **{
        f"mod2 {n}": _module(f"battery_placeholder[0].module_sn[{n}]", _second_tower, _TOWER_INPUTS)
        for n in range(7)
    },
}
