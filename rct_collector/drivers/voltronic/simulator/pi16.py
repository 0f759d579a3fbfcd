"""What PI16, or P15, says: grid-tied units. What they have not, they fill with dashes.

Sources: a paper of the community (2015), and published frames of devices.
"""

from __future__ import annotations

from functools import partial

from rct_collector.drivers.voltronic.simulator.answer import (
    CodedForm,
    FieldForm,
    Maker,
    Saying,
    TextForm,
    Written,
    blanks,
    fixed,
    one,
    timed,
)
from rct_collector.drivers.voltronic.simulator.energies import EnergyStep, dated
from rct_collector.drivers.voltronic.simulator.moment import MODES, VoltronicMoment
from rct_collector.drivers.voltronic.simulator.vocabulary import Vocabulary

_QPIGS = blanks(
    FieldForm("grid_voltage", "05.1f"),
    FieldForm("grid_power_w", "06d", of="grid_power"),
    FieldForm("grid_frequency", "04.1f"),
    FieldForm("grid_current", "06.1f"),
    FieldForm("output_voltage", "05.1f"),
    FieldForm("output_active_power", "05d"),
    FieldForm("output_frequency", "04.1f"),
    FieldForm("output_current", "05.1f"),
    FieldForm("output_load_percent", "03d"),
    FieldForm("pbus_voltage", "05.1f", of="bus_voltage"),
    FieldForm("sbus_voltage", "05.1f", of="bus_voltage"),
    FieldForm("battery_voltage", "05.1f"),
    TextForm("---.-", {"battery_negative_voltage": None}),
    FieldForm("battery_capacity", "03d"),
    FieldForm("pv1_power", "05d", of="pv1_charging_power"),
    FieldForm("pv2_power", "05d", of="pv2_charging_power"),
    TextForm("-----", {"pv3_power": None}),
    FieldForm("pv1_voltage", "05.1f"),
    FieldForm("pv2_voltage", "05.1f"),
    TextForm("---.-", {"pv3_voltage": None}),
    FieldForm("max_temperature", "05.1f", of="heatsink_temperature"),
    FieldForm("status_raw", "s", of="grid_tied_status"),
)
_QPIRI = blanks(
    FieldForm("grid_rating_voltage", ".1f"),
    FieldForm("grid_rating_frequency", ".1f", of="output_rating_frequency"),
    FieldForm("grid_rating_current", "05.1f"),
    FieldForm("output_rating_voltage", ".1f"),
    FieldForm("output_rating_current", "05.1f"),
    TextForm("018.0", {"mppt_rating_current": 18.0}),
    FieldForm("battery_rating_voltage", ".1f"),
    FieldForm("mppt_strings", "d"),
    TextForm("10", {"machine_type_code": "10"}),
    FieldForm("topology_code", "d"),
)


def _energy(part: str, count: int, digits: str) -> Maker | None:
    return dated(0, EnergyStep(part), one, digits) if len(digits) == count else None


def _id(moment: VoltronicMoment) -> Saying:
    return one(Written(moment.serial_number, {"serial_number": moment.serial_number}))


PI16 = Vocabulary(
    {
        "QPI": fixed("PI16", protocol_id="PI16"),
        "QID": _id,
        "QMOD": blanks(CodedForm("mode", "mode", MODES)),
        "QPIGS": _QPIGS,
        "QPIRI": _QPIRI,
        "QT": timed(one),
        "QVFW": fixed("VERFW:00003.21", main_firmware="00003.21"),
        "QVFW2": fixed("VERFW2:00000.30", slave_firmware="00000.30"),
    },
    {
        "QEY": partial(_energy, "pv_energy_year_wh", 4),
        "QEM": partial(_energy, "pv_energy_month_wh", 6),
        "QED": partial(_energy, "pv_energy_day_wh", 8),
    },
)
