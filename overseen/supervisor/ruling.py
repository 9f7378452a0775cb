"""The ruling: decision tables say what should happen, exact arithmetic says how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.outcomes import Outcome, Ruling
from overseen.errors import Misconfigured
from overseen.supervisor.context import evaluate_rules, fact_value, money
from overseen.supervisor.playbook import Playbook

_WEIGHT = {Outcome.REFER: 3, Outcome.DENY: 2, Outcome.ASK: 1, Outcome.SETTLE: 0}


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What would be paid and how it comes about; `amount` is None where a term is unknown."""

    basis: Decimal | None
    amount: Decimal | None
    terms: tuple[tuple[str, Decimal], ...]


def compute_sum(facts: Mapping[str, Fact]) -> Sum:
    """min(estimate_total or claimed_amount, cover_limit) - excess, term by term; the terms add up to the amount.

    A negative result stays negative here: that a loss is below the excess is for the rules to say.
    """
    estimate = money(fact_value(facts, "estimate_total"))
    basis = estimate if estimate is not None else money(fact_value(facts, "claimed_amount"))
    excess, limit = money(fact_value(facts, "excess")), money(fact_value(facts, "cover_limit"))
    if basis is None or excess is None:
        return Sum(basis=basis, amount=None, terms=())
    terms = [("estimate" if estimate is not None else "claimed", basis)]
    if limit is not None and basis > limit:
        terms.append(("limit", limit - basis))
    terms.append(("excess", -excess))
    return Sum(basis=basis, amount=sum((term for _, term in terms), Decimal(0)), terms=tuple(terms))


def facts_of_the_sum(facts: Mapping[str, Fact]) -> list[Fact]:
    """The facts that `compute_sum` worked with: what the sum is worth depends on who could have written them."""
    basis = "estimate_total" if money(fact_value(facts, "estimate_total")) is not None else "claimed_amount"
    return [facts[name] for name in (basis, "excess", "cover_limit") if name in facts]


def rule_values(playbook: Playbook, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Every fact of the playbook by name as rules see it: absent ones None, money exact."""
    kinds = {definition.name: definition.type for definition in playbook.facts}
    values: dict[str, Any] = dict.fromkeys(kinds)
    for name, fact in facts.items():
        values[name] = money(fact.value) if kinds.get(name) == "money" else fact.value
    return values


def compute_ruling(playbook: Playbook, facts: Mapping[str, Fact]) -> Ruling:
    """What the playbook's `outcome` rules say about `facts`. Deterministic; Misconfigured when no row fits."""
    summed = compute_sum(facts)
    values = rule_values(playbook, facts) | {"basis": summed.basis, "payable": summed.amount}
    rows = evaluate_rules("outcome", playbook.rules, values)
    if not rows:
        raise Misconfigured(
            "No row of rules/outcome.json fits these facts.",
            not_done="Nothing was decided.",
            next_step="Give the table a last row without conditions.",
        )
    outcome = max((Outcome(row["outcome"]) for row in rows), key=_WEIGHT.__getitem__)
    chosen = [row for row in rows if row["outcome"] == outcome]
    settles = outcome is Outcome.SETTLE
    if settles and (summed.amount is None or summed.amount <= 0):
        raise Misconfigured(
            "rules/outcome.json settles a claim whose amount is not above zero.",
            not_done="Nothing was decided.",
            next_step="Let the table ask or deny when `payable` is null or not positive.",
        )
    return Ruling(
        outcome=outcome,
        amount=summed.amount if settles else None,
        currency=str(fact_value(facts, "policy_currency") or fact_value(facts, "currency") or playbook.currency),
        sum_terms=summed.terms if settles else (),
        reasons=_texts(chosen, "reason"),
        rules=_texts(chosen, "rule"),
        missing=_texts(chosen, "missing"),
        decision_class=next(iter(_texts(chosen, "class")), outcome.value),
    )


def _texts(rows: Sequence[Mapping[str, Any]], column: str) -> tuple[str, ...]:
    """The texts of one column over all rows, each once, in order; cells may hold one text or a list."""
    found: dict[str, None] = {}
    for row in rows:
        cell = row.get(column)
        for text in cell if isinstance(cell, list) else [cell]:
            if text:
                found[str(text)] = None
    return tuple(found)
