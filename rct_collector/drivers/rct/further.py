"""Objects of rctclient's registry that feed no metric: read when somebody asks for one by name.

Nobody collects them, and nothing loads this module but a command that was told such a name. To read
an object changes nothing in the unit; what is secret is not among them, so that it cannot be read.
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from rctclient.registry import REGISTRY

from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.table import BY_OID, RctObject

#: Object id → why it is never read.
SECRET = {
    0x14C0E627: "it is the password of the Wi-Fi",
    0x65A44A98: "it is the memory of all settings, among which is the password of the Wi-Fi",
}


@cache
def further() -> MappingProxyType[int, RctObject]:
    """Object id → object, of all that are in the registry and not in the driver's table."""
    return MappingProxyType(
        {
            entry.object_id: RctObject(
                name=entry.name,
                condition="always",
                exclusive=entry.response_data_type in wire.LONG_TYPES,
                oid=entry.object_id,
                type=entry.response_data_type,
            )
            for entry in REGISTRY.all()
            if entry.object_id not in BY_OID and entry.object_id not in SECRET
        }
    )
