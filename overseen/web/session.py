"""Who is signed in, as request dependencies."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from overseen.api.access import Viewer
from overseen.api.accounts import SESSION_HOURS
from overseen.api.services import Services

COOKIE = "overseen_session"


class SignInNeeded(Exception):
    """Nobody is signed in; the browser is sent to the sign-in page and back."""


def get_services(request: Request) -> Services:
    """The process's services."""
    services: Services = request.app.state.services
    return services


ServicesHere = Annotated[Services, Depends(get_services)]


async def signed_in(request: Request, services: ServicesHere) -> Viewer:
    """The person whose session cookie came with the request. Raises SignInNeeded."""
    token = request.cookies.get(COOKIE)
    viewer = await services.accounts.who(token) if token else None
    if viewer is None:
        raise SignInNeeded
    request.state.viewer = viewer
    return viewer


ViewerHere = Annotated[Viewer, Depends(signed_in)]
ViewerNow = Callable[[], Awaitable[Viewer]]


async def signed_in_still(request: Request, services: ServicesHere, _: ViewerHere) -> ViewerNow:
    """For what outlives its request: a session may end, and roles may change, while a page is open.

    What is returned gives the person as they are now. Raises SignInNeeded.
    """

    async def now() -> Viewer:
        return await signed_in(request, services)

    return now


ViewerNowHere = Annotated[ViewerNow, Depends(signed_in_still)]


def remember(response: Response, token: str, *, secure: bool) -> None:
    """Set the session cookie."""
    response.set_cookie(
        COOKIE, token, max_age=SESSION_HOURS * 3600, httponly=True, samesite="lax", secure=secure, path="/"
    )


def forget(response: Response) -> None:
    """Remove the session cookie."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
