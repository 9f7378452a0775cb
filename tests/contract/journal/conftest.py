"""An installation with runs that ended and wait, people who signed in, and a witness outside the database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import delete

from overseen.api.accounts import Accounts
from overseen.domain.outcomes import Role, RunState
from overseen.engine.witnessing import WitnessService
from overseen.journal import SYSTEM, Verification, events, verify
from overseen.journal.file_witness import FileWitness
from overseen.store import Database
from overseen.store.tables import Account
from tests.contract.engine.house import REQUESTER, REVIEWER, House, open_house
from tests.journal_attacks import Attacker, LocalKey


@dataclass(kw_only=True)
class Installation:
    """`paid` is a run that paid by itself, `waiting` one that waits for a reviewer; both have a chat."""

    house: House
    key: LocalKey
    attacker: Attacker
    file: Path
    paid: str
    paid_task: str
    waiting: str
    waiting_task: str

    @property
    def witness(self) -> FileWitness:
        return FileWitness(self.file)

    def service(self) -> WitnessService:
        """As a worker that just started."""
        return WitnessService(
            database=self.house.database, journal=self.house.journal, signer=self.key, witnesses=[self.witness]
        )

    async def checkpoint(self) -> int:
        """One turn; the number of the newest checkpoint."""
        turn = await self.service().turn()
        assert turn is not None
        assert turn.ok, turn.detail
        return int(turn.detail["number"])

    async def verify(self) -> Verification:
        return await verify(self.house.journal, signatures=self.key, witnesses=[self.witness])


@pytest.fixture
def key() -> LocalKey:
    return LocalKey()


@pytest_asyncio.fixture
async def house(database: Database, database_url: str, tmp_path: Path, key: LocalKey) -> AsyncIterator[House]:
    async with open_house(database, database_url, tmp_path, signer=key) as opened:
        yield opened


@pytest_asyncio.fixture
async def installation(house: House, database: Database, key: LocalKey, tmp_path: Path) -> Installation:
    """Witnessed up to its last entry."""
    await _tell_of_accounts(house)
    installation = Installation(
        house=house,
        key=key,
        attacker=Attacker(database),
        file=tmp_path / "witness" / "journal.jsonl",
        paid="",
        paid_task="",
        waiting="",
        waiting_task="",
    )
    await installation.checkpoint()
    paid = await house.submit("paid")
    assert await house.work() == RunState.SETTLED
    house.values["estimate_total"] = house.values["claimed_amount"] = Decimal("1840.50")
    waiting = await house.submit("waiting")
    assert await house.work() == RunState.WAITING_REVIEW
    finding = events.FindingReported(check="injection", verdict="block", subject="letter", message="Instructions.")
    await house.journal.append(finding, stream=waiting.run_id, actor="worker:worker_1")
    accounts = Accounts(database, house.journal)
    await accounts.add("ann", display_name="Ann", roles=[Role.REVIEWER])
    await accounts.redeem(await accounts.link("ann"))
    await house.intake.ask(task_id=waiting.task_id, account_id=REQUESTER, text="Why does it wait?")
    installation.paid, installation.paid_task = paid.run_id, paid.task_id
    installation.waiting, installation.waiting_task = waiting.run_id, waiting.task_id
    await installation.checkpoint()
    return installation


async def _tell_of_accounts(house: House) -> None:
    """The house's people were put in without the journal."""
    async with house.database.transaction() as session:
        await session.execute(delete(Account).where(Account.account_id.not_in([REQUESTER, REVIEWER])))
    for account_id, roles in ((REQUESTER, (Role.REQUESTER, Role.REVIEWER)), (REVIEWER, (Role.REVIEWER,))):
        made = events.AccountChanged(account_id=account_id, roles=roles, change="made")
        await house.journal.append(made, stream=SYSTEM, actor="service:accounts")
