"""The words at the end of a run: what happened, who decided, what the requester can do now."""

from dataclasses import dataclass
from decimal import Decimal

from overseen.domain.outcomes import DecisionKind, Ruling, RunState


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended. `decided` and `reason` are there when a person decided."""

    state: RunState
    ruling: Ruling
    amount: Decimal | None
    explanation: str
    decided: DecisionKind | None = None
    reason: str = ""


def closing_text(ending: Ending) -> str:
    """The answer in the chat."""
    currency = ending.ruling.currency
    if ending.decided is DecisionKind.REJECT:
        return f"A reviewer stopped this. Nothing was paid or sent.\n\nReason: {ending.reason}"
    if ending.state is RunState.SETTLED and ending.amount is not None:
        opening = f"Settled: {ending.amount:,.2f} {currency} will be paid."
    elif ending.state is RunState.DENIED:
        opening = "This claim is denied."
    else:
        opening = "This is closed; nothing was paid."
    if ending.decided is None:
        return f"{opening}\n\n{ending.explanation}"
    if ending.decided is DecisionKind.EDIT:
        # The explanation was written for what was proposed, so only the person's own words are true of the edit.
        return f"{opening} A reviewer changed what was proposed.\n\nReason: {ending.reason}"
    said = f" Their note: {ending.reason}" if ending.reason else ""
    return f"{opening} A reviewer approved it.{said}\n\n{ending.explanation}"


def question_text(ruling: Ruling) -> str:
    """What the requester is asked for, one line a missing thing."""
    asked = "\n".join(f"- {item}" for item in ruling.missing)
    return f"To go on, we need something from you:\n{asked}\nAnswer here, and attach what you have."
