"""A family whose units share a bus and speak only when its master lets them.

``A1 go`` lets A1 speak; what it says is as in :mod:`tests.toys.plant`, and ``A1 done`` gives the
bus back. A unit that says nothing for two seconds loses its turn, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from rct_collector.drivers.base import Reply
from tests.toys import plant

#: Units on the bus, in their order.
UNITS = ("A1", "B2", "C3")

#: Seconds for which a unit may be silent, and between two turns.
SILENT_S, PAUSE_S = 2.0, 0.25


class Master(plant.Session):
    def __init__(self):
        super().__init__()
        self.reset()
        self._turns = 0

    def reset(self):
        super().reset()
        self._speaks, self._heard, self._due = "", False, 0.0

    def receive(self, data, wall_ns):
        self._heard = True
        return super().receive(data, wall_ns)

    def _events(self, line, wall_ns):
        if line == f"{self._speaks} done":
            self._speaks = ""
            return [Reply(b"", line.split()[0])]
        return super()._events(line, wall_ns)

    def next_due(self):
        return self._due

    def pull(self, now):
        if self._heard:  # somebody has just spoken
            self._heard = False
            self._due = now + (SILENT_S if self._speaks else PAUSE_S)
        if now < self._due:
            return []
        self._speaks = UNITS[self._turns % len(UNITS)]
        self._turns += 1
        self._due = now + SILENT_S
        return [Reply(f"{self._speaks} go\n".encode(), self._speaks)]


DRIVER = replace(
    plant.DRIVER, name="master", title="Toys on a bus with a master", session=lambda _: Master()
)
