"""Text that stands for bytes: it is read or refused at a cost that its length bounds.

And whatever the bytes, each form of dump is read as what it was made of.
"""

from __future__ import annotations

import contextlib

from rct_collector.cli.dumps import LARGEST, DumpError, read_dump, text_of
from tests.dumps import AMBIGUOUS, FORMS
from tests.work import calls, peak

#: What one character may cost, and a text of none: calls, bytes of memory.
CALLS, LEAST_CALLS = 40, 1000
MEMORY, LEAST_MEMORY = 120, 100_000

#: How often a text is taken once more, one behind the other.
AGAIN = 16

#: Bytes from which on the forms cannot be mistaken for each other.
_ENOUGH = 33

_ODDITIES = (b" ", b"  ", b"0", b"2b", b"zz", b"\t", b":", b",", b"0x", b'"', b"\\x2b")

_FORMS = [FORMS[name] for name in sorted(FORMS.keys() - AMBIGUOUS)]


def mutate(data, random):
    """Bytes in another form, or a line of it lost, doubled, cut, or with other characters."""
    if random.random() < 0.3 or not data:
        return random.choice(_FORMS)(random.randbytes(random.randint(1, 60))).encode()
    lines = data.split(b"\n")
    place = random.randrange(len(lines))
    deed = random.randrange(4)
    if deed == 0:
        del lines[place]
    elif deed == 1:
        lines.insert(place, random.choice((lines[place], b"*", b"", b"0000", b"# text")))
    elif deed == 2:
        lines[place] = lines[place][: random.randint(0, len(lines[place]))]
    else:
        where = random.randint(0, len(lines[place]))
        more = random.choice(_ODDITIES)
        lines[place] = lines[place][:where] + more + lines[place][where + random.randint(0, 2) :]
    return b"\n".join(lines)


def dictionary():
    yield from (b"0000  ", b"0010: ", b"0x", b"\\x", b"*\n", b"|", b"\xa0")
    yield from (b"/*", b"# ", b"{", b"};", b"b'")


def check(data):
    text = text_of(data)
    if text is not None:
        costs_no_more(text)
        costs_no_more(f"{text}\n" * AGAIN)
        costs_no_more(text * AGAIN)
    if len(data) > _ENOUGH:
        form, content = _FORMS[data[0] % len(_FORMS)], data[1:]
        assert b"".join(read(form(content))) == content


def costs_no_more(text):
    told = []
    assert calls(lambda: told.append(read(text))) <= LEAST_CALLS + CALLS * len(text)
    (blocks,) = told
    size = sum(map(len, blocks))
    left_out = size if "*" in text else 0
    assert size <= len(text) + min(left_out, LARGEST)
    assert peak(lambda: read(text)) <= LEAST_MEMORY + MEMORY * len(text) + 5 * left_out


def read(text):
    """The bytes; none of what is refused, which says why."""
    with contextlib.suppress(DumpError):
        return read_dump(text)
    return []
