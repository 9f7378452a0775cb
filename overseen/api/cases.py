"""A review case as it is shown: typed facts, rulings and the exact calls; and an edit read from form fields."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overseen.api.reading.decoding import decode, decode_facts, decode_findings
from overseen.domain.facts import Fact, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryVerdict, Ruling
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
    """One effect that would happen."""

    tool: str
    arguments: tuple[ArgumentView, ...]
    digest: str


@dataclass(frozen=True, kw_only=True)
class CaseView:
    """Everything on the decision screen."""

    summary: ReviewSummary
    proposal_digest: str
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]
    ruling: Ruling | None
    verdict: BoundaryVerdict | None
    calls: tuple[CallProposal, ...]
    decision: Mapping[str, Any] | None

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
        ruling=decode(Ruling, content.get("ruling") or proposal.get("ruling")),
        verdict=decode(BoundaryVerdict, content.get("boundary")),
        calls=tuple(_call(call, by_name) for call in proposal.get("calls", ())),
        decision=case.decision,
    )


def _call(call: Mapping[str, Any], facts: Mapping[str, Fact]) -> CallProposal:
    origins: Mapping[str, str] = call.get("argument_facts") or {}
    return CallProposal(
        tool=call["tool"],
        digest=call.get("digest", ""),
        arguments=tuple(
            ArgumentView(name=name, value=value, fact=facts.get(origins.get(name, "")), fact_name=origins.get(name))
            for name, value in call["arguments"].items()
        ),
    )


def edit_from_fields(calls: Sequence[CallProposal], fields: Mapping[str, str]) -> Mapping[str, Any]:
    """The edit that form fields `call-0.amount`, ... describe. A call whose `call-0.skip` is sent is left out.

    Raises InvalidInput when a value that is not text is no JSON, or when nothing is changed.
    """
    edited: list[dict[str, Any]] = []
    changed = False
    for number, call in enumerate(calls):
        if fields.get(f"call-{number}.skip"):
            changed = True
            continue
        arguments: dict[str, Any] = {}
        for argument in call.arguments:
            typed = fields.get(f"call-{number}.{argument.name}")
            # Browsers send line ends as CRLF.
            value = argument.value if typed is None else _value(argument, typed.replace("\r\n", "\n"))
            changed = changed or value != argument.value
            arguments[argument.name] = value
        edited.append({"tool": call.tool, "arguments": arguments})
    if not changed:
        raise InvalidInput(
            "Nothing was changed.", not_done="No decision was stored.", next_step="Change a value, or approve as it is."
        )
    return {"calls": edited}


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
