"""Solar inverter data for the monitoring that people already run.

The names below are what agents' plugins build on. They are loaded when first used, so that a
plugin pays only for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rct_collector._version import __version__

if TYPE_CHECKING:
    from rct_collector.adapter.alerts import Alert, Alerts
    from rct_collector.adapter.background import Background
    from rct_collector.adapter.blocks import from_blocks
    from rct_collector.adapter.devices import DeviceList
    from rct_collector.adapter.gauges import Gauge, Gauges
    from rct_collector.adapter.lineprotocol import LineProtocol
    from rct_collector.adapter.pipe import PipeWriter
    from rct_collector.collector import Collector, fitting
    from rct_collector.config import Config, DeviceConfig, default_path, load, parse, read, salvage
    from rct_collector.errors import CollectorError, ConfigError
    from rct_collector.loop import new_event_loop
    from rct_collector.model import Batch, CollectdId, Series
    from rct_collector.process import output_failure, prepare

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
    "Gauge",
    "Gauges",
    "LineProtocol",
    "PipeWriter",
    "DeviceList",
    "Series",
    "__version__",
    "default_path",
    "fitting",
    "from_blocks",
    "load",
    "new_event_loop",
    "output_failure",
    "parse",
    "prepare",
    "read",
    "salvage",
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
    "Gauge": "adapter.gauges",
    "Gauges": "adapter.gauges",
    "LineProtocol": "adapter.lineprotocol",
    "PipeWriter": "adapter.pipe",
    "DeviceList": "adapter.devices",
    "Series": "model",
    "default_path": "config",
    "fitting": "collector",
    "from_blocks": "adapter.blocks",
    "load": "config",
    "new_event_loop": "loop",
    "output_failure": "process",
    "parse": "config",
    "prepare": "process",
    "read": "config",
    "salvage": "config",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
