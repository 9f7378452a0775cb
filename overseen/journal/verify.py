"""Prove that nothing in the journal was changed, removed or put in."""

from dataclasses import dataclass
from typing import Protocol

from overseen.journal.chain import Break, Entry, verify_chain
from overseen.journal.events import ChainClosed
from overseen.journal.journal import SYSTEM, Journal


class SignatureCheck(Protocol):
    """Knows the public half of the key that signs heads (OpenBao's transit engine)."""

    async def verify(self, head_hash: str, signature: str) -> bool:
        """Whether `signature` is ours for `head_hash`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was found. `signatures_checked` is 0 when no check was at hand, and says so rather than pretending."""

    streams: int
    entries: int
    signatures_checked: int
    breaks: tuple[Break, ...]

    @property
    def holds(self) -> bool:
        """Whether every chain holds."""
        return not self.breaks


async def verify(
    journal: Journal, *, stream: str | None = None, signatures: SignatureCheck | None = None
) -> Verification:
    """Verify one stream, or all of them with their anchors in `system`."""
    names = [stream] if stream else await journal.streams()
    breaks: list[Break] = []
    entries_seen = signatures_checked = 0
    anchors = {entry.payload["run_id"]: entry for entry in await _closings(journal)}
    for name in names:
        entries = await journal.entries(name)
        entries_seen += len(entries)
        breaks += verify_chain(entries)
        breaks += await _ending(journal, name, entries, anchors.get(name))
    for run_id, anchor in anchors.items():
        if stream not in (None, run_id):
            continue
        if run_id not in names:
            breaks.append(Break(stream=run_id, sequence=1, problem="the whole run is missing from the journal"))
        signature = anchor.payload.get("signature")
        if signatures is not None and signature is not None:
            signatures_checked += 1
            if not await signatures.verify(anchor.payload["head_hash"], signature):
                breaks.append(
                    Break(stream=run_id, sequence=anchor.payload["sequence"], problem="the signature is not ours")
                )
    return Verification(
        streams=len(names), entries=entries_seen, signatures_checked=signatures_checked, breaks=tuple(breaks)
    )


async def _closings(journal: Journal) -> list[Entry]:
    return [entry for entry in await journal.entries(SYSTEM) if entry.kind == ChainClosed.kind]


async def _ending(journal: Journal, stream: str, entries: list[Entry], anchor: Entry | None) -> list[Break]:
    """The end of a chain must be where its head row and its anchor say: a chain that was cut short is still a chain."""
    head = await journal.head(stream)
    last_sequence, last_hash = (entries[-1].sequence, entries[-1].hash) if entries else (0, "")
    if head is None:
        return [Break(stream=stream, sequence=last_sequence, problem="its head is missing")]
    if head.sequence != last_sequence or (entries and head.head_hash != last_hash):
        return [Break(stream=stream, sequence=last_sequence + 1, problem="entries after it are missing or were added")]
    if anchor is not None and (anchor.payload["sequence"] != last_sequence or anchor.payload["head_hash"] != last_hash):
        return [Break(stream=stream, sequence=last_sequence, problem="differs from the head that was signed")]
    return []
