"""The rows of the catalogue: what each metric means, once, for every driver and agent.

Reading a row: measurement, field (its last words are the unit), kind, poll class, description.
``over`` names the component tag with its values, or with how these look: which strings, towers,
modules or faults there are is the driver's to say, or the unit's. Signs: ``grid`` > 0 draws from the
grid, ``battery`` > 0 discharges, so that pv + grid + battery = load + losses. Every ``*_total`` is
positive and grows; a sum that may run back is a gauge called ``balance_…``. Where a device keeps
a value is its driver's business, not said here.
"""

from __future__ import annotations

from rct_collector.model import Dimensions, Kind, Metric, Pattern, PollClass, Unit

GAUGE, TIME, TOTAL, CODE, WORD = Kind.GAUGE, Kind.TIME, Kind.TOTAL, Kind.CODE, Kind.WORD
FLAG, COUNT, TEXT = Kind.FLAG, Kind.COUNT, Kind.TEXT
F, M, S, X = PollClass.FAST, PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC
H = PollClass.HISTORY


def _number(digits: int) -> Pattern:
    """A number of up to so many digits; which of them there are is the driver's to say."""
    return Pattern("0-9", 1, digits)


PHASE: Dimensions = (("phase", ("l1", "l2", "l3")),)
PAIR: Dimensions = (("pair", ("1", "2", "3")),)
STRING: Dimensions = (("string", Pattern("a-z", 1, 1)),)
#: A number, or the serial number of a battery that has one.
BATTERY: Dimensions = (("battery", Pattern("0-9A-Z", 1, 12)),)
MODULE: Dimensions = (*BATTERY, ("module", _number(2)))
CELL: Dimensions = (*BATTERY, ("cell", _number(3)), ("module", _number(2)))
# A plant of a thousand inverters, with fifty for each.
OPTIMIZER: Dimensions = (("optimizer", Pattern("0-9A-F", 8, 8, most=50_000)),)
METER: Dimensions = (("meter", Pattern("0-9a-z", 1, 11)),)
EVENT: Dimensions = (("event", _number(10)),)
EVENT_CODE: Dimensions = (("code", Pattern("0-9", 1, 10, most=1_000)),)
FAULT: Dimensions = (("fault", _number(4)),)
#: What one value of a unit's memory covers.
FIVE_MINUTES: Dimensions = (("resolution", ("5m",)),)
PERIODS: Dimensions = (("resolution", ("day", "month", "year")),)
YEARS: Dimensions = (("resolution", ("year",)),)
UNIT: Dimensions = (("unit", _number(2)),)
UNIT_PHASE: Dimensions = (*PHASE, *UNIT)
UNIT_STRING: Dimensions = (*STRING, *UNIT)
RESERVE: Dimensions = (("reserve", ("compensation", "battery_to_grid", "output")),)
IO: Dimensions = (("io", ("1", "2")),)
ERROR_KIND: Dimensions = (
    (
        "kind",
        ("crc", "length", "command", "decode", "foreign", "noise", "echo", "write", "plant"),
    ),
)


def row(
    measurement: str,
    field: str,
    kind: Kind,
    poll: PollClass,
    description: str,
    *,
    over: Dimensions = (),
    default: bool = True,
    option: str = "",
    low: float | None = None,
    high: float | None = None,
    inputs: tuple[str, ...] = (),
    rule: str = "",
    own: bool = False,
) -> Metric:
    """Make one row; the range comes from the unit where the row does not narrow it."""
    unit = Unit.of_field(field)
    if low is None:
        low = 0.0 if kind is TOTAL else unit.low
    return Metric(
        measurement=measurement,
        field=field,
        kind=kind,
        poll=poll,
        description=description,
        dimensions=over,
        default=default and not option,
        option=option,
        low=low,
        high=unit.high if high is None else high,
        inputs=inputs,
        rule=rule,
        own=own,
    )


_LATEST = 4.3e9  # unsigned 32-bit Unix time, in seconds
#: Generators do not run back; what their day may show below zero is noise, in watt-hours.
_NOISE = -1e5

# fmt: off
# ruff: noqa: E501 - one metric is one line, so that a table can be read as a table
POWER = (
    row("inverter_power", "pv_watts", GAUGE, F, "Power of all solar generators together.", low=-100.0,
        inputs=("inverter_string.power_watts",), rule="total"),
    row("inverter_power", "grid_watts", GAUGE, F, "Power at the grid connection; positive draws from the grid, negative feeds in."),
    row("inverter_power", "load_watts", GAUGE, F, "Power that the household uses."),
    row("inverter_power", "battery_watts", GAUGE, F, "Power of all batteries together; positive discharges, negative charges. Computed from voltage and current where a device measures no power."),
    row("inverter_power", "output_watts", GAUGE, F, "Active power at the AC side of the inverter."),
    row("inverter_power", "external_watts", GAUGE, F, "Power of an external generator, counted at the S0 input."),
    row("inverter_power", "grid_import_watts", GAUGE, F, "Power drawn from the grid, 0 while feeding in.", low=0.0,
        inputs=("inverter_power.grid_watts",), rule="positive_part"),
    row("inverter_power", "grid_export_watts", GAUGE, F, "Power fed into the grid, 0 while drawing.", low=0.0,
        inputs=("inverter_power.grid_watts",), rule="negative_part"),
    row("inverter_power", "battery_discharge_watts", GAUGE, F, "Power out of the batteries, 0 while charging.", low=0.0,
        inputs=("inverter_power.battery_watts",), rule="positive_part"),
    row("inverter_power", "battery_charge_watts", GAUGE, F, "Power into the batteries, 0 while discharging.", low=0.0,
        inputs=("inverter_power.battery_watts",), rule="negative_part"),
    row("inverter_power", "autarky_percent", GAUGE, F, "Share of the load that does not come from the grid; absent below 10 W of load.",
        inputs=("inverter_power.load_watts", "inverter_power.grid_watts"), rule="autarky"),
    row("inverter_power", "self_consumption_percent", GAUGE, F, "Share of the solar power that is not fed into the grid; absent below 10 W of sun.",
        inputs=("inverter_power.pv_watts", "inverter_power.grid_watts"), rule="self_consumption"),
    row("inverter_power", "output_volt_amperes", GAUGE, F, "Apparent power at the AC side of the inverter."),
    row("inverter_power", "output_volt_amperes_reactive", GAUGE, F, "Reactive power at the AC side of the inverter."),
    row("inverter_power", "output_power_factor_ratio", GAUGE, M, "Power factor (cos phi) at the AC side of the inverter.", low=-1.01, high=1.01),
    row("inverter_power", "output_filtered_watts", GAUGE, F, "Active power at the AC side, low-pass filtered.", default=False),
    row("inverter_power", "grid_sensor_watts", GAUGE, F, "Power at the grid connection by the external sensors, sum of the phases.", default=False),
    row("inverter_power", "load_volt_amperes", GAUGE, F, "Apparent power that the household uses.", low=0.0),
    row("inverter_power", "load_ratio", GAUGE, F, "Power that the household uses as a share of what the output is rated for: 1 is all of it, and more is too much.", low=0.0, high=10.0),
    row("inverter_power", "solar_feed_watts", GAUGE, F, "Solar power that the inverter feeds into the grid by its own reckoning.", low=0.0),
)

STRINGS = (
    row("inverter_string", "power_watts", GAUGE, F, "Power of one solar generator.", over=STRING, low=-100.0),
    row("inverter_string", "voltage_volts", GAUGE, F, "Voltage of one solar generator.", over=STRING),
    row("inverter_string", "power_unfiltered_watts", GAUGE, F, "Power of one solar generator, not filtered.", over=STRING, default=False, low=-100.0),
    row("inverter_string", "voltage_filtered_volts", GAUGE, F, "Voltage of one solar generator, low-pass filtered.", over=STRING, default=False),
    row("inverter_string", "mpp_target_volts", GAUGE, M, "Voltage that the maximum power point tracker aims at.", over=STRING),
    row("inverter_string", "mpp_step_volts", GAUGE, M, "Step with which the maximum power point is searched.", over=STRING),
    row("inverter_string", "mpp_fixed_volts", GAUGE, X, "Fixed voltage set instead of a search for the maximum power point.", over=STRING),
    row("inverter_string", "mpp_scan_enabled", FLAG, X, "Regular search for the global maximum power point is on.", over=STRING),
    row("inverter_string", "rescan_correction_volts", GAUGE, S, "Correction found by the last global search.", over=STRING),
    row("inverter_string", "connected", FLAG, X, "The solar generator is connected.", over=STRING),
    row("inverter_string", "energy_watt_hours_total", TOTAL, S, "Energy of one solar generator since commissioning.", over=STRING),
    row("inverter_string", "energy_day_watt_hours", GAUGE, S, "Energy of one solar generator today.", over=STRING, low=_NOISE),
    row("inverter_string", "energy_month_watt_hours", GAUGE, S, "Energy of one solar generator this month.", over=STRING, low=_NOISE),
    row("inverter_string", "energy_year_watt_hours", GAUGE, S, "Energy of one solar generator this year.", over=STRING, low=_NOISE),
    row("inverter_string", "current_amperes", GAUGE, F, "Current of one solar generator.", over=STRING, low=0.0),
    row("inverter_string", "estimated_watts", GAUGE, F, "Power of one solar generator, computed from the current and the voltage of what charges the battery: the device measures none.", over=STRING, low=0.0),
    row("inverter_string", "charger_volts", GAUGE, F, "Voltage of the battery at the charger of one solar generator.", over=STRING, low=0.0),
    row("inverter_string", "charger_celsius", GAUGE, F, "Temperature of the charger of one solar generator.", over=STRING),
    row("inverter_string", "charger_code", CODE, F, "State of the charger of one solar generator, as a code of the device family.", over=STRING),
    row("inverter_string", "charging", FLAG, F, "The charger of one solar generator charges.", over=STRING),
    row("inverter_string", "charger_ok", FLAG, F, "The charger of one solar generator is in order.", over=STRING),
)

AC = (
    row("inverter_output", "power_watts", GAUGE, M, "Active power of the inverter on one phase.", over=PHASE),
    row("inverter_output", "reactive_power_volt_amperes_reactive", GAUGE, M, "Reactive power of the inverter on one phase.", over=PHASE),
    row("inverter_output", "apparent_power_volt_amperes", GAUGE, M, "Apparent power of the inverter on one phase.", over=PHASE),
    row("inverter_output", "current_amperes", GAUGE, M, "Current of the inverter on one phase.", over=PHASE),
    row("inverter_output", "power_filtered_watts", GAUGE, F, "Active power on one phase, low-pass filtered.", over=PHASE, default=False),
    row("inverter_output", "apparent_power_filtered_volt_amperes", GAUGE, F, "Apparent power on one phase, low-pass filtered.", over=PHASE, default=False),
    row("inverter_output", "current_filtered_amperes", GAUGE, F, "Current on one phase, low-pass filtered.", over=PHASE, default=False),
    row("inverter_output", "power_factor_ratio", GAUGE, M, "Power factor (cos phi) of the inverter on one phase.", over=PHASE, low=-1.01, high=1.01),
    row("inverter_output", "dc_component_amperes", GAUGE, M, "Direct current that the inverter gives on one phase, which ought to be none.", over=PHASE),
    row("inverter_grid", "voltage_volts", GAUGE, F, "Voltage of the grid on one phase.", over=PHASE, low=0.0),
    row("inverter_grid", "power_watts", GAUGE, F, "Power at the grid connection on one phase; positive draws from the grid.", over=PHASE),
    row("inverter_grid_pair", "voltage_volts", GAUGE, M, "Voltage between two phases, in the device's own numbering.", over=PAIR, low=0.0),
    row("inverter_grid", "frequency_hertz", GAUGE, F, "Frequency of the grid."),
    row("inverter_load", "power_watts", GAUGE, F, "Power that the household uses on one phase.", over=PHASE),
    row("inverter_load", "apparent_power_volt_amperes", GAUGE, F, "Apparent power that the household uses on one phase.", over=PHASE, low=0.0),
    row("inverter_load", "current_amperes", GAUGE, F, "Current that the household uses on one phase.", over=PHASE, low=0.0),
    row("inverter_load", "load_ratio", GAUGE, F, "Power that the household uses on one phase as a share of what that is rated for.", over=PHASE, low=0.0, high=10.0),
    row("inverter_load", "connected", FLAG, F, "The household is supplied on one phase.", over=PHASE),
    row("inverter_output", "voltage_volts", GAUGE, F, "Voltage at the output for the household on one phase.", over=PHASE, low=0.0),
    row("inverter_output", "frequency_hertz", GAUGE, F, "Frequency at the output for the household."),
    row("inverter_grid", "current_amperes", GAUGE, F, "Current at the grid connection on one phase, without a sign.", over=PHASE, low=0.0),
    row("inverter_grid", "lost", FLAG, F, "The grid is missing on one phase.", over=PHASE),
    row("inverter_backup", "grid_voltage_volts", GAUGE, M, "Voltage at the grid side of the backup switch on one phase.", over=PHASE, low=0.0),
    row("inverter_backup", "grid_frequency_hertz", GAUGE, M, "Frequency at the grid side of the backup switch on one phase.", over=PHASE),
    row("inverter_backup", "frequency_hertz", GAUGE, M, "Frequency of the inverter, measured by the backup switch on one phase.", over=PHASE),
)

STATUS = (
    row("inverter_status", "state_code", CODE, F, "State of the inverter, as a code of the device family."),
    row("inverter_status", "island_word", WORD, F, "Island (grid separation) flags as the device sends them; RCT shows 2 in normal operation."),
    row("inverter_status", "grid_separated", FLAG, F, "The system is separated from the grid (bit 0 of the island flags)."),
    row("inverter_status", "grid_present", FLAG, F, "The grid is present, as the power manager sees it."),
    row("inverter_status", "island_retries", COUNT, S, "Attempts to start island operation."),
    row("inverter_status", "state_source_code", CODE, S, "Cause of the present state; no list of the codes is known."),
    row("inverter_status", "fault_word_0", WORD, F, "Fault bits 0 to 31 as the device sends them."),
    row("inverter_status", "fault_word_1", WORD, F, "Fault bits 32 to 63 as the device sends them."),
    row("inverter_status", "fault_word_2", WORD, F, "Fault bits 64 to 95 as the device sends them."),
    row("inverter_status", "fault_word_3", WORD, F, "Fault bits 96 to 127 as the device sends them."),
    row("inverter_status", "faults_active", COUNT, F, "Number of fault bits that are set.",
        inputs=("inverter_status.fault_word_0", "inverter_status.fault_word_1", "inverter_status.fault_word_2", "inverter_status.fault_word_3"), rule="bits_set"),
    row("inverter_status", "fault_reported", FLAG, F, "Something that stops the inverter is among the fault bits, and not only warnings."),
    row("inverter_status", "fault_code", CODE, F, "What has stopped the inverter, as a code of the device family; 0 is nothing."),
    row("inverter_status", "warning_code", CODE, F, "What the inverter warns of, as a code of the device family; 0 is nothing."),
    row("inverter_status", "fault_digits_code", CODE, F, "Three digits that some devices write among their warnings; two of them are a fault code.", default=False),
    row("inverter_fault", "active", FLAG, F, "One fault bit is set.", over=FAULT, default=False),
    row("inverter_status", "insulation_ohms", GAUGE, M, "Insulation resistance of the solar generators against earth."),
    row("inverter_status", "residual_current_amperes", GAUGE, M, "Residual current of the inverter."),
    row("inverter_status", "uptime_seconds", GAUGE, S, "Time since the inverter woke up.", low=0.0, high=1e9),
    row("inverter_status", "interval_seconds", GAUGE, S, "Time that a record of the inverter covers.", low=0.0, high=1e9),
    row("inverter_status", "insulation_positive_ohms", GAUGE, M, "Insulation resistance of the positive DC input."),
    row("inverter_status", "insulation_negative_ohms", GAUGE, M, "Insulation resistance of the negative DC input."),
    row("inverter_status", "power_board_word", WORD, S, "Status bits of the power board."),
    row("inverter_status", "relays_word", WORD, S, "State of the relays on the power board, one bit each."),
    row("inverter_status", "ripple_control_word", WORD, M, "Inputs K1 to K4 of the ripple control receiver, one bit each."),
    row("inverter_status", "power_board_current_rms_raw", GAUGE, M, "AC current of the power board; unit unknown.", default=False),
    row("inverter_status", "power_board_current_mean_raw", GAUGE, M, "Mean current of the power board; unit unknown.", default=False),
    row("inverter_status", "s0_sum_raw", GAUGE, M, "Sum of the S0 input; unit unknown.", default=False),
    row("inverter_status", "flash_write_cycles_total", TOTAL, S, "Write cycles of the parameter memory."),
    row("inverter_status", "flash_erase_cycles_total", TOTAL, S, "Erase cycles of the parameter memory."),
    row("inverter_status", "rescan_time_seconds", TIME, S, "Time of the last global search for the maximum power point, Unix seconds.", low=0.0, high=_LATEST),
    row("inverter_status", "device_word", WORD, F, "Status bits of the device as it sends them."),
    row("inverter_status", "switched_on", FLAG, F, "The inverter is switched on."),
    row("inverter_status", "solar_feeding", FLAG, F, "Solar power is fed into the grid, where that is prepared."),
    row("inverter_status", "settings_changed", FLAG, F, "Settings have changed since somebody read them."),
    row("inverter_status", "charger_updated", FLAG, F, "The firmware of the solar charger was updated."),
    row("inverter_status", "converter_code", CODE, F, "Way of the power between AC and DC: 0 none, 1 from AC to DC, 2 from DC to AC."),
    row("inverter_status", "grid_code", CODE, F, "Way of the power at the grid connection: 0 none, 1 from the grid, 2 into the grid."),
    row("inverter_status", "fan_locked", FLAG, M, "A fan does not turn."),
    row("inverter_status", "fan_speed_percent", GAUGE, M, "Speed of the fans, share of the highest."),
    row("inverter_status", "dust_filter", FLAG, F, "A kit against dust is fitted, for which the power is reduced."),
    row("inverter_dc_link", "voltage_volts", GAUGE, M, "Voltage of the DC link."),
    row("inverter_dc_link", "positive_volts", GAUGE, M, "Voltage of the positive half of the DC link."),
    row("inverter_dc_link", "negative_volts", GAUGE, M, "Voltage of the negative half of the DC link."),
    row("inverter_temperature", "celsius", GAUGE, M, "Temperature of one part of the inverter.",
        over=(("sensor", ("heatsink", "battery_heatsink", "core", "inverter", "charger", "transformer", "battery_sensor", "inner", "hottest")),)),
    row("inverter_clock", "time_seconds", TIME, S, "Clock of the device, Unix seconds after conversion from its time zone.", low=0.0, high=_LATEST),
    row("inverter_clock", "drift_seconds", GAUGE, S, "Clock of the device minus clock of the collector.", low=-4.3e9, high=4.3e9,
        inputs=("inverter_clock.time_seconds",), rule="drift"),
    row("inverter_clock", "update_time_seconds", TIME, X, "Time of the last firmware update, Unix seconds.", low=0.0, high=_LATEST),
    row("inverter_clock", "production_time_seconds", TIME, X, "Time of production, Unix seconds.", low=0.0, high=_LATEST),
    row("inverter_clock", "quartz_difference_ppm", GAUGE, S, "Difference between the clock's and the processor's quartz."),
)

LIMITS = (
    row("inverter_limit", "grid_watts", GAUGE, S, "Most power that grid management allows."),
    row("inverter_limit", "output_percent", GAUGE, M, "Most power that the inverter may give, share of what it is rated for."),
    row("inverter_limit", "reduction_percent", GAUGE, M, "External power reduction, share of the generator's peak power."),
    row("inverter_limit", "buffer_available_watts", GAUGE, S, "Power available from the buffer."),
    row("inverter_reserve", "limit_watts", GAUGE, S, "Most power for one purpose.", over=RESERVE),
    row("inverter_reserve", "available_watts", GAUGE, S, "Power available for one purpose.", over=RESERVE),
    row("inverter_reserve", "required_watts", GAUGE, S, "Power required for one purpose.", over=RESERVE),
)

SETTINGS = (
    row("inverter_settings", "inverter_class_code", CODE, X, "Class of the inverter: 0 by serial number, 1 inverter, 2 storage."),
    row("inverter_settings", "heiphoss_code", CODE, X, "HeiPhoss mode."),
    row("inverter_settings", "three_phase_mode", FLAG, X, "Three-phase mode."),
    row("inverter_settings", "island_only", FLAG, X, "Island operation without a backup switch."),
    row("inverter_settings", "network_role_code", CODE, X, "Role in a plant: 0 stand-alone, 1 master, 2 slave."),
    row("inverter_settings", "network_ethernet", FLAG, X, "Ethernet is used in place of WLAN."),
    row("inverter_settings", "heatsink_derating_celsius", GAUGE, X, "Heat sink temperature at which power is reduced."),
    row("inverter_settings", "battery_heatsink_derating_celsius", GAUGE, X, "Battery converter temperature at which power is reduced."),
    row("inverter_settings", "insulation_minimum_ohms", GAUGE, X, "Least insulation resistance allowed."),
    row("inverter_settings", "generator_peak_watts", GAUGE, X, "Peak power of the solar generators."),
    row("inverter_settings", "feed_in_limit_watts", GAUGE, X, "Most power that may be fed into the grid."),
    row("inverter_settings", "start_voltage_volts", GAUGE, X, "DC voltage at which the inverter starts."),
    row("inverter_settings", "sensor_connected", FLAG, X, "External current sensors are connected."),
    row("inverter_settings", "sensor_tuned", FLAG, X, "External current sensors are tuned."),
    row("inverter_settings", "sensor_range_amperes", GAUGE, X, "Range of the external current sensors."),
    row("inverter_settings", "grid_offset_watts", GAUGE, X, "Offset of the grid power."),
    row("inverter_settings", "dummy_load_watts", GAUGE, X, "Assumed household load."),
    row("inverter_settings", "io_usage_code", CODE, X, "Use of one digital input/output.", over=IO),
    row("inverter_settings", "s0_impulses_per_kwh", COUNT, X, "S0 impulses per kWh on one digital input.", over=IO),
    row("inverter_settings", "s0_direction_code", CODE, X, "S0 inputs: 0 single, 1 or 2 that input is bidirectional."),
    row("inverter_settings", "relay_usage_code", CODE, X, "Use of the multi-function relay: 0 unused, 1 alarm, 2 load."),
    row("inverter_settings", "modbus_mode_code", CODE, X, "RS485 mode: 0 slave, 1 master."),
    row("inverter_settings", "modbus_address_code", CODE, X, "RS485 address."),
    row("inverter_settings", "backup_available", FLAG, X, "A backup switch (RCT Power Switch) is connected."),
    row("inverter_settings", "backup_phase_code", CODE, X, "Phase that follows phase 1 at the backup switch."),
    row("inverter_settings", "battery_type_code", CODE, X, "Type of battery, as a code of the device family; RCT 5 is none."),
    row("inverter_settings", "batteries", COUNT, X, "Number of battery towers."),
    row("inverter_settings", "log_interval_seconds", GAUGE, X, "Resolution of the device's own logger."),
    row("inverter_settings", "output_priority_code", CODE, S, "What supplies the household first, as a code of the device family: 0 the grid, 1 the sun, 2 sun and battery before the grid."),
    row("inverter_settings", "charger_priority_code", CODE, S, "What charges the battery first: 0 the grid, 1 the sun, 2 both, 3 only the sun."),
    row("inverter_settings", "solar_priority_code", CODE, S, "What the sun supplies first: 0 the battery, 1 the household."),
    row("inverter_settings", "grid_range_code", CODE, S, "Range of grid voltage that is accepted: 0 wide, for appliances, 1 narrow, as of a UPS."),
    row("inverter_settings", "output_mode_code", CODE, S, "Part of the output in a system of several units: 0 single, 1 parallel, others a phase, as a code of the device family."),
    row("inverter_settings", "operation_code", CODE, S, "Manner of operation: 0 automatic, 1 always from the inverter, 2 economical."),
    row("inverter_settings", "solar_check_code", CODE, S, "When a system takes the sun for present: 0 when one unit has it, 1 when all have."),
    row("inverter_settings", "solar_limit_code", CODE, S, "Most solar power that is taken: 0 what may charge the battery, 1 that and the load."),
    row("inverter_settings", "grid_country_code", CODE, S, "Country whose rules for feeding in hold, as a code of the device family."),
    row("inverter_settings", "fan_offset_volts", GAUGE, S, "Correction of the voltage at which the fans start."),
    *(row("inverter_settings", f"{name}_enabled", FLAG, S, description) for name, description in (
        ("buzzer", "The buzzer is on."),
        ("standby_buzzer", "The buzzer is on in standby, too."),
        ("battery_buzzer", "The buzzer is on while the battery discharges, too."),
        ("overload_bypass", "Too much load is switched to the grid."),
        ("overload_restart", "The inverter starts again after too much load."),
        ("temperature_restart", "The inverter starts again after it was too hot."),
        ("power_saving", "The output is switched off while there is hardly any load."),
        ("solar_feed", "Solar power may be fed into the grid."),
        ("display_return", "The display goes back to its first page after a minute."),
        ("backlight", "The display is lit."),
        ("source_alarm", "The alarm sounds when the first source fails."),
        ("fault_record", "Faults are recorded."),
        ("data_log", "The log of data pops up."),
        ("generator_input", "A generator is connected in place of the grid."),
        ("wide_range", "A wide range of grid voltage is accepted."),
        ("neutral_relay", "A relay connects neutral and earth in island operation."))),
    row("inverter_firmware", "power_board_code", CODE, X, "Firmware version of the power board."),
    row("inverter_firmware", "power_board_boot_code", CODE, X, "Boot loader version of the power board."),
    row("inverter_firmware", "backup_code", CODE, X, "Firmware version of the backup switch."),
    row("inverter_firmware", "backup_boot_code", CODE, X, "Boot loader version of the backup switch."),
    row("inverter_firmware", "eeprom_code", CODE, S, "Version of the parameter memory."),
    row("inverter_rating", "grid_volts", GAUGE, S, "Rated voltage of the grid.", low=0.0),
    row("inverter_rating", "grid_hertz", GAUGE, S, "Rated frequency of the grid."),
    row("inverter_rating", "grid_amperes", GAUGE, S, "Rated current of the grid.", low=0.0),
    row("inverter_rating", "grid_phases", COUNT, S, "Phases of the grid connection."),
    row("inverter_rating", "output_volts", GAUGE, S, "Rated voltage of the output.", low=0.0),
    row("inverter_rating", "output_hertz", GAUGE, S, "Rated frequency of the output."),
    row("inverter_rating", "output_amperes", GAUGE, S, "Rated current of the output.", low=0.0),
    row("inverter_rating", "output_watts", GAUGE, S, "Rated power of the output.", low=0.0),
    row("inverter_rating", "output_volt_amperes", GAUGE, S, "Rated apparent power of the output.", low=0.0),
    row("inverter_rating", "output_power_factor_ratio", GAUGE, S, "Rated power factor of the output.", low=0.0, high=1.01),
    row("inverter_rating", "output_phases", COUNT, S, "Phases of the output."),
    row("inverter_rating", "battery_volts", GAUGE, S, "Rated voltage of the battery.", low=0.0),
    row("inverter_rating", "battery_unit_volts", GAUGE, S, "Rated voltage of one of the batteries that are connected in series.", low=0.0),
    row("inverter_rating", "battery_units", COUNT, S, "Batteries that are connected in series."),
    row("inverter_rating", "string_amperes", GAUGE, S, "Highest current of one solar generator.", low=0.0),
    row("inverter_rating", "strings", COUNT, S, "Solar generators that can be connected."),
    row("inverter_rating", "parallel_units", COUNT, S, "Units that may work together."),
    row("inverter_rating", "machine_code", CODE, S, "Kind of machine, as a code of the device family."),
    row("inverter_rating", "topology_code", CODE, S, "Make of the inverter: 0 without a transformer, 1 with one."),
    row("inverter_plant", "slaves", COUNT, X, "Slave inverters in the plant."),
    row("inverter_plant", "devices", COUNT, X, "Devices in the plant."),
    row("inverter_plant", "slave_power_watts", GAUGE, M, "Power of all slave inverters together."),
    row("inverter_plant", "soc_percent", GAUGE, M, "Average state of charge in the plant."),
    row("inverter_plant", "charge_amperes", GAUGE, M, "Current that all units of a system together charge the battery with.", low=0.0),
    row("inverter_plant", "battery_watts", GAUGE, M, "Power of the battery at all units of a system together; positive discharges, negative charges.",
        inputs=("inverter_unit.battery_watts",), rule="total"),
    row("inverter_plant", "role_code", CODE, M, "Part of this unit in a system: 0 new, 1 follows, 2 leads."),
    row("inverter_plant", "warning_code", CODE, M, "What this unit warns of in a system; no list of the codes is known."),
    row("inverter_plant", "place_code", CODE, M, "Number of this unit in a system."),
    row("inverter_plant", "sync_hertz", GAUGE, M, "Frequency by which the units of a system keep in step."),
)

UNITS = (
    row("inverter_unit", "state_code", CODE, M, "State of one unit of a system, as a code of the device family.", over=UNIT),
    row("inverter_unit", "fault_code", CODE, M, "What has stopped one unit of a system, as a code of the device family; 0 is nothing.", over=UNIT),
    row("inverter_unit", "grid_frequency_hertz", GAUGE, M, "Frequency of the grid at one unit of a system.", over=UNIT),
    row("inverter_unit", "output_frequency_hertz", GAUGE, M, "Frequency at the output of one unit of a system.", over=UNIT),
    row("inverter_unit", "battery_voltage_volts", GAUGE, M, "Voltage of the battery at one unit of a system.", over=UNIT),
    row("inverter_unit", "battery_charge_amperes", GAUGE, M, "Current into the battery from one unit of a system.", over=UNIT, low=0.0),
    row("inverter_unit", "battery_discharge_amperes", GAUGE, M, "Current out of the battery into one unit of a system.", over=UNIT, low=0.0),
    row("inverter_unit", "battery_watts", GAUGE, M, "Power of the battery at one unit of a system, computed from voltage and currents; positive discharges, negative charges.", over=UNIT),
    row("inverter_unit", "battery_code", CODE, M, "State of the battery at one unit of a system: 0 normal, 1 too low, 2 not connected.", over=UNIT),
    row("inverter_unit", "soc_percent", GAUGE, M, "State of charge by one unit of a system.", over=UNIT),
    row("inverter_unit", "hottest_celsius", GAUGE, M, "Highest temperature within one unit of a system.", over=UNIT),
    row("inverter_unit", "charger_ok", FLAG, M, "The solar charger of one unit of a system is in order.", over=UNIT),
    row("inverter_unit", "solar_charging", FLAG, M, "The sun charges the battery through one unit of a system.", over=UNIT),
    row("inverter_unit", "grid_charging", FLAG, M, "The grid charges the battery through one unit of a system.", over=UNIT),
    row("inverter_unit", "settings_changed", FLAG, M, "Settings of one unit of a system have changed since somebody read them.", over=UNIT),
    row("inverter_unit", "output_mode_code", CODE, M, "Part of the output of one unit of a system, as a code of the device family.", over=UNIT),
    row("inverter_unit", "charger_priority_code", CODE, M, "What charges the battery first at one unit of a system: 0 the grid, 1 the sun, 2 both, 3 only the sun.", over=UNIT),
    row("inverter_unit", "charge_setting_amperes", GAUGE, M, "Highest charge current of one unit of a system, setting.", over=UNIT, low=0.0),
    row("inverter_unit", "charge_highest_amperes", GAUGE, M, "Highest charge current that can be set for one unit of a system.", over=UNIT, low=0.0),
    row("inverter_unit", "grid_charge_setting_amperes", GAUGE, M, "Highest charge current from the grid of one unit of a system, setting.", over=UNIT, low=0.0),
    row("inverter_unit", "converter_code", CODE, M, "Way of the power between AC and DC in one unit of a system: 0 none, 1 from AC to DC, 2 from DC to AC.", over=UNIT),
    row("inverter_unit", "grid_code", CODE, M, "Way of the power at the grid connection of one unit of a system: 0 none, 1 from the grid, 2 into the grid.", over=UNIT),
    row("inverter_unit", "direction_code", CODE, M, "Way of the power at the battery of one unit of a system: 0 none, 1 charges, 2 discharges.", over=UNIT),
    row("inverter_unit_phase", "grid_voltage_volts", GAUGE, M, "Voltage of the grid on one phase of one unit of a system.", over=UNIT_PHASE, low=0.0),
    row("inverter_unit_phase", "grid_lost", FLAG, M, "The grid is missing on one phase of one unit of a system.", over=UNIT_PHASE),
    row("inverter_unit_phase", "output_voltage_volts", GAUGE, M, "Voltage at the output on one phase of one unit of a system.", over=UNIT_PHASE, low=0.0),
    row("inverter_unit_phase", "load_watts", GAUGE, M, "Power that the household draws on one phase from one unit of a system.", over=UNIT_PHASE, low=0.0),
    row("inverter_unit_phase", "load_volt_amperes", GAUGE, M, "Apparent power that the household draws on one phase from one unit of a system.", over=UNIT_PHASE, low=0.0),
    row("inverter_unit_phase", "load_ratio", GAUGE, M, "Load on one phase of one unit of a system as a share of what that is rated for.", over=UNIT_PHASE, low=0.0, high=10.0),
    row("inverter_unit_phase", "load_connected", FLAG, M, "The household is supplied on one phase by one unit of a system.", over=UNIT_PHASE),
    row("inverter_unit_string", "voltage_volts", GAUGE, M, "Voltage of one solar generator of one unit of a system.", over=UNIT_STRING, low=0.0),
    row("inverter_unit_string", "current_amperes", GAUGE, M, "Current of one solar generator of one unit of a system.", over=UNIT_STRING, low=0.0),
    row("inverter_unit_string", "power_watts", GAUGE, M, "Power of one solar generator of one unit of a system.", over=UNIT_STRING, low=0.0),
    row("inverter_unit_string", "charger_code", CODE, M, "State of the charger of one solar generator of one unit of a system, as a code of the device family.", over=UNIT_STRING),
)

BATTERIES = (
    row("inverter_battery", "soc_percent", GAUGE, F, "State of charge of one battery tower.", over=BATTERY),
    row("inverter_battery", "voltage_volts", GAUGE, F, "Voltage of one battery tower.", over=BATTERY),
    row("inverter_battery", "current_amperes", GAUGE, F, "Current of one battery tower, sign as the device sends it.", over=BATTERY),
    row("inverter_battery", "temperature_celsius", GAUGE, M, "Temperature of one battery tower.", over=BATTERY),
    row("inverter_battery", "soh_percent", GAUGE, S, "State of health of one battery tower.", over=BATTERY),
    row("inverter_battery", "cycles_total", TOTAL, S, "Charge and discharge cycles.", over=BATTERY),
    row("inverter_battery", "power_watts", GAUGE, F, "Power of one battery tower by the power manager; positive discharges.", over=BATTERY, default=False),
    row("inverter_battery", "charge_watt_hours", GAUGE, F, "Energy held by one battery.", over=BATTERY, low=0.0, high=1e9),
    row("inverter_battery", "capacity_watt_hours", GAUGE, S, "Energy that one battery can hold by now.", over=BATTERY, low=0.0, high=1e9),
    row("inverter_battery", "capacity_nominal_watt_hours", GAUGE, X, "Energy that one battery could hold when it was new.", over=BATTERY, low=0.0, high=1e9),
    row("inverter_battery", "charged_watt_hours_total", TOTAL, S, "Energy that has flowed into one battery.", over=BATTERY),
    row("inverter_battery", "discharged_watt_hours_total", TOTAL, S, "Energy that has flowed out of one battery.", over=BATTERY),
    row("inverter_battery", "interval_charged_watt_hours", GAUGE, S, "Energy that has flowed into one battery in the time that a record covers.", over=BATTERY, low=0.0),
    row("inverter_battery", "interval_discharged_watt_hours", GAUGE, S, "Energy that has flowed out of one battery in the time that a record covers.", over=BATTERY, low=0.0),
    row("inverter_battery", "converter_voltage_volts", GAUGE, M, "Battery voltage at the converter.", over=BATTERY),
    row("inverter_battery", "converter_current_amperes", GAUGE, M, "Battery current at the converter.", over=BATTERY),
    row("inverter_battery", "adc_voltage_volts", GAUGE, F, "Battery voltage, raw reading of the inverter.", over=BATTERY, default=False),
    row("inverter_battery", "converter_filtered_volts", GAUGE, F, "Battery voltage at the converter, low-pass filtered.", over=BATTERY, default=False),
    row("inverter_battery", "converter_slow_amperes", GAUGE, F, "Battery current at the converter, slow filter.", over=BATTERY, default=False),
    row("inverter_battery", "soc_target_percent", GAUGE, M, "State of charge that the inverter aims at.", over=BATTERY),
    row("inverter_battery", "soc_target_high_percent", GAUGE, S, "Upper target for the state of charge.", over=BATTERY),
    row("inverter_battery", "soc_target_low_percent", GAUGE, S, "Lower target for the state of charge.", over=BATTERY),
    row("inverter_battery", "soc_update_age_raw", GAUGE, M, "Time since the state of charge was corrected; unit unknown.", over=BATTERY, default=False),
    row("inverter_battery", "soc_minimum_percent", GAUGE, S, "Least state of charge, setting.", over=BATTERY),
    row("inverter_battery", "soc_minimum_island_percent", GAUGE, S, "Least state of charge in island operation, setting.", over=BATTERY),
    row("inverter_battery", "soc_maximum_percent", GAUGE, S, "Highest state of charge, setting.", over=BATTERY),
    row("inverter_battery", "soc_strategy_code", CODE, S, "How the target state of charge is chosen, setting.", over=BATTERY),
    row("inverter_battery", "soc_target_set_percent", GAUGE, S, "Fixed target for the state of charge, setting.", over=BATTERY),
    row("inverter_battery", "soc_maintenance_percent", GAUGE, S, "State of charge below which maintenance charging starts, setting.", over=BATTERY),
    row("inverter_battery", "maintenance_charge_watts", GAUGE, S, "Power of maintenance charging, setting.", over=BATTERY),
    row("inverter_battery", "external_target_watts", GAUGE, M, "Battery power asked for from outside; positive discharges.", over=BATTERY),
    row("inverter_battery", "grid_charging_enabled", FLAG, S, "External energy may charge the battery, setting.", over=BATTERY),
    row("inverter_battery", "bat_status_word", WORD, F, "Battery status word (bat_status) as the device sends it.", over=BATTERY),
    row("inverter_battery", "status_word", WORD, M, "Battery status as the inverter sees it, as the device sends it.", over=BATTERY),
    row("inverter_battery", "status2_word", WORD, M, "Battery status as the battery management sees it, as the device sends it.", over=BATTERY),
    *(row("inverter_battery", f"{word}_{flag}", FLAG, poll, f"{meaning} (bit {bit} of the {word} word).", over=over)
      for word, poll, over in (("bat_status", F, BATTERY), ("status", M, BATTERY), ("status2", M, BATTERY))
      for flag, bit, meaning in (
          ("calibration_charge", 3, "Calibration at high voltage is running"),
          ("calibration_discharge", 10, "Calibration at low voltage is running"),
          ("balancing", 11, "Cells are being balanced"),
          ("error", 12, "The battery reports an error"),
          ("updating", 13, "The battery is being updated"))),
    row("inverter_battery", "state_code", CODE, F, "State of the battery, as a code of the device family; of RCT no list of the codes is known.", over=BATTERY),
    row("inverter_battery", "empty_full_word", WORD, M, "Bit 0: was empty, bit 1: was full.", over=BATTERY),
    row("inverter_battery", "impedance_raw", GAUGE, S, "Impedance of the battery circuit; unit unknown.", over=BATTERY),
    row("inverter_battery", "capacity_ampere_hours", GAUGE, S, "Capacity.", over=BATTERY),
    row("inverter_battery", "charge_ampere_hours", GAUGE, S, "Charge held, by the power manager.", over=BATTERY),
    row("inverter_battery", "measured_capacity_ampere_hours", GAUGE, S, "Capacity measured at the last calibration.", over=BATTERY),
    row("inverter_battery", "charged_ampere_hours_total", TOTAL, S, "Charge that has flowed into the battery.", over=BATTERY),
    row("inverter_battery", "discharged_ampere_hours_total", TOTAL, S, "Charge that has flowed out of the battery.", over=BATTERY),
    row("inverter_battery", "efficiency_percent", GAUGE, S, "Efficiency by the device's own reckoning.", over=BATTERY),
    row("inverter_battery", "round_trip_percent", GAUGE, S, "Energy taken out divided by energy put in, over the battery's life.", over=BATTERY,
        inputs=("inverter_energy{flow=battery_discharge}.watt_hours_total", "inverter_energy{flow=battery_charge}.watt_hours_total"), rule="quotient_percent"),
    row("inverter_battery", "charge_limit_amperes", GAUGE, M, "Highest charge current at present.", over=BATTERY),
    row("inverter_battery", "discharge_limit_amperes", GAUGE, M, "Highest discharge current at present.", over=BATTERY),
    row("inverter_battery", "charge_limit_volts", GAUGE, M, "Highest charge voltage at present.", over=BATTERY),
    row("inverter_battery", "discharge_limit_volts", GAUGE, M, "Lowest discharge voltage at present.", over=BATTERY),
    row("inverter_battery", "charge_setting_volts", GAUGE, X, "Highest charge voltage, setting.", over=BATTERY),
    row("inverter_battery", "discharge_setting_volts", GAUGE, X, "Lowest discharge voltage, setting.", over=BATTERY),
    row("inverter_battery", "next_calibration_seconds", TIME, S, "Time of the next calibration, Unix seconds.", over=BATTERY, low=0.0, high=_LATEST),
    row("inverter_battery", "calibration_interval_days", GAUGE, X, "Days between calibrations, setting.", over=BATTERY),
    row("inverter_battery", "calibration_advance_days", GAUGE, X, "Days before a calibration at which it is prepared, setting.", over=BATTERY),
    row("inverter_battery", "firmware_code", CODE, X, "Firmware version of the battery management.", over=BATTERY),
    row("inverter_battery", "power_firmware_code", CODE, X, "Firmware version of the battery's power unit.", over=BATTERY),
    row("inverter_battery", "cell_minimum_volts", GAUGE, M, "Voltage of the weakest cell.", over=BATTERY, low=0.0, high=10.0),
    row("inverter_battery", "cell_maximum_volts", GAUGE, M, "Voltage of the strongest cell.", over=BATTERY, low=0.0, high=10.0),
    row("inverter_battery", "cell_spread_volts", GAUGE, M, "Strongest minus weakest cell.", over=BATTERY, low=0.0, high=10.0,
        inputs=("inverter_battery.cell_minimum_volts", "inverter_battery.cell_maximum_volts"), rule="spread"),
    row("inverter_battery", "cell_minimum_celsius", GAUGE, M, "Temperature of the coldest cell.", over=BATTERY),
    row("inverter_battery", "cell_maximum_celsius", GAUGE, M, "Temperature of the warmest cell.", over=BATTERY),
    row("inverter_battery", "cell_spread_celsius", GAUGE, M, "Warmest minus coldest cell.", over=BATTERY, low=0.0,
        inputs=("inverter_battery.cell_minimum_celsius", "inverter_battery.cell_maximum_celsius"), rule="spread"),
    row("inverter_battery", "charge_amperes", GAUGE, F, "Current into the battery, 0 while it discharges.", over=BATTERY, low=0.0),
    row("inverter_battery", "discharge_amperes", GAUGE, F, "Current out of the battery, 0 while it charges.", over=BATTERY, low=0.0),
    row("inverter_battery", "solar_charge_amperes", GAUGE, F, "Current into the battery from the solar charger.", over=BATTERY, low=0.0),
    row("inverter_battery", "grid_charge_amperes", GAUGE, F, "Current into the battery from the grid.", over=BATTERY, low=0.0),
    row("inverter_battery", "grid_charge_watts", GAUGE, F, "Power into the battery from the grid.", over=BATTERY, low=0.0),
    row("inverter_battery", "negative_volts", GAUGE, F, "Voltage of the negative half of the battery.", over=BATTERY),
    row("inverter_battery", "charging", FLAG, F, "The battery is charged.", over=BATTERY),
    row("inverter_battery", "solar_charging", FLAG, F, "The sun charges the battery.", over=BATTERY),
    row("inverter_battery", "grid_charging", FLAG, F, "The grid charges the battery.", over=BATTERY),
    row("inverter_battery", "float_charging", FLAG, F, "The battery is full and kept so.", over=BATTERY),
    row("inverter_battery", "voltage_steady", FLAG, F, "The voltage stays the same while the battery is charged.", over=BATTERY),
    row("inverter_battery", "level_code", CODE, F, "State of the battery: 0 normal, 1 too low, 2 not connected.", over=BATTERY),
    row("inverter_battery", "direction_code", CODE, F, "Way of the power at the battery: 0 none, 1 charges, 2 discharges.", over=BATTERY),
    row("inverter_battery", "charge_stage_code", CODE, M, "Stage of charging: 10 none, 11 bulk, 12 absorb, 13 float.", over=BATTERY),
    row("inverter_battery", "absorb_remaining_seconds", GAUGE, M, "Time until absorbing ends.", over=BATTERY, low=0.0),
    row("inverter_battery", "float_remaining_seconds", GAUGE, M, "Time until floating ends.", over=BATTERY, low=0.0),
    row("inverter_battery", "charge_average_amperes", GAUGE, M, "Charge current, average.", over=BATTERY, low=0.0),
    row("inverter_battery", "solar_charger_ok", FLAG, M, "The solar charger is in order.", over=BATTERY),
    row("inverter_battery", "solar_charge_allowed", FLAG, M, "The solar charger may charge.", over=BATTERY),
    row("inverter_battery", "remaining_seconds", GAUGE, M, "Time that the battery lasts, by the device's own reckoning.", over=BATTERY, low=0.0),
    row("inverter_battery", "bms_connected", FLAG, M, "The battery management is connected.", over=BATTERY),
    row("inverter_battery", "bms_soc_percent", GAUGE, M, "State of charge by the battery management.", over=BATTERY),
    row("inverter_battery", "bms_volts", GAUGE, M, "Voltage by the battery management.", over=BATTERY, low=0.0),
    row("inverter_battery", "bms_charge_amperes", GAUGE, M, "Current into the battery by the battery management.", over=BATTERY, low=0.0),
    row("inverter_battery", "bms_discharge_amperes", GAUGE, M, "Current out of the battery by the battery management.", over=BATTERY, low=0.0),
    row("inverter_battery", "bms_fault_code", CODE, M, "Fault by the battery management, as a code of the device family; 0 is none.", over=BATTERY),
    row("inverter_battery", "bms_warning_code", CODE, M, "Warning by the battery management, as a code of the device family; 0 is none.", over=BATTERY),
    row("inverter_battery", "charge_forced", FLAG, M, "The battery management wants the battery charged.", over=BATTERY),
    row("inverter_battery", "charge_stopped", FLAG, M, "The battery management forbids charging.", over=BATTERY),
    row("inverter_battery", "discharge_stopped", FLAG, M, "The battery management forbids discharging.", over=BATTERY),
    row("inverter_battery", "float_limit_volts", GAUGE, M, "Voltage of a full battery by the battery management.", over=BATTERY),
    row("inverter_battery", "float_setting_volts", GAUGE, S, "Voltage that a full battery is kept at, setting.", over=BATTERY),
    row("inverter_battery", "alarm_setting_volts", GAUGE, S, "Voltage below which the inverter warns, setting.", over=BATTERY),
    row("inverter_battery", "recharge_setting_volts", GAUGE, S, "Voltage at which the household goes back to the grid, setting.", over=BATTERY),
    row("inverter_battery", "redischarge_setting_volts", GAUGE, S, "Voltage at which the household goes back to the battery, setting; 0 when it is full.", over=BATTERY),
    row("inverter_battery", "charge_setting_amperes", GAUGE, S, "Highest charge current, setting.", over=BATTERY, low=0.0),
    row("inverter_battery", "grid_charge_setting_amperes", GAUGE, S, "Highest charge current from the grid, setting.", over=BATTERY, low=0.0),
    row("inverter_battery", "discharge_setting_amperes", GAUGE, S, "Highest discharge current, setting; 0 for any.", over=BATTERY, low=0.0),
    row("inverter_battery", "absorb_setting_seconds", GAUGE, S, "Longest time at the highest charge voltage, setting; 0 for automatic.", over=BATTERY, low=0.0),
    row("inverter_battery", "equalizing", FLAG, S, "The battery is equalized.", over=BATTERY),
    row("inverter_battery", "equalization_enabled", FLAG, S, "The battery is equalized now and then.", over=BATTERY),
    row("inverter_battery", "equalization_elapsed_seconds", GAUGE, S, "Time since the battery was equalized.", over=BATTERY, low=0.0),
    row("inverter_battery", "equalization_setting_volts", GAUGE, S, "Voltage of equalization, setting.", over=BATTERY),
    row("inverter_battery", "equalization_setting_amperes", GAUGE, S, "Highest current of equalization, setting.", over=BATTERY, low=0.0),
    row("inverter_battery", "equalization_setting_seconds", GAUGE, S, "Duration of equalization, setting.", over=BATTERY, low=0.0),
    row("inverter_battery", "equalization_longest_seconds", GAUGE, S, "Longest duration of equalization, setting.", over=BATTERY, low=0.0),
    row("inverter_battery", "equalization_interval_days", GAUGE, S, "Days between equalizations, setting.", over=BATTERY),
)

OPTIMIZERS = (
    row("inverter_optimizer", "power_watts", GAUGE, F, "Power of the panel at one optimizer, computed from its voltage and current.", over=OPTIMIZER, low=0.0, high=5000.0),
    row("inverter_optimizer", "input_volts", GAUGE, F, "Voltage of the panel at one optimizer.", over=OPTIMIZER, low=0.0, high=250.0),
    row("inverter_optimizer", "input_amperes", GAUGE, F, "Current of the panel at one optimizer.", over=OPTIMIZER, low=0.0, high=50.0),
    row("inverter_optimizer", "output_volts", GAUGE, F, "Voltage that one optimizer adds to its string.", over=OPTIMIZER, low=0.0, high=250.0),
    row("inverter_optimizer", "energy_day_watt_hours", GAUGE, S, "Energy of the panel at one optimizer since it woke up.", over=OPTIMIZER, low=0.0, high=1e5),
    row("inverter_optimizer", "inner_celsius", GAUGE, M, "Temperature of one optimizer.", over=OPTIMIZER),
    row("inverter_optimizer", "uptime_seconds", GAUGE, S, "Time since one optimizer woke up; of most it starts again at 65536.", over=OPTIMIZER, low=0.0, high=1e9),
)

METERS = (
    row("inverter_meter", "to_watts", GAUGE, F, "Power that one meter counts towards what it is at: into the grid or the battery, or out of the generator.", over=METER),
    row("inverter_meter", "from_watts", GAUGE, F, "Power that one meter counts away from what it is at: from the grid or the battery, or into the household.", over=METER),
    row("inverter_meter", "interval_to_watt_hours", GAUGE, S, "Energy that one meter counted towards what it is at, in the time that a record covers.", over=METER, low=0.0),
    row("inverter_meter", "interval_from_watt_hours", GAUGE, S, "Energy that one meter counted away from what it is at, in the time that a record covers.", over=METER, low=0.0),
    row("inverter_meter", "interval_seconds", GAUGE, S, "Time that a record of one meter covers.", over=METER, low=0.0, high=1e9),
)

EVENTS = tuple(
    row("inverter_event", f"word_{n}", WORD, F, f"Word {n} of what the inverter tells of an event, counted from its time on.", over=EVENT)
    for n in range(2, 7)
)

#: Events of a family that tells what they mean. Each is of the second in which it began; where
#: several with one code began in the same, each is a millisecond after the one before.
CODED_EVENTS = (
    row("inverter_event", "occurred", FLAG, H, "Always 1: stands for the event where only numbers are kept.", over=EVENT_CODE),
    row("inverter_event", "text", TEXT, H, "What happened, in a sentence.", over=EVENT_CODE),
    row("inverter_event", "duration_seconds", GAUGE, H, "How long it lasted.", over=EVENT_CODE, low=0.0, high=1e9),
    row("inverter_event", "value", GAUGE, H, "What was measured when it began, in volts or hertz, or a code that goes with the event: the text tells.", over=EVENT_CODE),
    row("inverter_event", "object", TEXT, H, "Which parameter was changed, by its name in the device.", over=EVENT_CODE),
    row("inverter_event", "old", TEXT, H, "What the parameter was before, or the version before an update.", over=EVENT_CODE),
    row("inverter_event", "new", TEXT, H, "What the parameter was set to, or the version after an update.", over=EVENT_CODE),
)

#: Of the past, as the unit itself has kept it: means of five minutes, sums of longer times.
HISTORY = (
    *(row("inverter_history", f"{flow}_watts", GAUGE, H, f"{title}, mean of five minutes.", over=FIVE_MINUTES, low=low)
      for flow, title, low in (
          ("pv_a", "Power of the first solar generator", -100.0),
          ("pv_b", "Power of the second solar generator", -100.0),
          ("output", "Active power at the AC side of the inverter", None),
          *((f"output_{phase}", f"Active power of phase {phase[1]} at the AC side of the inverter", None) for phase in ("l1", "l2", "l3")),
          ("battery", "Power of all batteries together, positive when they discharge", None),
          ("external", "Power of an external generator", None),
          ("grid_export", "Power fed into the grid", -100.0),
          ("grid_import", "Power drawn from the grid", -100.0),
          ("load", "Power that the household used", None))),
    row("inverter_history", "soc_percent", GAUGE, H, "State of charge of the battery.", over=FIVE_MINUTES),
    row("inverter_history", "soc_target_percent", GAUGE, H, "State of charge that the inverter aimed at.", over=FIVE_MINUTES),
    row("inverter_history", "heatsink_celsius", GAUGE, H, "Temperature of the heat sink.", over=FIVE_MINUTES),
    row("inverter_history", "battery_heatsink_celsius", GAUGE, H, "Temperature of the heat sink of the battery converter.", over=FIVE_MINUTES),
    row("inverter_history", "battery_celsius", GAUGE, H, "Temperature of the battery.", over=FIVE_MINUTES),
    row("inverter_history", "pv_a_volts", GAUGE, H, "Voltage of the first solar generator.", over=FIVE_MINUTES),
    row("inverter_history", "pv_b_volts", GAUGE, H, "Voltage of the second solar generator.", over=FIVE_MINUTES),
    row("inverter_history", "battery_volts", GAUGE, H, "Voltage of the battery.", over=FIVE_MINUTES),
    *(row("inverter_history", f"grid_{phase}_volts", GAUGE, H, f"Voltage of phase {phase[1]} of the grid.", over=FIVE_MINUTES)
      for phase in ("l1", "l2", "l3")),
    *(row("inverter_history", f"{flow}_watt_hours", GAUGE, H, f"Energy {title} in one day, month or year; its time is when that began.", over=PERIODS, low=low)
      for flow, title, low in (
          ("pv_a", "of the first solar generator", _NOISE),
          ("pv_b", "of the second solar generator", _NOISE),
          ("output", "that the inverter gave at its AC side", None),
          ("external", "of an external generator", None),
          ("grid_export", "fed into the grid", _NOISE),
          ("grid_import", "drawn from the grid", _NOISE),
          ("load", "that the household used", None))),
    row("inverter_history", "unnamed_raw", GAUGE, H, "A number that the unit keeps of each year; nobody knows what it means.", over=YEARS, default=False),
)

_CELL_VOLTS = ("inverter_battery_cell.voltage_volts",)
_CELL_CELSIUS = ("inverter_battery_cell.temperature_celsius",)
_CELL_OHMS = ("inverter_battery_cell.resistance_ohms",)

MODULES = (
    row("inverter_battery_module", "cycles_total", TOTAL, S, "Cycles of one battery module.", over=MODULE),
    row("inverter_battery_module", "firmware_code", CODE, X, "Firmware version of one battery module.", over=MODULE),
    *(row("inverter_battery_module", f"cell_{which}_{unit}", GAUGE, poll, f"{title} of the cells of one module.", over=MODULE, low=low, inputs=inputs, rule=rule)
      for inputs, unit, poll, low, names in (
          (_CELL_VOLTS, "volts", M, 0.0, ("Lowest voltage", "Highest voltage", "Highest minus lowest voltage")),
          (_CELL_CELSIUS, "celsius", M, None, ("Lowest temperature", "Highest temperature", "Highest minus lowest temperature")),
          (_CELL_OHMS, "ohms", S, 0.0, ("Lowest resistance", "Highest resistance", "Highest minus lowest resistance")))
      for (which, rule), title in zip((("minimum", "minimum"), ("maximum", "maximum"), ("spread", "spread")), names, strict=True)),
    *(row("inverter_battery_module", f"{which}_{quantity}_cell", CODE, poll, f"Number of the cell with the {title}.", over=MODULE, inputs=inputs, rule=f"index_of_{which}")
      for inputs, quantity, poll, lowest, highest in (
          (_CELL_VOLTS, "voltage", M, "lowest voltage", "highest voltage"),
          (_CELL_CELSIUS, "temperature", M, "lowest temperature", "highest temperature"),
          (_CELL_OHMS, "resistance", S, "lowest resistance", "highest resistance"))
      for which, title in (("minimum", lowest), ("maximum", highest))),
    *(item
      for key, word, title, unit in (
          ("voltage_minimum", "lowest voltage", "Lowest voltage", "volts"),
          ("voltage_maximum", "highest voltage", "Highest voltage", "volts"),
          ("temperature_minimum", "lowest temperature", "Lowest temperature", "celsius"),
          ("temperature_maximum", "highest temperature", "Highest temperature", "celsius"))
      for item in (
          row("inverter_battery_module", f"life_{key}_{unit}", GAUGE, S, f"{title} that a cell of the module ever had.", over=MODULE),
          row("inverter_battery_module", f"life_{key}_cell", CODE, S, f"Number of the cell that had the {word} ever.", over=MODULE),
          row("inverter_battery_module", f"life_{key}_time_seconds", TIME, S, f"When a cell had the {word} ever, Unix seconds.", over=MODULE, low=1.0, high=_LATEST))),
    row("inverter_battery_cell", "voltage_volts", GAUGE, M, "Voltage of one cell.", over=CELL, option="cells", low=0.001, high=10.0),
    row("inverter_battery_cell", "temperature_celsius", GAUGE, M, "Temperature of one cell.", over=CELL, option="cells"),
    row("inverter_battery_cell", "resistance_ohms", GAUGE, S, "Resistance of one cell.", over=CELL, option="cells", low=1e-6, high=10.0),
)

#: Flows that run one way only, so that their sums are counters …
_COUNTED_FLOWS: Dimensions = (("flow", ("load", "grid_import", "grid_export", "battery_charge", "battery_discharge")),)
#: … and those that may turn round.
_BALANCED_FLOWS: Dimensions = (("flow", ("output", "external")),)
_PERIOD_FLOWS: Dimensions = (("flow", ("output", "load", "grid_import", "grid_export", "external")),)
_PV: Dimensions = (("flow", ("pv",)),)

ENERGY = (
    row("inverter_energy", "watt_hours_total", TOTAL, S, "Energy of one flow since commissioning.", over=_COUNTED_FLOWS),
    row("inverter_energy", "watt_hours_total", TOTAL, S, "Energy that the inverter has given since commissioning, where it takes none.", over=(("flow", ("output",)),)),
    row("inverter_energy", "interval_watt_hours", GAUGE, S, "Energy that the inverter has given in the time that a record covers.", over=(("flow", ("output",)),)),
    row("inverter_energy", "balance_watt_hours", GAUGE, S, "Energy out minus energy in since commissioning; falls while the inverter charges from the grid or stands by.", over=_BALANCED_FLOWS),
    row("inverter_energy", "day_watt_hours", GAUGE, S, "Energy of one flow today, by the device's clock.", over=_PERIOD_FLOWS),
    row("inverter_energy", "month_watt_hours", GAUGE, S, "Energy of one flow this month, by the device's clock.", over=_PERIOD_FLOWS),
    row("inverter_energy", "year_watt_hours", GAUGE, S, "Energy of one flow this year, by the device's clock.", over=_PERIOD_FLOWS),
    row("inverter_energy", "watt_hours_total", TOTAL, S, "Energy of all solar generators since commissioning.", over=_PV,
        inputs=("inverter_string.energy_watt_hours_total",), rule="total"),
    row("inverter_energy", "day_watt_hours", GAUGE, S, "Energy of all solar generators today.", over=_PV, low=_NOISE,
        inputs=("inverter_string.energy_day_watt_hours",), rule="total"),
    row("inverter_energy", "month_watt_hours", GAUGE, S, "Energy of all solar generators this month.", over=_PV, low=_NOISE,
        inputs=("inverter_string.energy_month_watt_hours",), rule="total"),
    row("inverter_energy", "year_watt_hours", GAUGE, S, "Energy of all solar generators this year.", over=_PV, low=_NOISE,
        inputs=("inverter_string.energy_year_watt_hours",), rule="total"),
)


def _text(field: str, description: str, over: Dimensions = ()) -> Metric:
    return row("inverter", field, TEXT, X, description, over=over)


INFO = (
    row("inverter", "info", FLAG, X, "Always 1: carries the texts of the unit on one line.", inputs=("inverter.serial",), rule="present"),
    _text("model", "Name that the device gives itself, by default its model and the end of the serial number."),
    _text("serial", "Serial number."),
    _text("unit_name", "Name that the configuration gives the unit."),
    _text("firmware", "Version of the control software."),
    _text("firmware_factory", "Version of the control software when it left the factory."),
    _text("firmware_last_known", "Version of the control software before the last update."),
    _text("firmware_second", "Version of a second processor, or of the solar charger."),
    _text("firmware_third", "Version of a third processor."),
    _text("firmware_panel", "Version of the display, or of a second solar charger."),
    _text("firmware_bluetooth", "Version of the radio."),
    _text("protocol", "Protocol that the device speaks."),
    _text("model_number", "Number of the model in the list of its maker."),
    _text("parameter_file", "Grid code (norm) that the device is set to."),
    _text("ip_address", "Network address that the device believes to have."),
    _text("battery_0_serial", "Serial number of the battery management."),
    _text("battery_0_program_serial", "Second serial number of the battery management."),
    _text("battery_1_serial", "Serial number of the battery management of the second tower."),
    *(_text(f"battery_{b}_module_{n}_serial", f"Serial number of module {n} of battery tower {b}.") for b in range(2) for n in range(7)),
    _text("optimizer_name", "Name that the configuration gives one optimizer.", OPTIMIZER),
    *(_text(f"unit_{n}_serial", f"Serial number of unit {n} of a system.") for n in range(10)),
)


def _own(field: str, kind: Kind, description: str, **more: float) -> Metric:
    return row("inverter_collector", field, kind, F, description, own=True, low=more.get("low"))


COLLECTOR = (
    _own("up", FLAG, "The round brought at least one answer."),
    _own("polls_total", TOTAL, "Rounds begun."),
    _own("poll_errors_total", TOTAL, "Rounds without any answer."),
    _own("poll_seconds", GAUGE, "Duration of the round."),
    _own("answers_total", TOTAL, "Valid answers taken as samples."),
    _own("requests_total", TOTAL, "Requests sent, repeats included."),
    _own("retries_total", TOTAL, "Requests repeated because no valid answer came in time."),
    _own("timeouts_total", TOTAL, "Requests that no valid answer met in time."),
    _own("errors_total", TOTAL, "Frames and answers that could not be used, all kinds together."),
    _own("reconnects_total", TOTAL, "Connections made after the first one."),
    _own("ticks_missed_total", TOTAL, "Rounds that were due and did not take place."),
    _own("samples_dropped_total", TOTAL, "Samples that were read and could not be handed over."),
    _own("implausible_total", TOTAL, "Values outside their physical range, not numbers, or totals that fell or leapt and were read again."),
    _own("answer_latency_seconds", GAUGE, "Mean time from request to answer in the round."),
    _own("sample_age_seconds", GAUGE, "Age of the oldest sample of the round when it was handed over."),
    _own("muted_objects", COUNT, "Objects that the device does not answer, asked again now and then."),
    _own("request_gap_seconds", GAUGE, "Least time between two requests at present; longer than configured while answers get lost."),
    _own("received_bytes_total", TOTAL, "Bytes received."),
    _own("sent_bytes_total", TOTAL, "Bytes sent."),
    _own("units", COUNT, "Units that are up, of a device that takes many."),
    _own("callers", COUNT, "Connections that units have made to a device that takes many."),
    _own("units_replaced_total", TOTAL, "Units that were forgotten in favour of others, since there were too many; none was up."),
    _own("callers_rejected_total", TOTAL, "Connections that were refused or hung up on, since nothing came over them that means anything, or there were too many."),
    _own("settings_sent_total", TOTAL, "Settings sent to the device, of one whose settings may be written."),
    _own("settings_applied_total", TOTAL, "Settings that show in the device as they were wanted, whether anything was sent or not."),
    _own("settings_refused_total", TOTAL, "Settings that a rule, or the device, has refused."),
    _own("settings_unconfirmed_total", TOTAL, "Settings that were sent and did not show in time."),
    row("inverter_collector_errors", "frames_total", TOTAL, F,
        "Frames by what was wrong or special: crc, length, command, decode; foreign answers, noise, echoes of requests, writes by the device, plant traffic.",
        over=ERROR_KIND, own=True),
)
# fmt: on

#: The catalogue, in the order in which people see it.
ROWS: tuple[Metric, ...] = (
    *POWER,
    *STRINGS,
    *AC,
    *BATTERIES,
    *MODULES,
    *OPTIMIZERS,
    *METERS,
    *ENERGY,
    *STATUS,
    *EVENTS,
    *CODED_EVENTS,
    *HISTORY,
    *LIMITS,
    *SETTINGS,
    *UNITS,
    *INFO,
    *COLLECTOR,
)
