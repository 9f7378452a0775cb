"""The JSON API of the security team: leases, exports, findings, kill switches."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from overseen.api.access import Viewer
from overseen.api.exports import ExportFormat, export_leases
from overseen.api.reading.lease_filter import MOST_AT_ONCE, LeaseFilter
from overseen.api.reading.security import StopView
from overseen.api.routes import ServicesHere, ViewerHere
from overseen.api.services import Services
from overseen.domain.canonical import plain
from overseen.errors import InvalidInput
from overseen.secrets.stops import Scope

security_router = APIRouter(prefix="/api/v1", tags=["v1"])

ChosenLeases = Annotated[LeaseFilter, Depends(LeaseFilter)]


def _count_act(request: Request, viewer: ViewerHere) -> None:
    """Shared with the pages: an account acts at most so often, whichever door it takes."""
    request.app.state.stop_limit.count(viewer.account_id)


_Limited = Depends(_count_act)
Sequence = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""Where an entry stands in its stream."""


async def one_stream(request: Request, viewer: ViewerHere) -> AsyncGenerator[None]:
    """Only so many answers without an end are open at once."""
    with request.app.state.streams.taken(viewer.account_id):
        yield


async def lease_export(
    viewer: Viewer, services: Services, chosen: LeaseFilter, as_format: ExportFormat
) -> StreamingResponse:
    """The file that pages and API give. Raises Forbidden, and InvalidInput for a filter that makes no sense."""
    viewer.require_leases()
    by = f"account:{viewer.account_id}"
    return StreamingResponse(
        await export_leases(services.leases, services.journal, chosen, as_format, by=by),
        media_type=as_format.media_type,
        headers={"Content-Disposition": f'attachment; filename="{as_format.file_name}"'},
    )


class StopIn(BaseModel):
    """What to stop and why. `target` is a call or run by its id, an agent or tool by its name, exactly as under
    /api/v1/stop-targets; none for everything.
    """

    model_config = ConfigDict(extra="forbid")

    scope: Scope
    target: str = Field(default="", max_length=80)
    reason: str = Field(min_length=1, max_length=1000)


class ReasonIn(BaseModel):
    """Why; kept with the journal."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)


@security_router.get("/leases")
async def list_leases(viewer: ViewerHere, services: ServicesHere, chosen: ChosenLeases) -> dict[str, Any]:
    """The ledger, newest first: {counters, leases, total, cursor}."""
    viewer.require_leases()
    if not 1 <= chosen.limit <= MOST_AT_ONCE:
        raise InvalidInput(
            f"A page has 1 to {MOST_AT_ONCE} leases.", next_step="Follow `cursor`, or use /api/v1/leases/export."
        )
    leases, paging = await services.leases.list(chosen)
    return {
        "counters": plain(await services.leases.counters()),
        "leases": plain(leases),
        "total": paging.total,
        "cursor": paging.cursor,
    }


@security_router.get("/leases/export", dependencies=[Depends(one_stream)])
async def get_lease_export(
    viewer: ViewerHere,
    services: ServicesHere,
    chosen: ChosenLeases,
    as_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.JSONL,
) -> StreamingResponse:
    """Every lease that matches, streamed: `format` is jsonl, ocsf or cef."""
    return await lease_export(viewer, services, chosen, as_format)


@security_router.get("/leases/{lease_id}")
async def show_lease(viewer: ViewerHere, services: ServicesHere, lease_id: str) -> dict[str, Any]:
    """One lease, with what Vault's own records say of it under `vault`."""
    viewer.require_leases()
    detail = await services.leases.detail(lease_id)
    record = await services.leases.vault_record(detail.lease)
    shown: dict[str, Any] = plain(detail.lease)
    return shown | {"effect": detail.effect, "review_id": detail.review_id, "vault": plain(record)}


@security_router.get("/security")
async def show_standing(viewer: ViewerHere, services: ServicesHere) -> dict[str, Any]:
    """Counters, canary, reconciler, kill switches asked for and in force."""
    viewer.require_leases()
    shown: dict[str, Any] = plain(await services.security.standing())
    return shown


@security_router.get("/findings")
async def list_findings(viewer: ViewerHere, services: ServicesHere, only_open: bool = False) -> dict[str, Any]:
    """What the reconciler found, with what it means: {findings}."""
    viewer.require_leases()
    return {"findings": plain(await services.security.findings(only_open=only_open))}


@security_router.post("/findings/{sequence}/explain", status_code=201, dependencies=[_Limited])
async def explain_finding(
    viewer: ViewerHere, services: ServicesHere, sequence: Sequence, said: ReasonIn
) -> dict[str, Any]:
    """Say what a finding was."""
    await services.security_desk.explain(viewer, sequence, reason=said.reason)
    shown: dict[str, Any] = plain(await services.security.finding(sequence))
    return shown


@security_router.get("/stops")
async def list_stops(viewer: ViewerHere, services: ServicesHere) -> dict[str, Any]:
    """Kill switches, the newest first: {stops}."""
    viewer.require_leases()
    return {"stops": [_shown(stop) for stop in await services.security.stops()]}


@security_router.get("/stop-targets")
async def list_stop_targets(viewer: ViewerHere, services: ServicesHere) -> dict[str, Any]:
    """What a kill switch can name: {agents, tools, runs, calls}, the runs and calls that have not ended."""
    viewer.require_leases()
    shown: dict[str, Any] = plain(await services.security.targets.choices())
    return shown


@security_router.get("/stops/{stop_id}")
async def show_stop(viewer: ViewerHere, services: ServicesHere, stop_id: str) -> dict[str, Any]:
    """One kill switch: whether all in its reach is proven gone."""
    viewer.require_leases()
    return _shown(await services.security.stop(stop_id))


@security_router.post("/stops", status_code=201, dependencies=[_Limited])
async def pull_stop(viewer: ViewerHere, services: ServicesHere, said: StopIn) -> dict[str, Any]:
    """Pull a kill switch. With the scope everything it is only asked for (`state` asked): someone else confirms."""
    stop_id = await services.security_desk.pull(viewer, said.scope, said.target, reason=said.reason)
    return _shown(await services.security.stop(stop_id))


@security_router.post("/stops/{stop_id}/confirm", dependencies=[_Limited])
async def confirm_stop(viewer: ViewerHere, services: ServicesHere, stop_id: str) -> dict[str, Any]:
    """Be the second person who stops everything."""
    await services.security_desk.confirm(viewer, stop_id)
    return _shown(await services.security.stop(stop_id))


@security_router.post("/stops/{stop_id}/lift", dependencies=[_Limited])
async def lift_stop(viewer: ViewerHere, services: ServicesHere, stop_id: str, said: ReasonIn) -> dict[str, Any]:
    """Let what was stopped go on, or withdraw a request."""
    await services.security_desk.lift(viewer, stop_id, reason=said.reason)
    return _shown(await services.security.stop(stop_id))


def _shown(stop: StopView) -> dict[str, Any]:
    shown: dict[str, Any] = plain(stop)
    return shown | {"proven_seconds": stop.proven_seconds, "met_nothing": stop.met_nothing}
