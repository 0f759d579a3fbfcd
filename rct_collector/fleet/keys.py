"""The keys of a fleet, and what is kept under them.

::

    PREFIX/settings      {"shards": 4096}               fixed when the fleet is made
    PREFIX/devices/<n>   [{name, driver, address, …}]   the devices of shard n
    PREFIX/member/<id>   {host, weight, version, …}     goes with the lease of a process
    PREFIX/shard/<n>     <id>                           the same; its create_revision is the token

All values but the last are JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rct_collector.fleet.engine import EngineError, Entry
from rct_collector.option import shown

#: Shards that a fleet may have: each is a key, and each process computes the owner of each.
MOST_SHARDS = 1 << 20

#: Shards of a fleet whose maker does not name a number; enough for a hundred processes.
USUAL_SHARDS = 4096


class FleetKeys:
    """Names of keys.

    Attributes:
        settings: The one that is there in every fleet.
        devices: All lists of devices begin so, with the number of the shard behind it.
        members: All members begin so, with the identifier behind it.
        shards: All that are held begin so, with the number behind it.
    """

    def __init__(self, prefix: str) -> None:
        """Those of one fleet.

        Args:
            prefix: As the configuration names it, without a slash at its end.
        """
        self.settings = f"{prefix}/settings"
        self.devices = f"{prefix}/devices/"
        self.members = f"{prefix}/member/"
        self.shards = f"{prefix}/shard/"


def number_of(key: str, prefix: str) -> int:
    """The number of the shard whose key it is; -1 where it is none's.

    Args:
        key: In full.
        prefix: Of the keys of shards, as :class:`FleetKeys` has them.
    """
    last = key.removeprefix(prefix)
    is_short = len(last) <= len(str(MOST_SHARDS))
    number = int(last) if is_short and last.isascii() and last.isdecimal() else -1
    return number if key == f"{prefix}{number}" else -1


def shards_in(settings: Entry) -> int:
    """How many shards a fleet has.

    Raises:
        EngineError: The settings are not ours.
    """
    found = _json(settings)
    shards = found.get("shards") if isinstance(found, dict) else None
    if isinstance(shards, bool) or not isinstance(shards, int) or not 0 < shards <= MOST_SHARDS:
        raise EngineError(
            f"{settings.key}: found {shown(found)}, expected {{'shards': NUMBER}} of a fleet with 1"
            f" to {MOST_SHARDS} shards; is the prefix that of something else?"
        )
    return shards


def settings_for(shards: int) -> bytes:
    """The same as it is kept."""
    return json.dumps({"shards": shards}).encode()


def devices_in(entry: Entry) -> list[dict[str, Any]]:
    """The devices of a shard, as a configuration has them, not checked yet.

    Raises:
        EngineError: It is no list of mappings.
    """
    found = _json(entry)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise EngineError(f"{entry.key}: found {shown(found)}, expected a list of devices")
    return found


def devices_for(items: Sequence[dict[str, Any]]) -> bytes:
    """The same as it is kept: in one form, so that only what differs is written."""
    found = sorted(items, key=lambda item: str(item["name"]))
    return json.dumps(found, ensure_ascii=False, sort_keys=True).encode()


class FleetMember(NamedTuple):
    """What a process tells of itself.

    Attributes:
        id: Of the process, which no other one has.
        host: Where it runs.
        weight: How much it takes, compared with others.
        version: Of this program.
        shards: How many shards the fleet had when it joined; 0 where that is not told.
    """

    id: str
    host: str
    weight: float
    version: str
    shards: int = 0


def member_in(entry: Entry) -> FleetMember:
    """A member; of one that does not tell how much it takes, that it takes nothing."""
    found = _json(entry)
    told = found if isinstance(found, dict) else {}
    shards = told.get("shards")
    return FleetMember(
        entry.key.rpartition("/")[2],
        str(told.get("host", "")),
        _weight(told.get("weight")),
        str(told.get("version", "")),
        shards if isinstance(shards, int) else 0,
    )


def _weight(value: Any) -> float:
    """A weight; 0 for what is none, such as JSON's numbers that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        weight = float(value)
    except OverflowError:
        return 0.0
    return weight if math.isfinite(weight) and weight > 0 else 0.0


def member_for(member: FleetMember) -> bytes:
    """The same as it is kept."""
    told = {key: value for key, value in member._asdict().items() if key != "id"}
    return json.dumps(told).encode()


def _json(entry: Entry) -> Any:
    try:
        return json.loads(entry.value)
    except (ValueError, RecursionError):  # or nested too deeply
        return entry.value.decode("utf-8", "replace")
