"""What the model is asked about letters and bills: few questions, answers copied from lists that code has found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.candidates import Candidate, each_value_once
from overseen.agents.extractor.cues import looks_alone
from overseen.agents.extractor.dates import find_dates
from overseen.agents.extractor.identifiers import find_accounts, find_names, find_policy_numbers, without_short_forms

NONE = "none"
_SUMMARY_LENGTH = 140
_TRANSLATION_LENGTH = 500
_MOST_CLAIMS = 4
_MOST_CHOICES = 12


@dataclass(frozen=True, kw_only=True)
class LetterQuestions:
    """Everything that could be an answer in the letters of a claim (message, letters, mails), each value once.

    `left_out` counts the dates, sums and names that were too many to choose from.
    """

    documents: tuple[Document, ...]
    policy_numbers: tuple[Candidate, ...]
    dates: tuple[Candidate, ...]
    amounts: tuple[Candidate, ...]
    accounts: tuple[Candidate, ...]
    names: tuple[Candidate, ...]
    left_out: int = 0

    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer; the order of its members is the order of thought.

        Where there is nothing to choose nothing is asked: no candidate means the text does not say it, and a single
        policy number, account or name needs no choice. Dates and sums are always asked for: one that stands there may
        mean something else.
        """
        members: dict[str, Any] = {
            "what_happened": {"type": "string", "minLength": 10, "maxLength": _SUMMARY_LENGTH},
            "claim_kind": {"type": "string", "enum": ["car", "home", "travel"]},
        }
        if self.dates:
            members["incident_date"] = _choice(self.dates)
        members["somebody_hurt"] = {"type": "boolean"}
        members["number_of_claims"] = {"type": "integer", "minimum": 1, "maximum": _MOST_CLAIMS}
        if self.amounts:
            members["claimed_amount"] = _choice(self.amounts)
        ambiguous = {"policy_number": self.policy_numbers, "claimant": self.names, "account": self.accounts}
        members |= {name: _choice(candidates) for name, candidates in ambiguous.items() if len(candidates) > 1}
        return _object(members)


def letter_questions(
    documents: Sequence[Document], written: Mapping[str, date | None], currency: str, day_first: bool
) -> LetterQuestions:
    """Find the candidates of all documents; `written` says by document name when each was written."""
    policies: list[Candidate] = []
    dates: list[Candidate] = []
    amounts: list[Candidate] = []
    accounts: list[Candidate] = []
    names: list[Candidate] = []
    for document in documents:
        policies += find_policy_numbers(document)
        dates += find_dates(document, written.get(document.name), day_first)
        amounts += find_amounts(document, currency, bare=document.recognised)
        accounts += find_accounts(document)
        names += find_names(document)
    told, sums = _tellable(each_value_once(dates)), each_value_once(amounts)
    people = without_short_forms(each_value_once(names))
    return LetterQuestions(
        documents=tuple(documents),
        policy_numbers=each_value_once(policies),
        dates=told[:_MOST_CHOICES],
        amounts=sums[:_MOST_CHOICES],
        accounts=each_value_once(accounts),
        names=people[:_MOST_CHOICES],
        left_out=sum(len(items[_MOST_CHOICES:]) for items in (told, sums, people)),
    )


def bill_schema(amounts: Sequence[Candidate]) -> dict[str, Any]:
    """JSON schema of the answer about an estimate, invoice or receipt."""
    return _object({"total_to_pay": _choice(amounts)})


def danger_schema() -> dict[str, Any]:
    """JSON schema of the answer about a further part of a letter."""
    return _object({"somebody_hurt": {"type": "boolean"}, "another_claim": {"type": "boolean"}})


def translation_schema() -> dict[str, Any]:
    """JSON schema of a story in English."""
    return _object({"english": {"type": "string", "minLength": 10, "maxLength": _TRANSLATION_LENGTH}})


def _tellable(dates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Without days that have a line to themselves, as the date of a letter has; all of them if there are no others."""
    told = tuple(item for item in dates if not looks_alone(item.document, item.span))
    return told or tuple(dates)


def _choice(candidates: Sequence[Candidate]) -> dict[str, Any]:
    return {"type": "string", "enum": [*dict.fromkeys(item.said for item in candidates), NONE]}


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(members),
        "required": list(members),
        "additionalProperties": False,
    }
