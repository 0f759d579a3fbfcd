"""A family with an option and a setting of its own.

``volts?`` is answered with the float voltage, ``volts=54.0`` with ``ok`` or ``no``. The option
``writes`` names what may be set.
"""

from __future__ import annotations

from dataclasses import dataclass

from rct_collector.catalog import catalog
from rct_collector.drivers.base import (
    Answer,
    Approved,
    Binding,
    Driver,
    Polled,
    Query,
    Refused,
    Setting,
)
from rct_collector.drivers.options import FamilyOptions
from rct_collector.errors import RefusedFrameError
from rct_collector.option import Shape, choice, option

VOLTS = catalog().series("inverter_battery.voltage_volts", battery="0")
SHOW = Query("volts", "", (Binding((VOLTS,), "", 1.0, lambda raw, *_: [raw]),))
SET = Query("set volts", "")
FLOAT = Setting(name="float_volts", query=SET, shown_by=SHOW, low=48.0, high=58.4, step=0.1)


@dataclass(frozen=True, kw_only=True)
class Options(FamilyOptions):
    writes: tuple[str, ...] = option(
        lambda value: tuple(map(choice(FLOAT.name), value)), "Settings that may be written.",
        example="[float_volts]", takes="list", default=(), shown="[]", shape=Shape.LIST,
    )  # fmt: skip


class Session:
    def __init__(self):
        self._half = b""

    def request(self, ask):
        if ask.query is SHOW:
            return b"volts?\n"
        if isinstance(ask.argument, Approved) and ask.argument.setting is FLOAT:
            return f"volts={ask.argument.value}\n".encode()
        raise RefusedFrameError(f"{ask.query.label} is written through the gate only")

    def receive(self, data, _wall_ns):
        *lines, self._half = (self._half + data).split(b"\n")
        return [self._event(line.decode()) for line in lines]

    def _event(self, line):
        if line == "no":
            return Refused(SET)
        return Answer(SET, line) if line == "ok" else Answer(SHOW, float(line))

    def abandon(self, _ask):
        return None

    def reset(self):
        self._half = b""


DRIVER = Driver(
    name="settable",
    vendor="toys",
    title="Settable",
    ways={"tcp": {"port": "1"}},
    session=lambda _options: Session(),
    options=Options(),
    polled=Polled(queries=(SHOW,)),
    settable=lambda: (FLOAT,),
)
