"""In which order the slower classes get their turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rct_collector.drivers.base import Query

#: Of so many requests one goes to what has waited longest.
SHARE_OF_AGE = 4


#: Query → those with which it makes up a sum.
Companions = Mapping[Query, Sequence[Query]]


def in_turn(waiting: Mapping[Query, float], companions: Companions) -> list[Query]:
    """Order what waits to be asked.

    What is soonest due again comes first, so that a minute's values do not wait behind those of
    an hour. But every fourth place is for what has waited longest: where more is wanted than
    there is time for, the values of an hour would otherwise not come at all. Companions take
    their turn together: a sum needs all its parts in one round.

    Args:
        waiting: Query → monotonic time of its next turn, those that have waited longest first.
        companions: What is to be asked together, as far as it waits.
    """
    by_age = iter(list(waiting))
    by_need = iter(sorted(waiting, key=waiting.__getitem__))
    ordered: dict[Query, None] = {}
    turn = 0
    while len(ordered) < len(waiting):
        turn += 1
        source = by_need if turn % SHARE_OF_AGE else by_age
        first = next(query for query in source if query not in ordered)
        ordered[first] = None
        ordered.update((q, None) for q in companions.get(first, ()) if q in waiting)
    return list(ordered)
