"""Pages and the fragments they are made of, from the same template blocks."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from overseen.api.reading.words import actor_name, counted, duration, humanised, step_title, titled
from overseen.domain.disclosure import WITHHELD_DETAILS

_FOLDER = Path(__file__).parent
STATIC_FOLDER = _FOLDER / "static"


def money(amount: Decimal | str | None) -> str:
    """`1590.5` as `1,590.50`; empty for None. A text that is no number is returned as it is."""
    if amount is None:
        return ""
    try:
        return f"{Decimal(amount):,.2f}"
    except ArithmeticError:
        return str(amount)


def relative(moment: datetime, now: datetime | None = None) -> str:
    """`2 min ago`, `in 3 h`, `just now`."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if distance >= size:
            words = f"{int(distance // size)} {unit}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now"


def exact(moment: datetime) -> str:
    """The exact time, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def file_size(size: int) -> str:
    """`340 kB`, `2.1 MB`."""
    return f"{size / 1_000_000:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1000))} kB"


def shortened(identifier: str, length: int = 12) -> str:
    """The first characters of a digest."""
    return identifier[:length]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: tuple[Callable[..., Any], ...] = (
        money,
        relative,
        duration,
        exact,
        file_size,
        shortened,
        humanised,
        titled,
        counted,
        step_title,
        actor_name,
    )
    known: dict[str, Callable[..., Any]] = environment.filters  # pyright: ignore[reportAssignmentType]
    known.update({function.__name__: function for function in filters})
    # Global, as macros that a template imports see nothing of its context.
    shared: dict[str, Any] = environment.globals  # pyright: ignore[reportAssignmentType]
    shared["withheld_details"] = WITHHELD_DETAILS
    return environment


_TEMPLATES = _environment()


def render(template: str, block: str | None, context: Mapping[str, Any]) -> str:
    """A whole template, or one of its blocks."""
    loaded = _TEMPLATES.get_template(template)
    if block is None:
        return loaded.render(context)
    return "".join(loaded.blocks[block](loaded.new_context(dict(context))))


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of the page rather than the page."""
    headers = request.headers
    return headers.get("hx-request") == "true" and "hx-history-restore-request" not in headers


def page(
    request: Request, template: str, *, block: str | None = None, status: int = 200, **context: Any
) -> HTMLResponse:
    """The page, or only `block` of it when htmx asked for a fragment."""
    chosen = block if block is not None and is_fragment(request) else None
    viewer = getattr(request.state, "viewer", None)
    html = render(template, chosen, {"viewer": viewer, "path": request.url.path, "request": request, **context})
    return HTMLResponse(html, status)
