"""The targets under pytest: what was found is replayed, and a little is searched anew."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from binascii import crc_hqx
from datetime import UTC, datetime
from importlib.metadata import requires
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from rctclient.types import DataType

from rct_collector.bridge import commands, judge
from rct_collector.capture import packets, source, streams
from rct_collector.cli import dumps, trace
from rct_collector.config import Config, checking, document, values
from rct_collector.device import state
from rct_collector.device.polling.discovery import Discovery
from rct_collector.device.state import StateFile
from rct_collector.drivers import BUILTIN, tools
from rct_collector.drivers.base import Domain, Reply
from rct_collector.drivers.rct import frame, session, wire
from rct_collector.drivers.rct.frame import FrameReader
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from rct_collector.drivers.rct.tools import dissect
from rct_collector.drivers.solaredge import frame as solaredge_frame
from rct_collector.drivers.solaredge.records import Layout
from rct_collector.drivers.solaredge.session import SolarEdgeSession
from rct_collector.drivers.voltronic import frame as voltronic_frame
from rct_collector.drivers.voltronic.session import VoltronicSession
from rct_collector.transport import TRANSPORTS, paths
from tests.fuzz import TARGETS, capture, config, engine, grammar
from tests.fuzz.__main__ import main

relaxed = settings(deadline=None)

#: Tries of the search with a fixed seed; together they take less than a minute.
RUNS = {
    "frame": 5000,
    "flood": 150,
    "session": 5000,
    "payload": 20000,
    "decode": 8000,
    "dump": 400,
    "capture": 800,
    "flows": 800,
    "lineprotocol": 2000,
    "config": 300,
    "state": 200,
    "voltronic_frame": 1500,
    "voltronic_session": 3000,
    "solaredge_frame": 3000,
    "solaredge_session": 1000,
    "settings": 1500,
    "command": 3000,
}

#: Targets whose inputs are made by mutating nothing again and again.
MUTATING = (
    *("voltronic_frame", "voltronic_session", "solaredge_frame", "solaredge_session", "settings"),
    "command",
)

#: All inputs of the repository, in bytes: small enough to be read by people.
LARGEST_CORPUS = 100_000


@pytest.fixture(params=TARGETS)
def name(request):
    return request.param


def tried(check, data):
    """An input that fails is named, so that it can be kept."""
    try:
        check(data)
    except Exception as error:
        error.add_note(f"input: {data.hex()}")
        raise


# -- what the repository has --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measured
def test_corpus_breaks_no_law(name):
    check = engine.load(name).check
    for data in engine.seeds(name):
        tried(check, data)


def test_corpus_is_small():
    assert sum(path.stat().st_size for path in engine.CORPUS.iterdir()) <= LARGEST_CORPUS


def events_of(name):
    reader = {"frame": FrameReader, "session": session.RctSession}[name]
    receive = "feed" if name == "frame" else "receive"
    return [event for data in engine.seeds(name) for event in getattr(reader(), receive)(data)]


def test_corpus_of_the_frame_reader_has_all_that_it_tells():
    """A fuzzer that never gets past the checksum would try one branch only."""
    found = events_of("frame")
    kinds = {item.kind for item in found if isinstance(item, frame.Bad)}
    assert kinds == {"crc", "length", "command", "noise"}
    assert {item.command for item in found if isinstance(item, frame.Frame)} == set(frame._LEAST)


def test_corpus_of_the_session_has_every_event():
    found = events_of("session")
    kinds = {event.kind for event in found if isinstance(event, session.Garbled)}
    every = {"crc", "length", "command", "decode", "noise", "echo", "write", "plant", "foreign"}
    assert kinds == every


@pytest.mark.parametrize(
    "kind", sorted({item.type for item in OBJECTS}), ids=lambda kind: kind.name
)
def test_corpus_of_the_payloads_has_good_and_bad_ones_of_every_type(kind):
    decoded = set()
    for data in engine.seeds("payload"):
        item = BY_OID.get(int.from_bytes(data[:4], "big"))
        if item is not None and item.type is kind:
            try:
                wire.decode(kind, data[4:])
                decoded.add(True)
            except wire.PayloadError:
                decoded.add(False)
    assert decoded == {True, False}


@pytest.mark.slow
def test_corpus_of_the_configuration_has_devices_that_are_reached_in_every_way(monkeypatch):
    monkeypatch.setitem(BUILTIN, config.DRIVER.name, config.__name__)
    said = filter(None, map(config.read, engine.seeds("config")))
    found = [Config.salvage(value)[0] for value in said]
    devices = [device for item in found if item for device in item.devices]
    assert {device.address.scheme for device in devices} == set(TRANSPORTS)
    assert any(device.unit for device in devices)


# -- laws can be broken -------------------------------------------------------------------


class Agreeable(int):
    """A checksum that is never wrong."""

    __hash__ = int.__hash__
    __eq__ = lambda *_: True  # noqa: E731
    __ne__ = lambda *_: False  # noqa: E731


def agreeable(data, start):
    return Agreeable(crc_hqx(data, start))


def change_events(patch, change):
    feed = FrameReader.feed
    patch.setattr(FrameReader, "feed", lambda self, data: change(feed(self, data)))


def lose_frames(patch):
    change_events(patch, lambda found: [item for item in found if item[0] != frame.WRITE])


def invent_frames(patch):
    change_events(patch, lambda found: [*found, *(i for i in found if isinstance(i, frame.Frame))])


def lose_bytes(patch):
    change_events(
        patch, lambda found: [i._replace(size=1) if isinstance(i, frame.Bad) else i for i in found]
    )


def take_any_checksum(patch):
    patch.setattr(frame, "crc_hqx", agreeable)


def forget_at_cuts(patch):
    def preceding(self, position, frame_end):
        return bytes(self._buffer[max(frame_end, position - 2) : position])

    patch.setattr(FrameReader, "_preceding", preceding)


def take_starts_for_data(patch):
    """As rctclient does."""
    unescape = frame._unescape

    def through(buffer, start, partial, count):
        hidden = buffer[: start + 1] + buffer[start + 1 :].replace(b"\x2b", b"\x2a")
        return unescape(hidden, start, partial, count)

    patch.setattr(frame, "_unescape", through)


def wait_for_more(patch):
    patch.setattr(frame, "LONGEST", 0xFFFF)


def begin_anew_with_each_piece(patch):
    parse_at = frame.parse_at
    patch.setattr(frame, "parse_at", lambda buffer, start, _: parse_at(buffer, start))


def try_every_start(patch):
    patch.setattr(frame, "_SECOND_LOOKS", 10**6)
    patch.setattr(frame, "FALSE_STARTS", 10**6)


def take_any_short_checksum(patch):
    patch.setattr(session, "crc_hqx", agreeable)


def take_plant_answers(patch):
    judge = session.RctSession._judge

    def blind(self, item):
        return judge(self, item._replace(command=item.command & ~frame.PLANT))

    patch.setattr(session.RctSession, "_judge", blind)


def take_any_length(patch):
    patch.delitem(wire.LENGTHS, DataType.FLOAT)


def lose_a_sign(patch):
    patch.setitem(wire._SCALARS, DataType.INT32, wire._SCALARS[DataType.UINT32])


def take_any_text(patch):
    patch.setattr(wire, "_text", lambda payload: payload.decode("latin-1"))


def show_bytes_as_characters(patch):
    patch.setattr(dissect, "_hex", lambda data: data.decode("latin-1"))


def write_infinity(patch):
    for module in (dissect, tools):
        patch.setattr(module, "finite", lambda value: value)


def let_aliases_multiply(patch):
    patch.setattr(document, "BORROWED", 10**9)


def nest_without_end(patch):
    patch.setattr(document, "DEEPEST", 10**9)


def show_all_of_a_value(patch):
    patch.setattr(checking, "shown", repr)


def look_at_each_metric_for_each_glob(patch):
    patch.setattr(values, "_matches_any", values._matches_any.__wrapped__)
    patch.setattr(values, "_names", values._names.__wrapped__)


def forget_options_of_addresses(patch):
    patch.setattr(paths, "written", lambda scheme, place, _options: f"{scheme}://{place}")


def believe_the_file(patch):
    """As if nobody could write one that is nested deeper than Python goes."""

    def load(self):
        try:
            return dict(json.loads(self.path.read_bytes()))
        except (ValueError, KeyError, TypeError):
            return {}

    patch.setattr(StateFile, "load", load)


def take_any_fact(patch):
    patch.setattr(Discovery, "_is_usable", lambda _self: True)


def read_large_files(patch):
    patch.setattr(state, "LARGEST", 16 * state.LARGEST)


def fill_holes(patch):
    """As reassembly does that works in one buffer."""
    stream = streams._Direction.stream

    def filled(self):
        found = stream(self)
        data = bytearray(found.chunks[-1].offset if found.chunks else 0)
        for chunk in found.chunks:
            data[chunk.offset : chunk.offset + len(chunk.data)] = chunk.data
        found.chunks = [streams.Chunk(0, bytes(data))] if data else []
        return found

    patch.setattr(streams._Direction, "stream", filled)


def compare_each_with_all(patch):
    first_come = streams._first_come

    def slowly(parts):
        assert all(max(one.start, other.start) >= 0 for one in parts for other in parts)
        return first_come(parts)

    patch.setattr(streams, "_first_come", slowly)


def believe_dates(patch):
    patch.setattr(trace, "_date", lambda time_ns: datetime.fromtimestamp(time_ns // 10**9, UTC))


def believe_lengths(patch):
    read = source.Source.read

    def greedy(self, size):
        bytearray(size)  # a place for all that is claimed
        return read(self, size)

    patch.setattr(packets, "_LARGEST_PACKET", 1 << 26)
    patch.setattr(source.Source, "read", greedy)


def take_offsets_for_bytes(patch):
    patch.setattr(dumps, "_has_offsets", lambda lines: False)


def repeat_without_end(patch):
    patch.setattr(dumps, "LARGEST", 1 << 40)


def look_for_ends_again_and_again(patch):
    patch.setattr(dumps, "_LONGEST_LINE", 1 << 30)
    groups = dumps._groups

    def slowly(rest, *, swapped):
        for place in range(0, len(rest), 4):
            groups(rest[place:], swapped=swapped)
        return groups(rest, swapped=swapped)

    patch.setattr(dumps, "_groups", slowly)


def take_any_voltronic_checksum(patch):
    patch.setattr(voltronic_frame, "crc_hqx", agreeable)


def take_each_end_for_one(patch):
    """As if no firmware sent a checksum with a CR in it."""
    patch.setattr(voltronic_frame, "_ends_behind", lambda *_: False)


def keep_lines_without_end(patch):
    patch.setattr(voltronic_frame, "LONGEST", 1 << 20)


def take_late_answers(patch):
    abandon = VoltronicSession.abandon

    def trusting(self, ask):
        asked, resync = self._asked, abandon(self, ask)
        self._asked = asked
        return resync

    patch.setattr(VoltronicSession, "abandon", trusting)


def take_what_came_before(patch):
    patch.setattr(VoltronicSession, "reset", lambda _self: None)
    patch.setattr(voltronic_frame.FrameReader, "reset", lambda _self: None)


def take_any_solaredge_checksum(patch):
    patch.setattr(solaredge_frame, "fits", lambda *_: True)


def believe_lengths_of_frames(patch):
    """As if nothing could be hidden in what seemed to be a frame."""

    def skipped(data, kind, start, end):
        return solaredge_frame._bad(data, kind, start, end), end

    patch.setattr(solaredge_frame, "_false", skipped)


def take_any_solaredge_float(patch):
    decode = Layout.decode

    def blind(self, body):
        return {k: float("nan") if v is None else v for k, v in decode(self, body).items()}

    patch.setattr(Layout, "decode", blind)


def acknowledge_before_the_records(patch):
    receive = SolarEdgeSession.receive

    def hasty(self, data, wall_ns):
        return sorted(receive(self, data, wall_ns), key=lambda event: type(event) is not Reply)

    patch.setattr(SolarEdgeSession, "receive", hasty)


def forget_what_was_done(patch):
    patch.setattr(judge.Remembered, "add", lambda _self, _command: None)


def forget_that_something_was_forgotten(patch):
    """As if a clock that is set back could do no harm."""

    def forget(self, now):
        self._times = {key: t for key, t in self._times.items() if now - t <= judge.OLDEST_S}

    patch.setattr(judge.Remembered, "_forget", forget)


def take_any_word(patch):
    patch.setattr(commands, "_text", lambda _what, text: text)


def take_any_setting(patch):
    patch.setattr(Domain, "__contains__", lambda _self, _value: True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("config", let_aliases_multiply),
        ("config", nest_without_end),
        ("config", show_all_of_a_value),
        ("config", look_at_each_metric_for_each_glob),
        ("config", forget_options_of_addresses),
        ("frame", lose_frames),
        ("frame", invent_frames),
        ("frame", lose_bytes),
        ("frame", take_any_checksum),
        ("frame", forget_at_cuts),
        ("frame", take_starts_for_data),
        ("flood", wait_for_more),
        ("flood", begin_anew_with_each_piece),
        ("flood", try_every_start),
        ("session", take_any_short_checksum),
        ("session", take_plant_answers),
        ("payload", take_any_length),
        ("payload", lose_a_sign),
        ("payload", take_any_text),
        ("decode", show_bytes_as_characters),
        ("decode", write_infinity),
        ("state", believe_the_file),
        ("state", take_any_fact),
        ("state", read_large_files),
        ("dump", take_offsets_for_bytes),
        ("dump", repeat_without_end),
        ("dump", look_for_ends_again_and_again),
        ("capture", fill_holes),
        ("capture", compare_each_with_all),
        ("capture", believe_dates),
        ("capture", believe_lengths),
        ("voltronic_frame", take_any_voltronic_checksum),
        ("voltronic_frame", take_each_end_for_one),
        ("voltronic_frame", keep_lines_without_end),
        ("voltronic_session", take_any_voltronic_checksum),
        ("voltronic_session", take_late_answers),
        ("voltronic_session", take_what_came_before),
        ("solaredge_frame", take_any_solaredge_checksum),
        ("solaredge_frame", believe_lengths_of_frames),
        ("solaredge_session", take_any_solaredge_float),
        ("solaredge_session", acknowledge_before_the_records),
        ("command", forget_what_was_done),
        ("command", forget_that_something_was_forgotten),
        ("command", take_any_word),
        ("settings", take_any_setting),
    ],
)
def test_a_fault_breaks_a_law(name, fault, monkeypatch):
    """With the corpus alone: laws that nothing breaks would find nothing either."""
    check, inputs = engine.load(name).check, engine.seeds(name)
    fault(monkeypatch)
    broken = (AssertionError, ValueError, OverflowError, OSError, RecursionError, struct.error)
    with pytest.raises(broken):
        list(map(check, inputs))


# -- a little is searched anew ------------------------------------------------------------


def random_frames():
    return st.randoms(use_true_random=False).map(grammar.any_frame)


pieces = (
    st.binary(max_size=40)
    | random_frames()
    | random_frames().map(lambda wire: b"\0" + wire)
    | st.tuples(random_frames(), st.integers(0, 40)).map(lambda pair: pair[0][pair[1] :])
    | st.tuples(random_frames(), st.integers(1, 40)).map(lambda pair: pair[0][: -pair[1]])
    | st.sampled_from([b"AT+\r", b"\x2b\x3c\xe1", b"\x2b", b"\x2d", b"\0", b"\x2b\x06\x1f\xfc"])
)
lines = st.lists(pieces, max_size=8).map(b"".join)
payloads = st.sampled_from(OBJECTS).flatmap(
    lambda item: st.binary(max_size=120).map(lambda data: item.oid.to_bytes(4, "big") + data)
)
files = lines | lines.map(lambda data: data.hex(" ").encode()) | st.text().map(str.encode)


@pytest.mark.slow
@given(lines)
@relaxed
def test_any_line_breaks_no_law(data):
    engine.load("frame").check(data)
    engine.load("session").check(data)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.integers(1, 12))
@relaxed
def test_any_mutated_line_breaks_no_law(random, size):
    for name in MUTATING:
        target, data = engine.load(name), b""
        for _ in range(size):
            data = target.mutate(data, random)
        tried(target.check, data)


@pytest.mark.slow
@given(lines)
@settings(deadline=None, max_examples=20)
def test_any_flood_breaks_no_law(data):
    engine.load("flood").check(data)


@given(payloads)
@relaxed
def test_any_payload_breaks_no_law(data):
    engine.load("payload").check(data)


texts = st.lists(st.sampled_from(config.WORDS) | st.text(max_size=5), max_size=40).map("".join)


@pytest.mark.slow
@pytest.mark.measured
@given(texts.map(str.encode) | st.binary(max_size=40))
@settings(deadline=None, max_examples=30)
def test_any_configuration_breaks_no_law(data):
    config.check(data)


@pytest.mark.slow
@given(files)
@relaxed
def test_any_file_breaks_no_law(data):
    engine.load("decode").check(data)


edited = st.tuples(st.randoms(use_true_random=False), st.integers(1, 8))


@pytest.mark.slow
@given(st.binary(max_size=60) | edited)
@settings(deadline=None, max_examples=15)
def test_any_state_file_breaks_no_law(data):
    target = engine.load("state")
    if isinstance(data, tuple):
        random, times = data
        data = target.genuine(random)
        for _ in range(times):
            data = target.mutate(data, random)
    target.check(data)


@pytest.mark.slow
@given(files)
@settings(deadline=None, max_examples=20)
def test_any_dump_breaks_no_law(data):
    engine.load("dump").check(data)


@pytest.mark.slow
@given(st.randoms(use_true_random=False), st.binary(max_size=200))
@settings(deadline=None, max_examples=50)
def test_any_capture_breaks_no_law(random, data):
    engine.load("capture").check(capture.any_capture(random))
    engine.load("capture").check(data)


@pytest.fixture
def atheris():
    """The fuzzer, on the platforms that it is made for: pyproject.toml names them."""
    if find_spec("atheris"):
        return
    wanted = [Requirement(text) for text in requires("rct-collector") or []]
    if os.environ.get("CI") == "true" and any(
        one.name == "atheris" and one.marker.evaluate({"extra": "fuzz"}) for one in wanted
    ):
        pytest.fail("CI=true, and there is no atheris, see [project.optional-dependencies]")
    pytest.skip("needs atheris, which is not to be had for every Python and platform")


def run(*arguments):
    """Python in a process of its own, without coverage.py, which would trace it all."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=engine.ROOT,
        env=environment | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("atheris")
def test_a_short_search_finds_nothing(name, tmp_path):
    options = (f"-runs={RUNS[name]}", "-seed=1", "-max_len=256")
    result = run("-m", "tests.fuzz", name, f"--work={tmp_path}", *options)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    # The engine was seen to make a few more, 308 for 300; why is not known.
    assert int(re.search(r"Done (\d+) runs", result.stderr)[1]) >= RUNS[name]
    assert re.search(r"DONE +cov: [1-9]", result.stderr), "nothing is instrumented"


#: A target with a fault behind the checksum: two answers with floats that are no numbers.
PLANTED = """
import math, sys
from pathlib import Path
from types import SimpleNamespace
from tests.fuzz import engine

def load(name):
    from rct_collector.drivers.rct.session import RctSession
    from tests.fuzz import grammar

    def check(data):
        values = [getattr(event, "value", None) for event in RctSession().receive(data)]
        odd = [v for v in values if isinstance(v, float) and not math.isfinite(v)]
        assert len(odd) < 2, "the planted fault"

    return SimpleNamespace(check=check, mutate=grammar.mutate, dictionary=grammar.words)

engine.load = load
engine.fuzz("planted", sys.argv[2:], Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("atheris")
def test_the_search_gets_past_checksums_and_what_fails_can_be_kept(tmp_path, monkeypatch, capsys):
    """From nothing, which takes no more tries than the test above has."""
    result = run("-c", PLANTED, tmp_path, "-runs=20000", "-seed=1", "-max_len=256")
    assert result.returncode != 0
    assert "the planted fault" in result.stdout + result.stderr
    (file,) = (tmp_path / "planted").glob("crash-*")

    again = run("-c", PLANTED, tmp_path, file)
    assert again.returncode != 0
    assert "the planted fault" in again.stdout + again.stderr

    monkeypatch.setattr(engine, "CORPUS", tmp_path)
    main(["session", "--keep", str(file)])
    assert engine.seeds("session") == [file.read_bytes()]
    assert "session.kept.hex" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["nothing"]])
def test_targets_are_named(arguments):
    with pytest.raises(SystemExit, match="Targets: frame, flood"):
        main(arguments)
