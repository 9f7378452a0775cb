"""What the papers of a claim say about the same thing, held against each other. Every comparison only raises doubts."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from overseen.agents.agent import Situation
from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate
from overseen.agents.extractor.dates import dated
from overseen.agents.extractor.facts import Bill, money_text
from overseen.agents.extractor.identifiers import find_policy_numbers, find_signatures
from overseen.agents.extractor.identities import (
    find_addressees,
    find_postcodes,
    find_registrations,
    find_vehicles,
)
from overseen.domain.facts import Fact
from overseen.domain.findings import Finding
from overseen.guardrails.check import Guardrails, Subject


@dataclass(frozen=True, kw_only=True)
class Papers:
    """The papers of a claim and what was read from them. `claimed` is the sum asked for, where one is named."""

    letters: tuple[Document, ...]
    bills: tuple[Bill, ...]
    facts: tuple[Fact, ...]
    claimed: Candidate | None

    def value(self, name: str) -> Any:
        """The value of a fact, None where there is none."""
        return next((fact.value for fact in self.facts if fact.name == name), None)


async def comparisons(guardrails: Guardrails, situation: Situation, papers: Papers) -> list[Finding]:
    """Whether sums, policies, dates, signatures, persons and things agree across all papers."""
    subjects = [("amounts_consistent", "claim:amount", _sums(papers))]
    if papers.letters:
        subjects += [
            ("ids_consistent", "claim:policy", _policies(papers)),
            ("signed_by_claimant", "claim:signatures", _signatures(papers)),
        ]
    if papers.letters or papers.bills:
        subjects += [
            ("dates_fit", "claim:dates", _dates(situation, papers)),
            ("papers_about_the_same", "claim:papers", _identities(papers)),
        ]
    return [
        await guardrails.inspect(check, Subject(name=name, text=json.dumps(content)))
        for check, name, content in subjects
    ]


def _sums(papers: Papers) -> dict[str, Any]:
    sums = [_sum(bill.document.name, bill.total) for bill in papers.bills if bill.total is not None]
    if papers.claimed is not None:
        sums.append(_sum(papers.claimed.document.name, papers.claimed))
    return {"amounts": sums}


def _sum(source: str, item: Candidate) -> dict[str, object]:
    return {"source": source, "amount": money_text(item.value), "currency": item.currency}


def _policies(papers: Papers) -> dict[str, Any]:
    """Every policy number of every paper, the one the claim is about first."""
    chosen = papers.value("policy_number")
    named = [
        {"source": document.name, "number": item.value}
        for document in _all(papers)
        for item in find_policy_numbers(document)
    ]
    named.sort(key=lambda item: item["number"] != chosen)
    return {"policy_numbers": named, "claim_kind": papers.value("claim_kind")}


def _signatures(papers: Papers) -> dict[str, Any]:
    signed = [
        {"source": document.name, "name": name}
        for document in papers.letters
        for name in find_signatures(document.text)
    ]
    return {"claimant": papers.value("claimant_name"), "signatures": signed}


def _dates(situation: Situation, papers: Papers) -> dict[str, Any]:
    day_first = situation.region != "us"
    kinds = [(document, "letter") for document in papers.letters] + [
        (bill.document, bill.kind) for bill in papers.bills
    ]
    return {
        "handed_in": situation.handed_in.isoformat() if situation.handed_in else None,
        "incident": papers.value("incident_date"),
        "papers": [
            {"source": document.name, "kind": kind, "dates": [day.isoformat() for day in days]}
            for document, kind in kinds
            if (days := dated(document, day_first, bill=kind != "letter"))
        ],
    }


def _identities(papers: Papers) -> dict[str, Any]:
    """Persons and things that bills name beside those that letters name."""
    claimant = papers.value("claimant_name")
    addressed = [(bill.document.name, who) for bill in papers.bills for who in find_addressees(bill.document.text)]
    bills = [bill.document for bill in papers.bills]
    return {
        "compared": [
            {
                "what": "person",
                "needed": True,
                "told": [{"source": "claimant", "value": claimant}] if claimant else [],
                "named": [{"source": source, "value": who.name} for source, who in addressed],
            },
            {
                "what": "registration",
                "told": _named(papers.letters, partial(find_registrations, own=True)),
                "named": _named(bills, find_registrations),
            },
            {
                "what": "vehicle",
                "told": _named(papers.letters, partial(find_vehicles, own=True)),
                "named": _named(bills, find_vehicles),
            },
            {
                "what": "postcode",
                "told": _named(papers.letters, find_postcodes),
                "named": [
                    {"source": source, "value": code} for source, who in addressed for code in find_postcodes(who.block)
                ],
            },
        ]
    }


def _named(documents: Iterable[Document], find: Callable[[str], Sequence[str]]) -> list[dict[str, str]]:
    return [{"source": document.name, "value": value} for document in documents for value in find(document.text)]


def _all(papers: Papers) -> list[Document]:
    return [*papers.letters, *(bill.document for bill in papers.bills)]
