"""Where a device may be: what was found, and which addresses would reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where a device may be.

    Attributes:
        kind: ``usb``, ``serial`` or ``network``.
        node: What is there: a device node of this host, or host and port.
        title: What it calls itself, such as the name of an adapter.
        details: What else is known of it, label → text.
        addresses: Driver → address to write into the configuration.
        trouble: Why it cannot be used, and what to do about it; "" if it can.
        driver: The family that has answered; "" if none has, or none was asked.
        said: What the device has told of itself, label → text.
    """

    kind: str
    node: str
    title: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    trouble: str = ""
    driver: str = ""
    said: Mapping[str, str] = field(default_factory=dict)

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "node": self.node,
            "title": self.title,
            "details": dict(self.details),
            "addresses": dict(self.addresses),
            "trouble": self.trouble or None,
            "driver": self.driver or None,
            "said": dict(self.said),
        }
