"""What the model is asked about a letter and about a bill: marked text, few questions, answers chosen from lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import find_amounts
from overseen.agents.extractor.candidates import Candidate, numbered
from overseen.agents.extractor.cues import sentences
from overseen.agents.extractor.dates import find_dates
from overseen.agents.extractor.identifiers import find_accounts, find_names, find_policy_numbers
from overseen.domain.facts import Span

NONE = "none"
_TEXT_LENGTH = 6000
_SENTENCES = 30
_NAME_LENGTH = 60
_MOST_CLAIMS = 4


@dataclass(frozen=True, kw_only=True)
class LetterQuestions:
    """Everything that could be an answer in the letters of a claim (message, letters, mails), marked throughout."""

    documents: tuple[Document, ...]
    policy_numbers: tuple[Candidate, ...]
    dates: tuple[Candidate, ...]
    amounts: tuple[Candidate, ...]
    accounts: tuple[Candidate, ...]
    names: tuple[Candidate, ...]
    sentences: tuple[Candidate, ...]

    def schema(self) -> dict[str, Any]:
        """JSON schema of the answer; the order of its members is the order of thought."""
        members: dict[str, Any] = {
            "claim_kind": {"type": "string", "enum": ["car", "home", "travel"]},
            "what_happened": _choice(self.sentences),
            "incident_date": _choice(self.dates),
            "somebody_hurt": {"type": "boolean"},
            "number_of_claims": {"type": "integer", "minimum": 1, "maximum": _MOST_CLAIMS},
            "claimant": _choice(self.names) if self.names else {"type": "string", "maxLength": _NAME_LENGTH},
        }
        # A question whose only answer is none is not asked: it would cost tokens and teach the model to say none.
        optional = {
            "policy_number": self.policy_numbers,
            "claimed_amount": self.amounts,
            "account": self.accounts,
        }
        members |= {name: _choice(candidates) for name, candidates in optional.items() if candidates}
        return _object(members)

    def marked(self, document: Document) -> str:
        """The document's text with a mark behind every candidate and before every sentence."""
        candidates = (*self.policy_numbers, *self.dates, *self.amounts, *self.accounts, *self.names)
        return mark_text(document, candidates, self.sentences)


def letter_questions(
    documents: Sequence[Document], written: Mapping[str, date | None], currency: str, day_first: bool
) -> LetterQuestions:
    """Find the candidates of all documents; `written` says by document name when each was written."""
    policies: list[Candidate] = []
    dates: list[Candidate] = []
    amounts: list[Candidate] = []
    accounts: list[Candidate] = []
    names: list[Candidate] = []
    said: list[Candidate] = []
    for document in documents:
        policies += find_policy_numbers(document)
        dates += find_dates(document, written.get(document.name), day_first)
        amounts += find_amounts(document, currency, bare=document.recognised)
        accounts += find_accounts(document)
        names += find_names(document)
        said += [_sentence(document, span) for span in sentences(document.text[:_TEXT_LENGTH])]
    return LetterQuestions(
        documents=tuple(documents),
        policy_numbers=numbered("P", policies),
        dates=numbered("D", dates),
        amounts=numbered("A", amounts),
        accounts=numbered("B", accounts),
        names=numbered("N", _each_once(names)),
        sentences=numbered("S", [item for item in said if _tells(item)][:_SENTENCES]),
    )


def bill_schema(amounts: Sequence[Candidate]) -> dict[str, Any]:
    """JSON schema of the answer about an estimate, invoice or receipt."""
    return _object(
        {
            "kind": {"type": "string", "enum": ["estimate", "invoice", "receipt", "other"]},
            "total_to_pay": _choice(amounts),
        }
    )


def mark_text(document: Document, candidates: Sequence[Candidate], starts: Sequence[Candidate] = ()) -> str:
    """`document.text` with [D1] behind each candidate of it and [S1] before each sentence of it."""
    marks = [(item.span.end, f" [{item.mark}]") for item in candidates if item.document is document]
    marks += [(item.span.start, f"[{item.mark}] ") for item in starts if item.document is document]
    text = document.text[:_TEXT_LENGTH]
    pieces: list[str] = []
    place = 0
    for at, mark in sorted(mark for mark in marks if mark[0] <= len(text)):
        pieces += [text[place:at], mark]
        place = at
    return "".join([*pieces, text[place:]])


def _choice(candidates: Sequence[Candidate]) -> dict[str, Any]:
    return {"type": "string", "enum": [*(item.mark for item in candidates), NONE]}


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(members),
        "required": list(members),
        "additionalProperties": False,
    }


def _sentence(document: Document, span: Span) -> Candidate:
    return Candidate(mark="", value=" ".join(span.quote.split()), document=document, span=span)


def _tells(sentence: Candidate) -> bool:
    """Greetings, headers and signatures tell nothing."""
    words = str(sentence.value).split()
    return len(words) >= 5


def _each_once(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first of each value."""
    found: dict[str, Candidate] = {}
    for item in candidates:
        found.setdefault(str(item.value).casefold(), item)
    return list(found.values())
