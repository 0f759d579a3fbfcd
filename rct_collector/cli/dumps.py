r"""Text that stands for bytes: hex dumps with and without offsets, arrays and strings of programs.

A dump with offsets is checked by them: a line holds the bytes up to the offset of the next one,
no more. So nothing beside the bytes is taken for one of them, and where the text is damaged, or
of a form that is not known, that is told instead of something being made up.

Sources: what Wireshark, tshark, tcpdump, hexdump, od, xxd, i2cdump, socat and PowerShell print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

#: What is read, for messages.
WANTED = (
    "wanted are pairs of hexadecimal digits (xxd -p), lines of offset and bytes (hexdump -C, xxd,"
    " od -A x -t x1z, tcpdump -x, Wireshark), or what programs write (0x2b, ... or \\x2b...)"
)

#: Bytes that a dump may stand for, together with those that ``*`` leaves out.
LARGEST = 16 << 20

#: An offset, perhaps with a colon, and what follows it.
_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:0[xX])?(?P<offset>[0-9a-fA-F]{2,16})(?P<colon>:?)(?:[ \t]+(?P<rest>.*))?"
)
_GROUP = re.compile(r"(?:0[xX])?((?:[0-9a-fA-F]{2})+)(?=[ \t,]|$)(,?[ \t]*)")
#: Where characters may begin behind the bytes.
_GAP = re.compile(r"[ \t]{2}|[ \t]*[|>]|[ \t]*$")
#: Digits of an offset without a colon, at least; shorter ones may be bytes.
_LEAST_OFFSET = 4
#: Characters of a line with an offset, at most: as of xxd -c 256.
_LONGEST_LINE = 1024
#: Digits from which on it is one of hexdump or od, which print words as a small machine has them.
_LONG_OFFSET = 6

#: Beside the bytes: comments, what socat -x writes before each piece, the length that xxd -i
#: writes behind its array.
_BESIDE = re.compile(
    r"/\*.*?(?:\*/|\Z)|//[^\n]*|#[^\n]*|^[<>] \d{4}/[^\n]* length=\d[^\n]*$|^--$"
    r"|^[\w ]+_len = \d+;",
    re.M | re.S,
)
_SIZE = re.compile(r"(?<=\w)\[\d*\]")
_ARRAY = re.compile(r"[\[{]([^\[\]{}]*)[\]}]")
_BESIDE_ARRAY = re.compile(r"[\w\s.:=;,*&()]*")
_HAS_STRINGS = re.compile(r"""\\x|(?<!\w)b['"]""")
_LITERAL = re.compile(
    r"""b?"((?:\\.|[^"\\])*)"|b?'((?:\\.|[^'\\])*)'|[\w\s.:=;,+*()\[\]{}]|\\(?=\s)""", re.S
)
_CHARACTER = re.compile(r"""\\x([0-9a-fA-F]{2})|\\([abfnrtv\\'"0])|([ -\[\]-~])""")
_ESCAPES = dict(zip("abfnrtv\\'\"0", b"\a\b\f\n\r\t\v\\'\"\0", strict=True))
#: Between pairs of digits, and around them.
_BETWEEN = re.compile(r"(?:bytes|bytearray)\.fromhex\(|[\"'()<>]|0[xX]|[:,;_-]")


class DumpError(Exception):
    """A text is no dump that can be read; says why, in a clause."""


class _TooLarge(DumpError):
    """It can be read, but is not."""


def text_of(content: bytes) -> str | None:
    """The text that a file holds.

    Args:
        content: All of it.

    Returns:
        The text, from UTF-8, from UTF-16 with its mark, or from an 8-bit code; None for a file
        with control characters, of which each frame has some.
    """
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for code in ("utf-16",) if marked else ("utf-8-sig", "latin-1"):
        try:
            text = content.decode(code)
        except UnicodeDecodeError:
            continue
        return None if re.search(r"[\0-\x08\x0e-\x1f\x7f]", text) else text
    return None


def read_dump(text: str) -> list[bytes]:
    """Read a text that stands for bytes.

    Args:
        text: In any of the forms of :data:`WANTED`.

    Returns:
        The bytes in order, cut where the text may begin another packet.

    Raises:
        DumpError: It is none of them, or damaged.
    """
    text = text.replace("\r\n", "\n").replace("\xa0", " ")
    lines = list(_lines(text.split("\n")))
    lines = [line for line in lines if not line.is_short] or lines
    blocks = _with_offsets(lines) if _has_offsets(lines) else _without(text)
    if not any(blocks):
        raise DumpError("it holds no bytes")
    return blocks


# -- with offsets ------------------------------------------------------------------------------


class _Line(NamedTuple):
    """One line of a dump.

    Attributes:
        number: In the text, from 1 on.
        indent: Characters before the offset; of another indent is another direction.
        offset: Its digits.
        colon: Whether a colon stands behind them.
        rest: Bytes, and perhaps characters; "" where the dump ends.
        repeated: Whether a ``*`` stands before it: lines like the last one were left out.
    """

    number: int
    indent: int
    offset: str
    colon: bool
    rest: str
    repeated: bool

    @property
    def is_zero(self) -> bool:
        """Whether the offset is."""
        return not self.offset.strip("0")

    @property
    def is_short(self) -> bool:
        """Whether it may be a byte just as well."""
        return not self.colon and len(self.offset) < _LEAST_OFFSET


def _lines(lines: Sequence[str]) -> Iterator[_Line]:
    """Those that may have an offset."""
    repeated = False
    for number, line in enumerate(lines, 1):
        repeated = repeated or line.strip() == "*"
        found = _LINE.fullmatch(line) if len(line) <= _LONGEST_LINE else None
        if not found:
            continue
        rest = (found["rest"] or "").rstrip()
        if not rest or _GROUP.match(rest):
            indent, offset, colon = len(found["indent"]), found["offset"], bool(found["colon"])
            yield _Line(number, indent, offset, colon, rest, repeated)
            repeated = False


def _has_offsets(lines: Sequence[_Line]) -> bool:
    """Whether the lines begin with offsets, or with bytes like all others.

    They are offsets with a colon behind them; or if they differ in width from the bytes, and
    begin with zero, are no whole bytes, or are followed by another; or if they grow by what the
    lines hold.
    """
    group = _GROUP.match(lines[0].rest) if lines else None
    if group is None:
        return False
    first = lines[0]
    if first.colon:
        return True
    if len(group[1]) != len(first.offset) and not first.is_short:
        begins = first.is_zero or len(first.offset) % 2 == 1
        return begins or (len(lines) > 1 and _follows(lines[1].offset, first.offset))
    if all(line.is_zero for line in lines[1:]):
        return False
    if first.is_short and (not first.is_zero or any(line.repeated for line in lines)):
        return False
    try:
        return bool(_with_offsets(lines))
    except DumpError:
        return False


def _follows(second: str, first: str) -> bool:
    """Whether a number may be the offset of the next line."""
    near = 0 < int(second, 16) - int(first, 16) <= _LONGEST_LINE
    return near and len(second) == len(first)


def _with_offsets(lines: Sequence[_Line]) -> list[bytes]:
    """Read lines in the first way in which their offsets and characters agree with their bytes.

    Raises:
        DumpError: There is no such way; says what is wrong with the first.
    """
    words = not lines[0].colon and len(lines[0].offset) >= _LONG_OFFSET
    wrong = None
    for swapped in (words, not words):
        for radix in (16, 8, 10):
            try:
                offsets = [int(line.offset, radix) for line in lines]
            except ValueError:  # a digit that there is not
                continue
            try:
                return _in_blocks(lines, offsets, swapped=swapped)
            except _TooLarge:
                raise
            except DumpError as error:
                wrong = wrong or error
    raise wrong or DumpError("its offsets are no numbers")


def _in_blocks(lines: Sequence[_Line], offsets: Sequence[int], *, swapped: bool) -> list[bytes]:
    """Put the bytes of lines together; a block begins where offsets begin anew."""
    blocks: list[bytearray] = []
    due: dict[int, int] = {}
    total, before, last = 0, -1, b""  # of what was left out
    for line, offset, size in zip(lines, offsets, _sizes(lines, offsets), strict=True):
        missing = offset - due.get(line.indent, offset)
        if missing > 0 and line.repeated and last:
            total += missing
            if total > LARGEST:
                raise _TooLarge(f"it stands for more than {LARGEST >> 20} MiB")
            blocks[-1] += (last * (missing // len(last) + 1))[:missing]
        elif missing and offset:
            raise DumpError(
                f"line {line.number} has the offset {line.offset},"
                f" where {due[line.indent]:#x} is due"
            )
        if missing < 0 or line.indent != before:
            blocks.append(bytearray())
        last = _bytes_of(line, size, swapped=swapped)
        blocks[-1] += last
        due[line.indent], before = offset + len(last), line.indent
    return [bytes(block) for block in blocks]


def _sizes(lines: Sequence[_Line], offsets: Sequence[int]) -> list[int | None]:
    """Bytes of each line, as the next offset of the same direction tells, or None."""
    sizes: list[int | None] = [None] * len(lines)
    latest: dict[int, int] = {}
    for number, line in enumerate(lines):
        before = latest.get(line.indent)
        if before is not None and offsets[number] > offsets[before] and not line.repeated:
            sizes[before] = offsets[number] - offsets[before]
        latest[line.indent] = number
    return sizes


def _bytes_of(line: _Line, size: int | None, *, swapped: bool) -> bytes:
    """The bytes of a line: so many, or as many as agree with the characters behind them."""
    data, ends, width = _groups(line.rest, swapped=swapped)
    padded = swapped and width > 1  # the last word may be filled up
    for count, end in ends:
        behind, wanted = line.rest[end:], count if size is None else size
        if not (count == wanted or (padded and wanted < count < wanted + width)):
            continue
        # Offsets are enough, but where bytes stand together only the characters tell which way
        # round they are.
        told = size is not None and width == 1
        if told or not behind or _are_characters(behind, data[:wanted]):
            return data[:wanted]
    if not line.rest:
        return b""
    what = "the bytes up to the next offset" if size else "bytes, or bytes and their characters"
    raise DumpError(f"line {line.number} does not hold {what}")


def _groups(rest: str, *, swapped: bool) -> tuple[bytes, list[tuple[int, int]], int]:
    """All that may be bytes in a line.

    Returns:
        The bytes; how many of them there are before each gap, behind which there may be
        characters, and where that is; and the bytes in a group.
    """
    data = bytearray()
    ends: list[tuple[int, int]] = []
    place = width = 0
    while group := _GROUP.match(rest, place):
        digits = group[1]
        width = width or len(digits)
        if len(digits) > width:
            break
        part = bytes.fromhex(digits)
        data += part[::-1] if swapped else part
        if _GAP.match(rest, group.end(1)):
            ends.append((len(data), group.end(1)))
        if len(digits) < width:
            break
        place = group.end()
    return bytes(data), ends, width // 2


def _are_characters(text: str, data: bytes) -> bool:
    """Whether a text shows these bytes: the visible ones as they are, the others as anything."""
    shown = text.strip()
    if len(shown) > len(data) and shown[0] + shown[-1] in ("||", "><"):
        shown = shown[1:-1]
    spaces = len(data) - len(data.lstrip(b" "))
    if len(shown) + spaces > len(data) + 1:
        spaces = 0
    shown = " " * spaces + shown
    if len(shown) > len(data) and shown[8:9] == " ":  # between two columns of eight
        shown = shown[:8] + shown[9:]
    shown = shown.ljust(len(data))
    return len(shown) == len(data) and all(
        not 0x20 < byte < 0x7F or character == chr(byte)
        for byte, character in zip(data, shown, strict=True)
    )


# -- without offsets ---------------------------------------------------------------------------


def _without(text: str) -> list[bytes]:
    """Read what has no offsets: strings, arrays, or pairs of digits."""
    bare = _BESIDE.sub(" ", text)
    if _HAS_STRINGS.search(bare):
        return _strings(text)
    text = bare
    if "{" in text or "[" in text:
        return _arrays(text)
    blocks = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            blocks.append(bytes.fromhex(_BETWEEN.sub(" ", line)))
        except ValueError:
            if line.strip() == "*":
                raise DumpError(f"line {number} stands for lines that were left out") from None
            raise DumpError(f"line {number} holds more than pairs of digits") from None
    return blocks


def _strings(text: str) -> list[bytes]:
    r"""Read strings with ``\x2b``, of C or of Python; without quotes it all is one."""
    if '"' not in text and "'" not in text:
        return [_string("".join(text.split()))]
    blocks = []
    place = 0
    while place < len(text):
        match = _LITERAL.match(text, place)
        if match is None:
            raise DumpError("there is more beside its strings")
        if match.lastindex:
            blocks.append(_string(match[match.lastindex]))
        place = match.end()
    return blocks


def _string(text: str) -> bytes:
    data, place = bytearray(), 0
    for match in _CHARACTER.finditer(text):
        if match.start() != place:
            break
        digits, letter, plain = match.groups()
        data.append(int(digits, 16) if digits else _ESCAPES[letter] if letter else ord(plain))
        place = match.end()
    if place < len(text):
        raise DumpError(f"a string holds {text[place : place + 4]!r}, which is no byte")
    return bytes(data)


def _arrays(text: str) -> list[bytes]:
    """Read arrays of C, or lists of Python and JSON."""
    text = _SIZE.sub(" ", text)
    if not _BESIDE_ARRAY.fullmatch(_ARRAY.sub(" ", text)):
        raise DumpError("there is more beside its arrays")
    return [_array(match[1].replace(",", " ").split()) for match in _ARRAY.finditer(text)]


def _array(items: Sequence[str]) -> bytes:
    """Read items; without 0x and letters they are decimal, as in all these languages."""
    prefixed = any(item[:2] in ("0x", "0X") for item in items)
    decimal = all(item.isdecimal() and item.isascii() for item in items)
    try:
        if prefixed:
            return bytes(int(item, 0) for item in items)
        return bytes(map(int, items)) if decimal else bytes.fromhex(" ".join(items))
    except ValueError:
        raise DumpError("an array holds more than bytes") from None
