"""What every request passes."""

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from overseen.web.security import SameOriginOnly, SecureHeaders


def client(**headers: str) -> AsyncClient:
    async def answer(_: object) -> PlainTextResponse:
        return PlainTextResponse("done")

    app = SecureHeaders(SameOriginOnly(Starlette(routes=[Route("/api/v1/thing", answer, methods=["GET", "POST"])])))
    return AsyncClient(transport=ASGITransport(app=app), base_url="http://127.0.0.1", headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1", "cookie": "a=b"}, 200),
        ({"sec-fetch-site": "same-origin", "cookie": "a=b"}, 200),
        ({"origin": "http://elsewhere.example", "cookie": "a=b"}, 403),
        ({"origin": "null", "cookie": "a=b"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1", "cookie": "a=b"}, 403),
        ({"cookie": "a=b"}, 403),
        ({}, 403),
        ({"authorization": "Bearer x"}, 200),
        ({"authorization": "Bearer x", "cookie": "a=b"}, 403),
    ],
)
async def test_only_pages_of_ours_may_change_something(headers: dict[str, str], status: int) -> None:
    async with client(**headers) as browser:
        assert (await browser.post("/api/v1/thing")).status_code == status


async def test_reading_is_never_refused() -> None:
    async with client(origin="http://elsewhere.example") as browser:
        assert (await browser.get("/api/v1/thing")).status_code == 200


async def test_no_page_may_run_scripts_of_its_own() -> None:
    async with client() as browser:
        policy = (await browser.get("/api/v1/thing")).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
