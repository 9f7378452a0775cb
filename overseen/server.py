"""The web process: pages and the JSON API."""

import uvicorn

from overseen.api.services import open_services
from overseen.settings import load_settings
from overseen.web import make_app


def main() -> None:
    """Serve until stopped. Port 0 takes a free one; uvicorn's log says which."""
    settings = load_settings()
    app = make_app(open_services(settings), settings.web)
    # Forms and chats are small, so a stop need not wait long; open event streams end at once.
    uvicorn.run(
        app,
        host=settings.web.host,
        port=settings.web.port,
        log_level="info",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
