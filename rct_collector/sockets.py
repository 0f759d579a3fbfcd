"""Sockets of many devices, read together.

Where a loop looks around at intervals only (:mod:`.beat`), it finds what has come at many sockets.
All of them are read first, and what they brought is worked on after that: so the code of the system
and ours take turns once a look, and not for every few bytes, which would find its caches cold each
time. They have an epoll of their own, which is one file to the loop: to have the loop itself watch
each socket costs more than to read it.
"""

from __future__ import annotations

import asyncio
import select
from typing import Protocol


class Reader(Protocol):
    """One whose socket is read together with others."""

    def read(self) -> bytes:
        """Bytes that have come; none where there are none, or where the socket is at its end."""

    def take(self, data: bytes) -> None:
        """Work on what was read."""


class Sockets:
    """The sockets of one loop that are read together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin without any.

        Args:
            loop: It.

        Raises:
            OSError: The system has no more files.
        """
        self._epoll = select.epoll()
        self._watched: dict[int, Reader] = {}
        loop.add_reader(self._epoll.fileno(), self._look)

    def add(self, number: int, reader: Reader) -> None:
        """Read a socket from now on.

        Args:
            number: Its file descriptor.
            reader: Who reads it.

        Raises:
            OSError: The system cannot watch it.
        """
        self._epoll.register(number, select.EPOLLIN)
        self._watched[number] = reader

    def remove(self, number: int) -> None:
        """Read a socket no more; to be called before it is closed."""
        del self._watched[number]
        self._epoll.unregister(number)

    def close(self) -> None:
        """The loop is closed."""
        self._epoll.close()

    def _look(self) -> None:
        """Read all that has come, then have it worked on."""
        watched, found = self._watched, []
        for number, _ in self._epoll.poll(0):
            reader = watched.get(number)  # the end of one may have closed others
            if reader is not None and (data := reader.read()):
                found.append((reader, data))
        for reader, data in found:
            reader.take(data)
