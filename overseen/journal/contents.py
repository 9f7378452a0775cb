"""What entries say with the contents that they only point to, for people who may read them."""

import dataclasses
import json
from collections.abc import Sequence

from overseen.journal.chain import Entry
from overseen.journal.events import FindingReported
from overseen.store import BlobStore

ERASED = "(erased)"


async def with_contents(blobs: BlobStore, entries: Sequence[Entry]) -> list[Entry]:
    """The same entries; those that report a finding say what it is about and what was found.

    The entries that come back are for reading: their hashes are of the entries as they are stored.
    """
    told = [entry for entry in entries if entry.kind == FindingReported.kind and entry.payload.get("finding_blob")]
    contents = await blobs.get_many([entry.payload["finding_blob"] for entry in told])
    return [_told(entry, contents) if entry in told else entry for entry in entries] if told else list(entries)


def _told(entry: Entry, contents: dict[str, bytes]) -> Entry:
    stored = contents.get(entry.payload["finding_blob"])
    said = json.loads(stored) if stored is not None else {"subject": entry.payload["subject"], "message": ERASED}
    return dataclasses.replace(entry, payload={**entry.payload, "subject": said["subject"], "message": said["message"]})
