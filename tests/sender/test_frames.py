"""Jobs and outcomes cross a stream socket whole, however it cuts them."""

from __future__ import annotations

from router.sender import Job, Outcome
from router.sender.frames import Decoder, encode
from tests.sender.conftest import make_job


def test_jobs_arrive_as_they_were_sent():
    jobs = [make_job(1)._replace(receipt={"ts": "1.2"}, facts={"n": None, "é": [1, 2.5, True]}), make_job(2)]

    assert Decoder(Job).feed(encode(jobs)) == jobs


def test_outcomes_arrive_however_the_stream_is_cut():
    outcomes = [Outcome(n, 1, "temporary", "x" * n, 503, 2.5, 1.0, 2.0, None) for n in range(50)]
    stream = encode(outcomes[:20]) + encode(outcomes[20:])
    decoder = Decoder(Outcome)

    arrived = [row for index in range(0, len(stream), 7) for row in decoder.feed(stream[index : index + 7])]

    assert arrived == outcomes


def test_several_frames_in_one_piece_all_arrive():
    decoder = Decoder(Outcome)

    assert len(decoder.feed(encode([Outcome(1, 1, "bug")]) + encode([]) + encode([Outcome(2, 1, "bug")]))) == 2
