"""Pages: server-rendered, live through server-sent events."""

from overseen.web.app import make_app

__all__ = ["make_app"]
