"""Who is signed in, as request dependencies."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from overseen.api.access import Viewer
from overseen.api.accounts import DEVICE_DAYS, SESSION_HOURS
from overseen.api.credentials import SESSION_COOKIE, admitted
from overseen.api.services import Services

COOKIE = SESSION_COOKIE
DEVICE_COOKIE = "overseen_device"


class SignInNeeded(Exception):
    """Nobody is signed in; the browser is sent to the sign-in page and back."""


def get_services(request: Request) -> Services:
    """The process's services."""
    services: Services = request.app.state.services
    return services


ServicesHere = Annotated[Services, Depends(get_services)]


async def signed_in(request: Request) -> Viewer:
    """The person whose session cookie came with the request, as they were let in. Raises SignInNeeded."""
    viewer = admitted(request)
    if viewer is None:
        raise SignInNeeded
    return viewer


async def session_viewer(request: Request, services: Services) -> Viewer | None:
    """Whose session this browser has at this moment."""
    token = request.cookies.get(COOKIE)
    return await services.accounts.who(token) if token else None


ViewerHere = Annotated[Viewer, Depends(signed_in)]
ViewerNow = Callable[[], Awaitable[Viewer]]


async def signed_in_still(request: Request, services: ServicesHere, _: ViewerHere) -> ViewerNow:
    """For what outlives its request: a session may end, and roles may change, while a page is open.

    What is returned gives the person as they are now. Raises SignInNeeded.
    """

    async def now() -> Viewer:
        viewer = await session_viewer(request, services)
        if viewer is None:
            raise SignInNeeded
        return viewer

    return now


ViewerNowHere = Annotated[ViewerNow, Depends(signed_in_still)]


async def one_stream(request: Request, viewer: ViewerHere) -> AsyncGenerator[None]:
    """Only so many pages are live at once, of one person and of all."""
    with request.app.state.streams.taken(viewer.account_id):
        yield


async def one_upload(request: Request, viewer: ViewerHere) -> AsyncGenerator[None]:
    """Only so many forms with files are read at once: each is in memory until it is stored."""
    with request.app.state.uploads.taken(viewer.account_id):
        yield


async def _lease_viewer(viewer: ViewerHere) -> Viewer:
    viewer.require_leases()
    return viewer


LeaseViewerHere = Annotated[Viewer, Depends(_lease_viewer)]
"""Asked before an answer begins: what a stream raises comes too late for a status."""


def remember(response: Response, token: str, *, secure: bool, device: str | None = None) -> None:
    """Set the session cookie and, with `device`, what lets this browser be known again at sign-in."""
    response.set_cookie(
        COOKIE, token, max_age=SESSION_HOURS * 3600, httponly=True, samesite="lax", secure=secure, path="/"
    )
    if device is not None:
        response.set_cookie(
            DEVICE_COOKIE,
            device,
            max_age=DEVICE_DAYS * 86_400,
            httponly=True,
            samesite="strict",
            secure=secure,
            path="/sign-in",
        )


def forget(response: Response) -> None:
    """Remove the session cookie, and with it every page and picture that the browser kept."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
