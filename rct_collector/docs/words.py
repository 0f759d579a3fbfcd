"""What codes and faults of all families mean, for the page.

It is a file that browsers load: the process that serves the page has no use for the drivers, which
would take twice as much memory as all that it knows of the devices.
"""

from __future__ import annotations

import json
from typing import Any

from rct_collector.drivers import BUILTIN, driver
from rct_collector.model import Metric


def for_page() -> str:
    """JSON: family → ``faults`` and ``codes``, see :func:`words`."""
    found = {name: words(name) for name in BUILTIN}
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def words(family: str) -> dict[str, Any]:
    """The words of one family.

    Args:
        family: Name of its driver.

    Returns:
        ``faults``: number → what it means, and ``codes``: metric → code → what it means.
    """
    known = driver(family)
    codes: dict[str, dict[int, str]] = {}
    for feed, place in known.coded():
        metric = feed if isinstance(feed, Metric) else feed.metric
        codes[metric.name] = {**known.texts[place], **codes.get(metric.name, {})}
    return {"faults": dict(known.faults), "codes": codes}
