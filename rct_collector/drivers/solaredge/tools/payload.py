"""Payloads of commands and answers, in words: whatever is no post of records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from struct import Struct
from typing import Any, NamedTuple

from rct_collector.drivers.solaredge import functions as codes
from rct_collector.drivers.solaredge.crypto import OFFER_BYTES, WRAPPER

#: Bytes of a payload that are shown.
_SHOWN = 32

_ENERGIES = Struct("<4fI")
_TIME = Struct("<Ii")
_VERSION = Struct("<HH")

_BOARDS = {0x0300: "communication board", 0x0200: "power board"}

#: Types of a parameter's value.
_UNSIGNED, _FLOAT, _SIGNED, _TEXT = range(4)


class Explained(NamedTuple):
    """What a payload says.

    Attributes:
        shown: For people.
        values: For programs.
        verdict: ``ok``, or what is odd about it.
    """

    shown: str
    values: dict[str, Any]
    verdict: str = "ok"


def describe(function: int, payload: bytes) -> Explained:
    """Explain the payload of a frame.

    Args:
        function: Code of the frame.
        payload: Its payload.
    """
    reader = _READERS.get(function)
    if reader is not None and payload:
        found = reader(payload)
        if found is not None:
            return found
        return Explained(_hex(payload), {}, "ok, with a payload of another length than is known")
    verdict = "ok" if codes.name(function) != "unknown" else "ok, of a function that nobody knows"
    return Explained(_hex(payload), {}, verdict)


def _hex(data: bytes) -> str:
    return data[:_SHOWN].hex(" ") + (" …" if len(data) > _SHOWN else "")


def utc(seconds: int) -> str:
    """A time as the unit says it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _parameters(payload: bytes) -> Explained | None:
    if len(payload) % 2:
        return None
    numbers = [int.from_bytes(payload[n : n + 2], "little") for n in range(0, len(payload), 2)]
    return Explained(
        "parameters " + ", ".join(f"{number:04x}" for number in numbers),
        {"parameters": [f"{number:04x}" for number in numbers]},
    )


def _values(payload: bytes) -> Explained | None:
    """One or several values of parameters, each with its type."""
    found: list[Any] = []
    place = 0
    while place + 6 <= len(payload):
        raw, kind = (
            payload[place : place + 4],
            int.from_bytes(payload[place + 4 : place + 6], "little"),
        )
        place += 6
        if kind == _TEXT:
            end = payload.find(0, place)
            if end < 0:
                return None
            found.append(payload[place:end].decode("latin-1"))
            place = end + 1
        elif kind == _FLOAT:
            found.append(Struct("<f").unpack(raw)[0])
        else:
            found.append(int.from_bytes(raw, "little", signed=kind == _SIGNED))
    if place != len(payload):
        return None
    return Explained("value " + ", ".join(map(str, found)), {"values": found})


def _version(payload: bytes) -> Explained | None:
    if len(payload) != _VERSION.size:
        return None
    text = "{:04d}.{:04d}".format(*_VERSION.unpack(payload))
    return Explained(f"version {text}", {"version": text})


#: Payload → what it says; None where it has not the length of one.
_Reader = Callable[[bytes], Explained | None]


def _number(name: str, words: dict[int, str] | None = None) -> _Reader:
    def read(payload: bytes) -> Explained | None:
        if len(payload) != 2:
            return None
        number = int.from_bytes(payload, "little")
        meaning = (words or {}).get(number)
        shown = f"{name} {number:04x}" + (f" ({meaning})" if meaning else "")
        return Explained(shown, {name: number})

    return read


def _energies(payload: bytes) -> Explained | None:
    if len(payload) < _ENERGIES.size:
        return None
    *energies, time = _ENERGIES.unpack_from(payload)
    names = ("day", "month", "year", "total")
    shown = ", ".join(f"{name} {value:g} Wh" for name, value in zip(names, energies, strict=True))
    values = {f"energy_{name}": value for name, value in zip(names, energies, strict=True)}
    return Explained(f"{shown}, at {utc(time)}", {**values, "time": time})


def _time(payload: bytes) -> Explained | None:
    if len(payload) != _TIME.size:
        return None
    time, offset = _TIME.unpack(payload)
    return Explained(f"{utc(time)}, zone {offset:+d} s", {"time": time, "offset": offset})


def _statuses(payload: bytes) -> Explained | None:
    if len(payload) % 2:
        return None
    words = [int.from_bytes(payload[n : n + 2], "little") for n in range(0, len(payload), 2)]
    return Explained("words " + " ".join(f"{word:04x}" for word in words), {"words": words})


def _offer(payload: bytes) -> Explained | None:
    return Explained("offers a session key", {}) if len(payload) == OFFER_BYTES else None


def _wrapped(payload: bytes) -> Explained | None:
    size = len(payload) - WRAPPER
    return Explained(f"a frame of {size} bytes within", {"inner_bytes": size}) if size > 0 else None


_READERS: dict[int, _Reader] = {
    codes.READ_PARAMETER: _parameters,
    codes.PARAMETER: _values,
    codes.VERSION: _version,
    codes.TYPE: _number("type", _BOARDS),
    codes.S_OK: _number("status"),
    codes.ENERGIES: _energies,
    codes.STATUS: _statuses,
    codes.TIME: _time,
    codes.SESSION_KEY: _offer,
    codes.ENCRYPTED: _wrapped,
}
