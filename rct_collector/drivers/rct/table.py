"""Where an RCT Power unit keeps each metric: object, id, wire type, scale and presence.

Reading a row: object (``[0..2]`` stands for three objects), ids in the order of the index, wire
type, condition, then the metric it feeds. A tag that is not named is counted through with the
index. ``scale`` is the factor from the wire to the published value; -100 % = ratio turned
round. Second halves of names (``_lp``) are the unit's low-pass filtered twins. ``counts_up`` says
how it is known that the unit only ever counts an object up; without it no row may feed a total.

Sources: rctclient's registry for objects, ids and types (a test compares every row); signs from
recorded answers: feed-in totals are negative on the wire, ``p_ac_grid_sum_lp`` > 0 imports and
``p_acc_lp`` > 0 discharges. The registry takes the cells of the second tower for texts; they are
read with the layout of the first tower, which nobody has verified on hardware.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from sys import intern
from typing import Any, NamedTuple

from rctclient.types import DataType

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Binding, Query
from rct_collector.drivers.rct import wire
from rct_collector.model import Kind, Metric, PollClass, Series

BOOL, UINT8, UINT16, UINT32 = DataType.BOOL, DataType.UINT8, DataType.UINT16, DataType.UINT32
INT16, INT32, ENUM, FLOAT = DataType.INT16, DataType.INT32, DataType.ENUM, DataType.FLOAT
STRING, EVENTS, SERIES = DataType.STRING, DataType.EVENT_TABLE, DataType.TIMESERIES
STATUS = DataType.BATTERY_MODULE_STATUS
RESIST = DataType.BATTERY_MODULE_RESISTANCE
STATS = DataType.BATTERY_MODULE_STATISTICS


#: Components that a unit may have, in the order of the index.
KNOWN = {
    "string": ("a", "b"),
    "battery": ("0", "1"),
    "module": tuple(map(str, range(7))),
    "cell": tuple(map(str, range(24))),
    "fault": tuple(map(str, range(128))),
}

#: Computed series whose inputs do not say of which component they are: the catalogue cannot find
#: them by itself, and has them because they are made here.
COMPUTED = (catalog().series("inverter_battery.round_trip_percent", battery="0"),)


class LoggerPlace(NamedTuple):
    """Where in the logger a question stands, and how it came to that.

    Attributes:
        before: The unit's wall clock as if it were UTC, seconds: what is older is asked for.
        misses: Questions in a row before this one that brought nothing.
        found: Events that the same question has brought before.
    """

    before: int
    misses: int = 0
    found: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class RctObject(Query):
    """One object of the unit.

    Attributes:
        oid: Object id, 32 bits.
        type: Wire type of its answer.
        logger: Queried with a time (WRITE) instead of read.
    """

    oid: int = 0
    type: DataType = DataType.UNKNOWN
    logger: bool = False

    @property
    def label(self) -> str:
        """Name and id, as messages show it."""
        return f"{self.name} (0x{self.oid:08X})"

    def origin(self, binding: Binding | None = None) -> dict[str, Any]:
        """Where a series is found: an object is one value, without parts."""
        return {
            "object": self.name,
            "oid": f"{self.oid:08X}",
            "scale": binding.scale if binding else 1,
            "condition": self.condition,
        }

    def could_say(self, value: object) -> bool:
        """Whether a value can be an answer to it; None stands for none."""
        return value is None or wire.is_possible(self.type, value)

    def is_answer(self, argument: Any, value: Any) -> bool:
        """Whether an answer is ours: what the logger says begins with the time it was asked for."""
        return not isinstance(argument, LoggerPlace) or bool(value[0] == argument.before)


class Target(NamedTuple):
    """Which metric a row feeds, and how.

    Attributes:
        metric: Its name.
        part: Part of the answer.
        scale: Factor from the wire to the published value.
        tags: Tags that are not counted through.
        counts_up: Of a total: how it is known that the unit never counts it down.
    """

    metric: str
    part: str
    scale: float
    tags: dict[str, str]
    counts_up: str


class Row(NamedTuple):
    """One row of the table, before the index is counted through."""

    names: tuple[str, ...]
    oids: tuple[int, ...]
    type: DataType
    conditions: tuple[str, ...]
    targets: tuple[Target, ...]


def to(
    metric: str, *, part: str = "", scale: float = 1, counts_up: str = "", **tags: str
) -> Target:
    """Name the metric that an object feeds."""
    return Target(metric, part, scale, tags, counts_up)


def obj(pattern: str, oids: str, kind: DataType, condition: str, *targets: Target) -> Row:
    """Make one row; ``{i}`` in the condition is the index, ``{ab}`` the generator's letter."""
    match = re.search(r"\[(\d)\.\.(\d)\]", pattern)
    indices = range(int(match[1]), int(match[2]) + 1) if match else range(1)
    names = tuple(pattern.replace(match[0], f"[{i}]") if match else pattern for i in indices)
    ids = tuple(int(text, 16) for text in oids.split())
    if len(ids) != len(names):
        raise ValueError(f"{pattern}: {len(names)} objects, but {len(ids)} ids")
    conditions = tuple(intern(condition.format(i=i, ab="AB"[i] if i < 2 else "")) for i in indices)
    return Row(names, ids, kind, conditions, targets)


def _bits(word: str, battery: str) -> tuple[Target, ...]:
    """The word itself and the flags of a battery status word."""
    flags = {
        "calibration_charge": 3,
        "calibration_discharge": 10,
        "balancing": 11,
        "error": 12,
        "updating": 13,
    }
    return (
        to(f"inverter_battery.{word}_word", battery=battery),
        *(
            to(f"inverter_battery.{word}_{flag}", part=f"bit {bit}", battery=battery)
            for flag, bit in flags.items()
        ),
    )


def _statistics(battery: str) -> tuple[Target, ...]:
    """The four entries of a module's statistics."""
    entries = (
        ("u_min", "voltage_minimum", "volts"),
        ("u_max", "voltage_maximum", "volts"),
        ("t_min", "temperature_minimum", "celsius"),
        ("t_max", "temperature_maximum", "celsius"),
    )
    return tuple(
        to(f"inverter_battery_module.life_{key}_{field}", part=f"{entry} {part}", battery=battery)
        for entry, key, unit in entries
        for field, part in ((unit, "value"), ("cell", "cell"), ("time_seconds", "time"))
    )


def _fault(word: int) -> tuple[Target, ...]:
    """The word itself and its 32 flags, numbered through all four words."""
    return (
        to(f"inverter_status.fault_word_{word}"),
        *(
            to("inverter_fault.active", part=f"bit {bit}", fault=str(32 * word + bit))
            for bit in range(32)
        ),
    )


def _energy(
    flow: str, oids: str, condition: str, scale: float = 1, counts_up: str = ""
) -> tuple[Row, ...]:
    """Day, month and year of one flow, and its total, or its balance where it runs both ways."""
    periods = ("day", "month", "year", "total")
    whole = "watt_hours_total" if counts_up else "balance_watt_hours"
    fields = ("day_watt_hours", "month_watt_hours", "year_watt_hours", whole)
    names = {"output": "ac", "grid_export": "grid_feed", "grid_import": "grid_load"}
    stem = names.get(flow, {"external": "ext"}.get(flow, flow))
    return tuple(
        obj(f"energy.e_{stem}_{period}", oid, FLOAT, condition,
            to(f"inverter_energy.{field}", flow=flow, scale=scale, counts_up=counts))
        for period, field, oid, counts in zip(
            periods, fields, oids.split(), ("", "", "", counts_up), strict=True)
    )  # fmt: skip


#: How it is known that the unit only counts up, see ``counts_up``. The balances are those of which
#: it is not: users of Home Assistant's integration saw day, month, year and total of ``e_ac`` run
#: back and below zero (its issue 258), since the AC side takes what charges the battery and what
#: the inverter uses at night; the S0 input can be set to count both ways (``s0_direction``).
_METER = "Import and feed-in have a register each; users of other collectors read both as counters."
_LOAD = "The household only uses energy; nobody has reported that the sum fell."
_INTO = (
    "Charge and discharge have a register each; users of other collectors read both as counters."
)
_SUN = "The converter of a generator conducts one way; Home Assistant's integration counts it up."
_CYCLES = "The battery management counts cycles, and a cycle cannot be undone."
_FLASH = "Each write to the parameter memory wears it, which is what is counted."

# fmt: off
# ruff: noqa: E501 - one object is one line, so that a table can be read as a table
IDENTITY = (
    obj("android_description", "EBC62737", STRING, "always", to("inverter.model")),
    obj("inverter_sn", "7924ABD9", STRING, "always", to("inverter.serial")),
    obj("svnversion", "DDD1C2D0", STRING, "always", to("inverter.firmware")),
    obj("parameter_file", "68BC034D", STRING, "always", to("inverter.parameter_file")),
    obj("svnversion_factory", "BF9B6042", STRING, "always", to("inverter.firmware_factory")),
    obj("svnversion_last_known", "929394B7", STRING, "always", to("inverter.firmware_last_known")),
    obj("db.power_board.version_main", "7DA7D8B6", UINT32, "always", to("inverter_firmware.power_board_code")),
    obj("db.power_board.version_boot", "6279F2A3", UINT32, "always", to("inverter_firmware.power_board_boot_code")),
    obj("power_mng.force_inv_class", "C7459513", ENUM, "always", to("inverter_settings.inverter_class_code")),
    obj("flash_rtc.time_stamp", "D166D94D", UINT32, "always", to("inverter_clock.time_seconds", part="time")),
    obj("flash_rtc.time_stamp_update", "DD90A328", UINT32, "always", to("inverter_clock.update_time_seconds", part="time")),
    obj("flash_rtc.time_stamp_factory", "7301A5A7", UINT32, "always", to("inverter_clock.production_time_seconds", part="time")),
    obj("flash_rtc.rtc_mcc_quartz_ppm_difference", "4E0C56F2", FLOAT, "always", to("inverter_clock.quartz_difference_ppm")),
    obj("flash_param.write_cycles", "46892579", UINT32, "always", to("inverter_status.flash_write_cycles_total", counts_up=_FLASH)),
    obj("flash_param.erase_cycles", "96E32D11", UINT32, "always", to("inverter_status.flash_erase_cycles_total", counts_up=_FLASH)),
    obj("wifi.ip", "06E03755", STRING, "always", to("inverter.ip_address")),
    obj("wifi.sockb_protocol", "0BA16A10", ENUM, "always", to("inverter_settings.network_role_code")),
    obj("wifi.use_ethernet", "B7C85C51", BOOL, "always", to("inverter_settings.network_ethernet")),
    obj("net.n_slaves", "BFFF3CAD", UINT8, "always", to("inverter_plant.slaves")),
    obj("net.n_devices", "DB62DCB7", UINT8, "always", to("inverter_plant.devices")),
    obj("net.slave_p_total", "67C0A2F5", FLOAT, "plant", to("inverter_plant.slave_power_watts")),
    obj("net.soc_av", "D3085D80", FLOAT, "plant", to("inverter_plant.soc_percent", scale=100)),
)

#: The objects of one power-flow snapshot, asked back to back so that the balance adds up.
FLOW = (
    obj("dc_conv.dc_conv_struct[0..1].p_dc_lp", "DB11855B 0CB5D21B", FLOAT, "gen{ab}", to("inverter_string.power_watts")),
    obj("g_sync.p_acc_lp", "400F015B", FLOAT, "bat", to("inverter_power.battery_watts")),
    obj("g_sync.p_ac_grid_sum_lp", "91617C58", FLOAT, "always", to("inverter_power.grid_watts")),
    obj("g_sync.p_ac_load_sum_lp", "1AC87AA0", FLOAT, "always", to("inverter_power.load_watts")),
    obj("g_sync.p_ac_sum", "4E49AEC5", FLOAT, "always", to("inverter_power.output_watts")),
    obj("io_board.s0_external_power", "E96F1844", FLOAT, "s0", to("inverter_power.external_watts")),
)

STATE = (
    obj("prim_sm.state", "5F33284E", ENUM, "always", to("inverter_status.state_code")),
    obj("prim_sm.island_flag", "3623D82A", UINT16, "always", to("inverter_status.island_word"), to("inverter_status.grid_separated", part="bit 0")),
    obj("power_mng.is_heiphoss", "5B10CE81", UINT8, "always", to("inverter_settings.heiphoss_code")),
    obj("prim_sm.island_retrials", "C4D87E96", UINT16, "always", to("inverter_status.island_retries")),
    obj("prim_sm.state_source", "C40D5688", UINT32, "always", to("inverter_status.state_source_code")),
    obj("prim_sm.phase_3_mode", "CF005C54", BOOL, "always", to("inverter_settings.three_phase_mode")),
    obj("db.temp1", "F79D41D9", FLOAT, "always", to("inverter_temperature.celsius", sensor="heatsink")),
    obj("db.temp2", "4F735D10", FLOAT, "always", to("inverter_temperature.celsius", sensor="battery_heatsink")),
    obj("db.core_temp", "C24E85D0", FLOAT, "always", to("inverter_temperature.celsius", sensor="core")),
    obj("temperature.sink_temp_power_reduction", "90B53336", FLOAT, "always", to("inverter_settings.heatsink_derating_celsius")),
    obj("temperature.bat_temp_power_reduction", "A7447FC4", FLOAT, "always", to("inverter_settings.battery_heatsink_derating_celsius")),
    obj("iso_struct.Riso", "C717D1FB", FLOAT, "always", to("inverter_status.insulation_ohms")),
    obj("iso_struct.Rp", "8E41FC47", FLOAT, "always", to("inverter_status.insulation_positive_ohms")),
    obj("iso_struct.Rn", "474F80D5", FLOAT, "always", to("inverter_status.insulation_negative_ohms")),
    obj("iso_struct.r_min", "777DC0EB", FLOAT, "always", to("inverter_settings.insulation_minimum_ohms")),
    obj("g_sync.u_zk_sum_avg", "8A18539B", FLOAT, "always", to("inverter_dc_link.voltage_volts")),
    obj("g_sync.u_zk_p_avg", "C198B25B", FLOAT, "always", to("inverter_dc_link.positive_volts")),
    obj("g_sync.u_zk_n_avg", "0A04CA7F", FLOAT, "always", to("inverter_dc_link.negative_volts")),
    obj("db.power_board.status", "B0307591", UINT16, "always", to("inverter_status.power_board_word")),
    obj("db.power_board.relays_state", "3EFEB931", UINT16, "always", to("inverter_status.relays_word")),
    obj("db.power_board.Current_AC_RMS", "B69171C4", FLOAT, "always", to("inverter_status.power_board_current_rms_raw")),
    obj("db.power_board.Current_Mean", "16AF2A92", FLOAT, "always", to("inverter_status.power_board_current_mean_raw")),
    obj("inv_struct.cosinus_phi", "3C24F3E8", FLOAT, "always", to("inverter_power.output_power_factor_ratio")),
    obj("nsm.p_limit", "F2405AC6", FLOAT, "always", to("inverter_limit.grid_watts")),
    obj("buf_v_control.power_reduction", "FE1AA500", FLOAT, "always", to("inverter_limit.reduction_percent", scale=100)),
    obj("buf_v_control.power_reduction_max_solar", "4BC0F974", FLOAT, "always", to("inverter_settings.generator_peak_watts")),
    obj("buf_v_control.power_reduction_max_solar_grid", "F473BC5E", FLOAT, "always", to("inverter_settings.feed_in_limit_watts")),
    obj("p_rec_lim[0..2]", "85886E2E 54829753 9A67600D", FLOAT, "always", to("inverter_reserve.limit_watts")),
    obj("p_rec_available[0..2]", "B45FE275 8F0FF9F3 5D0CDCF0", FLOAT, "always", to("inverter_reserve.available_watts")),
    obj("p_rec_req[0..2]", "1ABA3EE8 0AA372CE 365D12DA", FLOAT, "always", to("inverter_reserve.required_watts")),
    obj("p_buf_available", "F2BE0C9C", FLOAT, "always", to("inverter_limit.buffer_available_watts")),
)

GENERATORS = (
    obj("dc_conv.dc_conv_struct[0..1].enabled", "701A0482 FED51BD2", BOOL, "always", to("inverter_string.connected")),
    obj("g_sync.u_sg_avg[0..1]", "B55BA2CE B0041187", FLOAT, "gen{ab}", to("inverter_string.voltage_volts")),
    obj("dc_conv.dc_conv_struct[0..1].p_dc", "B5317B78 AA9AA253", FLOAT, "gen{ab}", to("inverter_string.power_unfiltered_watts")),
    obj("dc_conv.dc_conv_struct[0..1].u_sg_lp", "B298395D 5BB8075A", FLOAT, "gen{ab}", to("inverter_string.voltage_filtered_volts")),
    obj("dc_conv.dc_conv_struct[0..1].u_target", "226A23A4 675776B1", FLOAT, "gen{ab}", to("inverter_string.mpp_target_volts")),
    obj("dc_conv.dc_conv_struct[0..1].mpp.mpp_step", "BA8B8515 4AE96C12", FLOAT, "gen{ab}", to("inverter_string.mpp_step_volts")),
    obj("dc_conv.dc_conv_struct[0..1].mpp.fixed_voltage", "9E1A88F5 5E942C62", FLOAT, "gen{ab}", to("inverter_string.mpp_fixed_volts")),
    obj("dc_conv.dc_conv_struct[0..1].mpp.enable_scan", "6476A836 8DD1C728", BOOL, "gen{ab}", to("inverter_string.mpp_scan_enabled")),
    obj("dc_conv.dc_conv_struct[0..1].rescan_correction", "DB45ABD0 B836B50C", FLOAT, "gen{ab}", to("inverter_string.rescan_correction_volts")),
    obj("dc_conv.last_rescan", "F87A2A1E", UINT32, "gen", to("inverter_status.rescan_time_seconds", part="time")),
    obj("dc_conv.start_voltage", "62B8940B", FLOAT, "gen", to("inverter_settings.start_voltage_volts")),
)

AC = (
    obj("g_sync.p_ac[0..2]", "43257820 147E8E26 C03462F6", FLOAT, "always", to("inverter_output.power_watts")),
    obj("g_sync.p_ac_lp[0..2]", "71E10B51 6E1C5B78 B9928C51", FLOAT, "always", to("inverter_output.power_filtered_watts")),
    obj("g_sync.p_ac_sum_lp", "DB2D69AE", FLOAT, "always", to("inverter_power.output_filtered_watts")),
    obj("g_sync.q_ac[0..2]", "E94C2EFC 82E3C121 BCA77559", FLOAT, "always", to("inverter_output.reactive_power_volt_amperes_reactive")),
    obj("g_sync.q_ac_sum_lp", "7C78CBAC", FLOAT, "always", to("inverter_power.output_volt_amperes_reactive")),
    obj("g_sync.s_ac[0..2]", "CABC44CA 612F7EAB 55C22966", FLOAT, "always", to("inverter_output.apparent_power_volt_amperes")),
    obj("g_sync.s_ac_lp[0..2]", "3A444FC6 4077335D 883DE9AB", FLOAT, "always", to("inverter_output.apparent_power_filtered_volt_amperes")),
    obj("g_sync.s_ac_sum_lp", "DCA1CF26", FLOAT, "always", to("inverter_power.output_volt_amperes")),
    obj("g_sync.i_dr_eff[0..2]", "89EE3EB5 650C1ED7 92BC682B", FLOAT, "always", to("inverter_output.current_amperes")),
    obj("g_sync.i_dr_lp[0..2]", "887D43C4 DCAC0EA9 48D73FA5", FLOAT, "always", to("inverter_output.current_filtered_amperes")),
    obj("g_sync.p_ac_sc[0..2]", "27BE51D9 F5584F90 B221BCFA", FLOAT, "always", to("inverter_grid.power_watts")),
    obj("g_sync.p_ac_sc_sum", "6002891F", FLOAT, "always", to("inverter_power.grid_sensor_watts")),
    obj("g_sync.u_l_rms[0..2]", "CF053085 54B4684E 2545E22D", FLOAT, "always", to("inverter_grid.voltage_volts")),
    obj("g_sync.u_ptp_rms[0..2]", "63476DBE 485AD749 F25C339B", FLOAT, "always", to("inverter_grid_pair.voltage_volts")),
    obj("grid_pll[0].f", "1C4A665F", FLOAT, "always", to("inverter_grid.frequency_hertz")),
    obj("i_ac_extern_connected", "C3A3F070", BOOL, "always", to("inverter_settings.sensor_connected")),
    obj("cs_struct.is_tuned", "2703A771", BOOL, "sensor", to("inverter_settings.sensor_tuned")),
    obj("current_sensor_max", "87E4387A", FLOAT, "sensor", to("inverter_settings.sensor_range_amperes")),
    obj("grid_offset", "2848A1EE", FLOAT, "always", to("inverter_settings.grid_offset_watts")),
    obj("g_sync.p_ac_load[0..2]", "03A39CA2 2788928C F0B436DD", FLOAT, "always", to("inverter_load.power_watts")),
    obj("io_board.load_set", "872F380B", FLOAT, "always", to("inverter_settings.dummy_load_watts")),
)

BOARD = (
    obj("io_board.s0_sum", "C7605E16", FLOAT, "s0", to("inverter_status.s0_sum_raw")),
    obj("io_board.io1_usage", "90F123FA", ENUM, "always", to("inverter_settings.io_usage_code", io="1")),
    obj("io_board.io2_usage", "4F330E08", ENUM, "always", to("inverter_settings.io_usage_code", io="2")),
    obj("io_board.s0_direction", "792A7B79", ENUM, "always", to("inverter_settings.s0_direction_code")),
    obj("io_board.io1_s0_imp_per_kwh", "5BD2DB45", INT16, "s0", to("inverter_settings.s0_impulses_per_kwh", io="1")),
    obj("io_board.io2_s0_imp_per_kwh", "68BA92E1", INT16, "s0", to("inverter_settings.s0_impulses_per_kwh", io="2")),
    obj("io_board.rse_data", "88F36D45", UINT8, "always", to("inverter_status.ripple_control_word")),
    obj("io_board.alarm_home_relay_mode", "5EE03C45", ENUM, "always", to("inverter_settings.relay_usage_code")),
    obj("modbus.mode", "31ED1B75", ENUM, "always", to("inverter_settings.modbus_mode_code")),
    obj("modbus.address", "6C243F71", UINT8, "always", to("inverter_settings.modbus_address_code")),
    obj("rb485.available", "437B8122", BOOL, "always", to("inverter_settings.backup_available")),
    obj("rb485.version_main", "27650FE2", UINT32, "psw", to("inverter_firmware.backup_code")),
    obj("rb485.version_boot", "173D81E4", UINT32, "psw", to("inverter_firmware.backup_boot_code")),
    obj("rb485.u_l_grid[0..2]", "93F976AB 7A9091EA 21EE7CBB", FLOAT, "psw", to("inverter_backup.grid_voltage_volts")),
    obj("rb485.f_grid[0..2]", "9558AD8A FAE429C5 0104EB6A", FLOAT, "psw", to("inverter_backup.grid_frequency_hertz")),
    obj("rb485.f_wr[0..2]", "3B5F6B9D 6FD36B32 905F707B", FLOAT, "psw", to("inverter_backup.frequency_hertz")),
    obj("rb485.phase_marker", "07367B64", INT16, "psw", to("inverter_settings.backup_phase_code")),
    obj("power_mng.is_island_only", "C9900716", BOOL, "always", to("inverter_settings.island_only")),
    obj("power_mng.is_grid", "97E203F9", BOOL, "always", to("inverter_status.grid_present")),
)


def _b(
    field: str, *, part: str = "", scale: float = 1, battery: str = "0", counts_up: str = ""
) -> Target:
    metric = f"inverter_battery.{field}"
    return to(metric, part=part, scale=scale, battery=battery, counts_up=counts_up)


BATTERY = (
    obj("power_mng.battery_type", "682CDDA1", ENUM, "always", to("inverter_settings.battery_type_code")),
    obj("power_mng.n_batteries", "663F1452", UINT8, "always", to("inverter_settings.batteries")),
    obj("battery.bms_sn", "16A1F844", STRING, "bat", to("inverter.battery_0_serial")),
    obj("battery.bms_software_version", "9D785E8C", UINT32, "bat", _b("firmware_code")),
    obj("battery.bms_power_version", "1B39A3A3", UINT32, "bat", _b("power_firmware_code")),
    obj("battery.prog_sn", "4B51A539", STRING, "bat", to("inverter.battery_0_program_serial")),
    obj("battery.soc", "959930BF", FLOAT, "bat", _b("soc_percent", scale=100)),
    obj("battery.soc_target", "8B9FF008", FLOAT, "bat", _b("soc_target_percent", scale=100)),
    obj("battery.soc_target_high", "B84A38AB", FLOAT, "bat", _b("soc_target_high_percent", scale=100)),
    obj("battery.soc_target_low", "A616B022", FLOAT, "bat", _b("soc_target_low_percent", scale=100)),
    obj("battery.soc_update_since", "4E04DD55", FLOAT, "bat", _b("soc_update_age_raw")),
    obj("battery.soh", "381B8BF9", FLOAT, "bat", _b("soh_percent", scale=100)),
    obj("power_mng.soc_min", "CE266F0F", FLOAT, "bat", _b("soc_minimum_percent", scale=100)),
    obj("power_mng.soc_min_island", "8EBF9574", FLOAT, "bat", _b("soc_minimum_island_percent", scale=100)),
    obj("power_mng.soc_max", "97997C93", FLOAT, "bat", _b("soc_maximum_percent", scale=100)),
    obj("power_mng.soc_strategy", "F168B748", ENUM, "bat", _b("soc_strategy_code")),
    obj("power_mng.soc_target_set", "D1DFC969", FLOAT, "bat", _b("soc_target_set_percent", scale=100)),
    obj("power_mng.soc_charge", "BD3A23C3", FLOAT, "bat", _b("soc_maintenance_percent", scale=100)),
    obj("power_mng.soc_charge_power", "1D2994EA", FLOAT, "bat", _b("maintenance_charge_watts")),
    obj("power_mng.battery_power_extern", "BD008E29", FLOAT, "bat", _b("external_target_watts")),
    obj("power_mng.use_grid_power_enable", "36A9E9A6", BOOL, "bat", _b("grid_charging_enabled")),
    obj("power_mng.battery_power", "1156DFD0", FLOAT, "bat", _b("power_watts")),
    obj("power_mng.u_acc_mix_lp", "A7FA5C5D", FLOAT, "bat", _b("converter_voltage_volts")),
    obj("battery.voltage", "65EED11B", FLOAT, "bat", _b("voltage_volts")),
    obj("adc.u_acc", "B84FDCF9", FLOAT, "bat", _b("adc_voltage_volts")),
    obj("power_mng.u_acc_lp", "97E3A6F2", FLOAT, "bat", _b("converter_filtered_volts")),
    obj("battery.current", "21961B58", FLOAT, "bat", _b("current_amperes")),
    obj("acc_conv.i_acc_lp_fast", "0AFDD6CF", FLOAT, "bat", _b("converter_current_amperes")),
    obj("acc_conv.i_acc_lp_slow", "B408E40A", FLOAT, "bat", _b("converter_slow_amperes")),
    obj("battery.temperature", "902AFAFB", FLOAT, "bat", _b("temperature_celsius")),
    obj("battery.min_cell_voltage", "4CB7C0DC", FLOAT, "bat", _b("cell_minimum_volts")),
    obj("battery.max_cell_voltage", "2AACCAA7", FLOAT, "bat", _b("cell_maximum_volts")),
    obj("battery.min_cell_temperature", "A10D9A4B", FLOAT, "bat", _b("cell_minimum_celsius")),
    obj("battery.max_cell_temperature", "55DDF7BA", FLOAT, "bat", _b("cell_maximum_celsius")),
    obj("battery.bat_status", "70A2AF4F", INT32, "bat", *_bits("bat_status", battery="0")),
    obj("battery.status", "71765BD8", INT32, "bat", *_bits("status", battery="0")),
    obj("battery.status2", "0DE3D20D", INT32, "bat", *_bits("status2", battery="0")),
    obj("power_mng.state", "DC667958", UINT8, "bat", _b("state_code")),
    obj("power_mng.bat_empty_full", "315D1490", UINT8, "bat", _b("empty_full_word")),
    obj("battery.bat_impedance.impedance_fine", "E7B0E692", FLOAT, "bat", _b("impedance_raw")),
    obj("battery.ah_capacity", "B57B59BD", FLOAT, "bat", _b("capacity_ampere_hours")),
    obj("power_mng.amp_hours", "FBD94C1F", FLOAT, "bat", _b("charge_ampere_hours")),
    obj("power_mng.amp_hours_measured", "E9BBF6E4", FLOAT, "bat", _b("measured_capacity_ampere_hours")),
    obj("battery.charged_amp_hours", "06A9FFA2", FLOAT, "bat", _b("charged_ampere_hours_total", counts_up=_INTO)),
    obj("battery.discharged_amp_hours", "2BC1E72B", FLOAT, "bat", _b("discharged_ampere_hours_total", counts_up=_INTO)),
    obj("battery.stored_energy", "5570401B", FLOAT, "bat", to("inverter_energy.watt_hours_total", flow="battery_charge", counts_up=_INTO)),
    obj("battery.used_energy", "A9033880", FLOAT, "bat", to("inverter_energy.watt_hours_total", flow="battery_discharge", counts_up=_INTO)),
    obj("battery.efficiency", "ACF7666B", FLOAT, "bat", _b("efficiency_percent", scale=100)),
    obj("battery.cycles", "C0DF2978", INT32, "bat", _b("cycles_total", counts_up=_CYCLES)),
    obj("battery.maximum_charge_current", "1E5FCA70", FLOAT, "bat", _b("charge_limit_amperes")),
    obj("battery.maximum_discharge_current", "DF0A735C", FLOAT, "bat", _b("discharge_limit_amperes")),
    obj("battery.maximum_charge_voltage", "6E491B50", FLOAT, "bat", _b("charge_limit_volts")),
    obj("battery.minimum_discharge_voltage", "B0EBE75A", FLOAT, "bat", _b("discharge_limit_volts")),
    obj("power_mng.maximum_charge_voltage", "59358EB2", FLOAT, "bat", _b("charge_setting_volts")),
    obj("power_mng.minimum_discharge_voltage", "AEF76FA1", FLOAT, "bat", _b("discharge_setting_volts")),
    obj("power_mng.bat_next_calib_date", "B6623608", UINT32, "bat", _b("next_calibration_seconds", part="time")),
    obj("power_mng.bat_calib_reqularity", "93C0C2E2", UINT32, "bat", _b("calibration_interval_days")),
    obj("power_mng.bat_calib_days_in_advance", "672552DC", UINT8, "bat", _b("calibration_advance_days")),
)

MODULES = (
    *(obj(f"battery.module_sn[{i}]", oid, STRING, "bat", to(f"inverter.battery_0_module_{i}_serial"))
      for i, oid in enumerate(["FBF6D834", "99396810", "73489528", "257B7612", "4E699086", "162491E8", "5939EC5D"])),
    obj("battery.stack_cycles[0..6]", "A6C4FD4A 0CFA8BC4 5BA122A5 89B25F4B 5A9EEFF0 2A30A97E 27C39CEA", UINT16, "mod {i}", to("inverter_battery_module.cycles_total", battery="0", counts_up=_CYCLES)),
    obj("battery.stack_software_version[0..6]", "6388556C A54C4685 C8BA1729 086C75B0 A40906BF EEA3F59B 6974798A", UINT32, "mod {i}", to("inverter_battery_module.firmware_code", battery="0")),
    obj("battery.cells[0..6]", "F8C0D255 8EF6FBBD 69B8FF28 C8609C8E 1348AB07 62D645D9 40FF01B7", STATUS, "mod {i}",
        to("inverter_battery_cell.voltage_volts", part="cell voltage", scale=1e-3, battery="0"),
        to("inverter_battery_cell.temperature_celsius", part="cell temperature", battery="0")),
    obj("battery.cells_resist[0..6]", "649B10DA 71CB0B57 F3FD8CE6 993C06F6 DEE1957F 501A162D EB4C2597", RESIST, "mod {i}",
        to("inverter_battery_cell.resistance_ohms", part="cell resistance", scale=1e-3, battery="0")),
    obj("battery.cells_stat[0..6]", "34A164E7 FB796780 74FD4609 01676FA6 0DACF21B 23E55DA0 F99E8CC8", STATS, "mod {i}", *_statistics("0")),
)

SECOND_TOWER = (
    obj("battery_placeholder[0].bms_sn", "EB7BCB93", STRING, "bat2", to("inverter.battery_1_serial")),
    obj("battery_placeholder[0].bms_software_version", "C04A5F3A", UINT32, "bat2", _b("firmware_code", battery="1")),
    obj("battery_placeholder[0].bms_power_version", "6C03F5ED", UINT32, "bat2", _b("power_firmware_code", battery="1")),
    obj("battery_placeholder[0].soc", "8B4BE168", FLOAT, "bat2", _b("soc_percent", scale=100, battery="1")),
    obj("battery_placeholder[0].soh", "1781CD31", FLOAT, "bat2", _b("soh_percent", scale=100, battery="1")),
    obj("battery_placeholder[0].soc_update_since", "B403A7E6", FLOAT, "bat2", _b("soc_update_age_raw", battery="1")),
    obj("battery_placeholder[0].voltage", "FCA1CBB5", FLOAT, "bat2", _b("voltage_volts", battery="1")),
    obj("battery_placeholder[0].current", "79D7D617", FLOAT, "bat2", _b("current_amperes", battery="1")),
    obj("battery_placeholder[0].temperature", "C66665E8", FLOAT, "bat2", _b("temperature_celsius", battery="1")),
    obj("battery_placeholder[0].status2", "5C93093B", INT32, "bat2", *_bits("status2", battery="1")),
    obj("battery_placeholder[0].ah_capacity", "BD95C46C", FLOAT, "bat2", _b("capacity_ampere_hours", battery="1")),
    obj("battery_placeholder[0].min_cell_voltage", "EA399EA8", FLOAT, "bat2", _b("cell_minimum_volts", battery="1")),
    obj("battery_placeholder[0].max_cell_voltage", "980C5525", FLOAT, "bat2", _b("cell_maximum_volts", battery="1")),
    obj("battery_placeholder[0].min_cell_temperature", "241CFA0A", FLOAT, "bat2", _b("cell_minimum_celsius", battery="1")),
    obj("battery_placeholder[0].max_cell_temperature", "073C7E5D", FLOAT, "bat2", _b("cell_maximum_celsius", battery="1")),
    obj("battery_placeholder[0].maximum_charge_current", "57945EE4", FLOAT, "bat2", _b("charge_limit_amperes", battery="1")),
    obj("battery_placeholder[0].maximum_discharge_current", "1025B491", FLOAT, "bat2", _b("discharge_limit_amperes", battery="1")),
    obj("battery_placeholder[0].maximum_charge_voltage", "C8E56803", FLOAT, "bat2", _b("charge_limit_volts", battery="1")),
    obj("battery_placeholder[0].minimum_discharge_voltage", "77A9480F", FLOAT, "bat2", _b("discharge_limit_volts", battery="1")),
    *(obj(f"battery_placeholder[0].module_sn[{i}]", oid, STRING, "bat2", to(f"inverter.battery_1_module_{i}_serial"))
      for i, oid in enumerate(["690C32D2", "ABA015FC", "E635A6C4", "4FC53F19", "20A3A91F", "035E64EA", "8594D11E"])),
    obj("battery_placeholder[0].stack_cycles[0..6]", "C937D38D 51E5377D 7BF3886B 90C2AC13 8AFD1410 9AAA9CAA 78228507", UINT16, "mod2 {i}", to("inverter_battery_module.cycles_total", battery="1", counts_up=_CYCLES)),
    obj("battery_placeholder[0].stack_software_version[0..6]", "77E5CEF1 235E0DF5 8822EF35 0EC64BA7 CF096A6B 4FF8CCE2 A7F4123B", UINT32, "mod2 {i}", to("inverter_battery_module.firmware_code", battery="1")),
    obj("battery_placeholder[0].cells[0..6]", "4D684EF2 97DC2ECB 2F84A0A9 7C863EDB 1D83D2A5 9095FD74 60435F1C", STATUS, "mod2 {i}",
        to("inverter_battery_cell.voltage_volts", part="cell voltage", scale=1e-3, battery="1"),
        to("inverter_battery_cell.temperature_celsius", part="cell temperature", battery="1")),
    obj("battery_placeholder[0].cells_resist[0..6]", "0C2A7286 E19C8B79 7D839AE6 F1DE6E99 1FA192E3 A8FEAEB9 24AC4CBB", RESIST, "mod2 {i}",
        to("inverter_battery_cell.resistance_ohms", part="cell resistance", scale=1e-3, battery="1")),
    obj("battery_placeholder[0].cells_stat[0..6]", "23D4A386 4AAEB0D2 46C3625D FF5B8A54 E14F1CBA FE38B227 7B8E811E", STATS, "mod2 {i}", *_statistics("1")),
)

ENERGY = (
    *_energy("output", "BD55905F 10970E9D C0CC81B6 B1EF67CE", "always"),
    *_energy("load", "2F3C1D7D F0BE6429 C7D3B479 EFF4B537", "always", counts_up=_LOAD),
    *_energy("grid_export", "3C87C4F5 65B624AB 26EFFC2F 44D4C533", "always", scale=-1, counts_up=_METER),
    *_energy("grid_import", "867DEF7D 126ABC86 DE17F021 62FBE7DC", "always", counts_up=_METER),
    *_energy("external", "B9A026F9 031A6110 917E3622 A59C8428", "s0"),
    obj("energy.e_dc_day[0..1]", "2AE703F2 FBF3CE97", FLOAT, "gen{ab}", to("inverter_string.energy_day_watt_hours")),
    obj("energy.e_dc_month[0..1]", "81AE960B 7AB9B045", FLOAT, "gen{ab}", to("inverter_string.energy_month_watt_hours")),
    obj("energy.e_dc_year[0..1]", "AF64D0FE BD55D796", FLOAT, "gen{ab}", to("inverter_string.energy_year_watt_hours")),
    obj("energy.e_dc_total[0..1]", "FC724A9E 68EEFD3D", FLOAT, "gen{ab}", to("inverter_string.energy_watt_hours_total", counts_up=_SUN)),
)

FAULTS = tuple(
    obj(f"fault[{word}].flt", oid, UINT32, "always", *_fault(word))
    for word, oid in enumerate(["37F9D5CA", "234B4736", "3B7FCD47", "7F813D73"])
)

LOG_RATE = (
    obj("logger.log_rate", "9A51A23B", UINT16, "always", to("inverter_settings.log_interval_seconds")),
)

#: The logger: resolution → signal → object id. Queried with a time, never polled.
LOGGER = {
    "minutes": "ea:50B441C1 eac:669D02FE eac1:21879805 eac2:554D8FEE eac3:E29C24EB eb:1D49380A ebat:CBDAD315 eext:3906A1D0 egrid_feed:A60082A9 egrid_load:9247DB99 eload:A7C708EB soc:5293B668 soc_targ:76C9A0BD temp:F76DE445 temp2:132AA71E temp_bat:D3E94E6B ua:72ACC0BF ub:0FA29566 ubat:064E4340 ul1:5411CE1B ul2:488052BA ul3:095AFAA8",
    "day": "ea:FCF4E78D eac:E04C3900 eb:0DF164DE eext:60A9A532 egrid_feed:B20D1AD6 egrid_load:05C7CFB1 eload:CA6D6472",
    "month": "ea:2F0A6B15 eac:F28341E2 eb:6B5A56C2 eext:E4DC040A egrid_feed:921997EE egrid_load:5D34D09D eload:431509D1",
    "year": "ea:4C14CC7C eac:70BD7C46 eb:34ECA9CA eext:4E9D95A6 egrid_feed:19B814F2 egrid_load:C55EF32E eload:E5FBCC6F :2A449E89",
}
# fmt: on

EVENT_TABLE = ("logger.error_log_time_stamp", 0x6F3876BC)

#: Signals of the logger that are about parts which not every unit has.
_LOGGED_PARTS = {
    **dict.fromkeys(("ea", "ua"), "genA"),
    **dict.fromkeys(("eb", "ub"), "genB"),
    **dict.fromkeys(("ebat", "soc", "soc_targ", "temp_bat", "ubat"), "bat"),
    "eext": "s0",
}

#: In the order of asking: the power-flow snapshot first.
ROWS = (
    *FLOW,
    *STATE,
    *GENERATORS,
    *AC,
    *BATTERY,
    *FAULTS,
    *BOARD,
    *MODULES,
    *SECOND_TOWER,
    *ENERGY,
    *IDENTITY,
    *LOG_RATE,
)


def _objects(row: Row) -> Iterator[RctObject]:
    feeds = [_spread(target, len(row.names)) for target in row.targets]
    for index, (name, oid, condition) in enumerate(
        zip(row.names, row.oids, row.conditions, strict=True)
    ):
        yield RctObject(
            name=name,
            condition=condition,
            bindings=tuple(
                _binding(target, series[index])
                for target, series in zip(row.targets, feeds, strict=True)
            ),
            exclusive=row.type in wire.LONG_TYPES,
            oid=oid,
            type=row.type,
        )


def _spread(target: Target, count: int) -> list[tuple[Series, ...]]:
    """Deal the series of a target out to ``count`` objects."""
    series = catalog().across(target.metric, KNOWN, **target.tags)
    if target.part.startswith("cell "):  # the first cell of each module, then the second …
        return [tuple(series[module::count]) for module in range(count)]
    if len(series) != count:
        raise ValueError(f"{target.metric}: {len(series)} series for {count} objects")
    return [(item,) for item in series]


def _binding(target: Target, series: tuple[Series, ...]) -> Binding:
    metric: Metric = series[0].metric
    if (metric.kind is Kind.TOTAL) is not bool(target.counts_up):
        raise ValueError(f"{metric.name}: what is counted up is a total, and nothing else is")
    if not re.fullmatch(r"(?:[A-Z].{20,}\.)?", target.counts_up):
        raise ValueError(f"{metric.name}: {target.counts_up!r} is no sentence that tells why")
    return bind(series, target.part, target.scale)


def bind(series: tuple[Series, ...], part: str = "", scale: float = 1) -> Binding:
    """The way from an answer to some series of one metric.

    Args:
        series: As many as the part of the answer has values.
        part: Part of the answer.
        scale: Factor from the wire to the published value.
    """
    way = (series[0].metric, part, scale)
    return Binding(series, part, scale, wire.converter(*way), wire.scalar_converter(*way))


def _history() -> Iterator[RctObject]:
    name, oid = EVENT_TABLE
    yield _logger_object(name, oid, EVENTS, "always")
    for resolution, signals in LOGGER.items():
        for item in signals.split():
            signal, _, text = item.partition(":")
            stem = f"{resolution}_{signal}" if signal else resolution
            condition = _LOGGED_PARTS.get(signal, "always")
            yield _logger_object(f"logger.{stem}_log_ts", int(text, 16), SERIES, condition)


def _logger_object(name: str, oid: int, kind: DataType, condition: str) -> RctObject:
    return RctObject(
        name=name,
        condition=condition,
        exclusive=True,
        poll=PollClass.HISTORY,
        oid=oid,
        type=kind,
        logger=True,
    )


#: Every object that the driver knows; nothing else can be asked for.
OBJECTS: tuple[RctObject, ...] = (
    *(item for row in ROWS for item in _objects(row)),
    *_history(),
)

#: The same, by id.
BY_OID: dict[int, RctObject] = {item.oid: item for item in OBJECTS}

# What the rows say is in the objects now, and need not stay twice: it is 0.2 MB.
del FLOW, STATE, GENERATORS, AC, BATTERY, FAULTS, BOARD, MODULES, SECOND_TOWER, ENERGY, IDENTITY
del LOG_RATE, ROWS
