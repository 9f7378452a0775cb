"""How agents make facts: every one with its source, its trust and an id that a second try gives again."""

from overseen.agents.agent import Situation
from overseen.agents.documents import Document
from overseen.domain.facts import Fact, FactValue, Source, Span, Trust
from overseen.domain.identifiers import derived_id


class FactMaker:
    """Makes the facts of one step."""

    def __init__(self, situation: Situation) -> None:
        self._run_id = situation.run_id
        self._step_id = situation.step.step_id

    def fact(self, name: str, value: FactValue, source: Source, trust: Trust, confidence: float | None = None) -> Fact:
        """A fact; `confidence` is rounded to four digits so that records compare equal."""
        return Fact(
            name=name,
            value=value,
            source=source,
            trust=trust,
            confidence=None if confidence is None else round(min(1.0, max(0.0, confidence)), 4),
            step_id=self._step_id,
            fact_id=derived_id("fact", self._run_id, self._step_id, name, value),
        )

    def read(self, name: str, value: FactValue, document: Document, span: Span | None, confidence: float) -> Fact:
        """A fact read from a document; OCR's doubt about the words under the span lowers the confidence."""
        sure = confidence * (document.recognition(span) if span else 1.0)
        return self.fact(name, value, document.source(span), document.trust, sure)

    def record(self, name: str, value: FactValue, table: str, call_id: str) -> Fact:
        """A fact read from a system of record."""
        return self.fact(name, value, Source(kind="record", name=table, call_id=call_id), Trust.RECORD, 1.0)

    def rule(self, name: str, value: FactValue, why: str, call_id: str | None = None) -> Fact:
        """A fact that code worked out from other things; `why` names the rule."""
        return self.fact(name, value, Source(kind="rule", name=why, call_id=call_id), Trust.RULE, 1.0)
