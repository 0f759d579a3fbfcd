"""What is told of other processes: of this host's own, and of lists as a kernel may have them."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from rct_collector.processes import described, holder_of, openers


@pytest.fixture
def proc(tmp_path):
    """Two processes that have files open, one that ends, and what is no process."""
    for pid, link in (
        ("7", "/dev/ttyUSB0"),
        ("812", "/dev/ttyUSB0 (deleted)"),
        ("900", "pipe:[4]"),
    ):
        folder = tmp_path / pid / "fd"
        folder.mkdir(parents=True)
        (folder / "3").symlink_to("/dev/null")
        (folder / "4").symlink_to(link)
    (tmp_path / "901").mkdir()
    (tmp_path / "locks").write_text("")
    return tmp_path


def test_those_who_have_a_file_open_are_found(proc):
    assert list(openers("/dev/ttyUSB0", proc)) == [7]
    assert sorted(openers("/dev/null", proc)) == [7, 812, 900]
    assert list(openers("/dev/ttyUSB1", proc)) == []
    assert list(openers("/dev/null", proc / "nothing")) == []


def test_a_file_of_ours_is_found_where_the_system_tells_it(tmp_path):
    path = tmp_path / "open"
    with path.open("w"):
        assert os.getpid() in openers(str(path))
    assert os.getpid() not in openers(str(path))


def test_whoever_has_locked_a_node_is_found():
    far, near = os.openpty()
    try:
        status = os.fstat(near)
        assert holder_of(status) == 0
        fcntl.flock(near, fcntl.LOCK_EX)
        assert holder_of(status) == os.getpid()
    finally:
        os.close(far)
        os.close(near)


@pytest.mark.parametrize(
    ("lines", "pid"),
    [
        ("1: FLOCK  ADVISORY  WRITE 708 {file} 0 EOF", 708),
        (
            "1: FLOCK  ADVISORY  WRITE 708 00:05:1 0 EOF\n2: FLOCK  ADVISORY  WRITE 9 {file} 0 EOF",
            9,
        ),
        ("1: POSIX  ADVISORY  WRITE 708 {file} 0 EOF", 0),
        ("1: -> FLOCK  ADVISORY  WRITE 708 {file} 0 EOF", 0),  # it waits for the lock
        ("1: FLOCK  ADVISORY  WRITE -1 {file} 0 EOF", 0),  # it is outside of our container
        ("1: FLOCK  ADVISORY  WRITE odd {file} 0 EOF", 0),
        ("1: FLOCK", 0),
        ("", 0),
    ],
)
def test_only_locks_of_that_file_and_kind_count(proc, lines, pid):
    status = Path(__file__).stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    (proc / "locks").write_text(lines.format(file=f"{device}:{status.st_ino}"))
    assert holder_of(status, proc) == pid


def test_where_nothing_is_listed_nobody_is_named(tmp_path):
    assert holder_of(Path(__file__).stat(), tmp_path) == 0
    assert described(0) == "another process on this host"
    assert described(0, 4_000_000_000) == "another process on this host (uid 4000000000)"
