"""The extractor's facts: what the model chose, checked against the text, with how sure anybody can be of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from overseen.agents.documents import Document
from overseen.agents.extractor.amounts import document_currency
from overseen.agents.extractor.bill_identity import find_bill_number, find_issuer
from overseen.agents.extractor.candidates import Candidate, chosen
from overseen.agents.extractor.cues import detect_language, nearest_sentence, story
from overseen.agents.extractor.dangers import Dangers, claims_count, injury
from overseen.agents.extractor.dates import likely_incident
from overseen.agents.extractor.disagreement import DISAGREED, disagreement
from overseen.agents.extractor.questions import LetterQuestions
from overseen.agents.facts import FactMaker
from overseen.domain.facts import Fact, Source, Span, Trust
from overseen.domain.findings import Finding, Verdict
from overseen.models.confidence import value_confidence
from overseen.models.types import ModelAnswer

_KIND_BY_PREFIX = {"CAR": "car", "HOM": "home", "TRV": "travel"}
_ONLY_ONE = 0.95
"""Confidence of a policy number, name or account that is the only one of its shape in all letters: no model was asked.
What it is used for is checked elsewhere: the number by the record, the name against the holder."""
_WRITTEN = 0.99
"""Confidence of a currency whose sign stands at the sum, and of words quoted as they are."""
_ASSUMED = 0.8
"""Confidence of the usual currency where nothing that was handed in names one."""
_BILL_SHAPE = 0.95
"""Confidence that a paper made of sums and words like total and VAT is a bill: patterns say so, no model was asked."""
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
    """Turns one answer about the letters into facts. `findings` says, after `all`, where readings differ."""

    def __init__(
        self,
        maker: FactMaker,
        questions: LetterQuestions,
        answer: ModelAnswer,
        *,
        language: str,
        question: str,
        dangers: Dangers,
        translation: str | None = None,
    ) -> None:
        self._maker = maker
        self._questions = questions
        self._answer = answer
        self._data: Mapping[str, Any] = answer.data if isinstance(answer.data, Mapping) else {}
        self._usual = language
        self._question = question
        self._translation = translation
        self._dangers = dangers
        self.findings: list[Finding] = []
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
        if self._questions.left_out:
            self.findings.append(
                Finding(
                    check="choices_offered",
                    verdict=Verdict.FLAG,
                    subject="claim:letters",
                    message="The letters name more days, sums or names than the model was given to choose from.",
                    evidence={"left_out": self._questions.left_out},
                )
            )
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
            item, sure = (candidates[0], _ONLY_ONE) if len(candidates) == 1 else (None, 0.0)
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
        by_number = _KIND_BY_PREFIX.get(str(policy.value)[:3], kind) if policy else kind
        if policy is None or by_number != kind:
            # That a policy is of another kind than the claim is what the check of the identifiers says.
            return self._maker.read(
                "claim_kind", kind, self._main, None, sure if policy is None else min(sure, DISAGREED)
            )
        return self._maker.read("claim_kind", kind, policy.document, policy.span, sure)

    def _date(self) -> Fact | None:
        """The day the model chose; less sure where the other days of the text can be told to mean something else."""
        item, sure = chosen(self._questions.dates, self._data.get("incident_date")), self._sure("incident_date")
        if item is None:
            return None
        likely = likely_incident(self._questions.dates)
        if likely is not None and likely.value != item.value:
            sure = min(sure, DISAGREED)
            message = (
                "The model and the words around the days of the text point to different days; the model's was kept."
            )
            self.findings.append(
                disagreement("incident_date", model=item.value, patterns=likely.value, message=message)
            )
        if item.otherwise is not None:
            self.findings.append(
                Finding(
                    check="reading_is_plain",
                    verdict=Verdict.FLAG,
                    subject="fact:incident_date",
                    message="The day of the incident can be read in two ways, and nothing settles which.",
                    evidence={"words": item.said, "readings": [item.value, item.otherwise]},
                )
            )
        return self._maker.read("incident_date", item.value, item.document, item.span, sure * item.certainty)

    def _amount(self) -> Fact | None:
        """The sum the model chose; whether a bill names the same is what the check of the sums says."""
        item, sure = self.claimed(), self._sure("claimed_amount")
        if item is None:
            return None
        return self._maker.read("claimed_amount", item.value, item.document, item.span, sure * item.certainty)

    def _story(self) -> Fact | None:
        """What the claimant tells, in their own sentences, or in the model's translation of them."""
        if self._translation:
            return self._maker.read("incident_story", self._translation, self._main, None, _TRANSLATED)
        text = own_story(self._main, self._usual)
        if not text:
            return None
        return self._maker.read("incident_story", text, self._main, None, _WRITTEN)

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

    def _injury(self) -> Fact | None:
        fact, findings = injury(self._maker, self._dangers)
        self.findings += findings
        return fact

    def _count(self) -> Fact | None:
        fact, findings = claims_count(self._maker, self._dangers, self._questions.policy_numbers)
        self.findings += findings
        return fact

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
    facts = [maker.read("supporting_document", True, best.document, None, _BILL_SHAPE)]
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
            return maker.read("currency", code, bill.document, bill.total.span, _WRITTEN)
    if letter is not None and letter.currency:
        return maker.read("currency", letter.currency, letter.document, letter.span, _WRITTEN)
    return maker.fact("currency", usual, Source(kind="rule", name="usual currency"), Trust.RULE, _ASSUMED)


def spans_of(facts: Sequence[Fact]) -> list[tuple[Fact, Span]]:
    """The facts that were read at a place, with the place."""
    return [(fact, fact.source.span) for fact in facts if fact.source.span is not None]


def money_text(value: object) -> str:
    """A sum as checks compare it."""
    return format(Decimal(str(value)), "f")
