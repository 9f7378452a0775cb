"""The JSON API under /api/v1: the same as the pages, for programs.

Callers send `Authorization: Bearer <token>` (see `overseen accounts token`), or the session cookie of a browser.
"""

import secrets
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from overseen.api.access import Viewer
from overseen.api.cases import case_view
from overseen.api.credentials import admitted, not_signed_in
from overseen.api.reading.runs import RunFilter
from overseen.api.requester_view import shown_run, shown_runs
from overseen.api.services import Services
from overseen.api.uploads import read_form
from overseen.domain.canonical import plain
from overseen.domain.intake import MOST_FILES
from overseen.domain.outcomes import DecisionKind, Role
from overseen.reviews import ReviewFilters

_bearer = HTTPBearer(auto_error=False, description="From `overseen accounts token NAME`.")

api_router = APIRouter(prefix="/api/v1", tags=["v1"])


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesHere = Annotated[Services, Depends(_services)]


async def _viewer(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
) -> Viewer:
    viewer = admitted(request)
    if viewer is None:
        raise not_signed_in()
    return viewer


ViewerHere = Annotated[Viewer, Depends(_viewer)]


async def one_upload(request: Request, viewer: ViewerHere) -> AsyncGenerator[None]:
    """Only so many forms with files are read at once: each is in memory until it is stored."""
    with request.app.state.uploads.taken(viewer.account_id):
        yield


class TaskIn(BaseModel):
    """The fields of the form that hands in a task, beside its files under `attachments`."""

    model_config = ConfigDict(extra="ignore")

    playbook: str = Field(min_length=1, max_length=80)
    message: str = Field(default="", max_length=200_000)
    form_token: str | None = Field(default=None, min_length=8, max_length=80)


class Submitted(BaseModel):
    """A task was taken in."""

    task_id: str
    run_id: str
    repeated: bool = Field(description="True when the same form token had been sent before.")


class DecisionIn(BaseModel):
    """What a reviewer says. `proposal_digest` is the digest of the proposal as it was read.

    `edit` is {"amount": "1590.50"}, from which every call and the letter follow, or {"calls": [{"tool", "arguments"}]}.
    """

    model_config = ConfigDict(extra="forbid")

    kind: DecisionKind
    proposal_digest: str = Field(max_length=64)
    reason: str = Field(default="", max_length=20_000)
    edit: dict[str, Any] | None = None


class Decided(BaseModel):
    """A decision was stored and the run woken."""

    decision_id: str
    second_person: list[str] = Field(
        default=[], description="Why somebody else must agree to the edit before anything is done; empty: nobody must."
    )


_TASK_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["playbook"],
    "properties": {
        **TaskIn.model_json_schema()["properties"],
        "attachments": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": MOST_FILES},
    },
}


@api_router.post(
    "/tasks",
    status_code=201,
    dependencies=[Depends(one_upload)],
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _TASK_FORM}}}},
)
async def submit_task(request: Request, viewer: ViewerHere, services: ServicesHere) -> Submitted:
    """Hand in a task. Send the same `form_token` again when unsure whether the first try arrived."""
    viewer.require(viewer.may_submit, "handing in tasks", (Role.REQUESTER,))
    form = await read_form(request)
    try:
        said = TaskIn.model_validate(form.fields)
    except ValidationError as error:
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in error.errors()]) from None
    submitted = await services.intake.submit(
        requester_id=viewer.account_id,
        playbook_name=said.playbook,
        message=said.message,
        attachments=form.files,
        form_token=said.form_token or secrets.token_urlsafe(18),
    )
    return Submitted(task_id=submitted.task_id, run_id=submitted.run_id, repeated=submitted.repeated)


@api_router.get("/runs")
async def list_runs(
    viewer: ViewerHere, services: ServicesHere, state: str | None = None, cursor: str | None = None
) -> dict[str, Any]:
    """Runs the caller may see, newest first: {runs, total, cursor}."""
    runs, paging = await shown_runs(services, viewer, RunFilter(state=state, cursor=cursor))
    return {"runs": plain(runs), "total": paging.total, "cursor": paging.cursor}


@api_router.get("/runs/{run_id}")
async def show_run(viewer: ViewerHere, services: ServicesHere, run_id: str) -> dict[str, Any]:
    """One run: plan, steps, facts with provenance, ruling, timeline, calls, leases, totals.

    Its requester is told nothing of what is proposed before it was decided: then `withheld` is true.
    """
    shown: dict[str, Any] = plain(await shown_run(services, viewer, run_id))
    return shown


@api_router.get("/reviews")
async def list_reviews(
    viewer: ViewerHere,
    services: ServicesHere,
    state: str | None = "open",
    boundary: str | None = None,
    playbook: str | None = None,
) -> dict[str, Any]:
    """The queue, at most 200: {reviews, total}. `state`: open, decided, applied, withdrawn, ended (all but open)."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", (Role.REVIEWER, Role.AUDITOR))
    filters = ReviewFilters(state=state or None, boundary=boundary, playbook=playbook)
    (total,) = await services.review_queue.counts(filters)
    return {"reviews": plain(await services.review_queue.list(filters)), "total": total}


@api_router.get("/reviews/{review_id}")
async def show_review(viewer: ViewerHere, services: ServicesHere, review_id: str) -> dict[str, Any]:
    """One case with facts, findings, the exact calls and the digest a decision must name."""
    viewer.require(viewer.sees_reviews, "seeing the reviews", (Role.REVIEWER, Role.AUDITOR))
    shown: dict[str, Any] = plain(case_view(await services.reviews.case(review_id)))
    return shown


@api_router.post("/reviews/{review_id}/decision", status_code=201)
async def decide(viewer: ViewerHere, services: ServicesHere, review_id: str, said: DecisionIn) -> Decided:
    """Decide one case."""
    viewer.require(viewer.may_decide, "deciding", (Role.REVIEWER,))
    decision_id = await services.reviews.decide(
        review_id,
        reviewer_id=viewer.account_id,
        kind=said.kind,
        proposal_digest=said.proposal_digest,
        reason=said.reason,
        edit=said.edit,
    )
    edit = said.edit
    second = () if edit is None else (await services.reviews.check_edit(review_id, edit)).second_person
    return Decided(decision_id=decision_id, second_person=list(second))
