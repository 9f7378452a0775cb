"""The web application: routes, middleware and error pages put together."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from overseen.api.routes import api_router
from overseen.api.security_routes import security_router
from overseen.api.services import Services
from overseen.errors import OverseenError
from overseen.settings import WebSettings
from overseen.web import blobs, leases, operations, reviews, run, sign_in, stops, tasks
from overseen.web.limits import AttemptLimit
from overseen.web.rendering import STATIC_FOLDER, page
from overseen.web.security import SameOriginOnly, SecureHeaders
from overseen.web.session import SignInNeeded

_STATUS = {
    "not_signed_in": 401,
    "invalid_input": 422,
    "not_found": 404,
    "forbidden": 403,
    "conflict": 409,
    "refused": 409,
    "too_many_attempts": 429,
    "unavailable": 503,
}


def make_app(services: AbstractAsyncContextManager[Services], settings: WebSettings) -> FastAPI:
    """The application. `services` is entered when it starts and left when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with services as opened:
            app.state.services = opened
            yield

    app = FastAPI(
        title="Overseen",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        middleware=[
            Middleware(SecureHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings)),
            Middleware(SameOriginOnly),
        ],
    )
    app.state.secure_cookies = (settings.base_url or "").startswith("https://")
    app.state.sign_in_limit = AttemptLimit(attempts=8, seconds=300)
    app.state.stop_limit = AttemptLimit(
        attempts=20, seconds=60, too_many="Too many kill switches in a minute.", not_done="Nothing was changed."
    )
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    # Kill switches before leases: their addresses begin the same.
    for feature in (sign_in, tasks, run, reviews, stops, leases, blobs, operations):
        app.include_router(feature.router, include_in_schema=False)
    app.include_router(api_router)
    app.include_router(security_router)
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    app.add_exception_handler(OverseenError, _error)
    app.add_exception_handler(HTTPException, _http_error)
    return app


def _hosts(settings: WebSettings) -> list[str]:
    """Names this server answers to; others are refused, so that no foreign name can be pointed at it."""
    named = urlsplit(settings.base_url).hostname if settings.base_url else None
    return [host for host in {"127.0.0.1", "localhost", settings.host, named} if host]


def _to_sign_in(request: Request, _: Exception) -> Response:
    is_part = request.headers.get("hx-request") == "true"
    # What htmx asked for is a part of a page: the person comes back to the page.
    page_path = urlsplit(request.headers.get("hx-current-url", "")).path if is_part else request.url.path
    target = "/sign-in"
    if request.method == "GET" and page_path not in ("", "/"):
        target += f"?then={quote(page_path)}"
    if is_part:
        return Response(status_code=401, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OverseenError)  # noqa: S101 - registered for this class only
    status = _STATUS.get(error.code, 500)
    if request.url.path.startswith("/api/"):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse({"error": error.as_dict()}, status, headers)
    return page(request, "error.html", block="problem", status=status, error=error, status_code=status)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    shown = OverseenError(
        "This page does not exist." if error.status_code == 404 else str(error.detail),
        next_step="Check the address, or start from the list of tasks.",
    )
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": shown.as_dict()}, error.status_code)
    return page(
        request, "error.html", block="problem", status=error.status_code, error=shown, status_code=error.status_code
    )
