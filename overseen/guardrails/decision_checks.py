"""The checks at the decision: over all facts of a run, and over everything that would be sent out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from overseen.domain.facts import Fact, Trust
from overseen.domain.findings import Finding
from overseen.domain.proposals import Proposal
from overseen.guardrails.check import Guardrails, Subject

_OWN = ("policy_holder", "policy_holder_email", "policy_number", "payee_account")
_PEOPLE = ("claimant_name",)


def _texts(value: Any) -> Iterator[str]:
    """Every text in arguments, however deep it lies."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


class DecisionChecks:
    """What one step alone cannot see."""

    def __init__(self, guardrails: Guardrails) -> None:
        self._guardrails = guardrails

    async def inspect_facts(self, facts: Mapping[str, Fact], findings: Sequence[Finding]) -> Sequence[Finding]:
        """Whether the facts of all steps fit together; what a step has already compared is not compared again."""
        done = {finding.check for finding in findings}
        found: list[Finding] = []
        if "amounts_consistent" not in done:
            sums = [
                {"source": fact.source.name, "amount": str(fact.value), "currency": None}
                for name in ("claimed_amount", "estimate_total")
                if (fact := facts.get(name)) is not None and fact.value is not None
            ]
            subject = Subject(name="claim:amount", text=json.dumps({"amounts": sums}))
            found.append(await self._guardrails.inspect("amounts_consistent", subject))
        if "ids_consistent" not in done:
            number, kind = facts.get("policy_number"), facts.get("claim_kind")
            named = [{"source": number.source.name, "number": number.value}] if number and number.value else []
            text = json.dumps({"policy_numbers": named, "claim_kind": kind.value if kind else None})
            found.append(await self._guardrails.inspect("ids_consistent", Subject(name="claim:policy", text=text)))
        return found

    async def inspect_proposal(self, proposal: Proposal, facts: Mapping[str, Fact]) -> Sequence[Finding]:
        """Whether anything that would be written holds a secret, or personal data of anybody but the policy holder."""
        own = [str(facts[name].value) for name in _OWN if name in facts and facts[name].value is not None]
        names = [
            str(fact.value)
            for name in _PEOPLE
            if (fact := facts.get(name)) is not None and fact.value and fact.trust is not Trust.RECORD
        ]
        found: list[Finding] = []
        for call in proposal.calls:
            subject = f"call:{call.tool}"
            text = "\n".join(_texts(call.arguments))
            if text:
                found.append(await self._guardrails.inspect("secrets_in_output", Subject(name=subject, text=text)))
            if "body" in call.arguments:
                letter = f"{call.arguments.get('subject', '')}\n{call.arguments['body']}"
                context = {"own": own, "names": names}
                found.append(
                    await self._guardrails.inspect(
                        "others_personal_data", Subject(name=subject, text=letter, context=context)
                    )
                )
        return found
