"""A body is read when it is known who sends it, and only what may be sent there: on a real server, by raw sockets."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.contract.web.real_server import Server
from tests.web_scenario import House

MEGABYTE = 1024 * 1024


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def status(connection: socket.socket) -> int:
    answer = connection.recv(65536)
    return int(answer.split()[1]) if answer else 0


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side ends it, as it does after a body that it did not read."""
    pieces: list[bytes] = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionError:
        pass
    return b"".join(pieces)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ended it; waits for that."""
    everything(connection)
    return True


def pour(connection: socket.socket, pieces: Iterator[bytes]) -> int:
    """Send until the other side has had enough; how many bytes it took."""
    sent = 0
    try:
        for piece in pieces:
            connection.sendall(piece)
            sent += len(piece)
    except (ConnectionError, TimeoutError):
        pass
    return sent


def chunks(size: int) -> Iterator[bytes]:
    piece = b"%x\r\n" % MEGABYTE + b"[" * MEGABYTE + b"\r\n"
    for _ in range(size // MEGABYTE):
        yield piece
    yield b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "kind", "credential"),
    [
        ("/api/v1/tasks", "multipart/form-data; boundary=b", "Authorization: Bearer junk"),
        ("/api/v1/stops", "application/json", f"Authorization: Bearer {'x' * 43}"),
        ("/api/v1/reviews/rev_1/decision", "application/json", "Cookie: a=b\r\nOrigin: http://127.0.0.1"),
        ("/tasks", "multipart/form-data; boundary=b", "Origin: http://127.0.0.1"),
        ("/sign-in", "application/x-www-form-urlencoded", "Origin: http://127.0.0.1"),
        ("/nowhere", "application/x-www-form-urlencoded", "Origin: http://127.0.0.1"),
    ],
)
@pytest.mark.parametrize("length", ["Content-Length: 314572800", "Transfer-Encoding: chunked"])
async def test_300_megabytes_of_a_stranger_are_refused_unread(
    server: Server, path: str, kind: str, credential: str, length: str
) -> None:
    before = server.memory()
    pieces = chunks(300 * MEGABYTE) if "chunked" in length else iter([b"[" * MEGABYTE] * 300)

    def attack() -> tuple[int, int]:
        with closing(server.connect()) as connection:
            connection.sendall(head(path, credential, f"Content-Type: {kind}", length))
            # What is refused by what its head says is answered before a byte of the body is sent.
            answered = 0 if (path, "chunked" in length) == ("/sign-in", True) else status(connection)
            sent = pour(connection, pieces)
            return answered, sent

    answered, sent = await asyncio.to_thread(attack)
    assert answered in (303, 401, 413, 0), answered
    assert answered != 0 or path == "/sign-in"
    # Buffers of the machine take some of it; the process takes none.
    assert sent < 16 * MEGABYTE
    assert server.memory() - before < 16 * MEGABYTE


async def test_a_body_without_a_length_is_counted_while_it_is_read(server: Server, house: House) -> None:
    token = await server.services.accounts.token("rene")
    before = server.memory()

    def attack() -> tuple[int, int]:
        with closing(server.connect()) as connection:
            connection.sendall(
                head(
                    f"/api/v1/reviews/{house.review}/decision",
                    f"Authorization: Bearer {token}",
                    "Content-Type: application/json",
                    "Transfer-Encoding: chunked",
                )
            )
            sent = pour(connection, chunks(300 * MEGABYTE))
            try:
                return status(connection), sent
            except ConnectionError:
                return 413, sent

    answered, sent = await asyncio.to_thread(attack)
    assert answered == 413
    assert sent < 16 * MEGABYTE
    assert server.memory() - before < 24 * MEGABYTE


async def test_the_program_s_upload_has_the_limits_of_the_form(server: Server, house: House) -> None:
    token = await server.services.accounts.token("rosa")
    part = b'--b\r\nContent-Disposition: form-data; name="attachments"; filename="a.txt"\r\n\r\n'

    def attack() -> bytes:
        with closing(server.connect()) as connection:
            connection.sendall(
                head(
                    "/api/v1/tasks",
                    f"Authorization: Bearer {token}",
                    "Content-Type: multipart/form-data; boundary=b",
                    "Transfer-Encoding: chunked",
                )
            )
            connection.sendall(b"%x\r\n" % len(part) + part + b"\r\n")
            pour(connection, (b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n" for _ in range(26)))
            return everything(connection)

    answer = await asyncio.to_thread(attack)
    assert b" 413 " in answer.splitlines()[0]
    assert b"larger than 25 MB" in answer


async def test_a_packed_body_is_not_unpacked(server: Server, house: House) -> None:
    token = await server.services.accounts.token("rene")
    lines = [f"Authorization: Bearer {token}", "Content-Type: application/json", "Content-Encoding: gzip"]

    def ask() -> int:
        with closing(server.connect()) as connection:
            connection.sendall(head("/api/v1/stops", *lines, "Content-Length: 3") + b"abc")
            return status(connection)

    assert await asyncio.to_thread(ask) == 415


async def test_a_head_that_never_ends_is_closed(server: Server) -> None:
    def attack() -> float:
        began = time.monotonic()
        with closing(server.connect()) as connection:
            connection.settimeout(10)
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
            for _ in range(3):
                time.sleep(0.3)
                connection.sendall(b"X-Slow: 1\r\n")
            assert is_closed(connection)
        return time.monotonic() - began

    assert await asyncio.to_thread(attack) < 8


async def test_a_body_that_drips_is_given_up(server: Server, house: House) -> None:
    token = await server.services.accounts.token("rene")

    def attack() -> tuple[int, float]:
        began = time.monotonic()
        with closing(server.connect()) as connection:
            lines = [f"Authorization: Bearer {token}", "Content-Type: application/json", "Content-Length: 1000"]
            connection.sendall(head("/api/v1/stops", *lines))
            connection.settimeout(0.3)
            while time.monotonic() - began < 15:
                try:
                    connection.sendall(b" ")
                    return status(connection), time.monotonic() - began
                except TimeoutError:
                    continue
        return 0, time.monotonic() - began

    answered, took = await asyncio.to_thread(attack)
    assert answered == 408
    assert took < 12


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /health?q=" + "x" * 9000, {414}),
        ("GET /" + "x" * 3000, {414}),
        ("GET /api/v1/runs?cursor=%00", {400}),
        ("GET /api/v1/runs/%00", {400}),
    ],
)
async def test_addresses_have_limits(server: Server, line: str, expected: set[int]) -> None:
    def ask() -> int:
        with closing(server.connect()) as connection:
            connection.sendall(f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return status(connection)

    assert await asyncio.to_thread(ask) in expected


async def test_headers_have_limits(server: Server) -> None:
    def ask(lines: list[str]) -> int:
        with closing(server.connect()) as connection:
            connection.sendall(head("/health", *lines, method="GET"))
            return status(connection)

    assert await asyncio.to_thread(ask, [f"X-{number}: 1" for number in range(150)]) == 431
    assert await asyncio.to_thread(ask, ["X-Long: " + "x" * 40_000]) in (400, 431)


async def test_a_person_has_so_many_live_pages_and_a_stranger_none(server: Server, house: House) -> None:
    session = await server.services.accounts.redeem(await server.services.accounts.link("rosa"))
    path = f"/runs/{house.working_run}/events"

    def opened(*lines: str) -> tuple[socket.socket, int]:
        connection = server.connect()
        connection.sendall(head(path, *lines, method="GET"))
        return connection, status(connection)

    def ask() -> tuple[list[int], list[int]]:
        cookie = f"Cookie: overseen_session={session}"
        held = [opened(cookie) for _ in range(3)]
        strangers = [opened()[1], opened("Accept: text/event-stream")[1]]
        for connection, _ in held:
            connection.close()
        return [answered for _, answered in held], strangers

    mine, strangers = await asyncio.to_thread(ask)
    assert mine == [200, 200, 429]
    assert strangers == [401, 401]

    async def again() -> int:
        connection, answered = await asyncio.to_thread(opened, f"Cookie: overseen_session={session}")
        connection.close()
        return answered

    until = time.monotonic() + 20
    while await again() != 200:  # what was closed is free again
        assert time.monotonic() < until
        await asyncio.sleep(0.2)


async def test_who_may_not_see_a_stream_is_told_without_a_traceback(server: Server, house: House) -> None:
    session = await server.services.accounts.redeem(await server.services.accounts.link("rosa"))

    def ask(path: str) -> int:
        with closing(server.connect()) as connection:
            connection.sendall(head(path, f"Cookie: overseen_session={session}", method="GET"))
            return status(connection)

    assert await asyncio.to_thread(ask, "/leases/events") == 403
    assert await asyncio.to_thread(ask, f"/leases/stops/{house.stop}/events") == 403
    assert "Traceback" not in server.log


async def test_the_log_holds_no_token_of_a_link(server: Server, house: House) -> None:
    token = await server.services.accounts.link("rosa")

    def ask() -> int:
        with closing(server.connect()) as connection:
            connection.sendall(head(f"/sign-in/link/{token}", method="GET"))
            return status(connection)

    assert await asyncio.to_thread(ask) == 200
    assert token not in server.log


async def test_a_forwarded_address_of_anybody_is_not_believed(server: Server, house: House) -> None:
    form = b"name=rosa&password=guess"

    def ask(number: int) -> int:
        with closing(server.connect()) as connection:
            lines = [
                f"X-Forwarded-For: 198.51.100.{number}",
                "Origin: http://127.0.0.1",
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(form)}",
            ]
            connection.sendall(head("/sign-in", *lines) + form)
            return status(connection)

    codes = [await asyncio.to_thread(ask, number) for number in range(9)]
    assert codes == [403] * 8 + [429]


async def test_a_stranger_s_json_is_never_parsed(server: Server) -> None:
    deep = b"[" * 500_000

    def ask() -> tuple[int, bytes]:
        with closing(server.connect()) as connection:
            lines = ["Content-Type: application/json", f"Content-Length: {len(deep)}", "Authorization: Bearer x"]
            connection.sendall(head("/api/v1/stops", *lines))
            answer = everything(connection)
            return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]

    answered, body = await asyncio.to_thread(ask)
    assert answered == 401
    assert json.loads(body)["error"]["code"] == "not_signed_in"
