r"""Which dialect a unit speaks, and which unit it is: found out by questions that harm nobody.

The same USB ids are those of uninterruptible power supplies, which take single letters for orders,
such as S for shutdown. So nothing but these is sent before a dialect is known, one after the other
until one is answered, and again from the beginning::

    QPI checksum   ─►  (PI30, (PI31, (PI41
    ^P005PI checksum   ─►  ^D00518
    ^P003PI   ─►  ^D00517
    QPI   ─►  (PI16
    M   ─►  H or V: a UPS. Only where all others were in vain.

What knows a dialect refuses the questions of others, or is silent. Where a dialect is known or
named, its question comes first.

With a serial number to look for, the unit is asked for its own before anything else is: from then
on that is the question by which a line proves that it can be trusted.

Sources: the maker's papers for each dialect; answers to foreign questions as users of other
collectors have logged them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rct_collector.drivers.base import Answer, Ask, Event, Fault, Garbled, Refused, Resync, Unfit
from rct_collector.drivers.voltronic.command import PROTOCOL, Command
from rct_collector.drivers.voltronic.frame import Bad, Frame, pack
from rct_collector.drivers.voltronic.options import AUTO, VoltronicOptions

#: A line is silent for so long before it is trusted again, in seconds …
SILENCE_S = 1.0
#: … or for so long, where all that was asked was answered: as between any two questions.
PAUSE_S = 0.1
#: The answer to a probe is waited for: 2 s for its first byte, and 0.5 s for the rest.
WAIT_S = 2.5

#: What a line needs that was opened, or on which a question was given up.
RESYNC = Resync(SILENCE_S, Ask(PROTOCOL), WAIT_S)

#: Number of the protocol → dialect. Units that say PI31 have the layouts of PI30.
NUMBERS = {"30": "pi30", "31": "pi30", "41": "pi41", "18": "pi18", "17": "pi17", "16": "pi16"}

#: Numbers of devices that are no inverters → what they are.
OTHERS = {"34": "a solar charge controller"}

#: Dialects that a unit may be said to speak, for each that it says to speak: some of them have the
#: same number.
_MAY_BE = {
    "pi30": ("pi30", "pi30max", "pi41", "pi30revo"),
    "pi41": ("pi41",),
    "pi18": ("pi18",),
    "pi17": ("pi17",),
    "pi16": ("pi16",),
}

#: Questions for the serial number, in any dialect that has them.
SERIALS = ("QID", "QSID", "ID")

_NUMBER = re.compile(r"PI(\d\d)")
_BARE_NUMBER = re.compile(r"1[5-9]")  # PI18 and its kin; a mode has two digits, too: 00 to 06
_SERIAL = re.compile(r"[0-9A-Z]{10,20}")
#: Status of a UPS: seven numbers and eight bits, without a checksum.
_UPS_STATUS = re.compile(rb"\((?:[0-9.]+ ){7}[01]{8}")
_UPS_KIND = re.compile(rb"[A-LN-Z]")  # M is an echo

UPS = (
    "this is a UPS that speaks Megatec or Voltronic-QS, with the USB ids of an inverter;"
    " it is not supported"
)
NO_PROTOCOL = (
    "the device answers #-1 to what every Voltronic unit knows: it speaks none of their dialects"
)


class Probe(NamedTuple):
    """A question that tells the dialect.

    Attributes:
        text: What is asked.
        framing: The dialect that it is framed for.
    """

    text: str
    framing: str

    @property
    def head(self) -> str:
        """How an answer begins."""
        return "^D" if self.framing in ("pi18", "pi17") else "("


QPI, PI18, PI17, PI16 = (
    Probe("QPI", "pi30"), Probe("PI", "pi18"), Probe("PI", "pi17"), Probe("QPI", "pi16"),
)  # fmt: skip
#: Some units of PI41 do not know QPI, so that who they are is to be named, and proven by this.
QID = Probe("QID", "pi41")
#: Tells a UPS.
M = Probe("M", "pi16")

PROBES = (QPI, PI18, PI17, PI16)
#: So many refusals in a row are no accident: each question was asked twice.
MOST_REFUSALS = 2 * len(PROBES)

#: The question of a dialect that is known is asked so many times in vain before others are: its
#: answer was lost, damaged, or is late. The unit has hardly been exchanged.
TRIES = 4

_OF = {
    **dict.fromkeys(("pi30", "pi30max", "pi30revo"), (QPI,)),
    "pi41": (QPI, QID),
    "pi18": (PI18,),
    "pi17": (PI17,),
    "pi16": (PI16,),
}


class Detection:
    """What is known of the unit at the other end of a line.

    Attributes:
        dialect: Word of the dialect; "" while it is not known.
    """

    def __init__(
        self, options: VoltronicOptions, serial_number: str, commands: Sequence[Command]
    ) -> None:
        """Know nothing yet.

        Args:
            options: As they are configured.
            serial_number: Of the unit that is meant; "" for any.
            commands: Those among which the questions for the serial number are.
        """
        self.dialect = ""
        self._named = "" if options.dialect == AUTO else options.dialect
        self._crc = options.request_crc
        self._wanted = serial_number
        self._commands = [command for command in commands if command.text in SERIALS]
        first = _OF.get(self._named, ())
        self._order = [*dict.fromkeys((*first, *PROBES)), M]
        self._place = 0
        self._refusals = self._failures = self._owed = 0
        self._serials: tuple[Command, ...] = ()  # by which the unit is asked who it is
        self._found: list[str] = []
        self._mute: set[Command] = set()  # those of them that were not answered
        self._heard = False
        self._silence = SILENCE_S

    def question(self) -> bytes:
        """What to ask now."""
        self._heard = False
        self._silence = SILENCE_S
        if self._serials:
            return pack(self._serials[0].text, self.dialect, crc=self._crc)
        probe = self._order[self._place]
        return pack(probe.text, probe.framing, crc=self._crc)

    @property
    def asks_usual(self) -> bool:
        """Whether what is asked is what a unit of the dialect that is known does not refuse."""
        return bool(self.dialect) and not self._place

    def given_up(self) -> Resync:
        """The question was not answered, or not to the end: what the line needs now."""
        if not self._heard:
            if self._serials:
                self._mute.add(self._serials[0])
                self._serials = self._serials[1:]
            else:
                self._owed += 1
                self._failed(1)
        return Resync(self._silence, Ask(PROTOCOL), WAIT_S)

    def is_late(self, frame: Frame) -> bool:
        """Whether this is the answer to a probe that was given up: it is none to anything else."""
        if not self._owed or not frame.sound or _number(frame) not in NUMBERS:
            return False
        self._owed -= 1
        return True

    def in_order(self) -> None:
        """What was asked after the probes is answered: no answer to them is to come any more."""
        self._owed = 0

    def hear(self, item: Frame | Bad) -> list[Event]:
        """Take what came after the question.

        Returns:
            What it means; nothing while the answer may still come. A refusal of the question asks
            for the next one.
        """
        if type(item) is Bad:
            return self._hear_bad(item)
        frame: Frame = item  # type: ignore[assignment]  # there are only two
        self._heard = True
        if not frame.sound:
            return [Garbled(Fault.CRC, None, frame.size), self._again()]
        if self._serials:
            return self._hear_serial(frame)
        probe = self._order[self._place]
        if is_refusal(frame):
            return [self._refused()]
        if probe is QID and frame.head == "(" and _SERIAL.fullmatch(frame.text):
            return self._speaks("pi41", probe, in_step=True)
        number = _number(frame)
        if number is None:
            return [Garbled(Fault.DECODE, None, frame.size), self._again()]
        word = NUMBERS.get(number)
        if word is None:
            return [Unfit(_other(number))]
        if self._named and self._named not in _MAY_BE[word]:
            return [Unfit(_another(number, word, self._named))]
        home = _OF[word][0]
        return self._speaks(self._named or word, home, in_step=frame.head == probe.head)

    # -- the dialect -----------------------------------------------------------------------

    def _hear_bad(self, bad: Bad) -> list[Event]:
        event = Garbled(bad.kind, None, bad.size)
        if not self.dialect:
            if bad.data == b"#-1":
                return [event, Unfit(NO_PROTOCOL)]
            kind = self._order[self._place] is M and _UPS_KIND.fullmatch(bad.data)
            if kind or _UPS_STATUS.fullmatch(bad.data):
                return [event, Unfit(UPS)]
        if bad.kind is not Fault.CRC:
            return [event]
        self._heard = True
        return [event, self._again()]

    def _speaks(self, dialect: str, home: Probe, *, in_step: bool) -> list[Event]:
        """The dialect is known.

        Args:
            dialect: Its word.
            home: The probe that tells it.
            in_step: That was what was asked; else it was the late answer to another question.
        """
        self.dialect = dialect
        others = (probe for probe in (*_OF[dialect], *PROBES) if probe is not home)
        self._order = [home, *dict.fromkeys(others)]  # nobody takes it for a UPS any more
        self._place = self._refusals = self._failures = 0
        if not in_step:
            return [self._next(SILENCE_S)]
        return [self._ask_who() if self._wanted else Answer(PROTOCOL, dialect)]

    def _refused(self) -> Event:
        """The unit does not know the question; or the question was damaged on its way."""
        self._refusals += 1
        self._advance()
        if self._order[self._place] is M:
            self._advance()  # a UPS does not say no like this
        if self._refusals >= MOST_REFUSALS:
            self._refusals = self._place = 0
            return Unfit(
                "the unit refuses every question that would tell its dialect; name the right one"
                " with the option dialect, if it is known to speak one"
            )
        return self._next(PAUSE_S)

    def _again(self) -> Event:
        """The answer was damaged, or one to another question: ask once more, then another one."""
        if not self._serials:
            self._failed(2)
        return self._next(SILENCE_S)

    def _failed(self, most: int) -> None:
        """The question was in vain: on to another one, if that was the case so many times."""
        self._refusals = 0
        self._failures += 1
        if self._failures >= (TRIES if self.asks_usual else most):
            self._advance()

    def _advance(self) -> None:
        self._failures = 0
        self._place = (self._place + 1) % len(self._order)

    def _next(self, silence: float) -> Event:
        self._silence = silence
        return Refused(PROTOCOL)

    # -- which unit ------------------------------------------------------------------------

    def _ask_who(self) -> Event:
        self._found.clear()
        commands = (command for command in self._commands if self.dialect in command.dialects)
        self._serials = tuple(command for command in commands if command not in self._mute)
        if self._serials:
            return self._next(PAUSE_S)
        self._mute.clear()
        text = "the unit does not tell its serial number, so that it may not be {}"
        return Unfit(text.format(self._wanted))

    def _hear_serial(self, frame: Frame) -> list[Event]:
        """An answer to the question for the serial number, or something else."""
        command = self._serials[0]
        if is_refusal(frame):
            self._mute.add(command)
            return [self._not_this()]
        parts = command.decode(frame.text) if frame.head == self._order[0].head else None
        if parts is None:
            self._serials = ()  # out of step, or another dialect
            return [Garbled(Fault.DECODE, None, frame.size), self._next(SILENCE_S)]
        found = str(parts.get("serial_number"))
        if found == self._wanted:
            self._serials = (command,)
            return [Answer(PROTOCOL, self.dialect)]
        self._found.append(found)
        return [self._not_this()]

    def _not_this(self) -> Event:
        """Not the serial number that is wanted, or none: there may be another question for it."""
        self._serials = self._serials[1:]
        if self._serials or not self._found:
            return self._next(PAUSE_S)
        found = " or ".join(dict.fromkeys(self._found))
        self._mute.clear()
        return Unfit(f"the unit's serial number is {found}, not {self._wanted}")


def is_refusal(frame: Frame) -> bool:
    """Whether an answer is a no, in any dialect."""
    return frame.text == ("NAK" if frame.head == "(" else "0") and frame.head != "^D"


def is_consent(frame: Frame) -> bool:
    """Whether an answer is a yes, in any dialect."""
    return frame.text == ("ACK" if frame.head == "(" else "1") and frame.head != "^D"


def _number(frame: Frame) -> str | None:
    """The number of the protocol; None where the answer tells none."""
    if frame.head == "(":
        found = _NUMBER.fullmatch(frame.text)
        return found[1] if found else None
    return frame.text if frame.head == "^D" and _BARE_NUMBER.fullmatch(frame.text) else None


def _other(number: str) -> str:
    what = OTHERS.get(number, "a device of another kind")
    known = ", ".join(f"PI{known}" for known in sorted(NUMBERS))
    return (
        f"the unit says that it speaks PI{number}: {what}, which is not supported; known: {known}"
    )


def _another(number: str, word: str, named: str) -> str:
    right = " or ".join(_MAY_BE[word])
    return (
        f"the unit says that it speaks PI{number}, but the option dialect says {named};"
        f" {right} would be right, or {AUTO}"
    )
