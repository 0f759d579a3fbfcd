"""A module for collectd: puts what a unit remembers among what the collector brings.

Configuration: the device, and the Unix seconds at which its memory begins::

    Import "tests.plugins.collectd.feeding"
    <Module "tests.plugins.collectd.feeding">
      Feed "roof" "1782036000"
    </Module>
"""

from __future__ import annotations

import contextlib
import json

from rct_collector.adapter.background import Background
from rct_collector.model import Origin
from tests.plugins.past import DAY, FIVE_MINUTES, event, five_minutes, periods

with contextlib.suppress(ImportError):  # which it is in the tests themselves
    import collectd

#: What an event of now says.
TEXT = "parameter changed: p_buf from 1 to 2"

_waiting = []


def past(device, begin_s):
    """A day of five minutes, two days, and events, the oldest first as collectd needs them."""
    return [
        *periods("day", (begin_s - DAY, begin_s), device),
        *five_minutes(begin_s, DAY // FIVE_MINUTES, device),
        event(begin_s + 40, 25, device, text="insulation", duration_seconds=90.0),
    ]


def present(device, begin_s):
    """Events of now."""
    fields = {"text": TEXT, "object": "p_buf", "old": "1", "new": "2"}
    return [event(begin_s + DAY, 115, device, Origin.LIVE, **fields)]


def _configured(node):
    for child in node.children:
        device, begin = child.values
        _waiting.extend((*past(device, int(begin)), *present(device, int(begin))))


def _take(self, take=Background.take):
    yield from take(self)
    while _waiting:
        yield _waiting.pop(0)


def _notified(notification):
    """What the log leaves out."""
    collectd.info(f"meta {notification.type_instance}: {json.dumps(notification.meta)}")


def _main():
    Background.take = _take
    collectd.register_config(_configured)
    collectd.register_notification(_notified)


if "collectd" in globals():
    _main()
