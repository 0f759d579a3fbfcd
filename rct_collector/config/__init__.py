"""The one configuration file of every wrapper, and what is wrong with it."""

from rct_collector.config.checking import parse, salvage
from rct_collector.config.files import (
    DEFAULT_PATH,
    ENVIRONMENT,
    default_path,
    load,
    read,
    state_dir,
)
from rct_collector.config.options import (
    Config,
    DeviceConfig,
    Intervals,
    Option,
    Requests,
    options,
)
from rct_collector.config.values import (
    LEVELS,
    RESERVED_LABELS,
    SCHEMES,
    Address,
    Invalid,
    Shard,
    matches,
    parse_address,
    parse_duration,
)

__all__ = [
    "DEFAULT_PATH",
    "ENVIRONMENT",
    "LEVELS",
    "RESERVED_LABELS",
    "SCHEMES",
    "Address",
    "Config",
    "DeviceConfig",
    "Intervals",
    "Invalid",
    "Option",
    "Requests",
    "Shard",
    "default_path",
    "load",
    "matches",
    "options",
    "parse",
    "parse_address",
    "parse_duration",
    "read",
    "salvage",
    "state_dir",
]
