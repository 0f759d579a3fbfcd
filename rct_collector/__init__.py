"""Solar inverter data for the monitoring that people already run.

The names below are what agents' plugins build on. They are loaded when first used, so that a
plugin pays only for what it needs.

* :class:`Config` is what the user wants: ``load`` takes it from a file, ``parse`` from a mapping.
  :class:`DeviceConfig` is that of one device, :class:`DeviceList` gathers them from many places.
* :class:`Collector` collects on an event loop, which ``new_event_loop`` makes;
  :class:`Background` does so in a thread of its own. In a :class:`Fleet` processes on many hosts
  share the devices. :class:`Reloading` has the configuration read
  again, which the :class:`Version` of its file tells to be due.
* :class:`Batch` is what comes of it: values of :class:`Series`, whose :class:`Origin` tells of
  when they are, and the :class:`Health` of the unit. What was missed is restored in the
  :class:`GapOrder` that the agent stands. :class:`LineProtocol`, :class:`Gauges` and
  :class:`Alerts` make of it what an agent takes, and :class:`HomeAssistant` what that learns of
  units, with :class:`TelegrafTopics` for where their values are. :class:`PipeWriter` writes without
  ever waiting. ``unit_name`` tells the units of one device apart.
* ``process`` is what a process inherits: ``prepare`` it first, and ask it for the
  ``output_failure`` at the end.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rct_collector._version import __version__

if TYPE_CHECKING:
    from rct_collector import process
    from rct_collector.adapter.alerts import Alert, Alerts
    from rct_collector.adapter.background import Background
    from rct_collector.adapter.devices import DeviceList, unit_name
    from rct_collector.adapter.gauges import Gauge, Gauges
    from rct_collector.adapter.home_assistant.discovery import HomeAssistant
    from rct_collector.adapter.home_assistant.topics import TelegrafTopics
    from rct_collector.adapter.lineprotocol import LineProtocol
    from rct_collector.adapter.pipe import PipeWriter
    from rct_collector.collector import Collector
    from rct_collector.config import Config, DeviceConfig
    from rct_collector.errors import CollectorError, ConfigError
    from rct_collector.fleet.service import Fleet
    from rct_collector.loop import new_event_loop
    from rct_collector.model import Batch, CollectdId, GapOrder, Health, Origin, Series
    from rct_collector.reloading import Reloading, Version

__all__ = [
    "Alert",
    "Alerts",
    "Background",
    "Batch",
    "CollectdId",
    "Collector",
    "CollectorError",
    "Config",
    "ConfigError",
    "DeviceConfig",
    "Fleet",
    "HomeAssistant",
    "Gauge",
    "Gauges",
    "Health",
    "LineProtocol",
    "GapOrder",
    "Origin",
    "PipeWriter",
    "DeviceList",
    "Reloading",
    "Series",
    "TelegrafTopics",
    "Version",
    "__version__",
    "new_event_loop",
    "process",
    "unit_name",
]

_HOMES = {
    "Alert": "adapter.alerts",
    "Alerts": "adapter.alerts",
    "Background": "adapter.background",
    "Batch": "model",
    "CollectdId": "model",
    "Collector": "collector",
    "CollectorError": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "DeviceConfig": "config",
    "HomeAssistant": "adapter.home_assistant.discovery",
    "Fleet": "fleet.service",
    "Gauge": "adapter.gauges",
    "Gauges": "adapter.gauges",
    "Health": "model",
    "LineProtocol": "adapter.lineprotocol",
    "GapOrder": "model",
    "Origin": "model",
    "PipeWriter": "adapter.pipe",
    "DeviceList": "adapter.devices",
    "Reloading": "reloading",
    "Series": "model",
    "TelegrafTopics": "adapter.home_assistant.topics",
    "Version": "reloading",
    "new_event_loop": "loop",
    "process": "process",
    "unit_name": "adapter.devices",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    return home if name == _HOMES[name] else getattr(home, name)
