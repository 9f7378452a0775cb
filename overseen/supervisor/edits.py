"""What a reviewer may put in place of a proposal. An edit is a new proposal and passes every rule again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from overseen.domain.call_rules import ArgumentRole, ArgumentRules, Otherwise
from overseen.domain.calls import SUPERVISOR, ToolCall
from overseen.domain.canonical import canonical_json, plain
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding, Verdict
from overseen.domain.outcomes import BoundaryLevel, BoundaryVerdict, Ruling
from overseen.domain.proposals import Proposal, ProposedCall
from overseen.errors import InvalidInput
from overseen.supervisor.context import fact_value, money
from overseen.supervisor.payments import (
    CallLike,
    money_arguments,
    named_sums,
    own_words_problem,
    parse_amount,
    sum_paid,
)
from overseen.supervisor.playbook import Playbook
from overseen.supervisor.proposal import build_proposal, ruling_that_pays
from overseen.supervisor.safety_floor import safety_floor
from overseen.tools.errors import ToolRefused
from overseen.tools.gateway.policy import check_arguments
from overseen.tools.registry import ToolRegistry

SECRETS_CHECK = "secrets_in_output"


class OutgoingChecks(Protocol):
    """Guardrails over what would be sent out."""

    async def inspect_proposal(self, proposal: Proposal, facts: Mapping[str, Fact]) -> Sequence[Finding]:
        """Findings about outgoing text: personal data of others, secrets."""
        ...


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What a case is decided on: the ruling of the rules, the facts as they are now, and what the checks said."""

    playbook: Playbook
    ruling: Ruling
    facts: Mapping[str, Fact]
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True)
class CheckedEdit:
    """An edit that may be carried out. `second_person` says why somebody else must agree first; empty: nobody must."""

    proposal: Proposal
    second_person: tuple[str, ...]
    findings: tuple[Finding, ...]
    boundary: BoundaryVerdict


class EditChecker:
    """Holds an edit against the tools' shapes, the playbook's rules for calls, the guardrails and the safety floor."""

    def __init__(self, registry: ToolRegistry, checks: OutgoingChecks) -> None:
        self._registry = registry
        self._checks = checks

    def with_amount(self, grounds: Grounds, amount: str) -> tuple[ProposedCall, ...]:
        """The calls that pay `amount`: every call and the letter follow from the one sum. Raises InvalidInput."""
        paid = parse_amount(amount, named="amount")
        if paid == 0:
            raise _refused("The amount is 0.00.", "To pay nothing, reject, or leave the payment out.")
        ruling = ruling_that_pays(grounds.ruling, paid)
        return build_proposal(grounds.playbook, ruling, grounds.facts).calls

    async def check(self, grounds: Grounds, calls: Sequence[CallLike]) -> CheckedEdit:
        """The edit as a proposal of its own. Raises InvalidInput that names the argument which cannot be."""
        playbook, facts = grounds.playbook, grounds.facts
        _known_and_once(playbook, calls)
        paid = _one_sum(playbook, calls)
        _within_bounds(grounds, paid)
        ruling = ruling_that_pays(grounds.ruling, paid)
        reference = {call.tool: call for call in build_proposal(playbook, ruling, facts).calls}
        edited: list[ProposedCall] = []
        second: list[str] = _more_than_the_rules(grounds, calls, paid)
        for call in calls:
            checked, reasons = _checked_call(grounds, call, reference.get(call.tool), paid)
            self._fits_the_tool(checked)
            edited.append(checked)
            second += reasons
        proposal = Proposal(ruling=ruling, calls=tuple(edited))
        findings = tuple(await self._checks.inspect_proposal(proposal, facts))
        second += _guarded(findings)
        return CheckedEdit(
            proposal=proposal,
            second_person=tuple(dict.fromkeys(second)),
            findings=findings,
            boundary=_boundary(grounds, proposal, findings, second),
        )

    def _fits_the_tool(self, call: ProposedCall) -> None:
        asked = ToolCall(run_id="", step_id="", agent=SUPERVISOR, tool=call.tool, arguments=call.arguments)
        try:
            check_arguments(self._registry.get(call.tool), asked)
        except ToolRefused as error:
            raise _refused(error.message, error.next_step) from error


def _known_and_once(playbook: Playbook, calls: Sequence[CallLike]) -> None:
    seen: set[str] = set()
    for call in calls:
        if call.tool not in playbook.calls:
            named = ", ".join(sorted(playbook.calls))
            raise _refused(f"The playbook has no call of {call.tool}.", f"Its calls are: {named}.")
        if call.tool in seen:
            raise _refused(f"{call.tool} is there twice.", "Each call is made once; put what you want into one.")
        seen.add(call.tool)


def _one_sum(playbook: Playbook, calls: Sequence[CallLike]) -> Decimal | None:
    """The sum that is paid, None where nothing is; every argument that is money says the same."""
    paid = sum_paid(playbook.calls, calls)
    if paid is not None and paid <= 0:
        raise _refused("The sum that is paid is 0.00.", "To pay nothing, leave the payment out.")
    for call, name in money_arguments(playbook.calls, calls):
        said = parse_amount(call.arguments[name], named=f"{call.tool}.{name}")
        if said != (paid or Decimal(0)):
            shown = "nothing is paid" if paid is None else f"{paid:,.2f} is paid"
            raise _refused(
                f"{call.tool}.{name} says {said:,.2f}, but {shown}.",
                "One sum drives every call: write the same everywhere, or change the amount alone.",
            )
    return paid


def _within_bounds(grounds: Grounds, paid: Decimal | None) -> None:
    if paid is None:
        return
    name = grounds.playbook.edits.at_most
    title = next((fact.title for fact in grounds.playbook.facts if fact.name == name), name)
    most = money(fact_value(grounds.facts, name))
    if most is None:
        raise _refused(f"“{title}” is not known, so nothing can be paid.", "Ask the requester, or reject.")
    if paid > most:
        raise _refused(f"The amount {paid:,.2f} is above “{title}” ({most:,.2f}).", "Pay that much or less.")


def _more_than_the_rules(grounds: Grounds, calls: Sequence[CallLike], paid: Decimal | None) -> list[str]:
    """What goes beyond the rules' own proposal, and so beyond what one reviewer may do alone."""
    playbook = grounds.playbook
    proposed = {call.tool for call in build_proposal(playbook, grounds.ruling, grounds.facts).calls}
    reasons = [
        f"The rules did not propose {call.tool.replace('_', ' ')}."
        for call in calls
        if call.tool not in proposed and call.tool not in playbook.edits.may_add
    ]
    computed = grounds.ruling.amount
    if paid is not None and (computed is None or paid > computed):
        said = "nothing" if computed is None else f"{computed:,.2f}"
        reasons.append(f"{paid:,.2f} {grounds.ruling.currency} is more than the rules came to ({said}).")
    return reasons


def _checked_call(
    grounds: Grounds, call: CallLike, reference: ProposedCall | None, paid: Decimal | None
) -> tuple[ProposedCall, list[str]]:
    """The call with the facts its arguments come from, and why a second person is needed for it."""
    rules = grounds.playbook.calls[call.tool].arguments
    origins: dict[str, str] = {}
    second: list[str] = []
    for name, value in call.arguments.items():
        named = f"{call.tool}.{name}"
        argument = rules.get(name)
        made = reference.arguments.get(name) if reference is not None else None
        as_made = reference is not None and name in reference.arguments and _same(value, made)
        if argument is not None and argument.role is ArgumentRole.STATUS:
            _fitting_status(named, value, argument, paid)
        if as_made and reference is not None:
            if name in reference.argument_facts:
                origins[name] = reference.argument_facts[name]
        elif argument is None:
            raise _refused(f"{named} cannot be changed.", "Leave it as it is proposed.")
        elif argument.role is ArgumentRole.TEXT:
            _fitting_text(named, value, "" if made is None else str(made), paid)
        elif argument.role not in (ArgumentRole.MONEY, ArgumentRole.STATUS):
            fact, reason = _known_value(grounds, named, value, argument)
            origins |= {name: fact} if fact else {}
            second += [reason] if reason else []
    _names_the_sum(grounds, call, reference, paid)
    return ProposedCall(tool=call.tool, arguments=dict(call.arguments), argument_facts=origins), second


def _known_value(grounds: Grounds, named: str, value: Any, argument: ArgumentRules) -> tuple[str, str]:
    """The fact whose value this is, or why a second person must see it. Raises InvalidInput where it must be known."""
    for name in argument.facts:
        known = fact_value(grounds.facts, name)
        if known is not None and _same(value, plain(known)):
            return name, ""
    titles = {fact.name: fact.title for fact in grounds.playbook.facts}
    expected = " or ".join(f"“{titles.get(name, name)}”" for name in argument.facts) or "what the rules made it"
    if argument.otherwise is Otherwise.SECOND_PERSON:
        return "", f"{named} is not the case's {expected}."
    raise _refused(f"{named} is not the case's {expected}.", "Leave it as it is on record.")


def _fitting_status(named: str, value: Any, argument: ArgumentRules, paid: Decimal | None) -> None:
    if (value == argument.when_paid) != (paid is not None):
        shown = "something is paid" if paid is not None else "nothing is paid"
        raise _refused(f"{named} says {value}, but {shown}.", f"{argument.when_paid} is for what is paid.")


def _fitting_text(named: str, value: Any, reference: str, paid: Decimal | None) -> None:
    if not isinstance(value, str):
        raise _refused(f"{named} is no text.", "Write the words that are to be sent.")
    if problem := own_words_problem(value, reference, paid):
        raise _refused(
            f"{named} {problem}.",
            "Name the sum that is paid and no other in your own words, or change the amount and let the letter follow.",
        )


def _names_the_sum(grounds: Grounds, call: CallLike, reference: CallLike | None, paid: Decimal | None) -> None:
    """A letter that would name the sum in the playbook's words names it in a reviewer's words too."""
    texts = grounds.playbook.calls[call.tool].names(ArgumentRole.TEXT)

    def names_it(written: CallLike) -> bool:
        return paid in named_sums("\n".join(str(written.arguments.get(name, "")) for name in texts))

    if paid is not None and reference is not None and names_it(reference) and not names_it(call):
        raise _refused(
            f"{call.tool} does not name the sum that is paid ({paid:,.2f}).",
            "Name it in the letter, or change the amount and let the letter follow.",
        )


def _guarded(findings: Sequence[Finding]) -> list[str]:
    """Why a second person must see the text. Raises InvalidInput for a text that holds a secret."""
    second: list[str] = []
    for finding in findings:
        if finding.verdict is Verdict.PASS:
            continue
        if finding.check == SECRETS_CHECK and finding.verdict is not Verdict.ABSTAIN:
            raise _refused(f"{finding.message} ({finding.subject})", "Take it out: secrets are sent to nobody.")
        second.append(finding.message)
    return second


def _boundary(
    grounds: Grounds, proposal: Proposal, findings: Sequence[Finding], second: Sequence[str]
) -> BoundaryVerdict:
    """Where the edit stands by itself; with reasons for a second person they come first."""
    floor = safety_floor(
        grounds.playbook, proposal.ruling, grounds.facts, [*grounds.findings, *findings], proposal.calls
    )
    return BoundaryVerdict(
        level=BoundaryLevel.HUMAN_ONLY if second else max(floor.level, BoundaryLevel.ASSIST, key=_STRICT.index),
        reasons=tuple(dict.fromkeys((*second, *floor.reasons))),
        rules=("second_person",) * bool(second) + floor.rules,
        tolerated=floor.tolerated,
    )


_STRICT = (BoundaryLevel.AUTOMATE, BoundaryLevel.ASSIST, BoundaryLevel.HUMAN_ONLY)


def _same(value: Any, other: Any) -> bool:
    try:
        return canonical_json(value) == canonical_json(other)
    except ValueError:  # NaN and infinities have no canonical form
        return False


def _refused(message: str, next_step: str) -> InvalidInput:
    return InvalidInput(message, not_done="No decision was stored.", next_step=next_step)
