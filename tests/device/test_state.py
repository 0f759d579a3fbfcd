"""What was learnt about a device survives a restart, and never gets in the way."""

import json
import logging
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.device import folder
from rct_collector.device.state import (
    KEYS,
    LARGEST,
    LEARNT,
    SAVE_S,
    Memory,
    StateFile,
    Writer,
    sweep,
)

FACTS = {"inverter_sn": "S1", "power_mng.n_batteries": 2, "rb485.available": True, "x": None}

untimed = settings(deadline=None)


def test_nothing_is_known_before_the_first_run(tmp_path, caplog):
    assert StateFile(tmp_path / "new", "roof", "rct").load() == {}
    assert not caplog.records


def test_facts_come_back_as_they_were_saved(tmp_path):
    StateFile(tmp_path / "made" / "for it", "roof", "rct").save(FACTS)
    assert StateFile(tmp_path / "made" / "for it", "roof", "rct").load() == FACTS


@pytest.mark.slow
@untimed
@given(
    st.dictionaries(
        st.text(max_size=20),
        st.one_of(st.text(), st.integers(), st.booleans(), st.none()),
        max_size=8,
    ),
    st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", fullmatch=True),
)
def test_any_facts_of_any_device_come_back(tmp_path_factory, facts, name):
    folder = tmp_path_factory.getbasetemp() / "facts"
    StateFile(folder, name, "rct").save(facts)
    assert StateFile(folder, name, "rct").load() == facts


def test_each_device_has_a_file_of_its_own(tmp_path):
    for name in ("roof", "roof.1", "roof.2"):
        StateFile(tmp_path, name, "rct").save({"name": name})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "roof.1.json",
        "roof.2.json",
        "roof.json",
    ]
    assert StateFile(tmp_path, "roof.1", "rct").load() == {"name": "roof.1"}


def test_later_facts_replace_earlier_ones_as_a_whole(tmp_path):
    state = StateFile(tmp_path, "roof", "rct")
    state.save({"a": 1, "b": 2})
    state.save({"b": 3})
    assert state.load() == {"b": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["roof.json"]


def test_facts_of_another_driver_are_not_taken_up(tmp_path, caplog):
    StateFile(tmp_path, "roof", "rct").save(FACTS)
    assert StateFile(tmp_path, "roof", "voltronic").load() == {}
    assert not caplog.records


def test_facts_in_another_layout_are_not_taken_up(tmp_path):
    content = {"version": 1, "driver": "rct", "facts": FACTS}
    (tmp_path / "roof.json").write_text(json.dumps(content))
    assert StateFile(tmp_path, "roof", "rct").load() == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b"{}",
        b'{"version": 2}',
        b'{"version": 2, "driver": "rct", "facts": {"a": NaN}}',
        b'{"version": 2, "driver": "rct", "facts": {"a": -Infinity}}',
        b'{"version": 2, "driver": "rct", "facts": {"a": 1' + b"0" * 5000 + b"}}",
        b"[" * LARGEST,
        b'{"":' * (LARGEST // 4),
        b" " * (LARGEST + 1),
        b"\xff\xfe\0\0" + b"\xff" * 64,
    ],
)
def test_damaged_file_is_told_and_replaced(tmp_path, caplog, content):
    path = tmp_path / "roof.json"
    path.write_bytes(content)
    state = StateFile(tmp_path, "roof", "rct")
    assert state.load() == {}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"roof: {path} is not used: ")
    state.save(FACTS)
    assert state.load() == FACTS


def test_folder_that_cannot_be_written_to_is_told_once(tmp_path, caplog):
    """A file in its place does what a read-only folder does, even to root."""
    (tmp_path / "state").write_text("a file")
    state = StateFile(tmp_path / "state", "roof", "rct")
    for _ in range(3):
        state.save(FACTS)
    assert [record.getMessage() for record in caplog.records] == [
        f"roof: cannot keep what was learnt in {tmp_path / 'state'} (File exists); it will be"
        " learnt again after each start"
    ]


def test_a_link_in_place_of_the_draft_is_not_followed(tmp_path):
    """Telegraf's user must not choose which file collectd, being root, writes to."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / f"roof.{os.getpid()}.new").symlink_to(precious)
    StateFile(folder, "roof", "rct").save(FACTS)
    assert precious.read_text() == "kept"
    assert StateFile(folder, "roof", "rct").load() == FACTS


def test_failed_replacement_leaves_no_draft_behind(tmp_path, caplog):
    (tmp_path / "roof.json").mkdir()  # no file can take its place
    StateFile(tmp_path, "roof", "rct").save(FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["roof.json"]
    assert len(caplog.records) == 1


def test_unreadable_file_is_told(tmp_path, caplog):
    (tmp_path / "roof.json").mkdir()
    assert StateFile(tmp_path, "roof", "rct").load() == {}
    assert len(caplog.records) == 1


# -- what is no file of ours --------------------------------------------------------------------


def make_fifo(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def make_link(path):
    target = path.with_name("elsewhere")
    StateFile(target, "roof", "rct").save(FACTS)
    path.symlink_to(target / "roof.json")


def make_endless(path):
    path.symlink_to("/dev/zero")


def make_loop(path):
    path.symlink_to(path)


def make_huge(path):
    with path.open("wb") as file:
        file.truncate(1 << 33)


ODDITIES = [make_fifo, make_socket, make_link, make_endless, make_loop, make_huge, Path.mkdir]


@pytest.mark.parametrize("make", ODDITIES, ids=lambda make: make.__name__)
def test_only_regular_files_are_read_and_nothing_is_waited_for(tmp_path, caplog, make):
    """Whoever shares the folder could put them there; a FIFO would hold up all devices."""
    path = tmp_path / "roof.json"
    make(path)
    state = StateFile(tmp_path, "roof", "rct")
    assert state.load() == {}
    (record,) = caplog.records
    assert record.getMessage().startswith(f"roof: {path} is not used: ")
    if make is not Path.mkdir:
        state.save(FACTS)
        assert state.load() == FACTS
        assert path.lstat().st_nlink == 1
        assert stat.S_ISREG(path.lstat().st_mode)


def test_file_that_grows_meanwhile_is_not_read_on(tmp_path, monkeypatch):
    """No more is read than shows that, nor is there memory for more."""
    path = tmp_path / "roof.json"
    path.write_bytes(b" " * 100)
    examine = folder._examine

    def grow(descriptor, most):
        size = examine(descriptor, most)
        path.write_bytes(b" " * 1000)
        return size

    monkeypatch.setattr(folder, "_examine", grow)
    with pytest.raises(folder.UnsafeFileError, match="more than the 100 bytes that"):
        folder.Folder(tmp_path).read("roof.json", 200)


def test_file_of_a_stranger_is_not_used(tmp_path, caplog, monkeypatch):
    state = StateFile(tmp_path, "roof", "rct")
    state.save(FACTS)
    monkeypatch.setattr(folder, "trusted", lambda _uid: False)
    assert state.load() == {}
    assert "it belongs to a stranger (" in caplog.text
    monkeypatch.undo()
    assert state.load() == FACTS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_that_somebody_without_rights_has_put_there_is_not_used(tmp_path, caplog):
    state = StateFile(tmp_path, "roof", "rct")
    state.save(FACTS)
    os.chown(state.path, 65534, -1)
    assert state.load() == {}
    assert "it belongs to a stranger (" in caplog.text
    state.save(FACTS)
    assert state.load() == FACTS


def test_a_folder_may_be_a_link_of_our_own(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "real")
    StateFile(tmp_path / "state", "roof", "rct").save(FACTS)
    assert StateFile(tmp_path / "state", "roof", "rct").load() == FACTS
    assert (tmp_path / "real" / "roof.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_folder_is_no_link_of_a_stranger(tmp_path, caplog):
    (tmp_path / "real").mkdir()
    link = tmp_path / "state"
    link.symlink_to(tmp_path / "real")
    os.chown(link, 65534, -1, follow_symlinks=False)
    state = StateFile(link, "roof", "rct")
    assert state.load() == {}
    state.save(FACTS)
    sweep(link, ["roof"])
    assert [*(tmp_path / "real").iterdir()] == []
    assert caplog.text.count(f"{link} is a link of ") == 2


def test_folder_that_is_exchanged_meanwhile_is_written_to_no_more(tmp_path, monkeypatch):
    """All of one writing goes to one folder, wherever its name leads by then."""
    precious, state_folder = tmp_path / "precious", tmp_path / "state"
    precious.mkdir()
    state = StateFile(state_folder, "roof", "rct")
    state.save({})
    fsync = os.fsync

    def exchange(descriptor):
        fsync(descriptor)
        if not state_folder.is_symlink():
            state_folder.rename(tmp_path / "moved")
            state_folder.symlink_to(precious)

    monkeypatch.setattr(folder.os, "fsync", exchange)
    state.save(FACTS)
    assert [*precious.iterdir()] == []
    assert StateFile(tmp_path / "moved", "roof", "rct").load() == FACTS


# -- who may read it ----------------------------------------------------------------------------


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_serial_numbers_are_for_the_group_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        StateFile(tmp_path / "state", "roof", "rct").save(FACTS)
    finally:
        os.umask(before)
    assert mode(tmp_path / "state") == 0o2770
    assert mode(tmp_path / "state" / "roof.json") == 0o640


def test_a_new_folder_belongs_to_the_group_where_there_is_one(tmp_path, monkeypatch):
    given = []
    entry = type("Group", (), {"gr_gid": 4711})
    monkeypatch.setattr(folder.grp, "getgrnam", {"rct-collector": entry}.__getitem__)
    monkeypatch.setattr(folder.os, "fchown", lambda _fd, *owner: given.append(owner))
    StateFile(tmp_path / "state", "roof", "rct").save(FACTS)
    assert given == [(-1, 4711)]


def test_a_folder_that_somebody_made_stays_as_it_is(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    StateFile(tmp_path / "state", "roof", "rct").save(FACTS)
    assert mode(tmp_path / "state") == 0o755
    assert mode(tmp_path / "state" / "roof.json") == 0o640


def test_a_file_that_an_earlier_version_left_open_to_all_is_closed(tmp_path):
    state = StateFile(tmp_path, "roof", "rct")
    state.save(FACTS)
    state.path.chmod(0o644)
    assert state.load() == FACTS
    assert mode(state.path) == 0o640


def test_a_file_with_a_second_name_is_not_changed(tmp_path):
    """It may be a file of quite another purpose."""
    state = StateFile(tmp_path, "roof", "rct")
    state.save(FACTS)
    state.path.chmod(0o644)
    (tmp_path / "other").hardlink_to(state.path)
    assert state.load() == FACTS
    assert mode(tmp_path / "other") == 0o644


# -- nothing half written -----------------------------------------------------------------------


def test_file_is_on_the_disk_before_it_takes_its_place_and_the_place_too(tmp_path, monkeypatch):
    done = []
    real = {name: getattr(os, name) for name in ("fsync", "rename")}

    def told(name, what):
        def call(*args, **more):
            done.append(what(*args))
            return real[name](*args, **more)

        monkeypatch.setattr(folder.os, name, call)

    def kind(descriptor):
        info = os.fstat(descriptor)
        return "sync folder" if stat.S_ISDIR(info.st_mode) else f"sync {info.st_size} bytes"

    told("fsync", kind)
    told("rename", lambda *_: "rename")
    state = StateFile(tmp_path, "roof", "rct")
    state.save(FACTS)
    assert done == [f"sync {state.path.stat().st_size} bytes", "rename", "sync folder"]


@pytest.fixture
def dead():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_drafts_of_dead_processes_are_removed_and_no_others(tmp_path, dead):
    alive, here = os.getppid(), os.getpid()
    abandoned = {f"roof.{dead}.new", f"roof.1.{dead}.new", f"roof.{alive}.new"}
    kept = {
        *(f"roof.{here}.new", f"roof.x.{dead}.new", f"cellar.{dead}.new", f"roof.{dead}.json"),
        *(f"x.roof.{dead}.new", "roof.new", "roof.json", f"roof.1.{alive}.new"),
    }
    for name in abandoned | kept:
        (tmp_path / name).write_text("x")
    long_ago = time.time() - 2 * folder._LONGEST_DRAFT_S
    os.utime(tmp_path / f"roof.{alive}.new", (long_ago, long_ago))
    (tmp_path / f"roof.0{dead}.new").symlink_to("/dev/zero")
    sweep(tmp_path, ["roof", "roof.1", "attic"])
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_tidying_up_needs_no_folder(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "none", tmp_path / "file"):
        sweep(place, ["roof"])
    assert not caplog.records


# -- in a thread of its own ---------------------------------------------------------------------


class Slow:
    """A file on a slow disk."""

    driver = "toy"
    content = LEARNT

    def __init__(self, path="device.json"):
        self.path = Path(path)
        self.begun, self.disk = threading.Event(), threading.Event()
        self.saved, self.threads = [], set()

    def save(self, facts):
        self.threads.add(threading.current_thread())
        self.begun.set()
        assert self.disk.wait(60)
        self.saved.append(facts)


def test_nobody_waits_for_the_disk_and_of_several_facts_the_newest_count():
    writer, file, other = Writer(), Slow(), Slow("other.json")
    writer.put(file, {"n": 0})
    assert file.begun.wait(60)
    for n in range(1, 100):
        writer.put(file, {"n": n})
        writer.put(other, {"n": n})
    assert not writer.finish(0.0)
    file.disk.set()
    other.disk.set()
    assert writer.finish(60)
    assert file.saved == [{"n": 0}, {"n": 99}]
    assert other.saved == [{"n": 99}]
    assert file.threads == other.threads
    assert threading.current_thread() not in file.threads
    (thread,) = file.threads
    thread.join(60)
    assert not thread.is_alive(), "idle threads cost memory"


def test_what_is_on_its_way_to_the_disk_is_known_already():
    """A device is removed and added again within a moment."""
    writer, file = Writer(), Slow()
    writer.put(file, {"n": (1, 2)})
    assert file.begun.wait(60)
    assert writer.newest(Slow()) == {"n": [1, 2]}, "while it is written"
    writer.put(Slow(), {"n": 3})
    assert writer.newest(Slow()) == {"n": 3}, "while it waits"
    assert writer.newest(Slow("other.json")) is None
    stranger = Slow()
    stranger.driver = "another"
    assert writer.newest(stranger) is None
    file.disk.set()
    writer._waiting.clear()
    assert writer.finish(60)
    assert writer.newest(Slow()) is None


def test_without_a_thread_it_is_written_with_the_next(monkeypatch):
    writer, file = Writer(), Slow()
    file.disk.set()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError))
        writer.put(file, {"n": 1})
        assert not writer.finish(0.0)
    assert writer.finish(60)
    assert file.saved == [{"n": 1}]


def test_facts_that_change_all_the_time_are_written_once_a_minute_and_at_the_end():
    written = []
    writer = type("Recording", (), {"put": lambda _self, _file, facts: written.append(facts)})()
    memory = Memory(Slow(), writer)
    for second in range(600):
        memory.save({"second": second})
        memory.tick(float(second))
    assert written == [{"second": n} for n in range(0, 600, int(SAVE_S))]
    memory.close()
    memory.close()
    assert written[-1] == {"second": 599}
    assert len(written) == 11


def test_what_does_not_change_is_not_written():
    written = []
    writer = type("Recording", (), {"put": lambda _self, _file, facts: written.append(facts)})()
    memory = Memory(Slow(), writer)
    memory.save(FACTS)
    for second in range(600):
        memory.tick(float(second))
    memory.close()
    assert written == [FACTS]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_is_private_is_for_its_owner_alone(tmp_path, mask):
    before = os.umask(mask)
    try:
        StateFile(tmp_path / "state", "roof", "rct", KEYS).save(FACTS)
    finally:
        os.umask(before)
    assert mode(tmp_path / "state" / "roof.keys") == 0o600
    assert StateFile(tmp_path / "state", "roof", "rct", KEYS).load() == FACTS


@pytest.mark.parametrize("open_to", [0o640, 0o644, 0o602, 0o4600])
def test_what_is_private_is_refused_where_others_may_read_it(tmp_path, caplog, open_to):
    state = StateFile(tmp_path, "roof", "rct", KEYS)
    state.save(FACTS)
    state.path.chmod(open_to)
    assert state.load() == {}
    (record,) = caplog.records
    assert record.getMessage() == (
        f"roof: {state.path} is not used: others may read it (mode {open_to:04o}); only its owner"
        " should (mode 0600)"
    )
    assert mode(state.path) == open_to, "it is no secret any more, whoever closes it"
    state.save(FACTS)
    assert mode(state.path) == 0o600
    assert state.load() == FACTS


def test_what_is_private_and_what_is_not_are_two_files_of_one_device(tmp_path):
    for content in (LEARNT, KEYS):
        StateFile(tmp_path, "roof", "rct", content).save({"private": content is KEYS})
    for content in (LEARNT, KEYS):
        assert StateFile(tmp_path, "roof", "rct", content).load() == {"private": content is KEYS}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["roof.json", "roof.keys"]


def test_what_must_not_be_lost_is_written_at_once(tmp_path):
    writer = Writer()
    memory = Memory(StateFile(tmp_path, "roof", "rct", KEYS), writer)
    memory.tick(0.0)
    memory.keep(FACTS)
    assert writer.finish(10.0)
    assert StateFile(tmp_path, "roof", "rct", KEYS).load() == FACTS
