"""Commands that a person has sent to a unit."""

import json
import os
import socket
import struct
import threading

import click
import pytest

from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import name
from rct_collector.drivers.solaredge.request import READS
from rct_collector.drivers.solaredge.tools import command
from rct_collector.errors import TransportError
from tests.drivers.solaredge.tools.suite import SERVER, UNIT, post
from tests.needs import library

#: Function → what the unit of these tests answers.
ANSWERS = {
    0x0012: (0x0090, struct.pack("<IH", 0x01020304, 0)),
    0x0033: (0x00B0, struct.pack("<HH", 3, 2186)),
    0x0034: (0x00B1, struct.pack("<H", 0x300)),
    0x0321: (0x038C, b"\1\0"),
    0x0322: (0x038D, struct.pack("<4fI", 1.5, 2.5, 3.5, float("nan"), 1591012800) + b"rest"),
    0x0347: (0x039F, bytes(14)),
    0x0011: (0x0080, b""),
    0x0018: (0x0081, b""),
    0x0030: (0x0080, b""),
}


def answer(question, **changed):
    function, payload = ANSWERS[question.function]
    reply = Frame(question.sequence, question.destination, question.source, function, payload)
    return assemble(reply._replace(**changed))


class Unit:
    """Answers at once; time passes when it has nothing to say."""

    def __init__(self, desk, say=answer):
        self.desk = desk
        self.say = say
        self.heard = []
        self.waiting = b""
        self.size = 1 << 16
        self._reader = FrameReader()

    def send(self, data):
        for frame in self._reader.feed(data):
            self.heard.append(frame)
            self.waiting += self.say(frame) if frame.function in ANSWERS else b""

    def receive(self, seconds):
        data, self.waiting = self.waiting[: self.size], self.waiting[self.size :]
        if not data:
            self.desk.clock += seconds
        return data


@pytest.fixture
def unit(desk):
    desk.device = Unit(desk)
    return desk.device


def send(call, text, *more):
    call("command", "-c", text, "-s", "7F101234", "/dev/ttyUSB0", *more)


def printed(desk):
    lines = [json.loads(line, parse_constant=pytest.fail) for line in desk.stdout.splitlines()]
    assert [json.dumps(line, sort_keys=True).encode() for line in lines] == desk.stdout.splitlines()
    return lines


# -- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "payload", "data"),
    [
        ("12,H239", b"\x39\x02", {"type": 0, "value": 16909060}),
        ("0012,h0239", b"\x39\x02", {"type": 0, "value": 16909060}),
        ("33", b"", {"version": "0003.2186"}),
        ("34", b"", {"param": 0x300}),
        ("321", b"", "0100"),
        ("322", b"", {"Eday": 1.5, "Emon": 2.5, "Eyear": 3.5, "Etot": None, "Time1": 1591012800}),
        ("347", b"", {"status": 0}),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 16])
def test_what_reads_is_sent_and_its_answer_printed(desk, call, unit, text, payload, data, size):
    unit.size = size
    send(call, text)

    (question,) = unit.heard
    (line,) = printed(desk)
    assert (question.source, question.destination) == (SERVER, UNIT)
    assert question.payload == payload
    assert line == {
        "command": question.function,
        "data": data,
        "response": ANSWERS[question.function][0],
        "sequence": question.sequence,
    }
    assert desk.asked == []


def test_several_commands_have_numbers_in_a_row(desk, call, unit):
    send(call, "12,H239/12,H23a/12,H23b/12,H23c")

    assert [frame.payload.hex() for frame in unit.heard] == ["3902", "3a02", "3b02", "3c02"]
    first = unit.heard[0].sequence
    assert [line["sequence"] for line in printed(desk)] == [
        (first - 1 + n) % 0xFFFF + 1 for n in range(4)
    ]


def test_the_answers_make_a_key(desk, call, unit):
    send(call, "12,H239/12,H23a/12,H23b/12,H23c", "-o", "answers.json")
    call("key", "answers.json")

    assert desk.stdout == b"04030201" * 4


def test_several_parameters_at_once_are_a_list(desk, call, unit):
    unit.say = lambda question: answer(question, payload=struct.pack("<IHIH", 1, 0, 2, 1))
    send(call, "12,H239,H23a")

    assert printed(desk)[0]["data"] == [{"type": 0, "value": 1}, {"type": 1, "value": 2}]


def test_an_answer_of_another_shape_is_shown_as_bytes(desk, call, unit):
    unit.say = lambda question: answer(question, payload=b"\1\2\3")
    send(call, "12,H239/33/34/322")

    assert [line["data"] for line in printed(desk)] == ["010203"] * 4


def test_the_bus_is_granted_where_that_is_wanted(desk, call, unit):
    send(call, "33", "-m")

    assert [frame.function for frame in unit.heard] == [0x0302, 0x0033]


def test_the_line(desk, call, unit):
    send(call, "33", "-b", "9600")
    assert desk.opened[0] == "/dev/ttyUSB0?baud=9600"
    assert desk.opened[1]["serial"] == {"baud": "115200"}


# -- whose answer it is ------------------------------------------------------------------------


def test_others_frames_are_no_answers(desk, call, unit):
    def say(question):
        strange = [
            answer(question, sequence=question.sequence ^ 1, payload=b"other number"),
            answer(question, source=0x7F105678, payload=b"other unit"),
            assemble(post(sequence=question.sequence)),
            assemble(Frame(question.sequence, UNIT, SERVER, 0x039A)),
            answer(question)[:-1],
            b"noise",
        ]
        return b"".join(strange) + answer(question)

    unit.say = say
    send(call, "33")

    assert printed(desk)[0]["data"] == {"version": "0003.2186"}


def test_silence_ends_it_after_a_time(desk, call, unit):
    silent = iter([answer, lambda _question: b""])
    unit.say = lambda question: next(silent)(question)
    with pytest.raises(TransportError, match=r"7F101234 did not answer 0034 .* within 3 s"):
        send(call, "33/34/321", "--timeout", "3")

    assert len(printed(desk)) == 1
    assert len(unit.heard) == 2
    assert desk.clock == 3.0


# -- writing -----------------------------------------------------------------------------------

WRITES = [
    ("11,H329,L0", "set parameter 0329 (encryption) to 0 (00000000)"),
    ("11,H1234,Lffffffff", "set parameter 1234 to 4294967295 (ffffffff)"),
    ("18,H7,L1", "set parameter 0007 (ENABLE_RS485) to 1 (00000001), until it restarts"),
    ("30,H1f4,L0", "restart the unit"),
]


@pytest.mark.parametrize(("text", "words"), WRITES)
def test_what_writes_needs_leave(desk, usage, unit, text, words):
    desk.answer = True
    message = usage("command", "-c", f"33/{text}", "-s", "7F101234", "/dev/ttyUSB0")

    assert f"would {words}; what changes something needs --allow-writes" in message
    assert (desk.opened, unit.heard, desk.asked) == (None, [], [])


@pytest.mark.parametrize(("text", "words"), WRITES)
def test_what_writes_needs_a_terminal(desk, usage, unit, text, words):
    message = usage("command", "--allow-writes", "-c", text, "-s", "7F101234", "/dev/ttyUSB0")

    assert f"would {words}; that is asked for at a terminal, and there is none" in message
    assert (desk.opened, unit.heard) == (None, [])


@pytest.mark.parametrize(("text", "words"), WRITES)
def test_what_writes_needs_a_yes(desk, call, usage, unit, text, words):
    desk.answer = False
    message = usage("command", "--allow-writes", "-c", text, "-s", "7F101234", "/dev/ttyUSB0")
    assert "not confirmed, and nothing was sent" in message
    assert (desk.opened, unit.heard) == (None, [])
    assert desk.asked == [f"Unit 7F101234: {words}?"]

    desk.answer = True
    send(call, text, "--allow-writes")
    (question,) = unit.heard
    assert f"{question.function:x}" == text.partition(",")[0]
    assert len(question.payload) == 6
    assert printed(desk)[0]["response"] in (0x80, 0x81)


def test_all_is_asked_before_anything_is_sent(desk, usage, unit):
    answers = iter([True, False])
    desk.ask = lambda _question: next(answers)
    usage(
        "command", "--allow-writes", "-c", "33/11,H7,L1/30,H1f4,L0", "-s", "7F101234", "/dev/ttyS0"
    )
    assert (desk.opened, unit.heard) == (None, [])


@pytest.mark.slow
def test_no_other_function_is_sent_whatever_is_allowed(desk, usage, unit):
    desk.answer = True
    for function in range(0x10000):
        if function in READS or function in (0x11, 0x18, 0x30):
            continue
        text = f"{function:x}"
        with pytest.raises(click.UsageError, match="is not sent to units"):
            command._check(desk, command.parse(text), UNIT, writes=True)
    assert "PARAMS_SET_ALL" in name(0x0017)
    message = usage("command", "--allow-writes", "-c", "17,L0", "-s", "7F101234", "/dev/ttyUSB0")
    assert "0017 (PARAMS_SET_ALL) with 4 bytes of values is not sent to units;" in message
    assert "what reads is 0012, 0033, 0034, 0321, 0322, 0347" in message


@pytest.mark.parametrize("text", ["11", "11,H329", "11,H329,L0,B0", "30", "30,L0", "18,L0,L0"])
def test_writes_of_another_shape_are_not_sent(desk, usage, unit, text):
    desk.answer = True
    message = usage("command", "--allow-writes", "-c", text, "-s", "7F101234", "/dev/ttyUSB0")
    assert "is not sent to units; it takes two, such as H329,L0: 16 bits and 32 bits" in message


# -- wrong usage -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no command"),
        ("12,H239/", "is no command"),
        ("12 H239", "is no command"),
        ("12,X1", "is no command"),
        ("12345", "is no command"),
        ("12,H12345", "too large for its letter"),
        ("12,B100", "too large for its letter"),
        ("12", "does not go with 0 bytes"),
        ("12,B1", "does not go with 1 bytes"),
        ("33,B1", "does not go with 1 bytes"),
    ],
)
def test_what_is_no_command(usage, unit, text, words):
    assert words in usage("command", "-c", text, "-s", "7F101234", "/dev/ttyUSB0")


@pytest.mark.parametrize(
    "unit_id", ["", "7F101234,7F105678", "7F1012345", "roof", "0", "ffffffff", "FFFFFFFE"]
)
def test_what_is_no_unit(usage, unit_id):
    assert "wanted is the id of one unit" in usage("command", "-c", "33", "-s", unit_id, "/dev/x")


# -- real lines --------------------------------------------------------------------------------


def serve(read, write):
    """A unit at the other end, in a thread, until the line is closed."""

    def loop():
        reader = FrameReader()
        try:
            while data := read():
                for frame in reader.feed(data):
                    write(answer(frame))
        except OSError:
            pass

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    return thread


def test_over_tcp(run):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def one():
            peer, _ = server.accept()
            with peer:
                serve(lambda: peer.recv(100), peer.sendall).join()

        thread = threading.Thread(target=one)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = run("solaredge", "command", "-c", "33/34", "-s", "7F101234", address)
        thread.join()
    assert (done.exit_code, done.stderr) == (0, "")
    assert [json.loads(line)["response"] for line in done.stdout.splitlines()] == [0xB0, 0xB1]


def test_over_a_serial_port(run):
    library("serial")
    far, near = os.openpty()
    thread = serve(lambda: os.read(far, 100), lambda data: os.write(far, data))
    done = run("solaredge", "command", "-c", "33/34", "-s", "7F101234", os.ttyname(near))
    os.close(near)
    thread.join()
    os.close(far)
    assert (done.exit_code, done.stderr) == (0, "")
    assert [json.loads(line)["response"] for line in done.stdout.splitlines()] == [0xB0, 0xB1]


def test_a_line_that_is_lost_is_told(run):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def one():
            peer, _ = server.accept()
            peer.recv(100)
            peer.close()

        thread = threading.Thread(target=one)
        thread.start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        done = run("solaredge", "command", "-c", "33", "-s", "7F101234", address)
        thread.join()
    assert done.exit_code == 3
    assert "Error:" in done.stderr


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("tcp://127.0.0.1:1", 3, "refused"),
        ("roof", 2, "wanted is an address such as serial:"),
        ("usb://0665:5161", 2, "the driver takes serial://, tcp://, not usb://"),
        ("/dev/none", 3, "/dev/none"),
        ("tcp://127.0.0.1", 2, "wanted is"),
    ],
)
def test_lines_that_cannot_be_opened(run, address, status, words):
    done = run("solaredge", "command", "-c", "33", "-s", "7F101234", address)
    assert done.exit_code == status
    assert words in done.stderr
    assert done.stdout == ""
