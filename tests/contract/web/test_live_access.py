"""A page that is open shows nothing more once the person may not see it: the stream of its news ends."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi.sse import ServerSentEvent
from httpx2 import Response

from overseen.api.services import Services
from overseen.domain.outcomes import Role
from overseen.journal import events
from tests.contract.web.conftest import Door
from tests.waiting import until
from tests.web_scenario import House

Ending = Callable[[Services], Awaitable[None]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been sent to open pages so far."""
    pieces: list[str] = []

    def keep(**event: str) -> ServerSentEvent:
        pieces.append(event["raw_data"])
        return ServerSentEvent(**event)

    monkeypatch.setattr("overseen.web.live.ServerSentEvent", keep)
    return pieces


def note(message: str) -> events.FindingReported:
    return events.FindingReported(check="drift", verdict="flag", subject="run", message=message)


async def disabled(services: Services) -> None:
    await services.accounts.disable("aude")


async def signed_out_everywhere(services: Services) -> None:
    await services.accounts.sign_out_everywhere("aude")


async def only_a_requester(services: Services) -> None:
    await services.accounts.set_roles("aude", [Role.REQUESTER])


@pytest.mark.parametrize("ending", [disabled, signed_out_everywhere, only_a_requester])
@pytest.mark.parametrize("page", ["/runs/{run}/events", "/tasks/{task}/events"])
async def test_news_end_with_the_right_to_see_them(
    door: Door, services: Services, house: House, sent: list[str], page: str, ending: Ending
) -> None:
    aude = await door.browser("aude")
    path = page.format(run=house.working_run, task=house.working_task)
    stream = asyncio.create_task(aude.get(path))
    await services.journal.append(note("Seen in time."), stream=house.working_run, actor="service:test")
    await until(lambda: sent and ("Seen in time." in sent[-1] or page.startswith("/tasks")))
    assert not stream.done()
    await ending(services)
    await services.journal.append(note("Seen too late."), stream=house.working_run, actor="service:test")
    answer: Response = await asyncio.wait_for(stream, 20)
    assert "id: " in answer.text
    assert "Seen too late." not in answer.text
    if page.startswith("/runs"):
        assert "Seen in time." in answer.text


@pytest.mark.parametrize("ending", [disabled, signed_out_everywhere, only_a_requester])
@pytest.mark.parametrize("page", ["/leases/events", "/leases/stops/{stop}/events"])
async def test_numbers_end_with_the_right_to_see_them(
    door: Door, services: Services, house: House, sent: list[str], page: str, ending: Ending
) -> None:
    aude = await door.browser("aude")
    stream = asyncio.create_task(aude.get(page.format(stop=house.stop)))
    await until(lambda: sent)
    assert not stream.done()
    await ending(services)
    assert (await asyncio.wait_for(stream, 20)).status_code == 200
