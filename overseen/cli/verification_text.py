"""What a verification of the journal found, in lines for people."""

from collections.abc import Iterator
from datetime import datetime

from overseen.journal import Break, Verdict, Verification

_SAID = {
    Verdict.VERIFIED: "verified",
    Verdict.BROKEN: "BROKEN: the journal, or what pages show of it, was tampered with or damaged",
    Verdict.NOT_VERIFIED: "NOT VERIFIED: nothing is broken as far as could be looked, but not all could be looked at",
}


def verification_lines(found: Verification) -> Iterator[str]:
    """What was proved, since when and up to when; then what is broken, and what could not be looked at."""
    yield (
        f"{found.entries} entries in {found.streams} streams; {found.checkpoints} checkpoints; "
        f"{found.signatures_checked} signatures checked; {found.rows_compared} rows compared"
    )
    if found.since is not None:
        yield (
            f"Since {_moment(found.since)} (checkpoint 1). What is older is as it was then; whether it was changed "
            "before, only its hashes and closing signatures tell."
        )
    if found.until is not None:
        yield f"Up to {_moment(found.until)} (checkpoint {found.witnessed_number}) outside the database too:"
    for witness in found.witnesses:
        yield f"  {witness.name}: {witness.problem or f'agrees up to checkpoint {witness.number}'}"
    if found.unwitnessed:
        yield f"{found.unwitnessed} entries came after it: their hashes are checked, but no witness has seen them yet."
    for accepted in found.accepted:
        yield f"Accepted {accepted}"
    for reason in found.unproven:
        yield f"NOT VERIFIED  {reason}"
    for item in found.breaks:
        yield broken_line(item)
    yield _SAID[found.verdict]


def broken_line(item: Break) -> str:
    """One thing that is wrong, and since when."""
    where = f"{item.stream}  entry {item.sequence}" if item.sequence else item.stream
    since = "" if item.since is None else f" (last witnessed {_moment(item.since)})"
    return f"BROKEN  {where}: {item.problem}{since}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
