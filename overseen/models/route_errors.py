"""The errors of routes, worded alike for every kind of route. What a server said may quote the request: left out."""

import json
import re
from collections.abc import Mapping
from typing import Any

from overseen.models.errors import ModelError, RequestRejected, RouteMisconfigured, RouteUnavailable

_BUSY = frozenset({408, 409, 425, 429})
_CREDENTIAL_OR_MODEL = frozenset({401, 403, 404})
_ERROR_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_CLIENT_ERRORS = range(400, 500)

RouteError = RouteUnavailable | RouteMisconfigured | ModelError


def unavailable(route: str, what: str) -> RouteUnavailable:
    """The route cannot be used for this try; another try or another route may work."""
    return RouteUnavailable(
        f"Model route {route} {what}.",
        not_done="The model gave no answer.",
        next_step="An operator can look with `overseen status`, or at the provider's status page.",
        route=route,
    )


def error_for_status(route: str, status: int, name: str = "") -> RouteError:
    """Our error for an HTTP status of 400 and above; `name` is the error's type as the server names it."""
    what = f"answered {status}{f' ({name})' if name else ''}"
    if status in _CREDENTIAL_OR_MODEL:
        return RouteMisconfigured(
            f"Model route {route} {what}.",
            not_done="The model gave no answer.",
            next_step="Check base_url, model and key of the route in the settings.",
            route=route,
        )
    if status not in _CLIENT_ERRORS or status in _BUSY:
        return unavailable(route, what)
    return RequestRejected(
        f"Model route {route} {what}.",
        not_done="The model gave no answer.",
        next_step="The request is too long for the model, or asks for something the server cannot do.",
        route=route,
    )


def error_in_body(route: str, error: object) -> RouteError:
    """Our error for an `error` that came with status 200; sorted by the status it names, if it names one."""
    name = error_name(error)
    fields: Mapping[Any, Any] = error if isinstance(error, Mapping) else {}
    for field in ("status", "code"):
        status = _status(fields.get(field))
        if status is not None:
            return error_for_status(route, status, name)
    return unavailable(route, f"sent an error in place of an answer{f' ({name})' if name else ''}")


def error_name(error: object) -> str:
    """The error's type or code where it is a plain name, else nothing."""
    if not isinstance(error, Mapping):
        return ""
    for field in ("type", "code"):
        name = error.get(field)
        if isinstance(name, str) and _ERROR_NAME.fullmatch(name):
            return name
    return ""


def error_name_of(content: bytes) -> str:
    """The error's name in the body of a refused request; empty when there is none that can be read."""
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    return error_name(body.get("error")) if isinstance(body, Mapping) else ""


def _status(value: object) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[45]\d\d", text) and not isinstance(value, bool) else None
