"""What is said of the same matter is bounded."""

from rct_collector.device.seldom import Seldom


def test_so_many_are_allowed_within_any_span_of_that_length():
    seldom = Seldom(3, 60.0)
    allowed = [now for now in range(0, 200, 5) if seldom.allows(now)]
    assert allowed == [0, 5, 10, 60, 65, 70, 120, 125, 130, 180, 185, 190]


def test_what_is_refused_does_not_count():
    seldom = Seldom(1, 10.0)
    assert [seldom.allows(now) for now in (0, 9, 10)] == [True, False, True]
