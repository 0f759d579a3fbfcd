r"""A nameless family that minds which unit answers, and what it speaks.

The probe is answered ``(PI 7 EAST A\r``: number, serial number, dialect. Units of the dialect B
tell their load as ``LOAD`` and in tenths of a watt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rct_collector.drivers.base import Answer, Ask, Binding, Condition, Polled, Query, Resync, Unfit
from rct_collector.drivers.options import FamilyOptions
from rct_collector.model import PollClass
from rct_collector.option import option
from tests.toys import nameless


@dataclass(frozen=True, kw_only=True)
class Options(FamilyOptions):
    serial_number: str = option(
        str, "Which unit is meant.", example="EAST", takes="text", default="", shown="any"
    )


PROTOCOL = Query("protocol", poll=PollClass.FAST)
RESYNC = Resync(1.0, Ask(PROTOCOL))


def load(name, dialect, scale):
    """The query for the load in one of the dialects."""
    series = (nameless.POWERS["load"],)
    return Query(name, dialect, (Binding(series, "watts", scale, lambda raw, *_: [raw * scale]),))


def speaks(dialect):
    return Condition(("protocol",), lambda facts: facts.get("protocol", "?") == dialect)


class Session(nameless.Session):
    """Knows the unit that it is to talk to by its options, or by those of the address."""

    def __init__(self, options):
        super().__init__()
        self._wanted = options.options.serial_number or options.address.get("serial_number", "")
        self.dialect = ""

    def request(self, ask):
        if ask.query is not PROTOCOL:
            return super().request(ask)
        super().request(ask._replace(query=nameless.PROBE))
        self._asked = ask
        return f"PI {self._probes}\r".encode()

    def _event(self, line):
        if self._asked is None or self._asked.query is not PROTOCOL:
            return super()._event(line)
        _, number, serial, dialect = line.split()
        if int(number) != self._probes:
            return super()._event("late")
        self._asked = None
        if self._wanted not in ("", serial):
            return Unfit(f"the unit is {serial}, not {self._wanted}")
        return Answer(PROTOCOL, dialect)

    def abandon(self, _ask):
        self._asked = None
        return RESYNC


DRIVER = replace(
    nameless.DRIVER,
    name="choosy",
    session=Session,
    options=Options(),
    polled=Polled(
        queries=(PROTOCOL, load("load", "A", 1.0), load("LOAD", "B", 0.1)),
        conditions={"A": speaks("A"), "B": speaks("B")},
        pace=nameless.Requests(),
        resync=RESYNC,
    ),
)
