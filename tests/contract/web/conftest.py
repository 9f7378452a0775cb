"""The application on a real database, asked without a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient

from overseen.api.services import Services, open_services
from overseen.settings import DatabaseSettings, Settings, WebSettings
from overseen.web import make_app
from overseen.web.session import COOKIE
from tests.web_scenario import House, Scenario

BASE = "http://127.0.0.1"


@pytest_asyncio.fixture
async def services(database_url: str, home: Path) -> AsyncIterator[Services]:
    settings = Settings(home=home, database=DatabaseSettings.model_validate({"url": database_url}))
    async with open_services(settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def house(services: Services) -> House:
    return await Scenario(services).build()


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
