"""Going on after a restore from a backup, or after a witness was lost: somebody says so, and that is kept."""

from collections.abc import Sequence
from dataclasses import replace

from overseen.engine.witnessing import WITNESS_LOCK
from overseen.errors import Conflict, InvalidInput
from overseen.journal import SYSTEM, Journal, SignatureCheck, Signer, Witness, verify
from overseen.journal.errors import JournalDamaged
from overseen.journal.events import JournalAccepted
from overseen.journal.signing import acceptance_text
from overseen.journal.witnesses import Witnesses
from overseen.secrets.alone import alone
from overseen.store import BlobStore, Database

_NOT_DONE = "Nothing was accepted."


class Acceptance:
    """Takes the word of somebody who looked. What witnesses held is set aside, never deleted."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        blobs: BlobStore,
        signer: Signer,
        signatures: SignatureCheck,
        witnesses: Sequence[Witness],
    ) -> None:
        self._database = database
        self._journal = journal
        self._blobs = blobs
        self._signer = signer
        self._signatures = signatures
        self._witnesses = Witnesses(database, witnesses)

    async def accept(self, *, reason: str, by: str) -> JournalAccepted:
        """Go on with the database as it is; returns what was accepted. `by` is operator:<name>.

        Raises JournalDamaged when the database by itself does not hold (no word can mend that: restore a backup),
        InvalidInput without a reason or when there is nothing to accept, Conflict when a worker makes a checkpoint this
        moment, and Unavailable.
        """
        if not reason.strip():
            raise InvalidInput("An acceptance needs a reason.", not_done=_NOT_DONE, next_step="Say what happened.")
        async with alone(self._database, WITNESS_LOCK) as mine:
            if not mine:
                raise Conflict("A worker is making a checkpoint.", not_done=_NOT_DONE, next_step="Try again.")
            return await self._accept(reason.strip(), by)

    async def _accept(self, reason: str, by: str) -> JournalAccepted:
        found = await verify(self._journal, signatures=self._signatures, witnesses=[])
        if found.breaks:
            first = found.breaks[0]
            raise JournalDamaged(
                f"The database by itself does not hold: {first.stream}: {first.problem}. Restore a backup first."
            )
        contradictions = await self._witnesses.contradictions()
        if not contradictions and not found.unsigned:
            raise InvalidInput("There is nothing to accept.", not_done=_NOT_DONE)
        reason_blob = await self._blobs.put(reason.encode(), "text/plain")
        said = JournalAccepted(reason_blob=reason_blob, set_aside=tuple(contradictions), unsigned=tuple(found.unsigned))
        signed = replace(said, signature=await self._signer.sign(acceptance_text(said)))
        # The word first: what is set aside without it would be a loss that nobody explains.
        await self._journal.append(signed, stream=SYSTEM, actor=by)
        await self._witnesses.set_aside_what_contradicts()
        await self._witnesses.bring_up_to_date()
        return signed
