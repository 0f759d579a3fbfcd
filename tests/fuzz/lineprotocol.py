"""Line protocol read back: the batches of the property test, chosen by coverage.

The bytes are what hypothesis draws a batch from, which is why there are none in the corpus: they
would mean something else with its next version.
"""

from __future__ import annotations

from tests.adapter import test_lineprotocol as laws

_LAWS = (
    laws.test_any_batch_can_be_read_back_by_an_independent_parser,
    laws.test_any_line_is_strict_line_protocol,
)


def check(data):
    for law in _LAWS:
        law.hypothesis.fuzz_one_input(data)
