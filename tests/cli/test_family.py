"""Commands of single families, and the files and connections that they get."""

import contextlib
import os
import socket
import stat
import threading

import pytest

from rct_collector.cli import outside
from rct_collector.cli.outside import ThisSide
from rct_collector.drivers import WITH_COMMANDS
from rct_collector.errors import CaptureError, TransportError

COMMANDS = [
    "command", "monitor", "extract",
    "state", "csv", "key", "graphite",
]  # fmt: skip


def test_help_names_families_that_have_commands(run):
    text = run("--help").stdout

    for family, meaning in WITH_COMMANDS.items():
        assert f"\n  {family}" in text
        assert meaning[:30] in text


def test_the_commands_of_a_family_are_named(run):
    result = run("solaredge", "--help")

    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_explains_itself(run, name):
    result = run("solaredge", name, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: rct-collector solaredge {name} ")
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


@pytest.mark.parametrize("words", [["rct"], ["voltronic", "state"], ["solaredge", "nothing"]])
def test_others_have_none(run, words):
    result = run(*words)

    assert result.exit_code == 2
    assert (
        f"No such command '{words[-1] if words[0] == 'solaredge' else words[0]}'" in result.stderr
    )


def test_a_command_reads_and_writes_files(run, tmp_path):
    (tmp_path / "in.json").write_text('{"inverters": {"7F": {"Pac": 5.0}}}\n')
    done = run("solaredge", "csv", "-p", tmp_path / "out", "-t", tmp_path / "in.json")

    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "out.inverters.csv").read_bytes() == b"__Identifier__,Pac\r\n7F,5.0\r\n"


def test_a_command_reads_standard_input_and_writes_standard_output(run):
    line = '{"data": {"value": 16909060}}\n'
    done = run("solaredge", "key", stdin=line * 4)

    assert (done.exit_code, done.stdout) == (0, "04030201" * 4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["csv", "-p", "x", "none.json"], "none.json cannot be read: No such file or directory"),
        (["csv", "none.json"], "Missing option '-p'"),
        (["state", "none.json"], "Missing option '-o'"),
        (["key", "-o", "/nowhere/x", "none.json"], "none.json cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told(run, words, message):
    result = run("solaredge", *words)

    assert result.exit_code == 2
    assert message in result.stderr


# -- files -------------------------------------------------------------------------------------


@pytest.fixture
def host():
    return ThisSide()


def test_lines_come_without_their_ends_whatever_the_pieces(host, tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"one\ntwo\n\nthree")
    for size in (1, 2, 3, 1 << 16):
        monkeypatch.setattr(outside, "_PIECE", size)
        found = [line for lines in host.lines(str(tmp_path / "a")) for line in lines]
        assert found == [b"one", b"two", b"", b"three"]


def test_a_line_without_end_takes_no_memory_without_end(host, tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "LONGEST_LINE", 1 << 17)
    (tmp_path / "a").write_bytes(b"x" * (1 << 20) + b"\nshort\n")
    found = [line for lines in host.lines(str(tmp_path / "a")) for line in lines]

    assert max(map(len, found)) <= (1 << 17) + (1 << 16)
    assert b"".join(found) == b"x" * (1 << 20) + b"short"


def followed(host, path, monkeypatch, *steps):
    """Lines of a file to which something is done whenever it is at its end."""
    rest = list(steps)
    found = []

    def at_end(_seconds):
        if not rest:
            raise KeyboardInterrupt
        rest.pop(0)()

    monkeypatch.setattr(outside.time, "sleep", at_end)
    with contextlib.suppress(KeyboardInterrupt):
        for lines in host.lines(str(path), follow=True):
            found += lines
    return found


def test_a_file_that_grows_is_followed(host, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"one\ntw")

    def more(text):
        with path.open("ab") as file:
            file.write(text)

    assert followed(
        host, path, monkeypatch, lambda: more(b"o"), lambda: None, lambda: more(b"\nthree\n")
    ) == [b"one", b"two", b"three"]


def test_a_file_that_is_rotated_or_cut_is_read_anew(host, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"one\ntorn")

    def rotate():
        path.rename(tmp_path / "a.1")
        path.write_bytes(b"two, which is longer\n")

    assert followed(host, path, monkeypatch, rotate, lambda: path.write_bytes(b"three\n")) == [
        b"one", b"two, which is longer", b"three"
    ]  # fmt: skip


def test_what_is_written_just_before_a_file_is_rotated_is_read(host, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"one\n")

    def rotate():
        with path.open("ab") as file:
            file.write(b"two\n")
        path.rename(tmp_path / "a.1")
        path.write_bytes(b"three\n")

    assert followed(host, path, monkeypatch, rotate) == [b"one", b"two", b"three"]


def test_a_file_that_is_away_for_a_moment_is_waited_for(host, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"one\n")
    assert followed(
        host, path, monkeypatch, path.unlink, lambda: None, lambda: path.write_bytes(b"two\n")
    ) == [b"one", b"two"]


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(host, tmp_path):
    path = tmp_path / "state.json"
    path.write_text("before")
    path.chmod(0o640)
    with path.open() as reader:
        host.replace(str(path), b"after")
        assert reader.read() == "before"

    assert path.read_text() == "after"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is no file that could be replaced"),
        (os.mkdir, "is no file that could be replaced"),
        (lambda path: path.symlink_to("/dev/null"), "is a link, and is not followed"),
    ],
)
def test_what_is_no_file_is_not_replaced(host, tmp_path, make, words):
    path = tmp_path / "state.json"
    make(path)
    before = path.lstat()
    with pytest.raises(CaptureError, match=words):
        host.replace(str(path), b"after")

    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_usual_mode_and_a_secret_one_its_own(host, tmp_path):
    mask = os.umask(0o027)
    try:
        host.replace(str(tmp_path / "a"), b"1")
        host.replace(str(tmp_path / "b"), b"1", private=True)
    finally:
        os.umask(mask)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "write",
    [
        lambda host, path: host.replace(path, b""),
        lambda host, path: host.output(path).__enter__(),
    ],
    ids=["replace", "output"],
)
def test_a_file_that_cannot_be_written_is_named(host, tmp_path, write):
    path = str(tmp_path / "none" / "a")
    with pytest.raises(CaptureError, match=f"{path} cannot be written: No such file"):
        write(host, path)


def test_a_full_disk_is_told(host):
    message = "/dev/full cannot be written: No space"
    with host.output("/dev/full") as out, pytest.raises(CaptureError, match=message):
        out.write(b"x")


def test_output_is_appended_where_that_is_wanted(host, tmp_path):
    path = str(tmp_path / "a")
    for append, expected in ((False, b"1"), (True, b"11"), (False, b"1")):
        with host.output(path, append=append) as out:
            out.write(b"1")
        assert host.content(path) == expected
    assert host.content(path + "x") is None


# -- connections -------------------------------------------------------------------------------


def test_a_connection_is_finished_when_all_was_read(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = host.connect(*server.getsockname())
        peer, _ = server.accept()
        read = []

        def reading():
            with peer:
                while data := peer.recv(1 << 16):
                    read.append(data)

        thread = threading.Thread(target=reading)
        thread.start()
        stream.send(b"x" * (1 << 22))
        stream.finish()
        assert sum(map(len, read)) == 1 << 22
        thread.join()
        stream.close()


def test_a_connection_that_is_lost_is_told(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        stream = host.connect(*address)
        server.accept()[0].close()
    for act in (stream.check, lambda: stream.send(b"x")):
        with pytest.raises(
            TransportError, match=f"{address[0]}:{address[1]} was lost: it was clos"
        ):
            act()
    stream.close()
    with pytest.raises(TransportError, match="cannot be reached: Connection refused"):
        host.connect(*address)
