"""Signing in and out: by password, or by a link that shows a button before it does anything."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.api.services import Services
from overseen.errors import Forbidden, OverseenError
from overseen.web.errors import status_of
from overseen.web.rendering import page
from overseen.web.session import (
    COOKIE,
    DEVICE_COOKIE,
    ServicesHere,
    ViewerHere,
    forget,
    remember,
    session_viewer,
)

router = APIRouter()


def first_page(viewer: Viewer) -> str:
    """Where someone with these roles works."""
    if viewer.may_submit:
        return "/tasks"
    if viewer.may_decide:
        return "/reviews"
    return "/leases" if viewer.sees_leases else "/tasks"


def _own_path(then: str) -> str:
    """`then` when it is a path of ours, else the start: never another site."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/"


@router.get("/")
async def start(viewer: ViewerHere) -> Response:
    """To the page that fits the person's roles."""
    return RedirectResponse(first_page(viewer), 303)


@router.get("/sign-in")
async def show(request: Request, then: str = "/") -> Response:
    """The sign-in form."""
    return page(request, "sign_in.html", then=_own_path(then), name="", error=None)


@router.post("/sign-in")
async def sign_in(
    *,
    request: Request,
    services: ServicesHere,
    name: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=400)],
    then: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Check name and password, as often as `SignInLimits` allows."""
    name = name.strip()
    device = request.cookies.get(DEVICE_COOKIE)
    known = device if device is not None and await services.accounts.knows_device(name, device) else None
    address = request.client.host if request.client else ""
    try:
        was_right = request.app.state.sign_in_limits.begin(address=address, name=name, known_device=known)
        token = await services.accounts.sign_in(name, password)
    except OverseenError as error:
        return page(request, "sign_in.html", status=status_of(error), then=_own_path(then), name=name, error=error)
    was_right()
    return await _signed_in(request, services, token, _own_path(then), known=known)


async def _signed_in(
    request: Request, services: Services, token: str, target: str, *, known: str | None = None
) -> Response:
    """To `target` with a fresh session; the one that this browser had before ends."""
    if before := request.cookies.get(COOKIE):
        await services.accounts.sign_out(before)
    device = None if known is not None else await services.accounts.remember_device(token)
    response = RedirectResponse(target, 303)
    remember(response, token, secure=request.app.state.secure_cookies, device=device)
    return response


@router.get("/sign-in/link/{token}")
async def show_link(request: Request, services: ServicesHere, token: str) -> Response:
    """Whom a sign-in link is for, and the button that uses it: programs that follow links in mails use up nothing."""
    return await _link_page(request, services, token, await session_viewer(request, services))


@router.post("/sign-in/link")
async def use_link(
    *,
    request: Request,
    services: ServicesHere,
    token: Annotated[str, Form(max_length=200)],
    instead_of: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Sign in with a link that works once; `instead_of` is the account that the page said would be signed out."""
    owner = await services.accounts.link_owner(token)
    present = await session_viewer(request, services)
    if owner is None or (present is not None and present.account_id not in (owner.account_id, instead_of)):
        return await _link_page(request, services, token, present)
    try:
        session = await services.accounts.redeem(token)
    except Forbidden as error:
        return page(request, "sign_in.html", status=403, then="/", name="", error=error)
    return await _signed_in(request, services, session, "/")


async def _link_page(request: Request, services: Services, token: str, present: Viewer | None) -> Response:
    owner = await services.accounts.link_owner(token)
    if owner is None:
        response = page(request, "sign_in.html", status=403, then="/", name="", error=_used_up())
    else:
        response = page(request, "sign_in_link.html", owner=owner, present=present, token=token)
    # The address holds the token, so it is told to nobody. Under `no-referrer` a browser would not even say that the
    # form came from here, and the form would be refused.
    response.headers["Referrer-Policy"] = "strict-origin"
    return response


def _used_up() -> Forbidden:
    return Forbidden(
        "This sign-in link was used already or is too old.",
        not_done="You are not signed in.",
        next_step="Sign in with your password, or ask an operator for a new link.",
    )


@router.post("/sign-out")
async def sign_out(request: Request, services: ServicesHere) -> Response:
    """End the session here and in the database."""
    token = request.cookies.get(COOKIE)
    if token:
        await services.accounts.sign_out(token)
    response = RedirectResponse("/sign-in", 303)
    forget(response)
    return response
