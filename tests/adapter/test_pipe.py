"""A pipe that nobody waits for."""

import contextlib
import fcntl
import gc
import os
import select
import socket
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.adapter import pipe
from rct_collector.adapter.pipe import ATOMIC, PipeWriter

#: Only a test that fails waits this long, in seconds.
PATIENCE = 60.0

#: The least a pipe can hold.
CAPACITY = 4096

#: A line that fills such a pipe.
FULL = b"x" * (CAPACITY - 1) + b"\n"


class Pipe:
    """A writer and the other end of its pipe."""

    def __init__(self, limit=1 << 20, **options):
        self.read_end, self.write_end = os.pipe()
        fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, CAPACITY)
        self.gone = threading.Event()
        self.times_gone = 0
        self.dropped = []
        self.writer = PipeWriter(
            self.write_end,
            limit=limit,
            dropped=lambda source, samples: self.dropped.append((source, samples)),
            gone=self._gone,
            **options,
        )

    def _gone(self):
        self.times_gone += 1
        self.gone.set()

    def hang_up(self):
        """Close the reader's end."""
        if self.read_end >= 0:
            os.close(self.read_end)
        self.read_end = -1

    def read(self):
        assert select.select([self.read_end], [], [], PATIENCE)[0], "nothing comes any more"
        return os.read(self.read_end, 1 << 16)

    def read_until(self, last):
        """Read up to a line; lines."""
        data = b""
        while not data.endswith(last):
            data += self.read()
        return data.splitlines(keepends=True)

    def close(self):
        self.hang_up()
        assert self.writer.flush(PATIENCE)  # a thread in the middle of a write has noticed by now
        os.close(self.write_end)


@pytest.fixture
def make():
    """Makes pipes and takes them away again."""
    made = []

    def make_one(**options):
        made.append(Pipe(**options))
        return made[-1]

    yield make_one
    for item in made:
        item.close()


def leave_to_the_thread(monkeypatch):
    """Let nothing be written at once, as where a pipe cannot be opened anew."""
    monkeypatch.setattr(pipe, "own_end", lambda _fd: None)


@pytest.fixture
def writes(monkeypatch):
    """What is handed to the system, piece by piece; all of it is taken."""
    pieces = []

    def write(_fd, data):
        pieces.append(bytes(data))
        return len(data)

    leave_to_the_thread(monkeypatch)
    monkeypatch.setattr(pipe, "os", SimpleNamespace(write=write))
    return pieces


class Stall:
    """A system that does not take a thing until it is told to."""

    def __init__(self):
        self.entered, self.over = threading.Event(), threading.Event()
        self.written = []

    def write(self, _fd, data):
        self.entered.set()
        assert self.over.wait(PATIENCE)
        self.written.append(bytes(data))
        return len(data)


@pytest.fixture
def stall(monkeypatch):
    system = Stall()
    leave_to_the_thread(monkeypatch)
    monkeypatch.setattr(pipe, "os", SimpleNamespace(write=system.write))
    yield system
    system.over.set()


def lines(count, size=20, start=0):
    return [f"{n:0{size - 1}}\n".encode() for n in range(start, start + count)]


def test_lines_arrive_whole_and_in_order(make):
    made = make()
    for n in range(50):
        made.writer.put(lines(3, start=3 * n))
    assert made.read_until(lines(1, start=149)[0]) == lines(150)
    assert made.writer.flush(PATIENCE)
    assert made.dropped == []


def test_each_write_is_of_whole_lines_and_of_a_size_that_the_system_never_cuts(make, writes):
    made = make()
    for n in range(20):
        made.writer.put(lines(100, size=63 + n, start=100 * n))
    assert made.writer.flush(PATIENCE)
    assert all(len(piece) <= ATOMIC for piece in writes)
    assert all(piece.endswith(b"\n") for piece in writes)
    assert b"".join(writes).count(b"\n") == 2000


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(1, 3000), max_size=6), max_size=8))
def test_any_lines_arrive_in_writes_that_are_never_cut(sizes):
    pieces = []
    with pytest.MonkeyPatch.context() as patch:
        taken = SimpleNamespace(write=lambda _fd, data: pieces.append(bytes(data)) or len(data))
        leave_to_the_thread(patch)
        patch.setattr(pipe, "os", taken)
        writer = PipeWriter(-1, limit=1 << 20)
        for entry in sizes:
            writer.put([b"x" * (size - 1) + b"\n" for size in entry])
        assert writer.flush(PATIENCE)
    assert [len(line) for line in b"".join(pieces).splitlines(keepends=True)] == [
        size for entry in sizes for size in entry
    ]
    assert all(len(piece) <= ATOMIC and piece.endswith(b"\n") for piece in pieces)


def test_line_that_is_longer_than_a_write_arrives_too(make):
    made = make()
    long = b"x" * 20000 + b"\n"
    made.writer.put([b"a\n", long, b"b\n"])
    assert made.read_until(b"b\n") == [b"a\n", long, b"b\n"]


def test_system_that_takes_a_part_gets_the_rest_next(make, monkeypatch):
    pieces = []

    def write(_fd, data):
        pieces.append(bytes(data[:7]))
        return len(pieces[-1])

    leave_to_the_thread(monkeypatch)
    monkeypatch.setattr(pipe, "os", SimpleNamespace(write=write))
    made = make()
    made.writer.put(lines(5))
    assert made.writer.flush(PATIENCE)
    assert b"".join(pieces) == b"".join(lines(5))


def test_pipe_that_somebody_made_non_blocking_is_not_broken(make):
    made = make()
    os.set_blocking(made.write_end, False)
    made.writer.put(lines(1000))
    made.writer.put(lines(1, start=1000))
    assert made.read_until(lines(1, start=1000)[0]) == lines(1001)
    assert not made.writer.broken


def test_stalled_reader_costs_the_oldest_lines_and_each_is_counted(make):
    """What waits never exceeds the limit; the newest is never lost."""
    made = make(limit=10_000)
    for n in range(200):
        made.writer.put(lines(50, start=50 * n), source="roof", samples=50)
        kept = 50 * (n + 1) - sum(samples for _, samples in made.dropped)
        # In the queue, in the pipe, and what the thread is about to write: as many entries as go
        # into one write.
        assert 20 * kept <= 10_000 + CAPACITY + ATOMIC
    assert set(made.dropped) == {("roof", 50)}
    arrived = made.read_until(lines(1, start=9999)[0])
    assert made.writer.flush(PATIENCE)
    assert len(arrived) == 10_000 - 50 * len(made.dropped)
    numbers = [int(line) for line in arrived]
    assert numbers == sorted(set(numbers))
    assert numbers[-500:] == list(range(9500, 10_000))  # all that fits into the limit


def test_oldest_entries_of_whatever_device_make_room(make, stall):
    made = make(limit=100)
    made.writer.put(lines(1), source="stuck", samples=1)
    assert stall.entered.wait(PATIENCE)  # out of the queue, and not to be dropped any more
    for n in range(20):
        made.writer.put(lines(2, start=2 * n), source=f"unit{n}", samples=n)
    assert made.dropped == [(f"unit{n}", n) for n in range(18)]
    made.writer.put(lines(5, start=40), source="large")
    assert made.dropped == [(f"unit{n}", n) for n in range(20)]
    stall.over.set()
    assert made.writer.flush(PATIENCE)
    assert b"".join(stall.written) == b"".join(lines(1) + lines(5, start=40))


def test_newest_entry_is_kept_even_if_it_alone_exceeds_the_limit(make):
    made = make(limit=10)
    made.writer.put(lines(100))
    assert made.read_until(lines(1, start=99)[0]) == lines(100)
    assert made.dropped == []


def test_flush_tells_when_the_reader_did_not_take_everything(make):
    made = make()
    made.writer.put(lines(1000))
    assert not made.writer.flush(0)
    made.read_until(lines(1, start=999)[0])
    assert made.writer.flush(PATIENCE)


def test_flush_waits_for_what_is_being_written(make, stall):
    made = make()
    made.writer.put(lines(1))
    assert stall.entered.wait(PATIENCE)
    assert not made.writer.flush(0)
    stall.over.set()
    assert made.writer.flush(PATIENCE)


def test_what_was_written_makes_room(make):
    made = make(limit=100)
    for _ in range(5):
        made.writer.put(lines(2))
        made.writer.put(lines(2))
        assert made.writer.flush(PATIENCE)
    assert made.dropped == []


def test_flush_of_an_idle_pipe_returns_at_once(make):
    assert make().writer.flush(0)


def test_nothing_to_say_is_said_without_a_write(make, writes):
    made = make()
    made.writer.put([])
    assert made.writer.flush(PATIENCE)
    assert writes == []


def test_reader_that_goes_away_is_told_once_and_nothing_piles_up(make):
    made = make(limit=100)
    made.hang_up()
    made.writer.put(lines(1))
    assert made.gone.wait(PATIENCE)
    assert made.writer.broken
    for _ in range(3):
        made.writer.put(lines(10_000), source="roof", samples=1)
    assert made.writer.flush(0)
    assert made.dropped == []
    assert made.times_gone == 1


def test_reader_that_goes_away_in_the_middle_of_a_write_is_noticed(make):
    made = make()
    made.writer.put(lines(10_000))
    made.read()
    made.hang_up()
    assert made.gone.wait(PATIENCE)
    assert made.writer.flush(0)


def test_threads_that_write_at_the_same_time_do_not_mix_their_lines(make):
    made = make()

    def talk(who):
        for n in range(100):
            made.writer.put([f"{who} {n} {'x' * 50}\n".encode()] * 2)

    threads = [threading.Thread(target=talk, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    data = b""
    while data.count(b"\n") < 600:
        data += made.read()
    for thread in threads:
        thread.join()
    said = [line.split()[:2] for line in data.splitlines()]
    assert said[::2] == said[1::2]
    for who in (b"a", b"b", b"c"):
        assert [int(n) for name, n in said[::2] if name == who] == list(range(100))


def test_writer_works_without_anybody_to_tell():
    read_end, write_end = os.pipe()
    writer = PipeWriter(write_end, limit=1)
    writer.put(lines(1))
    writer.put(lines(1))
    assert writer.flush(PATIENCE)
    os.close(read_end)
    writer.put(lines(1))
    writer.flush(PATIENCE)
    with contextlib.suppress(OSError):
        os.close(write_end)
    assert writer.broken


def test_why_nothing_is_written_any_more_is_kept(make):
    made = make()
    assert made.writer.error is None
    made.hang_up()
    made.writer.put(lines(1))
    assert made.gone.wait(PATIENCE)
    assert isinstance(made.writer.error, BrokenPipeError)


def test_a_full_disk_is_told_like_a_reader_that_is_gone():
    gone = threading.Event()
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        writer = PipeWriter(full.fileno(), limit=1 << 20, gone=gone.set)
        writer.put(lines(1))
        assert gone.wait(PATIENCE)
    assert "No space left" in writer.error.strerror


def test_no_defect_ends_the_thread_without_a_word(make, monkeypatch):
    def chunks(*_):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(pipe, "chunks", chunks)
    made = make()
    made.writer.put(lines(1))
    assert made.gone.wait(PATIENCE)
    assert isinstance(made.writer.error, ZeroDivisionError)
    assert made.writer.flush(0)


# -- who waits for what is written ---------------------------------------------------------------


class Told(list):
    """What was told of entries, in order, by name; from whatever thread."""

    def __init__(self):
        super().__init__()
        self._changed = threading.Condition()

    def of(self, name):
        def told(taken):
            with self._changed:
                self.append((name, taken))
                self._changed.notify_all()

        return told

    def wait_for(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: len(self) >= count, PATIENCE)
        return list(self)


def test_who_waits_is_told_when_all_of_it_is_written(make):
    made, told = make(), Told()
    long = [b"x" * 2047 + b"\n"] * 6  # more than the pipe can hold
    made.writer.put(long, told=told.of("long"))
    first = made.read()
    assert told == [], "the rest of it is not written yet"
    made.writer.put([b"short\n"], told=told.of("short"))
    made.read_until(b"short\n")
    assert first
    assert told.wait_for(2) == [("long", True), ("short", True)]


def test_what_waits_goes_out_in_few_writes_and_each_is_told(make, monkeypatch):
    """Each turn of the thread costs waiting for those that are at work."""
    made, told, written = make(), Told(), []
    write_all = pipe._write_all

    def noted(fd, data):
        written.append(data)
        write_all(fd, data)

    made.writer.put([b"x" * 4095 + b"\n"] * 2)  # which the thread sits in
    monkeypatch.setattr(pipe, "_write_all", noted)
    for number in range(100):
        made.writer.put([b"%079d\n" % number], told=told.of(number))
    made.read_until(b"%079d\n" % 99)
    assert told.wait_for(100) == [(number, True) for number in range(100)]
    small = [piece for piece in written if not piece.startswith(b"x")]
    assert len(small) == 2
    assert all(len(piece) <= ATOMIC for piece in small)


def test_without_lines_there_is_nothing_to_wait_for(make):
    told = Told()
    make().writer.put([], told=told.of("nothing"))
    assert told == [("nothing", True)]


def test_who_waits_for_what_had_to_go_is_told(make):
    made, told = make(limit=3000), Told()
    line = [b"x" * 2047 + b"\n"]
    for number in range(6):
        made.writer.put(line, "roof", 1, told.of(number))
    found = told.wait_for(len(made.dropped))
    assert [number for number, taken in found if not taken]
    made.writer.put([b"end\n"], told=told.of("end"))
    made.read_until(b"end\n")
    assert sorted(map(str, dict(told.wait_for(7)))) == [*map(str, range(6)), "end"]
    assert len(told) == 7, "each is told once"
    assert sum(not taken for _, taken in told) == len(made.dropped)


def test_all_who_wait_are_told_when_the_reader_is_gone(make):
    made, told = make(), Told()
    line = [b"x" * 2047 + b"\n"]
    for number in range(4):
        made.writer.put(line, told=told.of(number))
    made.hang_up()
    assert made.gone.wait(PATIENCE)
    found = dict(told.wait_for(4))
    assert not found[3]
    made.writer.put([b"more\n"], told=told.of("more"))
    assert told[-1] == ("more", False)


def test_a_thread_is_started_for_the_first_lines_that_are_not_taken_at_once():
    before = set(threading.enumerate())
    pipe = Pipe()
    pipe.writer.put([])
    pipe.writer.put([b"a 1\n"])
    assert pipe.read() == b"a 1\n"
    assert set(threading.enumerate()) <= before
    assert pipe.writer.flush(0)

    pipe.writer.put([FULL])
    pipe.writer.put([b"b 1\n"])
    assert len(set(threading.enumerate()) - before) == 1
    assert pipe.read_until(b"b 1\n") == [FULL, b"b 1\n"]
    pipe.writer.put([b"c 1\n"])
    assert pipe.read() == b"c 1\n"
    assert len(set(threading.enumerate()) - before) == 1


def test_that_there_is_no_thread_to_be_had_is_why_nothing_is_written(monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    pipe = Pipe()
    told = []
    pipe.writer.put([FULL])

    pipe.writer.put([b"a 1\n"], told=told.append)

    assert told == [False]
    assert str(pipe.writer.error) == "can't start new thread"
    assert pipe.times_gone == 1
    assert pipe.writer.flush(0)


# -- what the pipe takes at once -------------------------------------------------------------------


def test_what_the_pipe_takes_is_there_when_put_returns(make):
    made, told = make(), []
    made.writer.put(lines(3), told=told.append)
    assert os.read(made.read_end, CAPACITY) == b"".join(lines(3))
    assert told == [True]


def test_whoever_shares_the_pipe_keeps_a_pipe_that_blocks(make):
    made = make()
    made.writer.put(lines(1))
    assert os.get_blocking(made.write_end)
    assert not os.get_inheritable(made.writer._own_end)


def test_what_follows_on_a_full_pipe_keeps_its_order(make):
    made, told = make(), Told()
    for number in range(40):
        made.writer.put(lines(30, start=30 * number), told=told.of(number))
    assert made.read_until(lines(1, start=1199)[0]) == lines(1200)
    assert told.wait_for(40) == [(number, True) for number in range(40)]
    assert made.writer.flush(PATIENCE)
    made.writer.put(lines(1))
    assert os.read(made.read_end, CAPACITY) == lines(1)[0], "at once again"


def test_what_is_begun_is_written_to_its_end_whatever_has_to_go(make):
    """It is told of as taken or lost as a whole, so none of it may go once some is in the pipe."""
    made, told = make(limit=100), Told()
    made.writer.put([FULL, b"rest\n"], "first", 2, told.of("first"))
    for number in range(20):
        made.writer.put(lines(3, start=3 * number), "others", 3, told.of(number))
    arrived = made.read_until(lines(1, start=59)[0])
    assert arrived[:2] == [FULL, b"rest\n"]
    told.wait_for(21)
    assert ("first", True) in told
    kept = 20 - len(made.dropped)
    assert {source for source, _ in made.dropped} == {"others"}
    assert len(arrived) == 2 + 3 * kept


def test_a_pipe_that_has_no_reader_is_told_at_once(make):
    made, told = make(), []
    made.writer.put(lines(1))
    made.hang_up()
    made.writer.put(lines(1), told=told.append)
    assert told == [False]
    assert made.times_gone == 1
    assert isinstance(made.writer.error, BrokenPipeError)


def test_a_writer_that_is_forgotten_leaves_no_descriptor_open():
    read_end, write_end = os.pipe()
    writer = PipeWriter(write_end, limit=100)
    writer.put(lines(1))
    own = writer._own_end
    assert own not in (None, write_end)
    del writer
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(own)
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("mode", ["file", "socket"])
def test_what_is_no_pipe_is_written_by_the_thread(mode, tmp_path):
    if mode == "file":
        target = (tmp_path / "out").open("wb")
        assert pipe.own_end(target.fileno()) is None
    else:
        target, other = socket.socketpair()
        assert pipe.own_end(target.fileno()) is None
        other.close()
    target.close()
