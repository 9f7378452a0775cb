"""What a machine elsewhere sends is counted and cut off, and nothing it says is believed without a look."""

import base64
import json

import pytest

from overseen.tools.sandbox.answers import Answers, hear_answer
from overseen.tools.sandbox.frames import encode_frame
from overseen.tools.sandbox.judgement import Exchange
from overseen.tools.sandbox.port import SandboxProfile

PROFILE = SandboxProfile(wall_seconds=0.2, output_bytes=1000)
HELLO = b"".join(encode_frame({"started": True}, {}))


def line(content: bytes) -> str:
    return f"d{base64.b64encode(content).decode()}\n"


async def heard(*pieces: str) -> tuple[Answers, Exchange]:
    answers, exchange = Answers(PROFILE.output_bytes), Exchange()
    for piece in pieces:
        answers.hear(piece)
    answers.finish()
    await hear_answer(answers.frames, PROFILE, exchange, 0.2)
    return answers, exchange


async def test_an_answer_in_pieces_is_put_together() -> None:
    frame = b"".join(encode_frame({"value": 7}, {"a.txt": b"text"}))
    whole = line(HELLO) + line(frame[:5]) + line(frame[5:])
    answers, exchange = await heard(*(whole[start : start + 3] for start in range(0, len(whole), 3)))
    assert exchange.header == {"value": 7}
    assert exchange.files == {"a.txt": b"text"}
    assert not answers.too_much.is_set()


async def test_how_it_ended_is_told() -> None:
    told = {"status": 256, "cpu_seconds": 1.5, "largest_resident_bytes": 10}
    answers, _ = await heard(line(HELLO), f"e{json.dumps(told)}\n", line(b"after the end"))
    assert answers.ended is not None
    assert (answers.ended.status, answers.ended.cpu_seconds) == (256, 1.5)


@pytest.mark.parametrize("text", ["dnot base64!\n", "e{}\n", "enull\n", 'e{"status": "x"}\n', "d" + "A" * 300_000])
async def test_what_cannot_be_understood_ends_the_job(text: str) -> None:
    answers, exchange = await heard(text)
    assert answers.too_much.is_set()
    assert answers.ended is None
    assert exchange.header is None


async def test_more_than_the_profile_allows_is_not_kept() -> None:
    answers, _ = await heard(*(line(b"x" * 1000) for _ in range(200)))
    assert answers.too_much.is_set()


async def test_of_what_is_printed_the_end_is_kept_and_too_much_is_noticed() -> None:
    answers = Answers(5000)
    answers.overhear("a" * 4000 + "the end")
    assert answers.log_tail.endswith("the end")
    assert not answers.log_overflowed
    answers.overhear("b" * 2000)
    assert answers.log_overflowed
    assert len(answers.log_tail) <= 4096


async def test_silence_is_no_time_out_of_the_tool() -> None:
    _, exchange = await heard()
    assert not exchange.started
    assert not exchange.timed_out
