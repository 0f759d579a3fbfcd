"""Everybody on this host who can be asked about devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from rct_collector.control.client import Client
from rct_collector.errors import CollectorError
from rct_collector.lines.holder import ask
from rct_collector.lines.lock import lock_names


class Door(NamedTuple):
    """Where somebody who is trusted answers for the devices of one line.

    Attributes:
        name: Of its socket, for :meth:`.client.Client.connect`.
        uid: Its user.
        pid: Its process; 0 where that is in a container that we do not look into.
    """

    name: bytes
    uid: int
    pid: int

    def __str__(self) -> str:
        return self.name.decode(errors="replace").removeprefix("\0rct-collector/")


class Seen(NamedTuple):
    """What a door has answered.

    Attributes:
        door: Which.
        status: Its answer to ``status``, or None.
        trouble: Why there is none, in words.
    """

    door: Door
    status: dict[str, Any] | None
    trouble: str = ""


def doors() -> list[Door]:
    """Every door of this host, sorted by name; of strangers none.

    A line may have two: of the address as it was configured, and of where that leads.

    Raises:
        OSError: There is no descriptor or memory left for looking.
    """
    found = []
    for name in lock_names():
        holder = ask(name)
        if holder is not None and holder.uid is not None and holder.is_obeyed:
            found.append(Door(name, holder.uid, holder.pid))
    return found


async def survey(found: Iterable[Door] | None = None, *, timeout: float = 2.0) -> list[Seen]:
    """Ask every door for its status, all at a time.

    Args:
        found: The doors; all of this host by default.
        timeout: Seconds that an answer is waited for.

    Returns:
        What they have answered; of a line with two doors once.
    """
    asked = doors() if found is None else list(found)
    seen = await asyncio.gather(*(_status(door, timeout) for door in asked))
    known: set[tuple[Any, ...]] = set()
    return [item for item in seen if _is_new(item, known)]


def _is_new(seen: Seen, known: set[tuple[Any, ...]]) -> bool:
    """Whether a door is not the second one of a line."""
    if seen.status is None:
        return True
    collector, devices = seen.status["collector"], seen.status["devices"]
    who = (collector["pid"], collector["since"], *(device["source"] for device in devices))
    is_new = who not in known
    known.add(who)
    return is_new


async def _status(door: Door, timeout: float) -> Seen:
    try:
        client = await Client.connect(door.name, timeout=timeout)
        try:
            return Seen(door, _checked(await client.call("status", timeout=timeout)))
        finally:
            with contextlib.suppress(OSError):
                await client.close()
    except (CollectorError, OSError, KeyError, TypeError) as error:
        return Seen(door, None, str(error))


def _checked(status: Any) -> dict[str, Any]:  # noqa: ANN401 - anything that JSON has
    """A status with what :func:`survey` needs of it.

    Raises:
        KeyError, TypeError: It has not.
    """
    _ = status["collector"]["pid"], status["collector"]["since"]
    _ = [device["source"] for device in status["devices"]]
    found: dict[str, Any] = status
    return found
