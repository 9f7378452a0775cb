"""Where a run stands, in sentences made by code from its record: state, outcome, payment, what comes next.

Nothing here was worded by a model or read from a document, so it can be told whatever a letter says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from overseen.domain.outcomes import DecisionKind, Ruling, RunState
from overseen.supervisor.statements import amount_sentence, sentence
from overseen.supervisor.wordings import TOPICS

_WORKING = {
    RunState.QUEUED: "Nothing has been decided yet. The work goes on as soon as a worker is free.",
    RunState.RUNNING: "Nothing has been decided yet. The work is going on.",
}
_ENDS = {
    RunState.SETTLED: "This is settled",
    RunState.DENIED: "This is denied",
    RunState.CLOSED: "This is closed without payment",
    RunState.FAILED: "The run failed before its end; an operator has to look at it",
    RunState.STOPPED: "The run was stopped; the security team has to look at it",
}
_DECIDERS = {
    None: "",
    DecisionKind.APPROVE: " A reviewer approved it.",
    DecisionKind.EDIT: " A reviewer changed what the rules proposed.",
    DecisionKind.REJECT: " A reviewer stopped what the rules proposed.",
    DecisionKind.ASK: "",
}


@dataclass(frozen=True, kw_only=True)
class StandingRecord:
    """What is on record of a run that its requester may be told.

    `since` is when it was parked or ended, `due` until when its review is due. `ruling` is None as long as it must not
    be told. `decision` is what a person said in this round. `paid` is the sum the run paid out. `effects` are the tools
    with an effect that were called, whatever came of the call. `withheld` says why no sum and no reasons are told.
    All times have a zone.
    """

    state: RunState
    since: datetime | None = None
    due: datetime | None = None
    ruling: Ruling | None = None
    decision: DecisionKind | None = None
    paid: Decimal | None = None
    currency: str = ""
    effects: tuple[str, ...] = ()
    withheld: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in _ENDS


def standing_sentences(record: StandingRecord, topics: frozenset[str] = frozenset(TOPICS)) -> list[str]:
    """The sentences about `topics` (standing, payment, next): the state always, so that nothing is told without it."""
    lines = [_state(record)]
    if record.ruling is not None and record.ended and topics & {"standing", "payment"}:
        lines += [sentence(reason) for reason in record.ruling.reasons]
        if record.ruling.amount is not None and record.paid == record.ruling.amount:
            lines.append(amount_sentence(record.ruling))
    if topics & {"payment", "next"}:
        lines.append(_payment(record))
    if topics & {"standing", "next", "payment"}:
        lines.append(_next(record))
    return [line for line in lines if line]


def _state(record: StandingRecord) -> str:
    since = f" since {moment(record.since)}" if record.since else ""
    if record.state is RunState.WAITING_REVIEW:
        return f"Nothing has been decided yet. It waits for a reviewer{since}."
    if record.state is RunState.WAITING_REQUESTER:
        asked = record.ruling.missing if record.ruling is not None else ()
        needed = f" Needed: {'; '.join(item.rstrip('.') for item in asked)}." if asked else " See the question above."
        return f"Nothing has been decided yet. It waits for you{since}.{needed}"
    if record.state in _WORKING:
        return _WORKING[record.state]
    return f"{_ENDS[record.state]}{since}.{_DECIDERS[record.decision]}"


def _payment(record: StandingRecord) -> str:
    if record.withheld and record.ended:
        return record.withheld
    if record.paid is not None:
        return f"{record.paid:,.2f} {record.currency} was paid out; when it arrives is not on record."
    if not record.effects:
        return "Nothing has been paid or sent."
    if record.state in _WORKING:
        return "What was decided is being carried out; what was paid is told here when that is done."
    if record.state in (RunState.FAILED, RunState.STOPPED):
        return "It is not certain what was paid or sent before; an operator can tell."
    return "Nothing has been paid."


def _next(record: StandingRecord) -> str:
    if record.state is RunState.WAITING_REVIEW:
        due = f" The review is due by {moment(record.due)}." if record.due else ""
        return f"Next, a reviewer decides, and the decision is told here.{due}"
    if record.state is RunState.WAITING_REQUESTER:
        return "Next, answer here or attach what is needed; then it is looked at anew."
    if record.state in _WORKING:
        return "Next, it is decided by the rules or by a reviewer, and the decision is told here."
    return ""


def moment(at: datetime) -> str:
    """28 November 2026, 14:02 UTC."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def joined(lines: Sequence[str]) -> str:
    """Sentences as one text, each once."""
    return " ".join(dict.fromkeys(line for line in lines if line))
