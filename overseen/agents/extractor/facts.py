"""The extractor's facts: what the model chose, checked against the text, with how sure anybody can be of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import document_currency
from overseen.agents.extractor.bill_identity import find_bill_number, find_issuer
from overseen.agents.extractor.candidates import Candidate, chosen
from overseen.agents.extractor.cues import (
    denies_injury,
    detect_language,
    injury_cue,
    nearest_sentence,
    second_claim_cue,
    story,
)
from overseen.agents.extractor.dates import likely_incident
from overseen.agents.extractor.questions import LetterQuestions
from overseen.agents.facts import FactMaker
from overseen.domain.facts import Fact, Source, Span, Trust
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelAnswer

_KIND_BY_PREFIX = {"CAR": "car", "HOM": "home", "TRV": "travel"}
_OVERRULES_NUMBER = 0.95
"""How likely a model must have found a kind of claim that is not the policy's, to be followed: people hardly ever claim
under a policy of another kind, and small models often err."""
_UNDISPUTED = 0.99
"""Confidence of a value that is the only one of its shape, or that two ways of looking agree on."""
_AGREED = 0.95
"""Confidence of a value that the model chose and code would have chosen too, for reasons of its own."""
_DISAGREED = 0.5
"""Confidence of a value on which model and code do not agree: below every sensible threshold."""
_TRANSLATED = 0.7
"""Confidence of a story a small model has translated: good enough to search with, not to decide by."""
_BY_PATTERN = 0.8
"""Confidence of a value that a pattern alone has found, and nobody read: fit to compare with, not to decide by."""
_STORY_LENGTH = 500
_UNMEASURED = 0.7
"""Confidence of a chosen value where the route tells no probabilities."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """An estimate, invoice or receipt as understood. `total` is None where it names none."""

    document: Document
    kind: str
    total: Candidate | None
    confidence: float


class LetterFacts:
    """Turns one answer about the letters into facts."""

    def __init__(
        self,
        maker: FactMaker,
        questions: LetterQuestions,
        answer: ModelAnswer,
        *,
        bills: Sequence[Bill],
        language: str,
        question: str,
        translation: str | None = None,
    ) -> None:
        self._maker = maker
        self._questions = questions
        self._answer = answer
        self._data: Mapping[str, Any] = answer.data if isinstance(answer.data, Mapping) else {}
        self._bills = bills
        self._usual = language
        self._question = question
        self._translation = translation
        self._main = max(questions.documents, key=lambda document: len(document.text))

    def all(self) -> list[Fact]:
        """Every fact the letters give; those they do not state are left out."""
        found = [
            self._chosen("policy_number", "policy_number", self._questions.policy_numbers),
            self._kind(),
            self._date(),
            self._chosen("claimant_name", "claimant", self._questions.names),
            self._summary(),
            self._story(),
            self._amount(),
            self._injury(),
            self._count(),
            self._language(),
            self._chosen("payee_account", "account", self._questions.accounts),
        ]
        return [fact for fact in found if fact is not None]

    def claimed(self) -> Candidate | None:
        """The sum the model took for the claimed one."""
        return chosen(self._questions.amounts, self._data.get("claimed_amount"))

    def _sure(self, member: str) -> float:
        confidence = value_confidence(self._answer, member)
        return _UNMEASURED if confidence is None else confidence

    def _chosen(self, name: str, member: str, candidates: Sequence[Candidate]) -> Fact | None:
        """The candidate the model chose; the only one where it was not asked."""
        if member not in self._data:
            item, sure = (candidates[0], _UNDISPUTED) if len(candidates) == 1 else (None, 0.0)
        else:
            item, sure = chosen(candidates, self._data[member]), self._sure(member)
        if item is None:
            return None
        return self._maker.read(name, item.value, item.document, item.span, sure * item.certainty)

    def _kind(self) -> Fact | None:
        kind, sure = self._data.get("claim_kind"), self._sure("claim_kind")
        if not isinstance(kind, str):
            return None
        policy = self._only_policy()
        if policy is None:
            return self._maker.read("claim_kind", kind, self._main, None, sure)
        by_number = _KIND_BY_PREFIX.get(str(policy.value)[:3], kind)
        # The number says which kind of policy it is; that both say the same makes the kind certain.
        agrees = by_number == kind
        believed = kind if agrees or sure >= _OVERRULES_NUMBER else by_number
        confidence = _UNDISPUTED if agrees else _DISAGREED
        return self._maker.read("claim_kind", believed, policy.document, policy.span, confidence)

    def _date(self) -> Fact | None:
        """The day the model chose; surer where the other days of the text can be told to mean something else."""
        item, sure = chosen(self._questions.dates, self._data.get("incident_date")), self._sure("incident_date")
        if item is None:
            return None
        likely = likely_incident(self._questions.dates)
        if likely is not None:
            sure = max(sure, _AGREED) if likely.value == item.value else min(sure, _DISAGREED)
        return self._maker.read("incident_date", item.value, item.document, item.span, sure * item.certainty)

    def _amount(self) -> Fact | None:
        """The sum the model chose; surer where a bill names the same or there is no other."""
        item, sure = self.claimed(), self._sure("claimed_amount")
        if item is None:
            return None
        totals = {bill.total.value for bill in self._bills if bill.total is not None}
        if item.value in totals or len(self._questions.amounts) == 1:
            sure = max(sure, _AGREED)
        return self._maker.read("claimed_amount", item.value, item.document, item.span, sure)

    def _story(self) -> Fact | None:
        """What the claimant tells, in their own sentences, or in the model's translation of them."""
        if self._translation:
            return self._maker.read("incident_story", self._translation, self._main, None, _TRANSLATED)
        text = own_story(self._main, self._usual)
        if not text:
            return None
        return self._maker.read("incident_story", text, self._main, None, _UNDISPUTED)

    def _only_policy(self) -> Candidate | None:
        numbers = self._questions.policy_numbers
        return numbers[0] if len(numbers) == 1 else chosen(numbers, self._data.get("policy_number"))

    def _summary(self) -> Fact | None:
        """The model's own words; the sentence that shares most of them is shown as where they come from."""
        text = " ".join(str(self._data.get("what_happened") or "").split())
        if not text or text.lower() in self._question.lower():
            # Where the papers tell nothing, small models give the question back.
            return None
        document, span = nearest_sentence(self._questions.documents, text) or (self._main, None)
        return self._maker.read("incident_summary", text, document, span, self._sure("what_happened"))

    def _injury(self) -> Fact:
        said, sure = bool(self._data.get("somebody_hurt")), self._sure("somebody_hurt")
        for document in self._questions.documents:
            if cue := injury_cue(document.text):
                agreed = max(sure, _AGREED) if said else _DISAGREED
                return self._maker.read("injury_reported", True, document, cue, agreed)
        denied = next(
            ((document, span) for document in self._questions.documents if (span := denies_injury(document.text))), None
        )
        document, span = denied or (self._main, None)
        # No word of injury stands in the text; a model that says otherwise only makes us unsure.
        return self._maker.read("injury_reported", False, document, span, _DISAGREED if said else max(sure, _AGREED))

    def _count(self) -> Fact:
        said = self._data.get("number_of_claims")
        count, sure = (said if isinstance(said, int) else 1), self._sure("number_of_claims")
        cue = next(
            ((document, span) for document in self._questions.documents if (span := second_claim_cue(document.text))),
            None,
        )
        numbers = {str(item.value) for item in self._questions.policy_numbers}
        if cue is not None or len(numbers) > 1:
            document, span = cue or (
                self._questions.policy_numbers[-1].document,
                self._questions.policy_numbers[-1].span,
            )
            return self._maker.read("claims_count", max(2, count), document, span, sure if count > 1 else _DISAGREED)
        if count > 1:
            return self._maker.read("claims_count", 1, self._main, None, _DISAGREED)
        return self._maker.read("claims_count", 1, self._main, None, max(sure, _AGREED))

    def _language(self) -> Fact:
        language = detect_language(self._main.text, self._usual)
        return self._maker.read("language", language.code, self._main, None, language.certainty)


def own_story(document: Document, usual: str) -> str:
    """The claimant's own sentences about what happened, if they are in the usual language; empty otherwise."""
    return story(document, _STORY_LENGTH) if detect_language(document.text, usual).code == usual else ""


def foreign_story(document: Document, usual: str) -> str:
    """The same if they are in another language."""
    return "" if detect_language(document.text, usual).code == usual else story(document, _STORY_LENGTH)


def bill_facts(maker: FactMaker, bills: Sequence[Bill]) -> list[Fact]:
    """supporting_document, and of the bill that counts its total, number and issuer where it names them."""
    if not bills:
        nothing = Source(kind="rule", name="documents handed in")
        return [maker.fact("supporting_document", False, nothing, Trust.RULE, 1.0)]
    best = max(bills, key=lambda bill: (bill.total is not None, bill.confidence))
    facts = [maker.read("supporting_document", True, best.document, None, 1.0)]
    if best.total is not None:
        facts.append(maker.read("estimate_total", best.total.value, best.document, best.total.span, best.confidence))
    for name, found in (
        ("bill_number", find_bill_number(best.document)),
        ("bill_issuer", find_issuer(best.document)),
    ):
        if found is not None:
            value, span = found
            facts.append(maker.read(name, value, best.document, span, _BY_PATTERN))
    return facts


def currency_fact(maker: FactMaker, bills: Sequence[Bill], letter: Candidate | None, usual: str) -> Fact:
    """The currency of the bill, else of the claimed sum, else the playbook's own."""
    for bill in bills:
        if bill.total is not None and (code := bill.total.currency or document_currency(bill.document)):
            return maker.read("currency", code, bill.document, bill.total.span, 0.99)
    if letter is not None and letter.currency:
        return maker.read("currency", letter.currency, letter.document, letter.span, 0.99)
    return maker.fact("currency", usual, Source(kind="rule", name="usual currency"), Trust.RULE, 1.0)


def spans_of(facts: Sequence[Fact]) -> list[tuple[Fact, Span]]:
    """The facts that were read at a place, with the place."""
    return [(fact, fact.source.span) for fact in facts if fact.source.span is not None]


def money_text(value: object) -> str:
    """A sum as checks compare it."""
    return format(Decimal(str(value)), "f")
