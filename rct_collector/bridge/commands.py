"""Messages of MQTT to commands, and answers to messages. No input, no output, no clock.

Two kinds of topic say what is to be set::

    inverter/roof/set                   {"jsonrpc": "2.0", "id": "7f", "method": "set",
                                         "params": {"name": "output_priority", "value": "sbu",
                                                    "time": 1782036003}}
    inverter/roof/set/output_priority   sbu

The first tells when it was said and has an id of its own, so that what is old, or said again, is
known as that. The second is what the ``select``, ``number`` and ``switch`` of Home Assistant send.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeGuard

from rct_collector.control.messages import (
    Call,
    Code,
    Id,
    Mistake,
    line_of,
    notification,
    read,
    result,
)
from rct_collector.control.messages import failure as failed
from rct_collector.errors import RpcError

#: Bytes that a command may have, and characters of an id, and of a value that is text.
LONGEST = 4096
LONGEST_TEXT = 64

#: The largest number that is taken; no setting has one near it. No time has this many seconds.
LARGEST = 1e9
_ENDLESS = 1e15

_SOURCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PREFIX = re.compile(r"[^/+#$\s\x00][^+#\s\x00]{0,63}(?<!/)")
_KNOWN = frozenset({"source", "name", "value", "expect", "time"})

#: Words for a flag, as switches and people write it.
_FLAGS = {
    **dict.fromkeys(("on", "true", "yes", "enable", "enabled", "1"), True),
    **dict.fromkeys(("off", "false", "no", "disable", "disabled", "0"), False),
}


class Message(NamedTuple):
    """What a broker has delivered.

    Attributes:
        topic: Where it was published.
        payload: What.
        retained: Whether the broker had kept it from an earlier time.
        repeated: Whether the broker has tried to deliver it before.
        connection: Number of the connection that it came by.
    """

    topic: str
    payload: bytes
    retained: bool = False
    repeated: bool = False
    connection: int = 0


@dataclass(frozen=True, slots=True)
class SetCommand:
    """What is to be set.

    Attributes:
        source: Name of the device.
        name: Name of the setting.
        value: What it is to be; of a plain one the text.
        id: Goes back with the answers; None for a plain one.
        time: When it was said, Unix seconds; None for a plain one, which does not tell.
        expect: The present value that is believed in, as a part of ``params``; empty for any.
    """

    source: str
    name: str
    value: Any
    id: Id = None
    time: float | None = None
    expect: tuple[Any, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is a bare value, which tells no time and no id."""
        return self.time is None

    @property
    def text(self) -> str:
        """In words, for the log."""
        return f"{self.source}: {self.name} = {self.value!r}"


class Misread(Exception):  # noqa: N818 - it is no mistake of ours
    """A message that is no command.

    Attributes:
        source: The device whose topic it came by; "" where that is none.
        error: What is wrong with it.
        id: Goes back with the error, as far as it could be read.
    """

    def __init__(self, source: str, error: RpcError, name: Id = None) -> None:
        """Keep all three."""
        super().__init__(error.message)
        self.source = source
        self.error = error
        self.id = name


class TopicNames:
    """The names of topics, below a prefix."""

    def __init__(self, prefix: str) -> None:
        """Name them.

        Args:
            prefix: What they all begin with.

        Raises:
            ValueError: It is none that topics may begin with; the message says what is.
        """
        if not _PREFIX.fullmatch(prefix) or "//" in prefix:
            raise ValueError(
                f"{prefix!r} is no beginning of topics: words of up to 64 characters together, with"
                " '/' between them, and without '+', '#' and blanks"
            )
        self._prefix = prefix
        #: What is subscribed to.
        self.wanted = (f"{prefix}/+/set", f"{prefix}/+/set/+")
        #: Whether the bridge is there: ``online`` or ``offline``, retained.
        self.availability = f"{prefix}/bridge/availability"

    def result(self, source: str) -> str:
        """Where answers of a device go."""
        return f"{self._prefix}/{source}/result"

    def setting(self, source: str, name: str) -> str:
        """Where the present value of a setting is kept."""
        return f"{self._prefix}/{source}/setting/{name}"

    def split(self, topic: str) -> tuple[str, str | None]:
        """Device and setting of a topic; None for the setting where the message names it.

        Raises:
            Misread: It is none of ours, or not of a device or setting that there can be.
        """
        rest = topic.removeprefix(f"{self._prefix}/")
        source, _, way = rest.partition("/")
        verb, slash, name = way.partition("/")
        if rest == topic or verb != "set" or not _SOURCE.fullmatch(source):
            raise Misread("", RpcError(Code.INVALID, f"{topic[:200]!r} is no topic of a device"))
        if slash and not _NAME.fullmatch(name):
            raise Misread(source, RpcError(Code.PARAMS, f"{name[:80]!r} is no name of a setting"))
        return source, name if slash else None


def command_of(topics: TopicNames, message: Message) -> SetCommand:
    """What a message wants.

    Args:
        topics: Their names.
        message: Anything at all.

    Raises:
        Misread: It is no command.
    """
    source, name = topics.split(message.topic)
    call = Call("", {})
    try:
        if len(message.payload) > LONGEST:
            text = f"{len(message.payload)} bytes are too many; a command has at most {LONGEST}"
            raise RpcError(Code.INVALID, text)
        if name is not None:
            return SetCommand(source, name, _plain(name, message.payload))
        call = _call(message.payload)
        return _command(source, call)
    except Misread as error:
        raise Misread(source, error.error, error.id) from None
    except RpcError as error:
        raise Misread(source, error, call.id) from None


def _plain(name: str, payload: bytes) -> str:
    try:
        return _text(f"the value of {name}", payload.decode().strip())
    except UnicodeDecodeError:
        raise RpcError(Code.PARAMS, f"the value of {name} is no text") from None


def _call(payload: bytes) -> Call:
    """The one call that a message holds."""
    (call, *others), together = read(payload)
    if others or together:
        raise RpcError(Code.INVALID, "one command at a time, and no list of them")
    if isinstance(call, Mistake):
        raise Misread("", call.error, call.id)
    return call


def _command(source: str, call: Call) -> SetCommand:
    if call.method != "set":
        raise RpcError(Code.UNKNOWN, f"{call.method[:80]!r} is not done here, only set")
    if call.id is None:
        raise RpcError(Code.INVALID, "id is missing: without it a repetition cannot be told")
    if len(str(call.id)) > LONGEST_TEXT:
        raise RpcError(Code.INVALID, f"id has more than {LONGEST_TEXT} characters")
    params = call.params
    if unknown := params.keys() - _KNOWN:
        text = f"{min(unknown)[:80]!r} is unknown; there are {', '.join(sorted(_KNOWN))}"
        raise RpcError(Code.PARAMS, text)
    if params.get("source", source) != source:
        raise RpcError(Code.PARAMS, f"source is {source} already, by the topic")
    name, when = params.get("name"), params.get("time")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RpcError(Code.PARAMS, "name is missing: which setting")
    if "value" not in params:
        raise RpcError(Code.PARAMS, "value is missing: what it is to be")
    if not _is_number(when):
        raise RpcError(Code.PARAMS, "time is missing: when this was said, in seconds since 1970")
    expect = (_value("expect", params["expect"]),) if "expect" in params else ()
    return SetCommand(source, name, _value("value", params["value"]), call.id, float(when), expect)


def _value(what: str, value: Any) -> Any:
    """A value of a setting: a word, a number or a flag."""
    if isinstance(value, str):
        return _text(what, value)
    if isinstance(value, bool) or (_is_number(value) and abs(value) <= LARGEST):
        return value
    raise RpcError(Code.PARAMS, f"{what} is a word, a number up to {LARGEST:g}, true or false")


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether it is one that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _ENDLESS


def _text(what: str, text: str) -> str:
    if text and len(text) <= LONGEST_TEXT and text.isprintable():
        return text
    raise RpcError(Code.PARAMS, f"{what} is a word of 1 to {LONGEST_TEXT} characters")


def typed(command: SetCommand, setting: dict[str, Any]) -> Any:
    """The value as the door wants it: that of a plain command is made of its text.

    Args:
        command: What is to be set.
        setting: What the door says of it: its ``kind``, and its ``choices``.

    Raises:
        RpcError: It is nothing that the setting takes.
    """
    if not command.is_plain:
        return command.value
    text, kind = command.value, setting.get("kind")
    if kind == "number":
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not (abs(found) <= LARGEST) or not text.isascii() or "_" in text:
            raise RpcError(Code.PARAMS, f"{command.name} is a number, not {text!r}")
        return int(found) if found.is_integer() else found
    if kind == "flag":
        if text.lower() not in _FLAGS:
            raise RpcError(Code.PARAMS, f"{command.name} is on or off, not {text!r}")
        return _FLAGS[text.lower()]
    return text


# -- answers -------------------------------------------------------------------------------------


def accepted(command: SetCommand, answer: dict[str, Any]) -> bytes:
    """The door has taken it; what becomes of it follows."""
    return _bytes(result(command.id, {**answer, "name": command.name}))


def refusal(error: RpcError, name: Id = None, setting: str = "") -> bytes:
    """It is not done.

    Args:
        error: Why.
        name: The id of the command, if it has one.
        setting: Name of the setting, if it is known.
    """
    told = failed(name, error)
    if setting:
        told["error"]["data"] = {**_data(error), "name": setting}
    return _bytes(told)


def _data(error: RpcError) -> dict[str, Any]:
    return error.data if isinstance(error.data, dict) else {}


def outcome(name: Id, said: dict[str, Any]) -> bytes:
    """What became of a command that was taken.

    Args:
        name: The id of the command; None for a plain one.
        said: ``source``, ``name``, ``state``, and what else the door has told.
    """
    return _bytes(notification("setting", {**said, "id": name}))


def _bytes(message: dict[str, Any]) -> bytes:
    return line_of(message).rstrip(b"\n")
