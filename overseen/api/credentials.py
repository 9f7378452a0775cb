"""Who a request says it is from, found out before anything of its body is read."""

from fastapi import Request

from overseen.api.access import NotSignedIn, Viewer
from overseen.api.accounts import Accounts

SESSION_COOKIE = "overseen_session"


async def who_asks(request: Request, accounts: Accounts) -> Viewer | None:
    """The account of the bearer token (API only) or of the session cookie; None when it is nobody's."""
    if request.url.path.startswith("/api/") and (sent := request.headers.get("authorization")) is not None:
        scheme, _, token = sent.partition(" ")
        return await accounts.who(token.strip(), kinds=("token", "session")) if scheme.lower() == "bearer" else None
    session = request.cookies.get(SESSION_COOKIE)
    return await accounts.who(session) if session else None


def admitted(request: Request) -> Viewer | None:
    """Who was let in with this request."""
    viewer: Viewer | None = getattr(request.state, "viewer", None)
    return viewer


def not_signed_in() -> NotSignedIn:
    """What a program is told that came without a token that holds."""
    return NotSignedIn(
        "No valid token came with the request.",
        not_done="Nothing was done.",
        next_step="Send `Authorization: Bearer <token>`; `overseen accounts token NAME` makes one.",
    )
