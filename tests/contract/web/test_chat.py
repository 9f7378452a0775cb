"""The chat of a task: what a message is taken for, and what an answer rests on."""

from httpx2 import AsyncClient
from sqlalchemy import select

from overseen.api.services import Services
from overseen.domain.outcomes import RunState
from overseen.journal import events
from overseen.store.tables import Message, Run
from tests.contract.web.conftest import Door
from tests.web_scenario import House


async def asked_task(services: Services, house: House) -> str:
    async with services.database.read() as session:
        found = await session.scalar(select(Run.task_id).where(Run.state == RunState.WAITING_REQUESTER))
    assert found is not None
    return found


async def send(browser: AsyncClient, task_id: str, **fields: str) -> None:
    parts = [(name.rstrip("_"), (None, value)) for name, value in fields.items()]
    answer = await browser.post(f"/tasks/{task_id}/messages", files=parts)
    assert answer.status_code == 303


async def last_message(services: Services, task_id: str) -> str:
    async with services.database.read() as session:
        query = select(Message.kind).where(Message.task_id == task_id).order_by(Message.created_at.desc()).limit(1)
        return str(await session.scalar(query))


async def test_two_buttons_say_what_a_message_is(door: Door, services: Services, house: House) -> None:
    task_id = await asked_task(services, house)
    rosa = await door.browser("rosa")
    page = (await rosa.get(f"/tasks/{task_id}")).text
    assert "Ask a question" in page
    assert "Send as answer" in page
    await send(rosa, task_id, text="The invoice, please say which.", as_="question")
    assert await last_message(services, task_id) == "question"
    assert (await services.tasks.task(task_id)).run.state is RunState.WAITING_REQUESTER  # type: ignore[union-attr]
    await send(rosa, task_id, text="Which? This one?", as_="answer")
    assert await last_message(services, task_id) == "text"
    assert (await services.tasks.task(task_id)).run.state is RunState.QUEUED  # type: ignore[union-attr]


async def test_what_nobody_said_is_guessed_and_can_be_set_right(door: Door, services: Services, house: House) -> None:
    task_id = await asked_task(services, house)
    rosa = await door.browser("rosa")
    await send(rosa, task_id, text="How long will it take")
    assert await last_message(services, task_id) == "question"
    page = (await rosa.get(f"/tasks/{task_id}")).text
    assert "Taken as a question; the task still waits for you." in page
    assert "Send it as my answer" in page
    await send(rosa, task_id, text="The window cost 310.00.")
    assert await last_message(services, task_id) == "text"


async def test_a_file_is_always_an_answer(door: Door, services: Services, house: House) -> None:
    task_id = await asked_task(services, house)
    rosa = await door.browser("rosa")
    files = [("attachments", ("invoice.txt", b"Window 310.00", "text/plain"))]
    await rosa.post(f"/tasks/{task_id}/messages", data={"text": "Is this it?", "as": "question"}, files=files)
    assert await last_message(services, task_id) == "text"


async def test_an_answer_shows_what_it_rests_on(door: Door, services: Services, house: House) -> None:
    task_id = house.waiting_task
    body = await services.blobs.put(b"Total of the estimate: 1,840.50 (estimate.png).", "text/plain")
    async with services.database.transaction() as session:
        session.add(Message(message_id="msg_said", task_id=task_id, author="overseen", kind="answer", body_blob=body))
        said = events.QuestionAnswered(
            message_id="msg_said",
            reply_to="x",
            body_blob=body,
            author="journal",
            cited_facts=("estimate_total", "excess"),
        )
        await services.journal.append(said, stream=task_id, actor="worker:w", session=session)
    page = (await (await door.browser("rosa")).get(f"/tasks/{task_id}")).text
    answer = page[page.index('id="msg_said"') :]
    assert "Total of the estimate: <b>1,840.50</b>" in answer
    # What was looked up is cited only to those who may see it before the decision.
    assert "Excess: <b>" not in answer
