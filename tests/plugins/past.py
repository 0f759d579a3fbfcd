"""What a unit remembers, and what it measures meanwhile, as batches of the core."""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.model import Batch, Health, Origin

SECOND = 1_000_000_000
FIVE_MINUTES, DAY = 300, 86400

#: Signals of five minutes; flows of longer times.
SIGNALS = ("pv_a_watts", "load_watts", "battery_watts", "soc_percent")
FLOWS = ("pv_a", "load")

MODEL = "PS 10.0"


def following(path):
    """A command that prints what is put into a file, until its input ends."""
    return ("sh", "-c", 'tail -n +1 -f "$0" & cat > /dev/null; kill $!', str(path))


def remembered(time_s, resolution, values, source):
    """A batch from the memory of a unit: field → value."""
    seconds = {"5m": FIVE_MINUTES, "day": DAY, "month": 30 * DAY, "year": 365 * DAY}[resolution]
    rows = catalog()
    found = tuple(
        (rows.series(f"inverter_history.{field}", resolution=resolution), value)
        for field, value in values.items()
    )
    return Batch(source, "rct", (), time_s * SECOND, found, float(seconds), Origin.HISTORY)


def five_minutes(begin_s, count, source, signals=SIGNALS):
    """Batches of five minutes each, no two values of which are alike, the oldest first."""
    return [
        remembered(
            time_s,
            "5m",
            {
                field: float(
                    time_s // FIVE_MINUTES % 100_000 % (90 if "percent" in field else 10**5)
                )
                + number / 8
                for number, field in enumerate(signals)
            },
            source,
        )
        for time_s in range(begin_s, begin_s + count * FIVE_MINUTES, FIVE_MINUTES)
    ]


def periods(resolution, begins, source, flows=FLOWS):
    """Batches of days, months or years."""
    return [
        remembered(
            begin,
            resolution,
            {f"{flow}_watt_hours": 1000.0 * n + len(flow) for flow in flows},
            source,
        )
        for n, begin in enumerate(begins, start=1)
    ]


def event(time_s, code, source, origin=Origin.HISTORY, **fields):
    """A batch with one event."""
    values = tuple(
        (catalog().series(f"inverter_event.{field}", code=str(code)), value)
        for field, value in {"occurred": 1, **fields}.items()
    )
    return Batch(source, "rct", (), time_s * SECOND, values, 10.0, origin)


def live(time_ns, number, source):
    """A batch of a round."""
    values = (
        (catalog().series("inverter_power.load_watts"), float(number)),
        (catalog().series("inverter.info"), 1),
        (catalog().series("inverter.model"), MODEL),
    )
    return Batch(source, "rct", (), time_ns, values, 10.0, ends_round=True, health=Health(up=True))
