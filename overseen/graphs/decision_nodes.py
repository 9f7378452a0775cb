"""Nodes that decide: the rules, the explanation, the boundary, and what a reviewer said. None of them acts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.types import Command, interrupt
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.canonical import plain
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding, Verdict
from overseen.domain.identifiers import derived_id, new_id
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, DecisionKind, Ruling, RunState
from overseen.domain.proposals import Proposal
from overseen.domain.restore import restore
from overseen.errors import OverseenError
from overseen.graphs.case_file import Case, round_outputs
from overseen.graphs.services import RunServices
from overseen.graphs.state import RunGraphState
from overseen.journal import events
from overseen.reviews.edits import apply_edit, parse_edit
from overseen.reviews.rules import check_digest, check_reviewer
from overseen.store import tables
from overseen.supervisor.boundary import decide_boundary
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling


class DecisionNodes:
    """decide -> explain -> gate -> (wait_for_review -> apply_decision)."""

    def __init__(self, services: RunServices) -> None:
        self._services = services
        self._cases = services.cases

    async def decide(self, state: RunGraphState) -> dict[str, Any]:
        """Rules compute the outcome and the amount from facts; checks look at everything together."""
        case = await self._cases.open(state["run_id"])
        number = state["round"]
        plan = await self._cases.plan(state["plan_blob"])
        outputs = round_outputs(state["outputs"], number, [step.step_id for step in plan.steps])
        facts = await self._cases.facts(outputs, case.playbook)
        findings = await self._cases.findings(outputs)
        findings += await self._services.checks.inspect_facts(facts, findings)
        ruling = compute_ruling(case.playbook, facts)
        proposal = build_proposal(case.playbook, ruling, facts)
        findings += await self._services.checks.inspect_proposal(proposal, facts)
        boundary = decide_boundary(case.playbook, ruling, facts, findings, proposal.calls)
        facts_blob = await self._cases.put({"facts": list(facts.values())})
        findings_blob = await self._cases.put({"findings": findings})
        ruling_blob = await self._cases.put({"ruling": ruling, "boundary": boundary, "findings": findings})
        proposal_blob = await self._cases.put(
            {
                "proposal": plain_proposal(proposal),
                "digest": proposal.digest,
                "ruling": ruling,
                "boundary": boundary,
                "facts": list(facts.values()),
                "findings": findings,
            }
        )
        async with self._cases.database.transaction() as session:
            await self._note_decision(case, number, (ruling, ruling_blob), findings, session)
            await self._cases.update_run(
                case.run_id,
                session,
                outcome=ruling.outcome.value,
                amount=ruling.amount,
                currency=ruling.currency,
                boundary=boundary.level.value,
                facts_blob=facts_blob,
                ruling_blob=ruling_blob,
            )
        return {
            "facts_blob": facts_blob,
            "findings_blob": findings_blob,
            "ruling_blob": ruling_blob,
            "proposal_blob": proposal_blob,
            "proposal_digest": proposal.digest,
            "level": boundary.level.value,
        }

    async def _note_decision(
        self,
        case: Case,
        number: int,
        ruled: tuple[Ruling, str],
        findings: Sequence[Finding],
        session: AsyncSession,
    ) -> None:
        ruling, ruling_blob = ruled
        for index, finding in enumerate(findings):
            if finding.verdict is not Verdict.PASS:
                evidence = await self._cases.put(finding.evidence, session=session) if finding.evidence else None
                said = {"subject": finding.subject, "message": finding.message}
                told = await self._cases.put(said, session=session)
                event = events.FindingReported(
                    check=finding.check,
                    verdict=finding.verdict.value,
                    subject=finding.subject.partition(":")[0],
                    finding_blob=told,
                    evidence_blob=evidence,
                )
                await self._cases.note(case.run_id, event, once=f"finding:{number}:{index}", session=session)
        computed = events.RulingComputed(
            outcome=ruling.outcome.value,
            amount=None if ruling.amount is None else format(ruling.amount, "f"),
            currency=ruling.currency,
            decision_class=ruling.decision_class,
            rules=ruling.rules,
            ruling_blob=ruling_blob,
        )
        await self._cases.note(case.run_id, computed, once=f"ruling:{number}", session=session)

    async def explain(self, state: RunGraphState) -> dict[str, Any]:
        """The model puts the decision into words; where its words do not hold, the rules' own are used."""
        case = await self._cases.open(state["run_id"])
        facts = await self._facts(state, case)
        ruling, _ = await self._ruling(state)
        explanation = await self._services.explainer.explain(
            case.playbook, facts=facts, ruling=ruling, run_id=case.run_id, region=case.region
        )
        blob = await self._cases.put(
            {"text": explanation.text, "cited_facts": explanation.cited_facts, "author": explanation.author}
        )
        event = events.Explained(
            explanation_blob=blob, author=explanation.author, cited_facts=tuple(explanation.cited_facts)
        )
        async with self._cases.database.transaction() as session:
            await self._cases.note(case.run_id, event, once=f"explained:{state['round']}", session=session)
            await self._cases.update_run(case.run_id, session, explanation_blob=blob)
        return {"explanation_blob": blob}

    async def gate(self, state: RunGraphState) -> Command[str]:
        """The boundary's word becomes leave for exact calls, or a review; nothing else happens here."""
        case = await self._cases.open(state["run_id"])
        ruling, boundary = await self._ruling(state)
        proposal = await self._cases.proposal(state["proposal_blob"])
        decided = events.BoundaryDecided(
            level=boundary.level.value,
            reasons=boundary.reasons,
            rules=boundary.rules,
            proposal_digest=proposal.digest,
            tolerated=boundary.tolerated,
        )
        async with self._cases.database.transaction() as session:
            await self._cases.note(case.run_id, decided, once=f"boundary:{state['round']}", session=session)
            if boundary.level is BoundaryLevel.AUTOMATE:
                leave = await self._authorize(case.run_id, proposal, "boundary", state["round"], session)
                return Command(goto="act", update={"authorizations": leave})
            review_id = await self._open_review(case, state, (ruling, boundary), session)
        return Command(goto="wait_for_review", update={"review_id": review_id})

    async def wait_for_review(self, state: RunGraphState) -> dict[str, Any]:
        """Parks the run until a decision is there. A node that interrupts does nothing else."""
        return {"decision_id": interrupt({"waits_for": "reviewer", "review_id": state["review_id"]})}

    async def apply_decision(self, state: RunGraphState) -> Command[str]:
        """Check once more that the decision may be used, then turn it into leave for exact calls, or into an end."""
        case = await self._cases.open(state["run_id"])
        decision_id = state.get("decision_id", "")
        async with self._cases.database.transaction() as session:
            decision = await session.get(tables.Decision, decision_id, with_for_update=True)
            review = await session.get(tables.Review, state["review_id"], with_for_update=True)
            try:
                decision, review = _usable(decision, review, state)
                await self._check_person(case, decision, session)
            except OverseenError as error:
                refused = events.DecisionRefused(
                    review_id=state["review_id"], decision_id=decision_id, message=error.message
                )
                key = f"decision_refused:{decision_id}"
                await self._cases.note(case.run_id, refused, once=key, session=session)
                if review is not None and review.state == "decided":
                    review.state = "open"
                await self._cases.update_run(
                    case.run_id, session, state=RunState.WAITING_REVIEW, parked_at=datetime.now(UTC)
                )
                return Command(goto="wait_for_review")
            decision.used_at, review.state = decision.used_at or datetime.now(UTC), "applied"
            return await self._follow(case, state, decision, session)

    async def _check_person(self, case: Case, decision: tables.Decision, session: AsyncSession) -> None:
        reviewer = await session.get(tables.Account, decision.reviewer_id)
        roles = reviewer.roles if reviewer is not None and reviewer.disabled_at is None else []
        check_reviewer(reviewer_id=decision.reviewer_id, roles=roles, requester_id=case.requester_id)

    async def _follow(
        self, case: Case, state: RunGraphState, decision: tables.Decision, session: AsyncSession
    ) -> Command[str]:
        kind = DecisionKind(decision.kind)
        if kind is DecisionKind.REJECT:
            return Command(goto="close", update={"end": RunState.CLOSED.value})
        if kind is DecisionKind.ASK:
            await self._say(case, decision.reason_blob, decision.decision_id, session)
            return Command(goto="park_for_requester")
        proposal = await self._cases.proposal(state["proposal_blob"])
        update: dict[str, Any] = {}
        if kind is DecisionKind.EDIT and decision.edit_blob is not None:
            edit = parse_edit(await self._cases.get(decision.edit_blob))
            proposal = Proposal(ruling=proposal.ruling, calls=apply_edit(edit, proposal.calls))
            content = {**await self._cases.get(state["proposal_blob"]), "proposal": plain_proposal(proposal)}
            content["digest"] = proposal.digest
            update["proposal_blob"] = await self._cases.put(content, session=session)
            update["proposal_digest"] = proposal.digest
        by = f"decision:{decision.decision_id}"
        update["authorizations"] = await self._authorize(case.run_id, proposal, by, state["round"], session)
        return Command(goto="act", update=update)

    async def _authorize(
        self, run_id: str, proposal: Proposal, granted_by: str, number: int, session: AsyncSession
    ) -> list[str]:
        """Leave for each call of the proposal; the same again for a node that is tried again."""
        leave: list[str] = []
        for index, call in enumerate(proposal.calls):
            authorization_id = derived_id("leave", run_id, number, granted_by, index, call.digest)
            await session.execute(
                insert(tables.Authorization)
                .values(
                    authorization_id=authorization_id, run_id=run_id, call_digest=call.digest, granted_by=granted_by
                )
                .on_conflict_do_nothing()
            )
            event = events.CallAuthorized(
                authorization_id=authorization_id, call_digest=call.digest, tool=call.tool, granted_by=granted_by
            )
            await self._cases.note(run_id, event, once=authorization_id, session=session)
            leave.append(authorization_id)
        return leave

    async def _open_review(
        self, case: Case, state: RunGraphState, ruled: tuple[Ruling, BoundaryVerdict], session: AsyncSession
    ) -> str:
        ruling, boundary = ruled
        review_id = derived_id("rev", case.run_id, state["round"], state["proposal_digest"])
        due_at = datetime.now(UTC) + timedelta(hours=case.playbook.deadlines.review_hours)
        await session.execute(
            insert(tables.Review)
            .values(
                review_id=review_id,
                run_id=case.run_id,
                task_id=case.task_id,
                playbook=case.playbook.name,
                region=case.region,
                boundary=boundary.level.value,
                outcome=ruling.outcome.value,
                amount=ruling.amount,
                currency=ruling.currency,
                proposal_blob=state["proposal_blob"],
                proposal_digest=state["proposal_digest"],
                state="open",
                due_at=due_at,
            )
            .on_conflict_do_nothing()
        )
        opened = events.ReviewOpened(
            review_id=review_id,
            boundary=boundary.level.value,
            proposal_blob=state["proposal_blob"],
            proposal_digest=state["proposal_digest"],
            due_at=due_at.isoformat(),
        )
        await self._cases.note(case.run_id, opened, once=review_id, session=session)
        parked = events.RunParked(waits_for="reviewer", review_id=review_id)
        await self._cases.note(case.run_id, parked, once=f"parked:{review_id}", session=session)
        await self._cases.update_run(case.run_id, session, state=RunState.WAITING_REVIEW, parked_at=datetime.now(UTC))
        return review_id

    async def _say(self, case: Case, body_blob: str, decision_id: str, session: AsyncSession) -> None:
        """The reviewer's question to the requester becomes a line of the chat."""
        known = await session.scalar(
            select(tables.Message.message_id).where(
                tables.Message.task_id == case.task_id, tables.Message.reply_to == decision_id
            )
        )
        if known is not None:
            return
        message_id = new_id("msg")
        session.add(
            tables.Message(
                message_id=message_id,
                task_id=case.task_id,
                author="reviewer",
                kind="notice",
                body_blob=body_blob,
                reply_to=decision_id,
            )
        )
        added = events.MessageAdded(
            message_id=message_id, author="reviewer", message_kind="notice", body_blob=body_blob
        )
        await self._cases.note_task(case.task_id, added, once=f"asked:{decision_id}", session=session)

    async def _facts(self, state: RunGraphState, case: Case) -> Mapping[str, Fact]:
        return {fact.name: fact for fact in await self._cases.facts_in(state["facts_blob"], case.playbook)}

    async def _ruling(self, state: RunGraphState) -> tuple[Ruling, BoundaryVerdict]:
        content = await self._cases.get(state["ruling_blob"])
        return restore(Ruling, content["ruling"]), restore(BoundaryVerdict, content["boundary"])


def _usable(
    decision: tables.Decision | None, review: tables.Review | None, state: RunGraphState
) -> tuple[tables.Decision, tables.Review]:
    """The decision and its review when they belong together, to this proposal, and were not used before."""
    if decision is None or review is None or decision.review_id != review.review_id:
        raise OverseenError("There is no such decision on this case.")
    if review.state == "applied":
        # Applying is one transaction with the mark; a mark without the next checkpoint is this node tried again.
        if decision.used_at is None:
            raise OverseenError("Another decision on this case was used before.")
    elif review.state != "decided":
        raise OverseenError("The case has not been decided.")
    check_digest(seen=decision.proposal_digest, current=state["proposal_digest"])
    return decision, review


def plain_proposal(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON values, each call with its digest."""
    content = plain(proposal)
    for call, described in zip(proposal.calls, content["calls"], strict=True):
        described["digest"] = call.digest
    return content
