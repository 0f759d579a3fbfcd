r"""What may be set in a Voltronic unit, and what has to be known of it before.

Values are words, numbers and flags; the text that is sent is made here, of a value that the gate
has approved. Nothing else is ever sent that changes something: what restores the factory settings,
clears counters, calibrates, switches the load off or changes how units work together has no name
here. Nor has what cannot be read back, since nobody could tell what has become of it.

The same text means different things by model: ``MUCHGC120`` is 20 A for unit 1 of a system on
firmware of 2014, and 120 A on a MAX. Voltages are taken by their form, so that a battery of 24 V
could be charged like one of 48 V. So limits follow from what the unit itself has just said:

========================  =========================================================================
rated voltage of battery  steps and ranges of voltages
QMCHGCR, QMUCHGCR         currents that can be chosen
QGMN, fields of QPIRI     the model, where it decides; where it is not certain, nothing is sent
QMOD                      in a fault nothing is set; voltage and frequency only in standby
QPIGS                     whether it is a Revo, which says PI30, too, and means something else
QPGS0, QID                in a system, whether this unit is number 0, as was learnt before
========================  =========================================================================

Sources: the papers of the maker for PI30 (2014, 2015, GK/MK, MAX), PI41 and PI18, and which forms
units of users of other collectors have taken or refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from rct_collector.drivers.base import Domain, Facts, Query, Setting
from rct_collector.drivers.voltronic import pi18, pi30
from rct_collector.drivers.voltronic.command import PI30_FAMILY, PROTOCOL, WriteCommand
from rct_collector.drivers.voltronic.conditions import FAMILY, MOST_UNITS
from rct_collector.drivers.voltronic.pi30 import FLAGS, SWITCHES

#: Ranks: harmless; changes how the unit charges or uses the grid; battery or supply depend on it.
A, B, C = "A", "B", "C"

_PI30 = frozenset(PI30_FAMILY - {"pi30revo"})
_PI18 = frozenset({pi18.DIALECT})


def _commands(commands: Iterable[Query]) -> dict[str, Query]:
    return {command.name: command for command in commands}


_ALL = {**_commands(pi30.COMMANDS), **_commands(pi18.COMMANDS)}
QPIRI, QFLAG, QMOD, QBEQI = (_ALL[name] for name in ("QPIRI", "QFLAG", "QMOD", "QBEQI"))
QGMN, QPIGS, QMCHGCR, QMUCHGCR = (_ALL[n] for n in ("QGMN", "QPIGS", "QMCHGCR", "QMUCHGCR"))
PIRI, FLAG, MOD, GS = (_ALL[f"pi18 {name}"] for name in ("PIRI", "FLAG", "MOD", "GS"))
MCHGCR, MUCHGCR = _ALL["pi18 MCHGCR"], _ALL["pi18 MUCHGCR"]


# -- what is known of the unit -----------------------------------------------------------------

OLD, MAX, MK = "2014", "MAX", "GK/MK"

#: Numbers of models of which it is known what they are.
_MODELS = {"044": MAX, "045": MAX, "023": MK, "024": MK}


def _parts(facts: Facts, query: Query) -> Facts:
    """The parts of an answer that was just read; none of what was not, or was refused."""
    found = facts.get(query.name)
    return found if isinstance(found, dict) else {}


def model(facts: Facts) -> str:
    """:data:`OLD`, :data:`MAX` or :data:`MK`; "" where what the unit says does not decide.

    A MAX of 48 V alone tells how much it may take from the battery at most, in a field that is the
    last of 28. Firmware of 2014 does not know QGMN, and QPIRI ends before the charging time.
    """
    ratings = _parts(facts, QPIRI)
    signs: set[str] = set()
    if facts.get(PROTOCOL.name) == "pi30max":
        signs.add(MAX)
    if "max_discharging_current" in ratings:
        signs.add(MAX)
    number = _parts(facts, QGMN).get("general_model")
    if number is not None:
        signs.add(_MODELS.get(number, str(number)))
    elif QGMN.name in facts and ratings and "max_cv_charging_time" not in ratings:
        signs.add(OLD)
    sign = signs.pop() if len(signs) == 1 else ""
    return sign if sign in (OLD, MAX, MK) else ""


def _battery_volts(facts: Facts) -> int:
    """Rated voltage of the battery; 0 where it is not known."""
    for query in (QPIRI, PIRI):
        if volts := _parts(facts, query).get("battery_rating_voltage"):
            return int(volts)
    return 0


def _ratings(facts: Facts) -> Facts:
    return _parts(facts, QPIRI) or _parts(facts, PIRI)


def _mode(facts: Facts) -> str | None:
    return _parts(facts, QMOD).get("mode") or _parts(facts, MOD).get("mode")


def _unfit(facts: Facts) -> str:
    """Why nothing at all is to be set in this unit now, or ""."""
    mode = _mode(facts)
    if mode is None:
        return "the unit does not tell its mode"
    if mode == "fault":
        return "the unit has a fault: nothing is set before that is over"
    status = _parts(facts, QPIGS)
    if status.get("output_apparent_power") == 0 and status.get("output_active_power"):
        return "the unit answers like a Revo, whose settings mean other things"
    return ""


# -- how values are taken apart and put together -------------------------------------------------


def _word_of(words: tuple[str, ...], part: str) -> Callable[[Facts], str | None]:
    """The word of a part that is a code."""

    def shown(parts: Facts) -> str | None:
        code = parts.get(part)
        return words[code] if isinstance(code, int) and 0 <= code < len(words) else None

    return shown


def _part(part: str) -> Callable[[Facts], Any]:
    return lambda parts: parts.get(part)


def _coded(head: str, words: tuple[str, ...], form: str) -> Callable[[Any, Facts], str]:
    """A text that ends with the number of a word."""
    return lambda value, _facts: head + format(words.index(value), form)


def _number(head: str, form: str) -> Callable[[Any, Facts], str]:
    return lambda value, _facts: head + format(value, form)


def _whole(head: str, digits: int) -> Callable[[Any, Facts], str]:
    return lambda value, _facts: f"{head}{round(value):0{digits}d}"


Narrow = Callable[[Facts], Domain | str | None]


def _first(*narrows: Narrow) -> Narrow:
    """The first of several that says something."""

    def narrow(facts: Facts) -> Domain | str | None:
        return next((found for one in narrows if (found := one(facts)) not in (None, "")), None)

    return narrow


def _answered(query: Query) -> Narrow:
    """Nothing is set of which the unit has not told what it is."""
    return lambda facts: "" if _parts(facts, query) else f"the unit has not answered {query.name}"


def _only_in_standby(facts: Facts) -> str:
    mode = _mode(facts)
    return "" if mode == "standby" else f"it is set in standby only, and the unit's mode is {mode}"


# -- ranges ------------------------------------------------------------------------------------


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(low + step * n for n in range(round((high - low) / step) + 1))


#: Rated volts of the battery → volts at which the grid takes over again.
RECHARGE = {
    12: (11, 11.3, 11.5, 11.8, 12, 12.3, 12.5, 12.8),
    24: _steps(22, 25.5, 0.5),
    48: _steps(44, 51, 1),
}
#: … and at which the battery does; 0 when it is full.
REDISCHARGE = {
    12: (0, 12, 12.3, 12.5, 12.8, 13, 13.3, 13.5, 13.8, 14, 14.3, 14.5),
    24: (0, *_steps(24, 29, 0.5)),
    48: (0, *_steps(48, 58, 1)),
}
#: Model and rated volts → range of the charging voltages, bulk and float. What no model is named
#: for is what all are known to take.
CHARGING = {("", 48): (48.0, 58.4), (MK, 48): (48.0, 63.0), (MK, 24): (24.0, 31.5)}
CUT_OFF = {
    ("", 48): (42.0, 48.0),
    (OLD, 48): (40.0, 48.0),
    (MK, 48): (42.0, 48.0),
    (MK, 24): (21.0, 24.0),
}
EQUALIZING = {("", 48): (48.0, 61.0), ("", 24): (24.0, 31.5)}
PI18_CHARGING = {("", 48): (48.0, 58.4)}
PI18_CUT_OFF = {("", 48): (40.0, 48.0)}

Ranges = dict[tuple[str, int], tuple[float, float]]


def _listed_volts(table: dict[int, tuple[float, ...]]) -> Narrow:
    """The steps for the battery that the unit is made for."""

    def narrow(facts: Facts) -> Domain | str:
        volts = _battery_volts(facts)
        if volts not in table:
            return f"no paper tells the steps for a battery of {volts} V"
        return Domain(tuple(table[volts]))

    return narrow


def _range_of_volts(ranges: Ranges, step: float) -> Narrow:
    """The range for the battery that the unit is made for, and for its model."""

    def narrow(facts: Facts) -> Domain | str:
        volts = _battery_volts(facts)
        found = ranges.get((model(facts), volts)) or ranges.get(("", volts))
        if found is None:
            return f"no paper tells the range of this model for a battery of {volts} V"
        return Domain(low=found[0], high=found[1], step=step)

    return narrow


def _span(ranges: Ranges) -> dict[str, Any]:
    """What some unit takes."""
    lows, highs = zip(*ranges.values(), strict=True)
    return {"low": min(lows), "high": max(highs)}


def _every(table: dict[int, tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sorted({step for steps in table.values() for step in steps}))


#: Parts whose order is to be kept, the lowest first; float lies at bulk or below.
_ORDER = (
    "battery_under_voltage",
    "battery_recharge_voltage",
    "battery_redischarge_voltage",
    "battery_bulk_voltage",
)
_FLOAT = "battery_float_voltage"
_WORDS = {
    "battery_under_voltage": "battery_cutoff_volts",
    "battery_recharge_voltage": "battery_recharge_volts",
    "battery_redischarge_voltage": "battery_redischarge_volts",
    "battery_bulk_voltage": "battery_bulk_volts",
    _FLOAT: "battery_float_volts",
}


def in_order(part: str, value: Any, facts: Facts) -> str:
    """Why a voltage does not fit to the others, or "".

    Only what concerns it counts: what is out of order elsewhere, as it is in the field, does not
    keep anything else from being set. A 0 stands for "when it is full", which is no voltage; the
    others are to be known all the same, since some units are told two at a time.
    """
    parts = _ratings(facts)
    is_full = part == "battery_redischarge_voltage" and not value
    name = _WORDS[part]
    for other, is_right, words in _neighbours(part):
        volts = parts.get(other)
        if volts is None and (other in parts or other != "battery_redischarge_voltage"):
            return f"the unit does not tell its {_WORDS[other]}"
        if volts and not is_full and not is_right(value, volts):
            return f"{name} must {words} {_WORDS[other]}, which is {volts:g} V"
    return ""


Compare = Callable[[float, float], bool]


def _neighbours(part: str) -> Iterator[tuple[str, Compare, str]]:
    """The other voltages, how one is to compare with them, and that in words."""
    if part == _FLOAT:
        yield _ORDER[-1], operator.le, "not be above"
        return
    place = _ORDER.index(part)
    for other in _ORDER[:place]:
        yield other, operator.gt, "be above"
    for other in _ORDER[place + 1 :]:
        yield other, operator.lt, "be below"
    if part == _ORDER[-1]:
        yield _FLOAT, operator.ge, "not be below"


def _ordered(part: str) -> Callable[[Any, Facts], str]:
    return partial(in_order, part)


# -- currents ----------------------------------------------------------------------------------

#: Most amperes that two digits say.
_TWO_DIGITS = 99


def _selectable(query: Query, part: str) -> Narrow:
    """The currents that the unit says can be chosen."""

    def narrow(facts: Facts) -> Domain | str:
        found = _parts(facts, query).get(part)
        if not found:
            return "the unit does not tell which currents can be chosen"
        return Domain(tuple(sorted(set(found))))

    return narrow


def _of_this_unit(facts: Facts) -> str:
    """Why the number 0 may not be this unit's, or "": a unit of its own has no other."""
    if not _ratings(facts).get("output_mode_code"):
        return ""
    first = facts.get("QPGS0") or ""
    serial = first["serial_number"] if isinstance(first, dict) else str(first).partition(" ")[0]
    if serial and serial == facts.get("QID"):
        return ""
    return "it is one of a system, and not known to be the one with the number 0"


def _of_this_pi18(facts: Facts) -> str:
    if not _ratings(facts).get("output_mode_code") or _parts(facts, GS).get("parallel_id") == 0:
        return ""
    return "it is one of a system, and not known to be the one with the number 0"


def grid_charge_text(value: float, facts: Facts) -> str:
    """MUCHGC: a digit for the unit and two for the current, or three digits for the current.

    Up to 99 A both are the same for unit 0. "" where it is not certain what three digits mean.
    """
    amperes = round(value)
    if amperes <= _TWO_DIGITS:
        return f"MUCHGC0{amperes:02d}"
    return f"MUCHGC{amperes:03d}" if model(facts) in (MAX, MK) else ""


def charge_text(value: float, facts: Facts) -> str:
    """MCHGC: a digit for the unit, two for the current; MNCHGC: three, perhaps after the unit's.

    "" where it is not certain which.
    """
    amperes, kind = round(value), model(facts)
    if kind == MK:
        return f"MNCHGC{amperes:03d}"
    if amperes <= _TWO_DIGITS:
        return f"MCHGC0{amperes:02d}"
    return f"MNCHGC0{amperes:03d}" if kind in (MAX, OLD) else ""


def _certain(text: Callable[[Any, Facts], str]) -> Callable[[Any, Facts], str]:
    """A rule: the text that would be sent means this on the model that the unit is."""

    def rule(value: Any, facts: Facts) -> str:
        if text(value, facts):
            return ""
        return (
            f"it is not certain which model this is, and {value:g} A would be another current on"
            " some; up to 99 A can be set"
        )

    return rule


# -- the settings ------------------------------------------------------------------------------

PRIORITIES = ("utility", "solar", "sbu")
CHARGERS = ("utility", "solar", "solar_and_utility", "only_solar")
INPUT_RANGES = ("appliance", "ups")
BATTERIES = (
    "agm", "flooded", "user", "pylontech", "shinheung", "weco", "soltaro", "bak", "lib", "lic",
)  # fmt: skip
_OLD_BATTERIES = BATTERIES[:3]
#: Codes of batteries with lead, which are equalized.
_LEAD = (0, 1)
_ANY_VOLTS = (110, 120, 127, 220, 230, 240)
_HERTZ = (50, 60)


def _order(text: str, form: str, dialects: frozenset[str]) -> WriteCommand:
    dialect = "pi18 " if dialects == _PI18 else ""
    return WriteCommand(name=f"{dialect}{text}", dialects=dialects, form=form)


def _chargers(facts: Facts) -> Domain | None:
    """Utility first is not for a MAX, nor for GK and MK."""
    return Domain(CHARGERS[1:]) if model(facts) in (MAX, MK) else None


def _batteries(facts: Facts) -> Domain:
    return Domain(BATTERIES if model(facts) == MAX else _OLD_BATTERIES)


def _needs(part: str) -> Narrow:
    """Nothing for a unit that does not tell it."""

    def narrow(facts: Facts) -> str:
        return "" if _ratings(facts).get(part) is not None else "the unit has no such setting"

    return narrow


def _is_no_lead(facts: Facts) -> bool:
    return _ratings(facts).get("battery_type_code") not in _LEAD


def _always(_facts: Facts) -> bool:
    return True


def _output_volts(facts: Facts) -> Domain | str:
    volts = _ratings(facts).get("output_rating_voltage")
    if not volts:
        return "the unit does not tell its output voltage"
    return Domain(tuple(v for v in _ANY_VOLTS if (v >= 200) is (volts >= 200)))  # noqa: PLR2004


def _discharge(value: Any, _facts: Facts) -> str:
    return "0 for no limit, or 30 to 150 A" if 0 < value < 30 else ""  # noqa: PLR2004


def _made(*evidence: Query, dialects: frozenset[str], **parts: Any) -> Setting:
    """A setting with what all of them need."""
    head, form = parts.pop("head"), parts.pop("form")
    common = (QMOD, QPIGS) if dialects is _PI30 else (MOD,)
    narrow = parts.pop("narrow", lambda _facts: None)
    guarded = _always if parts.get("rank") == C else parts.pop("guarded", lambda _facts: False)
    shown_by = parts.pop("shown_by", QPIRI if dialects is _PI30 else PIRI)
    return Setting(
        condition=parts.pop("condition", FAMILY if dialects is _PI30 else pi18.DIALECT),
        query=_order(head, form, dialects),
        shown_by=shown_by,
        evidence=(*common, *evidence),
        narrow=_first(_unfit, _answered(shown_by), narrow),
        guarded=guarded,
        **parts,
    )


_pi30 = partial(_made, dialects=_PI30)
_pi18 = partial(_made, dialects=_PI18)

#: Part of QFLAG → rank and title. What follows on others is not told as a flag.
_FLAG_RANKS = {
    "buzzer": (A, "Buzzer"),
    "overload_bypass": (B, "Bypass on overload"),
    "solar_feed": (C, "Solar power into the grid"),
    "power_saving": (B, "Power saving"),
    "lcd_escape": (A, "Display returns to its first page"),
    "data_log": (A, "Data log pops up"),
    "overload_restart": (B, "Restart after overload"),
    "over_temperature_restart": (B, "Restart after over-temperature"),
    "backlight": (A, "Backlight of the display"),
    "primary_interrupt_alarm": (A, "Alarm when the source fails"),
    "fault_code_record": (A, "Record of faults"),
}


def flag_name(part: str) -> str:
    """Name of the setting of a flag: that of its metric."""
    return SWITCHES[part].removesuffix("_enabled")


def _switch(head: str) -> Callable[[Any, Facts], str]:
    return lambda value, _facts: f"P{'E' if value else 'D'}{head}"


def _flags() -> Iterator[Setting]:
    letters = {part: letter for letter, part in FLAGS.items()}
    of_pi18 = {part: "ABCDEFGH"[place] for place, part in enumerate(pi18.FLAGS)}
    for part, (rank, title) in _FLAG_RANKS.items():
        for make, shown_by, letter in (
            (_pi30, QFLAG, letters[part]),
            (_pi18, FLAG, of_pi18.get(part)),
        ):
            if letter is None:
                continue
            evidence = () if rank != C else (QPIRI,) if make is _pi30 else (PIRI,)
            yield make(
                *evidence,
                name=flag_name(part), title=title, rank=rank, flag=True,
                head=f"P{letter}", form=f"P[ED]{letter}", text=_switch(letter),
                shown_by=shown_by, shown=_part(part),
            )  # fmt: skip


def _both(
    name: str, of_pi30: dict[str, Any], of_pi18: dict[str, Any], **parts: Any
) -> Iterator[Setting]:
    """The same setting in both dialects."""
    yield _pi30(*of_pi30.pop("evidence", ()), name=name, **parts, **of_pi30)
    yield _pi18(*of_pi18.pop("evidence", ()), name=name, **parts, **of_pi18)


def _two_volts(head: str, first: str, second: str, part: str) -> Callable[[Any, Facts], str]:
    """Two voltages of PI18 in one text, in tenths: the other one stays as it is."""

    def text(value: Any, facts: Facts) -> str:
        parts = {**_parts(facts, PIRI), part: value}
        return f"{head}{round(parts[first] * 10):03d},{round(parts[second] * 10):03d}"

    return text


def _priorities() -> Iterator[Setting]:
    yield from _both(
        "output_priority",
        {
            "choices": PRIORITIES,
            "head": "POP", "form": "POP0[0-2]", "text": _coded("POP", PRIORITIES, "02d"),
            "shown": _word_of(PRIORITIES, "output_source_priority_code"),
        },
        {
            "choices": PRIORITIES[1:],
            "head": "POP", "form": "POP[01]", "text": _coded("POP", PRIORITIES[1:], "d"),
            "shown": _word_of(PRIORITIES[1:], "output_source_priority_code"),
        },
        title="What supplies the load first", rank=A,
    )  # fmt: skip
    yield from _both(
        "charger_priority",
        {
            "choices": CHARGERS, "evidence": (QGMN,), "narrow": _chargers,
            "head": "PCP", "form": "PCP0[0-3]", "text": _coded("PCP", CHARGERS, "02d"),
            "shown": _word_of(CHARGERS, "charger_source_priority_code"),
        },
        {
            "choices": CHARGERS[1:], "evidence": (GS,), "narrow": _of_this_pi18,
            "head": "PCP", "form": "PCP0,[0-2]", "text": _coded("PCP0,", CHARGERS[1:], "d"),
            "shown": _word_of(CHARGERS[1:], "charger_source_priority_code"),
        },
        title="What charges the battery first", rank=A,
    )  # fmt: skip
    for unit in range(MOST_UNITS):
        query = _ALL[f"QPGS{unit}"]
        yield _pi30(
            QGMN, QPIRI,
            name=f"unit_{unit}_charger_priority",
            title=f"What charges the battery first, at unit {unit} of a system", rank=A,
            condition=f"unit {unit}", choices=CHARGERS,
            narrow=_first(_without_fault(query), _chargers),
            head=f"PPCP{unit}", form=f"PPCP{unit}0[0-3]",
            text=_coded(f"PPCP{unit}", CHARGERS, "02d"),
            shown_by=query, shown=_word_of(CHARGERS, "charger_source_priority_code"),
        )  # fmt: skip
    yield _pi18(
        name="solar_priority", title="What the sun supplies first", rank=A,
        choices=("battery", "load"),
        head="PSP", form="PSP[01]", text=_coded("PSP", ("battery", "load"), "d"),
        shown=_word_of(("battery", "load"), "solar_power_priority_code"),
    )  # fmt: skip
    yield from _both(
        "input_range",
        {"head": "PGR", "form": "PGR0[01]", "text": _coded("PGR", INPUT_RANGES, "02d")},
        {"head": "PGR", "form": "PGR[01]", "text": _coded("PGR", INPUT_RANGES, "d")},
        title="How far the grid may deviate", choices=INPUT_RANGES,
        shown=_word_of(INPUT_RANGES, "input_voltage_range_code"),
    )  # fmt: skip


def _without_fault(query: Query) -> Narrow:
    """For another unit of a system: QMOD tells of the one at the line only."""
    return lambda facts: (
        "that unit has a fault: nothing is set before that is over"
        if _parts(facts, query).get("mode") == "fault"
        else ""
    )


def _currents() -> Iterator[Setting]:
    for name, title, part, old, new in (
        ("max_charge_amperes", "Most charging current", "max_charging_current",
         (QMCHGCR, "MCHGC", "MCHGC0[0-9]{2}|MNCHGC0?[0-9]{3}", charge_text),
         (MCHGCR, "MCHGC")),
        ("max_ac_charge_amperes", "Most charging current from the grid", "max_ac_charging_current",
         (QMUCHGCR, "MUCHGC", "MUCHGC[0-9]{3}", grid_charge_text),
         (MUCHGCR, "MUCHGC")),
    ):  # fmt: skip
        query, head, form, text = old
        grid = "utility_" if part == "max_ac_charging_current" else ""
        listed = f"selectable_max_{grid}charging_current"
        yield from _both(
            name,
            {
                "evidence": (QGMN, QPIRI, query), "head": head, "form": form, "text": text,
                "narrow": _first(_of_this_unit, _selectable(query, listed)),
                "rule": _certain(text),
            },
            {
                "evidence": (GS, new[0]), "head": new[1], "form": f"{new[1]}0,[0-9]{{3}}",
                "narrow": _first(_of_this_pi18, _selectable(new[0], listed)),
                "text": _whole(f"{new[1]}0,", 3),
            },
            title=title, unit="A", shown=_part(part), low=1, high=250, step=1,
        )  # fmt: skip


def _volts() -> Iterator[Setting]:
    for name, title, part, table, head in (
        ("battery_recharge_volts", "Battery voltage at which the grid takes over",
         "battery_recharge_voltage", RECHARGE, "PBCV"),
        ("battery_redischarge_volts", "Battery voltage at which the battery does, 0 when full",
         "battery_redischarge_voltage", REDISCHARGE, "PBDV"),
    ):  # fmt: skip
        yield from _both(
            name,
            {"head": head, "form": head + r"[0-9]{2}\.[0-9]", "text": _number(head, "04.1f")},
            {
                "head": f"BUCD {part}", "form": "BUCD[0-9]{3},[0-9]{3}",
                "text": _two_volts(
                    "BUCD", "battery_recharge_voltage", "battery_redischarge_voltage", part
                ),
            },
            title=title, unit="V", choices=_every(table), narrow=_listed_volts(table),
            shown=_part(part), rule=_ordered(part),
        )  # fmt: skip
    for name, title, part, head in (
        ("battery_bulk_volts", "Voltage up to which the battery is charged",
         "battery_bulk_voltage", "PCVV"),
        ("battery_float_volts", "Voltage at which a full battery is kept",
         "battery_float_voltage", "PBFT"),
    ):  # fmt: skip
        yield from _both(
            name,
            {
                "evidence": (QGMN,), "narrow": _range_of_volts(CHARGING, 0.1),
                "head": head, "form": head + r"[0-9]{2}\.[0-9]", "text": _number(head, "04.1f"),
            },
            {
                "narrow": _range_of_volts(PI18_CHARGING, 0.1),
                "head": f"MCHGV {part}", "form": "MCHGV[0-9]{3},[0-9]{3}",
                "text": _two_volts("MCHGV", "battery_bulk_voltage", "battery_float_voltage", part),
            },
            title=title, unit="V", rank=C, step=0.1, shown=_part(part), rule=_ordered(part),
            **_span(CHARGING),
        )  # fmt: skip
    part = "battery_under_voltage"
    yield from _both(
        "battery_cutoff_volts",
        {
            "evidence": (QGMN,), "narrow": _range_of_volts(CUT_OFF, 0.1),
            "head": "PSDV", "form": r"PSDV[0-9]{2}\.[0-9]", "text": _number("PSDV", "04.1f"),
        },
        {
            "narrow": _range_of_volts(PI18_CUT_OFF, 0.1), "head": "PSDV", "form": "PSDV[0-9]{3}",
            "text": lambda value, _facts: f"PSDV{round(value * 10):03d}",
        },
        title="Battery voltage at which the output is switched off", unit="V", rank=C, step=0.1,
        shown=_part(part), rule=_ordered(part), **_span(CUT_OFF),
    )  # fmt: skip


def _operation() -> Iterator[Setting]:
    for name, title, part, head, words in (
        ("operation_logic", "How the unit works", "operation_logic_code", "POPLG",
         ("automatic", "online", "eco")),
        ("solar_check", "Units that need sun for it to count, in a system", "pv_ok_condition_code",
         "PPVOKC", ("any", "all")),
        ("solar_limit", "What the sun may supply at most", "pv_power_balance_code", "PSPB",
         ("charging", "charging_and_load")),
    ):  # fmt: skip
        form = "02d" if head == "POPLG" else "d"
        digits = f"{'0' if form == '02d' else ''}[0-{len(words) - 1}]"
        yield _pi30(
            name=name, title=title, choices=words, narrow=_needs(part),
            head=head, form=head + digits, text=_coded(head, words, form),
            shown=_word_of(words, part),
        )  # fmt: skip
    yield _pi30(
        name="battery_absorb_minutes", title="Longest time at the bulk voltage, 0 automatic",
        unit="min", low=0, high=900, step=5, narrow=_needs("max_cv_charging_time"),
        head="PCVT", form="PCVT[0-9]{3}", text=_whole("PCVT", 3),
        shown=_part("max_cv_charging_time"),
    )  # fmt: skip
    yield _pi30(
        QGMN,
        name="max_discharge_amperes", title="Most current out of the battery, 0 without limit",
        unit="A", low=0, high=150, step=1, narrow=_needs("max_discharging_current"),
        head="PBATMAXDISC", form="PBATMAXDISC[0-9]{3}", text=_whole("PBATMAXDISC", 3),
        shown=_part("max_discharging_current"), rule=_discharge,
    )  # fmt: skip


def _equalization() -> Iterator[Setting]:
    for name, title, part, head, unit, low, high, step in (
        ("battery_equalization_minutes", "Time of an equalization", "equalization_time_min",
         "PBEQT", "min", 5, 900, 5),
        ("battery_equalization_interval_days", "Days from one equalization to the next",
         "equalization_period_day", "PBEQP", "d", 0, 90, 1),
        ("battery_equalization_longest_minutes", "Longest time of an equalization",
         "equalization_over_time_min", "PBEQOT", "min", 5, 900, 5),
    ):  # fmt: skip
        yield _pi30(
            QPIRI,
            name=name, title=title, unit=unit, low=low, high=high, step=step, guarded=_is_no_lead,
            head=head, form=f"{head}[0-9]{{3}}", text=_whole(head, 3),
            shown_by=QBEQI, shown=_part(part),
        )  # fmt: skip
    yield _pi30(
        QPIRI,
        name="battery_equalization", title="Equalization of the battery", flag=True,
        guarded=_is_no_lead,
        head="PBEQE", form="PBEQE[01]", text=lambda value, _facts: f"PBEQE{value:d}",
        shown_by=QBEQI, shown=_part("equalization_enabled"),
    )  # fmt: skip
    yield _pi30(
        QPIRI,
        name="battery_equalizing", title="Equalization now", rank=C, flag=True,
        head="PBEQA", form="PBEQA[01]", text=lambda value, _facts: f"PBEQA{value:d}",
        shown_by=QBEQI, shown=_part("equalization_active"),
    )  # fmt: skip
    yield _pi30(
        QPIRI,
        name="battery_equalization_volts", title="Voltage of an equalization", unit="V", rank=C,
        step=0.1, narrow=_range_of_volts(EQUALIZING, 0.1),
        head="PBEQV", form=r"PBEQV[0-9]{2}\.[0-9]{2}", text=_number("PBEQV", "05.2f"),
        shown_by=QBEQI, shown=_part("equalization_voltage"), **_span(EQUALIZING),
    )  # fmt: skip


def _supply() -> Iterator[Setting]:
    yield from _both(
        "battery_type",
        {
            "choices": BATTERIES, "evidence": (QGMN,), "narrow": _batteries,
            "head": "PBT", "form": "PBT0[0-9]", "text": _coded("PBT", BATTERIES, "02d"),
        },
        {
            "choices": _OLD_BATTERIES,
            "head": "PBT", "form": "PBT[0-2]", "text": _coded("PBT", _OLD_BATTERIES, "d"),
        },
        title="Kind of battery, which brings its voltages with it", rank=C,
        shown=_word_of(BATTERIES, "battery_type_code"),
    )  # fmt: skip
    yield from _both(
        "output_hertz",
        {"head": "F", "form": "F[56]0"}, {"head": "F", "form": "F[56]0"},
        title="Frequency of the output", unit="Hz", rank=C, choices=_HERTZ, text=_whole("F", 2),
        narrow=_only_in_standby, shown=_part("output_rating_frequency"),
    )  # fmt: skip
    yield from _both(
        "output_volts",
        {"head": "V", "form": "V[12][0-9]{2}", "text": _whole("V", 3)},
        {
            "head": "V", "form": "V[12][0-9]{2}0",
            "text": lambda value, _facts: f"V{round(value * 10):04d}",
        },
        title="Voltage of the output", unit="V", rank=C, choices=_ANY_VOLTS,
        narrow=_first(_only_in_standby, _output_volts), shown=_part("output_rating_voltage"),
    )  # fmt: skip


#: All of them, in the order in which people see them.
SETTINGS: tuple[Setting, ...] = (
    *_priorities(),
    *_currents(),
    *_volts(),
    *_operation(),
    *_equalization(),
    *_flags(),
    *_supply(),
)

#: What changes something: nothing else is sent that does.
WRITES: frozenset[Query] = frozenset(setting.query for setting in SETTINGS)

#: Name → what some unit takes; of PI30, where both have it, since that has more words.
DOMAINS: dict[str, Domain] = {}
for _setting in SETTINGS:
    DOMAINS.setdefault(_setting.name, _setting.domain)

#: Those that may need limits of the user.
GUARDED: tuple[str, ...] = tuple(
    dict.fromkeys(
        setting.name for setting in SETTINGS if setting.rank == C or setting.guarded is _is_no_lead
    )
)
