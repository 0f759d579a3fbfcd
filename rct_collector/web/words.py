"""What codes and faults of a family mean, for the page."""

from __future__ import annotations

from functools import cache
from typing import Any

from rct_collector.drivers import BUILTIN, driver
from rct_collector.model import Metric


@cache
def words(family: str) -> dict[str, Any]:
    """The words of one family.

    Args:
        family: Name of its driver.

    Returns:
        ``title`` of the family, ``faults``: number → what it means, and ``codes``: metric → code →
        what it means. Nothing of a family that this program does not know.
    """
    if family not in BUILTIN:
        return {"title": family, "faults": {}, "codes": {}}
    known = driver(family)
    codes: dict[str, dict[int, str]] = {}
    for feed, place in known.coded():
        metric = feed if isinstance(feed, Metric) else feed.metric
        codes[metric.name] = {**known.texts[place], **codes.get(metric.name, {})}
    return {"title": known.title, "faults": dict(known.faults), "codes": codes}
