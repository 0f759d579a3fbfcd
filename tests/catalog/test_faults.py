"""Words and flags name the same faults."""

from __future__ import annotations

from rct_collector.catalog import catalog
from rct_collector.catalog.faults import FAULT_FLAG, FAULT_WORDS, fault_metrics, fault_numbers
from rct_collector.model import Series


def test_the_bits_of_all_words_are_numbered_on():
    words = [catalog().series(name) for name in FAULT_WORDS]
    assert [n for word in words for n in fault_numbers(word)] == list(range(128))
    assert {word.metric for word in words} < fault_metrics()


def test_a_flag_is_that_of_its_fault_whoever_knows_of_it():
    (metric,) = fault_metrics() - {catalog().series(name).metric for name in FAULT_WORDS}
    assert metric.name == FAULT_FLAG
    for number in (0, 37, 4711):
        assert list(fault_numbers(Series(metric, (("fault", str(number)),)))) == [number]
