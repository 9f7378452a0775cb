"""Errors as they are answered: pages for people, one JSON shape for programs, whichever part of the house refused."""

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from overseen.api.access import NotSignedIn
from overseen.errors import Defect, InvalidInput, OverseenError
from overseen.web.rendering import page
from overseen.web.session import SignInNeeded

_STATUS = {
    "malformed": 400,
    "not_signed_in": 401,
    "invalid_input": 422,
    "not_found": 404,
    "forbidden": 403,
    "too_slow": 408,
    "conflict": 409,
    "refused": 409,
    "too_large": 413,
    "address_too_long": 414,
    "wrong_type": 415,
    "too_many_attempts": 429,
    "too_many_at_once": 429,
    "headers_too_large": 431,
    "unavailable": 503,
}


class RequestRefused(HTTPException):
    """Raised while a body is read, where only HTTP's own exceptions pass; `error` says what is answered."""

    def __init__(self, error: OverseenError) -> None:
        super().__init__(status_of(error), error.message)
        self.error = error


def status_of(error: OverseenError) -> int:
    """The HTTP status of an error."""
    return _STATUS.get(error.code, 500)


def for_programs(request: Request) -> bool:
    """Whether a program asks rather than a browser."""
    return request.url.path.startswith("/api/")


def answer(request: Request, error: Exception) -> Response:
    """The answer to `error`, for handlers of the application and for what refuses before it."""
    if isinstance(error, SignInNeeded):
        return _to_sign_in(request)
    shown = _as_ours(error)
    status = error.status_code if isinstance(error, HTTPException) else status_of(shown)
    if for_programs(request):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse({"error": shown.as_dict()}, status, headers)
    return page(request, "error.html", block="problem", status=status, error=shown, status_code=status)


def _as_ours(error: Exception) -> OverseenError:
    if isinstance(error, OverseenError):
        return error
    if isinstance(error, RequestRefused):
        return error.error
    if isinstance(error, RequestValidationError):
        # What was sent is not quoted: it may be anything, and a page or a log is no place for it.
        named = sorted({".".join(str(part) for part in item["loc"][1:3]) or "the body" for item in error.errors()})
        return InvalidInput(
            f"Something is missing or not as described: {', '.join(_printable(name) for name in named[:5])}.",
            not_done="Nothing was done.",
            next_step="See /api/v1/openapi.json for what is expected.",
        )
    if isinstance(error, HTTPException):
        return _http(error)
    return Defect("Something is broken here.", not_done="It may not have been done.", next_step="Tell an operator.")


def _http(error: HTTPException) -> OverseenError:
    kind: type[OverseenError] = InvalidInput if error.status_code < 500 else Defect
    return kind(
        "This page does not exist." if error.status_code == 404 else str(error.detail),
        next_step="Check the address, or start from the list of tasks.",
    )


def _printable(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name[:60])


def is_bad_value(error: DBAPIError) -> bool:
    """Whether the database refused a value (out of range, not storable) rather than a statement."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("22") or "NUL" in str(error.orig)


def _to_sign_in(request: Request) -> Response:
    is_stream = request.url.path.endswith("/events") or "text/event-stream" in request.headers.get("accept", "")
    is_part = request.headers.get("hx-request") == "true"
    # What htmx asked for is a part of a page: the person comes back to the page.
    page_path = urlsplit(request.headers.get("hx-current-url", "")).path if is_part else request.url.path
    target = "/sign-in"
    if request.method == "GET" and page_path not in ("", "/"):
        target += f"?then={quote(page_path)}"
    if is_part:
        return Response(status_code=401, headers={"HX-Redirect": target})
    if is_stream:
        problem = NotSignedIn("Nobody is signed in.", not_done="Nothing was sent.", next_step="Sign in.")
        return JSONResponse({"error": problem.as_dict()}, 401)
    return RedirectResponse(target, 303)
