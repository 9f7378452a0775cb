"""Nobody's body is read before it is known who is there."""

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from overseen.api.credentials import not_signed_in, who_asks
from overseen.api.services import Services
from overseen.domain.act_origin import ActOrigin, Channel, acting_through
from overseen.errors import OverseenError
from overseen.web.errors import answer, for_programs
from overseen.web.session import SignInNeeded

_OPEN_TO_ALL = frozenset({"/health", "/sign-in", "/sign-out", "/api/v1/openapi.json"})
_OPEN_FOLDERS = ("/static/", "/sign-in/")


class SignedInOnly:
    """Lets in who is signed in, and anyone to the few addresses that are open to all.

    Leaves the account in `request.state.viewer`. What is done behind it is done through a page or the API, and the
    journal says so.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        by_program = for_programs(request)
        if not _is_open(scope["path"]):
            try:
                services: Services = request.app.state.services
                viewer = await who_asks(request, services.accounts)
                if viewer is None:
                    raise not_signed_in() if by_program else SignInNeeded
            except (SignInNeeded, OverseenError) as error:
                await answer(request, error)(scope, receive, send)
                return
            request.state.viewer = viewer
        with acting_through(ActOrigin(channel=Channel.API if by_program else Channel.PAGE)):
            await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in _OPEN_TO_ALL or path.startswith(_OPEN_FOLDERS)
