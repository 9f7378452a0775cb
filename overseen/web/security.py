"""What every request passes: the host it asks for, where it comes from, and the headers of what goes back."""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overseen.errors import Forbidden
from overseen.web.errors import answer

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SecureHeaders:
    """Adds the headers above to every answer; pages are never kept by caches, static files are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SameOriginOnly:
    """Refuses requests that change something when a page of another site sent them.

    Browsers say where a request comes from in `Sec-Fetch-Site` and `Origin`; beside cookies with SameSite=Lax this is
    what keeps other sites from acting in a person's name. Requests with a bearer token carry no cookie and pass.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http" or scope["method"] in _SAFE_METHODS or _is_trusted(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        refusal = Forbidden(
            "This request did not come from a page of Overseen.",
            not_done="Nothing was done.",
            next_step="Open the page yourself and try again.",
        )
        await answer(Request(scope), refusal)(scope, receive, send)


def _is_trusted(headers: Headers) -> bool:
    if "cookie" not in headers and "authorization" in headers:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host", "")
    return site == "same-origin"
