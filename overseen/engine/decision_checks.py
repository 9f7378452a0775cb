"""Guardrails over a whole decision: what would be sent out is looked at before anybody is asked to approve it."""

from collections.abc import Mapping, Sequence

from overseen.domain.facts import Fact, Trust
from overseen.domain.findings import Finding
from overseen.domain.proposals import Proposal, ProposedCall
from overseen.guardrails.check import Guardrails, Subject

_OWN_FACTS = ("claimant_name", "policy_holder", "policy_holder_email", "policy_number", "payee_account")
_LONG_TEXT = 40
"""Arguments at least this long are text for people; shorter ones are names, numbers and codes."""


class OutgoingChecks:
    """Looks at every text a proposal would send: nobody else's personal data, no secrets."""

    def __init__(self, guardrails: Guardrails) -> None:
        self._guardrails = guardrails

    async def inspect_proposal(self, proposal: Proposal, facts: Mapping[str, Fact]) -> Sequence[Finding]:
        """See `overseen.graphs.services.DecisionChecks`."""
        own = [str(facts[name].value) for name in _OWN_FACTS if name in facts and facts[name].value is not None]
        # What stands in the insurer's own records may be written to its policy holder.
        own += [str(fact.value) for fact in facts.values() if fact.trust is Trust.RECORD and fact.value is not None]
        findings: list[Finding] = []
        for call in proposal.calls:
            for name, text in outgoing_texts(call):
                subject = Subject(name=f"{call.tool}:{name}", text=text, context={"own": own, "names": []})
                findings.append(await self._guardrails.inspect("others_personal_data", subject))
                findings.append(await self._guardrails.inspect("secrets_in_output", subject))
        return findings


def outgoing_texts(call: ProposedCall) -> list[tuple[str, str]]:
    """The arguments of a call that are text for people, by name."""
    return [
        (name, value) for name, value in call.arguments.items() if isinstance(value, str) and len(value) >= _LONG_TEXT
    ]
