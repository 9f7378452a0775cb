"""Facts as rules see them: flat JSON with exact numbers."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import zen

from overseen.domain.facts import Fact, FactValue
from overseen.errors import Misconfigured


def fact_value(facts: Mapping[str, Fact], name: str) -> FactValue:
    """The value of the fact, or None where there is no such fact."""
    fact = facts.get(name)
    return None if fact is None else fact.value


def money(value: object) -> Decimal | None:
    """A finite sum with two decimals, or None. Accepts what facts hold: Decimal, its text, whole numbers."""
    if value is None or isinstance(value, bool | float):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount.quantize(Decimal("0.01")) if amount.is_finite() else None


def json_text(values: Mapping[str, Any]) -> str:
    """A JSON object whose Decimals are number literals, digit for digit: rules compare money without binary floats."""
    members = (f"{json.dumps(name)}:{_literal(value)}" for name, value in values.items())
    return "{" + ",".join(members) + "}"


def _literal(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value, allow_nan=False)


def evaluate_rules(
    name: str, rules: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows that `rules[name]` (a zen decision) yields for `values`; one object counts as one row.

    Raises Misconfigured when the playbook has no such rules or they cannot be evaluated.
    """
    if name not in rules:
        raise Misconfigured(
            f"The playbook has no rules named {name}.",
            not_done="Nothing was decided.",
            next_step=f"Add rules/{name}.json to the playbook.",
        )
    try:
        decision = zen.ZenEngine().create_decision(json.dumps(rules[name]))
        result: Any = decision.evaluate(json_text(values))["result"]
    except RuntimeError as error:
        raise Misconfigured(
            f"rules/{name}.json cannot be evaluated: {error}",
            not_done="Nothing was decided.",
            next_step="Mend the decision table; `overseen playbooks check` names the row.",
        ) from error
    rows = result if isinstance(result, list) else [result]
    return [dict(row) for row in rows if isinstance(row, Mapping) and row]
