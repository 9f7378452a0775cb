"""The words at the end of a run: what was really done, who decided, what the requester can do now."""

from dataclasses import dataclass

from overseen.domain.disclosure import WITHHELD_DETAILS
from overseen.domain.outcomes import DecisionKind, Ruling, RunState
from overseen.graphs.effects import Effects


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended.

    `ruling` is what the rules came to, `effects` what was done. `decided` and `reason` are there when a person decided;
    `agreed` when a second one agreed to the first one's edit.
    """

    state: RunState
    ruling: Ruling
    effects: Effects
    explanation: str
    decided: DecisionKind | None = None
    reason: str = ""
    agreed: bool = False


def closing_text(ending: Ending) -> str:
    """The answer in the chat. What it says of payments and letters comes from the calls that were made."""
    paid = ending.effects.paid
    if ending.decided is DecisionKind.REJECT:
        return f"A reviewer stopped this. {done_text(ending.effects)}\n\nReason: {ending.reason}"
    if paid is not None:
        opening = f"Settled: {paid:,.2f} {ending.effects.currency} will be paid."
    elif ending.state is RunState.DENIED:
        opening = "This claim is denied."
    else:
        opening = "This is closed; nothing was paid."
    if ending.decided is None:
        return f"{opening}\n\n{ending.explanation}"
    if ending.decided is DecisionKind.EDIT or paid != ending.ruling.amount:
        # The explanation was written for what was proposed, so only the person's own words are true of the edit.
        changed = "A reviewer changed what was proposed, and a second one agreed." if ending.agreed else _CHANGED
        return f"{opening} {changed} {done_text(ending.effects)}\n\nReason: {ending.reason}"
    said = f" Their note: {ending.reason}" if ending.reason else ""
    return f"{opening} A reviewer approved it.{said}\n\n{ending.explanation}"


def closing_without_details(ending: Ending) -> str:
    """The answer to a requester whose records these are not known to be: how it ended, and what a person wrote."""
    if ending.decided is DecisionKind.REJECT:
        return f"A reviewer stopped this. {done_text(ending.effects)}\n\nReason: {ending.reason}"
    said = {RunState.SETTLED: "This is settled.", RunState.DENIED: "This claim is denied."}
    note = f"\n\nA reviewer wrote: {ending.reason}" if ending.reason else ""
    return f"{said.get(ending.state, 'This is closed.')}{note}\n\n{WITHHELD_DETAILS}"


_CHANGED = "A reviewer changed what was proposed."


def done_text(effects: Effects) -> str:
    """What was done and what was not, in sentences."""
    if not effects.calls:
        return "Nothing was paid or sent."
    may_pay = any(rules.pays for call in effects.calls if (rules := effects.rules.get(call.tool)) is not None)
    nothing = "" if may_pay else _NOTHING
    return " ".join(filter(None, (nothing, *effects.sentences())))


_NOTHING = "Nothing was paid."


def question_text(ruling: Ruling) -> str:
    """What the requester is asked for, one line a missing thing."""
    asked = "\n".join(f"- {item}" for item in ruling.missing)
    return f"To go on, we need something from you:\n{asked}\nAnswer here, and attach what you have."
