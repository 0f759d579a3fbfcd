"""What PI30, PI30MAX, PI41 and the Revo say: layouts in the order of the manufacturer's papers.

Sources: PI30 HS/MS/MSX (2014), PI30 MAX (2021), PI41 LV5048 (2019), Sorotec Revo V02 (2020), and
frames that users have published.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from rct_collector.drivers.voltronic.simulator.answer import (
    BitsForm,
    CodedForm,
    FieldForm,
    Layout,
    Maker,
    Saying,
    TextForm,
    Written,
    blanks,
    fixed,
    one,
    timed,
)
from rct_collector.drivers.voltronic.simulator.energies import EnergyStep, dated, total
from rct_collector.drivers.voltronic.simulator.moment import MODES, VoltronicMoment
from rct_collector.drivers.voltronic.simulator.vocabulary import Argued, Vocabulary

NAK = Saying((Written("NAK"),), refused=True)
ACK = Saying((Written("ACK"),))

_VOLTS, _HERTZ = "05.1f", "04.1f"

_MODE = CodedForm("mode", "mode", MODES)

_OUTPUT = (
    FieldForm("grid_voltage", _VOLTS),
    FieldForm("grid_frequency", _HERTZ),
    FieldForm("output_voltage", _VOLTS),
    FieldForm("output_frequency", _HERTZ),
    FieldForm("output_apparent_power", "04d"),
    FieldForm("output_active_power", "04d"),
    FieldForm("output_load_percent", "03d"),
    FieldForm("bus_voltage", "03d"),
    FieldForm("battery_voltage", "05.2f"),
    FieldForm("battery_charging_current", "03d"),
    FieldForm("battery_capacity", "03d"),
    FieldForm("heatsink_temperature", "04d"),
)
_STATUS = BitsForm(
    (
        "sbu_priority_added",
        "config_changed",
        "scc_firmware_updated",
        "load_on",
        "battery_steady_while_charging",
        "charging",
        "scc_charging",
        "ac_charging",
    )
)
#: The same eight digits of units with split phase; their fourth and fifth are one number.
_STATUS_41 = BitsForm(
    ("scc_ok", "ac_charging", "scc_charging", "", "", "line_loss", "load_on", "config_changed"),
    more={"battery_status_code": 0},
)
_CHARGER = (
    FieldForm("scc_battery_voltage", "05.2f"),
    FieldForm("battery_discharge_current", "05d"),
)
_REST = (
    FieldForm("fan_on_voltage_offset_10mv", "02d"),
    FieldForm("eeprom_version", "02d"),
    FieldForm("pv1_charging_power", "05d"),
    BitsForm(("float_charging", "switched_on", "dustproof_installed")),
)
_BY_BATTERY = (
    FieldForm("pv1_current", "04d", of="pv1_battery_current"),
    FieldForm("pv1_voltage", _VOLTS),
)
_BY_GENERATOR = (FieldForm("pv1_current", _HERTZ), FieldForm("pv1_voltage", _VOLTS))
_FEED = (
    FieldForm("solar_feed_enabled", "d"),
    FieldForm("country_code", "s"),
    FieldForm("solar_feed_power", "04d"),
)

_RATINGS = (
    FieldForm("grid_rating_voltage", ".1f"),
    FieldForm("grid_rating_current", ".1f"),
    FieldForm("output_rating_voltage", ".1f"),
    FieldForm("output_rating_frequency", ".1f"),
    FieldForm("output_rating_current", ".1f"),
    FieldForm("output_rating_apparent_power", "04d"),
    FieldForm("output_rating_active_power", "04d"),
    FieldForm("battery_rating_voltage", ".1f"),
    FieldForm("battery_recharge_voltage", ".1f"),
    FieldForm("battery_under_voltage", ".1f"),
    FieldForm("battery_bulk_voltage", ".1f"),
    FieldForm("battery_float_voltage", ".1f"),
    FieldForm("battery_type_code", "d"),
    FieldForm("max_ac_charging_current", "02d"),
    FieldForm("max_charging_current", "03d"),
    FieldForm("input_voltage_range_code", "d"),
    FieldForm("output_source_priority_code", "d"),
    FieldForm("charger_source_priority_code", "d"),
    FieldForm("parallel_max_num", "d"),
    FieldForm("machine_type_code", "s"),
    FieldForm("topology_code", "d"),
    FieldForm("output_mode_code", "d"),
    FieldForm("battery_redischarge_voltage", ".1f"),
    FieldForm("pv_ok_condition_code", "d"),
    FieldForm("pv_power_balance_code", "d"),
)
_RATINGS_MAX = (
    *_RATINGS,
    FieldForm("max_cv_charging_time", "03d"),
    FieldForm("operation_logic_code", "d"),
    FieldForm("max_discharging_current", "03d"),
)

_DEFAULTS: Mapping[str, Any] = {
    "output_voltage": 230.0,
    "output_frequency": 50.0,
    "max_ac_charging_current": 30,
    "battery_under_voltage": 42.0,
    "battery_float_voltage": 54.0,
    "battery_bulk_voltage": 56.4,
    "battery_recharge_voltage": 46.0,
    "max_charging_current": 60,
    "input_voltage_range_code": 0,
    "output_source_priority_code": 0,
    "charger_source_priority_code": 2,
    "battery_type_code": 0,
    "buzzer_silenced": False,
    "power_saving": False,
    "overload_restart": False,
    "over_temperature_restart": False,
    "backlight": True,
    "primary_interrupt_alarm": True,
    "fault_code_record": False,
    "overload_bypass": False,
    "lcd_escape": True,
    "output_mode_code": 0,
    "battery_redischarge_voltage": 54.0,
    "pv_ok_condition_code": 0,
    "pv_power_balance_code": 1,
    "max_cv_charging_time": 0,
}
_DEFAULTS_TEXT = "230.0 50.0 0030 42.0 54.0 56.4 46.0 60 0 0 2 0 0 0 0 0 1 1 0 0 1 0 54.0 0 1 000"

#: Flag → letter of QFLAG.
_LETTERS = {
    "buzzer": "a",
    "overload_bypass": "b",
    "solar_feed": "d",
    "power_saving": "j",
    "lcd_escape": "k",
    "overload_restart": "u",
    "over_temperature_restart": "v",
    "backlight": "x",
    "primary_interrupt_alarm": "y",
    "fault_code_record": "z",
}

_QPGS = (
    FieldForm("exists", "d"),
    FieldForm("serial_number", "s"),
    _MODE,
    FieldForm("fault_code", "s"),
    FieldForm("grid_voltage", _VOLTS),
    FieldForm("grid_frequency", "05.2f"),
    FieldForm("output_voltage", _VOLTS),
    FieldForm("output_frequency", "05.2f"),
    FieldForm("output_apparent_power", "04d"),
    FieldForm("output_active_power", "04d"),
    FieldForm("output_load_percent", "03d"),
    FieldForm("battery_voltage", "04.1f"),
    FieldForm("battery_charging_current", "03d"),
    FieldForm("battery_capacity", "03d"),
    FieldForm("pv1_voltage", _VOLTS),
    FieldForm("total_charging_current", "03d"),
    FieldForm("total_output_apparent_power", "05d"),
    FieldForm("total_output_active_power", "05d"),
    FieldForm("total_output_percent", "03d"),
    _STATUS_41,
    FieldForm("output_mode_code", "d"),
    FieldForm("charger_source_priority_code", "d"),
    FieldForm("max_charger_current", "03d", of="max_charging_current"),
    FieldForm("max_charger_range", "03d"),
)
_QPGS_30 = (
    *_QPGS,
    FieldForm("max_ac_charger_current", "02d", of="max_ac_charging_current"),
    FieldForm("pv1_current", "02d", of="pv1_battery_current"),
    FieldForm("battery_discharge_current", "03d"),
)
_QPGS_MAX = (
    *_QPGS,
    FieldForm("max_ac_charger_current", "03d", of="max_ac_charging_current"),
    FieldForm("pv1_current", "02d"),
    FieldForm("battery_discharge_current", "03d"),
    FieldForm("pv2_voltage", _VOLTS),
    FieldForm("pv2_current", "02d"),
)
_NOBODY = Saying(
    (
        Written("0", {"exists": False}),
        Written("00000000000000", {"serial_number": "00000000000000"}),
        Written("S 00 000.0 00.00 000.0 00.00 0000 0000 000 00.0 000 000 000.0 000 00000 00000"),
        Written("000 00000000 0 0 000 000 00 00 000"),
    )
)


def _flags(moment: VoltronicMoment) -> Saying:
    """QFLAG: letters of what is on, and of what is off."""
    said = moment.flags
    on, off = (
        "".join(_LETTERS[name] for name in _LETTERS if said.get(name) is state)
        for state in (True, False)
    )
    return one(Written(f"E{on}D{off}", said))


def _currents(name: str, of: str) -> Maker:
    """The currents that can be chosen."""

    def make(moment: VoltronicMoment) -> Saying:
        found = list(getattr(moment, of))
        return one(Written(" ".join(f"{amperes:03d}" for amperes in found), {name: found}))

    return make


def _warnings(count: int, code: slice | None = None) -> Maker:
    """QPIWS: so many digits, some of which are those of the fault code."""

    def make(moment: VoltronicMoment) -> Saying:
        digits = ["1" if bit in moment.warnings else "0" for bit in range(count)]
        if code is not None:
            digits[code] = moment.fault_code
        text = "".join(digits)
        active = [place for place, digit in enumerate(text) if digit == "1"]
        return one(Written(text, {"bit_count": count, "active_bits": active}))

    return make


def _energy(which: int, kind: str) -> dict[str, Argued]:
    """Energies of years, months and days of the generators (0) or the loads (1)."""
    letter = "EL"[which]
    return {
        f"Q{letter}{span[0].upper()}": partial(
            _dated, which, EnergyStep(f"{kind}_energy_{span}_wh", step), digits
        )
        for span, digits, step in (("year", 4, 100), ("month", 6, 100), ("day", 8, 1))
    }


def _dated(which: int, step: EnergyStep, count: int, digits: str) -> Maker | None:
    return dated(which, step, one, digits) if len(digits) == count else None


def _sid(moment: VoltronicMoment) -> Saying:
    serial = moment.serial_number
    text = f"{len(serial)}{serial}".ljust(22, "5")
    return one(Written(text, {"serial_number": serial}))


_COMMON: Mapping[str, Maker] = {
    "QPI": fixed("PI30", protocol_id="PI30"),
    "QID": blanks(FieldForm("serial_number", "s")),
    "QVFW": fixed("VERFW:00072.70", main_firmware="00072.70"),
    "QVFW2": fixed("VERFW2:00000.30", slave_firmware="00000.30"),
    "QBOOT": fixed("1", boot_loader=True),
    "QMOD": blanks(_MODE),
    "QMCHGCR": _currents("selectable_max_charging_current", "currents"),
    "QMUCHGCR": _currents("selectable_max_utility_charging_current", "grid_currents"),
}

PI30: Mapping[str, Maker] = {
    **_COMMON,
    "QPIGS": blanks(*_OUTPUT, *_BY_BATTERY, *_CHARGER, _STATUS, *_REST),
    "QPIRI": blanks(*_RATINGS),
    "QFLAG": _flags,
    "QPIWS": _warnings(32),
    "QDI": fixed(_DEFAULTS_TEXT, **_DEFAULTS),
}

PI30MAX: Mapping[str, Maker] = {
    **_COMMON,
    "QSID": _sid,
    "QVFW3": fixed("VERFW:00001.21", panel_firmware="00001.21"),
    "QMN": blanks(FieldForm("model_name", "s")),
    "QGMN": fixed("044", general_model="044"),
    "QPIGS": blanks(*_OUTPUT, *_BY_GENERATOR, *_CHARGER, _STATUS, *_REST),
    "QPIGS2": blanks(
        FieldForm("pv2_current", _HERTZ),
        FieldForm("pv2_voltage", _VOLTS),
        FieldForm("pv2_charging_power", "05d"),
        tail=" ",
    ),
    "QPIRI": blanks(*_RATINGS_MAX),
    "QFLAG": _flags,
    "QPIWS": _warnings(36, slice(32, 34)),
    "QDI": fixed(_DEFAULTS_TEXT, **_DEFAULTS),
    "QT": timed(one),
    "QET": total(0, EnergyStep("pv_energy_total_wh", 100), one),
    "QLT": total(1, EnergyStep("load_energy_total_wh", 100), one),
    "QBEQI": blanks(
        FieldForm("equalization_enabled", "d"),
        FieldForm("equalization_time_min", "03d"),
        FieldForm("equalization_period_day", "03d"),
        TextForm("080", {"equalization_max_current": 80}),
        TextForm("030"),
        FieldForm("equalization_voltage", "05.2f"),
        TextForm("000"),
        FieldForm("equalization_over_time_min", "03d"),
        FieldForm("equalization_active", "d"),
        TextForm("0000", {"equalization_elapsed_h": 0}),
    ),
}
_WIDE = blanks(*_OUTPUT, *_BY_GENERATOR, *_CHARGER, _STATUS, *_REST, *_FEED)

_SECOND_PHASE = (
    FieldForm("l2_grid_voltage", _VOLTS, of="grid_voltage"),
    FieldForm("l2_grid_frequency", _HERTZ, of="grid_frequency"),
    FieldForm("l2_output_voltage", _VOLTS, of="output_voltage"),
    FieldForm("l2_output_frequency", _HERTZ, of="output_frequency"),
    FieldForm("l2_output_apparent_power", "04d", of="output_apparent_power"),
    FieldForm("l2_output_active_power", "04d", of="output_active_power"),
    FieldForm("l2_output_load_percent", "03d", of="output_load_percent"),
)
PI41: Mapping[str, Maker] = {
    **_COMMON,
    "QPI": lambda _: NAK,  # the paper has none
    "QSID": _sid,
    "QPIGS": blanks(*_OUTPUT, *_BY_GENERATOR, *_CHARGER, _STATUS_41, *_REST),
    "QPIGS2": blanks(
        *_SECOND_PHASE,
        FieldForm("pv2_current", _HERTZ),
        FieldForm("pv2_voltage", _VOLTS),
        FieldForm("scc2_battery_voltage", "05.2f"),
        TextForm("00000000", {"l2_status_bits": "00000000"}),
    ),
    "QPIRI": blanks(*_RATINGS, FieldForm("max_cv_charging_time", "03d")),
    "QFLAG": _flags,
    "QPIWS": _warnings(32),
}

PI30REVO: Mapping[str, Maker] = {
    **_COMMON,
    "QPIGS": blanks(
        *_OUTPUT[:4],
        TextForm("0000"),
        *_OUTPUT[5:],
        FieldForm("pv1_power", "04d", of="pv1_charging_power"),
        FieldForm("pv1_voltage", _VOLTS),
        FieldForm("scc_battery_voltage", "05.2f"),
        FieldForm("pv_energy_day_wh", "05d", of="pv_energy_today"),
        _STATUS,
        TextForm("00"),
        TextForm("00"),
        TextForm("00000"),
        BitsForm(("float_charging", "switched_on", "")),
    ),
    "QALL": blanks(
        *_OUTPUT[:4],
        *_OUTPUT[5:7],
        FieldForm("battery_voltage", "04.1f"),
        FieldForm("battery_capacity", "03d"),
        FieldForm("battery_charging_current", "03d"),
        FieldForm("battery_discharge_current", "03d"),
        FieldForm("pv1_voltage", "05.1f"),
        FieldForm("pv1_current", "04.1f"),
        FieldForm("pv1_power", "04d", of="pv1_charging_power"),
        FieldForm("pv_energy_day_wh", "06d", of="pv_energy_today"),
        FieldForm("pv_energy_total_kwh", "06d", of="pv_energy_kwh"),
        _MODE,
        TextForm("00", {"warning_code": "00"}),
        FieldForm("fault_code", "s"),
        ends_with_lf=True,
    ),
    "QPIRI": blanks(
        *_RATINGS[:8],
        FieldForm("battery_alarm_voltage", ".1f", of="battery_recharge_voltage"),
        *_RATINGS[9:13],
        FieldForm("max_charging_current", "02d"),
    ),
}

_QP2GS = (
    TextForm("11", {"exists_raw": "11"}),
    FieldForm("serial_number", "s"),
    _MODE,
    FieldForm("fault_code", "s"),
    *_SECOND_PHASE[:1],
    FieldForm("l2_grid_frequency", "05.2f", of="grid_frequency"),
    *_SECOND_PHASE[2:3],
    FieldForm("l2_output_frequency", "05.2f", of="output_frequency"),
    *_SECOND_PHASE[4:],
    FieldForm("l2_battery_voltage", "04.1f", of="battery_voltage"),
    FieldForm("l2_battery_charging_current", "03d", of="battery_charging_current"),
    FieldForm("l2_battery_capacity", "03d", of="battery_capacity"),
    FieldForm("pv2_voltage", _VOLTS),
    FieldForm("pv2_current", "02d"),
    TextForm("00000010", {"l2_status_bits": "00000010"}),
)


def _of_any(layout: Layout, nobody: Saying) -> Argued:
    """What a unit says of any unit of its system, by its number."""
    make = blanks(*layout)

    def of(digits: str) -> Maker | None:
        if len(digits) != 1:
            return None
        number = int(digits)
        return lambda moment: make(moment.of(number)) if number < moment.scenario.units else nobody

    return of


_ENERGIES = {**_energy(0, "pv"), **_energy(1, "load"), "QPGS": _of_any(_QPGS_MAX, NAK)}

#: Dialect, and whether QPIGS has the fields of newer firmware → vocabulary.
VOCABULARIES: Mapping[tuple[str, bool], Vocabulary] = {
    **dict.fromkeys(
        (("pi30", False), ("pi30", True)), Vocabulary(PI30, {"QPGS": _of_any(_QPGS_30, _NOBODY)})
    ),
    ("pi30max", False): Vocabulary(PI30MAX, _ENERGIES),
    ("pi30max", True): Vocabulary({**PI30MAX, "QPIGS": _WIDE}, _ENERGIES),
    **dict.fromkeys(
        (("pi41", False), ("pi41", True)),
        Vocabulary(PI41, {"QPGS": _of_any(_QPGS_30, NAK), "QP2GS": _of_any(_QP2GS, NAK)}),
    ),
    **dict.fromkeys((("pi30revo", False), ("pi30revo", True)), Vocabulary(PI30REVO)),
}
