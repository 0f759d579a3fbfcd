"""The rules: one row, one rule; whatever was measured, the advice is sound."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.config import Config, Intervals
from rct_collector.doctor import steps
from rct_collector.doctor.contact import CONTACT
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.doctor.figures import Figures, Pace, PaceFigures, Trouble, quantile, surely_more
from rct_collector.doctor.findings import Severity
from rct_collector.doctor.recommendation import changes, snippet
from rct_collector.doctor.rules import RULES
from rct_collector.doctor.surroundings import SURROUNDINGS
from rct_collector.doctor.talk import TALK
from rct_collector.drivers.rct.options import RctRequests
from rct_collector.drivers.tools import Quirk
from rct_collector.model import PollClass
from tests.doctor.cases import device

TABLE = (*CONTACT, *TALK, *RULES, *SURROUNDINGS)
TOPICS = {rule.key: rule.topic for rule in TABLE}
QUERIES = {PollClass.FAST: 33, PollClass.MEDIUM: 61, PollClass.SLOW: 87, PollClass.STATIC: 71}


def measured(*losses, wait=0.05, requests=50, late=0.0):
    """Figures of the paces, slowest first, that lose such shares."""
    paces = []
    for pace, loss in zip(steps.PACES, losses, strict=True):
        lost, overdue = round(loss * requests), round(late * requests)
        paces.append(
            PaceFigures(
                pace=pace,
                latencies=(wait,) * (requests - lost - overdue),
                late=(2.5,) * overdue,
                missing=lost,
            )
        )
    answers = sum(len(pace.latencies) + len(pace.late) for pace in paces)
    return Figures(seconds=60.0, requests=200, answers=answers, paces=tuple(paces), queries=QUERIES)


def keys(figures, config=None):
    return [found.key for found in diagnose(figures, config or device()).findings]


# -- the table ---------------------------------------------------------------------------------


def test_every_rule_has_a_name_of_its_own():
    assert len(TOPICS) == len(TABLE)


def test_nothing_is_found_where_nothing_is_wrong():
    assert keys(measured(0, 0, 0, 0)) == []


@pytest.mark.parametrize(
    ("losses", "expected", "pace"),
    [
        ((0, 0, 0, 0.3), ["haste"], Pace(0.1, 2)),
        ((0, 0, 0.3, 0.3), ["haste"], Pace(0.2, 1)),
        ((0, 0.3, 0.3, 0.3), ["haste"], Pace(0.5, 1)),
        ((0.3, 0.3, 0.3, 0.3), ["loss"], Pace(0.06, 4)),
        ((0.06, 0.08, 0.06, 0.08), ["loss-some"], Pace(0.06, 4)),
        ((0.02, 0, 0.04, 0.06), [], Pace(0.06, 4)),
        ((0.2, 0.2, 0.2, 0.7), ["haste", "loss"], Pace(0.1, 2)),
    ],
)
def test_loss_is_put_down_to_haste_only_where_a_slower_pace_loses_less(losses, expected, pace):
    diagnosis = diagnose(measured(*losses), device())
    found = [finding.key for finding in diagnosis.findings if finding.key != "load"]
    if losses == (0, 0, 0.3, 0.1):
        assert diagnosis.severity is Severity.WARNING
    assert found == expected
    assert (diagnosis.recommendation.requests.gap, diagnosis.recommendation.requests.window) == pace


def test_a_little_more_loss_at_the_quickest_pace_is_no_problem_yet():
    diagnosis = diagnose(measured(0, 0, 0, 0.09, requests=100), device())
    assert [finding.key for finding in diagnosis.findings] == ["haste-some"]
    assert diagnosis.severity is Severity.WARNING
    assert diagnosis.recommendation.requests.gap == 0.1


def test_too_few_requests_say_nothing_about_a_pace():
    figures = measured(0, 0, 0, 0.5, requests=4)
    assert keys(figures) == ["loss", "few"]
    assert diagnose(figures, device()).recommendation.requests.gap == 0.06
    assert keys(measured(0, 0, 0, 0.5, requests=2)) == ["few"]


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (None, []), (0.0, []), (59.0, []), (61.0, ["clock"]), (-400.0, ["clock"]),
        (3600.0, ["timezone"]), (-7230.0, ["timezone"]), (900.0, ["clock"]),
        (20700.0, ["timezone"]), (5000.0, ["clock"]), (-1.7e9, ["clock"]),
    ],
)  # fmt: skip
def test_clocks(drift, expected):
    assert keys(replace(measured(0, 0, 0, 0), drift=drift)) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"answer": 2}, []),
        ({"answer": 5}, ["shared"]),
        ({"the vendor's app": 1}, ["shared"]),
        ({"answer": 90}, ["shared-much"]),
        ({"the vendor's service": 1}, ["portal"]),
        ({"plant": 60}, ["plant"]),
        ({"write": 1}, ["plant"]),
        ({"echo": 1}, ["echo"]),
    ],
)
def test_others(others, expected):
    assert keys(replace(measured(0, 0, 0, 0), others=others)) == expected


def test_damage():
    well = measured(0, 0, 0, 0)
    assert keys(replace(well, damaged={"crc": 2})) == []
    assert keys(replace(well, damaged={"noise": 200})) == []
    assert keys(replace(well, damaged={"crc": 3, "length": 9})) == ["damage"]


def test_what_is_not_known_of_the_unit_is_told():
    told = replace(measured(0, 0, 0, 0), undecided=("x is not answered",), complete=True)
    assert keys(told) == ["undecided"]


def test_what_is_not_answered_on_a_bad_line_may_be_there():
    unanswered = replace(measured(0, 0, 0, 0), unanswered=("x",), complete=True)
    assert keys(unanswered) == ["objects"]
    assert keys(replace(unanswered, complete=False)) == ["objects-lost"]
    lossy = replace(measured(0.3, 0.3, 0.3, 0.3), unanswered=("x",), complete=True)
    assert "objects-lost" in keys(lossy)


def test_the_worst_comes_first():
    figures = replace(measured(0, 0, 0, 0.3), drift=3600.0, others={"echo": 1}, hangups=2)
    severities = [f.severity for f in diagnose(figures, device()).findings]
    assert severities == sorted(severities, reverse=True)


# -- recommendation ----------------------------------------------------------------------------


def test_what_the_user_has_set_stays_where_nothing_was_measured():
    config = device(requests=RctRequests(gap=0.3, per_second=2.0), intervals=Intervals(fast=30.0))
    found = diagnose(Figures(), config).recommendation
    assert (found.requests, found.intervals) == (config.requests, config.intervals)
    assert changes(found, config) == []


def test_changes_are_told_one_by_one():
    config = device(requests=RctRequests(gap=0.01, per_second=20.0, timeout=0.5))
    found = diagnose(measured(0, 0, 0, 0), config).recommendation
    assert changes(found, config) == [
        "requests.per_second: 20 → 5",
        "requests.gap: 10ms → 60ms",
        "requests.timeout: 500ms → 2s",
    ]


def test_the_snippet_is_a_configuration(tmp_path):
    config = device(intervals=Intervals(fast=15.0, medium=90.0, slow=450.0))
    path = tmp_path / "config.yaml"
    path.write_text(snippet(diagnose(measured(0, 0, 0.3, 0.3), config).recommendation, config))
    (found,) = Config.load(path).devices
    assert found.requests == RctRequests(gap=0.2, window=1)
    assert found.intervals == config.intervals


def test_the_median_of_nothing_is_nothing():
    assert quantile((), 0.5) == 0.0
    assert quantile((1.0, 2.0, 3.0), 0.5) == 2.0
    assert quantile((1.0, 2.0, 3.0), 0.95) == 3.0


@given(st.integers(1, 500), st.integers(1, 500))
def test_no_two_equal_losses_differ(one, other):
    def all_lost(n):
        return PaceFigures(pace=Pace(1, 1), missing=n)

    assert not surely_more(all_lost(one), all_lost(other))


# -- any figures -------------------------------------------------------------------------------

_SECONDS = st.floats(0.001, 10.0)


@st.composite
def pace_figures(draw, pace):
    return PaceFigures(
        pace=pace,
        latencies=tuple(draw(st.lists(_SECONDS, max_size=4))) * draw(st.integers(0, 15)),
        late=tuple(draw(st.lists(_SECONDS, max_size=2))) * draw(st.integers(0, 9)),
        missing=draw(st.integers(0, 40)),
        spoiled=draw(st.integers(0, 10)),
    )


_WHO = ["answer", "plant", "write", "echo", "the vendor's app", "the vendor's service"]
_DAMAGE = ["crc", "length", "command", "decode", "noise"]
_KINDS = ["busy", "name", "refused", "timeout", "unreachable", "other", "closed"]


@st.composite
def any_figures(draw):
    paces = tuple(draw(pace_figures(pace)) for pace in steps.PACES)
    answers = sum(len(pace.latencies) + len(pace.late) for pace in paces)
    trouble = draw(st.none() | st.builds(Trouble, st.sampled_from(_KINDS), st.text(max_size=9)))
    return Figures(
        seconds=draw(st.floats(0, 1800)),
        requests=sum(pace.requests for pace in paces),
        answers=answers,
        trouble=trouble if not answers else None,
        silent=not answers and draw(st.booleans()),
        paces=paces,
        others=Counter(draw(st.dictionaries(st.sampled_from(_WHO), st.integers(0, 9999)))),
        damaged=Counter(draw(st.dictionaries(st.sampled_from(_DAMAGE), st.integers(0, 9999)))),
        received=draw(st.integers(0, 10**6)),
        hangups=draw(st.integers(0, 5)),
        drift=draw(st.none() | st.floats(-4e9, 4e9)),
        quirks=tuple([Quirk("a", "b", "c")] * draw(st.integers(0, 1))),
        unanswered=tuple(draw(st.lists(st.sampled_from("xyz"), max_size=2))),
        queries={poll: draw(st.integers(0, most)) for poll, most in _MOST.items()},
        complete=draw(st.booleans()),
    )


_MOST = {PollClass.FAST: 60, PollClass.MEDIUM: 150, PollClass.SLOW: 200, PollClass.STATIC: 200}


@st.composite
def any_device(draw):
    return device(
        requests=RctRequests(
            per_second=draw(st.sampled_from([0.5, 2.0, 5.0, 20.0])),
            gap=draw(st.sampled_from([0.01, 0.06, 0.3])),
            window=draw(st.integers(1, 4)),
            timeout=draw(st.sampled_from([0.5, 2.0, 8.0])),
        ),
        intervals=Intervals(
            fast=draw(st.sampled_from([1.0, 10.0, 60.0])),
            medium=draw(st.sampled_from([10.0, 60.0])),
        ),
    )


@pytest.mark.slow
@given(any_figures(), any_device())
def test_whatever_was_measured_the_settings_are_within_limits(figures, config):
    found = diagnose(figures, config).recommendation
    requests, intervals = found.requests, found.intervals
    if not figures.good:
        assert (requests, intervals) == (config.requests, config.intervals)
        return
    assert (requests.gap, requests.window) in steps.PACES
    assert 0 < requests.per_second <= min(5.0, config.requests.per_second)
    assert 2.0 <= requests.timeout <= 10.0
    assert config.intervals.fast <= intervals.fast <= 60 * config.intervals.fast
    assert intervals.fast <= intervals.medium or config.intervals.fast > config.intervals.medium
    if found.fits:
        asked = sum(count / intervals.seconds(poll) for poll, count in figures.queries.items())
        assert asked <= requests.per_second
        assert figures.queries[PollClass.FAST] * requests.gap <= intervals.fast


@pytest.mark.slow
@given(any_figures(), any_device())
def test_whatever_was_measured_the_advice_does_not_contradict_itself(figures, config):
    diagnosis = diagnose(figures, config)
    found = {finding.key for finding in diagnosis.findings}
    topics = [TOPICS[key] for key in found if key in TOPICS]
    assert len(set(topics)) == len(topics), "one word per topic"

    requests = diagnosis.recommendation.requests
    hasty = bool({"haste", "haste-some"} & found)
    if figures.judged:
        slower = requests.gap > figures.judged[-1].pace.gap
        assert hasty == slower, "slower settings if and only if that is what was found"
    assert not (found & {key for key, topic in TOPICS.items() if topic == "contact"}) or not (
        figures.answers
    ), "a unit that answers is not silent"
    if not figures.answers and (figures.trouble or figures.silent):
        assert diagnosis.severity is Severity.PROBLEM
    assert ("load" in found) == (diagnosis.recommendation.stretch > 1)
    for finding in diagnosis.findings:
        assert finding.title
        assert finding.meaning
        assert finding.advice
        assert "{" not in finding.meaning + finding.advice
        for name in ("gap", "timeout"):
            if f"requests.{name} to" in finding.advice:
                shown = yaml.safe_load(snippet(diagnosis.recommendation, config))
                value = shown["devices"][0]["requests"][name]
                assert f"requests.{name} to {value}" in finding.advice


@pytest.mark.slow
@given(any_figures(), any_device())
def test_whatever_was_measured_the_snippet_can_be_loaded(tmp_path_factory, figures, config):
    path = tmp_path_factory.getbasetemp() / "snippet.yaml"
    found = diagnose(figures, config).recommendation
    path.write_text(snippet(found, config))
    (found,) = Config.load(path).devices
    assert found.requests == found.requests
    assert found.intervals == found.intervals
