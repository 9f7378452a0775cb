"""The proposal: exactly which calls a ruling leads to, with the facts their arguments come from."""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from overseen.domain.facts import Fact
from overseen.domain.outcomes import Outcome, Ruling
from overseen.domain.proposals import Proposal, ProposedCall
from overseen.errors import Misconfigured
from overseen.supervisor.context import fact_value, money
from overseen.supervisor.playbook import Playbook

_CLAIM_STATUS = {Outcome.SETTLE: "settled", Outcome.DENY: "denied"}


_CHANGED = "changed by a reviewer"
_DECIDED = "decided by a reviewer"


def ruling_that_pays(ruling: Ruling, amount: Decimal | None) -> Ruling:
    """The ruling as a reviewer decided it: one that pays `amount`, or nothing where that is None.

    Its terms still add up to the amount. What spoke against paying is not repeated: the letter is to the requester.
    """
    if amount == ruling.amount:
        return ruling
    if amount is None:
        said = ("A reviewer decided that nothing is paid.",)
        return replace(ruling, outcome=Outcome.REFER, amount=None, sum_terms=(), reasons=said, missing=())
    if ruling.outcome is Outcome.SETTLE and ruling.amount is not None:
        return replace(ruling, amount=amount, sum_terms=(*ruling.sum_terms, (_CHANGED, amount - ruling.amount)))
    return Ruling(
        outcome=Outcome.SETTLE,
        amount=amount,
        currency=ruling.currency,
        sum_terms=((_DECIDED, amount),),
        reasons=("A reviewer decided what is paid.",),
        rules=ruling.rules,
        decision_class=Outcome.SETTLE.value,
    )


def build_proposal(playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact]) -> Proposal:
    """The calls in order: register, pay, write for settle; register, write for deny; write for ask; none for refer.

    A call whose record facts are missing is left out: without a policy there is nothing to register a claim under, and
    without an address on record nothing is written (the requester then reads the question in the chat).
    """
    calls: list[ProposedCall] = []
    if ruling.outcome in _CLAIM_STATUS and fact_value(facts, "policy_found") and fact_value(facts, "incident_date"):
        calls.append(_register_claim(ruling, facts))
    if ruling.outcome is Outcome.SETTLE:
        calls.append(_pay_settlement(ruling, facts))
    if ruling.outcome is not Outcome.REFER and fact_value(facts, "policy_holder_email"):
        calls.append(_write_to_claimant(playbook, ruling, facts))
    return Proposal(ruling=ruling, calls=tuple(calls))


def _register_claim(ruling: Ruling, facts: Mapping[str, Fact]) -> ProposedCall:
    fingerprints = fact_value(facts, "photo_fingerprints")
    return _call(
        "register_claim",
        facts,
        {"policy_number": "policy_number", "incident_date": "incident_date"},
        amount=format(ruling.amount or 0, ".2f"),
        status=_CLAIM_STATUS[ruling.outcome],
        photos=json.loads(str(fingerprints)) if fingerprints else [],
        computed={"photos": "photo_fingerprints"} if fingerprints else {},
    )


def _pay_settlement(ruling: Ruling, facts: Mapping[str, Fact]) -> ProposedCall:
    payee = "payee_account" if fact_value(facts, "payee_account") else "policy_holder"
    return _call(
        "pay_settlement",
        facts,
        {"policy_number": "policy_number", "payee": payee},
        amount=format(ruling.amount or 0, ".2f"),
        currency=ruling.currency,
    )


def _write_to_claimant(playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact]) -> ProposedCall:
    subject, body = render_letter(playbook, ruling, facts)
    return _call("write_to_claimant", facts, {"to_address": "policy_holder_email"}, subject=subject, body=body)


def _call(
    tool: str,
    facts: Mapping[str, Fact],
    named: Mapping[str, str],
    computed: Mapping[str, str] | None = None,
    **arguments: Any,
) -> ProposedCall:
    """`named` are arguments that are facts themselves; `computed` says which of `arguments` derive from one fact."""
    resolved = {argument: fact_value(facts, name) for argument, name in named.items()}
    return ProposedCall(tool=tool, arguments={**resolved, **arguments}, argument_facts={**named, **(computed or {})})


def render_letter(playbook: Playbook, ruling: Ruling, facts: Mapping[str, Fact]) -> tuple[str, str]:
    """Subject and body of the playbook's letter for this outcome. Facts are values in it, never template text."""
    template = playbook.letters.get(ruling.outcome.value)
    if template is None:
        raise Misconfigured(
            f"The playbook has no letter for the outcome {ruling.outcome.value}.",
            not_done="No proposal was made.",
            next_step=f"Add letters.{ruling.outcome.value} to playbook.yaml.",
        )
    values = _letter_values(ruling, facts)
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        subject = environment.from_string(template.subject).render(values)
        body = environment.from_string(template.body).render(values)
    except TemplateError as error:
        raise Misconfigured(
            f"The letter for {ruling.outcome.value} cannot be written: {error}",
            not_done="No proposal was made.",
            next_step="Mend letters in playbook.yaml.",
        ) from error
    return " ".join(subject.split()), body.strip() + "\n"


def _letter_values(ruling: Ruling, facts: Mapping[str, Fact]) -> dict[str, Any]:
    known = {name: "" if fact.value is None else fact.value for name, fact in facts.items()}
    return {
        "claimant_name": "",
        "policy_number": "",
        "incident_date": "",
        "clause": "",
        **known,
        "addressee": fact_value(facts, "policy_holder") or fact_value(facts, "claimant_name") or "policy holder",
        "amount": f"{ruling.amount:,.2f} {ruling.currency}" if ruling.amount is not None else "",
        "currency": ruling.currency,
        "sum_terms": [(label, f"{amount:,.2f}") for label, amount in ruling.sum_terms],
        "basis": _money_text(facts, ruling),
        "reason": " ".join(ruling.reasons),
        "reasons": list(ruling.reasons),
        "missing": list(ruling.missing),
    }


def _money_text(facts: Mapping[str, Fact], ruling: Ruling) -> str:
    total = money(fact_value(facts, "estimate_total")) or money(fact_value(facts, "claimed_amount"))
    return "" if total is None else f"{total:,.2f} {ruling.currency}"
