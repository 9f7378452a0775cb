"""What the workers said last about the routes to models, for `overseen doctor`."""

import time

import psycopg

from overseen.settings import Settings

_STALE_SECONDS = 60.0


async def model_routes_report(settings: Settings) -> tuple[bool | None, str]:
    """(whether all is well, what is to be said); None while no worker has reported, or nothing is running."""
    if settings.database.url is None:
        return None, "nothing runs"
    try:
        connection = await psycopg.AsyncConnection.connect(settings.database.dsn, connect_timeout=3)
        async with connection:
            cursor = await connection.execute(
                "SELECT ok, detail, extract(epoch FROM at)::float8 FROM service_reports WHERE name = 'models'"
            )
            row = await cursor.fetchone()
    except psycopg.Error as error:
        return None, f"no report can be read ({type(error).__name__})"
    if row is None or time.time() - row[2] > _STALE_SECONDS:
        return None, "no worker has reported for a minute"
    ok, detail, _ = row
    if not ok:
        return False, " ".join(detail.get("alarms") or [detail.get("message", "The report failed.")])
    busy = [
        f"{route}: {seen['answering']} answering, {seen['waiting']} waiting"
        for route, seen in detail.get("routes", {}).items()
    ]
    return True, "; ".join(busy) or "no call waits"
