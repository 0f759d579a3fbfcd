"""Clients that ours is measured beside: what they are worth is known only if they work."""

from __future__ import annotations

import pytest

from tests.bench import faults, outage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("family", "client"), [("rct", "rctclient"), ("voltronic", "mpp-solar")])
def test_a_peer_reads_everything_on_a_good_line(family, client):
    result = faults.measure(family, "none", client, 0.2)
    assert result.rate > 0
    assert result.account.published > 500
    assert result.account.false == []


def test_a_peer_reads_what_the_unit_remembers():
    result = outage.measured([], "rctclient", hours=0.1, down_s=7200, seed=7)
    assert result.restored == result.due > 500
    assert (result.false, result.again) == (0, 0)
