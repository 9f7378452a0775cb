"""Nodes of a review: waiting for a person, and turning what they said into leave for exact calls, or into an end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.types import Command, interrupt
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.call_rules import NO_CALL_RULES, ArgumentRole
from overseen.domain.canonical import plain
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.identifiers import derived_id, new_id
from overseen.domain.outcomes import BoundaryVerdict, DecisionKind, Ruling, RunState
from overseen.domain.proposals import Proposal
from overseen.domain.restore import restore
from overseen.errors import Conflict, Defect, OverseenError
from overseen.graphs.case_file import Case
from overseen.graphs.services import RunServices
from overseen.graphs.state import RunGraphState
from overseen.journal import events
from overseen.playbooks import Playbook
from overseen.reviews.edits import parse_edit
from overseen.reviews.rules import check_digest, check_reviewer
from overseen.store import tables
from overseen.supervisor.edits import CheckedEdit, Grounds


@dataclass(frozen=True, kw_only=True)
class OpenedReview:
    """A review to open. `edited_by` is whose edit it is."""

    review_id: str
    ruling: Ruling
    boundary: BoundaryVerdict
    proposal_blob: str
    proposal_digest: str
    edited_by: str | None = None


class ReviewNodes:
    """wait_for_review -> apply_decision -> (act | close | park_for_requester | wait_for_review)."""

    def __init__(self, services: RunServices) -> None:
        self._services = services
        self._cases = services.cases

    async def wait_for_review(self, state: RunGraphState) -> dict[str, Any]:
        """Parks the run until a decision is there. A node that interrupts does nothing else."""
        return {"decision_id": interrupt({"waits_for": "reviewer", "review_id": state["review_id"]})}

    async def apply_decision(self, state: RunGraphState) -> Command[str]:
        """Check once more that the decision may be used, then turn it into leave for exact calls, or into an end."""
        case = await self._cases.open(state["run_id"])
        decision_id = state.get("decision_id", "")
        try:
            edit = await self._checked_edit(case, state)
        except OverseenError as error:
            if error.retryable:
                raise  # a part of the house is down for a moment, which says nothing of the decision
            edit = error
        async with self._cases.database.transaction() as session:
            decision = await session.get(tables.Decision, decision_id, with_for_update=True)
            review = await session.get(tables.Review, state["review_id"], with_for_update=True)
            if review is not None and review.state == "withdrawn":
                return Command(goto="plan", update={"decision_id": ""})
            try:
                decision, review = _usable(decision, review, state)
                await self._check_person(case, decision, review, session)
                if isinstance(edit, OverseenError):
                    raise edit
            except OverseenError as error:
                await self._refuse(case, state, (decision, review), error, session)
                return Command(goto="wait_for_review")
            decision.used_at, review.state = decision.used_at or datetime.now(UTC), "applied"
            return await self._follow(case, state, (decision, edit), session)

    async def _refuse(
        self,
        case: Case,
        state: RunGraphState,
        found: tuple[tables.Decision | None, tables.Review | None],
        error: OverseenError,
        session: AsyncSession,
    ) -> None:
        """Nothing is done because of a decision that does not hold; the case waits for another one."""
        decision, review = found
        decision_id = state.get("decision_id", "")
        refused = events.DecisionRefused(review_id=state["review_id"], decision_id=decision_id, message=error.message)
        await self._cases.note(case.run_id, refused, once=f"decision_refused:{decision_id}", session=session)
        if review is not None and review.state == "decided":
            review.state, review.decided_at = "open", None
            if decision is not None and decision.review_id == review.review_id:
                decision.refused_at = datetime.now(UTC)
        await self._cases.update_run(case.run_id, session, state=RunState.WAITING_REVIEW, parked_at=datetime.now(UTC))

    async def _checked_edit(self, case: Case, state: RunGraphState) -> CheckedEdit | None:
        """The reviewer's edit against the facts as they are now; None where nothing was edited. Raises InvalidInput."""
        async with self._cases.database.read() as session:
            decision = await session.get(tables.Decision, state.get("decision_id", ""))
        if decision is None or decision.kind != DecisionKind.EDIT or decision.edit_blob is None:
            return None
        edit = parse_edit(await self._cases.get(decision.edit_blob))
        ruling, _ = await self._ruling(state)
        stored = (await self._cases.get(state["findings_blob"]))["findings"]
        grounds = Grounds(
            playbook=case.playbook,
            ruling=ruling,
            facts=await self._facts(state, case),
            findings=[restore(Finding, item) for item in stored],
        )
        return await self._services.edits.check(grounds, edit.calls)

    async def _check_person(
        self, case: Case, decision: tables.Decision, review: tables.Review, session: AsyncSession
    ) -> None:
        reviewer = await session.get(tables.Account, decision.reviewer_id)
        roles = reviewer.roles if reviewer is not None and reviewer.disabled_at is None else []
        check_reviewer(
            reviewer_id=decision.reviewer_id,
            roles=roles,
            requester_id=case.requester_id,
            edited_by=review.edited_by,
        )

    async def _follow(
        self,
        case: Case,
        state: RunGraphState,
        decided: tuple[tables.Decision, CheckedEdit | None],
        session: AsyncSession,
    ) -> Command[str]:
        decision, edit = decided
        kind = DecisionKind(decision.kind)
        if kind is DecisionKind.REJECT:
            return Command(goto="close", update={"end": RunState.CLOSED.value})
        if kind is DecisionKind.ASK:
            await self._say(case, decision.reason_blob, decision.decision_id, session)
            return Command(goto="park_for_requester")
        if kind is DecisionKind.EDIT:
            if edit is None:
                raise Defect("An edit without calls was stored.", not_done="None of the effects was started.")
            return await self._follow_edit(case, state, (decision, edit), session)
        proposal = await self._cases.proposal(state["proposal_blob"])
        by = f"decision:{decision.decision_id}"
        leave = await self.authorize(case.run_id, proposal, by, state["round"], session)
        await self._show_decided(case, proposal, session)
        return Command(goto="act", update={"authorizations": leave})

    async def _follow_edit(
        self, case: Case, state: RunGraphState, decided: tuple[tables.Decision, CheckedEdit], session: AsyncSession
    ) -> Command[str]:
        """Leave for the edited calls, or a second review of them where a second person has to agree."""
        decision, edit = decided
        proposal, by = edit.proposal, f"decision:{decision.decision_id}"
        content = {
            **await self._cases.get(state["proposal_blob"]),
            "proposal": plain_proposal(proposal, case.playbook),
            "digest": proposal.digest,
            "boundary": edit.boundary,
        }
        blob = await self._cases.put(content, session=session)
        update: dict[str, Any] = {"proposal_blob": blob, "proposal_digest": proposal.digest}
        boundary = events.BoundaryDecided(
            level=edit.boundary.level.value,
            reasons=edit.boundary.reasons,
            rules=edit.boundary.rules,
            proposal_digest=proposal.digest,
            tolerated=edit.boundary.tolerated,
            edited_outcome=proposal.ruling.outcome.value,
            edited_amount=None if proposal.ruling.amount is None else format(proposal.ruling.amount, "f"),
        )
        await self._cases.note(case.run_id, boundary, once=f"boundary:{decision.decision_id}", session=session)
        if not edit.second_person:
            update["authorizations"] = await self.authorize(case.run_id, proposal, by, state["round"], session)
            await self._show_decided(case, proposal, session)
            return Command(goto="act", update=update)
        opened = OpenedReview(
            review_id=derived_id("rev", case.run_id, state["round"], proposal.digest, decision.decision_id),
            ruling=proposal.ruling,
            boundary=edit.boundary,
            proposal_blob=blob,
            proposal_digest=proposal.digest,
            edited_by=decision.reviewer_id,
        )
        await self.open_review(case, opened, session)
        return Command(goto="wait_for_review", update={**update, "review_id": opened.review_id})

    async def _show_decided(self, case: Case, proposal: Proposal, session: AsyncSession) -> None:
        """The run's row says what is being done, which an edit may have changed."""
        ruling = proposal.ruling
        await self._cases.update_run(case.run_id, session, outcome=ruling.outcome.value, amount=ruling.amount)

    async def authorize(
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

    async def open_review(self, case: Case, opened: OpenedReview, session: AsyncSession) -> None:
        """Let the run wait for a person; the same again for a node that is tried again."""
        ruling, review_id = opened.ruling, opened.review_id
        due_at = datetime.now(UTC) + timedelta(hours=case.playbook.deadlines.review_hours)
        await session.execute(
            insert(tables.Review)
            .values(
                review_id=review_id,
                run_id=case.run_id,
                task_id=case.task_id,
                playbook=case.playbook.name,
                region=case.region,
                boundary=opened.boundary.level.value,
                outcome=ruling.outcome.value,
                amount=ruling.amount,
                currency=ruling.currency,
                proposal_blob=opened.proposal_blob,
                proposal_digest=opened.proposal_digest,
                state="open",
                edited_by=opened.edited_by,
                due_at=due_at,
            )
            .on_conflict_do_nothing()
        )
        event = events.ReviewOpened(
            review_id=review_id,
            boundary=opened.boundary.level.value,
            proposal_blob=opened.proposal_blob,
            proposal_digest=opened.proposal_digest,
            due_at=due_at.isoformat(),
            edited_by=opened.edited_by,
        )
        await self._cases.note(case.run_id, event, once=review_id, session=session)
        parked = events.RunParked(waits_for="reviewer", review_id=review_id)
        await self._cases.note(case.run_id, parked, once=f"parked:{review_id}", session=session)
        await self._cases.update_run(
            case.run_id,
            session,
            state=RunState.WAITING_REVIEW,
            parked_at=datetime.now(UTC),
            outcome=ruling.outcome.value,
            amount=ruling.amount,
        )

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
    if review.state == "decided" and review.proposal_blob != state["proposal_blob"]:
        # The same calls, but the facts or findings they rest on are no longer those that were on the screen.
        raise Conflict("The facts of the case have changed since it was decided.", not_done="Nothing was done.")
    return decision, review


def plain_proposal(proposal: Proposal, playbook: Playbook) -> dict[str, Any]:
    """The proposal as JSON values, each call with its digest and the names of its arguments that are money."""
    content = plain(proposal)
    for call, described in zip(proposal.calls, content["calls"], strict=True):
        described["digest"] = call.digest
        described["money"] = list(playbook.calls.get(call.tool, NO_CALL_RULES).names(ArgumentRole.MONEY))
    return content
