"""The one configuration file of every wrapper, and what is wrong with it."""

from rct_collector.config.configuration import Config, state_dir
from rct_collector.config.files import (
    DEFAULT_PATH,
    ENVIRONMENT,
    LARGEST,
    interpret,
    read,
)
from rct_collector.config.options import (
    DeviceConfig,
    HistoryOptions,
    Intervals,
    device_options,
    device_sections,
)
from rct_collector.config.values import (
    LEVELS,
    RESERVED_LABELS,
    Shard,
    matches,
)

__all__ = [
    "DEFAULT_PATH",
    "ENVIRONMENT",
    "LARGEST",
    "LEVELS",
    "RESERVED_LABELS",
    "Config",
    "DeviceConfig",
    "HistoryOptions",
    "Intervals",
    "Shard",
    "device_options",
    "device_sections",
    "interpret",
    "matches",
    "read",
    "state_dir",
]
