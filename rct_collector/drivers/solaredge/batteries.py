"""Which batteries an inverter has, so that their sum is known to be that of all.

Nothing tells their number. Each has records of its own, which come with one time, but after a start
the first that is heard may be of one of several, and the sum would be published as if it was that
of all: a total that jumps with the next record, and not back. So the same batteries have to tell
two times before a third is believed to be of all; one more begins that anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

#: So many times the same batteries tell before they are believed to be all.
CONFIRMATIONS = 2

#: Batteries of one inverter; who invents more has no sum.
MOST_KNOWN = 256


@dataclass(slots=True)
class Batteries:
    """Those of one inverter, as far as they were heard.

    Attributes:
        known: Their serial numbers.
        newest: The latest time, Unix seconds, at which all that were known told.
        confirmations: At how many times all that are known told.
    """

    known: set[str] = field(default_factory=set)
    newest: int = 0
    confirmations: int = 0

    def are_all(self, members: Collection[str], time: int) -> bool:
        """Whether some are all that there are.

        Args:
            members: Those that told.
            time: Unix seconds, of their records.
        """
        if not self.known.issuperset(members):
            if len(self.known) < MOST_KNOWN:
                self.known.update(members)
            self.confirmations = 0
        if len(members) < len(self.known):
            return False
        if self.confirmations >= CONFIRMATIONS:
            return True
        if time > self.newest:  # what is repeated confirms nothing
            self.newest = time
            self.confirmations += 1
        return False
