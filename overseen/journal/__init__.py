"""The append-only, hash-chained record of everything that happened."""

from overseen.journal import events
from overseen.journal.chain import Break, Entry, verify_chain
from overseen.journal.contents import with_contents
from overseen.journal.journal import SYSTEM, Journal
from overseen.journal.verify import SignatureCheck, Verification, verify

__all__ = [
    "SYSTEM",
    "Break",
    "Entry",
    "Journal",
    "SignatureCheck",
    "Verification",
    "events",
    "verify",
    "verify_chain",
    "with_contents",
]
