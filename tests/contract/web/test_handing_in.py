"""Handing in tasks: once, whole, and never more than is allowed."""

import asyncio
import re

import pytest
from sqlalchemy import func, select

from overseen.store.tables import Attachment, Blob, Task
from tests.contract.web.conftest import Door
from tests.web_scenario import House


async def count(services, table) -> int:
    async with services.database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


def form(message: str = "The roof leaks.") -> dict[str, str]:
    return {"form_token": "a-form-sent-once", "message": message}


async def test_the_same_form_sent_twice_at_once_is_one_task(door: Door, services, house: House) -> None:
    before = await count(services, Task)
    browser = await door.browser("rosa")
    files = [("attachments", ("letter.txt", b"Dear insurer", "text/plain"))]
    answers = await asyncio.gather(*(browser.post("/tasks", data=form(), files=files) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await count(services, Task) == before + 1


@pytest.mark.parametrize(
    ("files", "words", "status"),
    [
        ([("empty.txt", b"")], "empty.txt", 422),
        ([("huge.png", b"\x89PNG\r\n\x1a\n" + bytes(25 * 1024 * 1024))], "larger than 25 MB", 413),
        ([(f"{number}.txt", b"x") for number in range(200)], "more than 20 files", 413),
        ([("estimate.pdf", b"MZ\x90\x00" + bytes(400))], "program", 422),
        ([], "empty", 422),
    ],
    ids=["empty", "huge", "200 files", "program", "nothing"],
)
async def test_bad_input_is_said_and_nothing_is_stored(
    door: Door, services, house: House, files, words: str, status: int
) -> None:
    before = [await count(services, table) for table in (Task, Attachment, Blob)]
    browser = await door.browser("rosa")
    sent = [("attachments", (name, content, "application/octet-stream")) for name, content in files]
    message = "" if not files else "words of the requester"
    answer = await browser.post("/tasks", data=form(message=message), files=sent or [("attachments", ("", b"", ""))])
    assert answer.status_code == status
    assert words in answer.text
    assert message in answer.text
    assert [await count(services, table) for table in (Task, Attachment, Blob)] == before
    assert (await browser.get("/tasks")).status_code == 200


async def test_a_body_that_says_it_is_too_large_is_not_read(door: Door, house: House) -> None:
    browser = await door.browser("rosa")
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 1
            yield b"x" * 65536

    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(10**10)}
    answer = await browser.post("/tasks", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert read == 0


async def test_names_that_deceive_are_cleaned(door: Door, house: House) -> None:
    browser = await door.browser("rosa")
    files = [("attachments", ("..\\evil/let\u202eter.txt", b"Dear insurer", "text/plain"))]
    answer = await browser.post("/tasks", data=form(), files=files)
    assert answer.status_code == 303
    page = (await browser.get(answer.headers["location"])).text
    assert "\u202e" not in page
    assert re.search(r"<span>letter\.txt</span>", page)


async def test_what_strangers_wrote_cannot_act_as_a_page_of_ours(door: Door, house: House) -> None:
    browser = await door.browser("rosa")
    page = (await browser.get(f"/tasks/{house.waiting_task}")).text
    link = re.search(r'href="(/tasks/[^"]+/attachments/[^"]+)"', page)
    assert link is not None
    answer = await browser.get(link.group(1))
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
