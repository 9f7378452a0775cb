"""Which leases to look at: what the address of the page, the JSON API and the command line can ask for."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, func, or_

from overseen.errors import InvalidInput
from overseen.store.tables import LeaseRecord

LIVE_STATES = ("intent", "issued", "revoking")
NOT_CLOSED = (*LIVE_STATES, "refused", "irrevocable")
MOST_AT_ONCE = 500
"""The longest page of a list; an export has no end."""

_EQUAL = ("agent", "tool", "state", "kind", "run_id", "call_id", "requester", "approver")
_LONGEST_SEARCH = 120


@dataclass(frozen=True, kw_only=True)
class LeaseFilter:
    """Which leases to list, newest first; empty fields leave nothing out.

    `show` is live, overdue, denied or irrevocable. `requester` and `approver` are account ids. `since` and `until` are
    ISO 8601 times of asking, UTC where they name no zone. `search` is looked for in ids, names, paths and reasons.
    """

    show: str = ""
    agent: str = ""
    tool: str = ""
    state: str = ""
    kind: str = ""
    run_id: str = ""
    call_id: str = ""
    requester: str = ""
    approver: str = ""
    since: str = ""
    until: str = ""
    search: str = ""
    cursor: str = ""
    limit: int = 50

    def named(self) -> dict[str, str]:
        """What is narrowed, without paging: the query of an address."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in chosen.items() if value and name not in ("cursor", "limit")}

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for the database. Raises InvalidInput for a time that is none."""
        found: list[ColumnElement[bool]] = [shown(self.show)] if self.show else []
        columns = {"requester": LeaseRecord.requester_id, "approver": LeaseRecord.approver_id}
        for name in _EQUAL:
            if value := getattr(self, name):
                found.append(columns.get(name, getattr(LeaseRecord, name, None)) == value)
        if self.since:
            found.append(LeaseRecord.asked_at >= _moment(self.since))
        if self.until:
            found.append(LeaseRecord.asked_at <= _moment(self.until))
        if words := self.search.strip()[:_LONGEST_SEARCH]:
            found.append(_mentions(words))
        return found


def shown(show: str) -> ColumnElement[bool]:
    """The condition behind one of the counters; an unknown word shows everything."""
    match show:
        case "live":
            return LeaseRecord.state.in_(LIVE_STATES)
        case "overdue":
            return and_(LeaseRecord.state.in_(LIVE_STATES), LeaseRecord.expires_at < func.now())
        case "denied":
            return LeaseRecord.state == "refused"
        case "irrevocable":
            return LeaseRecord.state == "irrevocable"
        case _:
            return LeaseRecord.lease_id.is_not(None)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text[:40]!r} is not a time.", next_step="Write it like 2026-11-22T14:30 or 2026-11-22T14:30:00+00:00."
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _mentions(words: str) -> ColumnElement[bool]:
    texts = (
        LeaseRecord.lease_id,
        LeaseRecord.call_id,
        LeaseRecord.run_id,
        LeaseRecord.agent,
        LeaseRecord.tool,
        LeaseRecord.worker_id,
        LeaseRecord.accessor,
        LeaseRecord.reason,
    )
    lists = (
        LeaseRecord.grants,
        LeaseRecord.policies,
        LeaseRecord.paths,
        LeaseRecord.principals,
        LeaseRecord.vault_leases,
    )
    joined = [func.array_to_string(names, " ") for names in lists]
    return or_(*(text.icontains(words, autoescape=True) for text in (*texts, *joined)))
