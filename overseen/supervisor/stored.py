"""What was stored of a case, back as what decisions are made on."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.domain.outcomes import Ruling
from overseen.domain.restore import restore
from overseen.supervisor.edits import Grounds
from overseen.supervisor.playbook import Playbook


def restore_fact(data: Mapping[str, Any], playbook: Playbook) -> Fact:
    """A fact from its canonical JSON; a sum of money becomes a Decimal again because the playbook says it is one."""
    value = data["value"]
    is_money = any(fact.name == data["name"] and fact.type == "money" for fact in playbook.facts)
    if value is not None and is_money:
        value = Decimal(str(value))
    return restore(Fact, {**data, "value": value})


def grounds_of(playbook: Playbook, content: Mapping[str, Any]) -> Grounds:
    """What a stored case is decided on: the ruling of the rules, the facts, what the checks said."""
    return Grounds(
        playbook=playbook,
        ruling=restore(Ruling, content["ruling"]),
        facts={item["name"]: restore_fact(item, playbook) for item in content["facts"]},
        findings=[restore(Finding, item) for item in content["findings"]],
    )
