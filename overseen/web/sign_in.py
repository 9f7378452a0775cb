"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from overseen.api.access import Viewer
from overseen.errors import Forbidden, Refused
from overseen.web.rendering import page
from overseen.web.session import COOKIE, ServicesHere, ViewerHere, forget, remember

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
    then: Annotated[str, Form()] = "/",
) -> Response:
    """Check name and password, at most 8 tries in 5 minutes an address and a name."""
    limit = request.app.state.sign_in_limit
    keys = (f"name:{name.strip()}", f"address:{request.client.host if request.client else ''}")
    try:
        for key in keys:
            limit.count(key)
        token = await services.accounts.sign_in(name.strip(), password)
    except (Forbidden, Refused) as error:
        status = 429 if isinstance(error, Refused) else 403
        return page(request, "sign_in.html", status=status, then=_own_path(then), name=name, error=error)
    for key in keys:
        limit.clear(key)
    response = RedirectResponse(_own_path(then), 303)
    remember(response, token, secure=request.app.state.secure_cookies)
    return response


@router.get("/sign-in/link/{token}")
async def follow_link(request: Request, services: ServicesHere, token: str) -> Response:
    """Sign in with a link that works once."""
    try:
        session = await services.accounts.redeem(token)
    except Forbidden as error:
        return page(request, "sign_in.html", status=403, then="/", name="", error=error)
    response = RedirectResponse("/", 303)
    remember(response, session, secure=request.app.state.secure_cookies)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, services: ServicesHere) -> Response:
    """End the session here and in the database."""
    token = request.cookies.get(COOKIE)
    if token:
        await services.accounts.sign_out(token)
    response = RedirectResponse("/sign-in", 303)
    forget(response)
    return response
