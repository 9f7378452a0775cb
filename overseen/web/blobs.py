"""Files and pictures, only those of tasks the person may see."""

from urllib.parse import quote

from fastapi import APIRouter
from starlette.responses import Response

from overseen.web.session import ServicesHere, ViewerHere

router = APIRouter()

# What strangers wrote is never allowed to act as a page of ours, and nobody finds it in the browser after a sign-out.
_ISOLATED = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"}


@router.get("/tasks/{task_id}/attachments/{attachment_id}")
async def attachment(viewer: ViewerHere, services: ServicesHere, task_id: str, attachment_id: str) -> Response:
    """One attachment as a download; pictures are shown."""
    viewer.require_task(await services.tasks.requester_of(task_id))
    found, content = await services.tasks.attachment(task_id, attachment_id)
    manner = "inline" if found.is_image else "attachment"
    headers = {**_ISOLATED, "Content-Disposition": f"{manner}; filename*=UTF-8''{quote(found.name)}"}
    return Response(content, media_type=found.media_type, headers=headers)


@router.get("/runs/{run_id}/images/{sha256}")
async def image(viewer: ViewerHere, services: ServicesHere, run_id: str, sha256: str) -> Response:
    """A photo, or a page as a tool drew it."""
    viewer.require_task(await services.runs.requester_of(run_id))
    content, media_type = await services.evidence.image(run_id, sha256)
    return Response(content, media_type=media_type, headers=_ISOLATED)
