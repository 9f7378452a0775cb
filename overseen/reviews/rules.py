"""Who may decide what: checked when a decision is made, and again before anything is done because of it."""

from collections.abc import Collection

from overseen.domain.outcomes import DecisionKind, Role
from overseen.errors import Conflict, Forbidden, InvalidInput


def check_reviewer(
    *, reviewer_id: str, roles: Collection[str], requester_id: str, edited_by: str | None = None
) -> None:
    """Raises Forbidden when the person is no reviewer, or reviews a task or an edit of their own."""
    if Role.REVIEWER not in roles:
        raise Forbidden(
            "Only a reviewer can decide this.",
            not_done="No decision was stored.",
            next_step="Ask an operator for the role, or hand the case to a reviewer.",
        )
    if reviewer_id == requester_id:
        raise Forbidden(
            "You handed in this task yourself, so someone else must decide it.",
            not_done="No decision was stored.",
            next_step="Hand the case to another reviewer.",
        )
    if reviewer_id == edited_by:
        raise Forbidden(
            "This is your own edit, so a second person must decide it.",
            not_done="No decision was stored.",
            next_step="Hand the case to another reviewer.",
        )


def check_digest(*, seen: str, current: str) -> None:
    """Raises Conflict when what the reviewer saw is not what would be done now."""
    if seen != current:
        raise Conflict(
            "What would be done has changed since you opened this case.",
            not_done="No decision was stored.",
            next_step="Read the case again and decide on what it says now.",
        )


def check_reason(kind: DecisionKind, reason: str) -> str:
    """The reason without surrounding space. Raises InvalidInput when a decision other than approve gives none."""
    reason = reason.strip()
    if not reason and kind is not DecisionKind.APPROVE:
        raise InvalidInput(
            f"To {kind.value} needs a reason.",
            not_done="No decision was stored.",
            next_step="Say in a sentence why; the requester or the next reviewer will read it.",
        )
    if len(reason) > _LONGEST_REASON:
        raise InvalidInput(
            f"The reason has {len(reason)} characters; {_LONGEST_REASON} are the most.",
            not_done="No decision was stored.",
            next_step="Shorten it.",
        )
    return reason


_LONGEST_REASON = 4000
