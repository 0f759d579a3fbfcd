"""Text that stands for bytes: every common form of dump, and nothing that only looks like one."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.cli.dumps import LARGEST, DumpError, read_dump, text_of
from rct_collector.drivers.rct import frame, wire
from tests.cli.captured import capture, packets
from tests.cli.test_decode import RECORDING, SOC, answer
from tests.dumps import AMBIGUOUS, FORMS, c_array, characters, grouped, hexdump_canonical, lines
from tests.processes import program
from tests.work import calls

ASK = frame.assemble(frame.READ, SOC.oid)
#: Three answers; with bytes that are characters, and more than one line of them.
LINE = ASK + b"".join(answer(SOC, wire.encode(SOC.type, value)) for value in (0.5, 0.56, 0.75))


def joined(text):
    return b"".join(read_dump(text))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_every_form_is_read(run, form, end):
    text = form(LINE).replace("\n", end)

    assert joined(text) == LINE
    result = run("decode", "-", stdin=text)
    assert result.exit_code == 0
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["ok"] * 4


@given(st.sampled_from(sorted(FORMS.keys() - AMBIGUOUS)), st.binary(min_size=33, max_size=80))
def test_any_bytes_are_read(name, data):
    assert joined(FORMS[name](data)) == data


@given(st.binary(min_size=1, max_size=80))
def test_odd_words_are_cut_where_the_dump_tells_its_end(data):
    text = FORMS["hexdump"](data + b"\0" * (len(data) % 2)).splitlines()[:-1]
    assert joined("\n".join([*text, f"{len(data):07x}"])) == data


def test_left_out_lines_are_put_in():
    text = f"{hexdump_canonical(bytes(16))[:79]}*\n00000040  {LINE[:16].hex(' ')}\n"

    assert joined(text) == bytes(64) + LINE[:16]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("hexdump", ["-C"]), ("hexdump", []), ("hexdump", ["-v"]),
        ("xxd", []), ("xxd", ["-p"]), ("xxd", ["-e"]), ("xxd", ["-i"]), ("xxd", ["-c", "256"]),
        ("xxd", ["-g", "8"]), ("xxd", ["-a"]),
        ("od", ["-A", "x", "-t", "x1z"]), ("od", ["-t", "x1"]), ("od", ["-t", "x2z"]),
        ("od", ["-A", "d", "-t", "x4z"]),
    ],
)  # fmt: skip
def test_what_the_tools_print_is_read(tool, arguments):
    path = program(tool)
    for data in (LINE, LINE + b"\1", bytes(100) + LINE, LINE[:5]):
        done = subprocess.run([path, *arguments], input=data, capture_output=True, check=True)
        text = done.stdout.decode()
        if arguments == ["-i"]:
            text = f"unsigned char x[] = {{\n{text}}};\nunsigned int x_len = {len(data)};\n"
        assert joined(text) == data


# -- packets -----------------------------------------------------------------------------------

PACKETS = capture([(True, ASK), (False, LINE[len(ASK) :])])

ETHERNET = b"\2" * 6 + b"\4" * 6 + b"\x08\0"

PACKET_FORMS = {
    "tcpdump -x": lambda found: "".join(map(FORMS["tcpdump -x"], found)),
    "tcpdump -xx": lambda found: "".join(FORMS["tcpdump -x"](ETHERNET + one) for one in found),
    "tcpdump -XX": lambda found: "\n".join(FORMS["tcpdump -X"](ETHERNET + one) for one in found),
    "tshark -x": lambda found: "\n".join(FORMS["tshark -x"](ETHERNET + one) for one in found),
    "hex streams": lambda found: "\n".join((ETHERNET + one).hex() for one in found),
    "C arrays": lambda found: "\n".join(c_array(ETHERNET + one) for one in found),
    "with others": lambda found: "\n".join(
        map(FORMS["Wireshark"], [b"\xff" * 12 + b"\x08\x06" + bytes(28), *found])
    ),
}


@pytest.mark.parametrize("form", PACKET_FORMS.values(), ids=PACKET_FORMS)
def test_frames_are_found_behind_the_headers_of_packets(run, form):
    found = json.loads(run("decode", "-f", "json", "-", stdin=form(packets(PACKETS))).stdout)

    assert [piece["check"] for piece in found] == ["ok"] * 4
    assert [piece["direction"] for piece in found] == ["to device"] + ["from device"] * 3
    assert {piece["time_ns"] for piece in found} == {None}
    numbers = [piece["packet"] for piece in found]
    assert numbers == sorted(numbers)


def test_packets_without_times_are_numbered(run):
    stdout = run("decode", "-", stdin=PACKET_FORMS["tcpdump -xx"](packets(PACKETS))).stdout

    assert stdout.startswith("1. 192.0.2.1:49152 to device 192.0.2.10:8899, packet 4 … packet 5,")
    assert stdout.splitlines()[2].split()[0] == "packet"
    assert "1970" not in stdout


def test_a_packet_of_many_lines_of_digits_is_one(run):
    (_, _, _, asked, *_) = packets(PACKETS)
    stdout = run("decode", "-", stdin=FORMS["xxd -p"](ETHERNET + asked)).stdout

    assert stdout.startswith("1. 192.0.2.1:49152")


def test_what_holds_no_tcp_is_told(run):
    result = run("decode", "-", stdin=PACKET_FORMS["with others"](packets(PACKETS)))

    assert ": 1 packets hold no TCP, and were left out" in result.stderr


@pytest.mark.parametrize("option", ["-x", "-xx", "-X", "-XX"])
def test_what_tcpdump_prints_is_read(run, tmp_path, option):
    path = tmp_path / "line.pcap"
    path.write_bytes(PACKETS)
    text = subprocess.run(
        [program("tcpdump"), "-nn", option, "-r", path], capture_output=True, check=True
    )
    result = run("decode", "-", stdin=text.stdout)

    assert result.exit_code == 0
    assert result.stdout.count(" ok\n") == 4


# -- what is none ------------------------------------------------------------------------------


def octal(data, size):
    def row(start, part):
        words = (int.from_bytes(part[n : n + size], "little") for n in range(0, len(part), size))
        return f"{start:07o} " + " ".join(f"{word:0{3 * size}o}" for word in words)

    return lines(row, data)


def bits(data):
    def row(start, part):
        return f"{start:08x}: {' '.join(f'{byte:08b}' for byte in part)}  {characters(part)}"

    return lines(row, data, 6)


REFUSED = {
    "octal bytes": octal(LINE, 1),
    "octal words": octal(LINE, 2) + f"{len(LINE):07o}\n",
    "decimal": " ".join(map(str, LINE)),
    "bits": bits(LINE),
    "characters": LINE.decode("latin-1").translate({n: "." for n in range(32)}),
    "base64": "ACsFCJWZML8/D1wpe5cAKwUIkWF8WMSaUAAXWQ==",
    "YAML": "peers:\n  - peer: 0\n    data: !!binary |\n      KwEElZkwvw1l\n",
    "prose": "The inverter answers 2b 05 08 95 99 30 bf, and then nothing.",
    "words without offsets": grouped(LINE, 2, swapped=True),
    "lines left out": f"{bytes(16).hex(' ')}\n*\n{LINE.hex(' ')}",
    "numbers": "10,20\n30,40\n",
    "a date": "2026-06-21",
    "an array of words": "[43, 1023, 4]",
    "strings and more": 'read(3, "\\x2b\\x01", 2) = 2 | <0.01>',
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_dump_is_refused_with_the_forms_that_are(run, tmp_path, text):
    path = tmp_path / "dump.txt"
    path.write_text(text)
    result = run("decode", path)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"{path}" in result.stderr
    assert "wanted are pairs of hexadecimal digits" in result.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("0010 ", "0020 "), "line 1 does not hold the bytes up to"),
        (lambda text: re.sub(r"0010 .*\n", "", text), "line 1 does not hold the bytes up to"),
        (lambda text: text.replace("0010 ", "0008 "), "line 1 does not hold the bytes up to"),
        (lambda text: text.replace("95 99", "95"), "line 1 does not hold the bytes up to"),
        (lambda text: text.replace("95 99", "95 9"), "line 1 does not hold the bytes up to"),
        (lambda text: text[:-1] + "zz", "line 4 does not hold bytes, or bytes and their"),
    ],
)
def test_a_damaged_dump_is_told_with_its_line(change, words):
    text = FORMS["Wireshark with characters"](LINE)
    with pytest.raises(DumpError, match=words):
        read_dump(change(text))


def test_no_dump_stands_for_more_than_it_may():
    with pytest.raises(DumpError, match="more than 16 MiB"):
        read_dump(f"00000000  {'00 ' * 16}\n*\n{LARGEST + 64:08x}\n")


@given(st.text(alphabet="0123abcx: ,;*\\'\"{}[]()#/<>|\n\t.-_=b", max_size=300))
def test_any_text_is_read_or_refused(text):
    why = ""
    try:
        read_dump(text)
    except DumpError as error:
        why = str(error)
    assert why.isprintable()


#: What could make a pattern look at the same characters again and again.
@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["/*", '"\\"', "'", "{", "[0,", "\\x", "2b ", "2b  ", "00: 2b\n", "0000 2b\n", "*\n", "b'",
     "//", "0x2b", "2b", "_len = ", "< 2026/", "\n\n", "(", "|", "0000000000: 00 00  \n",
     "b\"\\x2b\"\n"],
)  # fmt: skip
def test_work_grows_with_the_text_alone(unit):
    """Twice the text, twice the calls."""

    def steps(size):
        def read():
            with contextlib.suppress(DumpError):
                read_dump(unit * (size // len(unit)))

        return calls(read)

    assert steps(16_000) <= 2.5 * steps(8_000) + 200


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"2b 01", "2b 01"),
        (b"\xef\xbb\xbf2b 01", "2b 01"),
        ("2b 01".encode("utf-16"), "2b 01"),
        (b"\xfe\xff" + "2b 01".encode("utf-16-be"), "2b 01"),
        (b"2b 01  \xbf", "2b 01  \xbf"),
        (b"2b\0", None),
        (b"\xff\xfe\0", None),
        (RECORDING, None),
    ],
)
def test_text_is_told_from_bytes(content, text):
    assert text_of(content) == text


def test_a_text_of_windows_is_read(run):
    content = FORMS["Format-Hex"](LINE).encode("utf-16")

    assert run("decode", "-", stdin=io.BytesIO(content)).stdout.count(" ok\n") == 4
