"""The append-only, hash-chained record of everything that happened.

`events` are what can happen, `chain` is the arithmetic, `journal` appends, reads and follows. `checkpoints` are signed
heads of everything, made by `checkpointing` over the tree of `merkle` and told to `witnesses` outside the database
(`file_witness`, `url_witness`, and in `overseen.secrets` one in Vault). `verify` holds all of it together: chains,
signatures, `evidence` of checkpoints and witnesses, and with `recorded` and `row_check` the rows that pages show.
"""

from overseen.journal import events
from overseen.journal.chain import Break, Entry, verify_chain
from overseen.journal.contents import with_contents
from overseen.journal.journal import SYSTEM, Journal
from overseen.journal.signing import SignatureCheck, Signer, seal_chain, seal_or_leave
from overseen.journal.verify import Verdict, Verification, verify
from overseen.journal.witnesses import Witness

__all__ = [
    "SYSTEM",
    "Break",
    "Entry",
    "Journal",
    "SignatureCheck",
    "Signer",
    "Verdict",
    "Verification",
    "Witness",
    "events",
    "seal_chain",
    "seal_or_leave",
    "verify",
    "verify_chain",
    "with_contents",
]
