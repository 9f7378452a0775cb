"""What can be wrong with the journal or its witnesses.

::

    JournalDamaged          entries that were witnessed are gone or different
    WitnessContradicts      a witness and the database tell different stories; one of them was tampered with
    Unavailable
    └── WitnessUnavailable  a witness cannot be asked or told now
"""

from overseen.errors import OverseenError, Unavailable, WhoActs

_LOOK = "Run `overseen journal verify`: it names what is missing, and since when."


class JournalDamaged(OverseenError):
    """Entries that were witnessed are gone or different. Nothing more is signed on top of it."""

    code = "journal_damaged"
    who_acts = WhoActs.OPERATOR

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message, not_done="No further checkpoint was made.", next_step=_LOOK, **context)


class WitnessContradicts(OverseenError):
    """A witness holds other checkpoints than the database: one of them was rolled back, cut or rewritten."""

    code = "witness_contradicts"
    who_acts = WhoActs.OPERATOR

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message, not_done="No further checkpoint was made.", next_step=_LOOK, **context)


class WitnessUnavailable(Unavailable):
    """A witness does not answer, or cannot be read or written. Others may be told all the same."""

    code = "witness_unavailable"
