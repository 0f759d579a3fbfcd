"""Sessions of units that encrypt, over a restart: kept where nobody else can read them."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from rct_collector.device.state import KEYS, WRITER, Memory, StateFile
from rct_collector.drivers.base import Garbled, Record, Reply, SessionOptions
from rct_collector.drivers.solaredge import DRIVER, functions, records, request
from rct_collector.drivers.solaredge.crypto import MOST_SESSIONS, Tunnel, Tunnels, UnitKey
from rct_collector.drivers.solaredge.frame import MAGIC, Frame, assemble
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from tests import virtual
from tests.faulty_solaredge import World
from tests.needs import library

library("cryptography")

UNIT, OTHER = 0x7F101234, 0x7F105678
KEY, OTHER_KEY = UnitKey(bytes(range(16))), UnitKey(bytes(range(50, 66)))
NOW = 1_700_000_000


class Vault:
    """Keeps what it is told to, as JSON, and counts how often."""

    def __init__(self, kept=None):
        self.kept, self.count = kept or {}, 0

    def load(self):
        return json.loads(json.dumps(self.kept))

    def keep(self, kept):
        self.kept, self.count = json.loads(json.dumps(kept)), self.count + 1


class Inverter:
    """A unit that encrypts."""

    def __init__(self, unit=UNIT, key=KEY):
        self.unit, self._key, self._tunnel = unit, key, None

    def offer(self, seed=1):
        """Begin a session."""
        offer = bytes(n * seed & 0xFF for n in range(34))
        self._tunnel = Tunnel(self._key.session(offer))
        return assemble(Frame(1, self.unit, request.SERVER, functions.SESSION_KEY, offer))

    def post(self):
        """A post of one record, within the session."""
        layout = LAYOUTS[records.INVERTER]
        body = layout.encode({"time": NOW, "power": 1.0})
        payload = join([RawRecord(records.INVERTER, self.unit, body)])
        inner = assemble(Frame(2, self.unit, request.SERVER, functions.POST, payload))
        _, sealed = self._tunnel.seal(inner)
        return assemble(Frame(9, self.unit, request.SERVER, functions.ENCRYPTED, sealed))


def process(vault, keys=None):
    """What a process that has just been started makes of bytes."""
    options = SolarEdgeOptions(keys={UNIT: KEY, OTHER: OTHER_KEY} if keys is None else keys)

    def receive(data):
        session = DRIVER.session(SessionOptions(options, {}, "listen", vault))
        return session.receive(data, NOW * 1_000_000_000)

    return receive


def types(events):
    return [type(event) for event in events]


READ, UNREAD = [Record, Reply], [Garbled]


def test_a_session_is_known_after_a_restart():
    vault, unit = Vault(), Inverter()
    first = process(vault)
    first(unit.offer())
    assert types(first(unit.post())) == READ
    again = process(vault)
    assert types(again(unit.post())) == READ
    assert types(again(unit.post())) == READ
    assert types(process(Vault())(unit.post())) == UNREAD


def test_it_is_the_last_session_that_works():
    vault, unit = Vault(), Inverter()
    first = process(vault)
    for seed in (1, 3):
        first(unit.offer(seed))
        assert types(first(unit.post())) == READ
    assert types(process(vault)(unit.post())) == READ


def test_nothing_is_kept_before_a_frame_of_the_session_has_come():
    """Anybody can offer: who has not the key gets nothing written."""
    vault, unit = Vault(), Inverter()
    first = process(vault)
    for seed in range(1, 9):
        first(unit.offer(seed))
    first(Inverter(key=OTHER_KEY).offer(11))
    assert vault.count == 0
    unit.offer(8)
    first(unit.post())
    first(unit.post())
    assert vault.count == 1


def test_who_offers_in_the_name_of_a_unit_drives_out_no_session_that_works():
    vault, unit, stranger = Vault(), Inverter(), Inverter(key=OTHER_KEY)
    first = process(vault)
    first(unit.offer())
    first(unit.post())
    for at in (first, process(vault)):
        for seed in range(3, 9):
            at(stranger.offer(seed))
        assert types(at(unit.post())) == READ
    assert types(process(vault)(unit.post())) == READ


def test_who_offers_before_the_first_frame_drives_out_no_new_session():
    """A unit that has a session begins another one, and is forestalled."""
    vault, unit, stranger = Vault(), Inverter(), Inverter(key=OTHER_KEY)
    first = process(vault)
    first(unit.offer())
    first(unit.post())
    first(unit.offer(3))
    first(stranger.offer(5))
    assert types(first(unit.post())) == READ
    assert types(process(vault)(unit.post())) == READ


def test_what_is_recorded_and_repeated_is_written_once_and_drives_out_no_session():
    """Whoever has recorded a unit can say again what it said, and nobody can tell."""
    vault, unit = Vault(), Inverter()
    recorded = [(unit.offer(seed), unit.post()) for seed in range(3, 2 + MOST_SESSIONS)]
    first = process(vault)
    first(unit.offer())
    first(unit.post())
    for offer, post in recorded * 3:
        first(offer)
        first(post)
    unit.offer()
    assert types(first(unit.post())) == READ
    assert vault.count == MOST_SESSIONS


def test_sessions_of_a_unit_are_bounded_whatever_is_offered():
    tunnels = Tunnels()
    for seed in range(5 * MOST_SESSIONS):
        offer = bytes([seed] * 34)
        tunnel = tunnels.offered(UNIT, KEY.session(offer), offer)
        if seed % 2:
            assert tunnels.opened(UNIT, tunnel.seal(MAGIC)[1]) == (tunnel, MAGIC)
    assert len(tunnels._by_unit[UNIT]) <= 2 * MOST_SESSIONS + 1


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        ({UNIT: KEY}, ["7F101234"]),
        ({UNIT: OTHER_KEY, OTHER: OTHER_KEY}, ["7F105678"]),
        ({}, ["7F101234", "7F105678"]),  # nothing is looked for
    ],
    ids=["a unit has no key any more", "a key is another one", "nobody encrypts any more"],
)
def test_what_fits_no_more_is_forgotten(keys, left):
    vault = Vault()
    units = Inverter(), Inverter(OTHER, OTHER_KEY)
    first = process(vault)
    for unit in units:
        first(unit.offer())
        first(unit.post())
    again = process(vault, keys)
    for unit in units:
        fits = unit.unit in keys and keys[unit.unit] == unit._key
        assert types(again(unit.post())) == (READ if fits else UNREAD)
    assert sorted(vault.kept["sessions"]) == left


GOOD = "00" * 50


@pytest.mark.parametrize(
    "kept",
    [
        {"sessions": 1},
        {"sessions": [GOOD]},
        {"sessions": {"7F101234": 1}},
        {"sessions": {"7F101234": GOOD[2:]}},
        {"sessions": {"7F101234": GOOD + "00"}},
        {"sessions": {"7F101234": "zz" * 50}},
        {"sessions": {"7F101234": GOOD}},
        {"sessions": {"7f101234 ": GOOD}},
        {"sessions": {"": GOOD}},
        {"other": None},
    ],
)
def test_whatever_is_in_the_file_a_unit_can_begin_anew(kept):
    vault, unit = Vault(kept), Inverter()
    first = process(vault)
    unit.offer()
    assert types(first(unit.post())) == UNREAD
    first(unit.offer())
    assert types(first(unit.post())) == READ
    assert list(vault.kept["sessions"]) == ["7F101234"]
    assert types(process(vault)(unit.post())) == READ


def test_what_is_kept_holds_no_key(tmp_path, caplog):
    caplog.set_level(0)
    memory = Memory(StateFile(tmp_path, "roof", "solaredge", KEYS))
    unit = Inverter()
    first = process(memory)
    first(unit.offer(3))
    first(unit.post())
    assert WRITER.finish(10.0)
    text = (tmp_path / "roof.keys").read_text()
    for key in (KEY, unit._tunnel._key):
        assert key._data.hex() not in text.lower()
        assert key._data.hex() not in caplog.text.lower()
    kept = json.loads(text)["sessions"]["7F101234"]
    assert kept not in caplog.text


def test_without_the_package_what_was_kept_is_left_alone(monkeypatch):
    vault, unit = Vault(), Inverter()
    first = process(vault)
    first(unit.offer())
    first(unit.post())
    frame = unit.post()
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
        assert types(process(vault)(frame)) == UNREAD
    assert types(process(vault)(frame)) == READ


# -- in the collector ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_a_restarted_collector_goes_on_with_the_sessions_of_its_units(tmp_path, kept):
    """Without the file each unit is understood again only when it has offered anew."""

    async def main(loop):
        world = World(loop, encrypt=True, optimizers=3, state_dir=tmp_path if kept else None)
        (inverter,) = world.inverters
        inverter.bridge.keeps_sessions = True
        account = await world.run(1.0, crash_every=600.0)
        return inverter.bridge.outbox.observed.offers, account

    offers, account = virtual.run(main)
    assert account.crashes > 3
    assert account.missing == account.false == account.unheard == []
    assert offers == 1 if kept else offers > account.crashes
    if kept:
        assert stat.S_IMODE((tmp_path / "roof.keys").stat().st_mode) == 0o600
