"""The alarm for a slow route, and what is cleared away after dead workers."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from overseen.engine.model_routes_service import ModelRoutesService
from overseen.engine.services import ServiceKeeper
from overseen.journal import Journal
from overseen.models.turns import TurnQueue
from overseen.models.types import RouteProfile
from overseen.settings import Settings
from overseen.stack.doctor import Health, check_model_routes
from overseen.store import Database
from overseen.store.tables import ModelTurn, now
from tests.contract.models.conftest import ask
from tests.waiting import until

NARROW = RouteProfile(name="narrow", model="qwen", regions=frozenset({"local"}))


def row(turn_id: str, **changes: object) -> ModelTurn:
    values: dict[str, object] = {
        "turn_id": turn_id,
        "run_id": "run_1",
        "step_id": "step_1",
        "agent": "extractor",
        "purpose": "read_letter",
        "route": "narrow",
        "holder": "holder_dead",
        "asked_at": now(),
        "tokens": 0,
        **changes,
    }
    return ModelTurn(**values)


async def stored(database: Database) -> list[ModelTurn]:
    async with database.read() as session:
        return list((await session.scalars(select(ModelTurn))).all())


async def test_what_dead_workers_left_is_cleared_away(database: Database) -> None:
    async with database.transaction() as session:
        session.add(row("turn_old"))
    assert (await ModelRoutesService(database).turn()).detail == {"routes": {}, "alarms": []}
    assert await stored(database) == []


@pytest.mark.parametrize(("usual", "ok"), [(8.0, False), (None, True), (500.0, True)])
async def test_a_route_that_is_slow_for_long_is_an_alarm_that_the_doctor_tells(
    database: Database, database_url: str, tmp_path: object, usual: float | None, ok: bool
) -> None:
    queue = TurnQueue(database)
    async with queue.turn(ask(), NARROW) as turn:
        turn.heard(90)
        await until(lambda: turn.stored)

        async def told() -> bool:
            return [found.tokens for found in await stored(database)] == [90]

        await until(told)
        async with database.transaction() as session:
            found = await session.get_one(ModelTurn, turn.turn_id)
            found.started_at = found.first_token_at = now() - timedelta(seconds=300)
            found.usual_seconds = usual
        service = ModelRoutesService(database, alarm_seconds=0.0 if usual == 8.0 else 60.0)
        keeper = ServiceKeeper(database=database, journal=Journal(database), worker_id="worker_1")
        await keeper._take(service)
        report = await service.turn()
    await queue.close()
    assert report.ok is ok
    assert report.detail["routes"]["narrow"]["tokens_per_second"] == pytest.approx(0.3, abs=0.02)
    if not ok:
        assert "Model route narrow is slow: 0.3 tokens a second" in report.detail["alarms"][0]
    settings = Settings.model_validate({"home": tmp_path, "database": {"url": database_url}})
    diagnosis = await check_model_routes(settings)
    assert diagnosis.health is (Health.OK if ok else Health.WARN)
    assert ("is slow" in diagnosis.detail) is not ok
