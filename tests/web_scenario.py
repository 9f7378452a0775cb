"""A house with some history, written through the real journal, store and readers: what page tests look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from overseen.api.services import Services
from overseen.domain.canonical import canonical_json, plain
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding, Verdict
from overseen.domain.identifiers import derived_id, new_id
from overseen.domain.outcomes import BoundaryVerdict, Role, RunState
from overseen.domain.plans import Step
from overseen.domain.proposals import Proposal
from overseen.journal import events
from overseen.store.tables import (
    Attachment,
    CallRecord,
    LeaseRecord,
    Message,
    ModelCallRecord,
    Review,
    Run,
    Task,
    now,
)
from tests.web_claim import (
    HOLDER_EMAIL,
    LETTER,
    claim_facts,
    claim_plan,
    claim_proposal,
    claim_ruling,
    estimate_page,
    photo,
)
from tests.web_security import SecurityScenario


@dataclass(frozen=True, kw_only=True)
class House:
    """Ids of what the scenario made."""

    requester: str
    reviewer: str
    auditor: str
    settled_task: str
    settled_run: str
    waiting_task: str
    waiting_run: str
    review: str
    other_review: str
    own_review: str
    working_task: str
    working_run: str
    lease: str
    payment_lease: str
    finding: int
    stop: str


class Scenario:
    """Writes the history."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._journal = services.journal
        self._blobs = services.blobs

    async def build(self) -> House:
        """Everything, from accounts to leases."""
        accounts = self._services.accounts
        requester = await accounts.add(
            "rosa", display_name="Rosa Lind", roles=[Role.REQUESTER], password="correct horse"
        )
        await accounts.set_email("rosa", HOLDER_EMAIL)
        reviewer = await accounts.add(
            "rene", display_name="René Okafor", roles=[Role.REVIEWER], password="battery staple"
        )
        auditor = await accounts.add(
            "aude", display_name="Aude Meyer", roles=[Role.AUDITOR], password="paper clip nine"
        )
        both = await accounts.add("bea", display_name="Bea Ruiz", roles=[Role.REQUESTER, Role.REVIEWER])
        settled = await self._claim(requester, "Please settle this: a stone broke my windscreen", RunState.SETTLED)
        waiting = await self._claim(requester, "Water damage in our kitchen, please settle it", RunState.WAITING_REVIEW)
        other = await self._claim(requester, "Lost luggage on the way to Lisbon", RunState.WAITING_REVIEW)
        own = await self._claim(both, "My own bicycle was stolen", RunState.WAITING_REVIEW)
        working = await self._claim(requester, "Hail damage on the roof of the car", RunState.RUNNING)
        await self._claim(requester, "Broken window after the storm", RunState.WAITING_REQUESTER)
        denied = await self._claim(requester, "Theft from a locked car", RunState.DENIED)
        await accounts.add("otto", display_name="Otto Brandt", roles=[Role.OPERATOR])
        security = SecurityScenario(self._services)
        await security.services_report()
        payment_lease = await security.payment(settled[1], settled[0], requester=requester, reviewer=reviewer)
        finding = await security.finding(await security.denied(denied[1]))
        stop = await security.killed(denied[1], auditor)
        return House(
            requester=requester,
            reviewer=reviewer,
            auditor=auditor,
            settled_task=settled[0],
            settled_run=settled[1],
            waiting_task=waiting[0],
            waiting_run=waiting[1],
            review=waiting[2],
            other_review=other[2],
            own_review=own[2],
            working_task=working[0],
            working_run=working[1],
            lease=derived_id("lease", waiting[1], 0),
            payment_lease=payment_lease,
            finding=finding,
            stop=stop,
        )

    async def _claim(self, requester: str, title: str, state: RunState) -> tuple[str, str, str]:
        task_id, run_id = new_id("task"), new_id("run")
        title_blob = await self._blobs.put(title.encode(), "text/plain")
        body = await self._blobs.put(f"{title}.".encode(), "text/plain")
        files = [
            ("letter.eml", "message/rfc822", LETTER.encode()),
            ("estimate.png", "image/png", estimate_page()),
            ("floor.png", "image/png", photo("#c9b79a")),
        ]
        message_id = new_id("msg")
        async with self._services.database.transaction() as session:
            session.add(
                Task(
                    task_id=task_id,
                    playbook="claims_intake",
                    requester_id=requester,
                    region="local",
                    title_blob=title_blob,
                    form_token=new_id("form"),
                )
            )
            await session.flush()
            session.add(
                Message(
                    message_id=message_id,
                    task_id=task_id,
                    author="requester",
                    account_id=requester,
                    kind="text",
                    body_blob=body,
                )
            )
            blobs: list[str] = []
            for position, (name, media_type, content) in enumerate(files):
                blob = await self._blobs.put(content, media_type, session=session)
                blobs.append(blob)
                session.add(
                    Attachment(
                        attachment_id=new_id("att"),
                        task_id=task_id,
                        message_id=message_id,
                        position=position,
                        name=name,
                        media_type=media_type,
                        size=len(content),
                        blob=blob,
                    )
                )
            session.add(
                Run(
                    run_id=run_id,
                    task_id=task_id,
                    playbook="claims_intake",
                    playbook_digest="c" * 64,
                    region="local",
                    state=RunState.RUNNING,
                    started_at=now(),
                )
            )
        review_id = await self._history(run_id, task_id, requester, blobs, state)
        return task_id, run_id, review_id

    async def _history(self, run_id: str, task_id: str, requester: str, blobs: Sequence[str], state: RunState) -> str:
        plan = claim_plan()
        await self._append(
            run_id,
            events.TaskSubmitted(
                task_id=task_id,
                playbook="claims_intake",
                playbook_digest="c" * 64,
                requester_id=requester,
                message_blob=blobs[0],
                region="local",
                attachments=tuple(
                    {"attachment_id": "att", "media_type": "image/png", "size": 1, "blob": blob} for blob in blobs
                ),
            ),
            f"account:{requester}",
        )
        await self._append(run_id, events.RunStarted(worker_id="worker-1"))
        plan_blob = await self._json(plain(plan))
        await self._append(run_id, events.PlanProposed(origin="model", plan_blob=plan_blob, plan_digest=plan.digest))
        await self._append(
            run_id,
            events.PlanLocked(
                plan_digest=plan.digest,
                origin="model",
                steps=tuple(
                    {"step_id": s.step_id, "agent": s.agent, "needs": s.needs, "produces": s.produces}
                    for s in plan.steps
                ),
            ),
        )
        facts = claim_facts(blobs, await self._blobs.put(LETTER.encode(), "text/plain"))
        findings = (
            Finding(
                check="photo_quality",
                verdict=Verdict.FLAG,
                subject="photo:floor.png",
                message="Photo floor.png is blurred; the damage can still be made out.",
            ),
        )
        finished = 3 if state is not RunState.RUNNING else 1
        for number, step in enumerate(plan.steps):
            await self._step(
                run_id, number, step, [f for f in facts if f.step_id == step.step_id], done=number < finished
            )
            if number == 1 and finished > 1:
                await self._append(
                    run_id,
                    events.FindingReported(
                        step_id=step.step_id,
                        check="photo_quality",
                        verdict="flag",
                        subject="photo:floor.png",
                        message=findings[0].message,
                    ),
                    "agent:vision_checker",
                )
        if state is RunState.RUNNING:
            await self._update(run_id, plan_blob=plan_blob, state=state)
            return ""
        return await self._decide(run_id, task_id, plan_blob, (facts, findings, state))

    async def _step(self, run_id: str, number: int, step: Step, facts: Sequence[Fact], *, done: bool) -> None:
        agent = f"agent:{step.agent}"
        await self._append(run_id, events.StepStarted(step_id=step.step_id, agent=step.agent), agent)
        request = await self._json(
            [{"role": "system", "text": "You read insurance claims."}, {"role": "user", "text": LETTER}]
        )
        answer = await self._json({"policy_number": "HOM-4471-BX", "incident_date": "2026-03-03"})
        await self._append(
            run_id,
            events.ModelCalled(
                model_call_id=derived_id("model", run_id, number),
                step_id=step.step_id,
                agent=step.agent,
                purpose="extract_facts",
                route="local",
                model="qwen2.5-coder-1.5b",
                prompt_name="extractor/read_document",
                prompt_version="4f1c0a92be11",
                request_blob=request,
                answer_blob=answer,
                input_tokens=912,
                output_tokens=143,
                cached_tokens=0,
                cost_usd="0",
                seconds=7.4,
                finish_reason="stop",
            ),
            agent,
        )
        call_id = derived_id("call", run_id, number)
        arguments = await self._json({"file": "letter.eml"})
        tool = ("read_document", "inspect_image", "look_up_policy")[number]
        await self._append(
            run_id,
            events.CallStarted(
                call_id=call_id,
                step_id=step.step_id,
                agent=step.agent,
                tool=tool,
                effect="read",
                digest="d" * 64,
                arguments_blob=arguments,
                argument_facts={},
                attempt=1,
            ),
            agent,
        )
        lease_id = derived_id("lease", run_id, number)
        grants = ("insurer_read",) if number == 2 else ()
        await self._append(
            run_id,
            events.LeaseIssued(
                lease_id=lease_id,
                call_id=call_id,
                agent=step.agent,
                tool=tool,
                grants=grants,
                accessor=f"acc-{lease_id}",
                principals=("v-insurer-read-x7",) if grants else (),
                expires_at=plain(now() + timedelta(seconds=60)),
            ),
            agent,
        )
        result = await self._json({"call_id": call_id, "tool": tool, "value": {"kind": "mail"}, "blobs": {}})
        await self._rows(run_id, step, number, (call_id, tool, arguments, result, request, answer), done=done)
        if not done:
            return
        await self._append(
            run_id,
            events.CallFinished(
                call_id=call_id,
                step_id=step.step_id,
                tool=tool,
                result_blob=result,
                timings={"lease": 0.04, "sandbox": 0.02, "tool": 0.31},
            ),
            agent,
        )
        await self._append(
            run_id,
            events.LeaseClosed(lease_id=lease_id, call_id=call_id, reason="call ended", lived_seconds=0.42),
            agent,
        )
        facts_blob = await self._json({"facts": plain(facts)})
        described = tuple(
            {
                "name": f.name,
                "fact_id": f.fact_id,
                "trust": f.trust.value,
                "confidence": f.confidence,
                "source_kind": f.source.kind,
            }
            for f in facts
        )
        await self._append(
            run_id, events.FactsProduced(step_id=step.step_id, facts_blob=facts_blob, facts=described), agent
        )
        await self._append(
            run_id,
            events.StepFinished(step_id=step.step_id, agent=step.agent, facts=len(facts), findings=0, seconds=8.1),
            agent,
        )

    async def _rows(self, run_id: str, step: Step, number: int, made: tuple[str, ...], *, done: bool) -> None:
        call_id, tool, arguments, result, request, answer = made
        asked = now() - timedelta(seconds=2)
        async with self._services.database.transaction() as session:
            session.add(
                CallRecord(
                    call_id=call_id,
                    run_id=run_id,
                    step_id=step.step_id,
                    agent=step.agent,
                    tool=tool,
                    effect="read",
                    digest="d" * 64,
                    arguments_blob=arguments,
                    state="finished" if done else "started",
                    result_blob=result if done else None,
                    timings={"tool": 0.31},
                    ended_at=now() if done else None,
                )
            )
            session.add(
                LeaseRecord(
                    lease_id=derived_id("lease", run_id, number),
                    call_id=call_id,
                    run_id=run_id,
                    step_id=step.step_id,
                    agent=step.agent,
                    tool=tool,
                    grants=["insurer_read"] if number == 2 else [],
                    policies=["grant-insurer-read"],
                    paths=["database/creds/insurer-read"],
                    kind="database" if number == 2 else "token",
                    region="local",
                    worker_id="worker-1",
                    state="closed" if done else "issued",
                    accessor=f"acc-{call_id}",
                    principals=["v-insurer-read-x7"] if number == 2 else [],
                    asked_at=asked,
                    issued_at=asked + timedelta(milliseconds=40),
                    used_at=asked + timedelta(milliseconds=90),
                    expires_at=asked + timedelta(seconds=60),
                    revoked_at=asked + timedelta(milliseconds=430) if done else None,
                    proven_gone_at=asked + timedelta(milliseconds=470) if done else None,
                    reason="call ended" if done else None,
                )
            )
            session.add(
                ModelCallRecord(
                    model_call_id=derived_id("model", run_id, number),
                    run_id=run_id,
                    step_id=step.step_id,
                    purpose="extract_facts",
                    request_digest="e" * 64,
                    request_blob=request,
                    answer_blob=answer,
                    route="local",
                    model="qwen2.5-coder-1.5b",
                    prompt_name="extractor/read_document",
                    prompt_version="4f1c0a92be11",
                    input_tokens=912,
                    output_tokens=143,
                    cost_usd=Decimal(0),
                    seconds=Decimal("7.4"),
                )
            )

    async def _decide(
        self, run_id: str, task_id: str, plan_blob: str, known: tuple[Sequence[Fact], Sequence[Finding], RunState]
    ) -> str:
        facts, findings, state = known
        ruling, verdict = claim_ruling(state)
        proposal = claim_proposal(ruling)
        ruling_blob = await self._json(
            {"ruling": plain(ruling), "boundary": plain(verdict), "findings": plain(findings)}
        )
        await self._append(
            run_id,
            events.RulingComputed(
                outcome=ruling.outcome,
                amount=plain(ruling.amount),
                currency="GBP",
                decision_class="settle",
                rules=ruling.rules,
                ruling_blob=ruling_blob,
            ),
        )
        explanation = await self._json(
            {
                "text": "The burst hose is covered by clause A3 of your policy. The floor layer's estimate is 1,840.50 "
                "GBP; your excess of 250.00 GBP is taken off.",
                "cited_facts": ["estimate_total", "excess", "clause"],
                "author": "model",
            }
        )
        await self._append(
            run_id, events.Explained(explanation_blob=explanation, author="model", cited_facts=("excess",))
        )
        await self._append(
            run_id,
            events.BoundaryDecided(
                level=verdict.level, reasons=verdict.reasons, rules=verdict.rules, proposal_digest=proposal.digest
            ),
        )
        review_id = ""
        if state is RunState.WAITING_REVIEW:
            review_id = await self._review(run_id, task_id, (proposal, verdict, facts, findings))
        waits = {RunState.WAITING_REVIEW: "reviewer", RunState.WAITING_REQUESTER: "requester"}
        if state in waits:
            await self._append(run_id, events.RunParked(waits_for=waits[state], review_id=review_id or None))
        else:
            await self._append(
                run_id,
                events.RunEnded(
                    state=state,
                    outcome=ruling.outcome,
                    amount=plain(ruling.amount),
                    currency="GBP",
                    seconds=31.2,
                    input_tokens=2736,
                    output_tokens=429,
                    cost_usd="0",
                ),
            )
        await self._update(
            run_id,
            state=state,
            outcome=ruling.outcome.value,
            amount=ruling.amount,
            currency="GBP",
            boundary=verdict.level.value,
            plan_blob=plan_blob,
            ruling_blob=ruling_blob,
            explanation_blob=explanation,
            facts_blob=await self._json({"facts": plain(facts)}),
            input_tokens=2736,
            output_tokens=429,
            parked_at=now() if state in waits else None,
            ended_at=None if state in waits else now(),
        )
        return review_id

    async def _review(
        self,
        run_id: str,
        task_id: str,
        case: tuple[Proposal, BoundaryVerdict, Sequence[Fact], Sequence[Finding]],
    ) -> str:
        proposal, verdict, facts, findings = case
        review_id = new_id("rev")
        described = plain(proposal)
        described["calls"] = [{**plain(call), "digest": call.digest} for call in proposal.calls]
        blob = await self._json(
            {
                "proposal": described,
                "digest": proposal.digest,
                "ruling": plain(proposal.ruling),
                "boundary": plain(verdict),
                "facts": plain(facts),
                "findings": plain(findings),
            }
        )
        due = now() + timedelta(hours=2)
        async with self._services.database.transaction() as session:
            session.add(
                Review(
                    review_id=review_id,
                    run_id=run_id,
                    task_id=task_id,
                    playbook="claims_intake",
                    region="local",
                    boundary=verdict.level.value,
                    outcome=proposal.ruling.outcome.value,
                    amount=proposal.ruling.amount,
                    currency="GBP",
                    proposal_blob=blob,
                    proposal_digest=proposal.digest,
                    state="open",
                    due_at=due,
                )
            )
        await self._append(
            run_id,
            events.ReviewOpened(
                review_id=review_id,
                boundary=verdict.level,
                proposal_blob=blob,
                proposal_digest=proposal.digest,
                due_at=plain(due),
            ),
        )
        return review_id

    async def _append(self, run_id: str, event: events.Event, actor: str = "worker:worker-1") -> None:
        await self._journal.append(event, stream=run_id, actor=actor)

    async def _json(self, value: Any) -> str:
        return await self._blobs.put(canonical_json(value), "application/json")

    async def _update(self, run_id: str, **values: Any) -> None:
        async with self._services.database.transaction() as session:
            run = await session.get_one(Run, run_id)
            for name, value in values.items():
                setattr(run, name, value)
