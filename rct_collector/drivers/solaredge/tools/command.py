"""``rct-collector solaredge command``: commands that a person has sent to a unit.

This is the only place where frames are made that change something in a unit. Nothing that collects
loads it. Each such frame has to be allowed, is shown in words and must be confirmed by somebody at
a terminal; all that is neither a read nor one of the few writes is refused, whoever asks for it.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, NamedTuple

import click

from rct_collector.drivers.outside import AskedLine, Output, Outside
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import name
from rct_collector.drivers.solaredge.request import READS, SERVER, build, grant
from rct_collector.drivers.solaredge.session import FIRST_SERVICE
from rct_collector.errors import RefusedFrameError, TransportError

#: How such a unit is reached, and what need not be written.
_WAYS = {"serial": {"baud": "115200"}, "tcp": {}}

_COMMAND = re.compile(r"([0-9a-fA-F]{1,4})((?:,[BHLbhl][0-9a-fA-F]+)*)")

#: Letter of a value → its bytes; small letters are signed.
_SIZES = {"b": 1, "h": 2, "l": 4}

_SET = 0x0011
_SET_UNSAVED = 0x0018
_RESET = 0x0030

_PARAMETER = Struct("<HI")

#: What would be right, in messages.
_SENT = f"what reads is {', '.join(f'{function:04x}' for function in sorted(READS))}"
_VALUES_OF_WRITES = "it takes two, such as H329,L0: 16 bits and 32 bits"

#: Parameters whose names are known, of those that people ask for.
PARAMETERS = {
    0x0007: "ENABLE_RS485",
    0x0008: "ENABLE_TCP",
    0x0013: "TCP_SERVER_PORT",
    0x0018: "RTC_GMT_OFFSET",
    0x0032: "ZIGBEE_MASTER",
    0x0036: "RS485_MASTER",
    0x0039: "RS485_GRANT_SLOT_MSEC",
    0x00C0: "SERVER_COM_MODE",
    0x0148: "MODBUS_ENABLE",
    0x0149: "MODBUS_SLAVE_ID",
    0x0239: "first part of the key",
    0x023A: "second part of the key",
    0x023B: "third part of the key",
    0x023C: "fourth part of the key",
    0x0329: "encryption",
}

_EPILOG = """\b
Examples:
  rct-collector solaredge command -c 12,H239 -s 7F101234 /dev/ttyUSB0
  rct-collector solaredge command -c 33/34 -s 7F101234 tcp://192.0.2.10:4001
"""


class Order(NamedTuple):
    """One command.

    Attributes:
        function: Its code.
        payload: Its values, one behind the other.
    """

    function: int
    payload: bytes = b""


@click.command("command", short_help="Send a unit commands, and print its answers.", epilog=_EPILOG)
@click.argument("address", metavar="PORT|ADDRESS")
@click.option(
    "-c", "text", required=True, metavar="COMMAND/...",
    help="Function in hexadecimal, with values such as ,H239: B, H and L are 8, 16 and 32 bits.",
)  # fmt: skip
@click.option("-s", "unit", required=True, metavar="ID", help="The unit, in hexadecimal.")
@click.option("-b", "baud", type=int, metavar="BAUD", help="Rate of the port (default: 115200).")
@click.option("-m", "master", is_flag=True, help="First grant the bus to the unit (RS485).")
@click.option("-o", "output", metavar="FILE", help="Write there (default: standard output).")
@click.option("-a", "append", is_flag=True, help="Append to the file.")
@click.option(
    "--timeout", "seconds", type=click.FloatRange(0.1, 600), default=5.0, metavar="SECONDS",
    help="How long each answer may take (default: 5).",
)  # fmt: skip
@click.option(
    "--allow-writes", "writes", is_flag=True,
    help="Also send what sets a parameter or restarts the unit, when you have confirmed it.",
)  # fmt: skip
@click.pass_obj
def command(
    outside: Outside,
    address: str,
    text: str,
    unit: str,
    baud: int | None,
    master: bool,
    output: str | None,
    append: bool,
    seconds: float,
    writes: bool,
) -> None:
    """Send a unit commands one after the other, and print each answer as a line of JSON.

    Commands are those of semonitor: 12,H239/33 asks for parameter 239 and then for the version.
    What reads is sent freely: 0012 (parameters), 0033 (version), 0034 (type), 0321, 0322 and 0347
    (status, energies). What sets a parameter (0011, 0018) or restarts the unit (0030) needs
    --allow-writes, is told in words, and is asked for at a terminal. Nothing else is sent.

    An answer counts that has the number of its question. One that does not come ends it, with
    status 3.
    """
    commands = parse(text)
    destination = unit_of(unit)
    if baud is not None:
        address += f"{'&' if '?' in address else '?'}baud={baud}"
    _check(outside, commands, destination, writes=writes)
    with outside.wire(address, _WAYS) as wire, outside.output(output, append=append) as out:
        Interview(outside, wire, destination, seconds).hold(commands, out, master=master)


def parse(text: str) -> list[Order]:
    """Read commands.

    Args:
        text: ``function[,value...][/function...]``.

    Raises:
        click.UsageError: They are none.
    """
    return [_parsed(part) for part in text.split("/")]


def _parsed(text: str) -> Order:
    found = _COMMAND.fullmatch(text)
    if found is None:
        raise click.UsageError(
            f"-c: {text!r} is no command; wanted are a function and values, such as 12,H239"
        )
    values = re.findall(r",(.)([^,]+)", found[2])
    try:
        payload = b"".join(
            int(digits, 16).to_bytes(_SIZES[letter.lower()], "little") for letter, digits in values
        )
    except OverflowError as error:
        raise click.UsageError(f"-c: {text!r} has a value too large for its letter") from error
    return Order(int(found[1], 16), payload)


def unit_of(text: str) -> int:
    """Read the id of a unit.

    Raises:
        click.UsageError: It is none, or that of several, such as of everybody on a bus.
    """
    unit = int(text, 16) if re.fullmatch(r"[0-9a-fA-F]{1,8}", text) else 0
    if not 0 < unit < FIRST_SERVICE:
        raise click.UsageError(f"-s: wanted is the id of one unit, such as 7F101234, not {text!r}")
    return unit


# -- what may be sent --------------------------------------------------------------------------


def in_words(order: Order) -> str | None:
    """What a command that changes something does; None for one that is not sent at all."""
    if len(order.payload) != _PARAMETER.size:
        return None
    if order.function in (_SET, _SET_UNSAVED):
        parameter, value = _PARAMETER.unpack(order.payload)
        known = PARAMETERS.get(parameter)
        words = f"set parameter {parameter:04x}" + (f" ({known})" if known else "")
        words += f" to {value} ({value:08x})"
        return words if order.function == _SET else f"{words}, until it restarts"
    if order.function == _RESET:
        return "restart the unit"
    return None


def _check(outside: Outside, commands: list[Order], unit: int, *, writes: bool) -> None:
    """See that all may be sent, before any is.

    Raises:
        click.UsageError: One may not.
    """
    for order in commands:
        if order.function in READS:
            try:
                build(order.function, destination=unit, sequence=0, payload=order.payload)
            except RefusedFrameError as error:
                raise click.UsageError(f"-c: {error}") from error
            continue
        words = in_words(order)
        shown = f"-c: {order.function:04x} ({name(order.function)})"
        if words is None:
            size = len(order.payload)
            writes_too = order.function in (_SET, _SET_UNSAVED, _RESET)
            remedy = _VALUES_OF_WRITES if writes_too else _SENT
            raise click.UsageError(
                f"{shown} with {size} bytes of values is not sent to units; {remedy}"
            )
        if not writes:
            raise click.UsageError(
                f"{shown} would {words}; what changes something needs --allow-writes"
            )
        answer = outside.ask(f"Unit {unit:08X}: {words}?")
        if answer is None:
            raise click.UsageError(
                f"{shown} would {words}; that is asked for at a terminal, and there is none"
            )
        if not answer:
            raise click.UsageError(f"{shown}: not confirmed, and nothing was sent")


# -- asking and answering ----------------------------------------------------------------------


class Interview:
    """Questions to one unit, and its answers."""

    def __init__(self, outside: Outside, wire: AskedLine, unit: int, seconds: float) -> None:
        """Ask nothing yet.

        Args:
            outside: Tells the time.
            wire: To the unit.
            unit: Its id.
            seconds: How long an answer may take.
        """
        self._outside = outside
        self._wire = wire
        self._unit = unit
        self._seconds = seconds
        self._sequence = secrets.randbelow(0xFFFF) + 1
        self._frames = FrameReader()

    def hold(self, commands: list[Order], out: Output, *, master: bool) -> None:
        """Send commands, and write each answer.

        Args:
            commands: In order.
            out: Takes lines of JSON.
            master: Grant the bus first.

        Raises:
            TransportError: An answer does not come.
        """
        if master:
            self._wire.send(grant(self._unit, self._next()))
        for order in commands:
            sequence = self._next()
            question = Frame(sequence, SERVER, self._unit, *order)
            self._wire.send(assemble(question))
            reply = self._answer(question)
            line = {
                "command": order.function,
                "data": data_of(reply),
                "response": reply.function,
                "sequence": sequence,
            }
            out.write(json.dumps(line, sort_keys=True).encode() + b"\n")

    def _next(self) -> int:
        self._sequence = self._sequence % 0xFFFF + 1
        return self._sequence

    def _answer(self, question: Frame) -> Frame:
        """Wait for the answer; what else the unit says meanwhile it will say again."""
        end = self._outside.now() + self._seconds
        while (left := end - self._outside.now()) > 0:
            for item in self._frames.feed(self._wire.receive(left)):
                if (
                    isinstance(item, Frame)
                    and (item.sequence, item.source) == (question.sequence, self._unit)
                    and item.function not in _ITS_OWN
                ):
                    return item
        shown = f"{question.function:04x} ({name(question.function)})"
        raise TransportError(
            f"unit {self._unit:08X} did not answer {shown} within {self._seconds:g} s", "timeout"
        )


#: What a unit says on its own, with numbers of its own.
_ITS_OWN = frozenset(
    (
        functions.POST, functions.ASK_TIME, functions.ASK_NAME, functions.SESSION_KEY,
        functions.RELEASE,
    )
)  # fmt: skip

_VALUE = Struct("<IH")
_ENERGIES = Struct("<4fI")


def _values(payload: bytes) -> Any:
    """Parameters: one, or a list where several were asked for."""
    found = [{"type": kind, "value": value} for value, kind in _VALUE.iter_unpack(payload)]
    return found[0] if len(found) == 1 else found


def _energies(payload: bytes) -> dict[str, Any]:
    *floats, utc = _ENERGIES.unpack_from(payload)
    names = ("Eday", "Emon", "Eyear", "Etot")
    values: Iterator[float | None] = (item if math.isfinite(item) else None for item in floats)
    return {**dict(zip(names, values, strict=True)), "Time1": utc}


def _word(payload: bytes) -> int:
    return int.from_bytes(payload, "little")


#: Function of an answer → sizes of its payload, and what it says, as the suite prints it.
_ANSWERS: dict[int, tuple[Callable[[int], bool], Callable[[bytes], Any]]] = {
    functions.PARAMETER: (lambda size: size > 0 and size % _VALUE.size == 0, _values),
    functions.VERSION: (
        lambda size: size == 4,
        lambda data: {"version": f"{_word(data[:2]):04d}.{_word(data[2:]):04d}"},
    ),
    functions.TYPE: (lambda size: size == 2, lambda data: {"param": _word(data)}),
    functions.ENERGIES: (lambda size: size >= _ENERGIES.size, _energies),
    functions.STATUS: (lambda size: size > 0, lambda _data: {"status": 0}),
}


def data_of(reply: Frame) -> Any:
    """What an answer says: an object, or bytes in hexadecimal where their meaning is not known."""
    fits, read = _ANSWERS.get(reply.function) or (None, None)
    if fits and read and fits(len(reply.payload)):
        return read(reply.payload)
    return reply.payload.hex()
