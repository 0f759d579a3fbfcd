"""What is handed over apart from the rounds: texts about the unit on a line of their own."""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.device.consumers import Consumers
from rct_collector.device.polling.plan import Choice
from rct_collector.device.publisher import Publisher
from rct_collector.model import Origin

ROWS = catalog()


def sent(*values):
    batches = []
    consumers = Consumers(Choice(), batches.append)
    publisher = Publisher("roof", "toy", (), 10.0, consumers, now=0.0)
    publisher.send_apart(1000, list(values), Origin.HISTORY)
    return {(series.name, value) for batch in batches for series, value in batch.values}


def test_texts_about_the_unit_are_marked_as_such():
    found = sent((ROWS.series("inverter.serial"), "A1"))
    assert found == {("inverter.serial", "A1"), ("inverter.info", 1)}


def test_texts_of_an_event_stay_with_it_and_say_nothing_about_the_unit():
    text = ROWS.series("inverter_event.text", code="118")
    seconds = ROWS.series("inverter_event.duration_seconds", code="118")
    found = sent((text, "system reset"), (seconds, 20.0))
    assert found == {(text.name, "system reset"), (seconds.name, 20.0)}
