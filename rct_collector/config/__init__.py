"""The one configuration file of every wrapper, and what is wrong with it."""

from rct_collector.config.checking import parse, place, salvage
from rct_collector.config.files import (
    DEFAULT_PATH,
    ENVIRONMENT,
    LARGEST,
    default_path,
    interpret,
    load,
    read,
    state_dir,
)
from rct_collector.config.options import (
    Config,
    DeviceConfig,
    Intervals,
    Requests,
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
    "Requests",
    "Shard",
    "default_path",
    "interpret",
    "load",
    "matches",
    "parse",
    "parse_address",
    "place",
    "read",
    "salvage",
    "state_dir",
]
