"""Who may do what: decided by what the kernel tells of the process at the other end.

The sockets have no file mode, so nothing else stands between the devices and whoever has an account
on the host, or runs in one of its containers.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from rct_collector.lines.holder import Holder
from rct_collector.trust import is_member, trusted

#: The group of those who may change settings, as far as the configuration enables them.
CONTROL = "rct-collector-control"

#: What the kernel calls every user of another name space whom ours does not know
#: (/proc/sys/kernel/overflowuid); so it may be anybody, and nobody who is called so by right.
UNMAPPED = 65534


class Rights(NamedTuple):
    """What one caller may do.

    Attributes:
        reads: See values and state.
        sets: Change settings.
        governs: Have the configuration read again: who could end the process as well.
    """

    reads: bool = False
    sets: bool = False
    governs: bool = False


def rights_of(caller: Holder) -> Rights:
    """What a caller may do.

    Root and the own user may read. To set, they need the group like everybody else: who is made
    a member has decided that something may be set from there.

    Args:
        caller: The process at the other end of the connection.
    """
    uid = caller.uid
    if uid is None or uid == UNMAPPED or not trusted(uid, caller.groups):
        return Rights()
    return Rights(
        reads=True,
        sets=is_member(CONTROL, uid, caller.groups),
        governs=uid in (0, os.geteuid()),
    )
