"""Addresses for tests."""

from __future__ import annotations

from rct_collector.drivers import driver
from rct_collector.transport import Address, parse_address


def tcp(place: str) -> Address:
    """An address of an inverter in the network; the port may be left out."""
    return parse_address(f"tcp://{place}", driver("rct").ways)
