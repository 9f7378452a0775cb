"""The door to HTTP servers: what passes, what does not, and what the server and the journal see of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from overseen.errors import Unavailable
from overseen.tools.doors.egress import (
    AllowedRequest,
    EgressLimits,
    EgressRecord,
    EgressTarget,
    Injection,
    Recorder,
    open_egress_door,
)
from overseen.tools.doors.listening import private_socket
from tests.waiting import until

SECRET = "Bearer lease-123"
LIMITS = EgressLimits(
    requests=4, request_bytes=1000, response_bytes=2000, total_bytes=5000, request_seconds=1.0, total_seconds=1.5
)
ALLOW = (
    AllowedRequest(method="GET", path=r"/v1/policies/[A-Z0-9-]{1,20}"),
    AllowedRequest(method="GET", path=r"/v1/(big|slow|away|echo|half|cookie)"),
    AllowedRequest(method="POST", path=r"/v1/claims", query=("dry", "page")),
)


class Upstream:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""
        self.asked = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        self.asked.set()
        if request.path == "/v1/big":
            return web.Response(body=bytes(10_000))
        if request.path == "/v1/half":
            return web.Response(body=bytes(1900))
        if request.path == "/v1/echo":
            return web.json_response(dict(request.headers))
        if request.path == "/v1/slow":
            await asyncio.sleep(5)
        if request.path == "/v1/away":
            return web.Response(status=302, headers={"Location": f"{self.url}/v1/admin"})
        return web.json_response({"status": "active"}, headers={"Set-Cookie": "session=1", "X-Internal": "y"})


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    server = Upstream()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


class Door:
    def __init__(self, path: Path, records: list[EgressRecord]) -> None:
        self.path = path
        self.records = records

    async def raw(self, content: bytes) -> bytes:
        """Whatever is sent; empty when the door hangs up."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
            writer.write(content)
            answer = await reader.read()
            writer.close()
        except ConnectionError:
            return b""
        return answer

    async def ask(
        self, request_line: str, *headers: str, host: str = "policies.internal", body: bytes = b""
    ) -> tuple[int, bytes]:
        """Raw bytes, so that no client tidies up what is tried."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        lines = [
            f"{request_line} HTTP/1.1",
            f"Host: {host}",
            "Connection: close",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]), answer

    @property
    def reasons(self) -> list[str]:
        return [record.reason for record in self.records]


@pytest.fixture
async def door(tmp_path: Path, upstream: Upstream) -> AsyncIterator[Door]:
    records: list[EgressRecord] = []

    async def record(entry: EgressRecord) -> None:
        records.append(entry)

    target = EgressTarget(
        host="policies.internal",
        base_url=upstream.url,
        allow=ALLOW,
        credential=lambda: Injection(headers={"Authorization": SECRET}, secrets=("lease-123",)),
    )
    async with open_egress_door(tmp_path, [target], record, LIMITS) as path:
        yield Door(path, records)
    assert list(tmp_path.iterdir()) == []


async def test_an_allowed_request_is_made_with_the_credential_the_sandbox_never_sees(
    door: Door, upstream: Upstream
) -> None:
    status, answer = await door.ask(
        "GET /v1/policies/CAR-1", "Authorization: Bearer mine", "Cookie: a=b", "X-Api-Key: k"
    )
    assert status == 200
    assert b"active" in answer
    (_, path, headers, _) = upstream.seen[0]
    assert (path, headers["Authorization"]) == ("/v1/policies/CAR-1", SECRET)
    assert not {"Cookie", "X-Api-Key"} & set(headers)
    assert SECRET.encode() not in answer
    assert b"session=1" not in answer
    assert b"X-Internal" not in answer
    assert [(row.path, row.status, row.allowed) for row in door.records] == [("/v1/policies/CAR-1", 200, True)]


@pytest.mark.parametrize(
    ("line", "host", "reason"),
    [
        ("GET /", "evil.example", "host_not_allowed"),
        ("GET /v1/policies/CAR-1", "policies.internal.evil.example", "host_not_allowed"),
        ("GET /v1/policies/CAR-1", "policies.internal:8200", "host_not_allowed"),
        ("GET /v1/admin", "policies.internal", "request_not_allowed"),
        ("DELETE /v1/policies/CAR-1", "policies.internal", "request_not_allowed"),
        ("GET /v1/policies/CAR-1?x=1", "policies.internal", "request_not_allowed"),
        ("POST /v1/claims?dry=1&admin=1", "policies.internal", "request_not_allowed"),
        ("POST /v1/claims?dry=1;admin=1", "policies.internal", "request_not_allowed"),
        ("POST /v1/claims?%64ry=1", "policies.internal", "request_not_allowed"),
        ("POST /v1/claims?dry=1&&page=2", "policies.internal", "request_not_allowed"),
        ("GET /v1/policies/CAR-1/notes", "policies.internal", "request_not_allowed"),
        ("GET /v1/policies/../admin", "policies.internal", "ambiguous_path"),
        ("GET /v1/policies/%2e%2e/admin", "policies.internal", "ambiguous_path"),
        ("GET /v1/policies%2Fx", "policies.internal", "ambiguous_path"),
        ("GET //v1/policies/CAR-1", "policies.internal", "ambiguous_path"),
        ("GET /v1/policies/CAR-1;x", "policies.internal", "ambiguous_path"),
        ("GET http://127.0.0.1:8200/v1/sys", "policies.internal", "ambiguous_path"),
    ],
)
async def test_everything_else_is_refused_and_recorded(
    door: Door, upstream: Upstream, line: str, host: str, reason: str
) -> None:
    status, _ = await door.ask(line, host=host)
    assert status == 403
    assert door.reasons == [reason]
    assert upstream.seen == []


async def test_a_tunnel_is_refused(door: Door, upstream: Upstream) -> None:
    status, _ = await door.ask("CONNECT 127.0.0.1:8200", host="127.0.0.1:8200")
    assert status >= 400
    assert upstream.seen == []


async def test_a_redirect_is_handed_back_and_not_followed(door: Door, upstream: Upstream) -> None:
    status, answer = await door.ask("GET /v1/away")
    assert status == 302
    assert b"Location" not in answer
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(
    ("line", "body", "status", "reason"),
    [
        ("GET /v1/big", b"", 502, "response_too_large"),
        ("GET /v1/slow", b"", 504, "too_slow"),
        ("POST /v1/claims?dry=1", b"x" * 5000, 413, "request_too_large"),
    ],
)
async def test_sizes_and_times_are_limited(door: Door, line: str, body: bytes, status: int, reason: str) -> None:
    assert (await door.ask(line, body=body))[0] == status
    assert door.reasons == [reason]


async def test_the_number_of_requests_is_limited_and_then_the_door_is_closed(door: Door) -> None:
    statuses = [(await door.ask("GET /v1/policies/CAR-1"))[0] for _ in range(5)]
    assert statuses == [200, 200, 200, 200, 429]
    assert await door.raw(b"GET /v1/policies/CAR-1 HTTP/1.1\r\nHost: policies.internal\r\n\r\n") == b""
    assert door.reasons == ["answered"] * 4 + ["too_many_requests"]


async def test_the_bytes_of_all_requests_together_are_limited(door: Door) -> None:
    statuses = [(await door.ask("GET /v1/half"))[0] for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert door.reasons[-1] == "too_many_bytes"


async def test_the_time_of_all_requests_together_is_limited(door: Door) -> None:
    statuses = [(await door.ask("GET /v1/slow"))[0] for _ in range(3)]
    assert statuses == [504, 504, 429]
    assert sum(row.seconds for row in door.records) < 1.8


async def test_an_answer_that_repeats_the_credential_is_kept_back(door: Door) -> None:
    status, answer = await door.ask("GET /v1/echo")
    assert (status, door.reasons) == (502, ["credential_in_answer"])
    assert b"lease-123" not in answer


async def test_parameters_that_are_allowed_pass(door: Door, upstream: Upstream) -> None:
    assert (await door.ask("POST /v1/claims?dry=1&page=%2Fa", body=b"{}"))[0] == 200
    assert upstream.seen[0][1] == "/v1/claims?dry=1&page=%2Fa"
    assert door.records[0].path == "/v1/claims"


async def test_cookies_are_not_kept_from_one_request_to_the_next(tmp_path: Path, upstream: Upstream) -> None:
    # By name: clients keep no cookies of bare addresses anyway.
    target = target_at(upstream.url.replace("127.0.0.1", "localhost"))
    async with open_egress_door(tmp_path, [target], keep_in([])) as path:
        for _ in range(2):
            assert (await Door(path, []).ask("GET /v1/cookie", host="h"))[0] == 200
    assert [("Cookie" in headers) for _, _, headers, _ in upstream.seen] == [False, False]


async def test_what_is_no_request_is_counted_and_recorded(tmp_path: Path, upstream: Upstream) -> None:
    rows: list[EgressRecord] = []
    async with open_egress_door(tmp_path, [target_at(upstream.url)], keep_in(rows), LIMITS) as path:
        assert b" 400 " in await Door(path, rows).raw(b"\x16\x03\x01 hello\r\n\r\n")
    assert [(row.reason, row.count, row.allowed) for row in rows] == [("malformed", 1, False)]


async def test_odd_signs_of_a_refused_path_do_not_reach_the_record_raw(door: Door) -> None:
    await door.raw(b"GET /\xff\xc3\xa9" + b"a" * 900 + b" HTTP/1.1\r\nHost: policies.internal\r\n\r\n")
    for row in door.records:
        assert row.path.isascii()
        assert len(row.path) <= 256


async def test_many_connections_at_once_are_not_taken(door: Door) -> None:
    open_ones = [await asyncio.open_unix_connection(door.path) for _ in range(30)]
    await until(lambda: sum(reader.at_eof() for reader, _ in open_ones) >= 14)
    for _, writer in open_ones:
        writer.close()


async def test_a_request_under_way_when_the_call_ends_is_recorded_at_once(tmp_path: Path, upstream: Upstream) -> None:
    rows: list[EgressRecord] = []
    began = asyncio.get_running_loop().time()
    async with open_egress_door(tmp_path, [target_at(upstream.url)], keep_in(rows)) as path:
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /v1/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        await asyncio.wait_for(upstream.asked.wait(), 5)
    assert [(row.reason, row.allowed, row.status) for row in rows] == [("cut_off", True, None)]
    assert asyncio.get_running_loop().time() - began < 3
    writer.close()


async def test_a_request_that_cannot_be_recorded_ends_the_door_and_the_call(tmp_path: Path, upstream: Upstream) -> None:
    async def record(entry: EgressRecord) -> None:
        raise Unavailable("The journal is down.")

    with pytest.raises(Unavailable, match="journal"):
        async with open_egress_door(tmp_path, [target_at(upstream.url)], record) as path:
            door = Door(path, [])
            assert (await door.ask("GET /v1/policies/CAR-1", host="h"))[0] == 503
            assert await door.raw(b"GET /v1/policies/CAR-1 HTTP/1.1\r\nHost: h\r\n\r\n") == b""
    assert len(upstream.seen) == 1


def target_at(url: str) -> EgressTarget:
    return EgressTarget(host="h", base_url=url, allow=ALLOW, credential=Injection)


def keep_in(rows: list[EgressRecord]) -> Recorder:
    async def record(entry: EgressRecord) -> None:
        rows.append(entry)

    return record


async def test_a_server_that_is_down_is_said_to_be(tmp_path: Path) -> None:
    rows: list[Any] = []

    async def record(entry: EgressRecord) -> None:
        rows.append(entry.reason)

    target = EgressTarget(
        host="h", base_url="http://127.0.0.1:9", allow=[AllowedRequest(method="GET", path="/")], credential=Injection
    )
    async with open_egress_door(tmp_path, [target], record) as path:
        assert (await Door(path, []).ask("GET /", host="h"))[0] == 502
    assert rows == ["server_unreachable"]


async def test_a_private_socket_leaves_nothing(tmp_path: Path) -> None:
    async with private_socket(tmp_path) as listening:
        assert listening.path.is_socket()
    assert list(tmp_path.iterdir()) == []
