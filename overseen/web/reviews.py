"""Reviews: the queue and the decision screen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.api.cases import CaseView, case_view, edit_from_fields
from overseen.api.services import Services
from overseen.domain.outcomes import DecisionKind, Role
from overseen.errors import InvalidInput, OverseenError
from overseen.reviews import ENDED, ReviewFilters
from overseen.web.rendering import is_fragment, page
from overseen.web.session import ServicesHere, ViewerHere

router = APIRouter(prefix="/reviews")

_REVIEW_ROLES = (Role.REVIEWER, Role.AUDITOR)


@dataclass(frozen=True, kw_only=True)
class QueueFilter:
    """What the address says about the queue. `show` is empty (open), mine, today or decided."""

    show: str = ""
    boundary: str = ""
    search: str = ""

    def query(self, **more: str) -> str:
        """The same as the query of an address, with `more` in it; empty when nothing is filtered."""
        named = {"show": self.show, "boundary": self.boundary, "search": self.search, **more}
        chosen = {name: value for name, value in named.items() if value}
        return "?" + urlencode(chosen) if chosen else ""

    def filters(self, viewer: Viewer) -> ReviewFilters:
        """The same for whoever looks."""
        shown = {"mine": _mine(viewer), "today": _today(), "decided": ReviewFilters(state=ENDED)}
        return replace(
            shown.get(self.show, ReviewFilters()), boundary=self.boundary or None, search=self.search.strip()[:80]
        )


def _mine(viewer: Viewer) -> ReviewFilters:
    return ReviewFilters(assignee_id=viewer.account_id)


def _today() -> ReviewFilters:
    end = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time.min, tzinfo=UTC)
    return ReviewFilters(due_before=end)


async def _chosen(show: str = "", boundary: str = "", search: str = "") -> QueueFilter:
    return QueueFilter(show=show, boundary=boundary, search=search)


QueueHere = Annotated[QueueFilter, Depends(_chosen)]


async def _queue(services: Services, viewer: Viewer, chosen: QueueFilter) -> dict[str, Any]:
    """The queue as filtered, and how many wait in each of its parts; `total` is how many the filter lets through."""
    filters = chosen.filters(viewer)
    cases = await services.review_queue.list(filters)
    waiting, mine, today, total = await services.review_queue.counts(ReviewFilters(), _mine(viewer), _today(), filters)
    counts = {"": waiting, "mine": mine, "today": today}
    return {"cases": cases, "counts": counts, "chosen": chosen, "total": total}


@router.get("")
async def show_queue(request: Request, viewer: ViewerHere, services: ServicesHere, chosen: QueueHere) -> Response:
    """The queue."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", _REVIEW_ROLES)
    queue = await _queue(services, viewer, chosen)
    return page(request, "reviews/queue.html", block="queue", **queue)


async def _case(services: Services, viewer: Viewer, review_id: str) -> tuple[CaseView, dict[str, Any]]:
    case = case_view(await services.reviews.case(review_id))
    summary = case.summary
    own = summary.requester_id == viewer.account_id
    own_edit = case.edited_by == viewer.account_id
    return case, {
        "case": case,
        "evidence": await services.evidence.evidence(summary.run_id, case.facts, summary.playbook),
        "is_own": own,
        "is_own_edit": own_edit,
        "may_decide": viewer.may_decide and not own and not own_edit and summary.state == "open",
        "error": None,
        "sent": {},
    }


@router.get("/{review_id}")
async def show_case(
    *, request: Request, viewer: ViewerHere, services: ServicesHere, chosen: QueueHere, review_id: str
) -> Response:
    """The decision screen."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", _REVIEW_ROLES)
    _, context = await _case(services, viewer, review_id)
    queue = await _queue(services, viewer, chosen)
    return page(request, "reviews/case.html", block="case", **queue, **context)


@router.post("/{review_id}/decision")
async def decide(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    chosen: QueueHere,
    review_id: str,
    kind: Annotated[str, Form()],
    proposal_digest: Annotated[str, Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Take one decision, then go to the next case of the queue as it was filtered."""
    viewer.require(viewer.may_decide, "deciding", (Role.REVIEWER,))
    fields = {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}
    try:
        decision = _kind(kind)
        case = case_view(await services.reviews.case(review_id))
        edit = await _edit(services, case, fields) if decision is DecisionKind.EDIT else None
        filters = chosen.filters(viewer)
        following = await services.review_queue.following(review_id, filters, reviewer_id=viewer.account_id)
        await services.reviews.decide(
            review_id,
            reviewer_id=viewer.account_id,
            kind=decision,
            proposal_digest=proposal_digest,
            reason=reason,
            edit=edit,
        )
    except OverseenError as error:
        queue = {} if is_fragment(request) else await _queue(services, viewer, chosen)
        return await _again(request, viewer, services, review_id, {**queue, "error": error, "sent": fields})
    second = edit is not None and bool((await services.reviews.check_edit(review_id, edit)).second_person)
    target = (f"/reviews/{following}" if following else "/reviews") + chosen.query(
        decided=review_id, second="1" if second else ""
    )
    if is_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _edit(services: Services, case: CaseView, fields: Mapping[str, str]) -> Mapping[str, Any]:
    """What the form says: every call follows from a changed amount, then what was typed beside it is put in."""
    amount = fields.get("amount", "").strip().replace(",", "")
    if not amount or amount == case.amount_text:
        return edit_from_fields(case.calls, fields)
    follow = (await services.reviews.check_edit(case.summary.review_id, {"amount": amount})).calls
    return edit_from_fields(case.calls, fields, follow)


async def _again(
    request: Request, viewer: Viewer, services: Services, review_id: str, failed: dict[str, Any]
) -> Response:
    """The screen as it was, with what went wrong and everything that was typed."""
    _, context = await _case(services, viewer, review_id)
    return page(request, "reviews/case.html", block="decision_problem", status=422, **context | failed)


def _kind(kind: str) -> DecisionKind:
    try:
        return DecisionKind(kind)
    except ValueError as error:
        raise InvalidInput(
            "No decision was chosen.", not_done="Nothing was stored.", next_step="Approve, edit, reject or ask."
        ) from error
