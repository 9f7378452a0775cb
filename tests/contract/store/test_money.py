"""What tables give back."""

from decimal import Decimal

import pytest
from sqlalchemy import literal, select

from overseen.store import Database
from overseen.store.money import Money


@pytest.mark.parametrize(
    ("kept", "read"),
    [("11750", "11750.00"), ("426.1", "426.10"), ("0.002375", "0.002375"), ("0", "0.00"), ("-250", "-250.00")],
)
async def test_a_sum_is_read_back_as_people_write_it(database: Database, kept: str, read: str) -> None:
    async with database.read() as session:
        found = await session.scalar(select(literal(Decimal(kept), Money())))
    assert str(found) == read
