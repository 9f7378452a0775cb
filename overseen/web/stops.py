"""Kill switches: what one would end, pulling it, whether all is proven gone, confirming and lifting it."""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import RedirectResponse, Response

from overseen.errors import InvalidInput, NotFound
from overseen.secrets.stops import Scope
from overseen.web.live import live_numbers
from overseen.web.rendering import is_fragment, page, render
from overseen.web.session import LeaseViewerHere, ServicesHere, ViewerHere, ViewerNowHere, one_stream

router = APIRouter(prefix="/leases")


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError as error:
        raise InvalidInput(
            "Choose what to stop.", not_done="Nothing was stopped.", next_step="A call, a run, an agent or a tool."
        ) from error


def _chosen(scope: str, target: str, sent: Mapping[str, object]) -> str:
    """The target of the scope: the list has one choice for each, `target_<scope>`, a button names just one."""
    return target or str(sent.get(f"target_{scope}", ""))


@router.get("/reach")
async def show_reach(
    *, request: Request, viewer: ViewerHere, services: ServicesHere, scope: str = "", target: str = ""
) -> Response:
    """How much a kill switch would end at this moment, for the dialog that asks whether to pull it."""
    viewer.require_stops()
    reach, problem = None, None
    try:
        reach = await services.security.reach(_scope(scope), _chosen(scope, target, request.query_params))
    except (InvalidInput, NotFound) as error:
        problem = error
    return page(request, "leases/reach.html", block="reach", reach=reach, problem=problem)


@router.post("/stops")
async def pull(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    scope: Annotated[str, Form()] = "",
    target: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Pull a kill switch, or ask to stop everything; then show what came of it."""
    viewer.require_stops()
    request.app.state.stop_limit.count(viewer.account_id)
    target = _chosen(scope, target, await request.form())
    stop_id = await services.security_desk.pull(viewer, _scope(scope), target, reason=reason)
    return _go(request, f"/leases/stops/{stop_id}")


@router.get("/stops")
async def show_stops(request: Request, viewer: ViewerHere, services: ServicesHere) -> Response:
    """Every kill switch that was asked for or pulled, the newest first."""
    viewer.require_leases()
    return page(request, "leases/stops.html", stops=await services.security.stops())


@router.get("/stops/{stop_id}")
async def show_stop(request: Request, viewer: ViewerHere, services: ServicesHere, stop_id: str) -> Response:
    """One kill switch: what it reached, and whether all of it is proven gone."""
    viewer.require_leases()
    stop = await services.security.stop(stop_id)
    reach = await services.security.reach(Scope(stop.scope), stop.target) if stop.state == "asked" else None
    is_mine = stop.asked_by_actor == f"account:{viewer.account_id}"
    return page(request, "leases/stop.html", stop=stop, reach=reach, is_mine=is_mine)


@router.get("/stops/{stop_id}/events", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def events(
    *, request: Request, _: LeaseViewerHere, viewer_now: ViewerNowHere, services: ServicesHere, stop_id: str
) -> AsyncGenerator[ServerSentEvent]:
    """The state of one kill switch, anew when it changes."""

    async def drawn() -> str:
        viewer = await viewer_now()
        viewer.require_leases()
        return render("leases/stop.html", "state", {"stop": await services.security.stop(stop_id), "viewer": viewer})

    async for event in live_numbers(drawn, seconds=1.0, until_seconds=request.app.state.stream_seconds):
        yield event


@router.post("/stops/{stop_id}/confirm")
async def confirm(request: Request, viewer: ViewerHere, services: ServicesHere, stop_id: str) -> Response:
    """Be the second person who stops everything."""
    viewer.require_stops()
    request.app.state.stop_limit.count(viewer.account_id)
    await services.security_desk.confirm(viewer, stop_id)
    return _go(request, f"/leases/stops/{stop_id}")


@router.post("/stops/{stop_id}/lift")
async def lift(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    stop_id: str,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Let what was stopped go on, or withdraw a request."""
    viewer.require_stops()
    request.app.state.stop_limit.count(viewer.account_id)
    await services.security_desk.lift(viewer, stop_id, reason=reason)
    return _go(request, f"/leases/stops/{stop_id}")


def _go(request: Request, target: str) -> Response:
    if is_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)
