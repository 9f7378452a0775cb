"""A review case as it is shown: typed facts, rulings and the exact calls; and an edit read from form fields."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overseen.api.reading.decoding import decode, decode_facts, decode_findings
from overseen.domain.facts import Fact, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryVerdict, Outcome, Ruling
from overseen.domain.same_loss import OtherLoss
from overseen.errors import InvalidInput
from overseen.reviews import ReviewCase, ReviewSummary

_UNTRUSTED = frozenset({Trust.DOCUMENT, Trust.REQUESTER, Trust.MODEL})


@dataclass(frozen=True, kw_only=True)
class ArgumentView:
    """One argument of a proposed call. `fact` is where it came from; None: made by rules, or typed in."""

    name: str
    value: Any
    fact: Fact | None
    fact_name: str | None

    @property
    def text(self) -> str:
        """The value as it is edited: text as it is, anything else as JSON."""
        return self.value if isinstance(self.value, str) else json.dumps(self.value, ensure_ascii=False)

    @property
    def is_long(self) -> bool:
        """Whether it needs more than one line."""
        return "\n" in self.text or len(self.text) > 80

    @property
    def untrusted(self) -> bool:
        """Whether an outsider, the requester or the model could have written it."""
        return self.fact is not None and self.fact.trust in _UNTRUSTED


@dataclass(frozen=True, kw_only=True)
class CallProposal:
    """One effect that would happen. `money` names the arguments that follow the one amount of the case."""

    tool: str
    arguments: tuple[ArgumentView, ...]
    digest: str
    money: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """Everything on the decision screen. `ruling` is what would be done; `edited_by` whose edit it is, if one's."""

    summary: ReviewSummary
    proposal_digest: str
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    ruling: Ruling | None
    verdict: BoundaryVerdict | None
    calls: tuple[CallProposal, ...]
    decision: Mapping[str, Any] | None
    edited_by: str | None = None
    other_losses: tuple[OtherLoss, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether approving asks the requester for something instead of paying or denying."""
        return self.ruling is not None and self.ruling.outcome is Outcome.ASK

    @property
    def amount_text(self) -> str:
        """The sum that would be paid as it is typed: 1590.50; empty where nothing is."""
        return "" if self.ruling is None or self.ruling.amount is None else format(self.ruling.amount, ".2f")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that did not pass."""
        return tuple(finding for finding in self.findings if finding.verdict is not Verdict.PASS)


def case_view(case: ReviewCase) -> CaseView:
    """The case with its blob decoded."""
    content = case.content
    proposal: Mapping[str, Any] = content.get("proposal") or {}
    facts = decode_facts(content)
    by_name = {fact.name: fact for fact in facts}
    return CaseView(
        summary=case.summary,
        proposal_digest=case.proposal_digest,
        facts=facts,
        findings=decode_findings(content),
        ruling=decode(Ruling, proposal.get("ruling") or content.get("ruling")),
        verdict=decode(BoundaryVerdict, content.get("boundary")),
        calls=tuple(_call(call, by_name) for call in proposal.get("calls", ())),
        decision=case.decision,
        edited_by=case.edited_by,
        other_losses=case.other_losses,
    )


def _call(call: Mapping[str, Any], facts: Mapping[str, Fact]) -> CallProposal:
    origins: Mapping[str, str] = call.get("argument_facts") or {}
    return CallProposal(
        tool=call["tool"],
        digest=call.get("digest", ""),
        money=tuple(call.get("money", ())),
        arguments=tuple(
            ArgumentView(name=name, value=value, fact=facts.get(origins.get(name, "")), fact_name=origins.get(name))
            for name, value in call["arguments"].items()
        ),
    )


def edit_from_fields(
    calls: Sequence[CallProposal], fields: Mapping[str, str], follow: Sequence[Mapping[str, Any]] | None = None
) -> Mapping[str, Any]:
    """The edit that form fields `call-0.payee`, ... describe. A call whose `call-0.skip` is sent is left out.

    `follow` are the calls as they follow from a changed amount: what was typed beside it is put into them. Raises
    InvalidInput when a value that is not text is no JSON, or when nothing is changed.
    """
    typed = {call.tool: _typed(call, number, fields) for number, call in enumerate(calls)}
    left_out = {call.tool for number, call in enumerate(calls) if fields.get(f"call-{number}.skip")}
    if follow is None and not left_out and not any(typed.values()):
        raise InvalidInput(
            "Nothing was changed.", not_done="No decision was stored.", next_step="Change a value, or approve as it is."
        )
    if follow is None:
        follow = [
            {"tool": call.tool, "arguments": {argument.name: argument.value for argument in call.arguments}}
            for call in calls
        ]
    return {
        "calls": [
            {"tool": call["tool"], "arguments": {**call["arguments"], **typed.get(call["tool"], {})}}
            for call in follow
            if call["tool"] not in left_out
        ]
    }


def _typed(call: CallProposal, number: int, fields: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of a call whose fields hold something else than what is proposed."""
    found: dict[str, Any] = {}
    for argument in call.arguments:
        text = fields.get(f"call-{number}.{argument.name}")
        if text is None:
            continue
        # Browsers send line ends as CRLF.
        value = _value(argument, text.replace("\r\n", "\n"))
        if value != argument.value:
            found[argument.name] = value
    return found


def _value(argument: ArgumentView, typed: str) -> Any:
    if isinstance(argument.value, str):
        return typed
    try:
        return json.loads(typed)
    except ValueError as error:
        raise InvalidInput(
            f"{argument.name} must be written like {argument.text}.",
            not_done="No decision was stored.",
            next_step="Mend the value.",
        ) from error
