"""The commands of Sorotec's Revo, which calls itself PI30. Read only, and tried on vectors only.

Its QPIGS has the fields of PI30, but three of them mean something else: current of the generator is
their power, the discharge current is the energy of the day, and there is no apparent power.

Sources: Sorotec's paper (V02, 2020); answers that users of other collectors have posted.
"""

from __future__ import annotations

from rct_collector.drivers.voltronic.command import (
    Command,
    Field,
    Fields,
    Wording,
    bits,
    decimal,
    integer,
    number,
    reserved,
    short_serial,
    text,
)
from rct_collector.drivers.voltronic.feeds import (
    as_number,
    as_word,
    ask,
    at_most,
    battery_watts,
    nonzero,
    to,
)
from rct_collector.drivers.voltronic.pi30 import QBMS, QBMS_FEEDS, STATUS_BITS
from rct_collector.drivers.voltronic.texts import MODES, mode_word, state_code

DIALECT = "pi30revo"

_QPIGS = Fields(
    decimal("grid_voltage"),
    decimal("grid_frequency"),
    decimal("output_voltage"),
    decimal("output_frequency"),
    reserved(r"\d+"),
    integer("output_active_power"),
    integer("output_load_percent"),
    integer("bus_voltage", certain=True),
    decimal("battery_voltage", certain=True),
    integer("battery_charging_current"),
    integer("battery_capacity"),
    integer("heatsink_temperature"),
    number("pv1_power"),
    decimal("pv1_voltage"),
    decimal("scc_battery_voltage"),
    integer("pv_energy_day_wh"),
    bits(*STATUS_BITS),
    optional=(
        (
            reserved(r"\d+"),
            reserved(r"\d+"),
            reserved(r"\d+"),
            bits("float_charging", "switched_on", ""),
        ),
    ),
)

_QALL = Fields(
    number("grid_voltage"),
    decimal("grid_frequency"),
    number("output_voltage"),
    decimal("output_frequency"),
    integer("output_active_power"),
    integer("output_load_percent"),
    decimal("battery_voltage"),
    integer("battery_capacity"),
    integer("battery_charging_current"),
    integer("battery_discharge_current"),
    number("pv1_voltage"),
    decimal("pv1_current"),
    integer("pv1_power"),
    integer("pv_energy_day_wh"),
    integer("pv_energy_total_kwh"),
    Field("mode", f"[{''.join(MODES)}]", mode_word, certain=True),
    text("warning_code", r"\d\d"),
    text("fault_code", r"\d\d"),
    extras=False,
)

_QPIRI = Fields(
    decimal("grid_rating_voltage"),
    decimal("grid_rating_current"),
    decimal("output_rating_voltage"),
    decimal("output_rating_frequency"),
    decimal("output_rating_current"),
    integer("output_rating_apparent_power"),
    integer("output_rating_active_power"),
    Field("battery_rating_voltage", r"(?:12|24|36|48)\.\d", float, certain=True),
    decimal("battery_alarm_voltage"),
    decimal("battery_under_voltage"),
    decimal("battery_bulk_voltage"),
    decimal("battery_float_voltage"),
    integer("battery_type_code"),
    integer("max_charging_current"),
)

_QLITH0 = Fields(
    decimal("voltage"),
    decimal("charge_current", certain=True),
    decimal("discharge_current"),
    integer("temperature"),
    integer("soc"),
    integer("soh"),
    decimal("max_charge_current"),
    decimal("max_discharge_current"),
    decimal("max_charge_voltage"),
    decimal("min_discharge_voltage", certain=True),
    integer("fault_code"),
    integer("warning_code"),
)

_PQSE = Fields(
    text("settings_raw", r"\d{6}", certain=True),
    decimal("battery_bulk_voltage"),
    decimal("battery_float_voltage"),
    decimal("battery_alarm_voltage"),
    decimal("battery_under_voltage"),
    integer("max_charging_current"),
    integer("max_ac_charging_current"),
    text("year", r"\d{4}"),
    text("month", r"\d\d"),
    text("day", r"\d\d"),
    text("hour", r"\d\d"),
    text("minute", r"\d\d"),
)


# -- what it feeds -----------------------------------------------------------------------------

#: How it is known that the unit only counts up.
_COUNTED = "The paper calls it the total of what was generated, which cannot be undone."

#: Once only: QPIGS has most of it with one more digit, and QALL the rest.
_STATUS_FEEDS = (
    to("inverter_grid.voltage_volts", "grid_voltage", phase="l1"),
    to("inverter_grid.frequency_hertz", "grid_frequency"),
    to("inverter_output.voltage_volts", "output_voltage", phase="l1"),
    to("inverter_output.frequency_hertz", "output_frequency"),
    to("inverter_power.load_watts", "output_active_power"),
    to("inverter_power.load_ratio", "output_load_percent", scale=0.01),
    to("inverter_dc_link.voltage_volts", "bus_voltage"),
    to("inverter_battery.voltage_volts", "battery_voltage", battery="0"),
    to("inverter_battery.soc_percent", "battery_capacity", battery="0"),
    to("inverter_temperature.celsius", "heatsink_temperature", sensor="heatsink",
       take=at_most("heatsink_temperature", 150)),
    to("inverter_string.power_watts", "pv1_power", string="a"),
    to("inverter_string.voltage_volts", "pv1_voltage", string="a"),
    to("inverter_string.charger_volts", "scc_battery_voltage", string="a",
       take=nonzero("scc_battery_voltage")),
    to("inverter_energy.day_watt_hours", "pv_energy_day_wh", flow="pv"),
    to("inverter_load.connected", "load_on", phase="l1"),
    to("inverter_status.settings_changed", "config_changed"),
    to("inverter_status.charger_updated", "scc_firmware_updated"),
    to("inverter_battery.voltage_steady", "battery_steady_while_charging", battery="0"),
    to("inverter_battery.charging", "charging", battery="0"),
    to("inverter_battery.solar_charging", "scc_charging", battery="0"),
    to("inverter_battery.grid_charging", "ac_charging", battery="0"),
    to("inverter_battery.float_charging", "float_charging", battery="0"),
    to("inverter_status.switched_on", "switched_on"),
    to("inverter_status.device_word", " ".join(STATUS_BITS), take=as_word(*STATUS_BITS)),
)  # fmt: skip

_FLOW_PARTS = "battery_voltage battery_discharge_current battery_charging_current"

_ALL_FEEDS = (
    to("inverter_battery.charge_amperes", "battery_charging_current", battery="0"),
    to("inverter_battery.discharge_amperes", "battery_discharge_current", battery="0"),
    to("inverter_power.battery_watts", _FLOW_PARTS, take=battery_watts(*_FLOW_PARTS.split())),
    to("inverter_string.current_amperes", "pv1_current", string="a"),
    to("inverter_energy.watt_hours_total", "pv_energy_total_kwh", flow="pv", scale=1000,
       counts_up=_COUNTED),
    to("inverter_status.warning_code", "warning_code", take=as_number("warning_code")),
    to("inverter_status.fault_code", "fault_code", take=as_number("fault_code")),
)  # fmt: skip

_RATING_FEEDS = (
    to("inverter_rating.grid_volts", "grid_rating_voltage"),
    to("inverter_rating.grid_amperes", "grid_rating_current"),
    to("inverter_rating.output_volts", "output_rating_voltage"),
    to("inverter_rating.output_hertz", "output_rating_frequency"),
    to("inverter_rating.output_amperes", "output_rating_current"),
    to("inverter_rating.output_volt_amperes", "output_rating_apparent_power"),
    to("inverter_rating.output_watts", "output_rating_active_power"),
    to("inverter_rating.battery_volts", "battery_rating_voltage"),
    to("inverter_battery.alarm_setting_volts", "battery_alarm_voltage", battery="0"),
    to("inverter_battery.discharge_setting_volts", "battery_under_voltage", battery="0"),
    to("inverter_battery.charge_setting_volts", "battery_bulk_voltage", battery="0"),
    to("inverter_battery.float_setting_volts", "battery_float_voltage", battery="0"),
    to("inverter_settings.battery_type_code", "battery_type_code"),
    to("inverter_battery.charge_setting_amperes", "max_charging_current", battery="0"),
)

_BMS_FEEDS = (
    to("inverter_battery.bms_volts", "voltage", battery="0"),
    to("inverter_battery.bms_charge_amperes", "charge_current", battery="0"),
    to("inverter_battery.bms_discharge_amperes", "discharge_current", battery="0"),
    to("inverter_battery.temperature_celsius", "temperature", battery="0", scale=0.1),
    to("inverter_battery.bms_fault_code", "fault_code", battery="0"),
    to("inverter_battery.bms_warning_code", "warning_code", battery="0"),
)


# -- the commands ------------------------------------------------------------------------------

#: In the order of asking: no two in a row whose answers look alike.
COMMANDS: tuple[Command, ...] = (
    ask(DIALECT, "QPIGS", _QPIGS, 110, *_STATUS_FEEDS),
    ask(DIALECT, "QALL", _QALL, 82, *_ALL_FEEDS),
    ask(DIALECT, "QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5,
        to("inverter_status.state_code", "mode", take=state_code)),
    ask(DIALECT, "QPIRI", _QPIRI, 100, *_RATING_FEEDS),
    ask(DIALECT, "QLITH0", _QLITH0, 65, *_BMS_FEEDS),
    ask(DIALECT, "QBMS", QBMS, 40, *QBMS_FEEDS),
    ask(DIALECT, "PQSE", _PQSE, 62,
        to("inverter_battery.grid_charge_setting_amperes", "max_ac_charging_current",
           battery="0")),
    ask(DIALECT, "QID", short_serial, 18, to("inverter.serial", "serial_number"),
        tells=lambda parts: str(parts["serial_number"])),
    ask(DIALECT, "QPI", Wording("(?P<protocol_id>PI30)"), 8),
)  # fmt: skip
