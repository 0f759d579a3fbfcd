"""The configuration file and the folder for what was learnt: where they are, how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rct_collector.config.checking import parse
from rct_collector.config.options import Config
from rct_collector.errors import ConfigError

DEFAULT_PATH = Path("/etc/rct-collector/config.yaml")
ENVIRONMENT = "RCT_COLLECTOR_CONFIG"


def load(path: Path) -> Config:
    """Read a YAML file.

    Raises:
        ConfigError: It cannot be read, is no YAML, or says something wrong.
    """
    return parse(read(path), str(path))


def read(path: Path) -> Any:
    """What a YAML file says, not checked yet.

    Raises:
        ConfigError: It cannot be read, or is no YAML.
    """
    import yaml  # here, since collectd's blocks need no YAML

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    try:
        return _load_yaml(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        what = getattr(error, "problem", None) or "not YAML"
        raise ConfigError([f"{path}: {line}{what}"]) from error
    except Exception as error:  # PyYAML passes on what a date such as 2026-13-01 makes Python say
        raise ConfigError([f"{path}: a value cannot be read ({error}); quote it?"]) from error


def _load_yaml(text: str) -> Any:
    """YAML without duplicate keys, of which PyYAML would silently keep the last."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue  # refused by PyYAML in a moment
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    loader = Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def default_path() -> Path:
    """Where the configuration is, unless the command line says otherwise."""
    return Path(os.environ.get(ENVIRONMENT) or DEFAULT_PATH)


def state_dir(config: Config) -> Path | None:
    """Folder for what was learnt: configured, else the system's, else the user's own.

    None for a user without a home, as in some containers: nothing is kept then.
    """
    if config.state_dir is not None:
        return config.state_dir
    system = Path("/var/lib/rct-collector")
    if os.access(system, os.W_OK):
        return system
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(home).expanduser() / "rct-collector"
    except RuntimeError:
        return None
