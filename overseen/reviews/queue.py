"""The queue: which cases wait, how many, and which comes next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, func, select

from overseen.store import BlobStore, Database
from overseen.store.tables import Review, Task
from overseen.store.titles import read_titles

ENDED = "ended"
"""As a state to look for: every one but open."""

_SEARCHED = 2000
"""How many cases, in order, a search looks at: titles are encrypted, so each is read for it."""


@dataclass(frozen=True, kw_only=True)
class ReviewSummary:
    """One line of the queue. `title` is what the requester called the task; `edited_by` whose edit it is, if one's."""

    review_id: str
    run_id: str
    task_id: str
    title: str
    playbook: str
    boundary: str
    outcome: str
    amount: Decimal | None
    currency: str | None
    state: str
    requester_id: str
    assignee_id: str | None
    created_at: datetime
    due_at: datetime
    decided_at: datetime | None
    edited_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReviewFilters:
    """Which cases to list. None means all; times are inclusive. `state` is open, decided, applied, withdrawn, or ENDED.

    `search` is looked for in titles and in the ids of cases and runs.
    """

    state: str | None = "open"
    assignee_id: str | None = None
    playbook: str | None = None
    boundary: str | None = None
    due_before: datetime | None = None
    search: str = ""
    limit: int = 200

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the database, but for `search`."""
        wanted = {
            Review.assignee_id: self.assignee_id,
            Review.playbook: self.playbook,
            Review.boundary: self.boundary,
            Review.state: self.state if self.state != ENDED else None,
        }
        found: list[ColumnElement[bool]] = [column == value for column, value in wanted.items() if value is not None]
        if self.state == ENDED:
            found.append(Review.state != "open")
        if self.due_before is not None:
            found.append(Review.due_at <= self.due_before)
        return found


class ReviewQueue:
    """Reads the queue. Access is the caller's business."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs

    async def list(self, filters: ReviewFilters | None = None) -> list[ReviewSummary]:
        """Cases that match: the most urgent first, those that have ended the newest decision first."""
        filters = filters or ReviewFilters()
        order = (Review.due_at, Review.review_id)
        if filters.state == ENDED:
            order = (func.coalesce(Review.decided_at, Review.created_at).desc(), Review.review_id)
        query = select(Review, Task).join(Task, Task.task_id == Review.task_id).where(*filters.conditions())
        query = query.order_by(*order).limit(_SEARCHED if filters.search else filters.limit)
        async with self._database.read() as session:
            rows = (await session.execute(query)).all()
        titles = await read_titles(self._blobs, [task for _, task in rows])
        cases = [summary(review, task, titles[task.task_id]) for review, task in rows]
        return _found(cases, filters.search)[: filters.limit]

    async def counts(self, *filters: ReviewFilters) -> tuple[int, ...]:
        """How many cases match each of `filters`, `search` and `limit` left aside."""
        async with self._database.read() as session:
            counted = [select(func.count()).select_from(Review).where(*each.conditions()) for each in filters]
            return tuple([await session.scalar(query) or 0 for query in counted])

    async def following(self, review_id: str, filters: ReviewFilters, *, reviewer_id: str) -> str | None:
        """The case after this one that the reviewer may decide, from the start again after the last; None without."""
        cases = await self.list(filters)
        place = next((number for number, case in enumerate(cases) if case.review_id == review_id), -1)
        others = [*cases[place + 1 :], *cases[: max(place, 0)]]
        return next((case.review_id for case in others if reviewer_id not in (case.requester_id, case.edited_by)), None)


def _found(cases: Sequence[ReviewSummary], search: str) -> list[ReviewSummary]:
    words = search.strip().casefold()
    return [case for case in cases if words in f"{case.title} {case.run_id} {case.review_id}".casefold()]


def summary(review: Review, task: Task, title: str) -> ReviewSummary:
    """The line of one case."""
    return ReviewSummary(
        review_id=review.review_id,
        run_id=review.run_id,
        task_id=review.task_id,
        title=title,
        playbook=review.playbook,
        boundary=review.boundary,
        outcome=review.outcome,
        amount=review.amount,
        currency=review.currency,
        state=review.state,
        requester_id=task.requester_id,
        assignee_id=review.assignee_id,
        created_at=review.created_at,
        due_at=review.due_at,
        decided_at=review.decided_at,
        edited_by=review.edited_by,
    )
