"""What a run really did, told by its journal: authorized calls, whether each was made, and what was paid."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from overseen.domain.call_rules import NO_CALL_RULES, ArgumentRole, CallRules
from overseen.graphs.case_file import CaseFiles
from overseen.supervisor.payments import sum_paid

ACT_STEP = "act"
"""The step that effects belong to; it is no step of the plan, and its calls need an authorization of their own."""

Happened = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, kw_only=True)
class MadeCall:
    """An authorized call. `arguments` is empty where it was never started."""

    tool: str
    arguments: Mapping[str, Any]
    happened: Happened


@dataclass(frozen=True, kw_only=True)
class Effects:
    """All authorized calls of a run in order, with what the playbook says of them."""

    calls: tuple[MadeCall, ...]
    rules: Mapping[str, CallRules]
    currency: str

    @property
    def paid(self) -> Decimal | None:
        """What was paid in all, None where nothing was."""
        return sum_paid(self.rules, [call for call in self.calls if call.happened == "yes"])

    def sentences(self) -> list[str]:
        """One sentence a call: that it was made, that it was not, or that nobody knows."""
        return list(dict.fromkeys(self._sentence(call) for call in self.calls))

    def _sentence(self, call: MadeCall) -> str:
        rules = self.rules.get(call.tool, NO_CALL_RULES)
        named = call.tool.replace("_", " ")
        if call.happened == "no":
            return rules.not_done or f"Not done: {named}."
        if call.happened == "unknown":
            return f"It is not known whether this happened: {rules.done or f'{named}.'}"
        paid = sum_paid(self.rules, [call])
        if paid is not None:
            currency = next((str(call.arguments.get(name)) for name in rules.names(ArgumentRole.CURRENCY)), "")
            return f"Paid: {paid:,.2f} {currency or self.currency}."
        return rules.done or f"Done: {named}."


async def effects_of(cases: CaseFiles, run_id: str, *, rules: Mapping[str, CallRules], currency: str) -> Effects:
    """What the run's journal says of its effects."""
    entries = await cases.journal.entries(run_id)
    payloads = [(entry.kind, entry.payload) for entry in entries]
    started = {
        payload["digest"]: payload
        for kind, payload in payloads
        if kind == "CallStarted" and payload["step_id"] == ACT_STEP
    }
    ended = _ends(payloads)
    calls: list[MadeCall] = []
    for call_digest, tool in _in_force(payloads, started).items():
        begun = started.get(call_digest)
        if begun is None:
            calls.append(MadeCall(tool=tool, arguments={}, happened="no"))
            continue
        arguments = (await cases.get(begun["arguments_blob"]))["arguments"]
        happened = ended.get(begun["call_id"], "unknown")
        calls.append(MadeCall(tool=tool, arguments=arguments, happened=happened))
    return Effects(calls=tuple(calls), rules=rules, currency=currency)


def _in_force(payloads: Sequence[tuple[str, Mapping[str, Any]]], started: Collection[str]) -> dict[str, str]:
    """Tools of authorized calls by digest: each call once, however often leave for it was given.

    A new plan makes leave that was given before it void, but for calls that were begun.
    """
    leave: dict[str, str] = {}
    for kind, payload in payloads:
        if kind == "PlanLocked":
            leave = {call_digest: tool for call_digest, tool in leave.items() if call_digest in started}
        elif kind == "CallAuthorized":
            leave.setdefault(payload["call_digest"], payload["tool"])
    return leave


def _ends(payloads: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Happened]:
    """How each call ended, the last word counting; one that once happened stays so."""
    ended: dict[str, Happened] = {}
    for kind, payload in payloads:
        call_id = payload.get("call_id", "")
        if ended.get(call_id) == "yes":
            continue
        if kind == "CallFinished":
            ended[call_id] = "yes"
        elif kind == "CallFailed":
            ended[call_id] = payload["effect_known"]
        elif kind == "CallRefused":
            # A call that was refused when it was tried again may have happened the first time.
            ended[call_id] = "unknown" if ended.get(call_id) == "unknown" else "no"
        elif kind == "CallStarted":
            ended[call_id] = "unknown"
    return ended
