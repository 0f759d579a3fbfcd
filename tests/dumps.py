"""Bytes as text, in the forms in which tools print them."""

from __future__ import annotations

import json
import re

#: Bytes that one side says before the other does, in forms that tell both: those of a read.
FIRST = 9


def characters(data):
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def rows(data, width=16):
    return [(start, data[start : start + width]) for start in range(0, len(data), width)]


def grouped(data, size, swapped=False):
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    return " ".join((part[::-1] if swapped else part).hex() for part in parts)


def lines(form, data, width=16):
    return "".join(form(start, row) + "\n" for start, row in rows(data, width))


def hexdump_canonical(data):
    def row(start, part):
        left, right = part[:8].hex(" "), part[8:].hex(" ")
        return f"{start:08x}  {left:23}  {right:23}  |{characters(part)}|"

    return f"{lines(row, data)}{len(data):08x}\n"


def followed(data):
    """Wireshark, Follow TCP Stream, of both directions."""
    asked, answered = data[:FIRST], data[FIRST:]

    def row(start, part):
        left, right = part[:8], part[8:]
        text = f"{characters(left)} {characters(right)}".rstrip()
        return f"{start:08X}  {left.hex(' '):23}  {right.hex(' '):23}   {text}"

    return lines(row, asked) + "\n" + lines(lambda n, part: "    " + row(n, part), answered)


def c_array(data):
    def row(_, part):
        return ", ".join(f"0x{byte:02x}" for byte in part) + f", /* {characters(part)} */"

    head = f"/* Frame ({len(data)} bytes) */\nstatic const unsigned char pkt1[{len(data)}] = {{\n"
    return f"{head}{lines(row, data)}}};"


FORMS = {
    "pairs": lambda d: d.hex(),
    "pairs apart": lambda d: d.hex(" "),
    "capitals and colons": lambda d: d.hex(":").upper(),
    "hyphens": lambda d: d.hex("-"),
    "xxd -p": lambda d: lines(lambda _, row: row.hex(), d, 30),
    "quoted": lambda d: f'"{d.hex()}"',
    "fromhex": lambda d: f"bytes.fromhex('{d.hex(' ')}')",
    "prefixed": lambda d: ", ".join(f"0x{byte:02X}" for byte in d),
    "prefixed, apart": lambda d: " ".join(f"0x{byte:02x}" for byte in d),
    "a frame in each line": lambda d: re.sub(" (00 2b)", r"\n\1", d.hex(" ")),
    "C array": c_array,
    "C arrays of a stream": lambda d: (
        "char peer0_0[] = { /* Packet 4 */\n0x"
        + d[: FIRST].hex(" ").replace(" ", ", 0x")
        + " };\nchar peer1_0[] = { /* Packet 6 */\n0x"
        + d[FIRST :].hex(" ").replace(" ", ", 0x")
        + " };\n"
    ),
    "xxd -i": lambda d: (
        "unsigned char line_bin[] = {\n"
        + lines(lambda _, row: "  " + ", ".join(f"0x{byte:02x}" for byte in row) + ",", d, 12)
        + f"}};\nunsigned int line_bin_len = {len(d)};\n"
    ),
    "list": lambda d: str(list(d)),
    "JSON": lambda d: json.dumps(list(d), indent=1),
    "Python": repr,
    "Python, assigned": lambda d: f"data = {d!r}\n",
    "Python, each": lambda d: "\n".join(repr(row) for _, row in rows(d)),
    "escaped string": lambda d: " \\\n".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in row) + '"' for _, row in rows(d)
    ),
    "escapes": lambda d: "".join(f"\\x{byte:02x}" for byte in d),
    "Wireshark": lambda d: lines(lambda n, row: f"{n:04x}   {row.hex(' ')}", d),
    "Wireshark with characters": lambda d: lines(
        lambda n, row: f"{n:04x}   {row.hex(' '):47}   {characters(row)}", d
    ),
    "tshark -x": lambda d: lines(
        lambda n, row: f"{n:04x}  {row.hex(' '):47}   {characters(row)}", d
    ),
    "Wireshark, follow": followed,
    "tcpdump -x": lambda d: (
        "12:00:00.000001 IP 192.0.2.1.49152 > 192.0.2.10.8899: Flags [P.], length 9\n"
        + lines(lambda n, row: f"\t0x{n:04x}:  {grouped(row, 2)}", d)
    ),
    "tcpdump -X": lambda d: lines(
        lambda n, row: f"\t0x{n:04x}:  {grouped(row, 2):39}  {characters(row)}", d
    ),
    "hexdump -C": hexdump_canonical,
    "hexdump": lambda d: (
        lines(lambda n, row: f"{n:07x} {grouped(row, 2, swapped=True)}", d) + f"{len(d):07x}\n"
    ),
    "xxd": lambda d: lines(lambda n, row: f"{n:08x}: {grouped(row, 2):39}  {characters(row)}", d),
    "xxd -g1": lambda d: lines(
        lambda n, row: f"{n:08x}: {row.hex(' '):47}  {characters(row)}", d
    ),
    "xxd -e": lambda d: lines(
        lambda n, row: f"{n:08x}: {grouped(row, 4, swapped=True):35}   {characters(row)}", d
    ),
    "xxd -d": lambda d: lines(
        lambda n, row: f"{n:08}: {grouped(row, 2):39}  {characters(row)}", d
    ),
    "xxd -c 7": lambda d: lines(
        lambda n, row: f"{n:08x}: {grouped(row, 2):17}  {characters(row)}", d, 7
    ),
    "od -A x -t x1z": lambda d: (
        lines(lambda n, row: f"{n:06x} {row.hex(' '):47}  >{characters(row)}<", d)
        + f"{len(d):06x}\n"
    ),
    "od -t x1": lambda d: lines(lambda n, row: f"{n:07o} {row.hex(' ')}", d) + f"{len(d):07o}\n",
    "od -A d -t x1": lambda d: lines(lambda n, row: f"{n:07} {row.hex(' ')}", d),
    "od -x": lambda d: lines(lambda n, row: f"{n:07o} {grouped(row, 2, swapped=True)}", d),
    "two digits": lambda d: lines(lambda n, row: f"{n:02x} {row.hex(' ')}", d),
    "two digits and characters": lambda d: lines(
        lambda n, row: f"{n:02x}   {row.hex(' '):47}   {characters(row)}", d
    ),
    "i2cdump": lambda d: (
        "     0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f    0123456789abcdef\n"
        + lines(lambda n, row: f"{n:02x}: {row.hex(' '):47}    {characters(row)}", d)
    ),
    "Format-Hex": lambda d: (
        "\n           00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F\n\n"
        + lines(lambda n, row: f"{n:08X}   {row.hex(' ').upper():47}  {characters(row)}", d)
    ),
    "gdb": lambda d: lines(
        lambda n, row: f"0x7fffffffe{n:03x}:\t" + "\t".join(f"0x{byte:02x}" for byte in row), d, 8
    ),
    "socat -x": lambda d: (
        f"> 2026/06/21 12:00:00.000000001  length={FIRST} from=0 to={FIRST - 1}\n"
        f" {d[: FIRST].hex(' ')}\n--\n"
        f"< 2026/06/21 12:00:00.000000002  length={len(d) - FIRST} from=0 to=41\n"
        f" {d[FIRST :].hex(' ')}\n--\n"
    ),
}  # fmt: skip

#: Forms that a single line, or any bytes, leave without what tells one from the other.
AMBIGUOUS = {"hexdump", "od -x", "xxd -e", "socat -x", "Wireshark, follow", "C arrays of a stream"}
