"""A real Chromium on a real server; what it shows was written through the real store and journal."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from psycopg import sql

from overseen.api.services import Services, open_services
from overseen.settings import DatabaseSettings, Settings, WebSettings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import STORE_OWNER, make_database
from overseen.web import make_app
from overseen.web.session import COOKIE
from tests.system.claims.conftest import Workers, services, workers  # noqa: F401 - fixtures of the end-to-end test
from tests.web_scenario import House, Scenario

AXE = Path(__file__).parents[3] / "node_modules/axe-core/axe.min.js"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

# How soon a page shows something depends on the machine; what is tested is that it does.
expect.set_options(timeout=20_000)

# What Chromium itself says when a page answers with the status a test asked for.
_EXPECTED_NOISE = ("Failed to load resource",)


@dataclass
class Site:
    """A running server. `errors` collects what any page complained of on its console."""

    base: str
    services: Services
    browser: Browser
    house: House | None = None
    errors: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def page(self, account: str | None, path: str = "/", *, width: int = 1440, dark: bool = False) -> Page:
        """A fresh browser, signed in as `account`, on `path`."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", base_url=self.base
        )
        self.contexts.append(context)
        if account is not None:
            token = await self.services.accounts.redeem(await self.services.accounts.link(account))
            await context.add_cookies([{"name": COOKIE, "value": token, "url": self.base}])
        page = await context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._listen)
        await page.goto(path)
        return page

    def _listen(self, message: object) -> None:
        kind, text = message.type, message.text  # type: ignore[attr-defined]
        if kind == "error" and not text.startswith(_EXPECTED_NOISE):
            self.errors.append(text)


async def serve(opened: Services) -> tuple[uvicorn.Server, asyncio.Task[None], str]:
    """The application of production on a free port."""

    class Opened:
        async def __aenter__(self) -> Services:
            return opened

        async def __aexit__(self, *_: object) -> None:
            return None

    app = make_app(Opened(), WebSettings())  # type: ignore[arg-type]
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    return server, task, f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session")
async def furnished(
    postgres_server: EmbeddedPostgres, store_template: str, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """A site with some history, shared by all tests of the session."""
    name = f"store_browser_{secrets.token_hex(3)}"
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, name, STORE_OWNER, template=store_template)
        settings = Settings(
            home=tmp_path_factory.mktemp("home"),
            database=DatabaseSettings.model_validate({"url": postgres_server.url(name, STORE_OWNER)}),
        )
        async with open_services(settings) as opened:
            server, task, base = await serve(opened)
            site = Site(base=base, services=opened, browser=chromium, house=await Scenario(opened).build())
            yield site
            server.should_exit = True
            await task
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest_asyncio.fixture
async def site(furnished: Site) -> AsyncIterator[Site]:
    """The furnished site; the test fails when a page complained on its console."""
    furnished.errors.clear()
    yield furnished
    for context in furnished.contexts:
        await context.close()
    furnished.contexts.clear()
    assert furnished.errors == []


@pytest.fixture
def house(furnished: Site) -> House:
    assert furnished.house is not None
    return furnished.house


@pytest.fixture
def violations() -> Callable[[Page], Awaitable[list[str]]]:
    """What axe finds on a page, one line a violation."""
    source = AXE.read_text(encoding="utf-8")

    async def find(page: Page) -> list[str]:
        await page.evaluate(source)
        found = await page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
        return [
            f"{item['id']}: {node['target']} {node.get('failureSummary', '')}"
            for item in found
            for node in item["nodes"]
        ]

    return find
