"""Looks for devices in a network: so many connections at a time and per second, and no more.

Only networks that the user has named are searched, and only small ones that are not the Internet's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rct_collector.errors import TransportError
from rct_collector.option import Invalid, shown
from rct_collector.transport import Address, Line, Opener
from rct_collector.transport.base import Lost, Receive

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Addresses that are asked at most: four times what a router of a home gives out.
MOST_ADDRESSES = 1024

#: Connections that are tried at the same time, and that are begun per second.
MOST_AT_A_TIME, PER_SECOND = 16, 24.0

#: Seconds that a connection may take in a local network.
CONNECT_S = 1.5


def parse_network(text: str) -> Network:
    """``192.0.2.0/24`` → a network; an address alone is one, too.

    Raises:
        Invalid: It is none, or none that may be searched; with what would be right.
    """
    right = "a network such as 192.0.2.0/24, or an address such as 192.0.2.10"
    try:
        # Whoever writes the own address with the mask means the network that it is in.
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid(f"{right}, not {shown(text)}") from None
    if network.num_addresses > MOST_ADDRESSES:
        bits = network.max_prefixlen - MOST_ADDRESSES.bit_length() + 1
        raise Invalid(
            f"{right} of {MOST_ADDRESSES} addresses at most, so /{bits} or smaller;"
            f" {network} has {network.num_addresses}"
        )
    if network.is_multicast or network.is_unspecified:
        raise Invalid(f"{right}; no device has an address in {network}")
    if network.is_global and network.num_addresses > 1:
        raise Invalid(f"{right}, of your own: {network} belongs to the Internet")
    return network


def addresses(networks: Iterable[Network]) -> list[str]:
    """All addresses of hosts, each once.

    Raises:
        Invalid: There are too many.
    """
    found = list(dict.fromkeys(str(host) for network in networks for host in network.hosts()))
    if len(found) > MOST_ADDRESSES:
        raise Invalid(f"networks of {MOST_ADDRESSES} addresses at most, not {len(found)} together")
    return found


class Attempt(NamedTuple):
    """How far an attempt has come.

    Attributes:
        done: Addresses that have been asked.
        all: Addresses that there are.
    """

    done: int
    all: int


@dataclass(slots=True)
class CountingOpener:
    """An opener that does not wait for long, and counts what it meets.

    Attributes:
        opener: The transports.
        failures: Kind of a failure, see :class:`~rct_collector.errors.TransportError` → times.
    """

    opener: Opener
    failures: Counter[str] = field(default_factory=Counter)

    async def __call__(
        self, address: Address, receive: Receive, lost: Lost, timeout: float
    ) -> Line:
        """Open a line; see :meth:`rct_collector.transport.base.Transport.open_line`."""
        try:
            return await self.opener(address, receive, lost, min(timeout, CONNECT_S))
        except TransportError as error:
            self.failures[error.kind] += 1
            raise


async def sweep(
    hosts: list[str],
    visit: Callable[[str], Awaitable[None]],
    *,
    at_a_time: int = MOST_AT_A_TIME,
    per_second: float = PER_SECOND,
) -> AsyncIterator[Attempt]:
    """Visit hosts, some at a time and some per second.

    Args:
        hosts: In order.
        visit: Asks one.
        at_a_time: Visits that go on at the same time.
        per_second: Visits that are begun per second.

    Yields:
        How far it has come, whenever some have been visited.
    """
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()
    done, at = 0, loop.time()
    waiting = iter(hosts)
    host = next(waiting, None)
    try:
        while host is not None or running:
            now = loop.time()
            if host is not None and len(running) < at_a_time and now >= at:
                running.add(asyncio.ensure_future(visit(host)))
                host, at = next(waiting, None), now + 1 / per_second
                continue
            may_begin = host is not None and len(running) < at_a_time
            if not running:
                await asyncio.sleep(at - now)
                continue
            over, running = await asyncio.wait(
                running,
                timeout=at - now if may_begin else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in over:
                task.result()
            done += len(over)
            if over:
                yield Attempt(done, len(hosts))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
