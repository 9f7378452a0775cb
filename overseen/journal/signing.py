"""Signing the journal, and sealing the chains of runs that ended."""

import logging
from typing import Protocol

from overseen.domain.canonical import digest
from overseen.errors import Conflict, OverseenError
from overseen.journal.chain import hash_of
from overseen.journal.errors import JournalDamaged
from overseen.journal.events import JournalAccepted
from overseen.journal.journal import Journal
from overseen.store.database import Database

SEALER = "service:journal"
"""Who closes chains, as the journal names it."""

_LOG = logging.getLogger(__name__)
_TRIES = 5
_ACCEPTED = "overseen-accepted:v1:"


class Signer(Protocol):
    """Signs with a key that never leaves the vault."""

    async def sign(self, text: str, /) -> str:
        """The signature. Raises Unavailable when the vault does not answer."""
        ...


class SignatureCheck(Protocol):
    """Knows the public half of the key."""

    async def verify(self, text: str, signature: str, /) -> bool:
        """Whether `signature` is ours for `text`. Raises Unavailable when nobody can tell."""
        ...


def acceptance_text(said: JournalAccepted) -> str:
    """What the signature of an acceptance is of."""
    return _ACCEPTED + digest({name: value for name, value in said.payload().items() if name != "signature"})


async def seal_chain(database: Database, journal: Journal, signer: Signer, stream: str, *, actor: str) -> bool:
    """Sign the head of a run's chain and close it; False when that was done before, or there is nothing to close.

    Raises JournalDamaged when its last entry is not what its head says: what was tampered with is never signed. Raises
    Unavailable when the vault is away; then the chain stays open, for the witness service to seal.
    """
    for _ in range(_TRIES):
        head = await journal.head(stream)
        if head is None or head.closed:
            return False
        last = await journal.entries(stream, after=head.sequence - 1, limit=1)
        if not last or hash_of(last[0]) != head.head_hash:
            raise JournalDamaged(f"The last entry of {stream} is not what its head says; it was not signed.")
        signature = await signer.sign(head.head_hash)
        async with database.transaction() as session:
            if await journal.close_chain(
                stream, signature=signature, actor=actor, session=session, head_hash=head.head_hash
            ):
                return True
        # Something was added meanwhile: what was signed is not the end any more.
    raise Conflict(f"The journal of {stream} kept growing.", not_done="It was not closed; the witness service will.")


async def seal_or_leave(database: Database, journal: Journal, signer: Signer, stream: str) -> None:
    """Seal the chain of a run that ended, or leave it open where that is not possible now.

    What the run did is done, and nothing about its signature makes it a failure: the witness service tries again.
    """
    try:
        await seal_chain(database, journal, signer, stream, actor=SEALER)
    except OverseenError as error:
        _LOG.warning("the chain of %s stays open for now: %s", stream, error)
