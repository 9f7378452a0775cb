"""Checks on what was read: it has the form asked for, stands in its source, and the sources agree with each other."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import jsonschema

from overseen.guardrails.check import Judgement, Subject, abstained, blocked, flagged, passed
from overseen.guardrails.spans import locate

_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "sir", "herr", "frau", "m", "mme", "pan", "pani"})
_TOLERANCE = Decimal("0.01")
_KIND_BY_PREFIX = {"CAR": "car", "HOM": "home", "TRV": "travel"}


def judge_schema(subject: Subject) -> Judgement:
    """`text` is JSON; `context["schema"]` the JSON schema it must satisfy."""
    schema = subject.context.get("schema")
    if not isinstance(schema, Mapping):
        return abstained("There is no schema to compare with.")
    try:
        jsonschema.validate(json.loads(subject.text), schema)
    except json.JSONDecodeError:
        return blocked("The answer is not JSON.")
    except jsonschema.ValidationError as error:
        return blocked("The answer does not have the form asked for.", path=[str(part) for part in error.absolute_path])
    return passed("The answer has the form asked for.")


def judge_span_in_source(subject: Subject) -> Judgement:
    """`text` is a quotation; `context["source"]` the whole text it must stand in."""
    source = subject.context.get("source")
    if not isinstance(source, str):
        return abstained("There is no source to look in.")
    span = locate(source, subject.text)
    if span is None:
        return blocked("What was read does not stand in the source, so it was left out.", quote=subject.text)
    return passed("It stands in the source.", start=span.start, end=span.end)


def judge_amounts_consistent(subject: Subject) -> Judgement:
    """`text` is JSON {"amounts": [{"source", "amount", "currency"}]} of sums that should be one and the same."""
    amounts = _items(subject.text, "amounts")
    if len(amounts) < 2:
        return passed("Only one sum is named." if amounts else "No sum is named.")
    try:
        sums = [Decimal(str(item["amount"])) for item in amounts]
    except (InvalidOperation, KeyError):
        return abstained("A sum could not be read.")
    currencies = {str(item.get("currency")) for item in amounts if item.get("currency")}
    evidence = [f"{item.get('source')}: {item['amount']} {item.get('currency') or ''}".strip() for item in amounts]
    if max(sums) - min(sums) > _TOLERANCE:
        return flagged("The documents name different sums.", sums=evidence)
    if len(currencies) > 1:
        return flagged("The documents name the sum in different currencies.", sums=evidence)
    return passed("The documents name the same sum.", sums=evidence)


def judge_bill_adds_up(subject: Subject) -> Judgement:
    """`text` is JSON {"parts": ["619.00", "123.80"], "total": "742.80"}; parts are what should add up to the total."""
    try:
        data = json.loads(subject.text)
        parts, total = [Decimal(part) for part in data["parts"]], Decimal(data["total"])
    except (json.JSONDecodeError, KeyError, TypeError, InvalidOperation):
        return abstained("The sums of the bill could not be read.")
    if not parts:
        return abstained("The bill shows no parts to add up.")
    if abs(sum(parts, Decimal(0)) - total) > _TOLERANCE * 2:
        return flagged("The bill does not add up.", parts=[str(part) for part in parts], total=str(total))
    return passed("The bill adds up.")


def judge_ids_consistent(subject: Subject) -> Judgement:
    """`text` is JSON {"policy_numbers": [{"source", "number"}], "claim_kind": "car" | null}.

    Without any number there is nothing to compare: the rules then ask for it.
    """
    numbers = _items(subject.text, "policy_numbers")
    distinct = list(dict.fromkeys(str(item.get("number")) for item in numbers))
    if len(distinct) > 1:
        return flagged("The documents name different policy numbers.", policy_numbers=distinct)
    if not distinct:
        return passed("No policy number is named; it has to be asked for.")
    kind = json.loads(subject.text).get("claim_kind")
    expected = _KIND_BY_PREFIX.get(distinct[0][:3])
    if not expected or not kind:
        return abstained("The kind of the policy cannot be compared with that of the claim.", policy_numbers=distinct)
    if kind != expected:
        return flagged("The policy number is of another kind than the claim.", policy_kind=expected, claim_kind=kind)
    return passed("The documents agree on the policy.")


def judge_claimant_is_holder(subject: Subject) -> Judgement:
    """`text` is JSON {"claimant": "P. Raman", "holder": "Priya Raman"}: last names agree, first names do not differ.

    One name alone, first or last, can be anybody's in the family, and says neither yes nor no.
    """
    data = json.loads(subject.text)
    claimant, holder = name_parts(str(data.get("claimant") or "")), name_parts(str(data.get("holder") or ""))
    if not claimant or not holder:
        return abstained("There are no two names to compare.")
    if len(claimant) == 1 and claimant[0] in holder:
        return abstained(
            "Only one name of the person who claims is known, and a family may share it.",
            claimant=data["claimant"],
            holder=data["holder"],
        )
    if claimant[-1] != holder[-1]:
        return flagged(
            "The person who claims is not the policy holder.", claimant=data["claimant"], holder=data["holder"]
        )
    first, other = claimant[0], holder[0]
    if len(claimant) > 1 and len(holder) > 1 and not (first.startswith(other) or other.startswith(first)):
        return flagged("The person who claims has another first name than the policy holder.", **data)
    return passed("The person who claims is the policy holder.")


def name_parts(name: str) -> list[str]:
    """The words of a name without titles, accents and dots, in lower case."""
    plain = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "L").replace("ß", "ss"))
    letters = "".join(mark for mark in plain if not unicodedata.combining(mark)).casefold()
    return [word for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", letters) if word not in _TITLES]


def _items(text: str, member: str) -> Sequence[Mapping[str, Any]]:
    data = json.loads(text)
    items = data.get(member) if isinstance(data, Mapping) else None
    return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
