"""Health of this process, for whoever starts it."""

from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import JSONResponse, Response

from overseen.errors import Unavailable
from overseen.web.session import ServicesHere

router = APIRouter()


@router.get("/health")
async def health(services: ServicesHere) -> Response:
    """200 when the database answers, 503 when it does not. Tells nothing else, because nobody need be signed in."""
    try:
        async with services.database.read() as session:
            await session.execute(text("SELECT 1"))
    except Unavailable:
        return JSONResponse({"status": "unavailable", "part": "database"}, 503)
    return JSONResponse({"status": "ok"})
