"""The one configuration file of every wrapper, and what is wrong with it."""

from rct_collector.config.checking import place
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
    Intervals,
    device_options,
    device_sections,
)
from rct_collector.config.values import (
    LEVELS,
    RESERVED_LABELS,
    SCHEMES,
    Address,
    Shard,
    matches,
    parse_address,
)

__all__ = [
    "DEFAULT_PATH",
    "ENVIRONMENT",
    "LARGEST",
    "LEVELS",
    "RESERVED_LABELS",
    "SCHEMES",
    "Address",
    "Config",
    "DeviceConfig",
    "Intervals",
    "Shard",
    "device_options",
    "device_sections",
    "interpret",
    "matches",
    "parse_address",
    "place",
    "read",
    "state_dir",
]
