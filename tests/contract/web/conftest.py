"""The application on a real database, asked without a browser."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from psycopg import sql

from overseen.api.services import Services, open_services
from overseen.settings import DatabaseSettings, Settings, WebSettings
from overseen.stack.postgres import EmbeddedPostgres
from overseen.stack.postgres_layout import STORE_OWNER, make_database
from overseen.web import make_app
from overseen.web.session import COOKIE
from tests.contract.web.real_server import server  # noqa: F401 - a fixture
from tests.web_scenario import House, Scenario

BASE = "http://127.0.0.1"
_TEMPLATE = "web_template"


@dataclass(frozen=True, kw_only=True)
class Furnished:
    """A database with some history, to be copied for each test; `home` holds the key of its blobs."""

    template: str
    home: Path
    house: House


@pytest_asyncio.fixture(scope="session")
async def furnished(
    postgres_server: EmbeddedPostgres, store_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    home = tmp_path_factory.mktemp("furnished")
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, _TEMPLATE, STORE_OWNER, template=store_template)
    async with open_services(_settings(postgres_server, _TEMPLATE, home)) as opened:
        house = await Scenario(opened).build()
    return Furnished(template=_TEMPLATE, home=home, house=house)


def _settings(postgres: EmbeddedPostgres, database: str, home: Path) -> Settings:
    return Settings(
        home=home,
        database=DatabaseSettings.model_validate({"url": postgres.url(database, STORE_OWNER), "pool_size": 4}),
    )


@pytest_asyncio.fixture
async def services(postgres_server: EmbeddedPostgres, furnished: Furnished) -> AsyncIterator[Services]:
    name = f"web_{secrets.token_hex(4)}"
    connection = await postgres_server.connect()
    async with connection:
        await make_database(connection, name, STORE_OWNER, template=furnished.template)
        async with open_services(_settings(postgres_server, name, furnished.home)) as opened:
            yield opened
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def house(furnished: Furnished) -> House:
    return furnished.house


@pytest_asyncio.fixture
async def app(services: Services) -> FastAPI:
    made = make_app(None, WebSettings())  # type: ignore[arg-type] - the services are opened by the fixture
    made.state.services = services
    return made


class Door:
    """Clients of the application, signed in or not."""

    def __init__(self, app: FastAPI, services: Services) -> None:
        self._app = app
        self._services = services

    def stranger(self, **headers: str) -> AsyncClient:
        transport = ASGITransport(app=self._app, raise_app_exceptions=False)
        return AsyncClient(transport=transport, base_url=BASE, headers={"origin": BASE, **headers})

    async def browser(self, account: str) -> AsyncClient:
        client = self.stranger()
        client.cookies.set(COOKIE, await self._services.accounts.redeem(await self._services.accounts.link(account)))
        return client

    async def program(self, account: str) -> AsyncClient:
        return self.stranger(authorization=f"Bearer {await self._services.accounts.token(account)}")


@pytest_asyncio.fixture
async def door(app: FastAPI, services: Services) -> Door:
    return Door(app, services)
