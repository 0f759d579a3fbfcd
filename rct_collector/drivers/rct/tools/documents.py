"""What the documentation has of RCT units only."""

from __future__ import annotations

from rct_collector.drivers.rct.tools import columns, rctmon
from rct_collector.drivers.tools import Documents, Part
from rct_collector.markdown import fenced

#: How well a part is known, best first.
RECORDED = "published answers of real units, some of which are among the tests"
SHARED = "other collectors in use, which read it in the same way"
UNTRIED = "the layout of the first tower; nobody has confirmed it on hardware"

#: Condition without its number → part.
PARTS = {
    "always": Part("every unit", RECORDED),
    "genA": Part("solar generator A", SHARED),
    "genB": Part("solar generator B", SHARED),
    "gen": Part("any solar generator", SHARED),
    "bat": Part("battery", RECORDED),
    "mod": Part("battery module, up to 7", SHARED),
    "bat2": Part("second battery tower", UNTRIED),
    "mod2": Part("module of the second tower, up to 7", UNTRIED),
    "psw": Part("Power Switch (backup)", RECORDED),
    "s0": Part("S0 meter", SHARED),
    "sensor": Part("external current sensors", SHARED),
    "plant": Part("plant of master and slaves", SHARED),
}

#: Versions of firmware that between them have all that is known of any.
_VERSIONS = ("1.0", "2.0", "2.2", "2.3.0", "2.3.5673", "2.4", "9.0")

DOCUMENTS = Documents(
    parts=PARTS,
    versions=tuple({"svnversion": version} for version in _VERSIONS),
    regions={
        "rctclient-columns": columns.columns,
        "rctmon-missing": rctmon.missing,
        "rctmon-names": rctmon.names,
        "rctmon-options": lambda: fenced("yaml", rctmon.device_options()),
        "rctmon-own-names": rctmon.own_names,
    },
    files={
        "plugins/telegraf/rctmon/influxdb.conf": rctmon.influxdb_conf,
        "plugins/telegraf/rctmon/mqtt.conf": rctmon.mqtt_conf,
        "plugins/telegraf/rctmon/prometheus.conf": rctmon.prometheus_conf,
    },
)
