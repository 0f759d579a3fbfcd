"""What of a simulated line counts as a good answer."""

import pytest

from rct_collector.drivers.rct.frame import RESPONSE, Frame, FrameReader, assemble
from rct_collector.drivers.rct.simulator.faults import Response, Segment
from rct_collector.drivers.rct.simulator.witness import Tracker

OID = 0x2788928C
PAYLOAD = bytes.fromhex("2d3a2b72")
FRAME = assemble(RESPONSE, OID, PAYLOAD)
SPLIT = len(FRAME) - 2
QUIET = b"\0" * 32


def judged(*pieces):
    """Whether each of one answer's pieces, with other bytes between them, became a good frame."""
    told = []
    reply = Response(OID, PAYLOAD, FRAME, 0.0)
    tracker = Tracker(told.append)
    for number, piece in enumerate((*pieces, QUIET)):
        of_reply = piece and piece in FRAME
        tracker.left(Segment(float(number), piece, reply if of_reply else None))
    return [sent.good for sent in told]


@pytest.mark.parametrize(
    ("pieces", "good"),
    [
        ((FRAME,), [True]),
        ((FRAME[:SPLIT], FRAME[SPLIT:]), [True]),
        ((FRAME[:SPLIT],), [False]),
        ((FRAME[:SPLIT], b"\x99", FRAME[SPLIT:]), [False]),
        ((FRAME[:SPLIT], b"-", FRAME[SPLIT:]), [True]),
        ((FRAME[:5], b"-", FRAME[5:]), [True]),
        ((FRAME[:SPLIT], b"+", FRAME[SPLIT:]), [False]),
    ],
)
def test_a_good_answer_is_one_that_a_client_can_read(pieces, good):
    assert judged(*pieces) == good
    read = FrameReader().feed(b"".join((*pieces, QUIET)))
    assert (Frame(RESPONSE, OID, PAYLOAD) in read) is good[0]
