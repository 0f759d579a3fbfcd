"""What each object of a simulated unit reads at a moment.

One line is one object, or all objects of an array: ``[]`` stands for an index, which the
function takes after the moment. What the installation lacks is not looked up here; its objects
read zero or an empty text. Values of objects whose meaning nobody knows are invented.
"""

from __future__ import annotations

from collections.abc import Callable

from rct_collector.drivers.rct.simulator.battery import CELL_AMPERE_HOURS, EMPTY, FULL, READY, Tower
from rct_collector.drivers.rct.simulator.clock import DAY
from rct_collector.drivers.rct.simulator.day import Energies
from rct_collector.drivers.rct.simulator.moment import Moment

#: Takes a moment and the indices in the object's name.
Reading = Callable[..., float | int | str | bytes]

_NO_BATTERY, _RCT_BATTERY = 5, 3
_S0_EXTERNAL = 10
_INTERNAL = 4
_RELAYS_ON = 0x007F

INVERTER: dict[str, Reading] = {
    "prim_sm.state": lambda m: m.state,
    "prim_sm.island_flag": lambda m: 2,  # what units on the grid send
    "power_mng.is_heiphoss": lambda m: 0,
    "prim_sm.island_retrials": lambda m: 0,
    "prim_sm.state_source": lambda m: 0,
    "prim_sm.phase_3_mode": lambda m: True,
    "db.temp1": lambda m: m.heat_sink,
    "db.temp2": lambda m: m.battery_heat_sink,
    "db.core_temp": lambda m: m.core,
    "temperature.sink_temp_power_reduction": lambda m: 75.0,
    "temperature.bat_temp_power_reduction": lambda m: 72.0,
    "iso_struct.Riso": lambda m: m.insulation[0],
    "iso_struct.Rp": lambda m: m.insulation[1],
    "iso_struct.Rn": lambda m: m.insulation[2],
    "iso_struct.r_min": lambda m: 5e5,
    "g_sync.u_zk_sum_avg": lambda m: sum(m.dc_link),
    "g_sync.u_zk_p_avg": lambda m: m.dc_link[0],
    "g_sync.u_zk_n_avg": lambda m: m.dc_link[1],
    "db.power_board.status": lambda m: 0,
    "db.power_board.relays_state": lambda m: _RELAYS_ON if m.working else 0,
    "db.power_board.Current_AC_RMS": lambda m: 1000.0 * m.current(0),
    "db.power_board.Current_Mean": lambda m: 3.0 * m.world.noise("mean", m.unix, 20.0),
    "inv_struct.cosinus_phi": lambda m: m.power_factor,
    "nsm.p_limit": lambda m: m.world.scenario.sizes.rated_watts,
    "buf_v_control.power_reduction": lambda m: 1.0,
    "buf_v_control.power_reduction_max_solar": lambda m: sum(m.world.scenario.sizes.peaks),
    "buf_v_control.power_reduction_max_solar_grid": lambda m: m.world.scenario.sizes.rated_watts,
    "p_rec_lim[]": lambda m, purpose: _reserve(m)[purpose][0],
    "p_rec_available[]": lambda m, purpose: _reserve(m)[purpose][1],
    "p_rec_req[]": lambda m, purpose: _reserve(m)[purpose][2],
    "p_buf_available": lambda m: max(m.world.scenario.sizes.rated_watts - m.flows.output, 0.0),
    "logger.log_rate": lambda m: 300,
    "flash_param.write_cycles": lambda m: 310 + _age_days(m) // 7,
    "flash_param.erase_cycles": lambda m: 4 + _age_days(m) // 90,
}

GENERATORS: dict[str, Reading] = {
    "dc_conv.dc_conv_struct[].enabled": lambda m, i: i < len(m.world.scenario.sizes.peaks),
    "dc_conv.dc_conv_struct[].p_dc_lp": lambda m, i: m.generators[i],
    "dc_conv.dc_conv_struct[].p_dc": lambda m, i: (
        m.generators[i] * (1.0 + 0.004 * m.world.noise(f"ripple {i}", m.unix, 3.0))
    ),
    "g_sync.u_sg_avg[]": lambda m, i: m.generator_volts(i),
    "dc_conv.dc_conv_struct[].u_sg_lp": lambda m, i: m.generator_volts(i),
    "dc_conv.dc_conv_struct[].u_target": lambda m, i: m.generator_volts(i) - m.search(i),
    "dc_conv.dc_conv_struct[].mpp.mpp_step": lambda m, i: 1.8,
    "dc_conv.dc_conv_struct[].mpp.fixed_voltage": lambda m, i: 0.0,
    "dc_conv.dc_conv_struct[].mpp.enable_scan": lambda m, i: i == 0,
    "dc_conv.dc_conv_struct[].rescan_correction": lambda m, i: m.world.fixed(
        "rescan", -6.0, 6.0, i
    ),
    "dc_conv.last_rescan": lambda m: m.wall - m.wall % DAY - DAY // 2,
    "dc_conv.start_voltage": lambda m: 150.0,
}

AC: dict[str, Reading] = {
    "g_sync.p_ac[]": lambda m, i: m.outputs[i],
    "g_sync.p_ac_lp[]": lambda m, i: m.outputs[i],
    "g_sync.p_ac_sum": lambda m: m.flows.output,
    "g_sync.p_ac_sum_lp": lambda m: m.flows.output,
    "g_sync.q_ac[]": lambda m, i: m.reactive[i],
    "g_sync.q_ac_sum_lp": lambda m: sum(m.reactive),
    "g_sync.s_ac[]": lambda m, i: m.apparent[i],
    "g_sync.s_ac_lp[]": lambda m, i: m.apparent[i],
    "g_sync.s_ac_sum_lp": lambda m: sum(m.apparent),
    "g_sync.i_dr_eff[]": lambda m, i: m.current(i),
    "g_sync.i_dr_lp[]": lambda m, i: m.current(i),
    "g_sync.p_acc_lp": lambda m: m.flows.battery,
    "g_sync.p_ac_grid_sum_lp": lambda m: m.flows.grid,
    "g_sync.p_ac_sc[]": lambda m, i: m.loads[i] - m.outputs[i],
    "g_sync.p_ac_sc_sum": lambda m: m.flows.grid,
    "g_sync.u_l_rms[]": lambda m, i: m.volts[i],
    "g_sync.u_ptp_rms[]": lambda m, i: m.phase_to_phase(i),
    "grid_pll[].f": lambda m, i: m.hertz,
    "i_ac_extern_connected": lambda m: m.world.scenario.sensor,
    "cs_struct.is_tuned": lambda m: True,
    "current_sensor_max": lambda m: 75.0,
    "grid_offset": lambda m: 0.0,
    "g_sync.p_ac_load_sum_lp": lambda m: m.flows.load,
    "g_sync.p_ac_load[]": lambda m, i: m.loads[i],
    "io_board.load_set": lambda m: 0.0,
    "fault[].flt": lambda m, i: m.world.incidents.words(m.unix)[i],
}

BOARD: dict[str, Reading] = {
    "io_board.s0_external_power": lambda m: m.flows.external,
    "io_board.s0_sum": lambda m: m.energies.external,
    "io_board.io1_usage": lambda m: _S0_EXTERNAL if m.world.scenario.meter else 0,
    "io_board.io2_usage": lambda m: 0,
    "io_board.s0_direction": lambda m: 0,
    "io_board.io1_s0_imp_per_kwh": lambda m: 1000,
    "io_board.io2_s0_imp_per_kwh": lambda m: 1000,
    "io_board.rse_data": lambda m: 0,
    "io_board.alarm_home_relay_mode": lambda m: 0,
    "modbus.mode": lambda m: 0,
    "modbus.address": lambda m: 1,
    "rb485.available": lambda m: m.world.scenario.backup,
    "rb485.version_main": lambda m: 1023,
    "rb485.version_boot": lambda m: 104,
    "rb485.u_l_grid[]": lambda m, i: m.volts[i] + 0.3,
    "rb485.f_grid[]": lambda m, i: m.hertz,
    "rb485.f_wr[]": lambda m, i: m.hertz if m.working else 0.0,
    "rb485.phase_marker": lambda m: 2,
    "power_mng.is_island_only": lambda m: False,
    "power_mng.is_grid": lambda m: True,
}

IDENTITY: dict[str, Reading] = {
    "android_description": lambda m: m.world.identity.name,
    "inverter_sn": lambda m: m.world.identity.serial,
    "svnversion": lambda m: m.world.identity.firmware,
    "parameter_file": lambda m: "VDE-AR-N 4105:2018-11",
    "svnversion_factory": lambda m: "2.2.4100",
    "svnversion_last_known": lambda m: "2.2.4421",
    "db.power_board.version_main": lambda m: 1516,
    "db.power_board.version_boot": lambda m: 205,
    "power_mng.force_inv_class": lambda m: 0,
    "flash_rtc.time_stamp": lambda m: m.wall,
    "flash_rtc.time_stamp_update": lambda m: m.world.clock.wall(m.world.updated),
    "flash_rtc.time_stamp_factory": lambda m: m.world.clock.wall(m.world.born - 60 * DAY),
    "flash_rtc.rtc_mcc_quartz_ppm_difference": lambda m: m.world.fixed("quartz", -15.0, 15.0),
    "wifi.ip": lambda m: "192.0.2.10",
    "wifi.sockb_protocol": lambda m: int(m.world.scenario.slaves > 0),
    "wifi.use_ethernet": lambda m: True,
    "net.n_slaves": lambda m: m.world.scenario.slaves,
    "net.n_devices": lambda m: m.world.scenario.slaves + 1,
    "net.slave_p_total": lambda m: m.flows.output * 0.8 * m.world.scenario.slaves,
    "net.soc_av": lambda m: 0.98 * m.flows.soc,
}

POWER_MANAGER: dict[str, Reading] = {
    "power_mng.battery_type": lambda m: _RCT_BATTERY if m.towers else _NO_BATTERY,
    "power_mng.n_batteries": lambda m: len(m.towers),
    "power_mng.soc_min": lambda m: m.world.scenario.sizes.SOC_MINIMUM,
    "power_mng.soc_min_island": lambda m: 0.10,
    "power_mng.soc_max": lambda m: m.world.scenario.sizes.SOC_MAXIMUM,
    "power_mng.soc_strategy": lambda m: _INTERNAL,
    "power_mng.soc_target_set": lambda m: 0.5,
    "power_mng.soc_charge": lambda m: 0.05,
    "power_mng.soc_charge_power": lambda m: 100.0,
    "power_mng.battery_power_extern": lambda m: 0.0,
    "power_mng.use_grid_power_enable": lambda m: False,
    "power_mng.battery_power": lambda m: m.flows.battery,
    "power_mng.u_acc_mix_lp": lambda m: m.towers[0].volts - 0.2,
    "adc.u_acc": lambda m: m.towers[0].volts - 0.3,
    "power_mng.u_acc_lp": lambda m: m.towers[0].volts - 0.2,
    "acc_conv.i_acc_lp_fast": lambda m: m.towers[0].amperes,
    "acc_conv.i_acc_lp_slow": lambda m: m.towers[0].amperes,
    "power_mng.state": lambda m: _battery_state(m.towers[0].watts),
    "power_mng.bat_empty_full": lambda m: _empty_full(m.towers[0]),
    "power_mng.amp_hours": lambda m: m.towers[0].soc * CELL_AMPERE_HOURS,
    "power_mng.amp_hours_measured": lambda m: m.towers[0].health * CELL_AMPERE_HOURS,
    "power_mng.maximum_charge_voltage": lambda m: 86.4 * m.towers[0].modules,
    "power_mng.minimum_discharge_voltage": lambda m: 69.6 * m.towers[0].modules,
    "power_mng.bat_next_calib_date": lambda m: m.world.next_calibration(m.unix),
    "power_mng.bat_calib_reqularity": lambda m: 14,  # [sic], the object is called so
    "power_mng.bat_calib_days_in_advance": lambda m: 2,
    "battery.prog_sn": lambda m: m.world.serial("PRG"),
    "battery.soc_target": lambda m: m.world.scenario.sizes.SOC_MAXIMUM,
    "battery.soc_target_high": lambda m: m.world.scenario.sizes.SOC_MAXIMUM,
    "battery.soc_target_low": lambda m: m.world.scenario.sizes.SOC_MINIMUM,
    "battery.bat_status": lambda m: m.towers[0].status & ~(FULL | EMPTY),
    "battery.status": lambda m: m.towers[0].status | READY,
    "battery.bat_impedance.impedance_fine": lambda m: m.world.fixed("impedance", 0.15, 0.25),
    "battery.charged_amp_hours": lambda m: m.towers[0].ampere_hours_in,
    "battery.discharged_amp_hours": lambda m: m.towers[0].ampere_hours_out,
    "battery.stored_energy": lambda m: m.energies.charge * m.towers[0].share,
    "battery.used_energy": lambda m: m.energies.discharge * m.towers[0].share,
    "battery.efficiency": lambda m: m.energies.discharge / m.energies.charge,
    "battery.cycles": lambda m: m.towers[0].cycles,
}

#: What both towers have, under ``battery.`` and ``battery_placeholder[0].``. The functions take
#: the moment, the number of the tower, and the module where there is one.
TOWER: dict[str, Reading] = {
    "bms_sn": lambda m, t: m.world.serial("BMS", t),
    "bms_software_version": lambda m, t: 4722,
    "bms_power_version": lambda m, t: 1214,
    "soc": lambda m, t: m.towers[t].soc,
    "soh": lambda m, t: m.towers[t].health,
    "soc_update_since": lambda m, t: m.towers[t].soc_age,
    "voltage": lambda m, t: m.towers[t].volts,
    "current": lambda m, t: m.towers[t].amperes,
    "temperature": lambda m, t: m.towers[t].celsius,
    "status2": lambda m, t: m.towers[t].status,
    "ah_capacity": lambda m, t: CELL_AMPERE_HOURS * m.towers[t].health,
    "min_cell_voltage": lambda m, t: m.towers[t].cell_volts[0],
    "max_cell_voltage": lambda m, t: m.towers[t].cell_volts[1],
    "min_cell_temperature": lambda m, t: m.towers[t].cell_celsius[0],
    "max_cell_temperature": lambda m, t: m.towers[t].cell_celsius[1],
    "maximum_charge_current": lambda m, t: 25.0 if m.towers[t].soc < 0.95 else 10.0,
    "maximum_discharge_current": lambda m, t: 25.0 if m.towers[t].soc > 0.09 else 10.0,
    "maximum_charge_voltage": lambda m, t: 86.4 * m.towers[t].modules,
    "minimum_discharge_voltage": lambda m, t: 69.6 * m.towers[t].modules,
    "module_sn[]": lambda m, t, i: m.world.serial("MOD", t, i) if i < m.towers[t].modules else "",
    "stack_cycles[]": lambda m, t, i: m.towers[t].cycles - i,
    "stack_software_version[]": lambda m, t, i: 2218,
    "cells[]": lambda m, t, i: m.towers[t].status_bytes(i),
    "cells_resist[]": lambda m, t, i: m.towers[t].resistance_bytes(i),
    "cells_stat[]": lambda m, t, i: m.towers[t].statistics_bytes(i),
}

#: Flow in the unit's words → what it is of the energies. Feed-in is negative on the wire.
FLOWS: dict[str, Callable[[Energies], float]] = {
    "ac": lambda e: e.output,
    "load": lambda e: e.load,
    "grid_feed": lambda e: -e.grid_export,
    "grid_load": lambda e: e.grid_import,
    "ext": lambda e: e.external,
}

_PERIODS: dict[str, Callable[[Moment], Energies]] = {
    "day": lambda m: m.today,
    "month": lambda m: m.this_month,
    "year": lambda m: m.this_year,
    "total": lambda m: m.energies,
}


def _tower(reading: Reading, index: int) -> Reading:
    """The reading of one tower; the second tower's own index, always 0, is dropped."""
    if index == 0:
        return lambda m, *rest: reading(m, 0, *rest)
    return lambda m, _placeholder, *rest: reading(m, 1, *rest)


def _energy(flow: Callable[[Energies], float], period: Callable[[Moment], Energies]) -> Reading:
    return lambda m: flow(period(m))


def _generator_energy(period: Callable[[Moment], Energies]) -> Reading:
    return lambda m, i: (period(m).pv_a, period(m).pv_b)[i]


def _reserve(moment: Moment) -> tuple[tuple[float, float, float], ...]:
    """Limit, available and required power for compensation, battery to grid, and output."""
    sizes = moment.world.scenario.sizes
    battery = sizes.battery_watts if moment.towers else 0.0
    return (
        (sizes.rated_watts, max(sizes.rated_watts - moment.flows.output, 0.0), 0.0),
        (battery, max(battery - moment.flows.battery, 0.0), 0.0),
        (sizes.rated_watts, sizes.rated_watts, max(moment.flows.output, 0.0)),
    )


def _battery_state(watts: float) -> int:
    """The true codes are unknown: 1 resting, 2 charging, 3 discharging."""
    return 1 if abs(watts) < 1.0 else 2 if watts < 0.0 else 3


def _empty_full(tower: Tower) -> int:
    """Bit 0: was empty, bit 1: was full; which of them last, follows from the charge."""
    return 2 if tower.soc > 0.5 else 1


def _age_days(moment: Moment) -> int:
    return int(moment.unix - moment.world.born) // DAY


#: Every object but the logger's, ``[]`` for each index.
READINGS: dict[str, Reading] = {
    **INVERTER,
    **GENERATORS,
    **AC,
    **BOARD,
    **IDENTITY,
    **POWER_MANAGER,
    **{f"battery.{name}": _tower(reading, 0) for name, reading in TOWER.items()},
    **{f"battery_placeholder[].{name}": _tower(reading, 1) for name, reading in TOWER.items()},
    **{
        f"energy.e_{name}_{word}": _energy(flow, period)
        for name, flow in FLOWS.items()
        for word, period in _PERIODS.items()
    },
    **{f"energy.e_dc_{word}[]": _generator_energy(period) for word, period in _PERIODS.items()},
}
