"""The commands of PI16, also called P15: grid-tied units (SUNNY). Read only, tried on vectors only.

Sources: a paper of the community (2015); answers that users of other collectors have posted. What
a unit has not, it fills with dashes.
"""

from __future__ import annotations

from rct_collector.drivers.voltronic.command import (
    DIGITS,
    VERSION,
    Command,
    Field,
    Fields,
    Parts,
    Wording,
    code,
    decimal,
    firmware,
    integer,
    moment,
    short_serial,
    text,
)
from rct_collector.drivers.voltronic.feeds import as_number, ask, ask_energy, to
from rct_collector.drivers.voltronic.texts import mode_word, state_code

DIALECT = "pi16"

_QPIGS = Fields(
    decimal("grid_voltage"),
    Field("", r"\d{6}", lambda word: _grid_power(word), certain=True),
    decimal("grid_frequency"),
    decimal("grid_current"),
    decimal("output_voltage"),
    integer("output_active_power"),
    decimal("output_frequency"),
    decimal("output_current"),
    integer("output_load_percent"),
    decimal("pbus_voltage"),
    decimal("sbus_voltage"),
    decimal("battery_voltage"),
    decimal("battery_negative_voltage"),
    integer("battery_capacity"),
    integer("pv1_power"),
    integer("pv2_power"),
    integer("pv3_power"),
    decimal("pv1_voltage"),
    decimal("pv2_voltage"),
    decimal("pv3_voltage"),
    decimal("max_temperature"),
    text("status_raw", r"[A-Z][A-Z0-9-]{9}", certain=True),
)


def _grid_power(word: str) -> Parts:
    """Its first digit seems to be a direction, which no paper explains: then it is kept raw."""
    return {"grid_power_w": int(word)} if word[0] == "0" else {"grid_power_raw": word}


_QPIRI = Fields(
    decimal("grid_rating_voltage"),
    decimal("grid_rating_frequency"),
    decimal("grid_rating_current"),
    decimal("output_rating_voltage"),
    decimal("output_rating_current"),
    decimal("mppt_rating_current"),
    decimal("battery_rating_voltage", certain=True),
    integer("mppt_strings"),
    text("machine_type_code", r"\d\d", certain=True),
    code("topology_code"),
)

_BATTERY = Fields(
    text("battery_raw", r"\d+"),
    integer("batteries"),
    integer("battery_capacity_ah"),
    text("battery_raw_2", r"\d+"),
    integer("battery_remaining_min"),
    extras=False,
)


# -- what it feeds -----------------------------------------------------------------------------

_STATUS_FEEDS = (
    to("inverter_grid.voltage_volts", "grid_voltage", phase="l1"),
    to("inverter_grid.frequency_hertz", "grid_frequency"),
    to("inverter_grid.current_amperes", "grid_current", phase="l1"),
    to("inverter_output.voltage_volts", "output_voltage", phase="l1"),
    to("inverter_output.frequency_hertz", "output_frequency"),
    to("inverter_power.load_watts", "output_active_power"),
    to("inverter_load.current_amperes", "output_current", phase="l1"),
    to("inverter_power.load_ratio", "output_load_percent", scale=0.01),
    to("inverter_dc_link.positive_volts", "pbus_voltage"),
    to("inverter_dc_link.negative_volts", "sbus_voltage"),
    to("inverter_battery.voltage_volts", "battery_voltage", battery="0"),
    to("inverter_battery.negative_volts", "battery_negative_voltage", battery="0"),
    to("inverter_battery.soc_percent", "battery_capacity", battery="0"),
    *(
        to(f"inverter_string.{field}", f"pv{number}_{part}", string=string)
        for number, string in ((1, "a"), (2, "b"), (3, "c"))
        for field, part in (("power_watts", "power"), ("voltage_volts", "voltage"))
    ),
    to("inverter_temperature.celsius", "max_temperature", sensor="hottest"),
)

_RATING_FEEDS = (
    to("inverter_rating.grid_volts", "grid_rating_voltage"),
    to("inverter_rating.grid_hertz", "grid_rating_frequency"),
    to("inverter_rating.grid_amperes", "grid_rating_current"),
    to("inverter_rating.output_volts", "output_rating_voltage"),
    to("inverter_rating.output_amperes", "output_rating_current"),
    to("inverter_rating.string_amperes", "mppt_rating_current"),
    to("inverter_rating.battery_volts", "battery_rating_voltage"),
    to("inverter_rating.strings", "mppt_strings"),
    to("inverter_rating.machine_code", "machine_type_code", take=as_number("machine_type_code")),
    to("inverter_rating.topology_code", "topology_code"),
)


# -- the commands ------------------------------------------------------------------------------

#: In the order of asking: no two in a row whose answers look alike.
COMMANDS: tuple[Command, ...] = (
    ask(DIALECT, "QPIGS", _QPIGS, 135, *_STATUS_FEEDS),
    ask(DIALECT, "QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5,
        to("inverter_status.state_code", "mode", take=state_code)),
    ask(DIALECT, "QPIRI", _QPIRI, 55, *_RATING_FEEDS),
    ask_energy(DIALECT, "QED", "day", reply_bytes=12),
    ask(DIALECT, "QPIBI", _BATTERY, 25,
        to("inverter_rating.battery_units", "batteries"),
        to("inverter_battery.capacity_ampere_hours", "battery_capacity_ah", battery="0"),
        to("inverter_battery.remaining_seconds", "battery_remaining_min", battery="0", scale=60)),
    ask_energy(DIALECT, "QEM", "month", reply_bytes=12),
    ask(DIALECT, "QT", moment("device_time"), 18,
        to("inverter_clock.time_seconds", "device_time"), shape=DIGITS),
    ask_energy(DIALECT, "QEY", "year", reply_bytes=12),
    ask(DIALECT, "QID", short_serial, 18, to("inverter.serial", "serial_number"), shape=DIGITS,
        tells=lambda parts: str(parts["serial_number"])),
    ask(DIALECT, "QVFW", firmware("main_firmware"), 18, to("inverter.firmware", "main_firmware"),
        shape=VERSION),
    ask(DIALECT, "QVFW2", firmware("slave_firmware", "VERFW2: ?"), 19,
        to("inverter.firmware_second", "slave_firmware"), shape=VERSION),
    ask(DIALECT, "QPI", Wording("(?P<protocol_id>PI16)"), 8),
)  # fmt: skip
