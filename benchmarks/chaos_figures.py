"""What is counted after the chaos, and what must be so."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from overseen.domain.calls import ToolCall
from overseen.journal import Journal, verify
from overseen.secrets.audit_log import AuditLog
from overseen.secrets.connect import killswitch_vault
from overseen.secrets.reconciler import Reconciler
from overseen.secrets.vault_search import VaultSearch
from overseen.settings import Settings
from overseen.store import Database
from overseen.store.tables import CallRecord, JournalRow, LeaseRecord, RunTokenRecord


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Where it happened. `insurer_url` is the owner's of the database that leases are made on."""

    settings: Settings
    insurer_url: str
    audit_file: Path
    began: datetime

    async def insurer(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the insurer's database as its owner."""
        async with await psycopg.AsyncConnection.connect(self.insurer_url, autocommit=True) as connection:
            return list(await (await connection.execute(query.encode())).fetchall())


async def figures(scene: Scene, plan: list[list[dict[str, Any]]], kills: dict[str, int]) -> dict[str, Any]:
    """What came of the calls and of everything that lived for them."""
    settings = scene.settings
    database = Database(settings.database.sqlalchemy_url)
    journal, killswitch = Journal(database), killswitch_vault(settings.vault)
    reconciler = Reconciler(
        database=database,
        journal=Journal(database),
        killswitch=killswitch,
        audit_log=AuditLog(scene.audit_file),
        since=scene.began,
    )
    findings = await reconciler.reconcile()
    async with database.read() as session:
        leases = (await session.scalars(select(LeaseRecord))).all()
        tokens = (await session.scalars(select(RunTokenRecord.state))).all()
        told = (await session.scalars(select(JournalRow).where(JournalRow.kind == "ReconcilerFinding"))).all()
        parts = (await session.scalars(select(JournalRow).where(JournalRow.kind == "PartFailed"))).all()
        calls = (await session.scalars(select(CallRecord))).all()
    alive = [t for t in await VaultSearch(killswitch).tokens() if "lease_id" in t.meta or "run_token_id" in t.meta]
    payments = await scene.insurer("SELECT idempotency_key, count(*) FROM payments GROUP BY 1")
    paid = {str(key): count for key, count in payments}
    wanted = {ToolCall(**call).call_id for run in plan for call in run if call["tool"] == "pay_settlement"}
    checked = await verify(journal)
    unproven = [row for row in leases if row.state != "refused" and row.proven_gone_at is None]
    found = {
        "calls": len(calls),
        "attempts": sum(call.attempts for call in calls),
        "kills": kills,
        "leases": len(leases),
        "lease_states": dict(Counter(row.state for row in leases)),
        "lease_ends": dict(Counter((row.reason or "").split(";")[0].split(":")[0] for row in leases)),
        "leases_without_a_proven_end": [f"{row.lease_id} {row.state} {row.reason}" for row in unproven],
        "run_tokens": dict(Counter(tokens)),
        "tokens_still_in_vault": len(alive),
        "database_roles_that_can_log_in": await roles(scene, "rolvaliduntil > now()"),
        "database_roles_that_ran_out": await roles(scene, "rolvaliduntil <= now()"),
        "payments_wanted": len(wanted),
        "payments_missing": len(wanted - {key for key in paid if key in wanted}),
        "payments_made_twice": sum(count > 1 for count in paid.values()),
        "payments_nobody_asked_for": len([key for key in paid if key.startswith("call_") and key not in wanted]),
        "findings_now": [anomaly.as_dict() for anomaly in findings],
        "findings_meanwhile": [row.payload for row in told],
        "services_failed": [row.payload for row in parts if row.payload["part"] != "vault"],
        "journal_holds": checked.holds,
    }
    await killswitch.close()
    await database.close()
    return found


async def roles(scene: Scene, condition: str) -> int:
    """A role that OpenBao made when it was killed has a password that nobody knows, and runs out within a minute;
    the next lease after that takes it away.
    """
    count = f"SELECT count(*) FROM pg_roles WHERE rolname LIKE 't-%' AND {condition}"  # noqa: S608 - a constant
    return int((await scene.insurer(count))[0][0])


def problems(figures: dict[str, Any]) -> list[str]:
    """What is not as it must be."""
    must_be_nothing = (
        "leases_without_a_proven_end",
        "tokens_still_in_vault",
        "database_roles_that_can_log_in",
        "payments_missing",
        "payments_made_twice",
        "payments_nobody_asked_for",
        "findings_now",
        "findings_meanwhile",
        "services_failed",
    )
    found = [f"{name}: {figures[name]}" for name in must_be_nothing if figures[name]]
    if set(figures["run_tokens"]) - {"closed"}:
        found.append(f"run_tokens: {figures['run_tokens']}")
    return found if figures["journal_holds"] else [*found, "the journal's chains do not hold"]
