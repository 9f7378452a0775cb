"""Whether what a playbook says of its calls, edits and tolerances fits together; refused when it is loaded."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from overseen.domain.call_rules import ArgumentRole, CallRules, EditRules, Tolerance
from overseen.domain.outcomes import Outcome

Known = Callable[[str, Iterable[str], Iterable[str]], None]

NEVER_TOLERATED = frozenset({"instructions_in_document", "secrets_in_output"})
"""Checks whose refusal always means that only a person decides."""


def check_calls(
    calls: Mapping[str, CallRules], edits: EditRules, *, effects: Iterable[str], facts: Mapping[str, str], known: Known
) -> None:
    """Every tool with an effect is described, by facts the playbook has. `facts` maps names to types.

    Raises ValueError that names the field.
    """
    known("calls", calls, effects)
    known("calls", effects, calls)
    for tool, rules in calls.items():
        for name, argument in rules.arguments.items():
            known(f"calls.{tool}.{name}.facts", argument.facts, facts)
            if (argument.when_paid is not None) != (argument.role is ArgumentRole.STATUS):
                raise ValueError(f"calls.{tool}.{name}: when_paid belongs to the role status, and that needs it")
        if rules.pays and not (rules.names(ArgumentRole.MONEY) and rules.names(ArgumentRole.RECIPIENT)):
            raise ValueError(f"calls.{tool}: a call that pays needs an argument that is money and one that receives")
    known("edits.may_add", edits.may_add, effects)
    if facts.get(edits.at_most) != "money":
        raise ValueError(f"edits.at_most: {edits.at_most} is no fact of type money")


def check_tolerances(
    tolerates: Iterable[Tolerance], calls: Mapping[str, CallRules], *, most: Decimal, facts: Iterable[str], known: Known
) -> None:
    """A tolerance names what it is for; none goes beyond `most`, and none lets signs of an attack pass.

    Raises ValueError that names the field.
    """
    arguments = {f"{tool}.{name}" for tool, rules in calls.items() for name in rules.arguments}
    for tolerance in tolerates:
        where = f"tolerates.{tolerance.outcome.value}"
        known(f"{where}.unsure", tolerance.unsure, facts)
        known(f"{where}.arguments", tolerance.arguments, arguments)
        if never := sorted(NEVER_TOLERATED.intersection(tolerance.checks)):
            raise ValueError(f"{where}.checks: {', '.join(never)} cannot be tolerated")
        if tolerance.outcome is Outcome.SETTLE and (tolerance.checks or tolerance.unsure):
            raise ValueError(f"{where}: where money is paid no check and no unsure fact is tolerated")
        if tolerance.arguments and (tolerance.up_to is None or not 0 < tolerance.up_to <= most):
            raise ValueError(f"{where}.up_to: a sum up to boundary.automate_up_to ({most}) is needed")
