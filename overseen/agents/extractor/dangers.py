"""Dangers that end an automatic settlement: somebody was hurt, the papers hold more than one claim.

A sign of danger stands, whoever saw it, model or patterns: none turns off what another has seen. That there is no
danger is said only when everything was read, and no more surely than the least sure answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from overseen.agents.documents import Document
from overseen.agents.extractor.candidates import Candidate
from overseen.agents.extractor.cues import denies_injury, injury_cue, second_claim_cue
from overseen.agents.extractor.disagreement import DISAGREED, disagreement
from overseen.agents.extractor.parts import Unread
from overseen.agents.facts import FactMaker
from overseen.domain.facts import Fact, Span
from overseen.domain.findings import Finding, Verdict


@dataclass(frozen=True, kw_only=True)
class DangerAnswer:
    """What the model said about one stretch of the papers. None where it gave no answer; confidences are 0..1."""

    document: Document
    hurt: bool | None
    hurt_confidence: float
    claims: int | None
    claims_confidence: float


@dataclass(frozen=True, kw_only=True)
class Dangers:
    """Everything that was looked at for dangers.

    `answers` are the model's, `documents` what patterns search, `unread` what neither has seen.
    """

    answers: tuple[DangerAnswer, ...]
    documents: tuple[Document, ...]
    unread: tuple[Unread, ...] = ()


def injury(maker: FactMaker, dangers: Dangers) -> tuple[Fact | None, list[Finding]]:
    """`injury_reported`: True where anybody saw a sign; None, with a finding, where not everything was looked at."""
    name = "injury_reported"
    told = [answer for answer in dangers.answers if answer.hurt]
    cue = _first(dangers.documents, injury_cue)
    if told:
        surest = max(told, key=lambda answer: answer.hurt_confidence)
        document, span = cue or (surest.document, None)
        if cue is not None:
            return maker.read(name, True, document, span, surest.hurt_confidence), []
        message = "The model reads that somebody was hurt; no pattern found words of it. The sign of danger stands."
        found = disagreement(name, model=True, patterns=False, message=message)
        return maker.read(name, True, document, None, min(surest.hurt_confidence, DISAGREED)), [found]
    if cue is not None:
        document, span = cue
        message = (
            "Words of an injury stand in the text; the model read that nobody was hurt. The sign of danger stands."
        )
        found = disagreement(name, model=False, patterns=span.quote, message=message)
        return maker.read(name, True, document, span, DISAGREED), [found]
    if unseen := _unseen(dangers, [answer.hurt for answer in dangers.answers]):
        return None, [_not_denied(name, "Whether anybody was hurt is not known", unseen)]
    document, span = _first(dangers.documents, denies_injury) or (dangers.answers[0].document, None)
    sure = min(answer.hurt_confidence for answer in dangers.answers)
    return maker.read(name, False, document, span, sure), []


def claims_count(
    maker: FactMaker, dangers: Dangers, policy_numbers: Sequence[Candidate]
) -> tuple[Fact | None, list[Finding]]:
    """`claims_count`: the most that anybody saw; None, with a finding, where not everything was looked at."""
    name = "claims_count"
    counted = [answer for answer in dangers.answers if answer.claims is not None]
    said = max((answer.claims or 1 for answer in counted), default=1)
    cue = _first(dangers.documents, second_claim_cue)
    if cue is None and len({str(item.value) for item in policy_numbers}) > 1:
        cue = (policy_numbers[-1].document, policy_numbers[-1].span)
    if said > 1:
        most = max(counted, key=lambda answer: answer.claims or 1)
        document, span = cue or (most.document, None)
        if cue is not None:
            return maker.read(name, said, document, span, most.claims_confidence), []
        message = "The model counts more than one claim; no pattern found words of a second one. The count stands."
        found = disagreement(name, model=said, patterns=1, message=message)
        return maker.read(name, said, document, None, min(most.claims_confidence, DISAGREED)), [found]
    if cue is not None:
        document, span = cue
        message = "The text speaks of a second claim; the model counted one. The higher count stands."
        found = disagreement(name, model=said, patterns=span.quote, message=message)
        return maker.read(name, 2, document, span, DISAGREED), [found]
    if unseen := _unseen(dangers, [answer.claims for answer in dangers.answers]):
        return None, [_not_denied(name, "How many claims the papers hold is not known", unseen)]
    sure = min(answer.claims_confidence for answer in dangers.answers)
    return maker.read(name, 1, dangers.answers[0].document, None, sure), []


def _unseen(dangers: Dangers, answers: Sequence[object]) -> list[Unread]:
    """What was not looked at: unread papers, and texts about which the model gave no answer."""
    silent = [
        Unread(name=answer.document.name, amount="no answer about it")
        for answer, value in zip(dangers.answers, answers, strict=True)
        if value is None
    ]
    return [*dangers.unread, *silent]


def _not_denied(name: str, what: str, unseen: Sequence[Unread]) -> Finding:
    return Finding(
        check="danger_looked_for",
        verdict=Verdict.ABSTAIN,
        subject=f"fact:{name}",
        message=f"{what}: not everything that was handed in could be read.",
        evidence={"not_read": [{"name": item.name, "amount": item.amount} for item in unseen[:50]]},
    )


def _first(documents: Sequence[Document], look: Callable[[str], Span | None]) -> tuple[Document, Span] | None:
    return next(((document, span) for document in documents if (span := look(document.text))), None)
