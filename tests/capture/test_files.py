"""Files on the disk, while they are written: followed, rotated, cut short, in folders, in pipes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rct_collector.capture.files import Files, read_runs
from rct_collector.errors import CaptureError
from tests.capture.test_conversations import pcap
from tests.capture.test_flows import FILES, MAGIC, PARTS, WANTED, WHOLE


def step(files):
    """What there is now: the bytes of it; None at the end."""
    got = b""
    while (runs := files.read()) is not None:
        if runs == ():
            return got
        got += b"".join(run.data for run in runs)
    return got or None


def aged(path, seconds):
    os.utime(path, (seconds, seconds))
    return path


@pytest.fixture
def written(tmp_path):
    """Write bytes behind what a file has, so many seconds after 1970."""

    def write(data, name="day.rec", at=None):
        path = tmp_path / name
        with path.open("ab") as file:
            file.write(data)
        return aged(path, at) if at else path

    return write


def whole(path, **more):
    return b"".join(run.data for run in read_runs(path, WANTED, **more))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_to_its_end(written, name):
    assert whole(written(FILES[name])) == WHOLE


def test_a_pipe_is_read_to_its_end():
    read, write = os.pipe()
    os.write(write, WHOLE)
    os.close(write)
    try:
        assert whole(Path(f"/dev/fd/{read}")) == WHOLE
    finally:
        os.close(read)


def test_a_file_that_is_followed_may_end_amid_a_record(written):
    data = pcap(PARTS)
    path = written(data[:-50])
    files = Files(path, WANTED, follow=True)
    first = step(files)
    assert WHOLE.startswith(first)
    written(data[-50:-5])
    assert step(files) == WHOLE[len(first) :]
    written(data[-5:])
    assert step(files) == b""


def test_a_file_may_be_empty_at_first(written):
    files = Files(written(b""), WANTED, follow=True)
    assert step(files) == b""
    written(WHOLE[:2])
    assert step(files) == b""
    written(WHOLE[2:])
    assert step(files) == WHOLE


def test_a_file_that_shrinks_is_told(written):
    path = written(WHOLE)
    files = Files(path, WANTED, follow=True)
    assert step(files) == WHOLE
    os.truncate(path, 3)
    with pytest.raises(CaptureError, match=r"day\.rec: shrank from 10 to 3 bytes while it was"):
        step(files)


@pytest.mark.parametrize("grown", [4, 5000])
def test_a_file_that_was_written_anew_between_two_looks_is_told(written, grown):
    path = written(WHOLE)
    files = Files(path, WANTED, follow=True)
    assert step(files) == WHOLE
    path.write_bytes(MAGIC * (len(WHOLE) // 4) + MAGIC + bytes(grown))
    with pytest.raises(CaptureError, match="was written anew while it was followed"):
        step(files)
    files.close()


def test_a_file_that_grows_byte_by_byte_is_known_again(written):
    files = Files(written(b""), WANTED, follow=True, piece=7)
    found = b""
    for byte in WHOLE:
        written(bytes([byte]))
        found += step(files)
    files.close()
    assert found == WHOLE


def test_a_file_that_is_damaged_while_it_is_followed_is_told_at_once(written):
    files = Files(written(pcap(PARTS)), WANTED, follow=True)
    step(files)
    assert files.trouble == []
    written(b"\xff" * 64)
    step(files)
    (trouble,) = files.trouble
    assert "day.rec" in trouble
    written(pcap(PARTS))
    step(files)
    assert files.trouble == [trouble]


def test_a_file_that_is_rotated_goes_on_in_the_next(written, tmp_path):
    path = written(WHOLE)
    files = Files(path, WANTED, follow=True)
    assert step(files) == WHOLE
    path.rename(tmp_path / "day.rec.1")
    written(b"late", "day.rec.1")
    assert step(files) == b"late"
    written(MAGIC + b"next")
    assert step(files) == MAGIC + b"next"
    written(b" more")
    assert step(files) == b" more"


def test_the_newest_file_of_a_folder_is_read_and_others_on_demand(written, tmp_path):
    written(MAGIC + b"old", "b.rec", at=10)
    written(MAGIC + b"new", "a.rec", at=20)
    written(b"hidden", ".c.rec", at=30)
    assert whole(tmp_path) == MAGIC + b"new"
    assert whole(tmp_path, everything=True) == MAGIC + b"old" + MAGIC + b"new"


def test_a_folder_that_is_followed_goes_from_file_to_file_and_leaves_none_out(written, tmp_path):
    written(MAGIC + b"0", "0.rec", at=5)
    written(MAGIC + b"1", "1.rec", at=10)
    files = Files(tmp_path, WANTED, follow=True)
    assert step(files) == MAGIC + b"1"
    written(b"1", "1.rec", at=15)
    written(MAGIC + b"2", "2.rec", at=20)
    written(b"PK\3\4 what is no recording", "3.rec", at=30)
    written(MAGIC + b"4", "4.rec", at=40)
    assert step(files) == b"1" + MAGIC + b"2" + MAGIC + b"4"
    assert "3.rec is a zip archive" in files.trouble[0]
    written(b"4", "4.rec", at=50)
    assert step(files) == b"4"


def test_flows_of_other_files_have_other_numbers(written, tmp_path):
    for n in (1, 2):
        written(pcap(PARTS), f"{n}.pcap", at=n)
    runs = [run for run in read_runs(tmp_path, WANTED, everything=True) if run.data]
    assert len({run.flow for run in runs}) == 2


def test_a_folder_without_files_is_told(tmp_path):
    with pytest.raises(CaptureError, match="there is no file in this folder"):
        whole(tmp_path)


def test_a_folder_without_files_is_waited_at(written, tmp_path):
    files = Files(tmp_path, WANTED, follow=True)
    assert step(files) == b""
    written(WHOLE)
    assert step(files) == WHOLE


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CaptureError, match="cannot be read: No such file"):
        whole(tmp_path / "none")


def test_following_waits_between_two_looks(written):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        whole(written(WHOLE), follow=True, sleep=sleep)
    assert waits == [1.0, 1.0]


def test_what_could_not_be_read_is_told(written):
    told = []
    assert WHOLE.startswith(whole(written(pcap(PARTS)[:-1]), told=told.append))
    assert "is cut short" in told[0]
