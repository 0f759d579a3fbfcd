"""The far end of a line, as a test scripts it: a unit, a UPS, or nobody."""

from __future__ import annotations

import re

from rct_collector.drivers.voltronic.frame import checksum
from tests.toys.running import Unit

NAK, ACK = b"(NAKss\r", b"(ACK9 \r"

QPIGS = (
    "230.1 50.0 230.2 49.9 0161 0119 003 460 57.50 012 100 0069 0014 103.8 57.45 00000 00110110"
    " 00 00 00856 010"
)

#: What a unit of PI30 answers.
PI30 = {
    "QPI": "PI30",
    "QID": "92932004105315",
    "QMOD": "B",
    "QPIGS": QPIGS,
    "QPIWS": "00000100000000001000000000000000",
}


def answer(text, *, counted=False):
    """The bytes of an answer.

    Args:
        text: What it says.
        counted: It is of PI17 or PI18.
    """
    line = f"^D{len(text) + 3:03}{text}" if counted else f"({text}"
    return line.encode("latin-1") + checksum(line.encode("latin-1")) + b"\r"


def asks(data, framing):
    """What some bytes ask for in a framing; None where they are none of it.

    Args:
        data: The bytes, with their end.
        framing: pi30, pi18, pi17, pi16 or any.
    """
    line = data.removesuffix(b"\r")
    text = line[:-2].decode("latin-1")
    summed = line[-2:] == checksum(line[:-2])
    if framing == "pi30":
        return text if summed and text[:1] != "^" else None
    if framing == "pi18":
        return text[5:] if summed and text[:2] == "^P" else None
    if framing == "pi17":
        text = line.decode("latin-1")
        return text[5:] if text[:2] == "^P" and int(text[2:5]) == len(text) - 4 else None
    if framing == "pi16":
        return line.decode("latin-1") if re.fullmatch(rb"[A-Z0-9]+", line) else None
    return line


def unit(says, framing="pi30", no=NAK):
    """Question's bytes → answer's bytes.

    Args:
        says: Question → answer's text, or bytes as they are.
        framing: How it is asked.
        no: What it answers to anything else; b"" is silence.
    """

    def reply(data):
        text = says.get(asks(data, framing))
        if text is None:
            return no
        return (
            text if isinstance(text, bytes) else answer(text, counted=framing in ("pi18", "pi17"))
        )

    return reply


class FarEnd(Unit):
    """Answers each question after a delay; everything about it can be changed.

    Attributes:
        reply: Question's bytes → answer's bytes.
        mangle: (number of the question, question, answer) → [(seconds until then, bytes)].
        heard: (time, bytes) of every question.
    """

    end = b"\r"

    def __init__(self, reply, *, mangle=None, latency=0.1):
        super().__init__()
        self.reply, self.mangle, self.latency = reply, mangle, latency

    def receive(self, _client, data, now):
        *lines, self._half = (self._half + data).split(b"\r")
        for line in lines:
            self.heard.append((now, line + b"\r"))
            said = self.reply(line + b"\r")
            pieces = [(self.latency, said)]
            if self.mangle is not None:
                pieces = self.mangle(len(self.heard), line + b"\r", said)
            self._due += [(now + after, piece) for after, piece in pieces if piece]
        self._due.sort(key=lambda entry: entry[0])

    def questions(self):
        """What was asked, in words."""
        return [said(data) for _, data in self.heard]


def said(data):
    """What some bytes ask for, whatever their framing; with their head."""
    line = data.removesuffix(b"\r")
    return (line[:-2] if line[-2:] == checksum(line[:-2]) else line + b" bare").decode("latin-1")
