"""RctMon's names and ours: one table, from which the page and Telegraf's configurations are made.

A row names objects of the unit, since both programs read the same ones; where the value is here,
and by what it was multiplied, is known from the driver's table. RctMon passes on what the unit
sends, so that its value is ours divided by that factor. Braces stand for tags of our series, and
``{n}`` for the number of the object.

Sources: names, labels and topics of RctMon at commit a950238. That single cells are in volts and
ohms there follows from their names only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from rctclient.types import DataType

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Query
from rct_collector.drivers.rct.table import OBJECTS as QUERIES
from rct_collector.drivers.rct.table import RctObject
from rct_collector.format import span
from rct_collector.markdown import code, table
from rct_collector.model import Kind, Metric, Series

#: The label has the value, and the value of the series is 1.
VALUE = "{value}"


class RctMonRow(NamedTuple):
    """Names that RctMon has for some objects of the unit, or for figures about itself.

    Attributes:
        source: Objects, ``[0..2]`` for several, or one of our metrics.
        prometheus: Name without ``rctmon_``.
        influx: Measurements and fields; ``raw_data``, where each object is, goes without saying.
        mqtt: Topic without prefix.
        note: What else differs.
        part: Part of the object's answer.
        scaled: RctMon publishes in the unit of our metric, although the unit sends another.
        labels: Prometheus labels.
    """

    source: str
    prometheus: str
    influx: tuple[str, ...]
    mqtt: str
    note: str
    part: str
    scaled: bool
    labels: dict[str, str]


def old(
    source: str,
    prometheus: str = "",
    *,
    influx: str = "",
    mqtt: str = "",
    note: str = "",
    part: str = "",
    scaled: bool = False,
    **labels: str,
) -> RctMonRow:
    """Make one row."""
    return RctMonRow(source, prometheus, tuple(influx.split()), mqtt, note, part, scaled, labels)


_CLUE = "unit by the name there"

# fmt: off
# ruff: noqa: E501 - one name is one line, so that a table can be read as a table
OBJECTS = (
    # the inverter
    old("android_description", note="the label and tag `inverter` there"),
    old("inverter_sn", "inverter_info", mqtt="basic/serial_number", serial_number=VALUE),
    old("svnversion", "inverter_info", mqtt="basic/control_software_version", control_software_version=VALUE),
    old("parameter_file", "inverter_info", mqtt="basic/parameter_file", parameter_file=VALUE),
    old("dc_conv.dc_conv_struct[0..1].enabled", "inventory", mqtt="basic/have_generator_{string}", component="generator_{string}"),
    old("rb485.available", "inventory", mqtt="basic/power_switch_available", component="power_switch"),
    old("power_mng.battery_type"),
    old("prim_sm.state", "inverter_status", mqtt="basic/inverter_status"),
    old("prim_sm.island_flag", "inverter_grid_separated", mqtt="basic/inverter_grid_separated", note="the whole word, 2 in normal operation; its bit 0 is `inverter_status.grid_separated`"),
    old("fault[0..3].flt", "inverter_faults", mqtt="basic/fault{n}", register="{n}"),
    old("iso_struct.Riso", "inverter_insulation", mqtt="basic/inverter_insulation_total", unit="total"),
    old("iso_struct.Rp", "inverter_insulation", mqtt="basic/inverter_insulation_positive", unit="positive"),
    old("iso_struct.Rn", "inverter_insulation", mqtt="basic/inverter_insulation_negative", unit="negative"),
    old("db.temp1", "temperature", influx="temperature.heatsink", mqtt="basic/temperature_heatsink", sensor="heatsink"),
    old("db.temp2", "temperature", influx="temperature.heatsink_battery_actuator", mqtt="basic/temperature_heatsink_batt", sensor="heatsink_battery_actuator"),
    old("db.core_temp", "temperature", influx="temperature.core", mqtt="basic/temperature_core", sensor="core"),
    # household and grid
    old("g_sync.p_ac_load_sum_lp", "household_load", mqtt="household/load_total"),
    old("g_sync.p_ac_load[0..2]", "household_load_phase", mqtt="household/load_{phase}", phase="{phase}"),
    old("g_sync.p_ac_grid_sum_lp", mqtt="grid/power_total"),
    old("g_sync.p_ac_sc[0..2]", "grid_power_watt", mqtt="grid/power_{phase}", phase="{phase}"),
    old("g_sync.u_l_rms[0..2]", "grid_voltage_volt", mqtt="grid/voltage_{phase}", phase="{phase}"),
    old("g_sync.u_ptp_rms[0..2]", "grid_voltage_phase_to_phase_volt", mqtt="grid/phase_to_phase_voltage_{pair}", measurement="{pair}"),
    old("grid_pll[0].f", "grid_frequency_hertz", mqtt="grid/frequency"),
    # solar generators
    old("g_sync.u_sg_avg[0..1]", "generator_voltage_volt", mqtt="solargenerator/{string}/voltage", generator="{string}"),
    old("dc_conv.dc_conv_struct[0..1].p_dc_lp", "generator_power_watt", mqtt="solargenerator/{string}/power", generator="{string}"),
    old("dc_conv.dc_conv_struct[0..1].u_target", "generator_mpp_target_voltage_volt", mqtt="solargenerator/{string}/mpp_target_voltage", generator="{string}"),
    old("dc_conv.dc_conv_struct[0..1].mpp.mpp_step", "generator_mpp_search_step_volt", mqtt="solargenerator/{string}/mpp_search_step", generator="{string}"),
    # Power Switch
    old("rb485.version_main", "powerswitch_info", software_version=VALUE),
    old("rb485.version_boot", "powerswitch_info", bootloader_version=VALUE),
    old("rb485.u_l_grid[0..2]", "powerswitch_voltage_volt", mqtt="powerswitch/grid_voltage_{phase}", phase="{phase}"),
    old("rb485.f_grid[0..2]", "powerswitch_frequency_hertz", mqtt="powerswitch/grid_frequency_{phase}", phase="{phase}"),
    old("rb485.f_wr[0..2]", "powerstorage_frequency_hertz", mqtt="powerswitch/power_storage_frequency_{phase}", phase="{phase}"),
    # battery
    old("battery.bms_sn", "bms_info_info", mqtt="battery/bms_sn", serial_number=VALUE),
    old("battery.soc", "battery_state_of_charge_percent", influx="battery_overview.soc", mqtt="battery/soc"),
    old("battery.soc_target", "battery_state_of_charge_target_percent", influx="battery_overview.soc_target", mqtt="battery/soc_target"),
    old("battery.soh", "battery_state_of_health_percent", influx="battery_overview.soh", mqtt="battery/soh"),
    old("power_mng.soc_min", "battery_state_of_charge_min_percent", influx="battery_overview.soc_min", mqtt="battery/soc_min"),
    old("power_mng.soc_min_island"),
    old("power_mng.soc_max"),
    old("g_sync.p_acc_lp", "battery_power", influx="battery_overview.power", mqtt="battery/battery_power"),
    old("power_mng.battery_power"),
    old("power_mng.u_acc_mix_lp", "battery_voltage", influx="battery_overview.voltage", mqtt="battery/battery_voltage"),
    old("battery.voltage", mqtt="battery/voltage"),
    old("adc.u_acc"),
    old("battery.current", mqtt="battery/current"),
    old("acc_conv.i_acc_lp_fast"),
    old("battery.temperature", "battery_temperature", influx="battery_overview.temperature temperature.battery", mqtt="battery/temperature"),
    old("battery.bat_status", "battery_bat_status", influx="battery_overview.status", mqtt="battery/bat_status"),
    old("battery.status", mqtt="battery/status"),
    old("battery.status2", mqtt="battery/status2"),
    old("power_mng.state", "battery_state", influx="battery_overview.state", mqtt="battery/battery_state"),
    old("battery.bat_impedance.impedance_fine", "battery_impedance_fine", influx="battery_overview.impedance_fine", mqtt="battery/impedance_fine"),
    old("battery.discharged_amp_hours", "battery_discharge_amp_hours_total", influx="battery_overview.discharged_amp_hours", mqtt="battery/discharged_amp_hours"),
    old("battery.stored_energy", "battery_stored_energy_total", influx="battery_overview.stored_energy", mqtt="battery/stored_energy"),
    old("battery.used_energy", "battery_used_energy_total", mqtt="battery/used_energy"),
    old("battery.efficiency", mqtt="battery/efficiency"),
    old("battery.cycles", mqtt="battery/cycles"),
    # battery modules and cells
    old("battery.module_sn[0..6]", "battery_module_info", module="{n}", serial_number=VALUE),
    old("battery.stack_cycles[0..6]", "battery_module_cycles_total", influx="battery_module.cycles", module="{module}"),
    old("battery.cells[0..6]", "battery_module_cell_voltage_volt", part="cell voltage", scaled=True, note=_CLUE, module="{module}", cell="{cell}"),
    old("battery.cells[0..6]", "battery_module_cell_temperature_celsius", part="cell temperature", module="{module}", cell="{cell}"),
    old("battery.cells_resist[0..6]", "battery_module_cell_resistance_ohm", part="cell resistance", scaled=True, note=_CLUE, module="{module}", cell="{cell}"),
    old("battery.cells_stat[0..6]", "battery_module_voltage_min_volt", part="u_min value", module="{module}"),
    old("battery.cells_stat[0..6]", "battery_module_voltage_max_volt", part="u_max value", module="{module}"),
    old("battery.cells_stat[0..6]", "battery_module_temperature_min_celsius", part="t_min value", module="{module}"),
    old("battery.cells_stat[0..6]", "battery_module_temperature_max_celsius", part="t_max value", module="{module}"),
    # energies
    old("energy.e_ac_day"),
    old("energy.e_ac_month"),
    old("energy.e_ac_year"),
    old("energy.e_ac_total", "energy_ac_sum", mqtt="energy/ac_sum"),
    old("energy.e_load_total", "energy_household_sum", mqtt="energy/household_sum"),
    old("energy.e_grid_load_total", "energy_grid_load_sum", mqtt="energy/grid_load_sum"),
    old("energy.e_grid_feed_total", "energy_grid_feed_sum", mqtt="energy/grid_feed_sum"),
    old("energy.e_dc_total[0..1]", "energy_solar_generator_sum", mqtt="energy/solar_generator_{string}_sum", component="generator_{string}"),
)

#: Figures about RctMon itself. They have no label `inverter` there.
OWN = (
    old("inverter_collector.up", "device_up", note="1 there while a connection is still being made; here 1 when a round brought an answer"),
    old("inverter_collector.received_bytes_total", "bytes_received_total"),
    old("inverter_collector.sent_bytes_total", "bytes_sent_total"),
    old("inverter_collector.answers_total", "frames_received_total", note="all intact frames there, answers that were used here"),
    old("inverter_collector.requests_total", "frames_sent_total"),
    old("inverter_collector_errors{kind=crc}.frames_total", "decode_error_total", kind="crc"),
    old("inverter_collector_errors{kind=command}.frames_total", "decode_error_total", kind="command"),
    old("inverter_collector_errors{kind=decode}.frames_total", "decode_error_total", kind="payload"),
    old("inverter_collector_errors{kind=length}.frames_total", "decode_error_total", kind="length"),
)
# fmt: on

#: What has no counterpart, and why.
MISSING = (
    (
        "`rctmon_frames_lost_total`",
        "RctMon never counts it up. What was not answered in time is"
        " `inverter_collector.timeouts_total`.",
    ),
    ("`rctmon_info`", "The version is told by `rct-collector-telegraf --version`."),
    (
        "`rctmon_influx_points_written`",
        "Telegraf writes; its `inputs.internal` counts for each output.",
    ),
    (
        "`python_*`, `process_*`, `*_created`",
        "They come with RctMon's Prometheus library. Telegraf's `inputs.procstat` tells of"
        " processes.",
    ),
)


# -- rows and series ---------------------------------------------------------------------------


class RctMonSeries(NamedTuple):
    """One series of ours with its names in RctMon.

    Attributes:
        row: The row, with the number of the object filled in.
        series: Our series.
        divisor: RctMon's value is ours divided by this.
        query: The object; None for figures about the collector itself.
    """

    row: RctMonRow
    series: Series
    divisor: float
    query: Query | None


@cache
def links() -> tuple[RctMonSeries, ...]:
    """Every series that RctMon has a name for, in the order of the table."""
    return tuple(link for row in (*OBJECTS, *OWN) for link in of_row(row))


def of_row(row: RctMonRow) -> Iterator[RctMonSeries]:
    """The series of one row.

    Raises:
        KeyError: No such object, part or metric.
    """
    if row in OWN:
        for series in catalog().matching(row.source):
            yield RctMonSeries(row, series, 1, None)
        return
    for n, name in enumerate(_expanded(row.source)):
        query = _queries()[name]
        (binding,) = (b for b in query.bindings if b.part == row.part)
        for series in binding.series:
            yield RctMonSeries(_numbered(row, n), series, 1 if row.scaled else binding.scale, query)


@cache
def _queries() -> dict[str, Query]:
    return {query.name: query for query in QUERIES}


def _expanded(pattern: str) -> list[str]:
    match = re.search(r"\[(\d)\.\.(\d)\]", pattern)
    if not match:
        return [pattern]
    return [pattern.replace(match[0], f"[{n}]") for n in range(int(match[1]), int(match[2]) + 1)]


def _numbered(row: RctMonRow, n: int) -> RctMonRow:
    labels = {key: text.replace("{n}", str(n)) for key, text in row.labels.items()}
    return row._replace(mqtt=row.mqtt.replace("{n}", str(n)), labels=labels)


# -- the page ----------------------------------------------------------------------------------


def names() -> str:
    """The table of all that RctMon reads from the unit."""
    head = ("Prometheus", "InfluxDB", "MQTT", "Object in `raw_data`", "Here", "What differs")
    return table(head, (_line(row) for row in OBJECTS))


def own_names() -> str:
    """The table of RctMon's figures about itself."""
    head = ("Prometheus", "Here", "What differs")
    return table(head, ((_prometheus(row), _here(row), row.note) for row in OWN))


def missing() -> str:
    """What has no counterpart."""
    return table(("RctMon", "Instead"), MISSING)


def device_options() -> str:
    """What a device needs so that nothing is lost."""
    metrics = {link.series.metric: None for link in links()}
    off = [metric.name for metric in metrics if not metric.default and not metric.option]
    lines = "".join(f"      - {name}\n" for name in off)
    return f"""\
devices:
  - name: roof
    driver: rct
    address: tcp://192.0.2.10:8899

    # What RctMon's label `inverter` says: the name that the app shows.
    labels: {{inverter: PS 6.0 ABCD}}

    # Single cells, and what RctMon has and is off by default here.
    cells: true
    include:
{lines}"""


def _line(row: RctMonRow) -> tuple[str, ...]:
    raw = "" if row.part else code(row.source)
    return (
        _prometheus(row),
        ", ".join(map(code, row.influx)),
        code(row.mqtt.replace("{n}", "0…3")),
        raw,
        _here(row),
        "; ".join(_differences(row)),
    )


def _prometheus(row: RctMonRow) -> str:
    labels = ", ".join(
        key if text == VALUE or "{" in text else f'{key}="{text}"'
        for key, text in row.labels.items()
    )
    braces = f"{{{labels}}}" if labels else ""
    return code(f"rctmon_{row.prometheus}{braces}") if row.prometheus else ""


def _here(row: RctMonRow) -> str:
    found = [link.series for link in of_row(row)]
    fields = list(dict.fromkeys(series.metric.field for series in found))
    tags: dict[str, dict[str, None]] = {}
    for series in found:
        for key, value in series.tags:
            tags.setdefault(key, {})[value] = None
    inner = ",".join(f"{key}={span(tuple(values))}" for key, values in tags.items())
    measurement = found[0].metric.measurement + (f"{{{inner}}}" if inner else "")
    ends = dict.fromkeys((fields[0], fields[-1]))
    return " … ".join(code(f"{measurement}.{field}") for field in ends)


def _differences(row: RctMonRow) -> Iterator[str]:
    link = next(of_row(row))
    metric = link.series.metric
    if link.divisor == 100:
        yield "0 to 1 there, 0 to 100 here"
    elif link.divisor == -1:
        yield "negative there, positive here"
    if row.prometheus and metric.kind is Kind.TOTAL and not row.prometheus.endswith("_total"):
        yield "gauge there, counter here"
    for key, text in row.labels.items():
        tag = re.search(r"{(\w+)}", text)
        if tag and text != VALUE and tag[1] != "n" and (key, text) != (tag[1], tag[0]):
            yield f"label `{key}` there, `{tag[1]}` here"
    if metric.option:
        yield f"needs `{metric.option}: true`"
    elif not metric.default:
        yield "off by default"
    if row.note:
        yield row.note


# -- Telegraf ----------------------------------------------------------------------------------


class Copy(NamedTuple):
    """How a field is copied under an old name. Braces are filled with tags.

    Attributes:
        field: Our metric.
        where: Tags of the series concerned.
        measurement: Name of the copy.
        tags: Its tags; ``inverter`` goes without saying.
        as_field: Its field.
        divisor: What its value is divided by; None makes it a truth value.
    """

    field: str
    where: dict[str, str]
    measurement: str
    tags: dict[str, str]
    as_field: str
    divisor: float | None


_VALUE_FIELDS = {
    DataType.FLOAT: "value_float",
    DataType.BOOL: "value_bool",
    DataType.STRING: "value_string",
}


def prometheus_conf() -> str:
    """Telegraf's configuration for RctMon's Prometheus page."""
    return _conf("Prometheus page", _prometheus_copies(), _PROMETHEUS, _infos())


def influxdb_conf() -> str:
    """Telegraf's configuration for RctMon's measurements in InfluxDB."""
    return _conf("measurements in InfluxDB", _influx_copies(), _INFLUXDB)


def mqtt_conf() -> str:
    """Telegraf's configuration for RctMon's MQTT topics."""
    return _conf("MQTT topics", _mqtt_copies(), _MQTT)


def _prometheus_copies() -> Iterator[Copy]:
    for link, where in _grouped():
        row = link.row
        if row.prometheus and VALUE not in row.labels.values():
            name = link.series.metric.name
            yield Copy(name, where, "rctmon", row.labels, row.prometheus, link.divisor)


def _infos() -> list[tuple[str, str, dict[str, str], dict[str, str]]]:
    """Measurement, name, fixed labels, and labels that get the value of a field."""
    found: dict[tuple[str, str, str], tuple[dict[str, str], dict[str, str]]] = {}
    for link in links():
        row, metric = link.row, link.series.metric
        if VALUE in row.labels.values():
            fixed = {key: text for key, text in row.labels.items() if text != VALUE}
            place = (metric.measurement, row.prometheus, json.dumps(fixed))
            fields = found.setdefault(place, (fixed, {}))[1]
            fields |= {key: metric.field for key, text in row.labels.items() if text == VALUE}
    return [(measurement, name, *labels) for (measurement, name, _), labels in found.items()]


def _influx_copies() -> Iterator[Copy]:
    for link, where in _grouped():
        for name in link.row.influx:
            measurement, field = name.split(".")
            tags = link.row.labels if measurement == "battery_module" else {}
            yield Copy(link.series.metric.name, where, measurement, tags, field, link.divisor)
    for link in links():
        if isinstance(link.query, RctObject) and not link.row.part:
            yield Copy(
                link.series.metric.name,
                dict(link.series.tags),
                "raw_data",
                {"name": link.query.name, "oid": f"0x{link.query.oid:X}"},
                _VALUE_FIELDS.get(link.query.type, "value_int"),
                None if link.query.type is DataType.BOOL else link.divisor,
            )


def _mqtt_copies() -> Iterator[Copy]:
    for link, where in _grouped():
        if link.row.mqtt:
            topic, _, field = link.row.mqtt.rpartition("/")
            name = link.series.metric.name
            yield Copy(name, where, "rctmon_mqtt", {"topic": topic}, field, link.divisor)


def _grouped() -> Iterator[tuple[RctMonSeries, dict[str, str]]]:
    """One link for all series of a row and metric, and the tags that these have in common."""
    groups: dict[tuple[str, Metric], list[RctMonSeries]] = {}
    for link in links():
        groups.setdefault((str(link.row), link.series.metric), []).append(link)
    for group in groups.values():
        common = set.intersection(*(set(link.series.tags) for link in group))
        yield group[0], dict(sorted(common))


_HEAD = """\
# RctMon's {what}, made of the metrics of rct-collector
#
# Made by `make docs`; docs/coming-from-rctmon.md tells how it is used. It copies: rct-collector's
# own metrics stay as they are.
[[processors.starlark]]
  namepass = ["inverter*"]
  source = '''
# Metric: tags it must have, measurement, tags and field of the copy, divisor.
COPIES = {{
{copies}}}
{infos}
def apply(metric):
    tags = dict(metric.tags.items())
    # RctMon's name of the inverter is the device's label of that name, else our name.
    inverter = tags.get("inverter", tags["source"])
    copies = []
    for field, value in metric.fields.items():
        for where, name, labels, new, divisor in COPIES.get(metric.name + "." + field, []):
            if all([tags.get(key) == text for key, text in where.items()]):
                made = Metric(name)
                made.tags.update({{key: text.format(**tags) for key, text in labels.items()}})
                made.fields[new.format(**tags)] = converted(value, divisor)
                copies.append(made)
{more}    for made in copies:
        made.time = metric.time
        made.tags["inverter"] = inverter
    return [metric] + copies

def converted(value, divisor):
    if divisor == None:
        return value != 0
    return value if divisor == 1 else value / divisor
'''

"""

_INFOS = """
# Measurement, name, labels, and labels with the field that has their value.
INFOS = [
{infos}]
"""

_MORE = """\
    for measurement, name, labels, fields in INFOS:
        if metric.name == measurement and all([f in metric.fields for f in fields.values()]):
            made = Metric("rctmon")
            made.tags.update(labels)
            made.tags.update({key: str(metric.fields[f]) for key, f in fields.items()})
            made.fields[name] = 1
            copies.append(made)
"""

_PROMETHEUS = """\
[[outputs.prometheus_client]]
  ## The port that RctMon has by default.
  listen = ":9831"
  metric_version = 2
  namepass = ["rctmon"]

  ## RctMon shows old values for ever; here they go when nothing came for this long.
  expiration_interval = "2h"
  collectors_exclude = ["gocollector", "process"]

  ## As in RctMon, energies are gauges, apart from those of the battery.
  [outputs.prometheus_client.metric_types]
    counter = ["*_total"]
    gauge = ["*[!l]", "*[!a]l"]
"""

_INFLUXDB = """\
[[outputs.influxdb_v2]]
  ## What RctMon's section `influxdb` says. For InfluxDB 1.x take [[outputs.influxdb]] with urls
  ## and database.
  urls = ["http://localhost:8086"]
  token = "secret"
  organization = "rctmon"
  bucket = "rctmon"
  namepass = ["battery_overview", "battery_module", "temperature", "raw_data"]
  tagexclude = ["host"]
"""

_MQTT = """\
[[outputs.mqtt]]
  ## What RctMon's section `mqtt` says. Its topics do not tell inverters apart: with several of
  ## them, put {{ .Tag "inverter" }} in.
  servers = ["tcp://127.0.0.1:1883"]
  topic = 'rctmon/{{ .Tag "topic" }}'
  layout = "field"
  retain = true
  keep_alive = 30
  namepass = ["rctmon_mqtt"]
"""


def _conf(
    what: str,
    copies: Iterable[Copy],
    output: str,
    infos: list[tuple[str, str, dict[str, str], dict[str, str]]] | None = None,
) -> str:
    found: dict[str, list[str]] = {}
    for copy in copies:
        found.setdefault(copy.field, []).append(_starlark(*copy[1:]))
    script = _HEAD.format(
        what=what,
        copies="".join(
            f"    {_starlark(name)}: [\n" + "".join(f"        {x},\n" for x in made) + "    ],\n"
            for name, made in found.items()
        ),
        infos=_INFOS.format(infos="".join(f"    {_starlark(*i)},\n" for i in infos))
        if infos
        else "",
        more=_MORE if infos else "",
    )
    return script + output


def _starlark(*values: Any) -> str:
    texts = ["None" if value is None else json.dumps(value) for value in values]
    return f"({', '.join(texts)})" if len(texts) > 1 else texts[0]
