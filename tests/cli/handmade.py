"""A snapshot with values that never change, for tests of how things look."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from rct_collector.cli.snapshot import Snapshot
from rct_collector.config import DeviceConfig
from rct_collector.drivers import series as every_series
from rct_collector.model import Batch, Health
from tests.addresses import tcp

TIME_NS = 1782043200 * 10**9

VALUES = {
    "inverter_power.pv_watts": 3511.4,
    "inverter_power.grid_watts": -11.2,
    "inverter_power.load_watts": 549.0,
    "inverter_power.battery_watts": -2917.0,
    "inverter_power.autarky_percent": 100.0,
    "inverter_power.output_power_factor_ratio": 0.9821,
    "inverter_string{string=a}.voltage_volts": 484.81,
    "inverter_string{string=b}.voltage_volts": 459.12,
    "inverter_string{string=a}.connected": 1,
    "inverter_string{string=b}.connected": 0,
    "inverter_battery{battery=0}.soc_percent": 37.34,
    "inverter_battery{battery=0}.status_word": 2048,
    "inverter_battery{battery=0}.status_balancing": 1,
    "inverter_battery{battery=0}.status_error": 0,
    "inverter_battery{battery=0}.charge_limit_amperes": 25.0,
    "inverter_battery{battery=0}.charge_limit_volts": 432.0,
    "inverter_battery{battery=0}.cell_minimum_volts": 3.2851,
    "inverter_battery{battery=0}.next_calibration_seconds": 1782500000.0,
    "inverter_battery_module{battery=0,module=0}.cycles_total": 906,
    "inverter_battery_module{battery=0,module=1}.cycles_total": 905,
    "inverter_battery_cell{battery=0,cell=0,module=0}.voltage_volts": 3.291,
    "inverter_battery_cell{battery=0,cell=1,module=0}.voltage_volts": 3.293,
    "inverter_battery_cell{battery=0,cell=0,module=1}.voltage_volts": 3.288,
    "inverter_battery_cell{battery=0,cell=0,module=0}.temperature_celsius": 25.0,
    "inverter_grid.frequency_hertz": 49.9862,
    "inverter_grid{phase=l1}.voltage_volts": 229.31,
    "inverter_grid{phase=l2}.voltage_volts": 229.49,
    "inverter_grid{phase=l3}.voltage_volts": 229.1,
    "inverter_energy{flow=grid_export}.watt_hours_total": 18941412.0,
    "inverter_energy{flow=grid_export}.day_watt_hours": 8.2,
    "inverter_energy{flow=battery_charge}.watt_hours_total": 9432298.0,
    "inverter_energy{flow=pv}.watt_hours_total": 35312951.0,
    "inverter_status.state_code": 13,
    "inverter_status.fault_word_0": 0,
    "inverter_status.fault_word_1": 1 << 5,
    "inverter_status.fault_word_2": 0,
    "inverter_status.fault_word_3": 0,
    "inverter_status.insulation_ohms": 1612345.0,
    "inverter_fault{fault=37}.active": 1,
    "inverter_temperature{sensor=heatsink}.celsius": 24.19,
    "inverter_temperature{sensor=battery_heatsink}.celsius": 34.6,
    "inverter.info": 1,
    "inverter.model": "PS 6.0 [bold]TEST[/]",
    "inverter.serial": "TEST1",
    "inverter_collector.up": 1,
    "inverter_collector.answers_total": 42,
    "inverter_collector.requests_total": 44,
    "inverter_collector.timeouts_total": 2,
    "inverter_collector.errors_total": 0,
    "inverter_collector.reconnects_total": 1,
    "inverter_collector.poll_seconds": 3.21,
    "inverter_collector.answer_latency_seconds": 0.0563,
}


def device(name="roof", **more):
    """A configured device in a zone of its own."""
    return DeviceConfig(
        name=name,
        driver="rct",
        address=tcp("192.0.2.10:8899"),
        timezone=ZoneInfo("Europe/Berlin"),
        **more,
    )


def batch(values=None, time_ns=TIME_NS, name="roof"):
    """Values by series name as a batch."""
    series = {item.name: item for item in every_series()}
    found = VALUES if values is None else values
    pairs = tuple((series[key], value) for key, value in found.items())
    health = Health(up=bool(found.get("inverter_collector.up", 1)))
    return Batch(name, "rct", (), time_ns, pairs, 10.0, ends_round=True, health=health)


def snapshot(values=None, time_ns=TIME_NS, **more):
    """A snapshot that has taken them; without any it has taken nothing at all."""
    result = Snapshot(device(**more))
    if values != {}:
        result.take(batch(values, time_ns, result.config.name))
    return result
