"""Who else on this host is obeyed and believed.

Anybody may take the name of a lock, and in some folders anybody may put a file. What counts is
what root, the own user and the members of one group say: collectd and Telegraf run as different
users, of which the latter is a member.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Container

#: The group of those who collect on one host; the Debian packages make it.
GROUP = "rct-collector"


def trusted(uid: int, groups: Container[int] = ()) -> bool:
    """Whether a user is root, the own one or a member of the group.

    Args:
        uid: The user.
        groups: Those of a process of it, where they are known; see :func:`is_member`.
    """
    return uid in (0, os.geteuid()) or is_member(GROUP, uid, groups)


def is_member(name: str, uid: int, groups: Container[int] = ()) -> bool:
    """Whether a user is a member of a group.

    Args:
        name: Of the group.
        uid: The user.
        groups: Those of a process of it, where they are known: a service may have groups that its
            user has not.
    """
    try:
        group = grp.getgrnam(name)
        if group.gr_gid in groups:
            return True
        user = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return False
    return user.pw_gid == group.gr_gid or user.pw_name in group.gr_mem


def how_to_join(name: str, uid: int | None) -> str:
    """What makes a user a member of a group, for messages.

    Args:
        name: Of the group.
        uid: The user; None where that is not known.
    """
    words = [f"usermod --append --groups {name} {_account(uid)}"]
    try:
        grp.getgrnam(name)
    except KeyError:
        words.insert(0, f"groupadd --system {name}")
    return f"root says {' && '.join(words)!r}, and who is logged in logs in again"


def _account(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid is not None else "USER"
    except (KeyError, OverflowError):
        return "USER"


def user_name(uid: int) -> str:
    """Name and number of a user, for messages."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}, uid {uid}"
    except (KeyError, OverflowError):
        return f"uid {uid}"
