"""Who else on this host is obeyed and believed.

Anybody may take the name of a lock, and in some folders anybody may put a file. What counts is
what root, the own user and the members of one group say: collectd and Telegraf run as different
users, of which the latter is a member.
"""

from __future__ import annotations

import grp
import os
import pwd

#: The group of those who collect on one host; the Debian packages make it.
GROUP = "rct-collector"


def trusted(uid: int) -> bool:
    """Whether a user is root, the own one or a member of the group."""
    if uid in (0, os.geteuid()):
        return True
    try:
        group, user = grp.getgrnam(GROUP), pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return False
    return user.pw_gid == group.gr_gid or user.pw_name in group.gr_mem


def user_name(uid: int) -> str:
    """Name and number of a user, for messages."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}, uid {uid}"
    except (KeyError, OverflowError):
        return f"uid {uid}"
