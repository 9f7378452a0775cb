"""A denial waits for a reviewer: whoever handed the task in is told that it waits, and nothing of the draft."""

import asyncio
import importlib
import json
import pkgutil
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute, APIRouter

import overseen.web
from overseen.api.requester_view import run_as_shown, shown_run
from overseen.api.routes import api_router
from overseen.api.security_routes import security_router
from overseen.api.services import Services
from overseen.cli.tasks import outcome_of
from overseen.domain.canonical import plain
from overseen.domain.outcomes import Outcome, RunState
from overseen.journal import events
from tests.contract.web.conftest import Door
from tests.contract.web.test_live_access import sent
from tests.waiting import until
from tests.waiting_denial import DRAFT_WORDS, DraftedDenial, draft_denial
from tests.web_scenario import House

__all__ = ["sent"]
"""A fixture of the tests beside these."""

ENTRIES = 80
STREAMS = ("/tasks/{task_id}/events", "/runs/{run_id}/events")
ENDLESS = {*STREAMS, "/tasks/{task_id}/progress", "/runs/{run_id}/progress"}
"""Answers that do not end. Those of progress hold waits, numbers and what a model is at work on."""


@pytest.fixture
async def draft(services: Services, house: House) -> DraftedDenial:
    return await draft_denial(services, house.waiting_run)


def told_of_the_draft(text: str) -> list[str]:
    return [word for word in DRAFT_WORDS if word.lower() in text.lower()]


def every_get() -> set[str]:
    """The path of every GET route of pages and API."""
    routers: list[APIRouter] = [api_router, security_router]
    for module in pkgutil.iter_modules(overseen.web.__path__):
        router = getattr(importlib.import_module(f"overseen.web.{module.name}"), "router", None)
        routers += [router] if isinstance(router, APIRouter) else []
    return {
        route.path
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }


async def test_no_door_tells_a_requester_of_a_denial_that_waits(
    door: Door, services: Services, house: House, draft: DraftedDenial
) -> None:
    named = {
        "task_id": [house.waiting_task],
        "run_id": [house.waiting_run],
        "review_id": [house.review],
        "sequence": [str(number) for number in range(1, ENTRIES)],
        "sha256": list(draft.blobs),
    }
    rosa, program = await door.browser("rosa"), await door.program("rosa")
    walked = 0
    for path in sorted(every_get() - ENDLESS):
        addresses = [path]
        for name, values in named.items():
            if f"{{{name}}}" in path:
                addresses = [address.replace(f"{{{name}}}", value) for address in addresses for value in values]
        for address in addresses:
            answer = await (program if path.startswith("/api") else rosa).get(address)
            assert told_of_the_draft(answer.text) == [], address
            walked += answer.status_code == 200
    assert walked >= ENTRIES / 4


async def test_lists_do_not_tell_it_either(door: Door, house: House, draft: DraftedDenial) -> None:
    rosa, program = await door.browser("rosa"), await door.program("rosa")
    for address in ("/tasks?show=waiting", "/runs?state=waiting_review"):
        text = (await rosa.get(address)).text
        assert house.waiting_task in text or house.waiting_run in text
        assert told_of_the_draft(text) == []
    lines = (await program.get("/api/v1/runs")).json()["runs"]
    (line,) = [line for line in lines if line["run_id"] == house.waiting_run]
    assert (line["outcome"], line["amount"], line["boundary"]) == (None, None, None)


@pytest.mark.parametrize("path", STREAMS)
async def test_live_news_do_not_tell_it(
    door: Door,
    services: Services,
    house: House,
    draft: DraftedDenial,
    sent: list[str],
    path: str,
) -> None:
    rosa = await door.browser("rosa")
    stream = asyncio.create_task(rosa.get(path.format(run_id=house.waiting_run, task_id=house.waiting_task)))
    await services.journal.append(events.RunResumed(interrupt_id="x"), stream=house.waiting_run, actor="service:test")
    await until(lambda: sent)
    await services.accounts.disable("rosa")
    await services.journal.append(events.RunResumed(interrupt_id="y"), stream=house.waiting_run, actor="service:test")
    await asyncio.wait_for(stream, 20)
    assert told_of_the_draft(" ".join(sent)) == []
    assert "Nothing is decided yet" in sent[-1]


async def test_the_page_says_that_it_waits_for_whom_and_since_when(
    door: Door, house: House, draft: DraftedDenial
) -> None:
    text = (await (await door.browser("rosa")).get(f"/tasks/{house.waiting_task}")).text
    assert "Nothing is decided yet" in text
    assert "waits for a reviewer" in text
    detail = text[text.index('id="live"') :]
    assert "denied" not in detail.lower()
    assert "deny" not in detail.lower()


async def test_the_command_line_tells_a_requester_no_more(
    services: Services, house: House, draft: DraftedDenial
) -> None:
    rosa = await services.accounts.viewer("rosa")
    outcome = outcome_of(await shown_run(services, rosa, house.waiting_run))
    assert told_of_the_draft(json.dumps(plain(outcome))) == []
    assert (outcome["state"], outcome["outcome"], outcome["withheld"]) == (RunState.WAITING_REVIEW, None, True)
    assert outcome["waits_since"] is not None


@pytest.mark.parametrize("account", ["rene", "aude"])
async def test_those_who_review_and_audit_see_the_draft(
    door: Door, house: House, draft: DraftedDenial, account: str
) -> None:
    run = (await (await door.program(account)).get(f"/api/v1/runs/{house.waiting_run}")).json()
    assert (run["outcome"], run["ruling"]["outcome"], run["amount"]) == ("deny", "deny", "7731.42")
    page = (await (await door.browser(account)).get(f"/runs/{house.waiting_run}")).text
    assert {"lapsed before the heron", "heron watch", "heron sighted twice"} <= set(told_of_the_draft(page))


async def test_what_a_person_decided_is_told(services: Services, house: House, draft: DraftedDenial) -> None:
    """Decided as drafted the reasons are told; rejected or changed the draft never is, and findings never are."""
    rosa = await services.accounts.viewer("rosa")
    waiting = await services.runs.run(house.waiting_run)
    decided = waiting.timeline[-1]

    def said(kind: str) -> tuple[object, ...]:
        entry = replace(decided, kind="ReviewDecided", sentence="A reviewer decided", payload={"decision": kind})
        return (*waiting.timeline, entry)

    def shown(state: RunState, kind: str) -> str:
        run = replace(waiting, state=state, timeline=said(kind))
        return json.dumps(plain(run_as_shown(run, rosa)))

    approved = shown(RunState.DENIED, "approve")
    assert "lapsed before the heron" in approved
    assert "heron clause H9" in approved
    assert told_of_the_draft(shown(RunState.CLOSED, "reject")) == []
    assert "lapsed before the heron" not in shown(RunState.SETTLED, "edit")
    assert "heron sighted twice" not in approved
    assert "heron watch is always" not in approved


async def test_a_question_is_told_but_not_the_draft_a_reviewer_asked_about(services: Services, house: House) -> None:
    rosa = await services.accounts.viewer("rosa")
    (asked,) = (await services.tasks.task(house.waiting_task),)
    assert asked.run is not None
    assert asked.run.ruling is not None
    asks = replace(asked.run.ruling, outcome=Outcome.ASK, amount=None, missing=("the invoice",))
    put = run_as_shown(replace(asked.run, state=RunState.WAITING_REQUESTER, ruling=asks), rosa)
    assert put.ruling is not None
    assert put.ruling.missing == ("the invoice",)
    drafted = run_as_shown(replace(asked.run, state=RunState.WAITING_REQUESTER), rosa)
    assert drafted.ruling is None
