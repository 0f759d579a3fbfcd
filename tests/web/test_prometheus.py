"""The page for Prometheus: right names, types and labels, and only present values."""

import re

from rct_collector.catalog import catalog
from rct_collector.web.prometheus import page
from rct_collector.web.state import DeviceState
from tests.web.test_state import PV, SOC, T0, TOLD, batch

SAMPLE = re.compile(r'[a-z_0-9]+\{([a-z_0-9]+="([^"\\\n]|\\[\\"n])*",?)+\} \S+')


def device(*batches, **more):
    found = DeviceState({**TOLD, **more}, {})
    for one in batches:
        found.take(one, T0)
    return found


def samples(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_names_types_and_labels():
    text = page(
        [
            device(
                batch(
                    T0, **{PV: 1234.5, SOC: 50.0, "inverter_battery{battery=0}.cycles_total": 906}
                )
            )
        ]
    )

    assert samples(text) == [
        'inverter_battery_cycles_total{battery="0",house="1",source="roof",vendor="rct"} 906',
        'inverter_battery_soc_percent{battery="0",house="1",source="roof",vendor="rct"} 50.0',
        'inverter_collector_up{house="1",source="roof",vendor="rct"} 1',
        'inverter_power_pv_watts{house="1",source="roof",vendor="rct"} 1234.5',
    ]
    assert "# TYPE inverter_battery_cycles_total counter\n" in text
    assert "# TYPE inverter_battery_soc_percent gauge\n" in text
    assert "# HELP inverter_power_pv_watts Power of all solar generators together.\n" in text


def test_texts_are_labels_of_one_line():
    values = {"inverter.info": 1, "inverter.model": 'Power "S"', "inverter.serial": "a\\b\nc"}

    (line, _) = samples(page([device(batch(T0, **values))]))[::-1]

    assert line == (
        'inverter_info{house="1",model="Power \\"S\\"",serial="a\\\\b\\nc",'
        'source="roof",vendor="rct"} 1'
    )
    assert SAMPLE.fullmatch(line)


def test_who_is_away_shows_that_and_nothing_else():
    text = page([device(batch(T0, **{PV: 100.0}), batch(T0 + 30, up=False))])

    assert samples(text) == ['inverter_collector_up{house="1",source="roof",vendor="rct"} 0']


def test_units_and_devices_stand_together_under_one_name():
    one = device(batch(T0, unit="7F01", **{PV: 1.0}), batch(T0, unit="7F02", **{PV: 2.0}))
    two = device(batch(T0, **{PV: 3.0}), source="barn")

    text = page([one, two])

    assert text.count("# TYPE inverter_power_pv_watts gauge\n") == 1
    start = text.index("# HELP inverter_power_pv_watts")
    assert samples(text[start:]) == [
        'inverter_power_pv_watts{house="1",source="roof",unit="7F01",vendor="rct"} 1.0',
        'inverter_power_pv_watts{house="1",source="roof",unit="7F02",vendor="rct"} 2.0',
        'inverter_power_pv_watts{house="1",source="barn",vendor="rct"} 3.0',
    ]


def test_a_name_has_one_type():
    """Rows of one name that differ by their tags have one kind."""
    kinds = {}
    for metric in catalog().metrics:
        kinds.setdefault(f"{metric.measurement}_{metric.field}", set()).add(metric.kind)

    assert all(len(found) == 1 for found in kinds.values())
