"""Tasks: the list, handing one in, and the chat with its live progress."""

import secrets
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.api.reading.tasks import TaskFilter
from overseen.api.reading.views import TaskView
from overseen.api.requester_view import shown_task, shown_tasks
from overseen.api.services import Services
from overseen.api.uploads import FormTooLarge, read_form
from overseen.domain.chat_turns import looks_like_question
from overseen.domain.outcomes import Role, RunState
from overseen.errors import InvalidInput, OverseenError
from overseen.web.errors import status_of
from overseen.web.live import PROGRESS_SECONDS, live_numbers, live_page, parse_position, position
from overseen.web.rendering import is_fragment, page, render
from overseen.web.session import ServicesHere, ViewerHere, ViewerNowHere, one_stream, one_upload

router = APIRouter(prefix="/tasks")

PLAYBOOK = "claims_intake"


async def _listed(services: Services, viewer: Viewer, show: str, cursor: str = "") -> dict[str, Any]:
    """What the list beside every task page needs."""
    lines, paging = await shown_tasks(services, viewer, TaskFilter(show=show, cursor=cursor))
    return {"tasks": lines, "paging": paging, "show": show}


async def _task(viewer: ViewerHere, services: ServicesHere, task_id: str) -> TaskView:
    return await shown_task(services, viewer, task_id)


TaskHere = Annotated[TaskView, Depends(_task)]


@router.get("")
async def show_list(
    request: Request, viewer: ViewerHere, services: ServicesHere, show: str = "", cursor: str = ""
) -> Response:
    """The list; `show` is working, waiting or ended."""
    listed = await _listed(services, viewer, show, cursor)
    return page(request, "tasks/list.html", block="list", **listed)


@router.get("/new")
async def show_form(request: Request, viewer: ViewerHere, services: ServicesHere, show: str = "") -> Response:
    """The form to hand in a task."""
    viewer.require(viewer.may_submit, "handing in tasks", (Role.REQUESTER,))
    listed = await _listed(services, viewer, show)
    return page(request, "tasks/new.html", form_token=secrets.token_urlsafe(18), message="", error=None, **listed)


@router.post("", dependencies=[Depends(one_upload)])
async def submit(request: Request, viewer: ViewerHere, services: ServicesHere) -> Response:
    """Hand in a task. The same form sent twice is one task."""
    viewer.require(viewer.may_submit, "handing in tasks", (Role.REQUESTER,))
    fields: dict[str, str] = {}
    try:
        form = await read_form(request)
        fields = form.fields
        submitted = await services.intake.submit(
            requester_id=viewer.account_id,
            playbook_name=PLAYBOOK,
            message=fields.get("message", ""),
            attachments=form.files,
            form_token=_token(fields),
        )
    except InvalidInput as error:
        if isinstance(error, FormTooLarge):
            fields = error.fields
        listed = {} if is_fragment(request) else await _listed(services, viewer, "")
        return page(
            request,
            "tasks/new.html",
            block="problem",
            status=status_of(error),
            error=error,
            message=fields.get("message", ""),
            form_token=fields.get("form_token") or secrets.token_urlsafe(18),
            **listed,
        )
    return _go(request, f"/tasks/{submitted.task_id}")


def _token(fields: dict[str, str]) -> str:
    token = fields.get("form_token", "")
    if not 8 <= len(token) <= 80:
        raise InvalidInput(
            "The form has no valid token.",
            not_done="Nothing was stored.",
            next_step="Reload the page and send it again.",
        )
    return token


def _go(request: Request, target: str) -> Response:
    if is_fragment(request):
        return Response(status_code=200, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


async def _detail(services: Services, viewer: Viewer, task: TaskView) -> dict[str, Any]:
    """What the live part of a task page needs; `cursor` is where the journal stood before it was read."""
    cursor = await _cursor(services, task)
    run = task.run
    evidence = await services.evidence.evidence(run.run_id, run.facts, run.playbook) if run else None
    return {
        "task": task,
        "run": run,
        "evidence": evidence,
        "stops": await services.security.stops_of_run(run.run_id) if run else (),
        "progress": await services.progress.of_run(run.run_id) if run else (),
        "cursor": position(cursor),
        "is_mine": task.requester_id == viewer.account_id,
        "error": None,
        "text": "",
    }


async def _cursor(services: Services, task: TaskView) -> dict[str, int]:
    streams = [task.task_id, *([task.run.run_id] if task.run else [])]
    heads = {stream: await services.journal.head(stream) for stream in streams}
    return {stream: head.sequence if head else 0 for stream, head in heads.items()}


@router.get("/{task_id}")
async def show_task(
    *, request: Request, viewer: ViewerHere, services: ServicesHere, task: TaskHere, show: str = ""
) -> Response:
    """One task with its chat."""
    # Read the position first and the task after it: an entry between the two is shown twice rather than never.
    cursor = position(await _cursor(services, task))
    detail = await _detail(services, viewer, await shown_task(services, viewer, task.task_id))
    listed = await _listed(services, viewer, show)
    context: dict[str, Any] = {**detail, **listed, "cursor": cursor}
    return page(request, "tasks/detail.html", block="live", **context)


@router.get("/{task_id}/events", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def events(
    *,
    request: Request,
    viewer_now: ViewerNowHere,
    services: ServicesHere,
    task: TaskHere,
    after: str = "",
    last_event_id: Annotated[str, Header()] = "",
) -> AsyncGenerator[ServerSentEvent]:
    """The live part of the task page, anew after every journal entry of its run and its chat."""

    async def drawn() -> str:
        viewer = await viewer_now()
        detail = await _detail(services, viewer, await _task(viewer, services, task.task_id))
        return render("tasks/detail.html", "live", {"viewer": viewer, "path": f"/tasks/{task.task_id}", **detail})

    start = parse_position(last_event_id or after, dict.fromkeys(await _cursor(services, task), 0))
    async for event in live_page(services.journal, start, drawn, until_seconds=request.app.state.stream_seconds):
        yield event


def _waits_for_requester(task: TaskView) -> bool:
    return task.run is not None and task.run.state is RunState.WAITING_REQUESTER


def _is_answer(fields: dict[str, str]) -> bool:
    """Their own word (`as`: answer or question) counts before any guess."""
    said = fields.get("as", "")
    return said == "answer" if said in ("answer", "question") else not looks_like_question(fields.get("text", ""))


@router.get("/{task_id}/progress", response_class=EventSourceResponse, dependencies=[Depends(one_stream)])
async def progress(
    viewer_now: ViewerNowHere, services: ServicesHere, task: TaskHere
) -> AsyncGenerator[ServerSentEvent]:
    """What the task's run waits for, anew when it changes: tokens come too fast for a journal entry each."""

    async def drawn() -> str:
        viewer = await viewer_now()
        viewer.require_task(await services.tasks.requester_of(task.task_id))
        run_id = await services.runs.newest_run(task.task_id)
        lines = await services.progress.of_run(run_id) if run_id else ()
        return render("progress.html", "lines", {"lines": lines})

    async for event in live_numbers(drawn, seconds=PROGRESS_SECONDS):
        yield event


@router.post("/{task_id}/messages", dependencies=[Depends(one_upload)])
async def add_message(request: Request, viewer: ViewerHere, services: ServicesHere, task: TaskHere) -> Response:
    """A question about the task, or what was missing when the task waits for the requester."""
    viewer.require(task.requester_id == viewer.account_id, "writing in the tasks of others")
    text = ""
    try:
        form = await read_form(request)
        text = form.fields.get("text", "")
        # What a message is follows from what the run waits for, not from what the page showed a moment ago.
        if form.files or (_waits_for_requester(task) and _is_answer(form.fields)):
            await services.intake.add_message(
                task_id=task.task_id, account_id=viewer.account_id, text=text, attachments=form.files
            )
        else:
            await services.intake.ask(task_id=task.task_id, account_id=viewer.account_id, text=text)
    except OverseenError as error:
        detail = await _detail(services, viewer, task)
        listed = {} if is_fragment(request) else await _listed(services, viewer, "")
        context = {**detail, **listed, "error": error, "text": text}
        return page(request, "tasks/detail.html", block="composer_problem", status=status_of(error), **context)
    return _go(request, f"/tasks/{task.task_id}")
