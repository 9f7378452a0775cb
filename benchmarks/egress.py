"""What the door to HTTP servers adds: a request through it against the same request made directly, in one run.

Run it with `python -m benchmarks.egress`. The server is a small one in this process; both sides keep their connection
open and alternate, so that other load on the machine falls on both alike.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, UnixConnector, web

from overseen.tools.doors.egress import (
    AllowedRequest,
    EgressLimits,
    EgressRecord,
    EgressTarget,
    Injection,
    open_egress_door,
)

PATH = "/v1/policies/CAR-2214-KL"
ANSWER = json.dumps({"policy": "CAR-2214-KL", "clauses": [f"clause {number}" for number in range(40)]})


@asynccontextmanager
async def server() -> AsyncGenerator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer leased-for-the-benchmark":
            return web.Response(status=401)
        return web.Response(text=ANSWER, content_type="application/json")

    application = web.Application()
    application.router.add_get(PATH, answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def unrecorded(record: EgressRecord) -> None:
    """The journal is another matter: benchmarks.tool_call measures it with the rest of a call."""
    assert record.allowed


async def median_milliseconds(rounds: int, **sides: Callable[[], Awaitable[None]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 5):
        for name, side in sides.items():
            started = time.perf_counter()
            await side()
            if number >= 5:  # the first ones open connections
                taken[name].append((time.perf_counter() - started) * 1000)
    return {name: round(statistics.median(times), 3) for name, times in taken.items()}


async def measure(rounds: int) -> dict[str, object]:
    most = 10 * (rounds + 5)
    limits = EgressLimits(requests=most, total_bytes=1 << 30, total_seconds=600.0)
    injection = Injection(headers={"Authorization": "Bearer leased-for-the-benchmark"})
    with tempfile.TemporaryDirectory(prefix="overseen-egress-") as folder:
        async with server() as url:
            target = EgressTarget(
                host="insurer",
                base_url=url,
                allow=(AllowedRequest(method="GET", path=r"/v1/policies/[A-Z0-9-]{1,20}"),),
                credential=lambda: injection,
            )
            async with (
                open_egress_door(Path(folder), [target], unrecorded, limits) as socket,
                ClientSession() as outside,
                ClientSession(connector=UnixConnector(str(socket))) as inside,
            ):

                async def direct() -> None:
                    headers = {"Authorization": "Bearer leased-for-the-benchmark"}
                    async with outside.get(url + PATH, headers=headers) as answer:
                        assert await answer.text() == ANSWER

                async def proxied() -> None:
                    async with inside.get(f"http://insurer{PATH}") as answer:
                        assert await answer.text() == ANSWER

                milliseconds = await median_milliseconds(rounds, direct=direct, proxied=proxied)
    added = milliseconds["proxied"] - milliseconds["direct"]
    return {"milliseconds": milliseconds, "added_milliseconds": round(added, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    print(json.dumps(asyncio.run(measure(parser.parse_args().rounds))))


if __name__ == "__main__":
    main()
