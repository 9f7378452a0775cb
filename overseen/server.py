"""The web process: pages and the JSON API."""

import sys

import uvicorn

from overseen.api.services import open_services
from overseen.settings import Settings, load_settings
from overseen.web import make_app
from overseen.web.connections import bounded_connections


def server_config(settings: Settings) -> uvicorn.Config:
    """How the server runs. Port 0 takes a free one; uvicorn's log says which."""
    web = settings.web
    return uvicorn.Config(
        make_app(open_services(settings), web),
        host=web.host,
        port=web.port,
        # No other protocol than the one whose limits are tested, whatever else is installed.
        http=bounded_connections(web.limits.head_seconds),
        ws="none",
        h11_max_incomplete_event_size=32_768,
        limit_concurrency=web.limits.connections,
        log_level="info",
        # Addresses of sign-in links hold their token: no request is written down here.
        access_log=False,
        server_header=False,
        proxy_headers=bool(web.trusted_proxies),
        forwarded_allow_ips=list(web.trusted_proxies),
        # Forms and chats are small, so a stop need not wait long; open event streams end at once.
        timeout_graceful_shutdown=3,
    )


def main() -> None:
    """Serve until stopped; ends with 3 when the server could not start."""
    server = uvicorn.Server(server_config(load_settings()))
    server.run()
    if not server.started:
        sys.exit(3)


if __name__ == "__main__":
    main()
