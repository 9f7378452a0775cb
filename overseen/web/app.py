"""The web application: routes, middleware and error pages put together."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from overseen.api.routes import api_router
from overseen.api.security_routes import security_router
from overseen.api.services import Services
from overseen.api.uploads import Malformed
from overseen.errors import OverseenError
from overseen.settings import WebSettings
from overseen.web import blobs, leases, operations, reviews, run, sign_in, stops, tasks
from overseen.web.admission import SignedInOnly
from overseen.web.errors import answer, is_bad_value
from overseen.web.limits import AttemptLimit, Slots
from overseen.web.rendering import STATIC_FOLDER
from overseen.web.request_limits import RequestLimits, StrictBodies
from overseen.web.security import SameOriginOnly, SecureHeaders
from overseen.web.session import SignInNeeded
from overseen.web.sign_in_limits import SignInLimits


def make_app(services: AbstractAsyncContextManager[Services], settings: WebSettings) -> FastAPI:
    """The application. `services` is entered when it starts and left when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with services as opened:
            app.state.services = opened
            yield

    limits = settings.limits
    app = FastAPI(
        title="Overseen",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        middleware=[
            Middleware(SecureHeaders),
            Middleware(RequestLimits, limits=limits),
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(settings)),
            Middleware(SameOriginOnly),
            Middleware(SignedInOnly),
            Middleware(StrictBodies),
        ],
    )
    app.state.secure_cookies = (settings.base_url or "").startswith("https://")
    app.state.sign_in_limits = SignInLimits()
    app.state.streams = Slots(per_account=limits.streams_per_account, total=limits.streams, what="open live pages")
    app.state.uploads = Slots(per_account=limits.uploads_per_account, total=limits.uploads, what="uploads")
    app.state.stream_seconds = limits.stream_seconds
    app.state.stop_limit = AttemptLimit(
        attempts=20, seconds=60, too_many="Too many kill switches in a minute.", not_done="Nothing was changed."
    )
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    # Kill switches before leases: their addresses begin the same.
    for feature in (sign_in, tasks, run, reviews, stops, leases, blobs, operations):
        app.include_router(feature.router, include_in_schema=False)
    app.include_router(api_router)
    app.include_router(security_router)
    for refusal in (SignInNeeded, OverseenError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(refusal, _answer)
    app.add_exception_handler(DBAPIError, _database_refused)
    return app


def _hosts(settings: WebSettings) -> list[str]:
    """Names this server answers to; others are refused, so that no foreign name can be pointed at it."""
    named = urlsplit(settings.base_url).hostname if settings.base_url else None
    return [host for host in {"127.0.0.1", "localhost", settings.host, named} if host]


async def _answer(request: Request, error: Exception) -> Response:
    return answer(request, error)


async def _database_refused(request: Request, error: Exception) -> Response:
    """A value that the database cannot hold was sent; anything else it refuses is a fault of ours."""
    assert isinstance(error, DBAPIError)  # noqa: S101 - registered for this class only
    if not is_bad_value(error):
        raise error
    return answer(request, Malformed("A value cannot be looked for or stored.", not_done="Nothing was done."))
