"""The gateway's stack of wrappers on a real store."""

import asyncio
from decimal import Decimal

import pytest
from sqlalchemy import select

from overseen.journal import Journal
from overseen.models import (
    BudgetExceeded,
    ImageInput,
    Message,
    MessageRole,
    NoRoute,
    RequestRejected,
    RouteProfile,
    RouteUnavailable,
    SchemaViolation,
)
from overseen.store import Database, PostgresBlobStore
from overseen.store.tables import Account, ModelCallRecord, Run, Task
from overseen.testing import FakeClock, ScriptedModel
from tests.contract.models.conftest import BuildGateway, ask

GOOD = {"kind": "car", "amount": "642.50"}
DEAR = RouteProfile(
    name="dear",
    model="dear-1",
    regions=frozenset({"local"}),
    input_usd_per_million=Decimal(1_000_000),
    output_usd_per_million=Decimal(1_000_000),
)


async def kinds(journal: Journal) -> list[str]:
    return [entry.kind for entry in await journal.entries("run_1")]


@pytest.fixture
async def run(database: Database) -> str:
    async with database.transaction() as session:
        session.add(Account(account_id="account_1", name="jane", display_name="Jane", roles=["requester"]))
        await session.flush()
        session.add(
            Task(
                task_id="task_1",
                playbook="claims",
                requester_id="account_1",
                region="local",
                title_blob="0" * 64,
                form_token="t",
            )
        )
        await session.flush()
        session.add(
            Run(
                run_id="run_1",
                task_id="task_1",
                playbook="claims",
                playbook_digest="0",
                region="local",
                state="running",
            )
        )
    return "run_1"


async def test_an_answer_is_parsed_recorded_and_counted_for_its_run(
    gateway_for: BuildGateway, database: Database, journal: Journal, run: str
) -> None:
    answer = await gateway_for(ScriptedModel({"extract": [GOOD]})).complete(ask())
    assert answer.data == GOOD
    entry = (await journal.entries(run))[0]
    assert (entry.kind, entry.actor) == ("ModelCalled", "agent:extractor")
    assert entry.payload["prompt_version"] == "0123456789ab"
    assert entry.payload["model_call_id"] == answer.model_call_id
    async with database.read() as session:
        row = await session.get_one(Run, run)
        assert (row.input_tokens, row.output_tokens) == (answer.input_tokens, answer.output_tokens)
        assert (await session.scalars(select(ModelCallRecord.purpose))).all() == ["extract"]


async def test_the_journal_holds_no_word_of_prompt_or_answer(
    gateway_for: BuildGateway, journal: Journal, blobs: PostgresBlobStore
) -> None:
    await gateway_for(ScriptedModel({"extract": [GOOD]})).complete(ask())
    payload = (await journal.entries("run_1"))[0].payload
    assert "642.50" not in str(payload)
    assert "A letter." not in str(payload)
    assert b"A letter." in await blobs.get(payload["request_blob"])
    assert b"642.50" in await blobs.get(payload["answer_blob"])


async def test_the_same_request_is_answered_from_the_record(gateway_for: BuildGateway, journal: Journal) -> None:
    model = ScriptedModel({"extract": [GOOD]}, probability=0.5)
    first = await gateway_for(model).complete(ask(logprobs=True))
    again = await gateway_for(model).complete(ask(logprobs=True))
    assert again.replayed
    assert not first.replayed
    assert (again.data, again.tokens, again.cost_usd, again.model_call_id) == (
        first.data,
        first.tokens,
        first.cost_usd,
        first.model_call_id,
    )
    assert len(model.requests) == 1
    assert await kinds(journal) == ["ModelCalled"]


async def test_another_ordinal_or_another_text_is_another_request(gateway_for: BuildGateway) -> None:
    model = ScriptedModel({"extract": lambda _: GOOD})
    gateway = gateway_for(model)
    await gateway.complete(ask())
    await gateway.complete(ask(ordinal=1))
    await gateway.complete(ask(messages=(Message(role=MessageRole.SYSTEM, text="Other."),)))
    assert len(model.requests) == 3


async def test_two_workers_with_the_same_request_get_the_same_answer(
    gateway_for: BuildGateway, database: Database, run: str
) -> None:
    one, two = ScriptedModel({"extract": [GOOD]}), ScriptedModel({"extract": [{"kind": "home", "amount": "1"}]})
    answers = await asyncio.gather(gateway_for(one).complete(ask()), gateway_for(two).complete(ask()))
    assert answers[0].data == answers[1].data
    async with database.read() as session:
        assert (await session.get_one(Run, run)).output_tokens == answers[0].output_tokens


async def test_a_wrong_answer_is_asked_for_once_more_with_what_is_wrong(
    gateway_for: BuildGateway, journal: Journal, database: Database, run: str
) -> None:
    model = ScriptedModel({"extract": [{"kind": "boat", "amount": "1"}, GOOD]})
    answer = await gateway_for(model).complete(ask())
    assert answer.data == GOOD
    assert model.requests[1].messages[-2].role is MessageRole.ASSISTANT
    assert "`enum` at kind" in model.requests[1].messages[-1].text
    assert await kinds(journal) == ["ModelFailed", "ModelCalled"]
    async with database.read() as session:
        assert (await session.get_one(Run, run)).output_tokens > answer.output_tokens


async def test_a_second_wrong_answer_is_a_failure_that_quotes_nothing(
    gateway_for: BuildGateway, journal: Journal
) -> None:
    model = ScriptedModel({"extract": ["not json", '{"kind": "Jane Miller"}']})
    with pytest.raises(SchemaViolation) as caught:
        await gateway_for(model).complete(ask())
    assert "Jane" not in str(caught.value)
    entries = await journal.entries("run_1")
    assert [(entry.kind, entry.payload["will_retry"]) for entry in entries] == [
        ("ModelFailed", True),
        ("ModelFailed", False),
    ]
    assert "Jane" not in str([entry.payload for entry in entries])


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "car", "amount": "1", "amount": "9999"}',
        '{"kind": "car", "amount": "half \\ud83d"}',
        '{"kind": "car", "amount": "a\\u0000b"}',
        '{"kind": "car", "amount": NaN}',
        '{"kind": "car", "amount": "1", "size": ' + "9" * 5000 + "}",
        "[" * 100_000,
    ],
    ids=["repeated key", "half an emoji", "NUL", "NaN", "huge integer", "deep"],
)
async def test_json_that_readers_take_differently_is_of_no_schema(
    gateway_for: BuildGateway, journal: Journal, text: str
) -> None:
    model = ScriptedModel({"extract": [text, text]})
    with pytest.raises(SchemaViolation):
        await gateway_for(model).complete(ask())
    assert await kinds(journal) == ["ModelFailed", "ModelFailed"]


async def test_an_unavailable_route_is_tried_again_after_growing_waits(
    gateway_for: BuildGateway, journal: Journal, clock: FakeClock
) -> None:
    down = RouteUnavailable("The server is down.", route="scripted")
    answer = await gateway_for(ScriptedModel({"extract": [down, down, GOOD]})).complete(ask())
    assert answer.data == GOOD
    assert len(clock.slept) == 2
    assert clock.slept[0] <= 0.5 < clock.slept[1] * 2
    assert await kinds(journal) == ["ModelFailed", "ModelFailed", "ModelCalled"]


async def test_a_route_that_stays_down_is_given_up_after_four_tries(
    gateway_for: BuildGateway, journal: Journal
) -> None:
    model = ScriptedModel({"extract": lambda _: RouteUnavailable("The server is down.", route="scripted")})
    with pytest.raises(RouteUnavailable):
        await gateway_for(model).complete(ask())
    assert len(model.requests) == 4
    assert [entry.payload["will_retry"] for entry in await journal.entries("run_1")] == [True, True, True, False]


async def test_an_outage_is_not_multiplied_by_retries(gateway_for: BuildGateway) -> None:
    model = ScriptedModel({"extract": lambda _: RouteUnavailable("The server is down.", route="scripted")})
    gateway = gateway_for(model)
    for ordinal in range(20):
        with pytest.raises(RouteUnavailable):
            await gateway.complete(ask(ordinal=ordinal))
    assert len(model.requests) < 20 * 2


async def test_what_a_retry_would_not_mend_is_not_tried_again(gateway_for: BuildGateway, journal: Journal) -> None:
    model = ScriptedModel({"extract": [RequestRejected("Too long.", route="scripted")]})
    with pytest.raises(RequestRejected):
        await gateway_for(model).complete(ask())
    assert await kinds(journal) == ["ModelFailed"]


async def test_the_next_try_goes_to_the_other_route(gateway_for: BuildGateway) -> None:
    first = ScriptedModel({"extract": [RouteUnavailable("Down.", route="one")]}, name="one")
    second = ScriptedModel({"extract": [GOOD, GOOD]}, name="two")
    gateway = gateway_for(first, second)
    assert (await gateway.complete(ask())).route == "two"
    assert (await gateway.complete(ask(ordinal=1))).route == "two"


async def test_a_request_of_a_region_never_leaves_it(gateway_for: BuildGateway, journal: Journal) -> None:
    abroad = ScriptedModel({}, regions=frozenset({"us"}))
    with pytest.raises(NoRoute):
        await gateway_for(abroad).complete(ask(region="eu"))
    assert abroad.requests == []
    assert await kinds(journal) == ["ModelFailed"]


async def test_images_only_go_to_a_route_that_can_see(gateway_for: BuildGateway) -> None:
    blind = ScriptedModel({}, name="blind")
    seeing = ScriptedModel({"extract": [GOOD]}, name="seeing", vision=True)
    image = Message(role=MessageRole.USER, text="Look.", images=(ImageInput(blob="a" * 64, media_type="image/png"),))
    assert (await gateway_for(blind, seeing).complete(ask(messages=(image,)))).route == "seeing"


async def test_a_request_that_could_pass_the_token_budget_is_not_sent(gateway_for: BuildGateway, run: str) -> None:
    model = ScriptedModel({"extract": [GOOD]})
    with pytest.raises(BudgetExceeded):
        await gateway_for(model, tokens=100).complete(ask(max_tokens=100))
    assert model.requests == []


async def test_money_is_reserved_at_the_dearest_price(gateway_for: BuildGateway, run: str) -> None:
    model = ScriptedModel({"extract": [GOOD]}, profile=DEAR)
    with pytest.raises(BudgetExceeded):
        await gateway_for(model, cost_usd="99").complete(ask(max_tokens=100))
    assert model.requests == []


async def test_parallel_steps_cannot_both_take_the_last_of_the_budget(gateway_for: BuildGateway, run: str) -> None:
    others_were_refused = asyncio.Event()

    async def slow(_: object) -> dict[str, str]:
        await others_were_refused.wait()
        return GOOD

    gateway = gateway_for(ScriptedModel({"extract": slow}), tokens=200)
    steps = [asyncio.create_task(gateway.complete(ask(ordinal=number, max_tokens=100))) for number in range(3)]
    for finished, step in enumerate(asyncio.as_completed(steps, timeout=20)):
        if finished == 2:
            assert (await step).data == GOOD
            return
        with pytest.raises(BudgetExceeded):
            await step
        if finished == 1:
            others_were_refused.set()


async def test_a_replay_costs_no_budget(gateway_for: BuildGateway, run: str) -> None:
    await gateway_for(ScriptedModel({"extract": [GOOD]})).complete(ask())
    assert (await gateway_for(ScriptedModel({}), tokens=0).complete(ask())).replayed


async def test_a_route_takes_no_more_at_once_than_its_concurrency(gateway_for: BuildGateway) -> None:
    busy, most = 0, 0

    async def count(_: object) -> dict[str, str]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return GOOD

    profile = RouteProfile(name="narrow", model="m", regions=frozenset({"local"}), concurrency=2)
    gateway = gateway_for(ScriptedModel({"extract": count}, profile=profile))
    await asyncio.gather(*(gateway.complete(ask(ordinal=ordinal)) for ordinal in range(6)))
    assert most == 2
