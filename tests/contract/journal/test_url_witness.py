"""A witness behind somebody else's URL."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import ValidationError

from overseen.engine.witnessing import configured_witnesses
from overseen.journal import Verdict, verify
from overseen.journal.errors import WitnessUnavailable
from overseen.journal.url_witness import UrlWitness
from overseen.journal.witnesses import Witnesses
from overseen.settings import Settings, WitnessSettings
from tests.contract.journal.conftest import Installation


@dataclass
class Endpoint:
    url: str = ""
    kept: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tokens: list[str | None] = field(default_factory=list[str | None])
    status: int = 200

    async def post(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization"))
        if self.status == 200:
            self.kept.append(json.loads(await request.text()))
        return web.Response(status=self.status)

    async def get(self, _: web.Request) -> web.Response:
        if not self.kept:
            return web.Response(status=404)
        return web.json_response(self.kept[-1])


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    kept = Endpoint()
    application = web.Application()
    application.add_routes([web.post("/witness", kept.post), web.get("/witness", kept.get)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kept.url = f"http://127.0.0.1:{runner.addresses[0][1]}/witness"
    yield kept
    await runner.cleanup()


async def test_a_url_is_told_every_checkpoint_and_asked_for_the_newest(
    installation: Installation, endpoint: Endpoint, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("hush\n")
    witness = UrlWitness(endpoint.url, token_file=token)
    [told] = await Witnesses(installation.house.database, [witness]).bring_up_to_date()
    assert (told.number, [kept["number"] for kept in endpoint.kept]) == (2, [1, 2])
    assert set(endpoint.tokens) == {"Bearer hush"}
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=[witness])
    assert (found.verdict, found.witnessed_number) == (Verdict.VERIFIED, 2)
    await installation.attacker.delete_everything()
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=[witness])
    assert found.verdict is Verdict.BROKEN
    assert any(item.stream == installation.paid for item in found.breaks)  # named by the heads in the newest
    assert any("holds checkpoints up to 2" in item.problem for item in found.breaks)


async def test_a_url_that_does_not_answer_is_told_later_and_proves_nothing(
    installation: Installation, endpoint: Endpoint
) -> None:
    witness = UrlWitness(endpoint.url)
    witnesses = Witnesses(installation.house.database, [witness])
    endpoint.status = 503
    [told] = await witnesses.bring_up_to_date()
    assert "503" in told.problem
    endpoint.status = 200
    [told] = await witnesses.bring_up_to_date()
    assert (told.number, told.problem) == (2, "")
    away = UrlWitness("http://127.0.0.1:1/witness")
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=[away])
    assert (found.verdict, found.breaks) == (Verdict.NOT_VERIFIED, ())


async def test_a_url_that_is_only_told_proves_nothing_here(installation: Installation, endpoint: Endpoint) -> None:
    witness = UrlWitness(endpoint.url, asked=False)
    for _ in range(2):
        await Witnesses(installation.house.database, [witness]).bring_up_to_date()
    assert [kept["number"] for kept in endpoint.kept] == [1, 2]
    found = await verify(installation.house.journal, signatures=installation.key, witnesses=[witness])
    assert (found.verdict, found.unproven) == (Verdict.NOT_VERIFIED, ("No witness was asked.",))


async def test_an_answer_that_is_no_checkpoint_is_no_witness(endpoint: Endpoint) -> None:
    endpoint.kept.append({"number": 3})
    with pytest.raises(WitnessUnavailable, match="no checkpoint"):
        await UrlWitness(endpoint.url).newest()


@pytest.mark.parametrize("url", ["http://elsewhere.example/w", "ftp://x/w", "https://name:secret@x/w", "nowhere"])
def test_a_url_without_tls_or_with_a_password_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        WitnessSettings(url=url)


def test_the_settings_name_the_witnesses(tmp_path: Path) -> None:
    def named(**chosen: Any) -> list[str]:
        settings = Settings(home=tmp_path, witness=WitnessSettings.model_validate(chosen))
        return [witness.name.split(" ")[0] for witness in configured_witnesses(settings, None, why="no Vault")]

    assert named() == ["file", "vault"]
    assert named(file="none", vault=False) == []
    assert named(append_file=tmp_path / "x", url="https://witness.example/w") == ["file", "vault", "file", "url"]
