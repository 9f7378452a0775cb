"""What the security team has to look at: a payment with its lease, a denied one, a finding, services, a kill switch."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from overseen.api.services import Services
from overseen.domain.identifiers import derived_id, new_id
from overseen.journal import SYSTEM, events
from overseen.store.tables import (
    Authorization,
    CallRecord,
    Decision,
    LeaseRecord,
    Review,
    ServiceReport,
    StopRecord,
    now,
)

REASON = "The tool asked for paths it has no business with."


class SecurityScenario:
    """Adds to a house with some history."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def payment(self, run_id: str, task_id: str, *, requester: str, reviewer: str) -> str:
        """A payment that a reviewer approved, made with a leased database role. Returns the lease's id."""
        call_id, lease_id = derived_id("call", run_id, "payment"), derived_id("lease", run_id, "payment")
        decision_id = await self._decision(run_id, task_id, reviewer)
        arguments = await self._services.blobs.put(b'{"amount": "1590.50"}', "application/json")
        result = await self._services.blobs.put(b'{"paid": true}', "application/json")
        asked = now() - timedelta(seconds=1)
        about: dict[str, Any] = {"run_id": run_id, "step_id": "act", "agent": "supervisor", "tool": "pay_settlement"}
        async with self._services.database.transaction() as session:
            session.add(
                CallRecord(
                    call_id=call_id,
                    effect="irreversible",
                    digest="f" * 64,
                    arguments_blob=arguments,
                    state="finished",
                    result_blob=result,
                    timings={"tool": 0.2},
                    ended_at=now(),
                    **about,
                )
            )
            session.add(
                LeaseRecord(
                    lease_id=lease_id,
                    call_id=call_id,
                    grants=["insurer_payments_write"],
                    policies=["grant-insurer-payments-write"],
                    paths=["database/creds/insurer-payments-write"],
                    kind="database",
                    region="local",
                    requester_id=requester,
                    approver_id=reviewer,
                    worker_id="worker-1",
                    state="closed",
                    accessor=f"acc-{lease_id}",
                    vault_leases=["database/creds/insurer-payments-write/4Rk9"],
                    principals=["v-insurer-pay-k2"],
                    asked_at=asked,
                    issued_at=asked + timedelta(milliseconds=52),
                    used_at=asked + timedelta(milliseconds=96),
                    expires_at=asked + timedelta(seconds=60),
                    revoked_at=asked + timedelta(milliseconds=310),
                    proven_gone_at=asked + timedelta(milliseconds=371),
                    reason="call ended",
                    **about,
                )
            )
        await self._append(
            events.CallAuthorized(
                authorization_id=new_id("auth"),
                call_digest="f" * 64,
                tool="pay_settlement",
                granted_by=f"decision:{decision_id}",
            ),
            run_id,
        )
        await self._append(
            events.CallStarted(
                call_id=call_id,
                step_id="act",
                agent="supervisor",
                tool="pay_settlement",
                effect="irreversible",
                digest="f" * 64,
                arguments_blob=arguments,
                argument_facts={},
                attempt=1,
            ),
            run_id,
        )
        return lease_id

    async def _decision(self, run_id: str, task_id: str, reviewer: str) -> str:
        decision_id, review_id = new_id("dec"), new_id("rev")
        blob = await self._services.blobs.put(b"{}", "application/json")
        reason = await self._services.blobs.put(b"The estimate and the letter agree.", "text/plain")
        moment = now() - timedelta(seconds=5)
        async with self._services.database.transaction() as session:
            session.add(
                Review(
                    review_id=review_id,
                    run_id=run_id,
                    task_id=task_id,
                    playbook="claims_intake",
                    region="local",
                    boundary="assist",
                    outcome="settle",
                    proposal_blob=blob,
                    proposal_digest="a" * 64,
                    state="withdrawn",
                    due_at=moment,
                    decided_at=moment,
                )
            )
            await session.flush()
            session.add(
                Decision(
                    decision_id=decision_id,
                    review_id=review_id,
                    run_id=run_id,
                    kind="approve",
                    reviewer_id=reviewer,
                    reason_blob=reason,
                    proposal_digest="a" * 64,
                    created_at=moment,
                )
            )
            session.add(
                Authorization(
                    authorization_id=new_id("auth"),
                    run_id=run_id,
                    call_digest="f" * 64,
                    granted_by=f"decision:{decision_id}",
                )
            )
        return decision_id

    async def denied(self, run_id: str) -> str:
        """A lease that was refused. Returns its id."""
        lease_id = derived_id("lease", run_id, "denied")
        async with self._services.database.transaction() as session:
            session.add(
                LeaseRecord(
                    lease_id=lease_id,
                    call_id=derived_id("call", run_id, "denied"),
                    run_id=run_id,
                    step_id="step-3",
                    agent="policy_lookup",
                    tool="list_prior_claims",
                    grants=["insurer_read"],
                    kind="database",
                    region="local",
                    worker_id="worker-1",
                    state="refused",
                    asked_at=now() - timedelta(minutes=3),
                    reason="vault_sealed: Vault is sealed.",
                )
            )
        return lease_id

    async def finding(self, lease_id: str) -> int:
        """A probe that the reconciler found. Returns its entry in the house's journal."""
        detail = {"path": "kv/data/tools/write-to-claimant", "operation": "read", "by": "token-call_x"}
        found = events.ReconcilerFinding(name="DENIED", accessor="acc-probe", lease_id=lease_id, detail=detail)
        entry = await self._services.journal.append(found, stream=SYSTEM, actor="service:reconciler")
        return entry.sequence

    async def services_report(self) -> None:
        """Canary and reconciler are up."""
        async with self._services.database.transaction() as session:
            for name in ("canary", "reconciler"):
                session.add(ServiceReport(name=name, worker_id="worker-1", ok=True, detail={"seconds": 0.01}))

    async def killed(self, run_id: str, auditor: str) -> str:
        """A kill switch that ended a run and was lifted later. Returns its id."""
        stop_id, moment = new_id("stop"), now() - timedelta(minutes=20)
        reason = await self._services.blobs.put(REASON.encode(), "text/plain")
        async with self._services.database.transaction() as session:
            session.add(
                StopRecord(
                    stop_id=stop_id,
                    scope="run",
                    target=run_id,
                    reason_blob=reason,
                    asked_by=f"account:{auditor}",
                    asked_at=moment,
                    pulled_by=f"account:{auditor}",
                    pulled_at=moment,
                    proven_at=moment + timedelta(milliseconds=240),
                    leases=3,
                    lifted_by=f"account:{auditor}",
                    lifted_at=moment + timedelta(minutes=5),
                )
            )
        return stop_id

    async def overdue(self, run_id: str) -> None:
        """Make the run's live leases older than they may be."""
        async with self._services.database.transaction() as session:
            await session.execute(
                update(LeaseRecord)
                .where(LeaseRecord.run_id == run_id, LeaseRecord.state == "issued")
                .values(expires_at=now() - timedelta(seconds=30))
            )

    async def _append(self, event: events.Event, run_id: str) -> None:
        await self._services.journal.append(event, stream=run_id, actor="worker:worker-1")
