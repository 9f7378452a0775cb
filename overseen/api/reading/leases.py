"""The ledger of leases as the security team reads it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from overseen.api.reading.accounts import account_names
from overseen.api.reading.lease_filter import NOT_CLOSED, LeaseFilter, shown
from overseen.api.reading.lease_views import LeaseCounters, LeaseDetail, LeaseView, VaultRecord, lease_view, people
from overseen.api.reading.views import Page
from overseen.errors import NotFound
from overseen.secrets.vault_trail import Trace, vault_trail
from overseen.settings import VaultSettings
from overseen.store import Database
from overseen.store.tables import CallRecord, Decision, JournalRow, LeaseRecord, Run

_EXPORT_BATCH = 500
_CHOICES_AMONG = 20_000


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value a filter can be set to, and how people read it."""

    value: str
    label: str


class LeaseReader:
    """Reads the ledger, and Vault's records where `vault` says they are. Access is the caller's business."""

    def __init__(self, database: Database, vault: VaultSettings | None = None) -> None:
        self._database = database
        self._vault = vault or VaultSettings()

    async def counters(self) -> LeaseCounters:
        """Counts over the whole ledger."""
        # Nearly every lease is closed: the others are few, and found by their state.
        query = select(
            func.count().filter(shown("live")).label("live"),
            func.count().filter(shown("overdue")).label("overdue"),
            func.count().filter(shown("denied")).label("denied"),
            func.count().filter(shown("irrevocable")).label("irrevocable"),
            select(func.count()).select_from(LeaseRecord).scalar_subquery().label("total"),
        ).where(LeaseRecord.state.in_(NOT_CLOSED))
        async with self._database.read() as session:
            row = (await session.execute(query)).one()
        return LeaseCounters(
            live=row.live, overdue=row.overdue, denied=row.denied, irrevocable=row.irrevocable, total=row.total
        )

    async def list(self, chosen: LeaseFilter) -> tuple[tuple[LeaseView, ...], Page]:
        """Leases that match, newest first. Raises InvalidInput for a filter that makes no sense."""
        conditions = chosen.conditions()
        async with self._database.read() as session:
            total = await session.scalar(select(func.count()).select_from(LeaseRecord).where(*conditions)) or 0
            views, more = await self._page(session, chosen)
        return views, Page(total=total, cursor=views[-1].lease_id if more else None)

    async def stream(self, chosen: LeaseFilter) -> AsyncIterator[LeaseView]:
        """Every lease that matches, newest first, read a batch at a time: for exports."""
        chosen = replace(chosen, limit=_EXPORT_BATCH)
        while True:
            async with self._database.read() as session:
                views, more = await self._page(session, chosen)
            for view in views:
                yield view
            if not more:
                return
            chosen = replace(chosen, cursor=views[-1].lease_id)

    async def _page(self, session: AsyncSession, chosen: LeaseFilter) -> tuple[tuple[LeaseView, ...], bool]:
        query = select(LeaseRecord).where(*chosen.conditions())
        last = await session.get(LeaseRecord, chosen.cursor) if chosen.cursor else None
        if last is not None:
            # As a pair, so that the index leads straight to the place; with OR all before it would be read each time.
            reached = tuple_(literal(last.asked_at), literal(last.lease_id))
            query = query.where(tuple_(LeaseRecord.asked_at, LeaseRecord.lease_id) < reached)
        query = query.order_by(LeaseRecord.asked_at.desc(), LeaseRecord.lease_id.desc()).limit(chosen.limit + 1)
        rows = (await session.scalars(query)).all()
        page = rows[: chosen.limit]
        names = await account_names(session, people(page))
        return tuple(lease_view(row, names) for row in page), len(rows) > chosen.limit

    async def lease(self, lease_id: str) -> LeaseView:
        """One lease. Raises NotFound."""
        return (await self.detail(lease_id)).lease

    async def detail(self, lease_id: str) -> LeaseDetail:
        """One lease and where it leads. Raises NotFound."""
        async with self._database.read() as session:
            row = await session.get(LeaseRecord, lease_id)
            if row is None:
                raise NotFound("There is no such lease.", next_step="Check the id.")
            call = await session.get(CallRecord, row.call_id)
            run = await session.get(Run, row.run_id)
            names = await account_names(session, people([row]))
            started = await session.scalar(
                select(func.max(JournalRow.sequence)).where(
                    JournalRow.stream == row.run_id,
                    JournalRow.kind == "CallStarted",
                    JournalRow.payload["call_id"].astext == row.call_id,
                )
            )
            decision = await session.scalar(
                select(Decision)
                .where(Decision.run_id == row.run_id, Decision.reviewer_id == row.approver_id)
                .where(Decision.created_at <= row.asked_at)
                .order_by(Decision.created_at.desc())
                .limit(1)
            )
        return LeaseDetail(
            lease=lease_view(row, names),
            effect=call.effect if call else None,
            task_id=run.task_id if run else None,
            call_sequence=started,
            review_id=decision.review_id if decision else None,
            decision=decision.kind if decision else None,
        )

    async def vault_record(self, lease: LeaseView) -> VaultRecord:
        """What Vault's own audit file and server log say of the lease, or why they cannot be read here."""
        audit_file = self._vault.audit_file
        if audit_file is None:
            return VaultRecord(
                problem="The settings of this process do not say where Vault's audit file is "
                "(OVERSEEN_VAULT_AUDIT_FILE), so only Overseen's side is shown."
            )
        try:
            trace = Trace(
                accessor=lease.accessor,
                vault_leases=frozenset(lease.vault_leases),
                since=lease.asked_at,
                until=lease.proven_gone_at,
            )
            trail = await vault_trail(audit_file, self._vault.server_log, trace)
        except OSError as error:
            file = error.filename or audit_file
            return VaultRecord(
                problem=f"Vault's record {file} cannot be read by this process ({error.strerror}), "
                "so only Overseen's side is shown."
            )
        return VaultRecord(entries=tuple((entry.at, entry.what, entry.path, entry.error) for entry in trail))

    async def choices(self) -> dict[str, tuple[Choice, ...]]:
        """What the filters can be set to: values that occur among the newest leases."""
        columns = {
            "agent": LeaseRecord.agent,
            "tool": LeaseRecord.tool,
            "state": LeaseRecord.state,
            "kind": LeaseRecord.kind,
            "requester": LeaseRecord.requester_id,
            "approver": LeaseRecord.approver_id,
        }
        newest = select(*columns.values()).order_by(LeaseRecord.asked_at.desc()).limit(_CHOICES_AMONG).subquery()
        query = select(*(func.array_agg(newest.c[column.key].distinct()) for column in columns.values()))
        async with self._database.read() as session:
            row = (await session.execute(query)).one()
            found: dict[str, list[str]] = {
                name: sorted(value for value in values or () if value)
                for name, values in zip(columns, row, strict=True)
            }
            names = await account_names(session, {*found["requester"], *found["approver"]})
        return {
            name: tuple(Choice(value=value, label=names.get(value, value)) for value in values)
            for name, values in found.items()
        }
