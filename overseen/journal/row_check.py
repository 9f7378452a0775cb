"""Holds the rows that pages show against what the journal says they have to be."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.domain.outcomes import RunState
from overseen.journal.chain import Break
from overseen.journal.journal import SYSTEM
from overseen.journal.recorded import Recorded, RecordedLease, RecordedRow
from overseen.store import tables

_CLOSE_ENOUGH = timedelta(minutes=2)
"""A row's own time and its entry's are taken a moment apart, longer while a chain is locked."""
LONGEST_SESSION = timedelta(hours=12) + _CLOSE_ENOUGH
"""See `overseen.api.accounts.SESSION_HOURS`."""
_SAME_SECONDS = 0.01
_LEASE_GONE = "closed"
_SHOWN = 60


async def compare_rows(session: AsyncSession, recorded: Recorded) -> tuple[list[Break], int]:
    """Every difference, and how many rows were compared."""
    comparing = _Comparing(session)
    await comparing.runs(recorded)
    await comparing.rows(tables.Task, "task_id", recorded.tasks)
    await comparing.rows(tables.Review, "review_id", recorded.reviews)
    await comparing.rows(tables.Decision, "decision_id", recorded.decisions)
    await comparing.rows(tables.Message, "message_id", recorded.messages)
    await comparing.rows(tables.Attachment, "attachment_id", recorded.attachments)
    await comparing.rows(tables.CallRecord, "call_id", recorded.calls)
    await comparing.rows(tables.Authorization, "authorization_id", recorded.authorizations)
    await comparing.leases(recorded.leases)
    await comparing.accounts(recorded)
    await comparing.stops(recorded.stops)
    return comparing.breaks, comparing.compared


class _Comparing:
    """One comparison in one snapshot."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.breaks: list[Break] = []
        self.compared = 0

    async def runs(self, recorded: Recorded) -> None:
        """State, outcome, amount, boundary and the contents of runs."""
        rows = await self._rows(tables.Run, "run_id")
        for run_id, run in recorded.runs.items():
            row = rows.pop(run_id, None)
            if row is None:
                self._missing(run_id, "runs", run_id)
                continue
            self._state(run_id, "runs", row.state, run.states)
            self._values(run_id, f"runs {run_id}", row, run.values)
            if row.state in (RunState.FAILED, RunState.STOPPED) and "error_code" not in run.values:
                self._differs(run_id, f"runs {run_id}", "state", row.state, "no failure")
        self._unknown("runs", rows)

    async def rows(self, table: Any, key: str, recorded: Mapping[str, RecordedRow]) -> None:
        """Rows that have to be what the journal says, all of them and no others."""
        rows, name = await self._rows(table, key), table.__tablename__
        for row_id, expected in recorded.items():
            row = rows.pop(row_id, None)
            if row is None:
                self._missing(expected.stream, name, row_id)
                continue
            if expected.states is not None:
                self._state(expected.stream, f"{name} {row_id}", row.state, expected.states)
            self._values(expected.stream, f"{name} {row_id}", row, expected.values)
        self._unknown(name, rows)

    async def leases(self, recorded: Mapping[str, RecordedLease]) -> None:
        """What is shown as gone must be told to be gone, what is told to live must not be shown as never given."""
        rows = await self._rows(tables.LeaseRecord, "lease_id")
        for lease_id, lease in recorded.items():
            row = rows.pop(lease_id, None)
            if row is None:
                self._missing(lease.stream, "leases", lease_id)
                continue
            about = f"leases {lease_id}"
            self._values(lease.stream, about, row, lease.values)
            if lease.lived_seconds is not None:
                self._state(lease.stream, about, row.state, {_LEASE_GONE})
                self._lived(lease, about, row)
            elif row.state == _LEASE_GONE or (row.state == "intent" and lease.issued):
                self._differs(lease.stream, about, "state", row.state, "issued and not proven gone")
        for lease_id, row in rows.items():
            if row.state in ("issued", _LEASE_GONE):
                self._differs(row.run_id, f"leases {lease_id}", "state", row.state, "nothing")

    def _lived(self, lease: RecordedLease, about: str, row: Any) -> None:
        if row.proven_gone_at is None:
            self._differs(lease.stream, about, "proven_gone_at", None, "a time")
            return
        lived = max(0.0, (row.proven_gone_at - (row.issued_at or row.asked_at)).total_seconds())
        if abs(lived - (lease.lived_seconds or 0.0)) > _SAME_SECONDS:
            self._differs(lease.stream, about, "the time it lived", round(lived, 3), lease.lived_seconds)

    async def accounts(self, recorded: Recorded) -> None:
        """Roles, who is shut out, and sessions that no sign-in made."""
        rows = await self._rows(tables.Account, "account_id")
        for account_id, account in recorded.accounts.items():
            row = rows.pop(account_id, None)
            if row is None:
                self._missing(SYSTEM, "accounts", account_id)
                continue
            about = f"accounts {account_id}"
            self._state(SYSTEM, about, "enabled" if row.disabled_at is None else "disabled", account.states or ())
            if sorted(row.roles) != account.values["roles"]:
                self._differs(SYSTEM, about, "roles", row.roles, account.values["roles"])
        self._unknown("accounts", rows, stream=SYSTEM)
        await self._sign_ins(recorded)

    async def _sign_ins(self, recorded: Recorded) -> None:
        """Each session, link and token needs an entry of its own that made it."""
        minted = {of: list(ends) for of, ends in recorded.minted.items()}
        signed_in = {of: sorted(moments) for of, moments in recorded.signed_in.items()}
        kinds = select(tables.SignIn).where(tables.SignIn.kind.in_(("session", "link", "token")))
        for row in (await self._session.scalars(kinds.order_by(tables.SignIn.created_at))).all():
            self.compared += 1
            about = f"sign_ins of {row.account_id}"
            if row.kind == "session":
                if not _taken(signed_in.get(row.account_id), row.created_at):
                    self._differs(SYSTEM, about, "a session of", row.created_at, "that nobody signed in then")
                elif row.expires_at - row.created_at > LONGEST_SESSION:
                    self._differs(SYSTEM, about, "a session until", row.expires_at, "that it ended before")
            elif not _taken(minted.get((row.account_id, row.kind)), row.expires_at):
                self._differs(SYSTEM, about, f"a {row.kind} until", row.expires_at, "that nobody made it")

    async def stops(self, recorded: Mapping[str, RecordedRow]) -> None:
        """Kill switches that were pulled must still be there, and lifted only if somebody lifted them."""
        rows = await self._rows(tables.StopRecord, "stop_id")
        for stop_id, stop in recorded.items():
            row = rows.get(stop_id)
            if row is None:
                self._missing(stop.stream, "stops", stop_id)
                continue
            self._values(stop.stream, f"stops {stop_id}", row, stop.values)
            if row.pulled_at is None and stop.states == frozenset({"pulled"}):
                self._differs(stop.stream, f"stops {stop_id}", "pulled_at", None, "that it was pulled")
        for stop_id, row in rows.items():
            known = recorded.get(stop_id)
            lifted = known is not None and known.states == frozenset({"lifted"})
            if (row.lifted_at is not None) != lifted:
                shown, said = ("lifted", "in force") if not lifted else ("in force", "lifted")
                self._differs(SYSTEM, f"stops {stop_id}", "state", shown, said)

    async def _rows(self, table: Any, key: str) -> dict[str, Any]:
        rows = (await self._session.scalars(select(table))).all()
        self.compared += len(rows)
        return {getattr(row, key): row for row in rows}

    def _values(self, stream: str, about: str, row: Any, values: Mapping[str, Any]) -> None:
        for name, said in values.items():
            shown = getattr(row, name)
            if name == "created_at":
                if abs(shown - said) > _CLOSE_ENOUGH:
                    self._differs(stream, about, name, shown, said)
            elif not _same(shown, said):
                self._differs(stream, about, name, shown, said)

    def _state(self, stream: str, about: str, shown: str, allowed: Iterable[str]) -> None:
        if shown not in set(allowed):
            self._differs(stream, about, "state", shown, " or ".join(sorted(allowed)))

    def _differs(self, stream: str, about: str, column: str, shown: Any, said: Any) -> None:
        problem = f"the row {about} shows {column} {_short(shown)}, the journal says {_short(said)}"
        self.breaks.append(Break(stream=stream, sequence=0, problem=problem))

    def _missing(self, stream: str, table: str, row_id: str) -> None:
        problem = f"the row {table} {row_id} is missing; the journal tells of it"
        self.breaks.append(Break(stream=stream, sequence=0, problem=problem))

    def _unknown(self, table: str, rows: Mapping[str, Any], *, stream: str | None = None) -> None:
        for row_id, row in rows.items():
            of = stream or getattr(row, "run_id", None) or getattr(row, "task_id", None) or table
            problem = f"the row {table} {row_id} was put in: the journal does not tell of it"
            self.breaks.append(Break(stream=str(of), sequence=0, problem=problem))


def _taken(moments: list[datetime] | None, wanted: datetime) -> bool:
    """Take the earliest moment that fits: it stands for one row only."""
    fitting = next((at for at in moments or () if abs(wanted - at) <= _CLOSE_ENOUGH), None)
    if moments is None or fitting is None:
        return False
    moments.remove(fitting)
    return True


def _same(shown: Any, said: Any) -> bool:
    if isinstance(shown, Decimal):
        return said is not None and shown == Decimal(str(said))
    if isinstance(shown, list):
        return list(shown) == list(said or ())
    return bool(shown == said)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
