import pytest

from overseen.models import Message, MessageRole, ModelRequest, RouteUnavailable, value_confidence
from overseen.testing import FakeClock, LeftoverAnswers, ScriptedModel, UnexpectedModelCall


def ask(purpose: str = "p", **changes: object) -> ModelRequest:
    return ModelRequest(
        **{  # type: ignore[arg-type]
            "run_id": "r",
            "step_id": "s",
            "agent": "a",
            "purpose": purpose,
            "messages": (Message(role=MessageRole.USER, text="Hello."),),
            "max_tokens": 5,
            "region": "local",
            "schema": {"type": "object"},
            **changes,
        }
    )


async def test_answers_come_in_order() -> None:
    model = ScriptedModel({"p": [{"n": 1}, {"n": 2}]})
    assert [(await model.complete(ask())).data["n"] for _ in range(2)] == [1, 2]
    model.assert_exhausted()


async def test_an_agents_own_answer_goes_first() -> None:
    model = ScriptedModel({"p": [{"n": 1}], "a/p": [{"n": 2}]})
    assert (await model.complete(ask())).data == {"n": 2}


async def test_a_function_answers_as_often_as_asked() -> None:
    model = ScriptedModel({"p": lambda request: {"ordinal": request.ordinal}})
    assert [(await model.complete(ask(ordinal=number))).data["ordinal"] for number in (0, 1)] == [0, 1]
    model.assert_exhausted()


async def test_an_exception_is_raised() -> None:
    with pytest.raises(RouteUnavailable):
        await ScriptedModel({"p": [RouteUnavailable("Down.")]}).complete(ask())


async def test_an_unforeseen_call_fails_at_once_and_at_the_end() -> None:
    model = ScriptedModel({"p": []})
    with pytest.raises(UnexpectedModelCall):
        await model.complete(ask())
    with pytest.raises(UnexpectedModelCall, match="a/p"):
        model.assert_exhausted()


async def test_answers_left_over_fail_at_the_end() -> None:
    with pytest.raises(LeftoverAnswers, match="p"):
        ScriptedModel({"p": [{}]}).assert_exhausted()


async def test_every_value_has_the_given_probability() -> None:
    answer = await ScriptedModel({"p": [{"n": "x"}]}, probability=0.7).complete(ask(logprobs=True))
    assert value_confidence(answer, "n") == pytest.approx(0.7)


async def test_a_fake_clock_waits_without_waiting() -> None:
    clock = FakeClock()
    start = clock.now()
    await clock.sleep(3600)
    assert (clock.now() - start).total_seconds() == 3600
    assert clock.monotonic() == 3600
    assert clock.slept == [3600]
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)
