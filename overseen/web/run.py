"""Runs: the plan, the timeline, the facts and the evidence."""

import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from overseen.api.reading.runs import RunFilter
from overseen.api.reading.timeline import grouped
from overseen.api.reading.views import RunView
from overseen.api.requester_view import sees_contents, shown_run, shown_runs
from overseen.api.services import Services
from overseen.domain.outcomes import ENDED
from overseen.errors import InvalidInput
from overseen.secrets.stops import Scope
from overseen.web.live import PROGRESS_SECONDS, live_numbers, live_page, parse_position, position
from overseen.web.plan_graph import plan_graph
from overseen.web.rendering import page, render
from overseen.web.session import ServicesHere, ViewerHere, ViewerNowHere, one_stream

router = APIRouter(prefix="/runs")


async def _run(viewer: ViewerHere, services: ServicesHere, run_id: str) -> RunView:
    return await shown_run(services, viewer, run_id)


RunHere = Annotated[RunView, Depends(_run)]


@router.get("")
async def show_list(
    *,
    request: Request,
    viewer: ViewerHere,
    services: ServicesHere,
    state: str = "",
    cursor: str = "",
) -> Response:
    """Every run the person may see, newest first."""
    chosen = RunFilter(state=state or None, cursor=cursor or None)
    runs, paging = await shown_runs(services, viewer, chosen)
    return page(request, "runs/list.html", block="table", runs=runs, paging=paging, state=state)


async def _detail(services: Services, run: RunView) -> dict[str, Any]:
    agents = {step.step_id: step.agent for step in run.steps}
    return {
        "run": run,
        "groups": grouped(run.timeline, agents),
        "graph": plan_graph(run.steps, run.state),
        "evidence": await services.evidence.evidence(run.run_id, run.facts, run.playbook),
        "stops": await services.security.stops_of_run(run.run_id),
        "progress": await services.progress.of_run(run.run_id),
        "chain": await services.runs.chain(run.run_id),
        "cursor": position({run.run_id: run.last_sequence}),
    }


@router.get("/{run_id}")
async def show_run(request: Request, viewer: ViewerHere, services: ServicesHere, run: RunHere) -> Response:
    """One run, whole."""
    may_stop = viewer.may_stop and run.state not in ENDED
    reach = await services.security.reach(Scope.RUN, run.run_id) if may_stop else None
    return page(request, "runs/detail.html", block="live", reach=reach, **await _detail(services, run))


@router.get("/{run_id}/events", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def events(
    *,
    request: Request,
    viewer_now: ViewerNowHere,
    services: ServicesHere,
    run: RunHere,
    after: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> AsyncGenerator[ServerSentEvent]:
    """The live part of the run page, anew after every journal entry."""

    async def drawn() -> str:
        viewer = await viewer_now()
        detail = await _detail(services, await _run(viewer, services, run.run_id))
        return render("runs/detail.html", "live", {"viewer": viewer, "path": f"/runs/{run.run_id}", **detail})

    start = parse_position(last_event_id or after, {run.run_id: 0})
    async for event in live_page(services.journal, start, drawn, until_seconds=request.app.state.stream_seconds):
        yield event


@router.get("/{run_id}/progress", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def progress(viewer_now: ViewerNowHere, services: ServicesHere, run: RunHere) -> AsyncGenerator[ServerSentEvent]:
    """What the run waits for, anew when it changes."""

    async def drawn() -> str:
        viewer = await viewer_now()
        viewer.require_task(await services.runs.requester_of(run.run_id))
        return render("progress.html", "lines", {"lines": await services.progress.of_run(run.run_id)})

    async for event in live_numbers(drawn, seconds=PROGRESS_SECONDS):
        yield event


@router.get("/{run_id}/entries/{sequence}")
async def show_entry(
    *, request: Request, viewer: ViewerHere, services: ServicesHere, run: RunHere, sequence: int
) -> Response:
    """One journal entry with the contents it points to."""
    if not 1 <= sequence < 2**31:
        raise InvalidInput("There is no such entry.")
    entry = next((entry for entry in run.timeline if entry.sequence == sequence), None)
    if entry is None:
        raise InvalidInput("There is no such entry.", next_step="Reload the run.")
    blobs = entry.blobs if sees_contents(viewer) else ()
    contents = [(name, _shown(await services.runs.content(sha256)), sha256) for name, sha256 in blobs]
    return page(request, "runs/entry.html", block="entry", run=run, entry=entry, contents=contents)


def _shown(text: str | None) -> str | None:
    """JSON with indents, other text as it is."""
    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
