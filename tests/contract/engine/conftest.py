from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from overseen.store import Database
from tests.contract.engine.house import House, open_house


@pytest_asyncio.fixture
async def house(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(database, database_url, tmp_path) as opened:
        yield opened
