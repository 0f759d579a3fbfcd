"""A family whose units dial in, say who they are, and wait to be welcomed and asked."""

from __future__ import annotations

from dataclasses import replace

from rct_collector.drivers.base import Reply
from tests.toys import bus


class DialIn(bus.Bus):
    """``3 hello`` is answered by ``3 welcome``, and on it goes as on the bus."""

    def event(self, line, wall_ns):
        unit, _, said = line.partition(" ")
        if said == "hello":
            return Reply(f"{unit} welcome\n".encode(), unit)
        return super().event(line, wall_ns)


DRIVER = replace(
    bus.DRIVER,
    name="dial_in",
    title="Toys that call",
    ways={"listen": {"port": "1"}},
    session=lambda _options: DialIn(),
)
