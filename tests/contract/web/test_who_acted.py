"""Every act leaves behind who did it, through which door, and as which user of the machine."""

import asyncio
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select
from typer.testing import CliRunner

from overseen.cli import operator
from overseen.cli.application import app as commands
from overseen.journal import SYSTEM
from overseen.store.tables import Decision
from tests.contract.web.real_server import Server
from tests.web_scenario import House

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def house(furnished: Any) -> House:
    return furnished.house


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_login_uid", lambda: None)


async def overseen(server: Server, *words: str) -> Any:
    # What the environment says of who one is counts for nothing.
    environment = {"OVERSEEN_HOME": str(server.log_file.parent), "USER": "somebody-else", "LOGNAME": "somebody-else"}
    result = await asyncio.to_thread(CliRunner().invoke, commands, [*words, "--json"], env=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_a_decision_taken_in_somebody_s_name_says_by_whom(server: Server, house: House) -> None:
    await overseen(server, "reviews", "decide", house.review, "--approve", "--as", "rene")
    async with server.services.database.read() as session:
        decision = await session.scalar(select(Decision).where(Decision.review_id == house.review))
    assert decision is not None
    assert (decision.reviewer_id, decision.channel, decision.os_user) == (house.reviewer, "command_line", ME)
    entries = await server.services.journal.entries(house.waiting_run)
    told = next(entry for entry in entries if entry.kind == "ReviewDecided")
    assert (told.actor, told.payload["channel"], told.payload["os_user"]) == (
        f"account:{house.reviewer}",
        "command_line",
        ME,
    )
    run = await server.services.runs.run(house.waiting_run)
    sentence = next(entry.sentence for entry in run.timeline if entry.kind == "ReviewDecided")
    assert sentence == f"Decided: approve, by René Okafor, on the command line by {ME}"


async def test_a_decision_through_the_api_says_so(server: Server, house: House) -> None:
    token = await server.services.accounts.token("rene")
    case = await server.services.reviews.case(house.other_review)
    sent = {"kind": "approve", "proposal_digest": case.proposal_digest}

    def decide() -> int:
        return requests.post(
            f"http://127.0.0.1:{server.port}/api/v1/reviews/{house.other_review}/decision",
            json=sent,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).status_code

    assert await asyncio.to_thread(decide) == 201
    said = (await server.services.reviews.case(house.other_review)).decision
    assert said is not None
    assert (said["channel"], said["os_user"]) == ("api", None)


async def test_links_tokens_and_accounts_are_told_with_who_made_them(server: Server, house: House) -> None:
    start = (await server.services.journal.head(SYSTEM)).sequence
    await overseen(server, "accounts", "add", "newcomer", "--role", "requester")
    await overseen(server, "accounts", "token", "newcomer")
    await overseen(server, "accounts", "link", "newcomer")
    await overseen(server, "accounts", "roles", "newcomer", "--role", "auditor")
    told = [entry for entry in await server.services.journal.entries(SYSTEM, after=start) if entry.kind != "SignedIn"]
    assert [(entry.kind, entry.payload.get("credential") or entry.payload["change"]) for entry in told] == [
        ("AccountChanged", "made"),
        ("CredentialMinted", "token"),
        ("CredentialMinted", "link"),
        ("AccountChanged", "roles"),
    ]
    assert {(entry.actor, entry.payload["channel"], entry.payload["os_user"]) for entry in told} == {
        (f"operator:{ME}", "command_line", ME)
    }


async def test_a_sign_in_says_through_which_door(server: Server, house: House) -> None:
    link = await server.services.accounts.link("aude")
    start = (await server.services.journal.head(SYSTEM)).sequence

    def use() -> int:
        return requests.post(
            f"http://127.0.0.1:{server.port}/sign-in/link",
            data={"token": link},
            headers={"Origin": f"http://127.0.0.1:{server.port}"},
            allow_redirects=False,
            timeout=30,
        ).status_code

    assert await asyncio.to_thread(use) == 303
    told = [entry for entry in await server.services.journal.entries(SYSTEM, after=start) if entry.kind == "SignedIn"]
    assert [entry.payload["channel"] for entry in told] == ["page"]


def test_who_became_root_is_named_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(operator, "_login_uid", lambda: 65534)
    assert operator.os_user() == f"{ME} (login {pwd.getpwuid(65534).pw_name})"
    monkeypatch.setattr(operator, "_login_uid", os.getuid)
    assert operator.os_user() == ME
