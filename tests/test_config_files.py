"""From the bytes of a file to the texts in it: as they are written, at a bounded cost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector import DeviceList
from rct_collector.adapter.blocks import from_blocks
from rct_collector.config import Config, apart, files, interpret, read
from rct_collector.config.document import DEEPEST, read_yaml
from rct_collector.errors import ConfigError
from tests.processes import descriptors
from tests.work import calls, peak

untimed = settings(deadline=None)


@pytest.fixture(params=["C", "Python"])
def library(request, monkeypatch):
    """With PyYAML's parser in C, and where it was built without."""
    if request.param == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def written(**options):
    """A file with one device, its options in YAML."""
    options = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10", **options}
    return "devices:\n- " + "\n  ".join(f"{key}: {text}" for key, text in options.items()) + "\n"


def device(**options):
    (found,) = Config.parse(read_yaml(written(**options))).devices
    return found


def mistake(**options):
    with pytest.raises(ConfigError) as caught:
        Config.parse(read_yaml(written(**options)), "x")
    (told,) = caught.value.problems
    return told.removeprefix("x: devices[0].")


# -- texts as they are written -----------------------------------------------------------------

#: Scalars that YAML, in one version or another, takes for something other than text.
TYPED = [
    *("04103", "0x1F", "0b11", "0o17", "12:30", "190:20:30.15", "1.10", "1_000", "1e3", "1.0e+3"),
    *("+1", "-0", "1.", ".5", ".inf", "-.INF", ".nan", "1234567890123456789012345678901234567890"),
    *("2026-10-25", "2026-13-45", "2026-10-25T02:30:00Z", "2001-12-14 21:59:43.10 -5"),
    *("yes", "No", "on", "OFF", "true", "False", "y", "n", "=", "<<"),
]


@pytest.mark.parametrize("text", TYPED)
@pytest.mark.usefixtures("library")
def test_labels_are_published_as_they_are_written(text):
    assert device(labels=f"{{site: {text}}}").labels == {"site": text}
    assert type(device(labels=f"{{site: {text}}}").labels["site"]) is str


@pytest.mark.parametrize("text", ["007", "0x1F", "1.10", "1_000", "1e3", "no", "on", "2026-10-25"])
@pytest.mark.usefixtures("library")
def test_names_are_what_is_written(text):
    assert device(name=text).name == text
    assert type(device(name=text).name) is str


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~", ""])
@pytest.mark.usefixtures("library")
def test_the_word_for_nothing_is_no_text_unless_it_is_quoted(text):
    shown = text or "None"
    assert mistake(labels=f"{{site: {text}}}").endswith(
        f"texts as values; site is {shown} (quote it)"
    )
    assert mistake(name=text).startswith(f"name: found {text or 'nothing'}, expected up to 63")
    if text:
        assert device(labels=f"{{site: '{text}'}}").labels == {"site": text}


@pytest.mark.parametrize("key", ["no", "on", "y", "true", "null"])
def test_names_of_labels_are_texts_too(key):
    assert device(labels=f"{{{key}: a}}").labels == {key: "a"}


def test_other_options_that_take_text_say_what_was_written():
    assert mistake(address="8899").startswith("address: found 8899, expected an address")
    assert mistake(timezone="+02:00").startswith("timezone: found '+02:00', expected a time zone")
    assert mistake(timezone="0200").startswith("timezone: found 0200, expected a time zone")
    assert mistake(driver="no").startswith("driver: found no, expected rct or voltronic")
    assert mistake(exclude="[1e3]").startswith("exclude: found ['1e3'], expected globs")
    assert mistake(intervals="{fast: 010}").startswith("intervals.fast: found 010, expected a dur")
    assert mistake(intervals="{fast: 1:30}").startswith("intervals.fast: found 1:30, expected")


@pytest.mark.parametrize(
    ("text", "value"), [("4", 4), ("4.0", 4), ("4.40", 4.4), (".5", 0.5), ("+5", 5), ("1.0e+1", 10)]
)
@pytest.mark.usefixtures("library")
def test_numbers_are_read_where_numbers_are_meant(text, value):
    assert device(requests=f"{{per_second: {text}}}").requests.per_second == value


@pytest.mark.parametrize("text", ["010", "0x4", "1_0", "1:30", "'4'", ".inf", ".nan", "9" * 5000])
def test_numbers_that_may_mean_another_are_refused(text):
    told = mistake(requests=f"{{per_second: {text}}}")
    assert told.startswith("requests.per_second: found ")
    assert told.endswith("expected a number from 0.1 to 50")


@pytest.mark.parametrize("text", ["true", "yes", "On", "TRUE"])
def test_flags_are_read_where_flags_are_meant(text):
    assert device(cells=text).options.cells is True


@pytest.mark.parametrize("text", ["'true'", "1", "y", "null", ""])
def test_other_words_are_no_flags(text):
    assert mistake(cells=text).endswith("expected true or false")


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_folder_may_be_left_to_the_program_in_every_way_that_yaml_has(text):
    assert Config.parse(read_yaml(written() + f"state_dir: {text}\n")).state_dir is None


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "text", ["!!str 04103", "! 04103", "'04103'", '"04103"', ">-\n      04103"]
)
def test_text_may_be_marked_as_such(text):
    assert device(labels=f"\n    site: {text}").labels == {"site": "04103"}


@pytest.mark.parametrize("tag", ["!!int 1", "!!binary eA==", "!!python/name:os.system ''", "!x a"])
def test_other_tags_are_refused(tag):
    with pytest.raises(ConfigError) as caught:
        interpret(f"a:\n- {tag}\n".encode(), "x")
    told = tag.split()[0]
    assert str(caught.value) == f"x: line 2: found the tag '{told}'; a configuration needs none"


@pytest.mark.slow
@untimed
@given(st.text(max_size=30))
@example("04103")
@example("'")
def test_any_text_that_a_yaml_writer_writes_is_read_as_it_was(text):
    """PyYAML itself, too, can leave all scalars the texts that they are."""
    value = {"labels": {"site": text}, "list": [text, [text]]}
    for style in (None, "'", '"'):
        dumped = yaml.safe_dump(value, default_style=style, allow_unicode=style is None)
        assert read_yaml(dumped) == yaml.load(dumped, yaml.BaseLoader)  # noqa: S506 - makes no objects
    assert read_yaml(dumped) == value  # other quotes cannot hold all separators of lines


# -- structure ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("library")
def test_merged_mappings_stand_behind_what_is_said_and_the_first_wins():
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b]}\nd: {<<: *b}\n"
    found = read_yaml(text)
    assert found["c"] == {"x": "1", "y": "1", "z": "3"}
    assert found["d"] == {"y": "2", "z": "2"}
    assert read_yaml("{'<<': x}") == {"<<": "x"}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [*a]", "line 1: found an alias inside what it stands for: *a"),
        ("a: *b", "line 1: found an alias of nothing: *b"),
        ("a: {<<: 3}", "line 1: expected a mapping, or a list of mappings, to merge"),
        ("a: {<<: [3]}", "line 1: expected a mapping, or a list of mappings, to merge"),
        ("a: 1\n---\nb: 1\n", "line 2: found another document; a configuration is one"),
        ("yes: 1\n'yes': 2\n", "line 2: 'yes' is given twice"),
    ],
)
def test_structure_that_is_none_is_told_with_its_line(text, expected):
    with pytest.raises(ConfigError) as caught:
        interpret(text.encode(), "x")
    assert str(caught.value) == f"x: {expected}"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("text", [r'"\UFFFFFFFF"', r'"\ud800"', "a\x07b"])
def test_characters_that_there_are_not_are_no_bug(text):
    with pytest.raises(ConfigError):
        Config.parse(interpret(written(labels=f"{{a: {text}}}").encode(), "x"))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 20_000, marks=pytest.mark.slow),
        "- " * 20_000,
        "{a: " * 20_000,
        "? " * 5_000,
        "\n".join(" " * n + "a:" for n in range(1000)),
    ],
)
def test_deep_nesting_is_told_and_costs_nothing(text):
    def attempt():
        with pytest.raises(ConfigError, match=r"nested deeper than|exceeded maximum nesting"):
            interpret(text.encode(), "x")

    attempt()
    assert calls(attempt) < 50_000


@pytest.mark.usefixtures("library")
def test_nesting_by_aliases_is_nesting():
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(ConfigError, match=f"nested deeper than {DEEPEST} levels by an alias"):
        interpret(chain.encode(), "x")


def bomb(levels, width=9):
    lines = ["a0: &a0 [" + ",".join(["lol"] * width) + "]"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * width) + "]")
    return "\n".join([*lines, f"devices: *a{levels - 1}"])


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("levels", [3, 5, 9, 18])
def test_aliases_that_multiply_are_refused_before_they_cost(levels):
    text = bomb(levels)

    def attempt():
        with pytest.raises(ConfigError, match="line .: aliases multiply"):
            interpret(text.encode(), "x")

    attempt()
    assert peak(attempt) < 1_000_000


def test_aliases_that_multiply_by_merging_are_refused():
    maps = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(20)) + "}"]
    maps += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 20)}]}}" for n in range(1, 6)]
    with pytest.raises(ConfigError, match="aliases multiply"):
        interpret("\n".join(maps).encode(), "x")


def test_many_devices_may_share_what_they_have_in_common():
    """What aliases are for: a page of options, used a hundred times."""
    common = "\n".join(f"    label_{n}: x" for n in range(60))
    head = (
        f"devices:\n- &usual\n  name: u\n  driver: rct\n  address: tcp://u\n  labels:\n{common}\n"
    )
    rest = "".join(f"- {{<<: *usual, name: u{n}, address: tcp://u{n}}}\n" for n in range(100))
    found = Config.parse(interpret((head + rest).encode(), "x")).devices
    assert len(found) == 101
    assert all(len(one.labels) == 60 for one in found)


def test_messages_stay_short_whatever_they_show():
    long = "x" * 100_000
    for text in (
        written(**{long: 1}),
        written(labels=f"{{{long}: 1}}"),
        written(labels=f"{{a: {long}}}"),
        written(include=f"[{long}]"),
        written(address=f"{long}://a"),
        written(name=f"[[[[{long}], {long}]]]"),
        f"devices: 1\n{long}: 1\n{long}: 2",
        f"a: *{long}",
        f"a: !{long} b",
    ):
        with pytest.raises(ConfigError) as caught:
            Config.parse(interpret(text.encode(), "x"), "x")
        assert max(map(len, caught.value.problems)) < 500


# -- many devices ------------------------------------------------------------------------------


def many(count, options=""):
    lines = [
        f"- {{name: u{n}, driver: rct, address: tcp://10.0.{n >> 8}.{n & 255}{options}}}"
        for n in range(count)
    ]
    return "\n".join(["devices:", *lines]).replace("%", "1")


def distinct(count, options):
    head, *lines = many(count, options).split("\n")
    return "\n".join([head, *(line.replace("@", str(n)) for n, line in enumerate(lines))])


class Line:
    """A line or block of an agent's configuration."""

    def __init__(self, key, values=(), children=()):
        self.key, self.values, self.children = key, values, children


def as_blocks(value):
    return [
        Line("Device", (), [Line(key, [item]) for key, item in one.items()])
        for one in value["devices"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        "",
        ", cels: true",
        ", window: [",
        ", exclude: [inverter_q@.*]",
        ", exclude: ['*_watts@']",
        ", exclude: [inverter_energy.*, '*_watts']",
        ", timezone: Europe/Atlantis@",
        ", labels: {up: 1}",
        ", labels: {site: '04103', row@: 1}",
        ", name: roof",
        ", intervals: {fast: 5}",
    ],
    ids=lambda text: text.strip(", ") or "right",
)
def test_work_grows_with_the_number_of_devices_and_no_faster(options):
    def check(count):
        text = distinct(count, options).encode()

        def everything():
            try:
                value = interpret(text, "x")
            except ConfigError:
                return
            Config.salvage(value)
            DeviceList("someagent").add(from_blocks(as_blocks(value)), "x")

        return everything

    check(10)()  # what is kept for later
    few, more = calls(check(150)), calls(check(600))
    assert more < 4.4 * few
    assert more < 3000 * 600


@pytest.mark.slow
def test_the_rest_of_many_devices_is_kept():
    value = read_yaml(many(2000))
    value["devices"][700]["cels"] = "true"
    found, problems = Config.salvage(value)
    assert len(found.devices) == 1999
    (told,) = problems
    assert told.startswith("configuration: devices[700].cels: unknown option")


@pytest.mark.slow
def test_very_many_mistakes_are_counted_at_last():
    _, problems = Config.salvage(read_yaml(many(3000, ", cels: true")), "x")
    assert len(problems) == 1001
    assert problems[0].startswith("x: devices[0].cels: unknown option (did you mean 'cells'?)")
    assert problems[999].startswith("x: devices[999].cels: unknown option; known to the driver")
    assert problems[1000] == "x: and 2000 more mistakes"


# -- files, and what is none -------------------------------------------------------------------


@pytest.fixture
def told(tmp_path):
    """What is said of a path, without the path."""

    def ask(path):
        with pytest.raises(ConfigError) as caught:
            read(path)
        return str(caught.value).removeprefix(f"{path}: ")

    return ask


def test_large_files_are_refused_with_the_way_to_have_them(tmp_path, told, monkeypatch):
    path = tmp_path / "large.yaml"
    path.write_text(written() + "#" * (2 << 20))
    wanted = "set RCT_COLLECTOR_CONFIG_MIB=3 in the environment"
    assert told(path) == f"is larger than 1 MiB; if it is meant to be, {wanted}"
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG_MIB", "3")
    assert Config.load(path).devices[0].name == "roof"


def test_the_largest_file_is_read_to_its_last_byte(tmp_path, told):
    path = tmp_path / "full.yaml"
    text = written()
    path.write_text(text + "#" * ((1 << 20) - len(text)))
    assert Config.load(path).devices[0].name == "roof"
    path.write_text(path.read_text() + "#")
    assert told(path).startswith("is larger than 1 MiB")


@pytest.mark.parametrize("text", ["x", "0", "-1", "1.5", "10000", "1e3", " 2"])
def test_a_limit_that_is_none_is_told(tmp_path, monkeypatch, text):
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG_MIB", text)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    shown = f"found '{text}', expected MiB, from 1 to 9999"
    assert str(caught.value) == f"RCT_COLLECTOR_CONFIG_MIB: {shown}"


def test_a_sparse_file_of_a_terabyte_takes_no_memory(tmp_path, told):
    path = tmp_path / "sparse.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert peak(told, path) < 4 << 20
    assert told(path).startswith("is larger than 1 MiB")


@pytest.mark.parametrize("name", ["zero", "null", "tty", "urandom"])
def test_devices_are_no_files(told, name):
    path = files.Path("/dev") / name
    assert told(path) in (
        "is neither a file nor a pipe",
        "cannot be read: No such device or address",  # a tty, where there is none
    )


def test_sockets_are_no_files(tmp_path, told, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        assert told(files.Path("s")) == "cannot be read: No such device or address"


def test_a_pipe_into_which_nobody_writes_is_not_waited_for(tmp_path, told, monkeypatch):
    monkeypatch.setattr(files, "PIPE_TIMEOUT_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    wanted = "cannot be read: nobody writes into the pipe, or not to its end"
    assert told(tmp_path / "pipe") == wanted


def test_a_pipe_that_is_left_open_is_not_waited_for(tmp_path, told, monkeypatch):
    monkeypatch.setattr(files, "PIPE_TIMEOUT_S", 0.0)
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"devices: [")
    try:
        assert told(tmp_path / "pipe").startswith("cannot be read: nobody writes into the pipe")
    finally:
        os.close(writer)


def test_a_pipe_is_read_however_it_comes(tmp_path):
    """As from a shell: `config check <(generate)`. The writer may be slower or quicker than us."""
    os.mkfifo(tmp_path / "pipe")

    def write():
        with (tmp_path / "pipe").open("w") as pipe:
            for character in written():
                pipe.write(character)
                pipe.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert Config.load(tmp_path / "pipe").devices[0].name == "roof"
    finally:
        writer.join()


@pytest.mark.slow
@pytest.mark.parametrize("content", [written().encode(), b""])
def test_a_pipe_whose_writer_has_gone_is_read(content):
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    try:
        code = "import sys; from rct_collector.config import *; print(read(sys.argv[1]))"
        command = [sys.executable, "-c", code, "/dev/stdin"]
        run = subprocess.run(command, stdin=reader, capture_output=True, text=True, check=False)
    finally:
        os.close(reader)
    if content:
        assert "'name': 'roof'" in run.stdout
    else:
        assert "nobody writes into the pipe" in run.stderr or run.stdout == "None\n"


def test_a_pipe_without_end_is_left_when_it_is_too_large(tmp_path, told):
    os.mkfifo(tmp_path / "pipe")

    def write():
        try:
            with (tmp_path / "pipe").open("wb") as pipe:
                while True:
                    pipe.write(b"#" * 65536)
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert told(tmp_path / "pipe").startswith("is larger than 1 MiB")
    finally:
        writer.join()


def test_a_link_to_a_file_is_a_file(tmp_path):
    (tmp_path / "file").write_text(written())
    (tmp_path / "link").symlink_to("file")
    assert Config.load(tmp_path / "link").devices[0].name == "roof"


# -- by a child --------------------------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch):
    """As in a process with one thread, which the runner of the tests may not be."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def typed(value):
    """With the types of all texts, of which equality knows nothing."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@pytest.mark.parametrize(
    "text",
    [
        written(),
        written(interval="10", labels="{a: 04103, b: '04103', c: no, d: }"),
        "common: &c {name: x, interval: 10s}\ndevices: [*c, {<<: *c, name: 1.10}, [[]], ~]",
        "",
        "x: 'ä\ud7ff'",
    ],
    ids=["plain", "types", "aliases", "nothing", "letters"],
)
def test_a_child_reads_what_we_would_read_ourselves(alone, monkeypatch, text):
    content = text.encode()
    expected = interpret(content, "x")

    parent, real = os.getpid(), files.interpret
    here = lambda *a: pytest.fail("read here") if os.getpid() == parent else real(*a)  # noqa: E731
    monkeypatch.setattr(files, "interpret", here)

    assert typed(apart.interpret(content, "x")) == typed(expected)


@pytest.mark.parametrize("content", [b"a: b: c", b"a: *b", b"\xff", b'x: "\\UFFFFFFFF"'])
def test_a_child_tells_what_is_wrong(alone, content):
    with pytest.raises(ConfigError) as expected:
        interpret(content, "x")
    with pytest.raises(ConfigError) as found:
        apart.interpret(content, "x")
    assert found.value.problems == expected.value.problems


def killed(monkeypatch):
    """Children end before they have said anything."""
    parent, real = os.getpid(), files.interpret
    monkeypatch.setattr(
        files, "interpret", lambda *a: real(*a) if os.getpid() == parent else os._exit(9)
    )


def cut_off(monkeypatch):
    """Children end in the middle of what they say."""
    real = apart.marshal.dumps
    monkeypatch.setattr(apart.marshal, "dumps", lambda value: real(value)[:-3])


def refused(monkeypatch):
    """There are as many processes as there may be."""

    def fork():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)


def crowded(monkeypatch):
    """Another thread may hold a lock, which nobody would let go of in a child."""
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))


@pytest.mark.parametrize("trouble", [killed, cut_off, refused, crowded])
def test_without_a_child_it_is_read_here_and_nothing_is_left_behind(alone, monkeypatch, trouble):
    before, children, real = descriptors(), [], os.fork
    monkeypatch.setattr(os, "fork", lambda: children.append(real()) or children[-1])
    trouble(monkeypatch)

    assert apart.interpret(b"a: 10", "x") == {"a": "10"}
    assert descriptors() == before
    assert len(children) == (trouble in (killed, cut_off))
    for child in children:
        with pytest.raises(ChildProcessError):  # it was waited for
            os.waitpid(child, os.WNOHANG)
