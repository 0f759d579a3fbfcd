"""JSON-RPC 2.0, one message a line: bytes to calls, and answers to bytes. No input, no output.

Source: https://www.jsonrpc.org/specification. What a call needs is named, so ``params`` is an
object or is left out.
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, NamedTuple

from rct_collector.errors import RpcError

#: Bytes that a line of a caller may have, its end not counted.
LONGEST = 64 << 10

#: Calls that one message may hold.
MOST_AT_ONCE = 32

#: What names a call: a word, a number or nothing.
Id = str | int | None


class Code(IntEnum):
    """What an error says."""

    PARSE = -32700  #: no JSON
    INVALID = -32600  #: no call
    UNKNOWN = -32601  #: there is no such method
    PARAMS = -32602  #: it does not take these
    INTERNAL = -32603  #: a defect
    NOT_PERMITTED = -32001  #: not for this user
    NOT_ENABLED = -32002  #: not for anybody, as the configuration says
    REFUSED = -32003  #: a rule stands against it
    AWAY = -32004  #: the device does not answer
    TOO_OFTEN = -32005  #: not now, or not so many


class Call(NamedTuple):
    """What a caller wants.

    Attributes:
        method: What is to be done.
        params: With what.
        id: Goes back with the answer.
        is_answered: Whether the caller waits for an answer.
    """

    method: str
    params: dict[str, Any]
    id: Id = None
    is_answered: bool = True


class Mistake(NamedTuple):
    """What is no call, and is answered with an error.

    Attributes:
        error: What is wrong with it.
        id: Goes back with the error, as far as it could be read.
    """

    error: RpcError
    id: Id = None


class TooLongError(ValueError):
    """A line does not end."""


class Lines:
    """Cuts a stream of bytes into lines, however they come."""

    def __init__(self, longest: int = LONGEST) -> None:
        """Begin with nothing.

        Args:
            longest: Bytes that a line may have.
        """
        self._longest = longest
        self._data = bytearray()
        self._at = 0  # what is in front of it was taken
        self._seen = 0  # up to there is no end

    def push(self, data: bytes) -> None:
        """More has come."""
        if self._at:
            del self._data[: self._at]
            self._seen -= self._at
            self._at = 0
        self._data += data

    def pop(self) -> bytes | None:
        """The next line that is not blank, without its end; None while there is no whole one.

        Raises:
            TooLongError: There is none, and there must not be.
        """
        while True:
            end = self._data.find(b"\n", self._seen)
            length = (len(self._data) if end < 0 else end) - self._at
            if length > self._longest:
                raise TooLongError(f"a line has at most {self._longest} bytes")
            if end < 0:
                self._seen = len(self._data)
                return None
            line = bytes(self._data[self._at : end]).strip()
            self._at = self._seen = end + 1
            if line:
                return line

    @property
    def is_open(self) -> bool:
        """Whether a line has begun that has not ended."""
        return len(self._data) > self._at


def parse(line: bytes) -> Any:  # noqa: ANN401 - anything that JSON has
    """What a line says.

    Raises:
        RpcError: It is no JSON.
    """
    try:
        return json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RpcError(Code.PARSE, f"no JSON: {error}") from None


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def read(line: bytes) -> tuple[list[Call | Mistake], bool]:
    """The calls of a line.

    Returns:
        Each of them, and whether the answers go back together, since the calls came so.
    """
    try:
        said = parse(line)
    except RpcError as error:
        return [Mistake(error)], False
    if not isinstance(said, list):
        return [_call(said)], False
    if not said or len(said) > MOST_AT_ONCE:
        return [_invalid(f"{len(said)} calls at once; from 1 to {MOST_AT_ONCE} may be")], False
    return [_call(item) for item in said], True


def _call(said: Any) -> Call | Mistake:
    """One call, of whatever was said."""
    if not isinstance(said, dict):
        return _invalid("a call is an object")
    name, method, params = said.get("id"), said.get("method"), said.get("params", {})
    if isinstance(name, bool) or not isinstance(name, Id):
        return _invalid("id is a string, a whole number or null")
    if said.get("jsonrpc") != "2.0":
        return _invalid('"jsonrpc": "2.0" is missing', name)
    if not isinstance(method, str):
        return _invalid("method is the name of a method", name)
    if not isinstance(params, dict):
        error = RpcError(Code.PARAMS, "params are named: they are an object")
        return Mistake(error, name)
    return Call(method, params, name, "id" in said)


def _invalid(why: str, name: Id = None) -> Mistake:
    return Mistake(RpcError(Code.INVALID, f"no call: {why}"), name)


def result(name: Id, value: Any) -> dict[str, Any]:  # noqa: ANN401 - anything that JSON has
    """The answer to a call that went well."""
    return {"jsonrpc": "2.0", "id": name, "result": value}


def failure(name: Id, error: RpcError) -> dict[str, Any]:
    """The answer to one that did not."""
    told: dict[str, Any] = {"code": int(error.code), "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": name, "error": told}


def notification(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """What is told without being answered."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def request(name: Id, method: str, params: dict[str, Any] | None) -> dict[str, Any]:
    """What is asked."""
    asked = {"jsonrpc": "2.0", "id": name, "method": method}
    return asked if params is None else {**asked, "params": params}


def line_of(message: Any) -> bytes:  # noqa: ANN401 - one of the above, or a list of them
    """A message as it is sent.

    Raises:
        ValueError: It holds a number that JSON has not.
    """
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
