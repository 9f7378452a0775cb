"""Every credential of a run is known to this test, which looks for it in every place where it must not be."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from overseen.api.services import Services
from overseen.domain.commands import Command
from overseen.domain.outcomes import Role
from overseen.engine.composition import compose_worker
from overseen.engine.liveness import new_worker_id
from overseen.secrets.credentials import VaultCredentials
from overseen.secrets.secret import Secret
from overseen.settings import Settings
from overseen.store.tables import Blob
from overseen.testing.otlp_collector import OtlpCollector
from overseen.web.app import make_app
from tests.system.claims.conftest import database_text
from tests.system.claims.scripted_reader import scripted_reader

pytestmark = pytest.mark.slow


class ProcessWatch:
    """Reads command lines and environments of every process that is not the test's own, again and again."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.sandboxes = 0

    async def watch(self) -> None:
        while True:
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    line = (folder / "cmdline").read_bytes()
                    self.sandboxes += b"runner.py" in line
                    self.seen += line + (folder / "environ").read_bytes()
            await asyncio.sleep(0.02)


@pytest.fixture
def minted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every secret that comes to life: tokens and database passwords, as they leave the credential source."""
    known: list[str] = []
    mint, fetch = VaultCredentials.mint, VaultCredentials.fetch

    async def recording_mint(self: VaultCredentials, *arguments: Any) -> Any:
        made = await mint(self, *arguments)
        known.append(made.token.reveal())
        return made

    async def recording_fetch(self: VaultCredentials, *arguments: Any) -> Any:
        made = await fetch(self, *arguments)
        password = getattr(made.credential, "password", None)
        if isinstance(password, Secret):
            known.append(password.reveal())
        return made

    monkeypatch.setattr(VaultCredentials, "mint", recording_mint)
    monkeypatch.setattr(VaultCredentials, "fetch", recording_fetch)
    return known


@pytest.fixture
async def collector() -> AsyncIterator[OtlpCollector]:
    async with OtlpCollector() as running:
        yield running


async def blob_contents(services: Services) -> bytes:
    """Every document, prompt, answer, argument and result, decrypted."""
    async with services.database.read() as session:
        addresses = (await session.scalars(select(Blob.sha256))).all()
    return b"\n".join([await services.blobs.get(address) for address in addresses])


async def pages(services: Services, settings: Settings, run_id: str, task_id: str) -> str:
    """What people are shown."""

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Services]:
        yield services

    app = make_app(opened(), settings.web)
    await services.accounts.ensure("ada", display_name="Ada", roles=(Role.AUDITOR, Role.REQUESTER))
    token = await services.accounts.link("ada")
    async with app.router.lifespan_context(app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1")
        async with client:
            await client.post("/sign-in/link", data={"token": token}, headers={"origin": "http://127.0.0.1"})
            found = [await client.get(path) for path in (f"/runs/{run_id}", "/leases", "/tasks")]
    assert [page.status_code for page in found] == [200, 200, 200], [page.url for page in found]
    return "\n".join(page.text for page in found)


async def test_a_credential_is_found_nowhere_it_must_not_be(
    services: Services,
    settings: Settings,
    hand_in: Callable[..., Any],
    minted: list[str],
    collector: OtlpCollector,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tracing = settings.tracing.model_copy(update={"otlp_endpoint": collector.url, "content": True})
    traced = settings.model_copy(update={"tracing": tracing})
    model = scripted_reader()
    watch = ProcessWatch()
    watching = asyncio.create_task(watch.watch())
    submitted = await hand_in()
    async with compose_worker(traced, new_worker_id(), routes=[model]) as house:
        state = await house.runner.advance(Command(run_id=submitted.run_id, kind="start"))
    watching.cancel()
    assert state == "settled", (await services.runs.run(submitted.run_id)).error_message

    places = {
        "prompts": " ".join(message.text for request in model.requests for message in request.messages),
        "database": await database_text(settings.database.dsn),
        "contents": (await blob_contents(services)).decode(errors="replace"),
        "logs": caplog.text,
        "traces": b"".join(collector.raw).decode(errors="replace"),
        "command lines and environments": watch.seen.decode(errors="replace"),
        "pages": await pages(services, settings, submitted.run_id, submitted.task_id),
    }
    assert all(places.values()), [name for name, text in places.items() if not text]
    assert watch.sandboxes
    assert len(minted) > 10
    found = {name for name, text in places.items() for secret in minted if secret in text}
    assert not found


async def test_the_search_would_find_a_secret(services: Services, settings: Settings, minted: list[str]) -> None:
    """The check can fail: what is put into the store and a log is found there."""
    await services.blobs.put(b"the password is swordfish-4711", "text/plain")
    assert b"swordfish-4711" in await blob_contents(services)
    await services.accounts.ensure("swordfish-4712", display_name="x", roles=(Role.AUDITOR,))
    assert "swordfish-4712" in await database_text(settings.database.dsn)
