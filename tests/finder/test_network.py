"""Networks are searched politely: those that were named, slowly, and to their end."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.finder.network import (
    CONNECT_S,
    MOST_ADDRESSES,
    CountingOpener,
    addresses,
    parse_network,
    sweep,
)
from rct_collector.option import Invalid
from tests import virtual


@pytest.mark.parametrize(
    ("text", "count", "first"),
    [
        ("192.0.2.0/24", 254, "192.0.2.1"),
        ("192.0.2.17/24", 254, "192.0.2.1"),
        ("192.0.2.10", 1, "192.0.2.10"),
        ("10.1.0.0/22", 1022, "10.1.0.1"),
        ("8.8.8.8", 1, "8.8.8.8"),
        ("fd00::/118", 1023, "fd00::1"),
        ("127.0.0.0/30", 2, "127.0.0.1"),
    ],
)
def test_networks(text, count, first):
    found = addresses([parse_network(text)])
    assert (len(found), found[0]) == (count, first)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.0/21", "so /22 or smaller; 192.0.0.0/21 has 2048"),
        ("10.0.0.0/8", "so /22 or smaller; 10.0.0.0/8 has 16777216"),
        ("0.0.0.0/0", "/22 or smaller"),
        ("fd00::/64", "so /118 or smaller"),
        ("224.0.0.0/24", "no device has an address in 224.0.0.0/24"),
        ("0.0.0.0", "no device has an address"),
        ("8.8.8.0/24", "of your own: 8.8.8.0/24 belongs to the Internet"),
        ("roof", "a network such as 192.0.2.0/24, or an address such as 192.0.2.10, not 'roof'"),
        ("", "such as 192.0.2.0/24"),
        ("192.0.2.0/33", "such as 192.0.2.0/24"),
    ],
)
def test_what_is_not_searched(text, wanted):
    with pytest.raises(Invalid) as caught:
        parse_network(text)
    assert wanted in str(caught.value)


def test_several_networks_are_one_search():
    parsed = [parse_network(text) for text in ("192.0.2.0/30", "192.0.2.2", "192.0.2.9")]
    assert addresses(parsed) == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
    with pytest.raises(Invalid, match=f"of {MOST_ADDRESSES} addresses at most, not 2044 together"):
        addresses([parse_network("10.0.0.0/22"), parse_network("10.1.0.0/22")])


class Visits:
    """Visits that take some time.

    Attributes:
        begun: When each host was visited.
        most: Visits at the same time.
    """

    def __init__(self, seconds):
        self._seconds, self._now = seconds, 0
        self.begun, self.most = {}, 0

    async def __call__(self, host):
        self.begun[host] = asyncio.get_running_loop().time()
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(self._seconds)
        self._now -= 1


@pytest.mark.parametrize(
    ("seconds", "most", "took"),
    [
        (0.0, 1, 10.0),  # as the rate allows
        (0.15, 2, 10.05),
        (2.0, 4, 50.0),  # as those that are waited for allow
    ],
)
def test_so_many_at_a_time_and_so_many_per_second(seconds, most, took):
    hosts = [str(n) for n in range(101)]
    visits = Visits(seconds)

    async def main(loop):
        begun = loop.time()
        seen = [attempt async for attempt in sweep(hosts, visits, at_a_time=4, per_second=10)]
        return seen, loop.time() - begun

    seen, elapsed = virtual.run(main)
    assert list(visits.begun) == hosts
    assert visits.most <= most
    times = sorted(visits.begun.values())
    assert all(b - a >= 0.0999 for a, b in zip(times, times[1:], strict=False))
    assert elapsed == pytest.approx(took, abs=2.1)
    assert seen[-1] == (101, 101)
    assert [attempt.done for attempt in seen] == sorted({attempt.done for attempt in seen})


def test_nothing_goes_on_behind_a_search_that_was_given_up():
    visits = Visits(100.0)

    async def main(loop):
        async def search():
            async for _ in sweep(["a", "b", "c"], visits, at_a_time=2, per_second=10):
                pass

        task = asyncio.ensure_future(search())
        await asyncio.sleep(5.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    assert virtual.run(main) == []
    assert list(visits.begun) == ["a", "b"]


def test_a_defect_of_a_visit_is_not_hidden():
    async def fails(_host):
        raise ValueError("bug")

    async def main(_loop):
        return [attempt async for attempt in sweep(["a"], fails)]

    with pytest.raises(ValueError, match="bug"):
        virtual.run(main)


def test_connections_are_not_waited_for_long():
    waited = []

    async def opener(_address, _receive, _lost, timeout):
        waited.append(timeout)

    async def main(_loop):
        for timeout in (5.0, 0.5):
            await CountingOpener(opener)(None, None, None, timeout)

    virtual.run(main)
    assert waited == [CONNECT_S, 0.5]
