"""Whatever is asked to be set, in whatever unit: nothing leaves that the papers do not have.

The first byte says which unit, the second which setting, the third what the rest is: a value, as
JSON; a text that somebody has put in the place of one that was approved; or a file in the place of
the journal.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from rct_collector.device.journal import Journal
from rct_collector.device.settings import Denied, approve
from rct_collector.device.state import WRITTEN, StateFile
from rct_collector.drivers.base import Approved, Ask
from rct_collector.drivers.voltronic.settings import SETTINGS
from rct_collector.errors import RefusedFrameError
from tests import virtual
from tests.voltronic_settings import FULL, may_leave, pi18, pi30, session_of

VALUE, FORGED, JOURNAL = range(3)

_FOLDER = tempfile.TemporaryDirectory(prefix="settings-")

#: Of all models and batteries, in all modes.
_UNITS = (
    lambda: pi30(),
    lambda: pi30(model="044"),
    lambda: pi30(model="023", mode="S"),
    lambda: pi30(24, model="024"),
    lambda: pi30(24),
    lambda: pi30(12, mode="S"),
    lambda: pi30(36),
    lambda: pi30(dialect="pi30max", tail="120 0 150"),
    lambda: pi30(dialect="pi41", tail="120"),
    lambda: pi30(mode="F"),
    lambda: pi18(),
    lambda: pi18("01"),
)

_VALUES = (
    *("sbu", "utility", "solar", "only_solar", "user", "agm", "ups", "eco", "all", "battery"),
    *(
        True,
        False,
        None,
        0,
        1,
        2,
        30,
        60,
        99,
        100,
        120,
        999,
        -1,
        48.0,
        53.7,
        56.4,
        12.5,
        22.5,
        1e999,
    ),
)
_TEXTS = (
    b"PF",
    b"POP02",
    b"POP02\rPF",
    b"PBATCD010",
    b"PCVV99.9",
    b"^S007LON0",
    b"MUCHGC160",
    b"V999",
)


@cache
def unit(number):
    return _UNITS[number % len(_UNITS)]()


def mutate(data, random):
    kind = random.choice((VALUE, VALUE, FORGED, JOURNAL))
    head = bytes((random.randrange(len(_UNITS)), random.randrange(len(SETTINGS)), kind))
    if kind == FORGED:
        return head + random.choice(_TEXTS)
    value = random.choice(_VALUES) if random.random() < 0.5 else round(random.uniform(0, 130), 1)
    if kind == JOURNAL:
        value = {
            "version": 2,
            "driver": "voltronic",
            "entries": [[random.choice(_VALUES) for _ in range(6)], [1.5, "me", "x", 1, 2, "sent"]],
        }
    return head + json.dumps(value).encode()


def dictionary():
    return [*_TEXTS, *(json.dumps(value).encode() for value in _VALUES), b'"entries":[']


def check(data):
    if len(data) < 3:
        return
    facts, setting, kind, rest = (
        unit(data[0]),
        SETTINGS[data[1] % len(SETTINGS)],
        data[2] % 3,
        data[3:],
    )
    if kind == VALUE:
        value_is_held_against_the_unit(setting, rest, facts)
    elif kind == FORGED:
        forgery_does_not_leave(setting, rest, facts)
    else:
        journal_is_read(rest)


def value_is_held_against_the_unit(setting, rest, facts):
    try:
        value = json.loads(rest)
    except (ValueError, RecursionError):
        return
    approved = approve(setting, value, facts, FULL)
    if isinstance(approved, Denied):
        assert approved.rule
        assert len(approved.rule) <= 500
        return
    session, ask = session_of(facts["protocol"]), Ask(setting.query, argument=approved)
    try:
        data = session.request(ask)
    except RefusedFrameError:
        assert facts["protocol"] not in setting.query.dialects
        return
    may_leave(data, facts)
    try:
        session.request(ask)
    except RefusedFrameError:
        return
    raise AssertionError("it was sent twice")


def forgery_does_not_leave(setting, rest, facts):
    """Whatever got past the gate: the form of what is sent, at least, is that of the setting."""
    text = rest.decode("latin-1")
    forged = Approved(setting, None, text, 1 << 60)
    try:
        data = session_of(facts["protocol"]).request(Ask(setting.query, argument=forged))
    except RefusedFrameError:
        return
    assert setting.query.fits(text)
    assert data.count(b"\r") == 1
    assert text.encode() in data


def journal_is_read(rest):
    """It never raises, keeps what can be an entry only, and the gate is not stuck for ever."""
    file = StateFile(Path(_FOLDER.name), "roof", "voltronic", WRITTEN)
    file.path.write_bytes(rest)

    async def main(loop):
        journal = Journal(virtual.VirtualClock(loop), file)
        await journal.load()
        assert len(journal.entries) <= 200
        assert all(entry.result != "sent" for entry in journal.entries)
        assert journal.objection(loop.time() + 2 * 86400.0) == ""

    virtual.run(main)
