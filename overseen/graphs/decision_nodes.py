"""Nodes that decide: the rules, the explanation and the boundary. None of them acts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph.types import Command
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.facts import Fact
from overseen.domain.findings import Finding, Verdict
from overseen.domain.identifiers import derived_id
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Ruling
from overseen.domain.restore import restore
from overseen.graphs.case_file import Case, round_outputs
from overseen.graphs.review_nodes import OpenedReview, ReviewNodes, plain_proposal
from overseen.graphs.same_loss import compare_losses
from overseen.graphs.services import RunServices
from overseen.graphs.state import RunGraphState
from overseen.graphs.unread import left_to_a_person, never_alone, unread
from overseen.journal import events
from overseen.playbooks import TOLD_IN_CHAT, danger_finding
from overseen.supervisor.boundary import decide_boundary
from overseen.supervisor.proposal import build_proposal
from overseen.supervisor.ruling import compute_ruling


class DecisionNodes:
    """decide -> explain -> gate -> (act | wait_for_review)."""

    def __init__(self, services: RunServices, reviews: ReviewNodes) -> None:
        self._services = services
        self._cases = services.cases
        self._reviews = reviews

    async def decide(self, state: RunGraphState) -> dict[str, Any]:
        """Rules compute the outcome and the amount from facts; checks look at everything together."""
        case = await self._cases.open(state["run_id"])
        number = state["round"]
        plan = await self._cases.plan(state["plan_blob"])
        outputs = round_outputs(state["outputs"], number, [step.step_id for step in plan.steps])
        facts = await self._cases.facts(outputs, case.playbook)
        findings = await self._cases.findings(outputs)
        findings += await self._services.checks.inspect_facts(facts, findings)
        if told := await self._cases.dangers(case):
            findings.append(danger_finding(case.playbook, told))
        missed = unread(findings)
        ruling = compute_ruling(case.playbook, facts)
        ruling = left_to_a_person(ruling, missed) if missed else ruling
        proposal = build_proposal(case.playbook, ruling, facts)
        findings += await self._services.checks.inspect_proposal(proposal, facts)
        findings += await compare_losses(self._services, case, facts, ruling, number)
        boundary = decide_boundary(case.playbook, ruling, facts, findings, proposal.calls)
        boundary = raised_for_dangers(boundary, findings)
        boundary = never_alone(boundary, missed) if missed else boundary
        facts_blob = await self._cases.put({"facts": list(facts.values())})
        findings_blob = await self._cases.put({"findings": findings})
        ruling_blob = await self._cases.put({"ruling": ruling, "boundary": boundary, "findings": findings})
        proposal_blob = await self._cases.put(
            {
                "proposal": plain_proposal(proposal, case.playbook),
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
        # Tried again after a crash it may know more, a danger told meanwhile: the row and the journal say the same.
        await self._cases.note(case.run_id, computed, once=f"ruling:{number}:{ruling_blob[:16]}", session=session)

    async def explain(self, state: RunGraphState) -> dict[str, Any]:
        """The model puts the decision into words; where its words do not hold, the rules' own are used."""
        case = await self._cases.open(state["run_id"])
        facts = await self._facts(state, case)
        ruling, _ = await self._ruling(state)
        explanation = await self._services.explainer.explain(
            case.playbook,
            # The requester reads it, so signs of fraud and what only reviewers see are no part of it.
            facts=case.playbook.disclosure.for_their_eyes(facts),
            ruling=ruling,
            run_id=case.run_id,
            region=case.region,
        )
        blob = await self._cases.put(
            {"text": explanation.text, "cited_facts": explanation.cited_facts, "author": explanation.author}
        )
        event = events.Explained(
            explanation_blob=blob, author=explanation.author, cited_facts=tuple(explanation.cited_facts)
        )
        async with self._cases.database.transaction() as session:
            once = f"explained:{state['round']}:{blob[:16]}"
            await self._cases.note(case.run_id, event, once=once, session=session)
            await self._cases.update_run(case.run_id, session, explanation_blob=blob)
        return {"explanation_blob": blob}

    async def gate(self, state: RunGraphState) -> Command[str]:
        """The boundary's word becomes leave for exact calls, or a review; nothing else happens here."""
        case = await self._cases.open(state["run_id"])
        ruling, boundary = await self._ruling(state)
        if await self._cases.told_since(case, state["findings_blob"]):
            # Told after the decision was computed: everything is read once more.
            return Command(goto="plan")
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
                leave = await self._reviews.authorize(case.run_id, proposal, "boundary", state["round"], session)
                return Command(goto="act", update={"authorizations": leave})
            opened = OpenedReview(
                review_id=derived_id("rev", case.run_id, state["round"], state["proposal_digest"]),
                ruling=ruling,
                boundary=boundary,
                proposal_blob=state["proposal_blob"],
                proposal_digest=state["proposal_digest"],
            )
            await self._reviews.open_review(case, opened, session)
        return Command(goto="wait_for_review", update={"review_id": opened.review_id})

    async def _facts(self, state: RunGraphState, case: Case) -> Mapping[str, Fact]:
        return {fact.name: fact for fact in await self._cases.facts_in(state["facts_blob"], case.playbook)}

    async def _ruling(self, state: RunGraphState) -> tuple[Ruling, BoundaryVerdict]:
        content = await self._cases.get(state["ruling_blob"])
        return restore(Ruling, content["ruling"]), restore(BoundaryVerdict, content["boundary"])


def raised_for_dangers(boundary: BoundaryVerdict, findings: Sequence[Finding]) -> BoundaryVerdict:
    """Human-only where a danger was told in the chat, whatever the playbook's tables say."""
    told = tuple(finding.message for finding in findings if finding.check == TOLD_IN_CHAT)
    if not told:
        return boundary
    return replace(
        boundary,
        level=BoundaryLevel.HUMAN_ONLY,
        reasons=(*told, *boundary.reasons),
        rules=(TOLD_IN_CHAT, *boundary.rules),
    )
