"""Leases: where the ledger stands, every lease, the life of one, what the reconciler found, and exports."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.api.exports import ExportFormat
from overseen.api.reading.lease_filter import LeaseFilter
from overseen.api.reading.lease_views import LeaseView
from overseen.api.reading.security import Reach
from overseen.api.security_routes import Sequence, lease_export
from overseen.api.services import Services
from overseen.errors import InvalidInput
from overseen.secrets.stops import Scope
from overseen.web.live import live_numbers
from overseen.web.rendering import page, render
from overseen.web.session import LeaseViewerHere, ServicesHere, ViewerHere, ViewerNowHere, one_stream

router = APIRouter(prefix="/leases")

_FINDINGS_SHOWN = 5
_MORE = frozenset({"approver", "kind", "run_id", "call_id", "since", "until"})
"""Filters that are behind "More filters", which stays open while one of them is set."""


async def _chosen(request: Request) -> LeaseFilter:
    """The address as a filter; what it does not know is left out, the page has its own length."""
    asked = {name: value.strip()[:200] for name, value in request.query_params.items()}
    known = {name: value for name, value in asked.items() if name in LeaseFilter.__dataclass_fields__}
    return replace(LeaseFilter(), **{name: value for name, value in known.items() if name != "limit"})


ChosenLeases = Annotated[LeaseFilter, Depends(_chosen)]


@router.get("")
async def show_list(request: Request, viewer: ViewerHere, services: ServicesHere, chosen: ChosenLeases) -> Response:
    """Numbers, findings and the table, filtered by the address."""
    viewer.require_leases()
    problem = None
    try:
        leases, paging = await services.leases.list(chosen)
    except InvalidInput as error:
        problem = error
        leases, paging = await services.leases.list(LeaseFilter())
    kept = chosen.named()
    return page(
        request,
        "leases/list.html",
        status=422 if problem else 200,
        leases=leases,
        paging=paging,
        chosen=chosen,
        kept=urlencode(kept),
        more_open=not _MORE.isdisjoint(kept),
        problem=problem,
        choices=await services.leases.choices(),
        targets=await services.security.targets.choices() if viewer.may_stop else None,
        **await _standing(services),
    )


async def _standing(services: Services) -> dict[str, Any]:
    findings = await services.security.findings(only_open=True, limit=_FINDINGS_SHOWN)
    return {"standing": await services.security.standing(), "findings": findings}


@router.get("/events", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def events(
    *, request: Request, _: LeaseViewerHere, viewer_now: ViewerNowHere, services: ServicesHere, show: str = ""
) -> AsyncGenerator[ServerSentEvent]:
    """The numbers at the top of the list, anew when they change."""

    async def drawn() -> str:
        viewer = await viewer_now()
        viewer.require_leases()
        context = {"viewer": viewer, "chosen": LeaseFilter(show=show), **await _standing(services)}
        return render("leases/list.html", "standing", context)

    async for event in live_numbers(drawn, until_seconds=request.app.state.stream_seconds):
        yield event


@router.get("/export", dependencies=[Depends(one_stream)])
async def export(
    *,
    viewer: ViewerHere,
    services: ServicesHere,
    chosen: ChosenLeases,
    as_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSONL,
) -> Response:
    """Every lease of the filtered list as a file, streamed."""
    return await lease_export(viewer, services, chosen, as_format)


@router.get("/findings")
async def show_findings(request: Request, viewer: ViewerHere, services: ServicesHere) -> Response:
    """Everything the reconciler found, those first that nobody explained."""
    viewer.require_leases()
    return page(request, "leases/findings.html", findings=await services.security.findings(), error=None)


@router.post("/findings/{sequence}/explain")
async def explain(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    sequence: Sequence,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Say what a finding was."""
    viewer.require_stops()
    request.app.state.stop_limit.count(viewer.account_id)
    await services.security_desk.explain(viewer, sequence, reason=reason)
    return RedirectResponse("/leases/findings", 303)


@router.get("/{lease_id}")
async def show_lease(request: Request, viewer: ViewerHere, services: ServicesHere, lease_id: str) -> Response:
    """One lease, its life beside Vault's own entries, and what can be stopped from here."""
    viewer.require_leases()
    detail = await services.leases.detail(lease_id)
    record = await services.leases.vault_record(detail.lease)
    return page(
        request,
        "leases/detail.html",
        detail=detail,
        lease=detail.lease,
        life=detail.lease.life(record),
        record=record,
        reaches=await _reaches(services, viewer, detail.lease),
    )


async def _reaches(services: Services, viewer: Viewer, lease: LeaseView) -> list[Reach]:
    """What each switch would end that this lease offers."""
    if not viewer.may_stop:
        return []
    targets = (
        (Scope.CALL, lease.call_id),
        (Scope.RUN, lease.run_id),
        (Scope.AGENT, lease.agent),
        (Scope.TOOL, lease.tool),
    )
    return [await services.security.reach(scope, target) for scope, target in targets]
