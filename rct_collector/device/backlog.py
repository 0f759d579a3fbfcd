"""In which order the slower classes get their turn."""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.drivers.base import Query

#: Of so many requests one goes to what has waited longest.
SHARE_OF_AGE = 4


def in_turn(waiting: Mapping[Query, float]) -> list[Query]:
    """Order what waits to be asked.

    What is soonest due again comes first, so that a minute's values do not wait behind those of
    an hour. But every fourth place is for what has waited longest: where more is wanted than
    there is time for, the values of an hour would otherwise not come at all.

    Args:
        waiting: Query → monotonic time of its next turn, those that have waited longest first.
    """
    by_age = iter(list(waiting))
    by_need = iter(sorted(waiting, key=waiting.__getitem__))
    ordered: dict[Query, None] = {}
    while len(ordered) < len(waiting):
        source = by_age if len(ordered) % SHARE_OF_AGE == SHARE_OF_AGE - 1 else by_need
        ordered[next(query for query in source if query not in ordered)] = None
    return list(ordered)
