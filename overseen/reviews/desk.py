"""The reviewer's desk: one case, one decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.act_origin import current_origin
from overseen.domain.canonical import canonical_json
from overseen.domain.commands import Command
from overseen.domain.identifiers import new_id
from overseen.domain.outcomes import DecisionKind, RunState
from overseen.domain.same_loss import OtherLoss
from overseen.errors import Conflict, InvalidInput, NotFound
from overseen.journal import Journal
from overseen.journal.events import ReviewDecided
from overseen.reviews.edits import parse_edit
from overseen.reviews.ports import CommandQueue, EditRules, EditVerdict
from overseen.reviews.queue import ReviewSummary, summary
from overseen.reviews.rules import check_digest, check_reason, check_reviewer
from overseen.store import BlobStore, Database
from overseen.store.loss_keys import other_losses
from overseen.store.tables import Account, Decision, Review, Run, Task, now
from overseen.store.titles import read_titles


@dataclass(frozen=True, kw_only=True)
class ReviewCase:
    """Everything a reviewer needs on one screen. `content` is the proposal blob: proposal, facts, findings, reasons.

    `edited_by` is the account whose edit this is: somebody else has to agree to it. `other_losses` are the runs that
    seem to be about the same loss as they are now, those that came later among them.
    """

    summary: ReviewSummary
    proposal_digest: str
    content: Mapping[str, Any]
    decision: Mapping[str, Any] | None
    edited_by: str | None = None
    other_losses: tuple[OtherLoss, ...] = ()


class ReviewDesk:
    """Shows cases and takes decisions. A decision, its journal entry and the resume are one transaction."""

    def __init__(
        self, database: Database, blobs: BlobStore, journal: Journal, queue: CommandQueue, edits: EditRules
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._journal = journal
        self._queue = queue
        self._edits = edits

    async def case(self, review_id: str) -> ReviewCase:
        """One case with its evidence. Raises NotFound."""
        async with self._database.read() as session:
            review, task = await self._load(session, review_id)
            decision = await session.scalar(
                select(Decision).where(Decision.review_id == review_id, Decision.refused_at.is_(None))
            )
        titles = await read_titles(self._blobs, [task])
        said = None
        if decision is not None:
            reason = await self._blobs.get(decision.reason_blob)
            said = {
                "decision_id": decision.decision_id,
                "kind": decision.kind,
                "reviewer_id": decision.reviewer_id,
                "reason": reason.decode(),
                "created_at": decision.created_at.isoformat(),
                "channel": decision.channel,
                "os_user": decision.os_user,
            }
        return ReviewCase(
            summary=summary(review, task, titles[task.task_id]),
            proposal_digest=review.proposal_digest,
            content=json.loads(await self._blobs.get(review.proposal_blob)),
            decision=said,
            edited_by=review.edited_by,
            other_losses=tuple(await other_losses(self._database, review.run_id)),
        )

    async def check_edit(self, review_id: str, edit: Mapping[str, Any]) -> EditVerdict:
        """What an edit comes to, and whether a second person must agree; stores nothing.

        Raises NotFound, and InvalidInput that names the argument which cannot be.
        """
        case = await self.case(review_id)
        return await self._edits.check(case.summary.playbook, case.content, parse_edit(edit))

    async def decide(
        self,
        review_id: str,
        *,
        reviewer_id: str,
        kind: DecisionKind,
        proposal_digest: str,
        reason: str = "",
        edit: Mapping[str, Any] | None = None,
    ) -> str:
        """Store one decision and wake the run; returns the decision's id.

        `proposal_digest` is the digest of what the reviewer saw. `edit` is needed for DecisionKind.EDIT and refused
        otherwise; see `overseen.reviews.edits`. It is checked here and again before anything is done because of it;
        what is stored is the whole set of calls. Raises Forbidden, Conflict, InvalidInput, NotFound.
        """
        reason = check_reason(kind, reason)
        if (edit is not None) != (kind is DecisionKind.EDIT):
            raise InvalidInput(
                "An edit needs the changed calls, and only an edit takes them.",
                not_done="No decision was stored.",
                next_step="Send the changed calls with an edit, or approve what is proposed.",
            )
        if edit is not None:
            # Before the lock is taken; that the case is still the same is what the digest below says.
            edit = {"calls": list((await self.check_edit(review_id, edit)).calls)}
        async with self._database.transaction() as session:
            review, task = await self._load(session, review_id, lock=True)
            reviewer = await session.get(Account, reviewer_id)
            if reviewer is None or reviewer.disabled_at is not None:
                raise NotFound("This account does not exist.", not_done="No decision was stored.")
            check_reviewer(
                reviewer_id=reviewer_id,
                roles=reviewer.roles,
                requester_id=task.requester_id,
                edited_by=review.edited_by,
            )
            if review.state == "withdrawn":
                raise Conflict(
                    "This case was withdrawn: the requester told something new, and everything is read anew.",
                    not_done="Your decision was not stored.",
                    next_step="Decide the case that takes its place in the queue.",
                )
            if review.state != "open":
                raise Conflict(
                    "This case was decided already.",
                    not_done="Your decision was not stored.",
                    next_step="Open the case to see what was decided and by whom.",
                )
            check_digest(seen=proposal_digest, current=review.proposal_digest)
            decision = await self._store(session, review, reviewer_id, kind, (reason, edit))
            run = await session.get_one(Run, review.run_id, with_for_update=True)
            run.state = RunState.QUEUED
            review.state, review.decided_at = "decided", decision.created_at
            await self._queue.enqueue(
                Command(run_id=review.run_id, kind="decision", subject_id=decision.decision_id),
                region=review.region,
                session=session,
            )
        return decision.decision_id

    async def _store(
        self,
        session: AsyncSession,
        review: Review,
        reviewer_id: str,
        kind: DecisionKind,
        said: tuple[str, Mapping[str, Any] | None],
    ) -> Decision:
        reason, edit = said
        edit_blob = None
        if edit is not None:
            edit_blob = await self._blobs.put(canonical_json(edit), "application/json", session=session)
        decision = Decision(
            decision_id=new_id("dec"),
            review_id=review.review_id,
            run_id=review.run_id,
            kind=kind.value,
            reviewer_id=reviewer_id,
            reason_blob=await self._blobs.put(reason.encode(), "text/plain", session=session),
            proposal_digest=review.proposal_digest,
            edit_blob=edit_blob,
            created_at=now(),
            **(origin.named() if (origin := current_origin()) else {}),
        )
        session.add(decision)
        event = ReviewDecided(
            review_id=review.review_id,
            decision_id=decision.decision_id,
            decision=kind.value,
            reviewer_id=reviewer_id,
            proposal_digest=review.proposal_digest,
            reason_blob=decision.reason_blob,
            edit_blob=edit_blob,
            seconds_to_decide=round((decision.created_at - review.created_at).total_seconds(), 3),
        )
        await self._journal.append(event, stream=review.run_id, actor=f"account:{reviewer_id}", session=session)
        return decision

    async def _load(self, session: AsyncSession, review_id: str, *, lock: bool = False) -> tuple[Review, Task]:
        query = select(Review, Task).join(Task, Task.task_id == Review.task_id).where(Review.review_id == review_id)
        if lock:
            query = query.with_for_update(of=Review)
        found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound(f"There is no case {review_id}.", next_step="See the queue for those that wait.")
        return found[0], found[1]
