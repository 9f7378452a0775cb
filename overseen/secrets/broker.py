"""The broker: one lease for each tool call, and nobody else asks Vault for credentials."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from overseen.domain.calls import ToolCall
from overseen.domain.identifiers import new_id
from overseen.errors import OverseenError
from overseen.journal import Journal
from overseen.secrets.credentials import CredentialSource
from overseen.secrets.errors import LeaseLost, LeaseTooShort, NotProven, VaultRefused, VaultUnavailable
from overseen.secrets.grants import Asked, GrantLike
from overseen.secrets.lease import Held, Lease, LeaseState
from overseen.secrets.ledger import Ledger
from overseen.secrets.run_tokens import RunTokens
from overseen.secrets.slots import Slots, Urgency
from overseen.secrets.vault_client import VaultClient
from overseen.store.database import Database

_log = logging.getLogger(__name__)

DATABASE_SLOTS = 6
"""Database credentials made or ended at once: the engine holds a lock, so more would only wait inside Vault."""

_TOKEN_SLACK_SECONDS = 5
"""A call's token outlives its credential a little, so that the credential's own end is the one that counts."""

_ROUNDING_SECONDS = 1.0
"""Vault counts in whole seconds."""

_FORBIDDEN = 403

T = TypeVar("T")


class LeaseBroker:
    """Leases for the calls of one worker.

    Every call gets a token of its own below its run's token, also when it needs no credential. The ledger row is
    written before anything is minted; at the end the credential is revoked and proven gone, whatever happened.

    Credentials that act are minted below a token that only `effects_vault` can make, and only for calls that bring an
    authorization; without that login such calls are refused.
    """

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        vault: VaultClient,
        source: CredentialSource,
        worker_id: str,
        region: str = "local",
        database_slots: int = DATABASE_SLOTS,
        effects_vault: VaultClient | None = None,
    ) -> None:
        self._worker_id = worker_id
        self._source = source
        self._ledger = Ledger(database, journal, actor=f"worker:{worker_id}", region=region)
        self._run_tokens = RunTokens(database, vault, source, worker_id=worker_id, effects_vault=effects_vault)
        self._slots = Slots(database_slots)
        self._ending: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def lease(self, call: ToolCall, grants: Sequence[GrantLike], *, wall_seconds: float) -> AsyncGenerator[Lease]:
        """A lease for `call` that lasts for the block, at least `wall_seconds` (the longest the tool may take).

        Raises Stopped, LeaseLost, LeaseTooShort, VaultRefused, VaultUnavailable and Misconfigured before the block is
        entered; no credential is left then. Leaving the block never raises: what could not be proven gone stays in the
        ledger as revoking and the sweeper ends it.
        """
        asked = _ask(call, grants, wall_seconds)
        await self._ledger.intend(asked, worker_id=self._worker_id)
        held = await self._or_abandon(asyncio.ensure_future(self._issue(asked, wall_seconds)))
        lease = Lease(call_id=asked[0].call_id, held=held)
        reason = "call_ended"
        try:
            yield lease
        except asyncio.CancelledError:
            reason = "call_cancelled"
            raise
        except BaseException:
            reason = "call_failed"
            raise
        finally:
            lease.forget()
            await self._shielded(self._end(held, reason, lease.used_at))

    async def end_run(self, run_id: str) -> bool:
        """The run is over or parked: revoke its token with all below it. False when that is not proven yet."""
        return await self._shielded(self._run_tokens.end(run_id))

    async def drain(self) -> None:
        """Wait until every lease whose call was cancelled is ended; for a worker that shuts down."""
        while self._ending:
            await asyncio.wait(self._ending)

    async def _issue(self, asked: Sequence[Asked], wall_seconds: float) -> tuple[Held, ...]:
        held: list[Held] = []
        try:
            for one in asked:
                await self._issue_one(one, wall_seconds, held)
            await self._ledger.issued(held)
        except OverseenError as error:
            await self._give_up(asked, held, error)
            raise
        except BaseException:
            # A defect of ours: no credential may outlive it.
            await self._end(held, "issue_failed", None)
            raise
        return tuple(held)

    async def _issue_one(self, asked: Asked, wall_seconds: float, held: list[Held]) -> None:
        """Adds to `held` as soon as there is something to revoke."""
        if asked.grant is not None and asked.grant.ttl_seconds < wall_seconds:
            raise _too_short(asked, asked.grant.ttl_seconds, wall_seconds)
        effects = asked.call.authorization_id is not None
        parent = await self._run_tokens.token(asked.call.run_id, for_seconds=asked.ttl_seconds, effects=effects)
        try:
            token = await self._source.mint(asked, parent)
        except VaultRefused as refused:
            if _forbidden(refused) and await self._run_tokens.was_ended(asked.call.run_id, parent):
                raise await self._lost(asked) from refused
            raise
        held.append(Held(asked=asked, token=token, fetched=None, issued_at=datetime.now(UTC)))
        if asked.grant is not None:
            try:
                async with self._slots_for(asked.kind, Urgency.ISSUE):
                    fetched = await self._source.fetch(asked.grant, token)
            except VaultRefused as refused:
                if _forbidden(refused) and await self._source.verify_gone(token.accessor, ()):
                    raise await self._lost(asked) from refused
                raise
            held[-1] = Held(asked=asked, token=token, fetched=fetched, issued_at=datetime.now(UTC))
        lasts = (held[-1].expires_at - datetime.now(UTC)).total_seconds()
        if lasts + _ROUNDING_SECONDS < wall_seconds:
            raise _too_short(asked, lasts, wall_seconds)

    async def _lost(self, asked: Asked) -> LeaseLost:
        """Why a token is gone that nobody here ended. Raises Stopped when a kill switch did it."""
        await self._ledger.check_stops(asked.call)
        return LeaseLost(
            f"The token for the lease {asked.lease_id} was ended by someone else.",
            not_done="The tool was not called and no credential was given.",
            next_step="Make the call again. Sweepers end what belongs to workers whose lock on the database is lost.",
        )

    async def _give_up(self, asked: Sequence[Asked], held: Sequence[Held], error: OverseenError) -> None:
        """End what was minted and write down the refusal; what may exist unseen is left to the sweeper as revoking."""
        unproven: set[str] = set()
        for one in held:
            # An answer that never came may have been a credential: only the sweeper can find that one.
            maybe_fetched = one.fetched is None and one.asked.grant is not None and isinstance(error, VaultUnavailable)
            if not await self._revoke(one) or maybe_fetched:
                unproven.add(one.asked.lease_id)
                await self._note(self._ledger.revoking(one, f"not_issued; {error.code}"))
        if isinstance(error, VaultUnavailable) and len(held) < len(asked):
            unproven.add(asked[len(held)].lease_id)
        accessors = {one.asked.lease_id: one.token.accessor for one in held}
        for one in asked:
            state = LeaseState.REVOKING if one.lease_id in unproven else LeaseState.REFUSED
            await self._note(self._ledger.refused([one], error, state=state, accessor=accessors.get(one.lease_id)))

    async def _end(self, held: Sequence[Held], reason: str, used_at: datetime | None) -> None:
        for one in held:
            revoked_at = datetime.now(UTC)
            if await self._revoke(one):
                state = LeaseState.IRREVOCABLE if one.asked.irrevocable else LeaseState.CLOSED
                await self._note(
                    self._ledger.ended(one, reason=reason, revoked_at=revoked_at, used_at=used_at, state=state)
                )
            else:
                await self._note(self._ledger.revoking(one, reason))

    async def _revoke(self, held: Held) -> bool:
        """Whether it is proven gone now."""
        accessor, vault_leases = held.token.accessor, held.vault_leases
        try:
            async with self._slots_for(held.asked.kind, Urgency.REVOKE):
                await self._source.revoke(None, vault_leases)
            # Beside the end of the token, the proof that the leases are gone takes no time of its own.
            leases_gone, _ = await asyncio.gather(
                self._source.verify_gone(None, vault_leases),
                self._source.revoke(accessor, (), token=held.token.token),
            )
            if not (leases_gone and await self._source.verify_gone(accessor, ())):
                raise NotProven("Vault knows it still after it was revoked.")
        except OverseenError as error:
            _log.warning("lease %s is not proven gone yet: %s", held.asked.lease_id, error)
            return False
        return True

    async def _note(self, transition: Coroutine[Any, Any, object]) -> None:
        """Write to the ledger; while it is down the row stays as it was, and the sweeper finds it overdue."""
        try:
            await transition
        except OverseenError as error:
            _log.warning("the ledger could not be written: %s", error)

    async def _or_abandon(self, issuing: "asyncio.Future[tuple[Held, ...]]") -> tuple[Held, ...]:
        """What was issued. If the caller is cancelled meanwhile, what still comes is ended in the background."""
        try:
            return await asyncio.shield(issuing)
        except asyncio.CancelledError:
            if not issuing.cancelled():
                self._keep(asyncio.ensure_future(self._abandon(issuing)))
            raise

    async def _abandon(self, issuing: "asyncio.Future[tuple[Held, ...]]") -> None:
        try:
            held = await issuing
        except OverseenError:
            return  # given up and written down already
        await self._end(held, "call_cancelled", None)

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Goes on to its end even when the caller is cancelled."""
        return await asyncio.shield(self._keep(asyncio.ensure_future(work)))

    def _keep(self, task: "asyncio.Task[T]") -> "asyncio.Task[T]":
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    @asynccontextmanager
    async def _slots_for(self, kind: str, urgency: Urgency) -> AsyncGenerator[None]:
        if kind != "database":
            yield
            return
        async with self._slots.slot(urgency):
            yield


def _forbidden(refused: VaultRefused) -> bool:
    return refused.context.get("status") == _FORBIDDEN


def _ask(call: ToolCall, grants: Sequence[GrantLike], wall_seconds: float) -> list[Asked]:
    if not grants:
        seconds = math.ceil(wall_seconds) + _TOKEN_SLACK_SECONDS
        return [Asked(lease_id=new_id("lease"), call=call, grant=None, ttl_seconds=seconds)]
    return [
        Asked(lease_id=new_id("lease"), call=call, grant=grant, ttl_seconds=grant.ttl_seconds + _TOKEN_SLACK_SECONDS)
        for grant in grants
    ]


def _too_short(asked: Asked, lasts: float, wall_seconds: float) -> LeaseTooShort:
    name = asked.grant.name if asked.grant else "none"
    return LeaseTooShort(
        f"A lease for {name} lasts {lasts:.0f} seconds, but {asked.call.tool} may take {wall_seconds:.0f}.",
        not_done="No credential was given.",
        next_step="Let the grant live longer (here and in Vault's role), or give the tool less time.",
        grant=name,
    )
