"""Reviews: the queue and the decision screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.api.cases import CaseView, case_view, edit_from_fields
from overseen.api.services import Services
from overseen.domain.outcomes import DecisionKind, Role
from overseen.errors import InvalidInput, OverseenError
from overseen.reviews import ReviewFilters, ReviewSummary
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

    def query(self) -> str:
        """The same as the query of an address, empty when nothing is filtered."""
        named = (("show", self.show), ("boundary", self.boundary), ("search", self.search))
        parts = [f"{name}={value}" for name, value in named if value]
        return "?" + "&".join(parts) if parts else ""


def _chosen(show: str = "", boundary: str = "", search: str = "") -> QueueFilter:
    return QueueFilter(show=show, boundary=boundary, search=search.strip()[:80])


def _end_of_today() -> datetime:
    return datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time.min, tzinfo=UTC)


async def _queue(services: Services, viewer: Viewer, chosen: QueueFilter) -> dict[str, Any]:
    """The queue as filtered, and how many wait in each of its parts."""
    waiting = await services.reviews.queue(ReviewFilters(state="open"))
    counts = {
        "": len(waiting),
        "mine": sum(case.assignee_id == viewer.account_id for case in waiting),
        "today": sum(case.due_at <= _end_of_today() for case in waiting),
    }
    cases: Sequence[ReviewSummary] = waiting
    if chosen.show == "mine":
        cases = [case for case in waiting if case.assignee_id == viewer.account_id]
    elif chosen.show == "today":
        cases = [case for case in waiting if case.due_at <= _end_of_today()]
    elif chosen.show == "decided":
        decided = [case for case in await services.reviews.queue(ReviewFilters(state=None)) if case.state != "open"]
        cases = sorted(decided, key=lambda case: case.decided_at or case.created_at, reverse=True)
    if chosen.boundary:
        cases = [case for case in cases if case.boundary == chosen.boundary]
    if chosen.search:
        wanted = chosen.search.casefold()
        cases = [case for case in cases if wanted in f"{case.title} {case.run_id} {case.review_id}".casefold()]
    return {"cases": cases, "counts": counts, "chosen": chosen}


@router.get("")
async def show_queue(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    show: str = "",
    boundary: str = "",
    search: str = "",
) -> Response:
    """The queue."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", _REVIEW_ROLES)
    queue = await _queue(services, viewer, _chosen(show, boundary, search))
    return page(request, "reviews/queue.html", block="queue", **queue)


async def _case(services: Services, viewer: Viewer, review_id: str) -> tuple[CaseView, dict[str, Any]]:
    case = case_view(await services.reviews.case(review_id))
    summary = case.summary
    own = summary.requester_id == viewer.account_id
    return case, {
        "case": case,
        "evidence": await services.evidence.evidence(summary.run_id, case.facts, summary.playbook),
        "is_own": own,
        "may_decide": viewer.may_decide and not own and summary.state == "open",
        "error": None,
        "sent": {},
    }


@router.get("/{review_id}")
async def show_case(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    review_id: str,
    show: str = "",
    boundary: str = "",
    search: str = "",
) -> Response:
    """The decision screen."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", _REVIEW_ROLES)
    _, context = await _case(services, viewer, review_id)
    queue = await _queue(services, viewer, _chosen(show, boundary, search))
    return page(request, "reviews/case.html", block="case", **queue, **context)


@router.post("/{review_id}/decision")
async def decide(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    review_id: str,
    kind: Annotated[str, Form()],
    proposal_digest: Annotated[str, Form()],
    reason: Annotated[str, Form()] = "",
    after: Annotated[str, Form()] = "",
) -> Response:
    """Take one decision, then go to the next case of the queue."""
    viewer.require(viewer.may_decide, "deciding", (Role.REVIEWER,))
    fields = {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}
    try:
        chosen = _kind(kind)
        case = case_view(await services.reviews.case(review_id))
        edit = edit_from_fields(case.calls, fields) if chosen is DecisionKind.EDIT else None
        following = await _following(services, review_id)
        await services.reviews.decide(
            review_id,
            reviewer_id=viewer.account_id,
            kind=chosen,
            proposal_digest=proposal_digest,
            reason=reason,
            edit=edit,
        )
    except OverseenError as error:
        return await _again(request, viewer, services, review_id, (error, fields))
    target = f"/reviews/{following}" if following else "/reviews"
    target += f"?decided={review_id}" if not after else ""
    if is_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _again(
    request: Request,
    viewer: Viewer,
    services: Services,
    review_id: str,
    failed: tuple[OverseenError, Mapping[str, str]],
) -> Response:
    """The screen as it was, with what went wrong and everything that was typed."""
    _, context = await _case(services, viewer, review_id)
    queue = {} if is_fragment(request) else await _queue(services, viewer, _chosen())
    error, sent = failed
    context |= {"error": error, "sent": sent}
    return page(request, "reviews/case.html", block="decision_problem", status=422, **queue, **context)


def _kind(kind: str) -> DecisionKind:
    try:
        return DecisionKind(kind)
    except ValueError as error:
        raise InvalidInput(
            "No decision was chosen.", not_done="Nothing was stored.", next_step="Approve, edit, reject or ask."
        ) from error


async def _following(services: Services, review_id: str) -> str | None:
    """The open case after this one in the queue; the first when this is the last."""
    waiting = [case.review_id for case in await services.reviews.queue(ReviewFilters(state="open"))]
    if review_id not in waiting:
        return waiting[0] if waiting else None
    others = waiting[waiting.index(review_id) + 1 :] + waiting[: waiting.index(review_id)]
    return others[0] if others else None
